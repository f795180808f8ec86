//! What changes the outbox: subscriptions, claims as leases, and what becomes of claimed rows.
//! Refuses, with `not-found`, to keep an answer for a round that changed nothing.

use crate::decide::{self, LEASE_S, PARKED_AT, Place, Settlement, Subscribers};
use crate::{Outgoing, Served, Sinks};
use db::{Column, Command, Error, Rank, Row, Rows, Statement, Tx, row};
use kernel::time::SECOND_US;
use kernel::{Instant, Outcome, Refusal, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// That a sink wants a topic.
pub(crate) struct Subscription {
    topic: String,
    subscriber: String,
    target: String,
}

impl Subscription {
    pub(crate) fn of(served: &Served) -> Vec<Subscription> {
        let one =
            |topic: &String| Subscription { topic: topic.clone(), subscriber: served.sink.name().to_owned(), target: served.sink.target() };
        served.topics.iter().filter(|topic| served.sink.always_wants(topic)).map(one).collect()
    }
}

/// What this process serves: topic, subscriber, and the time by which rows are due.
pub(crate) fn served_rows(sinks: &Sinks, due_by: Instant) -> Rows {
    let mut rows = Rows::new();
    for served in sinks.read().iter() {
        served.topics.iter().for_each(|topic| rows.push(&row![topic, served.sink.name(), due_by]));
    }
    rows
}

/// The columns of [`served_rows`].
pub(crate) const SERVED: &[(&str, Column)] = &[("topic", Column::Text), ("subscriber", Column::Text), ("due_by", Column::Int)];

/// Due rows of topics that have no subscriber but ours. One that has no subscriber at all any more is taken and, for want of a sink, deleted.
macro_rules! due {
    ($columns:literal, $rest:literal) => {
        concat!(
            "select ",
            $columns,
            " from outbox o
              where o.due_at <= (select max(due_by) from rows)
                and o.topic not in (
                    select s.topic
                    from subscription s left join rows r on r.topic = s.topic and r.subscriber = s.subscriber
                    where r.topic is null
                ) ",
            $rest
        )
    };
}
pub(crate) use due;

// Another process may have subscribed the same name elsewhere; the last that started says where it goes.
/// Rows one claim takes at most; the limit in its statements.
pub(crate) const CLAIM_MAX: usize = 500;

static SUBSCRIBE: Statement = Statement::new(
    "outbox.subscribe",
    "insert into subscription (topic, subscriber, target)
     select topic, subscriber, target
     from rows
     where true
     order by topic, subscriber
     on conflict (topic, subscriber) do update set target = excluded.target where subscription.target <> excluded.target",
)
.rows(&[("topic", Column::Text), ("subscriber", Column::Text), ("target", Column::Text)]);

static UNSUBSCRIBE: Statement =
    Statement::new("outbox.unsubscribe", "delete from subscription where subscriber in (select subscriber from rows)")
        .rows(&[("subscriber", Column::Text)]);

static DROP_UNWANTED: Statement =
    Statement::new("outbox.drop_unwanted", "delete from outbox where topic not in (select topic from subscription)");

pub(crate) static SUBSCRIBERS: Statement =
    Statement::new("outbox.subscribers", "select topic, subscriber from subscription order by topic, subscriber");

// The aggregate and version settle ties, so that a row never hides the one it waits for behind the limit of rows a claim looks at.
static CANDIDATES: Statement = Statement::new(
    "outbox.claim_candidates",
    due!(
        "o.id, o.topic, o.aggregate, o.version, o.payload, o.at, o.due_at, o.attempts, o.trace",
        "order by o.due_at, o.aggregate, o.version limit 500 {for update of o skip locked}"
    ),
)
.rows(SERVED)
.locks(Rank::Other);

// Rows of the same aggregates up to the version that is wanted, but for parked ones, which hold up nobody. The cross join has
// SQLite look each row of the set up by the index on the aggregate, instead of reading the set again for each row of the table.
static OTHERS: Statement = Statement::new(
    "outbox.claim_others",
    "select o.id, o.topic, o.aggregate, o.version, o.due_at
     from rows r cross join outbox o
     where o.aggregate = r.aggregate and o.version <= r.version and o.due_at < 253402300799000000",
)
.rows(&[("aggregate", Column::Text), ("version", Column::Int)]);

static LEASE: Statement = Statement::new(
    "outbox.lease",
    "update outbox set due_at = r.due_at, attempts = outbox.attempts + 1
     from rows r
     where outbox.id = r.id",
)
.rows(&[("id", Column::Bytes), ("due_at", Column::Int)]);

static HOLD: Statement = Statement::new(
    "outbox.hold",
    "update outbox set due_at = r.due_at
     from rows r
     where outbox.id = r.id",
)
.rows(&[("id", Column::Bytes), ("due_at", Column::Int)]);

static DELIVERED: Statement =
    Statement::new("outbox.delete_delivered", "delete from outbox where id in (select id from rows)").rows(&[("id", Column::Bytes)]);

// Who slept through the lease finds other attempts and leaves the row to the one that has it now.
static RESCHEDULE: Statement = Statement::new(
    "outbox.reschedule",
    "update outbox set due_at = r.due_at, attempts = r.attempts
     from rows r
     where outbox.id = r.id and outbox.attempts = r.claimed",
)
.rows(&[("id", Column::Bytes), ("claimed", Column::Int), ("attempts", Column::Int), ("due_at", Column::Int)]);

static RESUME: Statement = Statement::new(
    "outbox.resume",
    "update outbox set due_at = r.due_at, attempts = 0
     from rows r
     where outbox.id = r.id and outbox.due_at = 253402300799000000
     returning outbox.id",
)
.rows(&[("id", Column::Bytes), ("due_at", Column::Int)]);

const _: () = assert!(PARKED_AT.0 == 253_402_300_799_000_000, "the statements above name the time in figures");

/// Subscribes sinks to topics.
pub(crate) struct Subscribe;

impl Command for Subscribe {
    const NAME: &'static str = "outbox.subscribe";
    type Input = Vec<Subscription>;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Self::Input], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let wanted: BTreeMap<(&str, &str), &str> =
            batch.iter().flat_map(|input| input.iter()).map(|s| ((s.topic.as_str(), s.subscriber.as_str()), s.target.as_str())).collect();
        let touched = tx.write_some(&SUBSCRIBE, Rows::of(wanted, |((topic, subscriber), target)| row![topic, subscriber, target])).await?;
        Ok(batch.iter().map(|_| if touched > 0 { Ok(()) } else { Err(Refusal::not_found("subscription", "that is missing")) }).collect())
    }
}

