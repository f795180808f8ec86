//! How the registry's rows are locked, loaded and written.
//! Refuses to give out a version of the feed except under the lock of its row, so that versions appear in their order.

use crate::decide::{Evicted, Feed, Lease, Record, State};
use crate::model::Status;
use db::{Column, Error, Rank, Row, Rows, Statement, Tx, row};
use kernel::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

// Held until the commit: whoever reads `version > seen` misses nothing. Every change of an instance goes through it.
static LOCK_FEED: Statement = Statement::new(
    "registry.lock_feed",
    "select version, forgotten, swept_at, resumed_at, evicted from registry where one = 1 {for update}",
)
.locks(Rank::Other);

// A statement of its own, after the lock: one that waits for the lock would count as of before the wait.
static COUNT: Statement = Statement::new("registry.count_leases", "select count(*) from lease");

static SET_FEED: Statement = Statement::new(
    "registry.set_feed",
    "update registry set version = $1, forgotten = $2, swept_at = $3, resumed_at = $4, evicted = $5 where one = 1",
)
.locks(Rank::Other);

static LOAD: Statement = Statement::new(
    "registry.load_instances",
    "select i.id, i.services, i.address, i.secure, i.build, i.weight, i.metadata, i.document, i.status, i.forced_status,
            i.registered_at, i.changed_at, i.version
     from rows r join instance i on i.id = r.id",
)
.rows(&[("id", Column::Text)]);

static LOAD_LEASES: Statement = Statement::new(
    "registry.load_leases",
    "select l.instance, l.ticket, l.lease_us, l.dirty_at, l.renewed_at, l.expires_at
     from rows r join lease l on l.instance = r.id
     order by l.instance {for update of l}",
)
.rows(&[("id", Column::Text)])
.locks(Rank::Other);

static LOAD_EXPIRED: Statement = Statement::new(
    "registry.load_expired",
    "select l.instance, l.ticket, l.lease_us, l.dirty_at, l.renewed_at, l.expires_at
     from lease l
     where l.expires_at <= $1
     order by l.instance {for update of l}",
)
.locks(Rank::Other);

static PUT: Statement = Statement::new(
    "registry.put_instances",
    "insert into instance (id, services, address, secure, build, weight, metadata, document, status, forced_status, registered_at, changed_at, version)
     select id, services, address, secure, build, weight, metadata, document, status, forced_status, registered_at, changed_at, version
     from rows
     where true
     order by id
     on conflict (id) do update
     set services = excluded.services, address = excluded.address, secure = excluded.secure, build = excluded.build, weight = excluded.weight,
         metadata = excluded.metadata, document = excluded.document, status = excluded.status, forced_status = excluded.forced_status,
         registered_at = excluded.registered_at, changed_at = excluded.changed_at, version = excluded.version",
)
.rows(&[
    ("id", Column::Text),
    ("services", Column::Text),
    ("address", Column::Text),
    ("secure", Column::Int),
    ("build", Column::Text),
    ("weight", Column::Int),
    ("metadata", Column::Text),
    ("document", Column::Text),
    ("status", Column::Text),
    ("forced_status", Column::Text),
    ("registered_at", Column::Int),
    ("changed_at", Column::Int),
    ("version", Column::Int),
]);

const LEASE: &[(&str, Column)] = &[
    ("instance", Column::Text),
    ("ticket", Column::Bytes),
    ("lease_us", Column::Int),
    ("dirty_at", Column::Int),
    ("renewed_at", Column::Int),
    ("expires_at", Column::Int),
];

static PUT_LEASES: Statement = Statement::new(
    "registry.put_leases",
    "insert into lease (instance, ticket, lease_us, dirty_at, renewed_at, expires_at)
     select instance, ticket, lease_us, dirty_at, renewed_at, expires_at
     from rows
     where true
     order by instance
     on conflict (instance) do update
     set ticket = excluded.ticket, lease_us = excluded.lease_us, dirty_at = excluded.dirty_at, renewed_at = excluded.renewed_at,
         expires_at = excluded.expires_at",
)
.rows(LEASE);

static RENEW: Statement = Statement::new(
    "registry.renew_leases",
    "update lease set renewed_at = r.renewed_at, expires_at = r.expires_at from rows r where lease.instance = r.instance",
)
.rows(LEASE);

static DROP_LEASES: Statement =
    Statement::new("registry.drop_leases", "delete from lease where instance in (select id from rows)").rows(&[("id", Column::Text)]);

static NEWEST_TO_FORGET: Statement =
    Statement::new("registry.newest_to_forget", "select coalesce(max(version), 0) from instance where status = 'gone' and changed_at < $1");

static FORGET: Statement =
    Statement::new("registry.forget", "delete from instance where status = 'gone' and changed_at < $1").locks(Rank::Other);

/// Locks the feed for this transaction.
pub(crate) async fn lock(tx: &mut Tx<'_>) -> Result<State, Error> {
    let found = tx.fetch(&LOCK_FEED, &[], feed).await?;
    let feed = found.into_iter().next().ok_or_else(|| Error::Broken("registry has no row: the migration writes it".to_owned()))?;
    let alive = tx.fetch(&COUNT, &[], |row| row.int(0)).await?.first().copied().unwrap_or_default();
    Ok(State::new(feed, alive))
}

