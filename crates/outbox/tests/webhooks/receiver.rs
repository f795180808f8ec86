//! A receiver of webhooks: a real HTTP server on the loopback that remembers what came and answers as a test wants.
//! Verifies signatures with the scheme's own library, which shares no code with ours.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One request that came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) body: Value,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// Aggregate and version.
    pub(crate) fn what(&self) -> (String, i64) {
        (self.body["aggregate"].as_str().unwrap().to_owned(), self.body["version"].as_i64().unwrap())
    }

    /// Asserts that the scheme's own library accepts it now.
    #[track_caller]
    pub(crate) fn verify(&self, secret: &str) {
        standardwebhooks::Webhook::new(secret).unwrap().verify(&self.raw, &self.headers).unwrap();
    }

    /// True when one of its signatures is the one of this secret, whatever time it is.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let timestamp = self.header("webhook-timestamp").parse().unwrap();
        let expected = standardwebhooks::Webhook::new(secret).unwrap().sign(self.id(), timestamp, &self.raw).unwrap();
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

/// What a receiver answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Say {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// Waits until this is true before it answers.
    pub(crate) after: Option<watch::Receiver<bool>>,
    /// The body never ends.
    pub(crate) endless: bool,
}

pub(crate) fn say(status: u16) -> Say {
    Say { status, ..Say::default() }
}

type Script = Box<dyn FnMut(&Got) -> Say + Send>;

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    serving: Option<JoinHandle<()>>,
}

struct Inner {
    got: Mutex<Vec<Got>>,
    script: Mutex<Script>,
    count: watch::Sender<usize>,
}

impl Receiver {
    /// A receiver that answers 204 to everything.
    pub(crate) async fn start() -> Receiver {
        Receiver::at("127.0.0.1:0".parse().unwrap()).await
    }

    async fn at(address: SocketAddr) -> Receiver {
        let inner = Inner { got: Mutex::default(), script: Mutex::new(Box::new(|_| say(204))), count: watch::Sender::new(0) };
        let mut receiver = Receiver { address, inner: Arc::new(inner), serving: None };
        receiver.up().await;
        receiver
    }

    /// Takes connections again, at the same address.
    pub(crate) async fn up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let router = Router::new().fallback(receive).with_state(self.inner.clone());
        self.serving = Some(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    }

    /// Refuses connections from now on.
    pub(crate) async fn down(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks?of=guildhall", self.address)
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(receive).with_state(self.inner.clone())
    }

    /// Answers as the script says from now on.
    pub(crate) fn answers(&self, script: impl FnMut(&Got) -> Say + Send + 'static) {
        *self.inner.script.lock() = Box::new(script);
    }

    /// Answers these statuses in turn, then 204.
    pub(crate) fn answers_in_turn(&self, statuses: &[u16]) {
        let mut left: VecDeque<u16> = statuses.iter().copied().collect();
        self.answers(move |_| say(left.pop_front().unwrap_or(204)));
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.inner.got.lock().clone()
    }

    pub(crate) fn what(&self) -> Vec<(String, i64)> {
        self.got().iter().map(Got::what).collect()
    }

    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.got().iter().map(|got| got.id().to_owned()).collect()
    }

    /// Waits until this many requests have come.
    pub(crate) async fn has(&self, count: usize) {
        self.inner.count.subscribe().wait_for(|came| *came >= count).await.unwrap();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

async fn receive(State(inner): State<Arc<Inner>>, uri: Uri, headers: HeaderMap, raw: Bytes) -> Response {
    let path = uri.path_and_query().unwrap().to_string();
    let got = Got { path, headers, body: serde_json::from_slice(&raw).unwrap(), raw };
    let said = (inner.script.lock())(&got);
    inner.got.lock().push(got);
    inner.count.send_modify(|count| *count += 1);
    if let Some(mut after) = said.after {
        after.wait_for(|is_over| *is_over).await.unwrap();
    }
    let mut response = Response::builder().status(StatusCode::from_u16(said.status).unwrap());
    for (name, value) in said.headers {
        response = response.header(name, value);
    }
    let body = if said.endless {
        let chunk = Bytes::from(vec![b'x'; 64 << 10]);
        Body::from_stream(futures::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())))
    } else {
        Body::from(said.body)
    };
    response.body(body).unwrap()
}
