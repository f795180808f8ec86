//! A service's instances: who may get the next request, and who is taken out.
//! Refuses to take out more of them than the policy allows, and to leave callers without an answer where at least one might give it.

use crate::balance;
use crate::budget::Budget;
use crate::health::{self, Standing};
use crate::measure::OfService;
use crate::peers::{Peer, now_ms};
use crate::policy::Policy;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use registry::Instance;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Requests under way that an instance gets while no instance is well: enough to notice that it is again.
const WHILE_NONE_IS_WELL: usize = 16;

/// An instance as it is seen from outside, for status pages.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Seen {
    /// The service.
    pub service: String,
    /// The instance.
    pub id: String,
    /// `HOST:PORT`.
    pub address: String,
    /// `up`, `trial`, `out` (for its answers) or `down` (not ready).
    pub standing: &'static str,
    /// Requests under way, from this gateway.
    pub in_flight: usize,
    /// The moving average of its latency to the answer's headers, in microseconds.
    pub latency_us: u64,
    /// Its share.
    pub weight: u32,
}

/// A service, as one route or several of the table name it.
pub(crate) struct Cluster {
    pub(crate) service: String,
    pub(crate) measure: OfService,
    foreign: bool,
    policy: Arc<Policy>,
    all: ArcSwap<Vec<Arc<Peer>>>,
    well: ArcSwap<Vec<Arc<Peer>>>,
    has_trials: AtomicBool,
    budget: Mutex<Budget>,
    /// Taking out is decided by one at a time, so that two do not each take the last that may go.
    deciding: Mutex<()>,
}

/// Why there is no instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPeer {
    /// None is registered.
    None,
    /// None is well.
    Ill,
    /// All do as much as they may.
    Busy,
}

impl Cluster {
    pub(crate) fn new(service: &str, foreign: bool, policy: Arc<Policy>) -> Cluster {
        Cluster {
            service: service.to_owned(),
            measure: OfService::new(service),
            foreign,
            budget: Mutex::new(Budget::new(&policy.retries)),
            policy,
            all: ArcSwap::default(),
            well: ArcSwap::default(),
            has_trials: AtomicBool::new(false),
            deciding: Mutex::new(()),
        }
    }

    /// Takes in who is there: whoever was there before keeps what is known of it. Instances that want TLS are passed over.
    pub(crate) fn follow(&self, instances: &[Instance]) {
        let deciding = self.deciding.lock();
        let old = self.all.load_full();
        let known: HashMap<&str, &Arc<Peer>> = old.iter().map(|peer| (&*peer.id, peer)).collect();
        let new: Vec<Arc<Peer>> = instances
            .iter()
            .filter(|instance| instance.takes_requests() && !instance.secure)
            .map(|instance| match known.get(&*instance.id) {
                Some(peer) if peer.is(instance) => {
                    peer.set_weight(instance.weight);
                    Arc::clone(peer)
                }
                _ => Arc::new(Peer::new(instance, self.foreign, &self.policy)),
            })
            .collect();
        let kept: HashSet<*const Peer> = new.iter().map(Arc::as_ptr).collect();
        for gone in old.iter().filter(|peer| !kept.contains(&Arc::as_ptr(peer))) {
            gone.pool.clear();
        }
        self.all.store(Arc::new(new));
        self.sort_out();
        drop(deciding);
    }

    pub(crate) fn all(&self) -> Arc<Vec<Arc<Peer>>> {
        self.all.load_full()
    }

    /// Finds again who is well, after a standing changed.
    fn sort_out(&self) {
        let all = self.all.load();
        self.well.store(Arc::new(all.iter().filter(|peer| peer.standing() == Standing::Up).cloned().collect()));
        self.has_trials.store(all.iter().any(|peer| peer.standing() == Standing::Trial), Ordering::Relaxed);
        self.measure.standings(all.iter().map(|peer| peer.standing()));
    }

