//! A request's way through the gateway: checked, limited, let in, sent on, answered.
//! Refuses early what is refused anyway, so that no instance has to.

use crate::address::{self, Origin};
use crate::attempt::{self, Answered, Outgoing, Sending, Unanswered};
use crate::body::{Egress, Fault, Guarded, Passing};
use crate::cluster::Cluster;
use crate::finish::Finish;
use crate::gateway::Inner;
use crate::headers;
use crate::reply::{self, Reply};
use crate::request::{self, Identity};
use crate::rooms::{self, Verdict};
use crate::table::Route;
use crate::{TICKET, trace, tunnel};
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version, http};
use kernel::{Code, Refusal};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::Instrument as _;
use web::{PASSED, Passed};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A connection, as its requests know it: they share it, and so count no references on what all connections share.
pub(crate) struct Connection {
    pub(crate) gateway: Arc<Inner>,
    pub(crate) origin: Origin,
    /// True when tunnels have to end.
    pub(crate) hurry: watch::Receiver<bool>,
}

/// Answers a request. It always does.
pub(crate) async fn answer(connection: &Arc<Connection>, mut request: Request<Incoming>) -> Reply {
    let gateway = &*connection.gateway;
    let span = tracing::info_span!(target: ::trace::TARGET, "gateway", method = request.method().as_str());
    let client = connection.origin.client(request.headers(), &gateway.policy.trusted_proxies);
    let request_id = request::id(request.headers());
    trace::carry(request.headers_mut(), &span);
    let mut finish = Box::new(Finish {
        connection: connection.clone(),
        started: Instant::now(),
        method: request.method().clone(),
        uri: request.uri().clone(),
        address: client.address,
        request_id: request_id.clone(),
        traceparent: trace::of(request.headers()),
        route: None,
        instance: None,
        user: None,
        tries: 0,
        status: 0,
        answered: Duration::ZERO,
        bytes: 0,
        broken: false,
    });
    let passage = Passage { gateway, hurry: &connection.hurry, client, request_id: &request_id };
    let mut reply = passage.go(request, &mut finish).instrument(span).await.unwrap_or_else(|refused| refused);
    finish.status = reply.status().as_u16();
    finish.answered = finish.started.elapsed();
    reply.headers_mut().insert(REQUEST_ID.clone(), request_id);
    reply.map(|body| body.finished_by(finish))
}

/// One request on its way.
struct Passage<'a> {
    gateway: &'a Inner,
    hurry: &'a watch::Receiver<bool>,
    client: address::Client,
    request_id: &'a HeaderValue,
}

