//! Receivers of a test's own: one of webhooks, and a collector of OpenTelemetry that decodes what it is sent.
//! Refuses nothing but what it is told to refuse.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message as _;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A webhook's end.
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<Received>>,
    serving: JoinHandle<()>,
}

struct Received {
    status: StatusCode,
    got: Vec<HeaderMap>,
}

impl Receiver {
    /// One that answers 204.
    pub(crate) async fn start() -> Receiver {
        let state = Arc::new(Mutex::new(Received { status: StatusCode::NO_CONTENT, got: Vec::new() }));
        let take = async |State(state): State<Arc<Mutex<Received>>>, headers: HeaderMap| {
            let mut state = state.lock();
            state.got.push(headers);
            state.status
        };
        let (address, serving) = serve(Router::new().fallback(any(take)).with_state(state.clone())).await;
        Receiver { address, state, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What it answers from now on.
    pub(crate) fn answer(&self, status: StatusCode) {
        self.state.lock().status = status;
    }

    /// Headers of every request that came.
    pub(crate) fn got(&self) -> Vec<HeaderMap> {
        self.state.lock().got.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A collector of traces.
pub(crate) struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    serving: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Collector {
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let take = async |State(spans): State<Arc<Mutex<Vec<Span>>>>, body: Bytes| {
            let Ok(sent) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
            let scopes = sent.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            spans.lock().extend(scopes.flat_map(|scope| scope.spans));
            StatusCode::OK
        };
        let (address, serving) = serve(Router::new().route("/v1/traces", any(take)).with_state(spans.clone())).await;
        Collector { address, spans, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was collected of one trace.
    pub(crate) fn trace(&self, id: &str) -> Vec<Span> {
        self.spans.lock().iter().filter(|span| hex::encode(&span.trace_id) == id).cloned().collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(router: Router) -> (SocketAddr, JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    (address, tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves until the test ends") }))
}