    /// An instance for a request, not one that it was sent to already where there is another.
    pub(crate) fn pick(self: &Arc<Self>, tried: &[Arc<Peer>], repeatable: bool) -> Result<Lease, NoPeer> {
        if repeatable
            && self.has_trials.load(Ordering::Relaxed)
            && let Some(peer) = self.trial(tried)
        {
            return Ok(Lease::new(self, peer, true));
        }
        let well = self.well.load();
        if well.is_empty() {
            return self.of_the_ill(tried);
        }
        let draw = || balance::two(well.len(), rand::random());
        let fits = |peer: &&Arc<Peer>| !tried.iter().any(|one| Arc::ptr_eq(one, peer));
        let (a, b) = draw();
        let (a, b) = (&well[a], &well[b]);
        let chosen = match (fits(&a), fits(&b)) {
            (true, true) => Some(if balance::is_better(a.load(), b.load()) { a } else { b }),
            (true, false) => Some(a),
            (false, true) => Some(b),
            (false, false) => well.iter().find(fits),
        };
        let free = |peer: &&Arc<Peer>| peer.in_flight() < self.policy.in_flight_per_instance_max;
        let chosen = chosen.filter(free).or_else(|| well.iter().find(|peer| fits(peer) && free(peer))).or_else(|| well.iter().find(free));
        chosen.map(|peer| Lease::new(self, peer.clone(), false)).ok_or(NoPeer::Busy)
    }

    fn trial(&self, tried: &[Arc<Peer>]) -> Option<Arc<Peer>> {
        let all = self.all.load();
        let mut on_trial = all.iter().filter(|peer| peer.standing() == Standing::Trial && !tried.iter().any(|one| Arc::ptr_eq(one, peer)));
        on_trial.find(|peer| peer.health.lock().try_it()).cloned()
    }

    /// When none is well a few requests go to whoever does least: their answers say more than ours would, and one of them may be well again.
    fn of_the_ill(self: &Arc<Self>, tried: &[Arc<Peer>]) -> Result<Lease, NoPeer> {
        let all = self.all.load();
        if all.is_empty() {
            return Err(NoPeer::None);
        }
        let untried = all.iter().filter(|peer| !tried.iter().any(|one| Arc::ptr_eq(one, peer)));
        let least = untried.min_by_key(|peer| peer.in_flight()).filter(|peer| peer.in_flight() < WHILE_NONE_IS_WELL);
        let peer = least.ok_or(NoPeer::Ill)?.clone();
        let on_trial = peer.health.lock().try_it();
        Ok(Lease::new(self, peer, on_trial))
    }

    /// True when there is an instance that is well beside those that were tried.
    pub(crate) fn has_other(&self, tried: &[Arc<Peer>], last: &Arc<Peer>) -> bool {
        let known = |peer: &Arc<Peer>| Arc::ptr_eq(peer, last) || tried.iter().any(|one| Arc::ptr_eq(one, peer));
        self.well.load().iter().any(|peer| !known(peer))
    }

    /// A request came: it adds to what may be sent again.
    pub(crate) fn came(&self) {
        self.budget.lock().came();
    }

    /// Asks for one retry of the budget.
    pub(crate) fn may_retry(&self) -> bool {
        let may = self.budget.lock().take(now_ms());
        if may {
            self.measure.retries.increment(1)
        } else {
            self.measure.over_budget.increment(1)
        }
        may
    }

    fn judge(&self, peer: &Peer, on_trial: bool, good: bool) {
        let mut health = peer.health.lock();
        // What was sent before it was taken out says nothing new.
        if health.is_out() && !on_trial {
            return;
        }
        let wants_out = health.answered(good, now_ms(), &self.policy.ejection);
        let changed = peer.note(&health);
        drop(health);
        if changed {
            self.changed(peer);
        }
        if wants_out {
            self.eject(peer, "failures");
        }
    }

    fn changed(&self, peer: &Peer) {
        let standing = peer.standing();
        tracing::info!(service = self.service, instance = &*peer.id, standing = standing.as_str(), "an instance stands otherwise now");
        if standing == Standing::Up {
            peer.forget_latency();
        }
        let deciding = self.deciding.lock();
        self.sort_out();
        drop(deciding);
    }

