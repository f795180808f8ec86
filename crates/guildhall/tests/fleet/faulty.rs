//! A process of the fleet that can misbehave: it hands requests on to a real one, or fails, or dawdles.
//! Refuses to look ill where it is asked for its health: a gateway has to find out by what it answers.

use crate::store::Store;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use guildhall::secrets::Secrets;
use registry::client::{Agent, Link};
use registry::{FleetToken, Registration};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// How long a slow one takes.
const DAWDLES: Duration = Duration::from_millis(1_500);

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As the real one.
    Well,
    /// Every answer is a 500.
    Failing,
    /// Every answer comes late.
    Slow,
}

/// A running one.
pub(crate) struct Faulty {
    pub(crate) address: SocketAddr,
    agent: Agent,
    shared: Arc<Shared>,
}

struct Shared {
    behind: String,
    client: reqwest::Client,
    manner: AtomicU8,
    answered: AtomicU64,
}

impl Faulty {
    /// Registers one for a service, before a real process.
    pub(crate) async fn start(store: &Store, registries: &str, service: &str, behind: &str) -> Faulty {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client without TLS");
        let shared = Shared { behind: behind.to_owned(), client, manner: AtomicU8::new(0), answered: AtomicU64::new(0) };
        let shared = Arc::new(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let key = Secrets::load_token_key(store.folder(), |_| None).expect("the store has its keys");
        let urls: Vec<String> = registries.split(',').map(str::to_owned).collect();
        let link = Link::http(&urls, FleetToken::derive(key.reveal())).expect("there are registries");
        let agent = Agent::start(link, "faulty", Registration::new([service], address.to_string()));
        agent.registered().await;
        Faulty { address, agent, shared }
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.shared.manner.store(manner as u8, Ordering::SeqCst);
    }

    /// How many requests it has handed on.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    pub(crate) async fn leave(self) {
        self.agent.leave().await;
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let manner = shared.manner.load(Ordering::SeqCst);
    if path == "/ready" {
        return "ready\n".into_response();
    }
    if manner == Manner::Failing as u8 {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if manner == Manner::Slow as u8 {
        tokio::time::sleep(DAWDLES).await;
    }
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
    let passed =
        shared.client.request(head.method, format!("http://{}{path}", shared.behind)).headers(head.headers).body(body).send().await;
    shared.answered.fetch_add(1, Ordering::SeqCst);
    match passed {
        Ok(answer) => (answer.status(), answer.headers().clone(), Body::from(answer.bytes().await.expect("it is whole"))).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