/// Ends every subscription of a name.
pub(crate) struct Unsubscribe;

impl Command for Unsubscribe {
    const NAME: &'static str = "outbox.unsubscribe";
    type Input = String;
    /// Rows that nobody waits for any more.
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a String], _: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        let known: BTreeSet<String> = tx.fetch(&SUBSCRIBERS, &[], |row| row.text(1)).await?.into_iter().collect();
        let leaving: BTreeSet<&String> = batch.iter().copied().filter(|name| known.contains(*name)).collect();
        let mut dropped = 0;
        if !leaving.is_empty() {
            tx.write_some(&UNSUBSCRIBE, Rows::of(leaving, |name| row![name])).await?;
            dropped = tx.execute(&DROP_UNWANTED, &[]).await?;
        }
        let outcome =
            |name: &&String| if known.contains(*name) { Ok(dropped) } else { Err(Refusal::not_found("subscriber", format!("{name:?}"))) };
        Ok(batch.iter().map(outcome).collect())
    }
}

/// A row with its lease.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claimed {
    pub(crate) outgoing: Outgoing,
    /// Counting the one that begins now.
    pub(crate) attempts: i64,
}

/// Claims due rows, sorted by aggregate and version. Payloads are not kept with the answer: a claim whose outcome got lost lapses with its lease.
pub(crate) struct Claim {
    pub(crate) sinks: Sinks,
}

impl Command for Claim {
    const NAME: &'static str = "outbox.claim";
    const KEEPS_ANSWER: bool = false;
    type Input = ();
    type Reply = Vec<Claimed>;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a ()], now: Instant) -> Result<Vec<Outcome<Vec<Claimed>>>, Error> {
        let found = tx.load(&CANDIDATES, served_rows(&self.sinks, now), candidate).await?;
        let (places, rows): (Vec<Place>, Vec<Claimed>) = found.into_iter().unzip();
        let claiming = decide::claim(&places, &load_others(tx, &places).await?, &load_subscribers(tx).await?, now);
        let lease_ends = now.plus_us(LEASE_S * SECOND_US);
        tx.write(&LEASE, Rows::of(&claiming.claimed, |id| row![*id, lease_ends])).await?;
        tx.write(&HOLD, Rows::of(&claiming.held, |(id, due_at)| row![*id, *due_at])).await?;
        let changed = !claiming.claimed.is_empty() || !claiming.held.is_empty();
        let mut claimed: Vec<Claimed> = rows.into_iter().filter(|row| claiming.claimed.contains(&row.outgoing.id)).collect();
        claimed.sort_by(|a, b| order(&a.outgoing).cmp(&order(&b.outgoing)));
        // Drains of one process that meet in a batch: the first gets the rows.
        let mut first = changed.then_some(claimed);
        Ok(batch.iter().map(|()| first.take().ok_or_else(|| Refusal::not_found("row", "that is due"))).collect())
    }
}

