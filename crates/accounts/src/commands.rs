//! Batched writes of accounts. Here is what several kinds share; each kind has its own file with the method that sends it.
//! Refuses to end a session without telling the process's tokens.

pub mod confirm;
pub mod erase;
pub mod govern;
pub mod keys;
pub mod letters;
pub mod passwords;
pub mod profile;
pub mod rotate;
pub mod sessions;
pub mod sign_up;
pub mod sweep;
pub mod teams;
pub mod uses;

use crate::decide::credentials::{self, Credentials, MailToken};
use crate::decide::govern::{People, Person};
use db::{Column, Error, Rank, Row, Rows, Statement, Tx, row};
use kernel::{Instant, SessionId, UserId};
use std::collections::{BTreeMap, BTreeSet};
use web::Roles;

// The callers' own gates come before these: two operators who act on each other at the same moment can meet,
// and Postgres then ends one turn, which runs again.
static LOAD_PEOPLE: Statement = Statement::new(
    "accounts.load_people",
    "select a.id, a.state, a.roles
     from accounts a
     where a.id in (select id from rows)
     order by a.id {for update}",
)
.rows(&[("id", Column::Bytes)])
.locks(Rank::Gate);

static LOAD_CREDENTIALS: Statement = Statement::new(
    "accounts.load_credentials",
    "select p.user_id, p.password_version
     from personal p
     where p.user_id in (select user_id from rows)
     order by p.user_id {for update}",
)
.rows(&[("user_id", Column::Bytes)])
.locks(Rank::Other);

static LOAD_TOKENS: Statement = Statement::new(
    "accounts.load_mail_tokens",
    "select t.user_id, t.purpose, t.hash, t.expires_at
     from mail_token t
     where t.user_id in (select user_id from rows)
     order by t.user_id, t.purpose {for update}",
)
.rows(&[("user_id", Column::Bytes)])
.locks(Rank::Other);

static LIVE_SESSIONS: Statement = Statement::new(
    "accounts.load_live_sessions",
    "select s.user_id, s.id
     from session s
     where s.user_id in (select user_id from rows) and s.ended_at is null
     order by s.id {for update}",
)
.rows(&[("user_id", Column::Bytes)])
.locks(Rank::Other);

static END_SESSIONS: Statement = Statement::new(
    "accounts.end_sessions",
    "update session set ended_at = r.at
     from rows r
     where session.id = r.id and session.ended_at is null",
)
.rows(&[("id", Column::Bytes), ("at", Column::Int)])
.locks(Rank::Other);

/// Loads and locks accounts.
pub(crate) async fn load_people(tx: &mut Tx<'_>, users: &BTreeSet<UserId>) -> Result<People, Error> {
    let rows = Rows::of(users, |user| row![*user]);
    let found = tx.load(&LOAD_PEOPLE, rows, |row| Ok((row.id(0)?, Person { state: row.parsed(1)?, roles: roles(row, 2)? }))).await?;
    Ok(found.into_iter().collect())
}

/// Loads the credentials of those accounts that are active; their gates must be held.
pub(crate) async fn load_credentials(tx: &mut Tx<'_>, users: impl Iterator<Item = UserId>) -> Result<credentials::All, Error> {
    let active: BTreeSet<UserId> = users.filter(|user| tx.is_active(*user)).collect();
    let keys = || Rows::of(&active, |user| row![*user]);
    let versions = tx.load(&LOAD_CREDENTIALS, keys(), |row| Ok((row.id::<UserId>(0)?, row.int(1)?))).await?;
    let token = |row: &Row| Ok((row.id::<UserId>(0)?, row.parsed(1)?, MailToken { hash: bytes32(row, 2)?, expires_at: row.instant(3)? }));
    let tokens = tx.load(&LOAD_TOKENS, keys(), token).await?;
    let with = |(user, password_version)| (user, Credentials { password_version, ..Credentials::default() });
    let mut all: credentials::All = versions.into_iter().map(with).collect();
    for (user, purpose, token) in tokens {
        if let Some(credentials) = all.get_mut(&user) {
            credentials.tokens.insert(purpose, token);
        }
    }
    Ok(all)
}

/// Ends the live sessions of accounts, each account's but for one it may keep; returns what ended, per account.
pub(crate) async fn end_sessions(
    tx: &mut Tx<'_>,
    users: &BTreeMap<UserId, Option<SessionId>>,
) -> Result<BTreeMap<UserId, Vec<SessionId>>, Error> {
    let rows = Rows::of(users.keys(), |user| row![*user]);
    let live = tx.load(&LIVE_SESSIONS, rows, |row| Ok((row.id::<UserId>(0)?, row.id::<SessionId>(1)?))).await?;
    let ending: Vec<(UserId, SessionId)> = live.into_iter().filter(|(user, session)| users[user] != Some(*session)).collect();
    write_ends(tx, ending.iter().map(|(_, session)| *session)).await?;
    let mut by_user: BTreeMap<UserId, Vec<SessionId>> = BTreeMap::new();
    ending.into_iter().for_each(|(user, session)| by_user.entry(user).or_default().push(session));
    Ok(by_user)
}

/// Writes the end of sessions that were loaded and locked.
pub(crate) async fn write_ends(tx: &mut Tx<'_>, sessions: impl Iterator<Item = SessionId>) -> Result<(), Error> {
    let now = tx.now();
    tx.write(&END_SESSIONS, Rows::of(sessions, |session| row![session, now])).await
}

/// A hash column.
pub(crate) fn bytes32(row: &Row, column: usize) -> Result<[u8; 32], Error> {
    let bytes = row.bytes(column)?;
    bytes.as_slice().try_into().map_err(|_| Error::Broken(format!("column {column} holds {} bytes where a hash has 32", bytes.len())))
}

/// A roles column.
pub(crate) fn roles(row: &Row, column: usize) -> Result<Roles, Error> {
    let bits = row.int(column)?;
    u32::try_from(bits).map(Roles).map_err(|_| Error::Broken(format!("column {column} holds {bits} where roles are")))
}

/// The lifetime of something that starts now.
pub(crate) fn in_seconds(now: Instant, seconds: i64) -> Instant {
    now.plus_us(seconds.saturating_mul(kernel::time::SECOND_US))
}
