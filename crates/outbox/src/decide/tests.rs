//! Order as a property: whatever is locked, whatever fails, no subscriber is overtaken.

use super::*;
use proptest::prelude::*;

const NOW: Instant = Instant(10);

fn id(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

fn subscribers() -> Subscribers {
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    HashMap::from([("a".to_owned(), of(&["x"])), ("b".to_owned(), of(&["x", "y"])), ("c".to_owned(), of(&["y"]))])
}

fn place(n: u8, topic: &str, version: i64, due: i64) -> Place {
    Place { id: id(n), topic: topic.to_owned(), aggregate: "thing".to_owned(), version, due_at: Instant(due) }
}

#[test]
fn a_row_waits_for_an_earlier_one_that_is_under_way_and_for_what_waits_behind_that() {
    // c shares no subscriber with a, but it does with b, which waits for a.
    let held_until = |due_us| {
        let claiming = claim(&[place(2, "b", 2, 5), place(3, "c", 3, 5)], &[place(1, "a", 1, due_us)], &subscribers(), NOW);
        assert!(claiming.claimed.is_empty());
        assert_eq!(claiming.held.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id(2), id(3)]);
        claiming.held.into_iter().map(|(_, due_at)| due_at.0).collect::<Vec<_>>()
    };
    let retry_us = NOW.0 + 2 * LEASE_S * SECOND_US;
    assert_eq!(held_until(retry_us), [retry_us; 2], "a retry that is far away is not looked at before");
    assert_eq!(held_until(NOW.0 + LEASE_S * SECOND_US), [NOW.0 + SECOND_US; 2], "what may be in flight is looked at soon");
    assert_eq!(held_until(9), [9; 2], "what is due already, but beyond this claim, comes first in the next");
}

#[test]
fn a_row_passes_an_earlier_one_that_goes_to_others() {
    let claiming = claim(&[place(2, "c", 2, 5)], &[place(1, "a", 1, 90)], &subscribers(), NOW);
    assert_eq!(claiming, Claiming { claimed: BTreeSet::from([id(2)]), held: Vec::new() });
}

#[test]
fn pauses_double_up_to_an_hour_and_end_in_parking() {
    let pause = |attempts| retry_at(attempts, Instant(0)).0 / SECOND_US;
    assert_eq!([1, 2, 3, 11, 12, 79].map(pause), [2, 4, 8, 2048, 3600, 3600]);
    assert_eq!(retry_at(ATTEMPTS_MAX, Instant(0)), PARKED_AT);
}

#[test]
fn a_row_behind_a_parked_one_goes_at_once_and_keeps_its_attempts() {
    let settlement = Settlement { delivered: Vec::new(), failed: vec![(id(1), ATTEMPTS_MAX)], held: vec![(id(2), 1, id(1))] };
    let again = reschedule(&settlement, Instant(7));
    assert_eq!(again[0].due_at, PARKED_AT);
    assert_eq!(again[1], Rescheduled { id: id(2), claimed: 1, attempts: 0, due_at: Instant(7) });
}

proptest! {
    #[test]
    fn no_row_is_claimed_before_an_earlier_one_with_a_shared_subscriber(
        rows in prop::collection::vec((0..3_usize, 0..2_u8, 0..4_i64, 0..20_i64, any::<bool>()), 0..24)
    ) {
        let all: Vec<(Place, bool)> = rows.iter().zip(1_u8..).map(|((topic, aggregate, version, due, locked), n)| {
            // What is locked is due.
            let due = if *locked { *due.min(&NOW.0) } else { *due };
            let place = Place { aggregate: aggregate.to_string(), ..place(n, ["a", "b", "c"][*topic], *version, due) };
            (place, *locked)
        }).collect();
        let of = |locked: bool| all.iter().filter(|(_, l)| *l == locked).map(|(place, _)| place.clone()).collect::<Vec<_>>();
        let claiming = claim(&of(true), &of(false), &subscribers(), NOW);
        for (later, locked) in &all {
            let rank = |place: &Place| (place.version, place.id);
            let blocked = all.iter().any(|(earlier, _)| {
                earlier.aggregate == later.aggregate
                    && rank(earlier) < rank(later)
                    && !claiming.claimed.contains(&earlier.id)
                    && !subscribers()[&earlier.topic].is_disjoint(&subscribers()[&later.topic])
            });
            prop_assert_eq!(claiming.claimed.contains(&later.id), *locked && !blocked, "{:?}", later);
        }
        // Nothing is lost, and what is held moves back only.
        for (held, due_at) in &claiming.held {
            let (place, locked) = all.iter().find(|(place, _)| place.id == *held).unwrap();
            prop_assert!(*locked && *due_at > place.due_at && !claiming.claimed.contains(held));
        }
    }

    #[test]
    fn every_tried_row_is_settled_once_and_none_is_delivered_after_a_failure_it_shares_a_sink_with(
        rows in prop::collection::vec((0..2_u8, prop::collection::btree_set(0..3_usize, 0..3), any::<bool>()), 0..24)
    ) {
        let mut tried: Vec<Tried> = rows.into_iter().zip(1_u8..).map(|((aggregate, sinks, failed), n)| Tried {
            id: id(n), aggregate: aggregate.to_string(), attempts: 1, failed: failed && !sinks.is_empty(), sinks: sinks.into_iter().collect(),
        }).collect();
        tried.sort_by(|a, b| a.aggregate.cmp(&b.aggregate));
        let settlement = settle(&tried);
        prop_assert_eq!(settlement.delivered.len() + settlement.failed.len() + settlement.held.len(), tried.len());
        for (i, row) in tried.iter().enumerate().filter(|(_, row)| settlement.delivered.contains(&row.id)) {
            prop_assert!(!row.failed);
            let overtaken = tried[..i].iter().any(|earlier| {
                earlier.aggregate == row.aggregate && !settlement.delivered.contains(&earlier.id) && earlier.sinks.iter().any(|s| row.sinks.contains(s))
            });
            prop_assert!(!overtaken);
        }
    }
}
