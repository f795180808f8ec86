//! Traffic to every service of a fleet while something happens to it: what was asked, what failed and when.
//! It sends as a balancer before two gateways does: to those that say that they are ready, and elsewhere where nobody takes the connection.

use guildhall::demo::crowd::Member;
use guildhall::services::TABLE;
use kernel::ProductId;
use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A caller asks this often.
const EVERY: Duration = Duration::from_millis(10);
/// Nobody waits longer for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A balancer looks this often whether a gateway is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// And waits this long for the answer.
const LOOKS_FOR: Duration = Duration::from_millis(500);
/// A buyer who got no answer asks again after this time, under the same key.
const AGAIN: Duration = Duration::from_millis(50);
/// Buyers at a time.
const BUYERS: usize = 4;

/// One failure.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) service: &'static str,
    pub(crate) at: Instant,
    pub(crate) why: String,
}

#[derive(Default)]
struct Tally {
    asked: BTreeMap<&'static str, u64>,
    failed: Vec<Failed>,
}

/// Running traffic.
pub(crate) struct Load {
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
    bought: Arc<AtomicU64>,
    running: Vec<JoinHandle<()>>,
}

/// Who asks whom.
#[derive(Clone)]
struct Caller {
    client: Client,
    gateways: [SocketAddr; 2],
    are_ready: Arc<[AtomicBool; 2]>,
    next: Arc<AtomicUsize>,
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Asks every service as `operator`, and lets every member buy the product once, under a key of their own.
    pub(crate) fn start(gateways: [SocketAddr; 2], operator: &str, members: Vec<Member>, product: ProductId, has_logs: bool) -> Load {
        let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().expect("a client without TLS");
        let (tally, stop) = (Arc::<Mutex<Tally>>::default(), Arc::<AtomicBool>::default());
        let are_ready = Arc::new([AtomicBool::new(true), AtomicBool::new(true)]);
        let caller = Caller { client, gateways, are_ready, next: Arc::default(), tally: tally.clone(), stop: stop.clone() };
        let looking = |at| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.looks(at).await })
        };
        let mut running: Vec<JoinHandle<()>> = (0..gateways.len()).map(looking).collect();
        for part in TABLE.iter().filter(|part| part.name != "gateway" && (has_logs || part.name != "stream")) {
            let plain = part.paths.iter().rfind(|path| !path.contains('{'));
            let path = plain.or(part.paths.last()).expect("a service has paths");
            let path = path.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment });
            let (caller, path, token) = (caller.clone(), path.collect::<Vec<_>>().join("/"), operator.to_owned());
            running.push(tokio::spawn(async move { caller.asks(part.name, &path, &token).await }));
        }
        let (bought, members) = (Arc::<AtomicU64>::default(), Arc::new(Mutex::new(members)));
        for _ in 0..BUYERS {
            let (caller, members, bought) = (caller.clone(), members.clone(), bought.clone());
            running.push(tokio::spawn(async move { caller.buys(&members, product, &bought).await }));
        }
        Load { tally, stop, bought, running }
    }

    /// How often a service was asked.
    pub(crate) fn asked(&self, service: &str) -> u64 {
        self.tally.lock().asked.get(service).copied().unwrap_or_default()
    }

    /// What failed since a moment.
    pub(crate) fn failed_since(&self, since: Instant) -> Vec<Failed> {
        self.tally.lock().failed.iter().filter(|failed| failed.at >= since).cloned().collect()
    }

    /// Waits until the last so many requests to every service were answered.
    pub(crate) async fn is_calm(&self, requests: u64, within: Duration) {
        let started = Instant::now();
        loop {
            let (from, failed) = (self.counts(), self.tally.lock().failed.len());
            let calm = || self.counts().iter().all(|(service, count)| *count >= from.get(service).unwrap_or(&0) + requests);
            while !calm() && self.tally.lock().failed.len() == failed {
                assert!(started.elapsed() < within, "it did not become calm within {within:?}: {:?}", self.tally.lock().failed.last());
                tokio::time::sleep(EVERY).await;
            }
            if self.tally.lock().failed.len() == failed {
                return;
            }
        }
    }

    fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.tally.lock().asked.iter().filter(|(service, _)| **service != "buy").map(|(service, count)| (*service, *count)).collect()
    }

    /// Ends it: how many requests were sent, how many members have bought, and all that failed.
    pub(crate) async fn end(self) -> (u64, u64, Vec<Failed>) {
        self.stop.store(true, Ordering::SeqCst);
        for running in self.running {
            running.await.expect("callers do not panic");
        }
        let tally = self.tally.lock();
        (tally.asked.values().sum(), self.bought.load(Ordering::SeqCst), tally.failed.clone())
    }
}