    fn eject(&self, peer: &Peer, why: &str) {
        let deciding = self.deciding.lock();
        let all = self.all.load();
        let out = all.iter().filter(|peer| peer.health.lock().is_out()).count();
        if !health::may_eject(all.len(), out, &self.policy.ejection) {
            return;
        }
        let mut health = peer.health.lock();
        if health.is_out() {
            return;
        }
        health.eject(now_ms(), &self.policy.ejection);
        peer.note(&health);
        drop(health);
        tracing::warn!(service = self.service, instance = &*peer.id, why, "an instance was taken out");
        self.measure.ejections.increment(1);
        peer.pool.clear();
        self.sort_out();
        drop(deciding);
    }

    /// What time brings: trials that are due, outliers, connections that grew old.
    pub(crate) fn tick(&self) {
        let all = self.all.load_full();
        for peer in all.iter() {
            peer.pool.sweep(self.policy.timeouts.idle);
            let mut health = peer.health.lock();
            health.tick(now_ms());
            let changed = peer.note(&health);
            drop(health);
            if changed {
                self.changed(peer);
            }
        }
        self.eject_the_slow();
        self.measure.in_flight.set(u32::try_from(all.iter().map(|peer| peer.in_flight()).sum::<usize>()).unwrap_or(u32::MAX));
    }

    fn eject_the_slow(&self) {
        let well = self.well.load_full();
        let sorted = latencies(&well);
        for peer in well.iter() {
            let is_slow =
                health::slow_limit_us(&sorted, peer.latency_us(), &self.policy.ejection).is_some_and(|limit| peer.latency_us() > limit);
            if is_slow && peer.health.lock().requests() >= self.policy.ejection.requests_min {
                self.eject(peer, "slowness");
            }
        }
    }

    /// Takes in the answer to an active check.
    pub(crate) fn probed(&self, peer: &Peer, good: bool) {
        let mut health = peer.health.lock();
        health.probed(good, &self.policy.probes);
        let changed = peer.note(&health);
        drop(health);
        if changed {
            if peer.standing() == Standing::Down {
                peer.pool.clear();
                peer.fall();
            }
            self.changed(peer);
        }
    }

    /// True when a trial's answer took so long that it is no better than before.
    fn is_slow(&self, latency: Duration) -> bool {
        let took_us = latency.as_secs_f64() * 1e6;
        let mut all = latencies(&self.well.load());
        all.push(took_us);
        all.sort_by(f64::total_cmp);
        health::slow_limit_us(&all, took_us, &self.policy.ejection).is_some_and(|limit| took_us > limit)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        let all = self.all.load();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a latency is positive and far below 2^64")]
        let seen = |peer: &Arc<Peer>| Seen {
            service: self.service.clone(),
            id: peer.id.to_string(),
            address: peer.address.to_string(),
            standing: peer.standing().as_str(),
            in_flight: peer.in_flight(),
            latency_us: peer.latency_us() as u64,
            weight: peer.weight(),
        };
        all.iter().map(seen).collect()
    }
}

fn latencies(peers: &[Arc<Peer>]) -> Vec<f64> {
    let mut sorted: Vec<f64> = peers.iter().map(|peer| peer.latency_us()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// A request's hold on an instance, until its answer was passed on or given up.
pub(crate) struct Lease {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) peer: Arc<Peer>,
    /// True while the instance waits for this very request to say whether it is well.
    on_trial: bool,
}

impl Lease {
    fn new(cluster: &Arc<Cluster>, peer: Arc<Peer>, on_trial: bool) -> Lease {
        peer.began();
        Lease { cluster: cluster.clone(), peer, on_trial }
    }

    /// The instance answered; a 5xx is no good answer.
    pub(crate) fn answered(&mut self, good: bool, latency: Duration) {
        let good = good && !(self.on_trial && self.cluster.is_slow(latency));
        if good {
            self.peer.took(latency);
        }
        self.cluster.judge(&self.peer, std::mem::take(&mut self.on_trial), good);
    }

    /// The instance did not answer.
    pub(crate) fn failed(&mut self) {
        self.cluster.judge(&self.peer, std::mem::take(&mut self.on_trial), false);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.peer.ended();
        if self.on_trial {
            self.peer.health.lock().untried();
        }
    }
}
