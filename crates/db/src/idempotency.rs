//! The gates of accounts, and answers kept under their keys, both within the work's own transaction.
//! Refuses only reads about ids of no account: a key that another process writes meanwhile makes the turn run again.

use crate::tx::Gate;
use crate::{Column, Db, Engine, Error, Meta, Rank, Rows, Statement, Tx, row};
use kernel::{Instant, Refusal, UserId};
use std::collections::{BTreeSet, HashMap};

pub(crate) struct Kept {
    pub(crate) fingerprint: [u8; 16],
    pub(crate) answer: String,
}

type Key<'a> = (Option<UserId>, &'a str, &'a str);

// The account's row is every store command's first lock. SQLite has one writer and only reads it. On Postgres the time comes along, to
// save a round trip: of the last row, since each is told when its own gate was locked.
static LOCK_GATES: Statement = Statement::new(
    "db.lock_gates",
    "select a.id, a.state, a.roles, 0
     from rows r join accounts a on a.id = r.id
     order by a.id",
)
.on_postgres(
    "select id, state, roles, cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)
     from (
         select a.id, a.state, a.roles
         from rows r join accounts a on a.id = r.id
         order by a.id {for update of a}
     ) gates",
)
.rows(&[("id", Column::Bytes)])
.locks(Rank::Gate);

static LOAD: Statement = Statement::new(
    "db.load_kept",
    "select i.caller, i.route, i.key, i.fingerprint, i.answer
     from rows r join idempotency i on i.caller = r.caller and i.route = r.route and i.key = r.key",
)
.rows(&[("caller", Column::Bytes), ("route", Column::Text), ("key", Column::Text)]);

static NOW: Statement = Statement::new("db.now", "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)");

// A key that was kept before is a repeat: the count differs and the turn runs again, looking for answers first.
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

static REPEATED: Statement = Statement::new(
    "db.find_kept",
    "select fingerprint
     from idempotency
     where caller = $1 and route = $2 and key = $3",
);

impl Db {
    /// Whether the same request was answered before under its key: for those who have to refuse before they queue, because what a repeat
    /// rests on (an old password, a token) was used up by the first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn is_repeat(&self, meta: &Meta) -> Result<bool, Error> {
        let kept = self.fetch(&REPEATED, &row![scope(meta), meta.route, &meta.key], |row| row.id::<[u8; 16]>(0)).await?;
        Ok(kept.first() == Some(&meta.fingerprint))
    }

    /// Refuses the id of no account, for reads of what somebody has.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn require_account(&self, user: UserId) -> Result<(), Error> {
        let found = self.fetch(&KNOWN, &row![user], |row| row.id::<UserId>(0)).await?;
        if found.is_empty() { Err(Refusal::not_found("account", user).into()) } else { Ok(()) }
    }
}

/// Locks gates, then reads the time: what is decided now comes after what was decided under the same gates before.
pub(crate) async fn lock_gates(tx: &mut Tx<'_>, users: &BTreeSet<UserId>) -> Result<(), Error> {
    let mut told = None;
    let states = tx
        .load(&LOCK_GATES, Rows::of(users, |user| row![*user]), |row| {
            told = Some(row.instant(3)?);
            let roles = u32::try_from(row.int(2)?).unwrap_or_default();
            Ok((row.id::<UserId>(0)?, Gate { is_active: row.text(1)? == "active", roles }))
        })
        .await?;
    tx.gates.extend(states);
    tx.now = match (tx.engine(), told) {
        (Engine::Sqlite, _) => tx.clock.now(),
        (Engine::Postgres, Some(now)) => tx.clock.shift(now),
        (Engine::Postgres, None) => {
            let now = tx.fetch(&NOW, &[], |row| row.instant(0)).await?.pop();
            tx.clock.shift(now.ok_or_else(|| Error::Broken("the server told no time".to_owned()))?)
        }
    };
    Ok(())
}

pub(crate) async fn load<'m>(tx: &mut Tx<'_>, asked: impl Iterator<Item = &'m Meta>) -> Result<HashMap<Key<'m>, Kept>, Error> {
    let asked: Vec<&Meta> = asked.collect();
    let rows = Rows::of(&asked, |meta| row![scope(meta), meta.route, &meta.key]);
    let found = tx
        .load(&LOAD, rows, |row| {
            let kept = Kept { fingerprint: row.id(3)?, answer: row.text(4)? };
            Ok(((row.bytes(0)?, row.text(1)?, row.text(2)?), kept))
        })
        .await?;
    let mut found: HashMap<(Vec<u8>, String, String), Kept> = found.into_iter().collect();
    if found.is_empty() {
        return Ok(HashMap::new());
    }
    let kept = asked.into_iter().filter_map(|meta| {
        let kept = found.remove(&(scope(meta), meta.route.to_owned(), meta.key.clone()))?;
        Some(((meta.caller, meta.route, meta.key.as_str()), kept))
    });
    Ok(kept.collect())
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
