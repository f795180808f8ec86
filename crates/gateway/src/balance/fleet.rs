//! A fleet of a thousand behind one gateway on a simulated clock: who is there by the registry's decisions, who gets what by the
//! balance's, who is taken out by the health's. Leaves the network to the tests of the whole gateway.

use super::{Load, averaged, is_better, two};
use crate::Ejection;
use crate::health::{Health, Standing};
use kernel::time::SECOND_US;
use kernel::{Instant, Random};
use registry::Status;
use registry::decide::{self, Feed, Lease, Record, State};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

const INSTANCES: usize = 1_000;
/// Of these every one takes ten times as long.
const SLOW: usize = 50;
const KILLED: std::ops::Range<usize> = 100..200;
/// Requests come this far apart, in microseconds.
const APART_US: i64 = 100;
const RENEW_US: i64 = 3 * SECOND_US;
/// A connection to one that is dead is refused after this long, in microseconds.
const REFUSED_US: i64 = 1_000;

/// An instance as it is, and as the gateway knows it.
struct Instance {
    id: Arc<str>,
    alive: bool,
    takes_us: i64,
    renews_at: i64,
    in_flight: usize,
    latency_us: f64,
    seen_at: i64,
    health: Health,
    given: usize,
}

/// What a second or more of requests came to.
#[derive(Default)]
struct Phase {
    took_us: Vec<i64>,
    to_dead: usize,
    failed: usize,
    last_to_dead: i64,
}

struct Fleet {
    now: i64,
    random: Random,
    registry: State,
    instances: Vec<Instance>,
    /// Places of those that the gateway may choose.
    known: Vec<usize>,
    answers: BinaryHeap<Reverse<(i64, usize, i64)>>,
    policy: Ejection,
}

impl Fleet {
    fn new() -> Fleet {
        let mut fleet = Fleet {
            now: 1_000 * SECOND_US,
            random: Random::new(20_261_121),
            registry: State::new(Feed::new(), 0),
            instances: Vec::new(),
            known: Vec::new(),
            answers: BinaryHeap::new(),
            policy: Ejection::default(),
        };
        for i in 0..INSTANCES {
            let slower = if i < SLOW { 10 } else { 1 };
            let renews_at = fleet.now + i64::try_from(fleet.random.below(3_000_000)).expect("three seconds");
            let instance = Instance {
                id: format!("i{i:04}").into(),
                alive: true,
                takes_us: 20_000 * slower,
                renews_at,
                in_flight: 0,
                latency_us: 20_000.0,
                seen_at: fleet.now,
                health: Health::new(),
                given: 0,
            };
            fleet.instances.push(instance);
            fleet.register(i);
        }
        fleet.look();
        fleet
    }

    fn register(&mut self, at: usize) {
        let record = Record::new(self.instances[at].id.clone(), vec!["payments".to_owned()], "10.0.0.1:80".to_owned());
        let lease = Lease::new([1; 16], 10 * SECOND_US, 0, Instant(self.now));
        decide::register(&mut self.registry, &record, lease, Instant(self.now)).expect("it is new");
    }

    /// The gateway hears who is there, and lets health say who may be chosen.
    fn look(&mut self) {
        let (registry, now_ms) = (&self.registry, u64::try_from(self.now / 1_000).expect("after 1970"));
        self.known.clear();
        for (at, instance) in self.instances.iter_mut().enumerate() {
            instance.health.tick(now_ms);
            let there = registry.records.get(&instance.id).is_some_and(|record| record.status == Status::Up);
            let tried = instance.health.standing() == Standing::Trial && instance.health.try_it();
            if there && (instance.health.standing() == Standing::Up || tried) {
                self.known.push(at);
            }
        }
    }

    /// A second goes by in the registry: renewals, and a round.
    fn round(&mut self) {
        for instance in self.instances.iter_mut().filter(|instance| instance.alive && instance.renews_at <= self.now) {
            instance.renews_at += RENEW_US;
            decide::renew(&mut self.registry, &instance.id, [1; 16], 0, Instant(self.now)).expect("who lives is there");
        }
        let expired = |lease: &Lease| lease.expires_at <= Instant(self.now);
        let expired = self.registry.leases.iter().filter(|(_, lease)| expired(lease)).map(|(id, lease)| (id.clone(), *lease)).collect();
        for id in decide::sweep(&mut self.registry.feed, self.registry.alive, &expired, Instant(self.now)) {
            decide::go(&mut self.registry, &id, Instant(self.now));
        }
    }

    fn choose(&mut self) -> usize {
        let (a, b) = two(self.known.len(), self.random.next());
        let load = |at: usize| {
            let instance = &self.instances[at];
            Load { in_flight: instance.in_flight, latency_us: instance.latency_us, weight: 100 }
        };
        let (a, b) = (self.known[a], self.known[b]);
        if is_better(load(a), load(b)) { a } else { b }
    }

