//! What becomes of deliveries that were tried: their ending or their next attempt, who comes after them, and what listeners hear, in one transaction.
//! Refuses to take back a 2xx, and to count anything else of an attempt whose lease has gone to another.

use super::DeliveryListener;
use super::decide::{self, Reached, Standing, Verdict};
use super::model::{DeliveryState, Ending, Settled, WebhookState};
use db::{Column, Command, Error, Rank, Rows, Statement, Tx, row};
use kernel::{DeliveryId, Instant, Outcome, WebhookId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

static LOCK: Statement = Statement::new(
    "webhooks.lock",
    "select w.id, w.state, w.reason, w.waiting
     from webhook w
     where w.id in (select id from rows)
     order by w.id {for update of w}",
)
.rows(&[("id", Column::Bytes)])
.locks(Rank::Other);

static STANDING: Statement = Statement::new(
    "webhooks.load_standing",
    "select d.id, d.state, d.attempts
     from rows r join delivery d on d.id = r.id",
)
.rows(&[("id", Column::Bytes)]);

pub(super) static SET: Statement = Statement::new(
    "webhooks.settle",
    "update delivery set state = r.state, due_at = r.due_at, status = r.status, told = r.told,
         delivered_at = coalesce(r.delivered_at, delivery.delivered_at), settled_at = r.settled_at
     from rows r
     where delivery.id = r.id",
)
.rows(&[
    ("id", Column::Bytes),
    ("state", Column::Text),
    ("due_at", Column::Int),
    ("status", Column::Int),
    ("told", Column::Text),
    ("delivered_at", Column::Int),
    ("settled_at", Column::Int),
]);

// Where nothing of an aggregate is due any more, the first that was held behind it. Each look is one step in the index.
static NEXT: Statement = Statement::new(
    "webhooks.find_next",
    "select (
         select d.id
         from delivery d
         where d.webhook = r.webhook and d.aggregate = r.aggregate and d.settled_at is null and d.state = 'held'
         order by d.version, d.id
         limit 1
     )
     from rows r
     where not exists (
         select 1
         from delivery y
         where y.webhook = r.webhook and y.aggregate = r.aggregate and y.settled_at is null and y.state = 'due'
     )",
)
.rows(&[("webhook", Column::Bytes), ("aggregate", Column::Text)]);

static PROMOTE: Statement = Statement::new(
    "webhooks.promote",
    "update delivery set state = 'due', due_at = r.due_at
     from rows r
     where delivery.id = r.id and delivery.state = 'held'",
)
.rows(&[("id", Column::Bytes), ("due_at", Column::Int)]);

static NOTE: Statement = Statement::new(
    "webhooks.note_settled",
    "update webhook set waiting = r.waiting, state = r.state, reason = r.reason
     from rows r
     where webhook.id = r.id",
)
.rows(&[("id", Column::Bytes), ("waiting", Column::Int), ("state", Column::Text), ("reason", Column::Text)]);

/// Why a webhook that answered 410 is disabled.
const GONE: &str = "it answered 410 Gone";

/// An attempt and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    pub(crate) delivery: DeliveryId,
    pub(crate) webhook: WebhookId,
    pub(crate) attempts: i64,
    /// What a listener hears of it, but for its ending.
    pub(crate) settled: Settled,
    /// True when it got a 2xx before it was redelivered.
    pub(crate) was_delivered: bool,
    pub(crate) reached: Reached,
    pub(crate) jitter_permille: u16,
}

/// A webhook while its deliveries are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locked {
    pub(super) state: WebhookState,
    pub(super) reason: String,
    pub(super) waiting: i64,
}

/// Settles attempts.
pub(crate) struct Settle {
    pub(crate) listener: Option<Arc<dyn DeliveryListener>>,
}

impl Command for Settle {
    const NAME: &'static str = "webhooks.settle";
    const KEYED: bool = false;
    type Input = Tried;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Tried], now: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let judged = judge(batch, now);
        // First of all: what a listener locks comes before our rows in the order of ranks.
        tell(tx, self.listener.as_deref(), judged.iter().filter_map(|(tried, verdict)| ended(tried, *verdict)).collect()).await?;
        let before = lock(tx, judged.iter().map(|(tried, _)| tried.webhook).collect()).await?;
        let mut after = before.clone();
        let mut standing = load_standing(tx, judged.iter().map(|(tried, _)| tried.delivery)).await?;
        let (mut set, mut left) = (Rows::new(), BTreeSet::new());
        for (tried, verdict) in judged {
            let (Some(stands), Some(webhook)) = (standing.get_mut(&tried.delivery), after.get_mut(&tried.webhook)) else {
                continue;
            };
            if verdict == Verdict::Gone && webhook.state == WebhookState::Enabled {
                (webhook.state, webhook.reason) = (WebhookState::Disabled, GONE.to_owned());
            }
            if !decide::counts(*stands, tried.attempts, verdict) {
                continue;
            }
            let state = state_after(verdict);
            if stands.state.waits() && !state.waits() {
                webhook.waiting -= 1;
                left.insert((tried.webhook, tried.settled.aggregate.as_str()));
            }
            stands.state = state;
            push(&mut set, tried, verdict, state, now);
        }
        tx.write(&SET, set).await?;
        promote(tx, &left, now).await?;
        note(tx, &before, &after).await?;
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

