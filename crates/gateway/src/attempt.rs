//! Sending a request to an instance, and to another one where that is safe.
//! Refuses to send again what might have been done, unless doing it twice is the same; and more than the budget allows.

use crate::body::{Fault, Guarded, Ingress, Note};
use crate::cluster::{Cluster, Lease, NoPeer};
use crate::peers::Peer;
use crate::policy::Policy;
use crate::wire::Wire;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is to be sent.
pub(crate) struct Sending {
    /// Nothing of it is left where it was sent and may not be sent again.
    pub(crate) head: Option<request::Parts>,
    pub(crate) body: Outgoing,
    /// True when it may be sent again although it may have been worked on.
    pub(crate) repeatable: bool,
    pub(crate) timeout: Duration,
    pub(crate) note: Note,
}

/// A body that can be sent as often as needed, or once.
pub(crate) enum Outgoing {
    Whole(Bytes),
    Once(Option<Box<Guarded>>),
}

/// An answer with what it came by.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(crate) wire: Wire,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// No instance could be asked.
    NoPeer(NoPeer),
    /// The client's own body ended the request.
    Body(Fault),
    /// It was sent and no answer came.
    Lost {
        /// True when the instance broke off, false when it did not answer in time.
        broke: bool,
    },
    /// It could not be sent.
    Unsent,
}

/// How one attempt went wrong.
enum Failed {
    /// Nothing of it was sent: all of it is here again.
    Unsent,
    Lost {
        broke: bool,
    },
}

impl Sending {
    /// Sends it until there is an answer, or no further try is allowed. Returns how often it was sent, too.
    pub(crate) async fn send(mut self, cluster: &Arc<Cluster>, policy: &Policy) -> (Result<Answered, Unanswered>, u32) {
        cluster.came();
        let mut tried: Vec<Arc<Peer>> = Vec::new();
        let can_repeat = self.repeatable && matches!(self.body, Outgoing::Whole(_));
        let mut last = Unanswered::Unsent;
        for tries in 1..=policy.retries.tries + 1 {
            let mut lease = match cluster.pick(&tried, can_repeat) {
                Ok(lease) => lease,
                Err(none) if tried.is_empty() => return (Err(Unanswered::NoPeer(none)), tries - 1),
                Err(_) => return (Err(last), tries - 1),
            };
            let started = Instant::now();
            let is_last = tries > policy.retries.tries;
            let may_go_on = |allowed: bool| allowed && !is_last && cluster.may_retry();
            match self.once(&lease.peer, policy, can_repeat && !is_last).await {
                Ok((response, wire)) => {
                    let ill = is_ill(response.status());
                    lease.answered(!ill, started.elapsed());
                    let elsewhere = ill && can_repeat && cluster.has_other(&tried, &lease.peer);
                    if !may_go_on(elsewhere) {
                        return (Ok(Answered { response, lease, wire }), tries);
                    }
                }
                Err(_) if self.note.read().is_some() => return (Err(Unanswered::Body(self.note.read().unwrap_or(Fault::Broken))), tries),
                Err(failed) => {
                    lease.failed();
                    let (allowed, told) = match failed {
                        Failed::Unsent => (true, Unanswered::Unsent),
                        Failed::Lost { broke } => (can_repeat, Unanswered::Lost { broke }),
                    };
                    last = told;
                    if !may_go_on(allowed) {
                        return (Err(last), tries);
                    }
                }
            }
            if !cluster.has_other(&tried, &lease.peer) {
                pause(tries).await;
            }
            tried.push(lease.peer.clone());
        }
        (Err(last), policy.retries.tries + 1)
    }

    /// Sends it once: by an idle connection, or by a new one where none is left that the instance has not closed.
    async fn once(&mut self, peer: &Peer, policy: &Policy, may_leave: bool) -> Result<(Response<Incoming>, Wire), Failed> {
        loop {
            let (mut wire, used) = match peer.pool.idle().await {
                Some(wire) => (wire, true),
                // Apart, so that the room it needs is not carried along with every request.
                None => match Box::pin(peer.pool.connect(policy.timeouts.connect)).await {
                    Ok(wire) => (wire, false),
                    Err(_) => return Err(Failed::Unsent),
                },
            };
            let sent = wire.send(self.request(may_leave));
            let fell = async { if may_leave { peer.fell().await } else { std::future::pending().await } };
            let answer = tokio::select! {
                biased;
                answer = tokio::time::timeout(self.timeout, sent) => answer.map_err(|_| Failed::Lost { broke: false })?,
                () = fell => return Err(Failed::Lost { broke: false }),
            };
            match answer {
                Ok(response) => return Ok((response, wire)),
                Err(mut error) => match error.take_message() {
                    Some(request) => {
                        self.take_back(request);
                        // A connection that was idle may have been closed a moment ago: that says nothing about the instance.
                        if !used {
                            return Err(Failed::Unsent);
                        }
                    }
                    None => return Err(Failed::Lost { broke: true }),
                },
            }
        }
    }

    /// The request as it is sent: a copy where it may have to be sent again although it was sent.
    fn request(&mut self, may_have_to: bool) -> Request<Ingress> {
        let body = match &mut self.body {
            Outgoing::Whole(bytes) if bytes.is_empty() => Ingress::Empty,
            Outgoing::Whole(bytes) => Ingress::Whole(Some(bytes.clone())),
            Outgoing::Once(guarded) => guarded.take().map_or(Ingress::Empty, Ingress::Stream),
        };
        let head = if may_have_to { self.head.clone() } else { self.head.take() };
        Request::from_parts(head.expect("what was sent for the last time is not sent again"), body)
    }

    fn take_back(&mut self, request: Request<Ingress>) {
        let (head, body) = request.into_parts();
        self.head = Some(head);
        if let (Outgoing::Once(place), Ingress::Stream(body)) = (&mut self.body, body) {
            *place = Some(body);
        }
    }
}

/// True for an answer that another instance might not have given.
fn is_ill(status: StatusCode) -> bool {
    status.is_server_error() && !matches!(status, StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED)
}

/// The same instance gets a moment.
async fn pause(tries: u32) {
    let millis = u64::from(tries) * 10 + rand::random::<u64>() % 20;
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// True when a request that got lost may have changed something.
pub(crate) fn may_be_done(method: &Method) -> bool {
    !method.is_safe()
}
