//! Decides which rows may go now, what follows from how their sending went, and when a failed row is tried again.
//! Pure: no clock, no database, no randomness. Refuses to let a row overtake an earlier one of its aggregate on the way to a shared subscriber.

use kernel::time::SECOND_US;
use kernel::{Instant, Uuid};
use std::collections::{BTreeSet, HashMap};

/// Attempts after which a row is parked: about three days, most of them an hour apart.
pub const ATTEMPTS_MAX: i64 = 80;
/// The longest pause between two attempts, in seconds.
pub const RETRY_MAX_S: i64 = 3600;
/// A claimed row belongs to its claimer this long, in seconds; then it is sent again. Twice what sinks are given.
pub(crate) const LEASE_S: i64 = 60;
/// A row behind one that may be just under way is looked at again after this long, in seconds: most are sent by then.
const LOOK_AGAIN_S: i64 = 1;
/// When parked rows are due: the last second of the year 9999. The statements name it in figures.
pub(crate) const PARKED_AT: Instant = Instant(253_402_300_799_000_000);

/// Who subscribed, by topic.
pub(crate) type Subscribers = HashMap<String, BTreeSet<String>>;

/// Where a row stands in its aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: Uuid,
    pub(crate) topic: String,
    pub(crate) aggregate: String,
    pub(crate) version: i64,
    pub(crate) due_at: Instant,
}

/// What may be sent now, and what is put behind a row it has to wait for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Claiming {
    pub(crate) claimed: BTreeSet<Uuid>,
    pub(crate) held: Vec<(Uuid, Instant)>,
}

/// Sorts due rows that were locked into those that may go and those that wait. `others` are the live rows of the same aggregates
/// that were not locked: under way elsewhere, waiting for a retry, or due but beyond this claim.
pub(crate) fn claim(candidates: &[Place], others: &[Place], subscribers: &Subscribers, now: Instant) -> Claiming {
    let mut places: Vec<(&Place, bool)> = candidates.iter().map(|p| (p, true)).chain(others.iter().map(|p| (p, false))).collect();
    places.sort_by(|(a, _), (b, _)| (&a.aggregate, a.version, a.id).cmp(&(&b.aggregate, b.version, b.id)));
    // Per aggregate and subscriber: when the row is due that others wait for.
    let mut waits: HashMap<(&str, &str), Instant> = HashMap::new();
    let mut claiming = Claiming::default();
    for (place, is_candidate) in places {
        let mine = || subscribers.get(&place.topic).into_iter().flatten().map(|subscriber| (place.aggregate.as_str(), subscriber.as_str()));
        let behind = mine().filter_map(|key| waits.get(&key)).max().copied();
        let due_at = match (is_candidate, behind) {
            (true, None) => {
                claiming.claimed.insert(place.id);
                continue;
            }
            (true, Some(behind)) => {
                let due_at = put_behind(behind, now);
                // What is due no earlier than that sorts behind it already.
                if due_at > place.due_at {
                    claiming.held.push((place.id, due_at));
                }
                behind.max(place.due_at)
            }
            (false, behind) => behind.map_or(place.due_at, |behind| behind.max(place.due_at)),
        };
        for key in mine() {
            let wait = waits.entry(key).or_insert(due_at);
            *wait = due_at.max(*wait);
        }
    }
    claiming
}

/// When a row is due that waits for one due at `behind`. Within a lease's length that row may be in flight and gone at once;
/// beyond, it waits for a retry, and looking earlier would be in vain.
fn put_behind(behind: Instant, now: Instant) -> Instant {
    let may_be_in_flight = behind <= now.plus_us(LEASE_S * SECOND_US);
    if may_be_in_flight { behind.min(now.plus_us(LOOK_AGAIN_S * SECOND_US)) } else { behind }
}

/// How sending a claimed row went.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    pub(crate) id: Uuid,
    pub(crate) aggregate: String,
    /// Counting this one.
    pub(crate) attempts: i64,
    /// The sinks it goes to, by their place in the list.
    pub(crate) sinks: Vec<usize>,
    /// True when one of them did not take it.
    pub(crate) failed: bool,
}

/// What becomes of claimed rows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// Taken by all sinks: deleted.
    pub(crate) delivered: Vec<Uuid>,
    /// To be tried again, with the attempts so far.
    pub(crate) failed: Vec<(Uuid, i64)>,
    /// Stood behind a row that failed: id, attempts, and that row.
    pub(crate) held: Vec<(Uuid, i64, Uuid)>,
}

/// Settles a claim whose rows are sorted by aggregate and version. A row behind one that failed was not meant to be sent, whatever its sinks say.
pub(crate) fn settle(tried: &[Tried]) -> Settlement {
    let mut stopped: HashMap<(&str, usize), Uuid> = HashMap::new();
    let mut settlement = Settlement::default();
    for row in tried {
        let behind = row.sinks.iter().find_map(|sink| stopped.get(&(row.aggregate.as_str(), *sink))).copied();
        match behind {
            Some(behind) => settlement.held.push((row.id, row.attempts, behind)),
            None if row.failed => settlement.failed.push((row.id, row.attempts)),
            None => {
                settlement.delivered.push(row.id);
                continue;
            }
        }
        stopped.extend(row.sinks.iter().map(|sink| ((row.aggregate.as_str(), *sink), behind.unwrap_or(row.id))));
    }
    settlement
}

/// When a row is due again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rescheduled {
    pub(crate) id: Uuid,
    /// The attempts it was claimed with; another number means that somebody else has claimed it since.
    pub(crate) claimed: i64,
    pub(crate) attempts: i64,
    pub(crate) due_at: Instant,
}

/// Schedules what was not delivered: failed rows by their attempts, rows behind them together with them, or now when those are parked.
pub(crate) fn reschedule(settlement: &Settlement, now: Instant) -> Vec<Rescheduled> {
    let due: HashMap<Uuid, Instant> = settlement.failed.iter().map(|(id, attempts)| (*id, retry_at(*attempts, now))).collect();
    let failed =
        settlement.failed.iter().map(|(id, attempts)| Rescheduled { id: *id, claimed: *attempts, attempts: *attempts, due_at: due[id] });
    let held = settlement.held.iter().map(|(id, attempts, behind)| {
        let due_at = due.get(behind).copied().filter(|due_at| *due_at < PARKED_AT).unwrap_or(now);
        Rescheduled { id: *id, claimed: *attempts, attempts: (*attempts - 1).max(0), due_at }
    });
    failed.chain(held).collect()
}

/// 2, 4, 8 … seconds, at most an hour; parked after [`ATTEMPTS_MAX`].
fn retry_at(attempts: i64, now: Instant) -> Instant {
    if attempts >= ATTEMPTS_MAX {
        return PARKED_AT;
    }
    let pause_s = u32::try_from(attempts).ok().and_then(|attempts| 2_i64.checked_pow(attempts)).unwrap_or(RETRY_MAX_S);
    now.plus_us(pause_s.min(RETRY_MAX_S) * SECOND_US)
}

#[cfg(test)]
mod tests;