/// The feed's row in the first columns.
pub(crate) fn feed(row: &Row) -> Result<Feed, Error> {
    let evicted: Vec<Evicted> = parse(&row.text(4)?)?;
    Ok(Feed { version: row.int(0)?, forgotten: row.int(1)?, swept_at: row.instant(2)?, resumed_at: row.instant(3)?, evicted })
}

/// Loads and locks leases.
pub(crate) async fn leases(tx: &mut Tx<'_>, ids: &BTreeSet<&Arc<str>>) -> Result<BTreeMap<Arc<str>, Lease>, Error> {
    let found = tx.load(&LOAD_LEASES, Rows::of(ids, |id| row![&***id]), lease).await?;
    Ok(found.into_iter().collect())
}

/// Loads and locks the leases that have run out.
pub(crate) async fn expired(tx: &mut Tx<'_>, now: Instant) -> Result<BTreeMap<Arc<str>, Lease>, Error> {
    let found = tx.fetch(&LOAD_EXPIRED, &row![now], lease).await?;
    Ok(found.into_iter().collect())
}

/// Writes renewed leases.
pub(crate) async fn renew(tx: &mut Tx<'_>, state: &State) -> Result<(), Error> {
    tx.write(&RENEW, lease_rows(state)).await
}

/// Forgets who is gone since before then; the feed's row has to be locked, and to be written afterwards.
pub(crate) async fn forget(tx: &mut Tx<'_>, feed: &mut Feed, before: Instant) -> Result<(), Error> {
    let newest = tx.fetch(&NEWEST_TO_FORGET, &row![before], |row| row.int(0)).await?.first().copied().unwrap_or(0);
    if newest > 0 {
        feed.forgotten = feed.forgotten.max(newest);
        tx.execute(&FORGET, &row![before]).await?;
    }
    Ok(())
}

/// Loads instances; the feed has to be locked.
pub(crate) async fn load(tx: &mut Tx<'_>, state: &mut State, ids: &BTreeSet<&Arc<str>>) -> Result<(), Error> {
    let records = tx.load(&LOAD, Rows::of(ids, |id| row![&***id]), |row| record(row, 0)).await?;
    state.records = records.into_iter().map(|record| (record.id.clone(), record)).collect();
    Ok(())
}

/// Writes what was decided.
pub(crate) async fn write(tx: &mut Tx<'_>, state: &State, seen: &Feed) -> Result<(), Error> {
    let feed = &state.feed;
    if feed != seen {
        let evicted = serde_json::to_string(&feed.evicted).expect("numbers are plain data");
        let arguments = row![feed.version, feed.forgotten, feed.swept_at, feed.resumed_at, evicted];
        tx.execute(&SET_FEED, &arguments).await?;
    }
    tx.write(&PUT, Rows::of(&state.changed, |id| columns(&state.records[id]))).await?;
    tx.write(&PUT_LEASES, lease_rows(state)).await?;
    // A lease that was made and dropped within the batch was never written.
    tx.write_some(&DROP_LEASES, Rows::of(&state.dropped, |id| row![&**id])).await.map(drop)
}

fn lease_rows(state: &State) -> Rows {
    Rows::of(&state.leased, |id| {
        let lease = &state.leases[id];
        row![&**id, lease.ticket.to_vec(), lease.lease_us, lease.dirty_at, lease.renewed_at, lease.expires_at]
    })
}

fn columns(record: &Record) -> [db::Value<'_>; 13] {
    let json = |value: serde_json::Result<String>| value.expect("texts are plain data");
    row![
        &*record.id,
        json(serde_json::to_string(&record.services)),
        &record.address,
        record.secure,
        &record.build,
        record.weight,
        json(serde_json::to_string(&record.metadata)),
        &record.document,
        record.status.as_str(),
        record.forced.map(Status::as_str),
        record.registered_at,
        record.changed_at,
        record.version,
    ]
}

/// A record in the columns from `first` on.
pub(crate) fn record(row: &Row, first: usize) -> Result<Record, Error> {
    let forced = row.text_opt(first + 9)?.map(|text| text.parse().map_err(Error::Broken)).transpose()?;
    Ok(Record {
        id: row.text(first)?.into(),
        services: parse(&row.text(first + 1)?)?,
        address: row.text(first + 2)?,
        secure: row.flag(first + 3)?,
        build: row.text(first + 4)?,
        weight: u32::try_from(row.int(first + 5)?).unwrap_or(0),
        metadata: parse(&row.text(first + 6)?)?,
        document: row.text(first + 7)?,
        status: row.parsed(first + 8)?,
        forced,
        registered_at: row.instant(first + 10)?,
        changed_at: row.instant(first + 11)?,
        version: row.int(first + 12)?,
    })
}

/// A lease in the columns of a statement here.
fn lease(row: &Row) -> Result<(Arc<str>, Lease), Error> {
    let lease = Lease {
        ticket: row.id(1)?,
        lease_us: row.int(2)?,
        dirty_at: row.int(3)?,
        renewed_at: row.instant(4)?,
        expires_at: row.instant(5)?,
    };
    Ok((row.text(0)?.into(), lease))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| Error::Broken(format!("{text:?} is not what the registry writes: {e}")))
}
