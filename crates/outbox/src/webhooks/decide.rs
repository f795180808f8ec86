//! Decides what becomes of deliveries: which are due and which wait behind others, when a failed one is tried again, when it is given up.
//! Pure: no clock, no database, no randomness; jitter is an argument. Refuses to let a delivery overtake an earlier one of its aggregate.

pub(crate) mod endpoints;
#[cfg(test)]
mod tests;

use super::model::{DeliveryState, TEST_TOPIC, Topic};
use kernel::time::SECOND_US;
use kernel::{DeliveryId, GameId, Instant, Uuid, WebhookId};
use std::collections::{BTreeMap, BTreeSet};

/// Pauses after the first failure, the second and so on, in seconds: three days in all. A delivery that fails once more is parked.
pub const RETRY_PAUSES_S: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Pauses are up to this much longer, in thousandths, so that what failed together does not come again together.
pub const JITTER_PERMILLE_MAX: u16 = 200;
/// The longest pause a receiver may ask for by `Retry-After`, in seconds.
pub const RETRY_AFTER_MAX_S: i64 = 86_400;
/// A webhook that lets more than this many deliveries wait is disabled.
pub const WAITING_MAX: i64 = 100_000;

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reached {
    /// A receiver answered.
    Answered {
        status: u16,
        /// What it asked for, in seconds.
        retry_after_s: Option<i64>,
        /// The start of its answer.
        told: String,
    },
    /// None did, and why.
    Nobody(String),
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    RetryAt(Instant),
    Parked,
    /// Parked, and its webhook is disabled: the receiver said that it is gone for good.
    Gone,
}

/// Judges the `attempts`th attempt.
pub(crate) fn judge(topic: &str, attempts: i64, reached: &Reached, jitter_permille: u16, now: Instant) -> Verdict {
    let asked_s = match reached {
        Reached::Answered { status: 200..=299, .. } => return Verdict::Delivered,
        Reached::Answered { status: 410, .. } => return Verdict::Gone,
        Reached::Answered { retry_after_s, .. } => retry_after_s.unwrap_or(0).clamp(0, RETRY_AFTER_MAX_S),
        Reached::Nobody(_) => 0,
    };
    // Whoever sends a test is looking at it now.
    let pauses: &[i64] = if topic == TEST_TOPIC { &[] } else { &RETRY_PAUSES_S };
    let pause_s = usize::try_from(attempts - 1).ok().and_then(|failed| pauses.get(failed));
    let Some(pause_s) = pause_s else { return Verdict::Parked };
    let jitter = 1_000 + i64::from(jitter_permille.min(JITTER_PERMILLE_MAX));
    let pause_us = pause_s * jitter * (SECOND_US / 1_000);
    Verdict::RetryAt(now.plus_us(pause_us.max(asked_s * SECOND_US)))
}

/// An event that may be wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Uuid,
    pub(crate) game: GameId,
    pub(crate) topic: Topic,
    pub(crate) aggregate: String,
    pub(crate) version: i64,
    /// What is sent, the same bytes on every attempt.
    pub(crate) body: String,
    /// The place in a trace that it came from, where one is collected.
    pub(crate) trace: Option<String>,
}

/// An enabled webhook, locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) game: GameId,
    pub(crate) topics: BTreeSet<Topic>,
    pub(crate) waiting: i64,
    /// True once it lets too many deliveries wait.
    pub(crate) overrun: bool,
}

/// What the database holds already: which events of which webhook, and which aggregates something waits of.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) events: BTreeSet<(WebhookId, Uuid)>,
    pub(crate) waiting: BTreeSet<(WebhookId, String)>,
}

/// A new delivery: its webhook, its event by place, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) webhook: WebhookId,
    pub(crate) event: usize,
    pub(crate) state: DeliveryState,
}

/// Makes a delivery of each event for each webhook that wants it and has not got it yet. Events are sorted by aggregate and version.
pub(crate) fn place(events: &[Event], webhooks: &mut BTreeMap<WebhookId, Wants>, known: &mut Known) -> Vec<Placed> {
    let mut placed = Vec::new();
    for (i, event) in events.iter().enumerate() {
        for (id, webhook) in webhooks.iter_mut() {
            let wanted = webhook.game == event.game && webhook.topics.contains(&event.topic) && !webhook.overrun;
            if !wanted || !known.events.insert((*id, event.id)) {
                continue;
            }
            if webhook.waiting >= WAITING_MAX {
                webhook.overrun = true;
                continue;
            }
            webhook.waiting += 1;
            let first = known.waiting.insert((*id, event.aggregate.clone()));
            placed.push(Placed { webhook: *id, event: i, state: if first { DeliveryState::Due } else { DeliveryState::Held } });
        }
    }
    placed
}

/// True where no webhook takes an event: none of its game wants it, or those that do let too many deliveries wait.
pub(crate) fn is_unheard(event: &Event, webhooks: &BTreeMap<WebhookId, Wants>) -> bool {
    !webhooks.values().any(|webhook| webhook.game == event.game && webhook.topics.contains(&event.topic) && !webhook.overrun)
}

/// Parked deliveries of one webhook that are sent again, oldest first: of each aggregate one is due and the others are held, also behind
/// what `waiting` of it there is. No more than the webhook may let wait.
pub(crate) fn again<'a>(
    parked: &'a [(DeliveryId, String)],
    waiting: &mut BTreeSet<&'a str>,
    room: i64,
) -> Vec<(DeliveryId, DeliveryState)> {
    let room = usize::try_from(room).unwrap_or(0);
    let mut state = |aggregate| if waiting.insert(aggregate) { DeliveryState::Due } else { DeliveryState::Held };
    parked.iter().take(room).map(|(id, aggregate)| (*id, state(aggregate))).collect()
}

/// A delivery as it stands while attempts are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: DeliveryState,
    pub(crate) attempts: i64,
}

/// True when an attempt's verdict counts. A 2xx always does; anything else only from the attempt that still has the lease.
pub(crate) fn counts(standing: Standing, attempts: i64, verdict: Verdict) -> bool {
    match verdict {
        Verdict::Delivered => standing.state != DeliveryState::Delivered,
        _ => standing.state == DeliveryState::Due && standing.attempts == attempts,
    }
}
