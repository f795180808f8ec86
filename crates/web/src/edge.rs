//! What every request passes first and last: its id, its time limit, its metrics, and the log of our faults.
//! Refuses to let a panic or a slow handler reach the caller as anything but a problem.

use crate::problem::Fault;
use crate::{Problem, Tokens};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use kernel::{Code, Refusal};
use metrics::{Counter, Gauge, Histogram};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tracing::{Instrument as _, Span};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the edge needs.
#[derive(Clone)]
pub struct Edge {
    tokens: Arc<Tokens>,
    timeout: Duration,
    routes: Arc<RwLock<HashMap<String, Methods>>>,
    under_way: Gauge,
}

/// The methods of a route that were called; looked up without making anything.
type Methods = Vec<(Method, Arc<Route>)>;

/// A route with its handles, as they are kept for good: there are as many as routes and methods.
pub(crate) struct Route {
    /// The method and the pattern, as `POST /v1/orders`.
    pub(crate) name: &'static str,
    seconds: Histogram,
    by_class: [Counter; 5],
}

impl Route {
    fn new(method: &Method, pattern: &str) -> Route {
        let (route, verb) = (pattern.to_owned(), method.to_string());
        let class = |class: &'static str| metrics::counter!("guildhall_requests_total", "route" => route.clone(), "method" => verb.clone(), "class" => class);
        Route {
            name: Box::leak(format!("{verb} {route}").into_boxed_str()),
            seconds: metrics::histogram!("guildhall_request_seconds", "route" => route.clone(), "method" => verb.clone()),
            by_class: [class("1xx"), class("2xx"), class("3xx"), class("4xx"), class("5xx")],
        }
    }
}

impl Edge {
    /// An edge that checks tokens and ends requests that take longer than `timeout`.
    pub fn new(tokens: Arc<Tokens>, timeout: Duration) -> Edge {
        Edge { tokens, timeout, routes: Arc::default(), under_way: metrics::gauge!("guildhall_requests_under_way") }
    }

    fn route(&self, request: &Request) -> Arc<Route> {
        let pattern = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
        let method = known(request.method());
        let of = |methods: &Methods| methods.iter().find(|(known, _)| *known == method).map(|(_, route)| route.clone());
        if let Some(route) = self.routes.read().get(pattern).and_then(of) {
            return route;
        }
        let mut routes = self.routes.write();
        let methods = routes.entry(pattern.to_owned()).or_default();
        of(methods).unwrap_or_else(|| {
            let route = Arc::new(Route::new(&method, pattern));
            methods.push((method.clone(), route.clone()));
            route
        })
    }
}

/// The middleware itself.
pub async fn edge(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let started = std::time::Instant::now();
    let route = edge.route(&request);
    let id = request.headers().get(&REQUEST_ID).filter(|id| is_fit(id)).cloned().unwrap_or_else(new_id);
    if let Some(passed) = edge.tokens.passed(request.headers()) {
        if let Some(who) = passed.who {
            request.extensions_mut().insert(who);
        }
        request.extensions_mut().insert(passed);
    }
    request.extensions_mut().insert(edge.tokens.clone());
    request.extensions_mut().insert(route.clone());

    let span = span_of(&route, &request, &id);
    let under_way = UnderWay::begin(&edge.under_way);
    let handling = db::statistics::counted(route.name, AssertUnwindSafe(next.run(request)).catch_unwind());
    let handled = tokio::time::timeout(edge.timeout, handling.instrument(span.clone())).await;
    drop(under_way);
    let mut response = match handled {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Problem::internal(format!("a handler panicked: {}", text.unwrap_or("no message"))).into_response()
        }
        Err(_) => Problem::from(Refusal::new(Code::TimedOut, "the request took longer than server.request_timeout_ms")).into_response(),
    };
    if let Some(Fault(fault)) = response.extensions_mut().remove::<Fault>() {
        let _entered = span.enter();
        tracing::error!(request_id = id.to_str().unwrap_or_default(), route = route.name, fault, "a request failed");
    }
    route.seconds.record(started.elapsed());
    route.by_class[usize::from(response.status().as_u16() / 100).clamp(1, 5) - 1].increment(1);
    trace::note(&span, "http.response.status_code", i64::from(response.status().as_u16()));
    response.headers_mut().insert(REQUEST_ID.clone(), id);
    response
}

/// A request that somebody waits for.
struct UnderWay(Gauge);

impl UnderWay {
    fn begin(gauge: &Gauge) -> UnderWay {
        gauge.increment(1.0);
        UnderWay(gauge.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// A request's part of its trace: what it asks the database and what it sends to a queue lies within it. Logs name it by its id.
fn span_of(route: &Route, request: &Request, id: &HeaderValue) -> Span {
    let span = tracing::info_span!(
        target: trace::TARGET,
        parent: None,
        "request",
        otel.name = route.name,
        otel.kind = "server",
        request_id = id.to_str().unwrap_or_default(),
        trace_id = tracing::field::Empty
    );
    if !span.is_disabled() {
        if let Some(place) = request.headers().get(trace::HEADER).and_then(|place| place.to_str().ok()) {
            trace::follow(&span, place);
        }
        if let Some(id) = trace::id(&span) {
            span.record("trace_id", id);
        }
    }
    span
}

/// The answer to a path that no route has.
pub async fn no_such_route(request: Request) -> Problem {
    Refusal::new(Code::NotFound, format!("no route {}: the routes are listed at /docs", request.uri().path())).into()
}

/// The answer to a method that the route does not take.
pub async fn wrong_method(request: Request) -> (StatusCode, Problem) {
    let told = format!("{} does not take {}: its methods are listed at /docs", request.uri().path(), request.method());
    (StatusCode::METHOD_NOT_ALLOWED, Refusal::new(Code::WrongMethod, told).into())
}

/// Methods nobody defined would make a metric each: they count as TRACE, which no route takes.
fn known(method: &Method) -> Method {
    let ours = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
    ours.into_iter().find(|known| known == method).unwrap_or(Method::TRACE)
}

fn is_fit(id: &HeaderValue) -> bool {
    (1..=64).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn new_id() -> HeaderValue {
    HeaderValue::from_str(&format!("{:016x}", rand::random::<u64>())).expect("hex digits make a header value")
}