impl Caller {
    /// Asks a gateway whether it is ready, several times within the time that one drains.
    async fn looks(&self, at: usize) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        while !self.stop.load(Ordering::Relaxed) {
            ticks.tick().await;
            let asked = self.client.get(format!("http://{}/ready", self.gateways[at])).timeout(LOOKS_FOR).send().await;
            self.are_ready[at].store(asked.is_ok_and(|answer| answer.status().is_success()), Ordering::Relaxed);
        }
    }

    /// Asks for one thing again and again. Whatever is answered is an answer, unless it says that the fleet failed.
    async fn asks(&self, service: &'static str, path: &str, token: &str) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.stop.load(Ordering::Relaxed) {
            ticks.tick().await;
            let asked = self.ask(|client, gateway| client.get(format!("http://{gateway}{path}")).bearer_auth(token)).await;
            self.note(service, &asked);
        }
    }

    /// Members buy one after another, each until they are told that they have.
    async fn buys(&self, members: &Mutex<Vec<Member>>, product: ProductId, bought: &AtomicU64) {
        let body = json!({ "products": [product] });
        while !self.stop.load(Ordering::Relaxed) {
            let Some(member) = members.lock().pop() else { return };
            let key = format!("buy-{}", member.user);
            // Also after the end: nobody is left in doubt.
            loop {
                let buy = |client: &Client, gateway: SocketAddr| {
                    let request = client.request(Method::POST, format!("http://{gateway}/v1/payments/buy"));
                    request.bearer_auth(&member.token).header("idempotency-key", &key).json(&body)
                };
                let asked = self.ask(buy).await;
                self.note("buy", &asked);
                match asked {
                    Ok(201) => break,
                    Ok(status) if status < 500 && status != 429 => panic!("a purchase was refused with {status}"),
                    _ => tokio::time::sleep(AGAIN).await,
                }
            }
            bought.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Sends a request to the next gateway, and to the other one when that takes no connection.
    async fn ask(&self, make: impl Fn(&Client, SocketAddr) -> reqwest::RequestBuilder) -> Result<u16, String> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let ready =
            (0..self.gateways.len()).map(|turn| next + turn).find(|at| self.are_ready[at % self.gateways.len()].load(Ordering::Relaxed));
        let first = ready.unwrap_or(next);
        let mut refused = String::new();
        for turn in 0..self.gateways.len() {
            let gateway = self.gateways[(first + turn) % self.gateways.len()];
            match make(&self.client, gateway).send().await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    // An answer that breaks off is none.
                    let text = answer.text().await.map_err(|error| told(&error))?;
                    return if status >= 500 || status == 429 { Err(format!("{status} {text}")) } else { Ok(status) };
                }
                Err(error) if error.is_connect() => refused = told(&error),
                Err(error) => return Err(told(&error)),
            }
        }
        Err(refused)
    }

    fn note(&self, service: &'static str, asked: &Result<u16, String>) {
        let mut tally = self.tally.lock();
        *tally.asked.entry(service).or_default() += 1;
        if let Err(why) = asked {
            tally.failed.push(Failed { service, at: Instant::now(), why: why.clone() });
        }
    }
}

/// An error with what caused it.
fn told(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    told
}
