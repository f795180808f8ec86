//! Waiting rooms under crowds: single turns, any order of asking, and a million people at two gateways on a simulated clock.

use super::*;
use kernel::Random;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const OPENS: i64 = 1_000_000 * SECOND_NS;

fn terms(admit_per_s: u32) -> Terms {
    Terms { opens_ns: OPENS, admit_per_s, admitted_ns: 120 * SECOND_NS }
}

fn at(seconds: i64) -> i64 {
    OPENS + seconds * SECOND_NS
}

fn placed(turn: Turn) -> i64 {
    match turn {
        Turn::Admitted { at_ns } | Turn::Wait { at_ns, .. } => at_ns,
        Turn::Early { .. } => panic!("the sale is open: {turn:?}"),
    }
}

#[test]
fn while_fewer_come_than_are_admitted_nobody_waits() {
    let mut room = Room::new(terms(10));
    let mut random = Random::new(1);
    for n in 0..1_000 {
        let now_ns = at(0) + n * SECOND_NS / 10;
        assert!(matches!(room.ask(random.next(), None, now_ns, 1), Turn::Admitted { .. }), "{n}");
    }
}

#[test]
fn a_crowd_after_the_opening_stands_in_the_order_of_coming() {
    let mut room = Room::new(terms(10));
    let mut random = Random::new(1);
    let places: Vec<i64> = (0..100).map(|_| placed(room.ask(random.next(), None, at(0), 1))).collect();
    assert!(places.is_sorted() && places.windows(2).all(|pair| pair[1] - pair[0] == SECOND_NS / 10));
    let Turn::Wait { ahead, .. } = room.ask(random.next(), None, at(0), 1) else { panic!("a hundred are before") };
    assert_eq!(ahead, 100);
}

#[test]
fn a_turn_that_was_not_taken_is_lost_and_the_next_place_is_the_last() {
    let mut room = Room::new(terms(1));
    let mut random = Random::new(1);
    let late = random.next();
    let first = placed(room.ask(late, None, at(0), 1));
    (0..500).for_each(|_| {
        room.ask(random.next(), None, at(1), 1);
    });
    let again = room.ask(late, Some(Held::Placed { at_ns: first }), at(200), 1);
    assert!(placed(again) >= at(500), "{again:?}");
}

#[test]
fn a_gateway_that_was_started_late_learns_of_the_crowd_from_its_tickets() {
    let mut late = Room::new(terms(100));
    let mut random = Random::new(1);
    let turns: Vec<i64> = (0..1_000).map(|_| placed(late.ask(random.next(), Some(Held::Early { people: 60_000 }), at(0), 1))).collect();
    let mean = turns.iter().map(|place| (place - OPENS) / SECOND_NS).sum::<i64>() / 1_000;
    assert!((250..350).contains(&mean), "{mean}");
    assert!(placed(late.ask(random.next(), None, at(1), 1)) >= at(600), "newcomers stand behind them");
}

proptest! {
    #[test]
    fn a_place_is_honoured_by_every_gateway_at_every_time(seed: u64, place_s in 0_i64..1_000, now_s in -100_i64..2_000, asked in 0_usize..50) {
        let held = Some(Held::Placed { at_ns: at(place_s) });
        let mut busy = Room::new(terms(5));
        let mut random = Random::new(seed);
        (0..asked).for_each(|_| { busy.ask(random.next(), None, at(now_s), 2); });
        let person = random.next();
        let (here, there) = (busy.ask(person, held, at(now_s), 2), Room::new(terms(5)).ask(person, held, at(now_s), 1));
        if now_s <= place_s + 120 {
            prop_assert_eq!(here, there);
            prop_assert_eq!(matches!(here, Turn::Admitted { .. }), now_s >= place_s);
        }
    }

    #[test]
    fn asking_again_without_the_ticket_gains_and_costs_nothing(seed: u64, times in 1_usize..20) {
        let mut room = Room::new(terms(1));
        let mut random = Random::new(seed);
        (0..100).for_each(|_| { room.ask(random.next(), None, at(0), 1); });
        let person = random.next();
        let first = placed(room.ask(person, None, at(1), 1));
        let before = room.next_ns;
        for _ in 0..times {
            prop_assert_eq!(placed(room.ask(person, None, at(2), 1)), first);
        }
        prop_assert_eq!(room.next_ns, before);
    }

    #[test]
    fn the_order_of_coming_before_the_opening_changes_no_lot(seed: u64, people in 1_usize..400) {
        let mut random = Random::new(seed);
        let crowd: Vec<u64> = (0..people).map(|_| random.next()).collect();
        let (mut here, mut there) = (Room::new(terms(3)), Room::new(terms(3)));
        crowd.iter().for_each(|person| { here.ask(*person, None, at(-60), 1); });
        crowd.iter().rev().for_each(|person| { there.ask(*person, None, at(-5), 1); });
        let early = Some(Held::Early { people: 1 });
        for person in crowd {
            prop_assert_eq!(here.ask(person, early, at(0), 1), there.ask(person, early, at(0), 1));
        }
    }

    /// Whoever asks, when and how often: in no second more are given a place than the rate allows.
    #[test]
    fn no_second_holds_more_places_than_the_rate(seed: u64, rate in 1_u32..50, asks in proptest::collection::vec(0_i64..20_000, 1..400)) {
        let mut room = Room::new(terms(rate));
        let mut random = Random::new(seed);
        let mut asks = asks;
        asks.sort_unstable();
        let places: Vec<i64> = asks.iter().map(|ms| placed(room.ask(random.next(), None, OPENS + ms * 1_000_000, 1))).collect();
        for from in &places {
            let within = places.iter().filter(|place| (*from..from + SECOND_NS).contains(place)).count();
            prop_assert!(within <= rate as usize + 1, "{} at {}/s", within, rate);
        }
    }
}

