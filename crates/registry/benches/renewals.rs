//! What a fleet of 1,000 costs the registry: registering, renewing, one change told to all who follow, and the answers of Eureka's protocol.
//!
//! `cargo bench -p registry --bench renewals`; on Postgres too where `GUILDHALL_TEST_POSTGRES` names one.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use db::{Db, Options};
use registry::client::Snapshot;
use registry::{FleetToken, Policy, Registration, Registry};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

const INSTANCES: usize = 1_000;
const ROUNDS: usize = 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a benchmark gets its threads");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a temporary folder");
        run("SQLite", &format!("sqlite:{}", folder.path().join("bench.db").display())).await;
        if let Ok(server) = std::env::var("GUILDHALL_TEST_POSTGRES") {
            let name = format!("registry_bench_{}", std::process::id());
            let create = format!("create database {name} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0");
            db::run_once(&server, &create).await.expect("a database");
            run("Postgres", &format!("{}/{name}", server.rsplit_once('/').expect("a URL has a path").0)).await;
            db::run_once(&server, &format!("drop database {name} with (force)")).await.expect("it goes");
        }
    });
}

async fn run(engine: &str, url: &str) {
    db::migrate(&Options::new(url)).await.expect("a schema");
    let db = Db::open(Options::new(url)).await.expect("a database");
    let policy = Policy { fleet: FleetToken::derive(&[1; 32]), eureka: None, reserved: Vec::new() };
    let registry = Registry::new(&db, policy);
    let fleet: Vec<(String, Registration)> = (0..INSTANCES)
        .map(|i| (format!("i{i:04}"), Registration::new([format!("service-{}", i % 20)], format!("10.0.{}.{}:80", i / 250, i % 250))))
        .collect();

    let (started, cpu) = (Instant::now(), cpu_us());
    let mut registering = JoinSet::new();
    for (id, registration) in fleet.clone() {
        let registry = registry.clone();
        registering.spawn(async move { registry.register(&id, &registration).await.expect("it is new") });
    }
    registering.join_all().await;
    told(engine, "register", INSTANCES, started.elapsed(), cpu_us() - cpu);

    let (started, cpu) = (Instant::now(), cpu_us());
    for _ in 0..ROUNDS {
        let mut renewing = JoinSet::new();
        for (id, registration) in &fleet {
            let (registry, id, ticket) = (registry.clone(), id.clone(), registration.ticket.clone());
            renewing.spawn(async move { registry.renew(&id, &ticket).await.expect("it is known") });
        }
        renewing.join_all().await;
    }
    told(engine, "renew, all at once", INSTANCES * ROUNDS, started.elapsed(), cpu_us() - cpu);

    let (started, cpu) = (Instant::now(), cpu_us());
    for _ in 0..1_000 {
        registry.refresh().await.expect("the database answers");
    }
    told(engine, "look for changes, none", 1_000, started.elapsed(), cpu_us() - cpu);

    let whole = registry.snapshot().await.expect("it is read");
    let bytes = serde_json::to_vec(&whole).expect("plain data").len();
    let snapshot = Snapshot::default().after(whole.clone());
    let change = registry::Changes { version: whole.version + 1, full: false, changed: vec![whole.changed[0].clone()], gone: Vec::new() };
    let (started, cpu) = (Instant::now(), cpu_us());
    for _ in 0..1_000 {
        std::hint::black_box(snapshot.after(change.clone()));
    }
    told(engine, "take one change into a watch's snapshot", 1_000, started.elapsed(), cpu_us() - cpu);
    println!("{engine:9} everyone as JSON: {bytes} bytes, {} an instance", bytes / INSTANCES);

    let router = registry.eureka_routes();
    for path in ["/eureka/apps/", "/eureka/apps/delta"] {
        let (started, cpu, mut size) = (Instant::now(), cpu_us(), 0);
        for _ in 0..50 {
            let mut request = Request::get(path)
                .header("accept", "application/json")
                .header("accept-encoding", "gzip")
                .body(Body::empty())
                .expect("a request");
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
            let answered = router.clone().oneshot(request).await.expect("it cannot fail");
            size = axum::body::to_bytes(answered.into_body(), usize::MAX).await.expect("a body").len();
        }
        told(engine, &format!("GET {path}, gzip, {size} bytes"), 50, started.elapsed(), cpu_us() - cpu);
    }
    db.close().await;
}

fn told(engine: &str, what: &str, count: usize, took: Duration, cpu_us: u64) {
    let per_s = count as f64 / took.as_secs_f64();
    println!("{engine:9} {what}: {per_s:.0}/s, {:.1} us of our processor time each", cpu_us as f64 / count as f64);
}

/// Processor time of this process, user and system, in microseconds.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    fields.get(11..13).map_or(0, |ticks| ticks.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10_000)
}
