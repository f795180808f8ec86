//! One instance as this gateway knows it: its connections, its load, its health.
//! Refuses to be forgotten by a new snapshot that still names it: what was learnt of it stays.

use crate::balance::{self, Load};
use crate::health::{Health, Standing};
use crate::policy::Policy;
use crate::pool::Pool;
use crate::workers;
use parking_lot::Mutex;
use registry::Instance;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Latency an instance is taken to have before anything is known, in microseconds.
const UNKNOWN_US: f64 = 2_000.0;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since this process first asked.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn now_us() -> u64 {
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// An instance.
pub(crate) struct Peer {
    pub(crate) id: Arc<str>,
    pub(crate) address: Arc<str>,
    pub(crate) pool: Pool,
    pub(crate) health: Mutex<Health>,
    /// What it is asked to find out whether it is ready; none: it is not asked.
    pub(crate) probe_path: Option<String>,
    /// Woken when it goes down, for those who wait for its answers; one per thread, as every request waits there.
    fell: Box<[Notify]>,
    weight: AtomicU32,
    in_flight: AtomicUsize,
    /// The bits of a float.
    latency_us: AtomicU64,
    measured_at_us: AtomicU64,
    standing: AtomicU8,
    being_probed: AtomicBool,
}

impl Peer {
    pub(crate) fn new(instance: &Instance, foreign: bool, policy: &Policy) -> Peer {
        let own = || Some(policy.probes.path.clone());
        let probe_path = if foreign { instance.metadata.get("probe_path").cloned() } else { own() };
        Peer {
            id: instance.id.as_str().into(),
            address: instance.address.as_str().into(),
            pool: Pool::new(instance.address.as_str().into(), policy.idle_per_instance_max, policy.threads()),
            health: Mutex::new(Health::new()),
            probe_path: probe_path.filter(|path| path.starts_with('/')),
            fell: (0..=policy.threads()).map(|_| Notify::new()).collect(),
            weight: AtomicU32::new(instance.weight),
            in_flight: AtomicUsize::new(0),
            latency_us: AtomicU64::new(UNKNOWN_US.to_bits()),
            measured_at_us: AtomicU64::new(now_us()),
            standing: AtomicU8::new(Standing::Up as u8),
            being_probed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is(&self, instance: &Instance) -> bool {
        *self.id == *instance.id && *self.address == *instance.address
    }

    pub(crate) fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn load(&self) -> Load {
        let in_flight = self.in_flight();
        let idle = if in_flight == 0 { now_us().saturating_sub(self.measured_at_us.load(Ordering::Relaxed)) } else { 0 };
        let latency_us = balance::faded(self.latency_us(), Duration::from_micros(idle));
        Load { in_flight, latency_us, weight: self.weight() }
    }

    pub(crate) fn latency_us(&self) -> f64 {
        f64::from_bits(self.latency_us.load(Ordering::Relaxed))
    }

    /// Begins anew with its latency, as after it came back.
    pub(crate) fn forget_latency(&self) {
        self.latency_us.store(UNKNOWN_US.to_bits(), Ordering::Relaxed);
    }

    /// Two answers at the same moment may overwrite each other's mark: an average does not mind.
    pub(crate) fn took(&self, latency: Duration) {
        let now = now_us();
        let apart = Duration::from_micros(now.saturating_sub(self.measured_at_us.swap(now, Ordering::Relaxed)));
        let next = balance::averaged(self.latency_us(), latency.as_secs_f64() * 1e6, apart);
        self.latency_us.store(next.to_bits(), Ordering::Relaxed);
    }

    /// Whether it gave a good answer to a request so lately.
    pub(crate) fn answered_within(&self, lately: Duration) -> bool {
        let apart = now_us().saturating_sub(self.measured_at_us.load(Ordering::Relaxed));
        apart < u64::try_from(lately.as_micros()).unwrap_or(u64::MAX)
    }

    /// Wakes whoever waits for its answers: it went down.
    pub(crate) fn fall(&self) {
        self.fell.iter().for_each(Notify::notify_waiters);
    }

    /// Ready when it goes down.
    pub(crate) fn fell(&self) -> Notified<'_> {
        self.fell[workers::place() % self.fell.len()].notified()
    }

    /// True for the one who may ask it whether it is ready.
    pub(crate) fn begin_probe(&self) -> bool {
        !self.being_probed.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn end_probe(&self) {
        self.being_probed.store(false, Ordering::Relaxed);
    }

    pub(crate) fn began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Relaxed) {
            n if n == Standing::Up as u8 => Standing::Up,
            n if n == Standing::Trial as u8 => Standing::Trial,
            n if n == Standing::Out as u8 => Standing::Out,
            _ => Standing::Down,
        }
    }

    /// Notes the standing that its health gives. True when it is another one than before.
    pub(crate) fn note(&self, health: &Health) -> bool {
        let standing = health.standing();
        self.standing.swap(standing as u8, Ordering::Relaxed) != standing as u8
    }
}