    /// Sends one request, and again elsewhere when a connection is refused.
    fn send(&mut self, phase: &mut Phase) {
        let mut waited = 0;
        for _ in 0..2 {
            let at = self.choose();
            if self.instances[at].alive {
                let instance = &mut self.instances[at];
                instance.given += 1;
                let busy = i64::try_from(instance.in_flight / 8).expect("few");
                let takes = instance.takes_us * (50 + i64::try_from(self.random.below(100)).expect("a hundred")) / 100 * (1 + busy);
                instance.in_flight += 1;
                self.answers.push(Reverse((self.now + takes, at, takes)));
                phase.took_us.push(waited + takes);
                return;
            }
            waited += REFUSED_US;
            phase.to_dead += 1;
            phase.last_to_dead = self.now;
            self.answered(at, false);
        }
        phase.failed += 1;
    }

    fn answered(&mut self, at: usize, good: bool) {
        let now_ms = u64::try_from(self.now / 1_000).expect("after 1970");
        if self.instances[at].health.answered(good, now_ms, &self.policy) {
            self.instances[at].health.eject(now_ms, &self.policy);
            self.known.retain(|known| *known != at);
        }
    }

    fn run_s(&mut self, seconds: i64) -> Phase {
        let mut phase = Phase::default();
        let end = self.now + seconds * SECOND_US;
        while self.now < end {
            self.now += APART_US;
            while let Some(Reverse((ends_at, at, took))) =
                self.answers.peek().copied().filter(|Reverse((ends_at, ..))| *ends_at <= self.now)
            {
                self.answers.pop();
                let instance = &mut self.instances[at];
                instance.in_flight -= 1;
                let apart = Duration::from_micros(u64::try_from(ends_at - instance.seen_at).unwrap_or(0));
                #[expect(clippy::cast_precision_loss, reason = "seconds in microseconds")]
                let took_us = took as f64;
                instance.latency_us = averaged(instance.latency_us, took_us, apart);
                instance.seen_at = ends_at;
                self.answered(at, true);
            }
            if self.now % SECOND_US == 0 {
                self.round();
            }
            if self.now % (SECOND_US / 5) == 0 {
                self.look();
            }
            self.send(&mut phase);
        }
        phase.took_us.sort_unstable();
        phase
    }
}

fn ms(phase: &Phase, permille: usize) -> i64 {
    phase.took_us[phase.took_us.len() * permille / 1_000] / 1_000
}

#[test]
fn a_thousand_share_the_load_and_a_tenth_that_dies_is_hardly_noticed() {
    let mut fleet = Fleet::new();
    let warm = fleet.run_s(10);
    let given = |fleet: &Fleet, range: std::ops::Range<usize>| {
        fleet.instances[range.clone()].iter().map(|one| one.given).sum::<usize>() / range.len()
    };
    let (slow, quick) = (given(&fleet, 0..SLOW), given(&fleet, SLOW..INSTANCES));
    let most = fleet.instances[SLOW..].iter().map(|one| one.given).max().expect("instances");
    println!(
        "10,000 requests/s to 1,000 instances, 50 of them ten times as slow: p50 {} ms, p99 {} ms; a quick one got {quick}, at most {most}, a slow one {slow}",
        ms(&warm, 500),
        ms(&warm, 990)
    );
    assert!(slow * 3 < quick, "slow ones get fewer: {slow} of {quick}");
    assert!(most < 3 * quick, "nobody is everyone's favourite: {most} of {quick}");

    fleet.instances[KILLED].iter_mut().for_each(|instance| instance.alive = false);
    let killed_at = fleet.now;
    let after = fleet.run_s(20);
    let sent = after.took_us.len() + after.failed;
    println!(
        "100 killed at once: {} of {sent} requests met a dead one, {} failed, the last met one after {:.1} s; p99 {} ms",
        after.to_dead,
        after.failed,
        (after.last_to_dead - killed_at) as f64 / SECOND_US as f64,
        ms(&after, 990)
    );
    assert!(after.failed * 2_000 < sent, "{} of {sent} failed", after.failed);
    assert!(after.last_to_dead - killed_at <= 13 * SECOND_US, "the registry has put the dead out by then");
    let there = fleet.registry.records.values().filter(|record| record.status == Status::Up).count();
    assert_eq!(there, INSTANCES - KILLED.len(), "the dead are out, and only they");

    for at in KILLED {
        fleet.instances[at].id = format!("again{at}").into();
        (fleet.instances[at].alive, fleet.instances[at].given, fleet.instances[at].renews_at) = (true, 0, fleet.now);
        fleet.instances[at].health = Health::new();
        fleet.register(at);
    }
    let back = fleet.run_s(10);
    let again = given(&fleet, KILLED);
    println!("100 came back: each got {again} of {} requests in 10 s, {} failed", back.took_us.len(), back.failed);
    assert!(back.failed == 0 && again > quick / 2, "{again} against {quick}");
}