impl Passage<'_> {
    async fn go(self, request: Request<Incoming>, finish: &mut Finish) -> Result<Reply, Reply> {
        let gateway = self.gateway;
        let (head, body) = request.into_parts();
        let mut body = Guarded::new(body, &gateway.policy.timeouts);
        let mut request = Request::from_parts(head, ());
        let host = request::check(&request).map_err(|refusal| {
            gateway.measure.malformed.increment(1);
            reply::refuse_and_close(refusal)
        })?;
        if let Some(wait) = gateway.limiters.address(self.client.address) {
            gateway.measure.by_address.increment(1);
            return Err(reply::refuse(reply::too_many("address", wait)));
        }
        let Some(index) = gateway.table.find(request::bare_host(host.as_ref()), request.uri().path()) else {
            return Err(self.no_route(&request));
        };
        let (route, cluster) = gateway.route(index);
        finish.route = Some(index);
        let identity = self.identify(&request, finish).map_err(reply::refuse)?;
        let limit = route.body_limit_bytes.unwrap_or(gateway.policy.body_limit_bytes);
        if !body.limit(limit) {
            return Err(reply::refuse_and_close(reply::of_body(Fault::TooLarge, limit)));
        }
        let upgrade = headers::upgrade(request.headers()).filter(tunnel::is_known).filter(|_| request.version() == Version::HTTP_11);
        let switching = upgrade.as_ref().map(|_| hyper::upgrade::on(&mut request));
        let (mut head, ()) = request.into_parts();
        let note = body.note();
        let body = self.take(&head, body, limit).await?;
        let (body, ticket) = self.wait(&head, body, &identity).map_err(|reply| *reply)?;
        self.dress(&mut head, route, identity, host, upgrade.as_ref());
        let (method, has_key) = (head.method.clone(), head.headers.contains_key("idempotency-key"));
        let sending = Sending {
            repeatable: upgrade.is_none() && request::is_repeatable(&head.method, &head.headers),
            timeout: route.response_timeout.unwrap_or(gateway.policy.timeouts.response),
            head: Some(head),
            body,
            note,
        };
        let (outcome, tries) = sending.send(cluster, &gateway.policy).await;
        finish.tries = tries;
        let answered = outcome.map_err(|why| unanswered(why, cluster, &method, has_key, limit))?;
        finish.instance = Some(answered.lease.peer.id.clone());
        let mut reply = match switching {
            Some(client) if answered.response.status() == StatusCode::SWITCHING_PROTOCOLS => self.join(answered, client),
            _ => self.pass(answered),
        };
        if let Some(ticket) = ticket {
            reply.headers_mut().insert(TICKET, ticket);
        }
        Ok(reply)
    }

    /// What the gateway says of itself where no route does.
    fn no_route(&self, request: &Request<()>) -> Reply {
        let path = request.uri().path();
        if *request.method() == Method::GET && matches!(path, "/ready" | "/health") {
            if path == "/ready" && self.gateway.draining.load(Ordering::Relaxed) {
                return reply::refuse(Refusal::new(Code::Unavailable, "this gateway is stopping"));
            }
            let body = Body::from(r#"{"status":"ok"}"#);
            return Response::builder()
                .header(header::CONTENT_TYPE, "application/json")
                .body(Egress::ours(body))
                .expect("a plain answer can be built");
        }
        reply::refuse(Refusal::new(Code::NotFound, format!("no service answers to {path}")))
    }

    fn identify(&self, request: &Request<()>, finish: &mut Finish) -> Result<Identity, Refusal> {
        let identity = request::identity(request.headers(), &self.gateway.tokens);
        let (limiters, measure) = (&self.gateway.limiters, &self.gateway.measure);
        let limited = match identity {
            Identity::User(who) => {
                finish.user = Some(who.user);
                limiters.user(who.user).map(|wait| ("user", wait, &measure.by_user))
            }
            Identity::Key(key) => limiters.key(key).map(|wait| ("API key", wait, &measure.by_key)),
            Identity::None => None,
        };
        match limited {
            None => Ok(identity),
            Some((what, wait, counter)) => {
                counter.increment(1);
                Err(reply::too_many(what, wait))
            }
        }
    }

    /// Small bodies are read before anything is sent: then a slow client keeps no instance waiting, and they can be sent again.
    async fn take(&self, head: &http::request::Parts, body: Guarded, limit: u64) -> Result<Outgoing, Reply> {
        if body.is_end_stream() {
            return Ok(Outgoing::Whole(Bytes::new()));
        }
        let kept = self.gateway.policy.retries.body_kept_bytes;
        let is_small = body.size_hint().upper().is_some_and(|bytes| bytes <= kept);
        let needs_all = self.gateway.rooms.guarding(&head.method, head.uri.path()).is_some_and(|(_, guard)| !guard.products.is_empty());
        if is_small || needs_all {
            return match body.whole().await {
                Ok(bytes) => Ok(Outgoing::Whole(bytes)),
                Err(fault) => Err(reply::refuse_and_close(reply::of_body(fault, limit))),
            };
        }
        Ok(Outgoing::Once(Some(Box::new(body))))
    }

    /// Has the request wait its turn, where a room guards it. The ticket goes into the answer.
    fn wait(
        &self,
        head: &http::request::Parts,
        body: Outgoing,
        identity: &Identity,
    ) -> Result<(Outgoing, Option<HeaderValue>), Box<Reply>> {
        let rooms = &self.gateway.rooms;
        let Some((room, guard)) = rooms.guarding(&head.method, head.uri.path()) else { return Ok((body, None)) };
        if let Outgoing::Whole(bytes) = &body
            && !rooms::concerns(guard, bytes)
        {
            return Ok((body, None));
        }
        let who = match identity {
            Identity::User(who) => *who.user.bytes(),
            Identity::Key(_) => return Ok((body, None)),
            Identity::None => {
                let told = "this sale has a waiting room: send the header `Authorization: Bearer TOKEN` with a valid token";
                return Err(Box::new(reply::refuse(Refusal::new(Code::Unauthenticated, told))));
            }
        };
        match room.ask(&who, head.headers.get(TICKET), self.gateway.gateways()) {
            Verdict::Admitted(ticket) => Ok((body, Some(ticket))),
            Verdict::Wait(reply) => Err(reply),
        }
    }

    /// Makes of a client's headers those that a service gets.
    fn dress(
        &self,
        head: &mut http::request::Parts,
        route: &Route,
        identity: Identity,
        host: Option<HeaderValue>,
        upgrade: Option<&HeaderValue>,
    ) {
        let headers = &mut head.headers;
        headers::clean_request(headers);
        headers.remove(TICKET);
        headers.insert(REQUEST_ID.clone(), self.request_id.clone());
        let who = if let Identity::User(who) = identity { Some(who) } else { None };
        if !route.foreign {
            let passed = Passed { who, address: Some(self.client.address) };
            headers.insert(PASSED, self.gateway.tokens.pass(&passed, self.request_id.as_bytes()));
        } else if who.is_some() {
            // A token of ours would let a foreign service act for its owner.
            headers.remove(header::AUTHORIZATION);
        }
        address::tell(headers, self.client.clone(), host.as_ref());
        if let Some(host) = host {
            headers.insert(header::HOST, host);
        }
        if let Some(protocol) = upgrade {
            headers.insert(header::UPGRADE, protocol.clone());
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        head.version = Version::HTTP_11;
        head.uri = target(&head.uri, route);
        head.extensions.clear();
    }

    fn pass(&self, answered: Answered) -> Reply {
        let Answered { response, lease, wire } = answered;
        let (mut head, body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let told = format!("{} changed the protocol without being asked to", lease.cluster.service);
            return reply::refuse(Refusal::new(Code::BadGateway, told));
        }
        headers::clean_response(&mut head.headers);
        head.version = Version::HTTP_11;
        head.extensions.clear();
        let passing = Passing::new(body, lease, wire, self.gateway.policy.timeouts.answer_idle);
        Response::from_parts(head, Egress::passing(passing))
    }

    /// Lets both ends speak their own protocol from here on.
    fn join(&self, answered: Answered, client: OnUpgrade) -> Reply {
        let Answered { mut response, lease, wire } = answered;
        let instance = hyper::upgrade::on(&mut response);
        tokio::spawn(wire.run());
        let idle = self.gateway.policy.timeouts.tunnel_idle;
        tokio::spawn(tunnel::join(client, instance, lease, idle, self.hurry.clone()));
        let (mut head, _) = response.into_parts();
        let protocol = head.headers.get(header::UPGRADE).cloned();
        headers::clean_response(&mut head.headers);
        if let Some(protocol) = protocol {
            head.headers.insert(header::UPGRADE, protocol);
            head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        Response::from_parts(head, Egress::default())
    }
}

/// The target as the instance gets it: path and query, without the route's own path where it is stripped.
fn target(uri: &Uri, route: &Route) -> Uri {
    let whole = uri.path_and_query().map_or("/", |target| target.as_str());
    if !route.strips {
        return uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
    }
    let segments = route.path.split('/').filter(|segment| !segment.is_empty()).count();
    let mut rest = whole.split('?').next().unwrap_or_default();
    for _ in 0..segments {
        rest = rest.trim_start_matches('/');
        rest = rest.find('/').map_or("", |at| &rest[at..]);
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = if rest.is_empty() { "/" } else { rest };
    Uri::try_from(format!("{path}{query}")).unwrap_or_default()
}

fn unanswered(why: Unanswered, cluster: &Arc<Cluster>, method: &Method, has_key: bool, limit: u64) -> Reply {
    let service = &cluster.service;
    match why {
        Unanswered::NoPeer(none) => reply::refuse(reply::no_instance(service, none)),
        Unanswered::Body(fault) => reply::refuse_and_close(reply::of_body(fault, limit)),
        Unanswered::Lost { broke } => reply::refuse(reply::gave_up(service, has_key, attempt::may_be_done(method), broke)),
        Unanswered::Unsent => {
            reply::refuse(Refusal::new(Code::Unavailable, format!("no instance of {service} takes connections: try again in a second")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stripped_route_leaves_the_rest_and_the_query() {
        let sent = |route: &str, uri: &str| target(&uri.parse().unwrap(), &Route::to(route, "x").strip_prefix()).to_string();
        assert_eq!(sent("/legacy", "/legacy/items/7?a=b"), "/items/7?a=b");
        assert_eq!(sent("/legacy", "/legacy"), "/");
        assert_eq!(sent("/legacy/{x}", "/legacy/a/b?c"), "/b?c");
        assert_eq!(target(&"http://a.example/b?c".parse().unwrap(), &Route::to("/b", "x")).to_string(), "/b?c");
    }
}
