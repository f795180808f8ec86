//! An instance of a service: a real HTTP server whose conduct a test can change while it runs.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures::StreamExt as _;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::json;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How an instance behaves.
#[derive(Default)]
pub(crate) struct Conduct {
    /// The status of every answer but readiness; 0: 200.
    pub(crate) status: AtomicU64,
    /// How long it takes, in milliseconds.
    pub(crate) slow_ms: AtomicU64,
    /// The status of readiness; 0: 200.
    pub(crate) ready: AtomicU64,
    /// Requests answered, without readiness.
    pub(crate) requests: AtomicUsize,
    /// What was posted under which idempotency key, or none.
    pub(crate) posted: Mutex<Vec<Option<String>>>,
    /// Requests seen, as `METHOD PATH`, without readiness.
    pub(crate) seen: Mutex<Vec<String>>,
    /// The headers of the latest request.
    pub(crate) headers: Mutex<HeaderMap>,
}

/// One that runs, until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) conduct: Arc<Conduct>,
    serving: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Upstream {
    pub(crate) async fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let conduct = Arc::new(Conduct::default());
        let router = router(conduct.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Upstream { address, conduct, serving }
    }

    pub(crate) fn requests(&self) -> usize {
        self.conduct.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn answer_with(&self, status: u64) {
        self.conduct.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn slow_down(&self, millis: u64) {
        self.conduct.slow_ms.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn ready_with(&self, status: u64) {
        self.conduct.ready.store(status, Ordering::SeqCst);
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        self.conduct.headers.lock().clone()
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.conduct.seen.lock().clone()
    }
}

pub(crate) fn router(conduct: Arc<Conduct>) -> Router {
    Router::new()
        .route("/ready", get(ready))
        .route("/events", get(events))
        .route("/socket", get(socket))
        .route("/upload", post(upload))
        .route("/download", get(download))
        .route("/break", any(break_off))
        .fallback(any(echo))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(conduct)
}

async fn ready(State(conduct): State<Arc<Conduct>>) -> StatusCode {
    status(&conduct.ready)
}

fn status(of: &AtomicU64) -> StatusCode {
    match of.load(Ordering::SeqCst) {
        0 => StatusCode::OK,
        other => StatusCode::from_u16(u16::try_from(other).unwrap()).unwrap(),
    }
}

/// Says what it got, after as long as it takes.
async fn echo(State(conduct): State<Arc<Conduct>>, request: Request) -> Response {
    conduct.seen.lock().push(format!("{} {}", request.method(), request.uri()));
    *conduct.headers.lock() = request.headers().clone();
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let Ok(body) = axum::body::to_bytes(request.into_body(), usize::MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
    tokio::time::sleep(Duration::from_millis(conduct.slow_ms.load(Ordering::SeqCst))).await;
    if method == "POST" {
        conduct.posted.lock().push(key);
    }
    conduct.requests.fetch_add(1, Ordering::SeqCst);
    let told = json!({ "method": method, "uri": uri, "bytes": body.len() });
    (status(&conduct.status), axum::Json(told)).into_response()
}

/// Takes a request and breaks the connection off.
async fn break_off(State(conduct): State<Arc<Conduct>>, request: Request) -> Response {
    conduct.seen.lock().push(format!("{} {}", request.method(), request.uri()));
    panic!("broken off on purpose")
}

/// An event every hundredth of a second.
async fn events() -> Response {
    let pieces = futures::stream::unfold(0_u32, |n| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from(format!("data: {n}\n\n"))), n + 1))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(pieces.take(200))).into_response()
}

async fn download(Query(query): Query<HashMap<String, usize>>) -> Response {
    let pieces = query["pieces"];
    let stream = futures::stream::iter((0..pieces).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![7_u8; 64 << 10]))));
    Body::from_stream(stream).into_response()
}

async fn upload(body: Body) -> Response {
    let mut bytes = 0;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => bytes += piece.len(),
            Err(_) => return StatusCode::BAD_REQUEST.into_response(),
        }
    }
    axum::Json(json!({ "bytes": bytes })).into_response()
}

/// Changes to a protocol in which everything comes back as it went.
async fn socket(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        let mut piece = vec![0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut piece).await {
            stream.write_all(&piece[..read]).await.unwrap();
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = request.headers().get("sec-websocket-key").cloned().unwrap_or(HeaderValue::from_static("none"));
    response.headers_mut().insert("sec-websocket-accept", accept);
    response
}
