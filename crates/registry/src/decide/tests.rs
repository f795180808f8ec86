//! Decisions on instances at random, and a fleet of a thousand on a simulated clock.
//! Leaves the database to the tests of the whole crate.

use super::*;
use crate::client::Snapshot;
use crate::model::LEASE_MS;
use crate::view::View;
use kernel::Random;
use proptest::prelude::*;

const LEASE_US: i64 = LEASE_MS as i64 * 1_000;
const RENEW_US: i64 = 3 * SECOND_US;

fn record(id: &str, services: &[&str]) -> Record {
    Record::new(id, services.iter().map(|service| (*service).to_owned()).collect(), "10.0.0.1:80".to_owned())
}

/// A registry whose every round and eviction is written down.
struct World {
    state: State,
    now: Instant,
    /// When instances were put out: how many, and how many there were within the window before.
    out: Vec<(Instant, i64, i64)>,
}

impl World {
    fn new() -> World {
        World { state: State::new(Feed::new(), 0), now: Instant(1_000 * SECOND_US), out: Vec::new() }
    }

    fn register(&mut self, id: &str, ticket: u8, services: &[&str]) -> Outcome<Leased> {
        let lease = Lease::new([ticket; 16], LEASE_US, 0, self.now);
        register(&mut self.state, &record(id, services), lease, self.now)
    }

    fn renew(&mut self, id: &str, ticket: u8) -> Outcome<Leased> {
        renew(&mut self.state, id, [ticket; 16], 0, self.now)
    }

    /// A round, as the command has it.
    fn sweep(&mut self) -> Vec<Arc<str>> {
        let expired =
            self.state.leases.iter().filter(|(_, lease)| lease.expires_at <= self.now).map(|(id, lease)| (id.clone(), *lease)).collect();
        let out = sweep(&mut self.state.feed, self.state.alive, &expired, self.now);
        let of = self.state.alive + self.out_since(self.now.plus_us(-WINDOW_US));
        if !out.is_empty() {
            self.out.push((self.now, i64::try_from(out.len()).unwrap(), of));
        }
        out.iter().for_each(|id| go(&mut self.state, id, self.now));
        out
    }

    fn out_since(&self, since: Instant) -> i64 {
        self.out.iter().filter(|(at, ..)| *at > since).map(|(_, count, _)| count).sum()
    }

    fn present(&self) -> Vec<&Record> {
        self.state.records.values().filter(|record| record.status != Status::Gone).collect()
    }

    fn view(&self) -> View {
        View::of(&self.state.feed, self.state.records.values().cloned().collect())
    }

