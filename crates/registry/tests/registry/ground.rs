//! What the registry's tests stand on: databases of their own, and registries as processes that can be killed.

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use db::{Db, Options};
use parking_lot::Mutex;
use registry::{EurekaUser, FleetToken, Policy, Registry};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

pub(crate) const KEY: [u8; 32] = [7; 32];
pub(crate) const PASSWORD: &str = "s3cret-of-eureka";
/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A database of its own, which is dropped with the server it lies on.
pub(crate) struct Ground {
    pub(crate) url: String,
    _folder: TempDir,
}

impl Ground {
    pub(crate) async fn sqlite() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        db::migrate(&Options::new(&url)).await.unwrap();
        Ground { url, _folder: folder }
    }

    /// None where the environment names no Postgres.
    pub(crate) async fn postgres(label: &str) -> Option<Ground> {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("GUILDHALL_TEST_POSTGRES").ok().filter(|url| !url.is_empty())?;
        let name = format!("registry_{label}_{}_{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed));
        let create = format!("create database {name} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0");
        db::run_once(&server, &create).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        db::migrate(&Options::new(&url)).await.unwrap();
        Some(Ground { url, _folder: tempfile::tempdir().unwrap() })
    }

    /// A registry without a server and without jobs: the test has its rounds when it likes.
    pub(crate) async fn registry(&self) -> (Registry, Db) {
        let db = Db::open(Options { writers: 2, ..Options::new(&self.url) }).await.unwrap();
        (Registry::new(&db, policy(None)), db)
    }
}

pub(crate) fn policy(password: Option<&str>) -> Policy {
    let eureka = password.map(|password| EurekaUser { name: "eureka".to_owned(), password: password.to_owned() });
    Policy { fleet: FleetToken::derive(&KEY), eureka, reserved: vec!["payments".to_owned(), "gateway".to_owned()] }
}

/// Every invariant of the registry.
pub(crate) async fn assert_sound(db: &Db) {
    assert_eq!(db::check::check(db, registry::check::INVARIANTS).await.unwrap(), Vec::new());
}

/// Runs a test on SQLite and on Postgres.
macro_rules! both_engines {
    ($($(#[$attribute:meta])* async fn $name:ident($ground:ident: &Ground) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn test($ground: &Ground) $body

            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                test(&Ground::sqlite().await).await;
            }

            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                match Ground::postgres(&stringify!($name)[..stringify!($name).len().min(30)]).await {
                    Some(ground) => test(&ground).await,
                    None => eprintln!("left out: GUILDHALL_TEST_POSTGRES names no Postgres"),
                }
            }
        }
    )+};
}
pub(crate) use both_engines;

/// A registry as a process of its own: killing it closes its connections and leaves the database to others.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Registry,
    pub(crate) db: Db,
    /// Every request it was asked, as `GET /eureka/apps 200`.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    runtime: Option<Runtime>,
}

impl Process {
    pub(crate) async fn start(ground: &Ground, port: u16, password: Option<&str>) -> Process {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (url, policy, asked) = (ground.url.clone(), policy(password), Arc::new(Mutex::new(Vec::new())));
        let (registry, db, address) = runtime.spawn(serve(url, port, policy, asked.clone())).await.unwrap();
        Process { address, registry, db, asked, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn count(&self, request: &str) -> usize {
        self.asked.lock().iter().filter(|asked| *asked == request).count()
    }

    pub(crate) fn kill(mut self) -> SocketAddr {
        self.runtime.take().unwrap().shutdown_background();
        self.address
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(url: String, port: u16, policy: Policy, asked: Arc<Mutex<Vec<String>>>) -> (Registry, Db, SocketAddr) {
    let db = Db::open(Options { writers: 2, ..Options::new(url) }).await.unwrap();
    let registry = Registry::new(&db, policy);
    let tokens = Arc::new(web::Tokens::new(&KEY, 3_600, db.clone()));
    let (routes, _) = registry.routes().split_for_parts();
    let router = routes
        .merge(registry.eureka_routes())
        .layer(axum::middleware::from_fn_with_state(web::Edge::new(tokens, Duration::from_secs(30)), web::edge))
        .layer(from_fn_with_state(asked, note));
    let listener = eventually(|| async { TcpListener::bind(("127.0.0.1", port)).await.ok() }).await;
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let (reader, sweeper) = (registry.clone(), registry.clone());
    tokio::spawn(async move {
        loop {
            // An outage is part of what is tested.
            drop(reader.refresh().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    tokio::spawn(async move {
        loop {
            drop(sweeper.sweep().await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    (registry, db, address)
}

async fn note(State(asked): State<Arc<Mutex<Vec<String>>>>, request: Request, next: Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    asked.lock().push(format!("{line} {}", response.status().as_u16()));
    response
}

/// Asks again until there is something.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(look: impl Fn() -> F) -> T {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(std::time::Instant::now() < until, "it did not come about in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
