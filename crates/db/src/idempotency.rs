//! The gates of accounts, and answers kept under their keys, both within the work's own transaction.
//! Refuses only reads about ids of no account: a key that another process writes meanwhile makes the turn run again.

use crate::{Column, Db, Engine, Error, Meta, Rank, Rows, Statement, Tx, row};
use kernel::{Instant, Refusal, UserId};
use std::collections::{BTreeSet, HashMap};

pub(crate) struct Kept {
    pub(crate) fingerprint: [u8; 16],
    pub(crate) answer: String,
}

type Key<'a> = (Option<UserId>, &'a str, &'a str);

// The account's row is every store command's first lock. SQLite has one writer and only reads it.
static LOCK_GATES: Statement = Statement::new(
    "db.lock_gates",
    "select a.id, a.state
     from accounts a
     where a.id in (select id from rows)
     order by a.id {for update}",
)
.rows(&[("id", Column::Bytes)])
.locks(Rank::Gate);

// `now` comes with the kept answers, after the gates, to save a round trip.
static LOAD: Statement = Statement::new(
    "db.load_kept",
    "select 0, i.caller, i.route, i.key, i.fingerprint, i.answer
     from idempotency i join rows r on i.caller = r.caller and i.route = r.route and i.key = r.key",
)
.on_postgres(
    "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint), i.caller, i.route, i.key, i.fingerprint, i.answer
     from (select 1) one left join (
         select i.caller, i.route, i.key, i.fingerprint, i.answer
         from idempotency i join rows r on i.caller = r.caller and i.route = r.route and i.key = r.key
     ) i on true",
)
.rows(&[("caller", Column::Bytes), ("route", Column::Text), ("key", Column::Text)]);

static NOW: Statement = Statement::new("db.now", "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)");

// Another process may have written the key since it was looked for: the count differs and the turn runs again.
static KEEP: Statement = Statement::new(
    "db.keep_answer",
    "insert into idempotency (caller, route, key, fingerprint, answer, at)
     select caller, route, key, fingerprint, answer, at
     from rows
     where true
     order by caller, route, key
     on conflict do nothing",
)
.rows(&[
    ("caller", Column::Bytes),
    ("route", Column::Text),
    ("key", Column::Text),
    ("fingerprint", Column::Bytes),
    ("answer", Column::Text),
    ("at", Column::Int),
]);

static KNOWN: Statement = Statement::new("db.find_account", "select id from accounts where id = $1");

impl Db {
    /// Refuses the id of no account, for reads of what somebody has.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn require_account(&self, user: UserId) -> Result<(), Error> {
        let found = self.fetch(&KNOWN, &row![user], |row| row.id::<UserId>(0)).await?;
        if found.is_empty() { Err(Refusal::not_found("account", user).into()) } else { Ok(()) }
    }
}

pub(crate) async fn lock_gates(tx: &mut Tx<'_>, users: &BTreeSet<UserId>) -> Result<(), Error> {
    let missing: Vec<&UserId> = users.iter().filter(|user| !tx.gates.contains_key(user)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let states =
        tx.load(&LOCK_GATES, Rows::of(missing, |user| row![*user]), |row| Ok((row.id::<UserId>(0)?, row.text(1)? == "active"))).await?;
    tx.gates.extend(states);
    Ok(())
}

pub(crate) async fn load<'m>(tx: &mut Tx<'_>, asked: impl Iterator<Item = &'m Meta>) -> Result<HashMap<Key<'m>, Kept>, Error> {
    let asked: Vec<&Meta> = asked.collect();
    if asked.is_empty() {
        tx.now = now_of(tx).await?;
        return Ok(HashMap::new());
    }
    let rows = Rows::of(&asked, |meta| row![scope(meta), meta.route, &meta.key]);
    let mut server_now = None;
    let found = tx
        .load(&LOAD, rows, |row| {
            server_now = Some(row.instant(0)?);
            let Some(caller) = row.bytes_opt(1)? else { return Ok(None) };
            let kept = Kept { fingerprint: row.id(4)?, answer: row.text(5)? };
            Ok(Some(((caller, row.text(2)?, row.text(3)?), kept)))
        })
        .await?;
    tx.now = match (tx.engine(), server_now) {
        (Engine::Postgres, Some(now)) => tx.clock.shift(now),
        _ => tx.clock.now(),
    };
    let mut found: HashMap<(Vec<u8>, String, String), Kept> = found.into_iter().flatten().collect();
    if found.is_empty() {
        return Ok(HashMap::new());
    }
    let kept = asked.into_iter().filter_map(|meta| {
        let kept = found.remove(&(scope(meta), meta.route.to_owned(), meta.key.clone()))?;
        Some(((meta.caller, meta.route, meta.key.as_str()), kept))
    });
    Ok(kept.collect())
}

/// The time for work without a key, read after its gates as well.
async fn now_of(tx: &mut Tx<'_>) -> Result<Instant, Error> {
    if tx.engine() == Engine::Sqlite {
        return Ok(tx.clock.now());
    }
    let now = tx.fetch(&NOW, &[], |row| row.instant(0)).await?;
    let now = now.into_iter().next().ok_or_else(|| Error::Broken("the server told no time".to_owned()))?;
    Ok(tx.clock.shift(now))
}

pub(crate) async fn keep(tx: &mut Tx<'_>, answers: &[(&Meta, String)]) -> Result<(), Error> {
    let now: Instant = tx.now();
    let rows = Rows::of(answers, |(meta, answer)| row![scope(meta), meta.route, &meta.key, &meta.fingerprint, answer, now]);
    tx.write(&KEEP, rows).await
}

/// Our own work has the nil id as its caller.
fn scope(meta: &Meta) -> Vec<u8> {
    meta.caller.map_or_else(|| vec![0; 16], |caller| caller.bytes().to_vec())
}
