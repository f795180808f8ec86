//! A process that is a gateway: its table comes from the table of services, who is there from the registry.
//! Refuses to start with a certificate, a room or a route that cannot be read.

use super::{METRICS, Place, link, rooms};
use crate::config::{Config, gateway_parts};
use crate::pages;
use crate::secrets::{Key, Secrets};
use crate::server;
use crate::services::{Services, TABLE};
use axum::routing::get;
use axum::{Json, Router};
use gateway::{Gateway, Limits, Policy, Rate, Route, Table, Tls};
use registry::client::{Snapshot, Watch};
use registry::{Instance, Status};
use std::collections::BTreeMap;
use std::future::{Future, IntoFuture as _};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use web::Tokens;

/// An instance's own answer to a request that takes too long comes before the gateway's.
const LATER: Duration = Duration::from_secs(5);
/// A registry says who is there within this time, or is not there.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// Runs a gateway until it is to stop; then leaves the registry, answers what still comes, and finishes what was taken.
///
/// # Errors
/// Its address, key, certificate, rooms or routes cannot be used, said with what would be right.
pub async fn run(config: Config, started: Instant, stop: impl Future<Output = ()>) -> Result<(), String> {
    // Metrics take their handles when they are made: from a recorder that is not there yet they would be lost.
    LazyLock::force(&pages::METRICS);
    pages::measured::started(&config);
    let token_key = Secrets::load_token_key(&config.data.dir, |name| std::env::var(name).ok()).map_err(|problems| problems.to_string())?;
    let tls = tls(&config)?;
    let bind = |address| server::bind(address).map_err(|e| format!("cannot listen on {address}: {e}"));
    let (listener, admin) = (bind(config.server.listen)?, bind(config.gateway.admin_listen)?);
    // What is wrong with it is told before anybody is waited for.
    drop(policy(&config)?);
    let watch = Watch::start(link(&config, &token_key)?);
    // Who knows nobody yet could only refuse: callers wait in the listener's queue meanwhile.
    if tokio::time::timeout(KNOWN_WITHIN, watch.ready()).await.is_err() {
        tracing::warn!(
            registry = config.registry.urls,
            "no registry answers; until one does this gateway knows nobody to send requests to"
        );
    }
    let tokens = Arc::new(Tokens::without_database(token_key.reveal(), i64::from(config.accounts.access_token_s)));
    let gateway = made(&config, &token_key, move || watch.snapshot(), tokens)?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let admin_address = admin.local_addr().map_err(|e| e.to_string())?;
    let administered = tokio::spawn(axum::serve(admin, admin_routes(gateway.clone())).into_future());
    let place = Place::take_saying(&config, &token_key, None, address, vec![(METRICS, admin_address.to_string())])?;
    let (services, metrics) = (config.server.services.to_string(), format!("http://{admin_address}/metrics"));
    tracing::info!(%address, services, metrics, registry = config.registry.urls, ready_ms = started.elapsed().as_millis(), "guildhall is ready");
    let leaving = gateway.clone();
    let left = async move {
        stop.await;
        if let Some(place) = place {
            place.leave(|| leaving.drain()).await;
        }
    };
    gateway.serve(listener, tls, left).await;
    administered.abort();
    tracing::info!("the gateway has stopped; everything that was taken is answered");
    Ok(())
}

/// What is for whoever runs the gateway, and not for its callers.
fn admin_routes(gateway: Gateway) -> Router {
    let instances = move || async move { Json(gateway.overview()) };
    Router::new().route("/metrics", get(pages::metrics)).route("/instances", get(instances))
}

fn tls(config: &Config) -> Result<Option<Tls>, String> {
    let of = &config.gateway;
    match (of.tls_certificate.as_os_str().is_empty(), of.tls_key.as_os_str().is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Tls::from_files(&of.tls_certificate, &of.tls_key).map(Some).map_err(|mistake| mistake.to_string()),
        _ => Err("gateway.tls_certificate and gateway.tls_key belong together: both would be right, or neither".to_owned()),
    }
}

/// A gateway of this configuration before whoever the snapshot says is there.
///
/// # Errors
/// Rooms or routes cannot be used.
pub fn made(
    config: &Config,
    token_key: &Key,
    snapshot: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static,
    tokens: Arc<Tokens>,
) -> Result<Gateway, String> {
    Gateway::new(policy(config)?, table(config)?, snapshot, tokens, token_key.reveal()).map_err(|mistake| mistake.to_string())
}

/// A snapshot of processes that are known without a registry: what each serves, and where.
pub fn known<'s>(processes: impl IntoIterator<Item = (&'s Services, SocketAddr)>) -> Snapshot {
    let instance = |service: &str, address: SocketAddr| Instance {
        service: service.into(),
        id: address.to_string(),
        address: address.to_string(),
        secure: false,
        version: env!("CARGO_PKG_VERSION").into(),
        weight: registry::model::WEIGHT,
        status: Status::Up,
        metadata: BTreeMap::new(),
    };
    let all = processes.into_iter().flat_map(|(services, address)| services.iter().map(move |part| (part.name, address)));
    Snapshot::of(all.map(|(service, address)| instance(service, address)))
}

/// The paths of all services, and of foreign ones that the configuration names.
///
/// # Errors
/// A foreign service has a path of ours.
pub fn table(config: &Config) -> Result<Table, String> {
    let route = |service: &'static str, path: &&'static str| {
        let route = Route::to(*path, service);
        // Logs come in bodies of their own size.
        if path.ends_with("/logs") { route.body_limit(config.stream.body_max_bytes) } else { route }
    };
    let ours = TABLE.iter().flat_map(|part| part.paths.iter().map(|path| route(part.name, path)));
    let foreign = config.gateway.each_foreign().map(|(host, path, service)| {
        let route = Route::to(path, service).foreign().strip_prefix();
        host.map_or(route.clone(), |host| route.host(host))
    });
    Table::new(ours.chain(foreign).collect()).map_err(|mistake| format!("gateway.foreign: {mistake}"))
}

/// What the configuration says, in the gateway's terms.
///
/// # Errors
/// The file of waiting rooms cannot be read.
pub fn policy(config: &Config) -> Result<Policy, String> {
    let of = &config.gateway;
    let mut policy = Policy {
        connections_max: config.server.connections_max,
        connections_per_address_max: of.connections_per_address_max,
        header_bytes_max: of.header_bytes_max,
        headers_max: of.headers_max,
        body_limit_bytes: config.server.body_limit_bytes as u64,
        limits: Limits {
            address: Rate { per_s: of.address_per_s, burst: of.address_burst },
            user: Rate { per_s: of.user_per_s, burst: of.user_burst },
            key: Rate { per_s: of.key_per_s, burst: of.key_burst },
            ..Limits::default()
        },
        trusted_proxies: gateway_parts(&of.trusted_proxies).filter_map(|part| part.parse().ok()).collect(),
        origins: gateway_parts(&of.origins).map(str::to_owned).collect(),
        rooms: rooms::read(&of.rooms_file)?,
        access_log: of.access_log,
        ..Policy::default()
    };
    policy.timeouts.response = Duration::from_millis(config.server.request_timeout_ms) + LATER;
    policy.timeouts.grace = Duration::from_millis(config.server.shutdown_grace_ms);
    policy.probes.interval = Duration::from_millis(of.probe_interval_ms);
    policy.ejection.first = Duration::from_millis(of.eject_first_ms);
    policy.ejection.longest = Duration::from_millis(of.eject_longest_ms.max(of.eject_first_ms));
    Ok(policy)
}
