//! What the tests stand on: a gateway before instances, with short times, and clients that speak HTTP or something like it.

use crate::upstream::Upstream;
use axum::body::Bytes;
use gateway::{Gateway, Limits, Policy, Route, Seen, Table, Tls};
use http_body_util::StreamBody;
use hyper::body::Frame;
use parking_lot::Mutex;
use registry::client::Snapshot;
use registry::{Instance, Status};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use web::Tokens;

/// The fleet's key.
pub(crate) const KEY: [u8; 32] = [7; 32];
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway that serves, until it is dropped.
pub(crate) struct Ground {
    pub(crate) address: SocketAddr,
    pub(crate) gateway: Gateway,
    pub(crate) http: reqwest::Client,
    snapshot: Arc<Mutex<Arc<Snapshot>>>,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<()>,
}

/// Times short enough for tests.
pub(crate) fn policy() -> Policy {
    let mut policy = Policy { limits: Limits::none(), access_log: false, ..Policy::default() };
    policy.probes.interval = Duration::from_millis(50);
    policy.probes.timeout = Duration::from_millis(500);
    policy.ejection.first = Duration::from_millis(300);
    policy.timeouts.grace = Duration::from_secs(5);
    policy
}

pub(crate) fn instance(service: &str, id: &str, address: SocketAddr) -> Instance {
    Instance {
        service: service.to_owned(),
        id: id.to_owned(),
        address: address.to_string(),
        secure: false,
        version: String::new(),
        weight: 100,
        status: Status::Up,
        metadata: BTreeMap::new(),
    }
}

pub(crate) fn tokens() -> Arc<Tokens> {
    Arc::new(Tokens::without_database(&KEY, 900))
}

impl Ground {
    /// One service, `app`, on every path.
    pub(crate) async fn start(policy: Policy, instances: &[&Upstream]) -> Ground {
        let app = |(n, upstream): (usize, &&Upstream)| instance("app", &format!("app-{n}"), upstream.address);
        Ground::with(policy, vec![Route::to("/", "app")], instances.iter().enumerate().map(app).collect(), None).await
    }

    pub(crate) async fn with(policy: Policy, routes: Vec<Route>, instances: Vec<Instance>, tls: Option<Tls>) -> Ground {
        let snapshot = Arc::new(Mutex::new(Arc::new(Snapshot::of(instances))));
        let source = snapshot.clone();
        let gateway = Gateway::new(policy, Table::new(routes).unwrap(), move || source.lock().clone(), tokens(), &KEY).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = gateway.clone();
        let serving = tokio::spawn(async move { serving.serve(listener, tls, async { drop(stopped.await) }).await });
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Ground { address, gateway, http, snapshot, stop: Some(stop), serving }
    }

    pub(crate) fn set(&self, instances: Vec<Instance>) {
        *self.snapshot.lock() = Arc::new(Snapshot::of(instances));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> u16 {
        self.http.get(self.url(path)).send().await.unwrap().status().as_u16()
    }

    /// Tells the gateway to stop.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until an instance stands so.
    pub(crate) async fn until(&self, id: &str, standing: &str) {
        self.until_all(&format!("{id} is {standing}"), |seen| seen.iter().any(|one| one.id == id && one.standing == standing)).await;
    }

    pub(crate) async fn until_all(&self, what: &str, is_so: impl Fn(&[Seen]) -> bool) {
        wait_for(what, || is_so(&self.gateway.overview())).await;
    }

    /// Sends bytes as they are, and reads until the other end closes or nothing more comes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_for(&mut stream, Duration::from_millis(400)).await
    }
}

/// A body of so many pieces, which does not say how long it is.
pub(crate) fn pieces(count: usize, bytes: usize) -> reqwest::Body {
    let frame = move |_| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![1_u8; bytes])));
    reqwest::Body::wrap(StreamBody::new(futures::stream::iter((0..count).map(frame))))
}

/// Everything that comes until nothing came for so long, or the end.
pub(crate) async fn read_for(stream: &mut TcpStream, quiet: Duration) -> String {
    let mut all = Vec::new();
    let mut piece = vec![0; 8192];
    while let Ok(Ok(read @ 1..)) = tokio::time::timeout(quiet, stream.read(&mut piece)).await {
        all.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// True when the other end closes the connection within the time.
pub(crate) async fn closes_within(stream: &mut TcpStream, limit: Duration) -> bool {
    let closes = async {
        let mut piece = vec![0; 1024];
        while let Ok(1..) = stream.read(&mut piece).await {}
    };
    tokio::time::timeout(limit, closes).await.is_ok()
}

/// Looks until it is so.
pub(crate) async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
