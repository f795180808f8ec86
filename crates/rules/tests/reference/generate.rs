//! Draws a whole case from a seed and its place in the grid of operator × reset × zone × arrival. Refuses documents the parser refuses,
//! after some tries.

use super::case::{Case, Ready};
use super::documents::{Draft, OPERATORS, Operator, RESETS, Reset, ZONES};
use super::random::Random;
use super::records::{ARRIVALS, Arrival, records};
use kernel::Instant;

/// A place in the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) operator: Operator,
    pub(crate) reset: Reset,
    pub(crate) zone: usize,
    pub(crate) arrival: Arrival,
}

/// How many places the grid has.
pub(crate) const CELLS: u64 = (OPERATORS.len() * RESETS.len() * ZONES.len() * ARRIVALS.len()) as u64;

/// The place of a case, so that consecutive cases walk through the whole grid in an order that mixes it.
pub(crate) fn cell(number: u64) -> Cell {
    // 2,741 is prime and no divisor of the grid's size: every place comes once in a round.
    let mut place = usize::try_from((number * 2_741) % CELLS).expect("the grid is small");
    let mut next = |length: usize| {
        let index = place % length;
        place /= length;
        index
    };
    Cell {
        operator: OPERATORS[next(OPERATORS.len())],
        reset: RESETS[next(RESETS.len())],
        zone: next(ZONES.len()),
        arrival: ARRIVALS[next(ARRIVALS.len())],
    }
}

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

/// A case and what the parser made of it; the last refusal if every try was refused.
pub(crate) fn case(cell: Cell, random: &mut Random) -> Result<(Case, Ready), String> {
    let mut refused = String::new();
    for _ in 0..20 {
        let (zone, anchor) = ZONES[cell.zone];
        let anchor: Instant = anchor.parse().expect("the table's times are right");
        let whole_days = random.percent(30);
        let before = random.between(0, 6 * 86_400);
        let starts = anchor.0 - if whole_days { before / 86_400 * DAY_US } else { before * SECOND_US };
        let ends = starts + random.between(3_600, 16 * 86_400) * SECOND_US;
        let late_s = *random.pick(&[0, 1, 60, 600, 3_600, 40_000, 86_400, 604_800]);
        let draft = Draft { operator: cell.operator, reset: cell.reset, zone, starts, ends, late_s };
        let document = draft.document(random);
        let opted_in_at = random.percent(70).then(|| Instant(random.between(starts - DAY_US, ends)));
        let opt_in = document.get("opt_in").is_some();
        let stopped_at = random.percent(8).then(|| Instant(random.between(starts, ends)));
        // Of two campaigns a record may be too late for one only; copies of it must then come in the order of their appends.
        let beside = (cell.arrival != Arrival::Lagging && random.percent(12)).then(|| beside(&draft, random));
        let opted_in_at = opted_in_at.filter(|_| opt_in);
        let mut case = Case { document, beside, opted_in_at, stopped_at, looks: Vec::new(), records: Vec::new() };
        match case.ready() {
            Err(faults) => refused = faults,
            Ok(ready) => {
                case.records = records(&ready.campaign, cell.arrival, random);
                case.looks = (0..3).map(|_| random.below(case.records.len()) + 1).collect();
                return Ok((case, ready));
            }
        }
    }
    Err(refused)
}

/// Another campaign over nearly the same time, with a lateness of its own.
fn beside(draft: &Draft, random: &mut Random) -> serde_json::Value {
    let other = Draft {
        operator: *random.pick(&OPERATORS),
        reset: *random.pick(&RESETS),
        zone: draft.zone,
        starts: draft.starts - random.between(0, 2) * DAY_US,
        ends: draft.ends + random.between(0, 2) * DAY_US,
        late_s: *random.pick(&[0, 60, 3_600, 86_400]),
    };
    let mut document = other.document(random);
    document["id"] = "beside".into();
    document
}