/// One verdict per delivery: where a slow claimer and its successor meet in a batch, a 2xx stands before anything else.
fn judge<'a>(batch: &[&'a Tried], now: Instant) -> Vec<(&'a Tried, Verdict)> {
    let mut judged: BTreeMap<DeliveryId, (&Tried, Verdict)> = BTreeMap::new();
    for tried in batch {
        let verdict = decide::judge(&tried.settled.topic, tried.attempts, &tried.reached, tried.jitter_permille, now);
        let known = judged.entry(tried.delivery).or_insert((tried, verdict));
        let is_better = verdict == Verdict::Delivered || (known.1 != Verdict::Delivered && tried.attempts > known.0.attempts);
        if is_better {
            *known = (tried, verdict);
        }
    }
    judged.into_values().collect()
}

fn state_after(verdict: Verdict) -> DeliveryState {
    match verdict {
        Verdict::Delivered => DeliveryState::Delivered,
        Verdict::RetryAt(_) => DeliveryState::Due,
        Verdict::Parked | Verdict::Gone => DeliveryState::Parked,
    }
}

fn push(set: &mut Rows, tried: &Tried, verdict: Verdict, state: DeliveryState, now: Instant) {
    let due_at = if let Verdict::RetryAt(at) = verdict { Some(at) } else { None };
    let (status, told) = match &tried.reached {
        Reached::Answered { status, told, .. } => (Some(i64::from(*status)), told),
        Reached::Nobody(why) => (None, why),
    };
    let delivered_at = (state == DeliveryState::Delivered).then_some(now);
    let settled_at = (!state.waits()).then_some(now);
    set.push(&row![tried.delivery, state.as_str(), due_at, status, told, delivered_at, settled_at]);
}

/// What a listener hears of a verdict. What was delivered once stays so for it, whatever becomes of a redelivery.
fn ended(tried: &Tried, verdict: Verdict) -> Option<Settled> {
    let ending = match verdict {
        Verdict::Delivered => Ending::Delivered,
        Verdict::Parked | Verdict::Gone if !tried.was_delivered => Ending::Parked,
        _ => return None,
    };
    Some(Settled { ending, ..tried.settled.clone() })
}

/// Tells a listener, within the transaction.
pub(super) async fn tell(tx: &mut Tx<'_>, listener: Option<&dyn DeliveryListener>, settled: Vec<Settled>) -> Result<(), Error> {
    match listener {
        Some(listener) if !settled.is_empty() => listener.settled(tx, &settled).await,
        _ => Ok(()),
    }
}

/// Locks webhooks; whoever makes, settles or parks deliveries holds their webhook's row meanwhile.
pub(super) async fn lock(tx: &mut Tx<'_>, webhooks: BTreeSet<WebhookId>) -> Result<BTreeMap<WebhookId, Locked>, Error> {
    let locked = |row: &db::Row| Ok((row.id(0)?, Locked { state: row.parsed(1)?, reason: row.text(2)?, waiting: row.int(3)? }));
    Ok(tx.load(&LOCK, Rows::of(webhooks, |id| row![id]), locked).await?.into_iter().collect())
}

pub(super) async fn load_standing(
    tx: &mut Tx<'_>,
    deliveries: impl Iterator<Item = DeliveryId>,
) -> Result<BTreeMap<DeliveryId, Standing>, Error> {
    let standing = |row: &db::Row| Ok((row.id(0)?, Standing { state: row.parsed(1)?, attempts: row.int(2)? }));
    Ok(tx.load(&STANDING, Rows::of(deliveries, |id| row![id]), standing).await?.into_iter().collect())
}

/// Makes the first that is held due, of aggregates of which nothing is due any more.
pub(super) async fn promote(tx: &mut Tx<'_>, left: &BTreeSet<(WebhookId, &str)>, now: Instant) -> Result<(), Error> {
    let next = tx.load(&NEXT, Rows::of(left, |(webhook, aggregate)| row![*webhook, *aggregate]), |row| row.id_opt::<DeliveryId>(0)).await?;
    tx.write(&PROMOTE, Rows::of(next.into_iter().flatten(), |id| row![id, now])).await
}

/// Writes what changed of webhooks.
pub(super) async fn note(tx: &mut Tx<'_>, before: &BTreeMap<WebhookId, Locked>, after: &BTreeMap<WebhookId, Locked>) -> Result<(), Error> {
    let changed = after.iter().filter(|(id, webhook)| before.get(id) != Some(webhook));
    tx.write(&NOTE, Rows::of(changed, |(id, webhook)| row![*id, webhook.waiting, webhook.state.as_str(), &webhook.reason])).await
}