/// Someone of the simulation.
#[derive(Clone, Copy)]
struct Person {
    lot: u64,
    comes_ns: i64,
    first_gateway: u8,
    held: Option<Held>,
    admitted_ns: i64,
    asked: u32,
}

const PEOPLE: usize = 1_000_000;
const RATE: u32 = 2_000;
const GATEWAYS: u32 = 2;

/// Seven of ten come within the ten minutes before the sale, the others within the minute after; each asks any gateway, and comes
/// again when it was told to, within a second.
fn simulate() -> (Vec<Person>, Vec<u32>) {
    let mut random = Random::new(20_261_121);
    let mut gateways = [Room::new(terms(RATE)), Room::new(terms(RATE))];
    let second = u64::try_from(SECOND_NS).expect("positive");
    let mut person = |n: usize| {
        let span = if n % 10 < 7 { (-600, 600) } else { (0, 60) };
        let comes_ns = at(span.0) + i64::try_from(random.below(span.1 * second)).expect("within ten minutes");
        Person { lot: random.next(), comes_ns, first_gateway: 2, held: None, admitted_ns: 0, asked: 0 }
    };
    let mut people: Vec<Person> = (0..PEOPLE).map(&mut person).collect();
    let mut queue: BinaryHeap<Reverse<(i64, usize)>> = people.iter().enumerate().map(|(n, person)| Reverse((person.comes_ns, n))).collect();
    let mut asked_in = vec![0_u32; 2_000];
    while let Some(Reverse((now_ns, n))) = queue.pop() {
        let person = &mut people[n];
        let gateway = random.index(2);
        person.asked += 1;
        if person.first_gateway == 2 {
            person.first_gateway = u8::try_from(gateway).expect("0 or 1");
        }
        if let Some(count) = usize::try_from((now_ns - OPENS) / SECOND_NS).ok().and_then(|second| asked_in.get_mut(second)) {
            *count += u32::from(now_ns >= OPENS);
        }
        let again_ns = match gateways[gateway].ask(person.lot, person.held, now_ns, GATEWAYS) {
            Turn::Admitted { .. } => {
                person.admitted_ns = now_ns;
                continue;
            }
            Turn::Early { people, again_ns } => {
                person.held = Some(Held::Early { people });
                again_ns
            }
            Turn::Wait { at_ns, .. } => {
                person.held = Some(Held::Placed { at_ns });
                at_ns
            }
        };
        let late = i64::try_from(random.below(second)).expect("a second");
        queue.push(Reverse((again_ns.max(now_ns) + late, n)));
    }
    (people, asked_in)
}

fn mean_s<'a>(people: impl Iterator<Item = &'a Person>) -> i64 {
    let (mut sum, mut count) = (0, 0);
    for person in people {
        sum += (person.admitted_ns - OPENS) / 1_000_000;
        count += 1;
    }
    sum / count.max(1) / 1_000
}

#[test]
fn a_million_people_at_two_gateways_are_admitted_at_the_rate_and_fairly() {
    let (people, asked_in) = simulate();
    let mut admitted_in = vec![0_u32; 2_000];
    for person in &people {
        assert!(person.admitted_ns >= OPENS, "nobody goes in before the sale opens, and everybody goes in");
        admitted_in[usize::try_from((person.admitted_ns - OPENS) / SECOND_NS).expect("after the opening")] += 1;
    }
    let (early, late): (Vec<&Person>, Vec<&Person>) = people.iter().partition(|person| person.comes_ns < OPENS);
    let took_s = admitted_in.iter().rposition(|count| *count > 0).expect("someone was admitted");
    let (most, asks) = (*admitted_in.iter().max().expect("seconds"), people.iter().map(|person| person.asked).sum::<u32>());
    let asked_most = asked_in.iter().max().expect("seconds");
    let first_half = mean_s(early.iter().copied().filter(|person| person.comes_ns < at(-300)));
    let second_half = mean_s(early.iter().copied().filter(|person| person.comes_ns >= at(-300)));
    let [here, there] = [0, 1].map(|gateway| mean_s(early.iter().copied().filter(|person| person.first_gateway == gateway)));
    let early_last = early.iter().map(|person| person.admitted_ns).max().expect("early people");
    let late_first = late.iter().map(|person| person.admitted_ns).min().expect("late people");
    println!(
        "{PEOPLE} people at {GATEWAYS} gateways, {RATE}/s: in after {took_s} s, at most {most} in a second; {asks} requests, at most {asked_most} in a second"
    );
    println!(
        "early people: those who came first went in after {first_half} s on average, the others after {second_half} s; by gateway {here} s and {there} s"
    );
    println!(
        "the last early one after {} s, the first late one after {} s",
        (early_last - OPENS) / SECOND_NS,
        (late_first - OPENS) / SECOND_NS
    );
    assert!((490..530).contains(&took_s), "no slot is wasted and none is given twice: {took_s} s");
    // Where the lots end and the line begins, the two gateways' counts of the crowd differ by the error of counting.
    assert!(most < RATE * 3 / 2, "{most} in a second");
    assert!(asks < 4 * u32::try_from(PEOPLE).expect("a million"), "{asks} requests");
    assert!(*asked_most < 20 * RATE, "{asked_most} requests in a second");
    assert!(first_half.abs_diff(second_half) <= 3, "coming earlier before the opening gains nothing");
    assert!(here.abs_diff(there) <= 3, "no gateway is the better one");
    assert!(early_last - late_first < 15 * SECOND_NS, "late people stand behind, but for the error of the count");
}