fn order(outgoing: &Outgoing) -> (&str, i64, Uuid) {
    (&outgoing.aggregate, outgoing.version, outgoing.id)
}

fn candidate(row: &Row) -> Result<(Place, Claimed), Error> {
    let payload = row.text(4)?;
    let outgoing = Outgoing {
        id: uuid(row)?,
        topic: row.text(1)?,
        aggregate: row.text(2)?,
        version: row.int(3)?,
        // One row that somebody broke by hand must not stop all others: it goes out as the text it is.
        payload: serde_json::from_str(&payload).unwrap_or(serde_json::Value::String(payload)),
        at: row.instant(5)?,
        trace: row.text_opt(8)?,
    };
    let place = Place {
        id: outgoing.id,
        topic: outgoing.topic.clone(),
        aggregate: outgoing.aggregate.clone(),
        version: outgoing.version,
        due_at: row.instant(6)?,
    };
    Ok((place, Claimed { outgoing, attempts: row.int(7)? + 1 }))
}

/// The id in the first column.
pub(crate) fn uuid(row: &Row) -> Result<Uuid, Error> {
    uuid_at(row, 0)
}

/// The id in a column.
pub(crate) fn uuid_at(row: &Row, column: usize) -> Result<Uuid, Error> {
    row.id::<[u8; 16]>(column).map(Uuid::from_bytes)
}

async fn load_others(tx: &mut Tx<'_>, candidates: &[Place]) -> Result<Vec<Place>, Error> {
    let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
    for place in candidates {
        let version = wanted.entry(&place.aggregate).or_insert(place.version);
        *version = place.version.max(*version);
    }
    let known: BTreeSet<Uuid> = candidates.iter().map(|place| place.id).collect();
    let found = tx
        .load(&OTHERS, Rows::of(wanted, |(aggregate, version)| row![aggregate, version]), |row| {
            Ok(Place { id: uuid(row)?, topic: row.text(1)?, aggregate: row.text(2)?, version: row.int(3)?, due_at: row.instant(4)? })
        })
        .await?;
    Ok(found.into_iter().filter(|place| !known.contains(&place.id)).collect())
}

async fn load_subscribers(tx: &mut Tx<'_>) -> Result<Subscribers, Error> {
    let mut subscribers: Subscribers = HashMap::new();
    for (topic, subscriber) in tx.fetch(&SUBSCRIBERS, &[], |row| Ok((row.text(0)?, row.text(1)?))).await? {
        subscribers.entry(topic).or_default().insert(subscriber);
    }
    Ok(subscribers)
}

/// Deletes what was delivered and schedules the rest.
pub(crate) struct Settle;

impl Command for Settle {
    const NAME: &'static str = "outbox.settle";
    type Input = Settlement;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Settlement], now: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let delivered: BTreeSet<Uuid> = batch.iter().flat_map(|settlement| settlement.delivered.iter().copied()).collect();
        // A row that a slow claimer and its successor both settle is scheduled by one of them, or the statement would not know by whom.
        let again: BTreeMap<Uuid, decide::Rescheduled> =
            batch.iter().flat_map(|settlement| decide::reschedule(settlement, now)).map(|row| (row.id, row)).collect();
        // Fewer rows than named: an account was erased meanwhile with its mail, or another process settled first.
        let deleted = tx.write_some(&DELIVERED, Rows::of(&delivered, |id| row![*id])).await?;
        let moved = tx.write_some(&RESCHEDULE, Rows::of(again.values(), |r| row![r.id, r.claimed, r.attempts, r.due_at])).await?;
        Ok(batch
            .iter()
            .map(|_| if deleted + moved > 0 { Ok(()) } else { Err(Refusal::not_found("row", "of this claim any more")) })
            .collect())
    }
}

/// Makes parked rows due again.
pub(crate) struct Resume;

impl Command for Resume {
    const NAME: &'static str = "outbox.resume";
    type Input = BTreeSet<Uuid>;
    /// How many of them were parked.
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a BTreeSet<Uuid>], now: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        let ids: BTreeSet<Uuid> = batch.iter().flat_map(|ids| ids.iter().copied()).collect();
        let resumed: BTreeSet<Uuid> = tx.load(&RESUME, Rows::of(&ids, |id| row![*id, now]), uuid).await?.into_iter().collect();
        let outcome = |ids: &&BTreeSet<Uuid>| match ids.intersection(&resumed).count() {
            0 => Err(Refusal::not_found("row", "of these that is parked")),
            count => Ok(count as u64),
        };
        Ok(batch.iter().map(outcome).collect())
    }
}
