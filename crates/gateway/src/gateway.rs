//! The gateway as a whole: its parts, made once, and what all requests share.
//! Refuses to be made of a policy that cannot be.

use crate::cluster::{Cluster, Seen};
use crate::limits::Limiters;
use crate::measure::OfGateway;
use crate::policy::{Mistake, Policy};
use crate::probe;
use crate::rooms::Rooms;
use crate::table::{Route, Table};
use hyper::Method;
use hyper::header::{self, HeaderName, HeaderValue};
use parking_lot::Mutex;
use registry::client::Snapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use web::Tokens;

/// The service under which gateways register themselves.
const OWN_SERVICE: &str = "gateway";
/// How long a browser may remember what an origin may do.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3_600);

/// The single entry. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

/// What all requests share.
pub(crate) struct Inner {
    pub(crate) policy: Arc<Policy>,
    pub(crate) table: Table,
    clusters: Vec<Arc<Cluster>>,
    /// The cluster of each route, by the route's place in the table.
    of_route: Vec<Arc<Cluster>>,
    source: Box<dyn Fn() -> Arc<Snapshot> + Send + Sync>,
    seen: Mutex<Arc<Snapshot>>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) limiters: Limiters,
    pub(crate) rooms: Rooms,
    pub(crate) measure: OfGateway,
    pub(crate) cors: Option<CorsLayer>,
    gateways: AtomicU32,
    probing: AtomicBool,
    pub(crate) draining: AtomicBool,
}

impl Gateway {
    /// A gateway. `snapshot` says who is there, as `registry::client::Watch::snapshot` does: it is looked at twenty times a second.
    /// `tokens` verify what clients bring and sign what is passed on. `fleet_key` is the key tokens are signed with: from it comes the
    /// one for the waiting rooms' tickets, the same at every gateway.
    ///
    /// # Errors
    /// A value of the policy that cannot be.
    pub fn new(
        policy: Policy,
        table: Table,
        snapshot: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static,
        tokens: Arc<Tokens>,
        fleet_key: &[u8; 32],
    ) -> Result<Gateway, Mistake> {
        policy.check()?;
        let policy = Arc::new(policy);
        let mut by_name: BTreeMap<&str, Arc<Cluster>> = BTreeMap::new();
        let cluster = |route: &Route| Arc::new(Cluster::new(&route.service, route.foreign, policy.clone()));
        let of_route = table.routes().iter().map(|route| by_name.entry(&route.service).or_insert_with(|| cluster(route)).clone()).collect();
        let clusters = by_name.into_values().collect();
        let inner = Inner {
            cors: cors(&policy.origins)?,
            limiters: Limiters::new(&policy.limits),
            rooms: Rooms::new(&policy.rooms, fleet_key),
            measure: OfGateway::new(),
            gateways: AtomicU32::new(policy.gateways),
            clusters,
            of_route,
            source: Box::new(snapshot),
            seen: Mutex::default(),
            tokens,
            probing: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            policy,
            table,
        };
        inner.follow();
        Ok(Gateway { inner: Arc::new(inner) })
    }

    /// Every instance that requests are balanced over, and how it fares.
    pub fn overview(&self) -> Vec<Seen> {
        self.inner.clusters.iter().flat_map(|cluster| cluster.seen()).collect()
    }

    /// Still answers, but says at `/ready` that it stops, and on every connection of HTTP/1 that this answer was its last one: callers go
    /// to another gateway before this one closes. For a process that is about to stop.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Starts the active checks, once.
    pub(crate) fn start_probing(&self) {
        if !self.inner.probing.swap(true, Ordering::Relaxed) {
            tokio::spawn(probe::run(Arc::downgrade(&self.inner)));
        }
    }
}

impl Inner {
    pub(crate) fn clusters(&self) -> &[Arc<Cluster>] {
        &self.clusters
    }

    /// A route by its place in the table, and the service it goes to.
    pub(crate) fn route(&self, index: usize) -> (&Route, &Arc<Cluster>) {
        (&self.table.routes()[index], &self.of_route[index])
    }

    /// Takes in who is there, if that changed.
    pub(crate) fn follow(&self) {
        let snapshot = (self.source)();
        let mut seen = self.seen.lock();
        // What was seen is held, so that another snapshot cannot lie at its address.
        if Arc::ptr_eq(&seen, &snapshot) {
            return;
        }
        for cluster in &self.clusters {
            cluster.follow(&snapshot.of_service(&cluster.service));
        }
        let gateways = snapshot.of_service(OWN_SERVICE).iter().filter(|instance| instance.takes_requests()).count();
        let gateways = u32::try_from(gateways).unwrap_or(u32::MAX);
        self.gateways.store(if gateways == 0 { self.policy.gateways } else { gateways }, Ordering::Relaxed);
        *seen = snapshot;
    }

    /// How many gateways share the work.
    pub(crate) fn gateways(&self) -> u32 {
        self.gateways.load(Ordering::Relaxed)
    }
}

fn cors(origins: &[String]) -> Result<Option<CorsLayer>, Mistake> {
    if origins.is_empty() {
        return Ok(None);
    }
    let header = |name| HeaderName::from_static(name);
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            header("idempotency-key"),
            header("x-request-id"),
            header("traceparent"),
            crate::TICKET,
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER, header("x-request-id"), crate::TICKET])
        .max_age(PREFLIGHT_AGE);
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Some(layer.allow_origin(Any)));
    }
    let value = |origin: &String| {
        let bare = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"))
            .filter(|host| !host.is_empty() && !host.contains('/'));
        let right = bare.and_then(|_| HeaderValue::from_str(origin).ok());
        right.ok_or_else(|| Mistake(format!("{origin:?} is no origin: https://HOST or https://HOST:PORT, without a path, would be right")))
    };
    let origins = origins.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(layer.allow_origin(AllowOrigin::list(origins))))
}