    fn assert_whole(&self) {
        let present: BTreeSet<&Arc<str>> = self.present().into_iter().map(|record| &record.id).collect();
        assert_eq!(present, self.state.leases.keys().collect(), "who is there has a lease, and nobody else");
        assert_eq!(self.state.alive, i64::try_from(present.len()).unwrap());
        let versions: BTreeSet<i64> = self.state.records.values().map(|record| record.version).collect();
        assert_eq!(versions.len(), self.state.records.len(), "a version is given out once");
        assert!(versions.last().is_none_or(|last| *last <= self.state.feed.version));
        for (i, (at, _, of)) in self.out.iter().enumerate() {
            let within: i64 = self.out[..=i].iter().filter(|(other, ..)| *other > at.plus_us(-WINDOW_US)).map(|(_, count, _)| count).sum();
            assert!(within == 1 || within * 100 < of * EVICTED_PERCENT, "{within} of {of} were put out within a minute");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Register(u8, u8, u8),
    Renew(u8, u8),
    Drain(u8, u8),
    Force(u8, Option<Status>),
    Leave(u8, u8),
    Wait(i64),
    Sweep,
    Follow,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..40_u8;
    let ticket = prop_oneof![9 => Just(1_u8), 1 => Just(2_u8)];
    prop_oneof![
        6 => (id.clone(), ticket.clone(), 1..4_u8).prop_map(|(id, ticket, services)| Step::Register(id, ticket, services)),
        6 => (id.clone(), ticket.clone()).prop_map(|(id, ticket)| Step::Renew(id, ticket)),
        1 => (id.clone(), ticket.clone()).prop_map(|(id, ticket)| Step::Drain(id, ticket)),
        1 => (id.clone(), prop::option::of(prop::sample::select(Status::ALL[..5].to_vec()))).prop_map(|(id, forced)| Step::Force(id, forced)),
        1 => (id, ticket).prop_map(|(id, ticket)| Step::Leave(id, ticket)),
        6 => (0..4 * SECOND_US).prop_map(Step::Wait),
        6 => Just(Step::Sweep),
        2 => Just(Step::Follow),
    ]
}

proptest! {
    #[test]
    fn whoever_follows_the_feed_knows_who_is_there_and_few_are_put_out_at_once(steps in prop::collection::vec(step(), 1..300)) {
        let mut world = World::new();
        let mut followed = Snapshot::default();
        let names = ["payments", "orders", "wallet"];
        for step in steps {
            let before = world.state.clone();
            let outcome = match step {
                Step::Register(id, ticket, services) => world.register(&format!("i{id}"), ticket, &names[..usize::from(services)]).map(drop),
                Step::Renew(id, ticket) => world.renew(&format!("i{id}"), ticket).map(drop),
                Step::Drain(id, ticket) => say(&mut world.state, &format!("i{id}"), [ticket; 16], Status::Draining, world.now),
                Step::Force(id, forced) => force(&mut world.state, &format!("i{id}"), [1; 16], forced, None, world.now),
                Step::Leave(id, ticket) => leave(&mut world.state, &format!("i{id}"), [ticket; 16], world.now),
                Step::Wait(us) => {
                    world.now = world.now.plus_us(us);
                    Ok(())
                }
                Step::Sweep => {
                    let (leases, resumed) = (world.state.leases.clone(), world.state.feed.resumed_at);
                    for id in world.sweep() {
                        prop_assert!(leases[&id].expires_at <= world.now, "{} had renewed", id);
                        prop_assert!(resumed.plus_us(LEASE_US) <= world.now, "{} had no fresh lease", id);
                    }
                    Ok(())
                }
                Step::Follow => {
                    let view = world.view();
                    followed = followed.after(view.changes(followed.version()));
                    let whole = Snapshot::default().after(view.changes(0));
                    prop_assert_eq!(followed.instances().collect::<Vec<_>>(), whole.instances().collect::<Vec<_>>());
                    Ok(())
                }
            };
            if outcome.is_err() {
                prop_assert_eq!(&before, &world.state, "a refusal changes nothing");
            }
            world.assert_whole();
        }
    }

    #[test]
    fn nobody_acts_with_anothers_ticket_while_the_lease_runs(late in 0..2 * LEASE_US) {
        let mut world = World::new();
        world.register("a", 1, &["payments"]).unwrap();
        world.now = world.now.plus_us(late);
        prop_assert_eq!(world.renew("a", 2).unwrap_err().code, Code::Forbidden);
        prop_assert_eq!(leave(&mut world.state, "a", [2; 16], world.now).unwrap_err().code, Code::Forbidden);
        let taken_over = world.register("a", 2, &["payments"]);
        prop_assert_eq!(taken_over.is_ok(), late >= LEASE_US, "an id is free again when its lease has run out");
    }
}

#[test]
fn a_registration_that_says_nothing_new_moves_no_version() {
    let mut world = World::new();
    world.register("a", 1, &["payments"]).unwrap();
    let version = world.state.feed.version;
    world.now = world.now.plus_us(SECOND_US);
    world.register("a", 1, &["payments"]).unwrap();
    assert_eq!(world.state.feed.version, version);
    world.register("a", 1, &["payments", "orders"]).unwrap();
    assert_eq!(world.state.feed.version, version + 1);
}

#[test]
fn an_operators_word_stays_over_a_new_registration_and_not_over_one_that_is_down() {
    let mut world = World::new();
    world.register("a", 1, &["payments"]).unwrap();
    force(&mut world.state, "a", [1; 16], Some(Status::Draining), None, world.now).unwrap();
    world.register("a", 1, &["payments", "orders"]).unwrap();
    assert_eq!(world.state.records["a"].effective(), Status::Draining);
    say(&mut world.state, "a", [1; 16], Status::Down, world.now).unwrap();
    assert_eq!(world.state.records["a"].effective(), Status::Down);
    force(&mut world.state, "a", [1; 16], None, Some(Status::Up), world.now).unwrap();
    assert_eq!(world.state.records["a"].effective(), Status::Up);
}

#[test]
fn a_client_that_has_more_to_say_has_to_register_again() {
    let mut world = World::new();
    let lease = Lease::new([0; 16], LEASE_US, 5_000, world.now);
    register(&mut world.state, &record("APP/a", &["app"]), lease, world.now).unwrap();
    assert!(renew(&mut world.state, "APP/a", [0; 16], 5_000, world.now).is_ok());
    assert_eq!(renew(&mut world.state, "APP/a", [0; 16], 5_001, world.now).unwrap_err().code, Code::NotFound);
}

/// A fleet on a simulated clock: each instance renews every three seconds at a moment of its own, a round comes each second.
struct Fleet {
    world: World,
    random: Random,
    /// When each instance renews next; none while it is dead.
    next: Vec<Option<Instant>>,
    /// Of a thousand renewals so many are lost on the way.
    lost_permille: u64,
    registry_up: bool,
    renewals: u64,
    registrations: u64,
}

impl Fleet {
    fn of(count: usize, seed: u64) -> Fleet {
        let mut fleet = Fleet {
            world: World::new(),
            random: Random::new(seed),
            next: Vec::new(),
            lost_permille: 0,
            registry_up: true,
            renewals: 0,
            registrations: 0,
        };
        for i in 0..count {
            fleet.world.register(&format!("i{i:04}"), 1, &["payments"]).unwrap();
            let first = fleet.world.now.plus_us(i64::try_from(fleet.random.below(RENEW_US as u64)).unwrap());
            fleet.next.push(Some(first));
        }
        fleet
    }

    /// Lets time go by in steps of a tenth of a second.
    fn run_s(&mut self, seconds: i64) {
        for tenth in 1..=seconds * 10 {
            self.world.now = self.world.now.plus_us(SECOND_US / 10);
            for i in 0..self.next.len() {
                if self.next[i].is_some_and(|at| at <= self.world.now) {
                    self.next[i] = Some(self.world.now.plus_us(RENEW_US));
                    if self.registry_up && !self.random.chance(self.lost_permille) {
                        self.speak(i);
                    }
                }
            }
            if self.registry_up && tenth % 10 == 0 {
                self.world.sweep();
            }
        }
        self.world.assert_whole();
    }

    fn speak(&mut self, i: usize) {
        let id = format!("i{i:04}");
        self.renewals += 1;
        if self.world.renew(&id, 1).is_err() {
            self.registrations += 1;
            self.world.register(&id, 1, &["payments"]).unwrap();
        }
    }

    fn kill(&mut self, range: std::ops::Range<usize>) {
        self.next[range].fill(None);
    }

    fn out(&self) -> i64 {
        self.world.out.iter().map(|(_, count, _)| count).sum()
    }
}

#[test]
fn of_a_thousand_nobody_is_put_out_who_renews() {
    let mut fleet = Fleet::of(1_000, 1);
    fleet.run_s(600);
    assert_eq!((fleet.out(), fleet.world.present().len()), (0, 1_000));
    println!("1,000 instances for 10 minutes: {} renewals, {:.0} a second", fleet.renewals, fleet.renewals as f64 / 600.0);
}

#[test]
fn a_tenth_that_dies_is_out_within_its_lease_and_a_round() {
    let mut fleet = Fleet::of(1_000, 2);
    fleet.run_s(30);
    fleet.kill(0..100);
    fleet.run_s(LEASE_US / SECOND_US + 1);
    assert_eq!((fleet.out(), fleet.world.present().len()), (100, 900));
}

#[test]
fn a_third_that_dies_goes_little_by_little() {
    let mut fleet = Fleet::of(1_000, 3);
    fleet.run_s(30);
    fleet.kill(0..333);
    let mut seconds = 0;
    while fleet.world.present().len() > 667 && seconds < 600 {
        fleet.run_s(1);
        seconds += 1;
        assert!(fleet.world.out_since(fleet.world.now.plus_us(-WINDOW_US)) < 150, "at {seconds} s");
    }
    println!("333 of 1,000 died: the last was put out after {seconds} s");
    assert!((120..=200).contains(&seconds), "{seconds}");
    assert!(fleet.next[333..].iter().enumerate().all(|(i, _)| fleet.world.state.leases.contains_key(&*format!("i{:04}", i + 333))));
}

#[test]
fn after_an_outage_of_the_registry_only_the_dead_are_put_out_and_not_before_one_fresh_lease() {
    for outage_s in [4, 8, 15, 60, 3_600] {
        let mut fleet = Fleet::of(1_000, 4);
        fleet.run_s(30);
        fleet.registry_up = false;
        fleet.run_s(outage_s / 2);
        fleet.kill(0..50);
        fleet.run_s(outage_s - outage_s / 2);
        fleet.registry_up = true;
        fleet.run_s(LEASE_US / SECOND_US - 1);
        assert_eq!(fleet.out(), 0, "after {outage_s} s everyone has one fresh lease");
        fleet.run_s(5);
        assert_eq!((fleet.out(), fleet.registrations), (50, 0), "after {outage_s} s the dead go, and only they");
    }
}

#[test]
fn a_network_that_loses_every_fifth_renewal_puts_out_next_to_nobody_and_they_come_back() {
    let mut fleet = Fleet::of(1_000, 5);
    fleet.lost_permille = 200;
    fleet.run_s(600);
    println!(
        "every fifth renewal lost for 10 minutes: {} put out, {} came back, {} there",
        fleet.out(),
        fleet.registrations,
        fleet.world.present().len()
    );
    // Three renewals in a row have to be lost: of 200,000 chances fewer than one in a hundred.
    assert!(fleet.out() <= 2_000, "{}", fleet.out());
    fleet.lost_permille = 0;
    fleet.run_s(60);
    assert_eq!(fleet.world.present().len(), 1_000);
}

#[test]
fn a_network_that_cuts_half_of_the_fleet_off_does_not_empty_the_registry() {
    let mut fleet = Fleet::of(1_000, 6);
    fleet.run_s(30);
    fleet.kill(0..500);
    fleet.run_s(40);
    let left = fleet.world.present().len();
    println!("half of 1,000 cut off for 40 s: {left} still told of");
    assert!(left > 850, "{left}");
    for i in 0..500 {
        fleet.next[i] = Some(fleet.world.now);
    }
    fleet.run_s(10);
    assert_eq!(fleet.world.present().len(), 1_000, "they are back as soon as they are heard");
}
