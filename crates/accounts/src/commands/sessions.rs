//! Sessions: started by a login, refreshed by a one-time token, ended by their owner.
//! Refuses to start one on a password that was changed while it was being checked.

use super::{bytes32, in_seconds, roles, write_ends};
use crate::Accounts;
use crate::crypto;
use crate::decide::{self, credentials::changed_meanwhile, sessions::Refresh, sessions::Refreshed, sessions::Session};
use crate::ended::Ended;
use crate::model::{self, Signed};
use db::{Column, Command, Error, Meta, Rank, Row, Rows, Statement, Tx, row};
use kernel::{Code, Instant, Outcome, Refusal, SessionId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use web::{Roles, Who};

static LOAD_LOGIN: Statement = Statement::new(
    "accounts.load_login",
    "select p.user_id, p.password_version, a.roles
     from rows r join personal p on p.user_id = r.user_id join accounts a on a.id = p.user_id",
)
.rows(&[("user_id", Column::Bytes)]);

static ADD: Statement = Statement::new(
    "accounts.add_session",
    "insert into session (id, user_id, family_hash, refresh_hash, created_at, refreshed_at, expires_at)
     select id, user_id, family_hash, refresh_hash, at, at, expires_at
     from rows",
)
.rows(&[
    ("id", Column::Bytes),
    ("user_id", Column::Bytes),
    ("family_hash", Column::Bytes),
    ("refresh_hash", Column::Bytes),
    ("at", Column::Int),
    ("expires_at", Column::Int),
]);

// A login that came before a change of policy brings its hash up to date; one whose password changed meanwhile does not.
static REHASH: Statement = Statement::new(
    "accounts.rehash_password",
    "update personal set password = r.password
     from rows r
     where personal.user_id = r.user_id and personal.password_version = r.password_version",
)
.rows(&[("user_id", Column::Bytes), ("password", Column::Text), ("password_version", Column::Int)])
.locks(Rank::Other);

static LOAD: Statement = Statement::new(
    "accounts.load_sessions",
    "select s.id, s.user_id, s.family_hash, s.refresh_hash, s.refreshed_at, s.expires_at, s.ended_at, a.state, a.roles
     from session s join accounts a on a.id = s.user_id
     where s.id in (select id from rows)
     order by s.id {for update of s}",
)
.rows(&[("id", Column::Bytes)])
.locks(Rank::Other);

static SAVE: Statement = Statement::new(
    "accounts.save_session",
    "update session set refresh_hash = r.refresh_hash, refreshed_at = r.refreshed_at, expires_at = r.expires_at, ended_at = r.ended_at
     from rows r
     where session.id = r.id",
)
.rows(&[
    ("id", Column::Bytes),
    ("refresh_hash", Column::Bytes),
    ("refreshed_at", Column::Int),
    ("expires_at", Column::Int),
    ("ended_at", Column::Int),
])
.locks(Rank::Other);

/// A session to start, after its password was checked.
pub struct Starting {
    user: UserId,
    session: SessionId,
    family_hash: [u8; 32],
    refresh_hash: [u8; 32],
    password_version: i64,
    rehashed: Option<String>,
}

/// A started session, without its secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Started {
    roles: Roles,
    expires_at: Instant,
}

/// Starts sessions.
pub struct Start {
    pub(crate) refresh_token_s: i64,
}

impl Command for Start {
    const NAME: &'static str = "accounts.start_session";
    const KEEPS_ANSWER: bool = false;
    type Input = Starting;
    type Reply = Started;

    fn gates(&self, input: &Starting, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.user);
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Starting], now: Instant) -> Result<Vec<Outcome<Started>>, Error> {
        let users: BTreeSet<UserId> = batch.iter().map(|new| new.user).collect();
        let login = |row: &Row| Ok((row.id::<UserId>(0)?, (row.int(1)?, roles(row, 2)?)));
        let logins: BTreeMap<UserId, (i64, Roles)> =
            tx.load(&LOAD_LOGIN, Rows::of(&users, |user| row![*user]), login).await?.into_iter().collect();
        let expires_at = in_seconds(now, self.refresh_token_s);
        let outcomes: Vec<Outcome<Started>> = batch
            .iter()
            .map(|new| match logins.get(&new.user) {
                _ if !tx.is_active(new.user) => Err(blocked()),
                Some((version, roles)) if *version == new.password_version => Ok(Started { roles: *roles, expires_at }),
                _ => Err(changed_meanwhile()),
            })
            .collect();
        let mut started: Vec<&Starting> = batch.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(new, _)| *new).collect();
        started.sort_by_key(|new| new.session);
        let rows = Rows::of(&started, |new| row![new.session, new.user, &new.family_hash, &new.refresh_hash, now, expires_at]);
        tx.write(&ADD, rows).await?;
        let rehashed: BTreeMap<UserId, (&String, i64)> =
            started.iter().filter_map(|new| Some((new.user, (new.rehashed.as_ref()?, new.password_version)))).collect();
        tx.write(&REHASH, Rows::of(rehashed, |(user, (password, version))| row![user, password, version])).await?;
        Ok(outcomes)
    }
}

/// Takes refresh tokens for the next ones.
pub struct Renew {
    pub(crate) ended: Arc<Ended>,
    pub(crate) refresh_token_s: i64,
}

/// A refreshed session, without its secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renewed {
    user: UserId,
    roles: Roles,
    expires_at: Instant,
}

impl Command for Renew {
    const NAME: &'static str = "accounts.refresh_session";
    const KEEPS_ANSWER: bool = false;
    type Input = Refresh;
    type Reply = Renewed;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Refresh], now: Instant) -> Result<Vec<Outcome<Renewed>>, Error> {
        let mut sessions = load(tx, batch.iter().map(|ask| ask.session)).await?;
        let before = sessions.clone();
        let lifetime_us = self.refresh_token_s.saturating_mul(kernel::time::SECOND_US);
        let outcomes = batch
            .iter()
            .map(|ask| {
                let Refreshed { user, roles, expires_at } = decide::sessions::refresh(&mut sessions, ask, now, lifetime_us)?;
                Ok(Renewed { user, roles, expires_at })
            })
            .collect();
        let changed = sessions.iter().filter(|(id, session)| before[id] != **session);
        let rows = Rows::of(changed, |(id, s)| row![*id, &s.refresh_hash, s.refreshed_at, s.expires_at, s.ended_at]);
        tx.write(&SAVE, rows).await?;
        Ok(outcomes)
    }

    fn committed(&self, input: &Refresh, outcome: &Outcome<Renewed>) {
        if outcome.as_ref().is_err_and(|refusal| refusal.changed) {
            self.ended.add(&[input.session]);
        }
    }
}

/// Ends one of one's own sessions.
pub struct End {
    pub(crate) ended: Arc<Ended>,
}

impl Command for End {
    const NAME: &'static str = "accounts.end_session";
    type Input = (UserId, SessionId);
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Self::Input], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let sessions = load(tx, batch.iter().map(|(_, session)| *session)).await?;
        let owned = |user: &UserId, id: &SessionId| sessions.get(id).is_some_and(|session| session.user == *user);
        let outcomes =
            batch.iter().map(|(user, id)| if owned(user, id) { Ok(()) } else { Err(Refusal::not_found("session", id)) }).collect();
        let ending: BTreeSet<SessionId> =
            batch.iter().filter(|(user, id)| owned(user, id) && sessions[id].ended_at.is_none()).map(|(_, id)| *id).collect();
        write_ends(tx, ending.into_iter()).await?;
        Ok(outcomes)
    }

    fn committed(&self, (_, session): &Self::Input, outcome: &Outcome<()>) {
        if outcome.is_ok() {
            self.ended.add(&[*session]);
        }
    }
}

async fn load(tx: &mut Tx<'_>, ids: impl Iterator<Item = SessionId>) -> Result<BTreeMap<SessionId, Session>, Error> {
    let ids: BTreeSet<SessionId> = ids.collect();
    let found = tx
        .load(&LOAD, Rows::of(&ids, |id| row![*id]), |row| {
            let is_active = row.text(7)? == model::State::Active.as_str();
            let session = Session {
                user: row.id(1)?,
                roles: is_active.then_some(roles(row, 8)?),
                family_hash: bytes32(row, 2)?,
                refresh_hash: bytes32(row, 3)?,
                refreshed_at: row.instant(4)?,
                expires_at: row.instant(5)?,
                ended_at: row.instant_opt(6)?,
            };
            Ok((row.id(0)?, session))
        })
        .await?;
    Ok(found.into_iter().collect())
}

impl Accounts {
    /// Signs in with a password and starts a session.
    ///
    /// # Errors
    /// Wrong credentials, which never tell whether the address has an account; too many attempts; too many hashes wait.
    pub async fn log_in(&self, meta: Meta, from: Option<IpAddr>, email: &str, password: &str) -> Result<Signed, Error> {
        self.inner.limits.from(from)?;
        let email = model::normal_email(email)?;
        kernel::text::check("password", password, 0, model::PASSWORD_MAX)?;
        let hashes = self.inner.vault.email_hashes(&email);
        self.inner.limits.on(&hashes[0].hash)?;
        let login = self.login_of(&hashes).await?;
        let fits = self.inner.passwords.verify(password, login.as_ref().map(|login| login.password.as_str())).await?;
        let login = login.filter(|_| fits).ok_or_else(wrong)?;
        // Whoever knows the password of a blocked account may know that it is blocked.
        let is_outdated = self.inner.passwords.is_outdated(&login.password);
        let rehashed = if is_outdated { Some(self.inner.passwords.hash(password).await?) } else { None };
        let (session, family, current) = (SessionId::new(), crypto::new_secret(), crypto::new_secret());
        let starting = Starting {
            user: login.user,
            session,
            family_hash: crypto::hash(&family[..16]),
            refresh_hash: crypto::hash(&current),
            password_version: login.password_version,
            rehashed,
        };
        let Started { roles, expires_at } = self.inner.starts.send(self.inner.vault.keyed(meta), starting).await?;
        let token = refresh_token(session, family.first_chunk().expect("32 is more than 16"), &current);
        Ok(self.sign(Who { user: login.user, session, roles }, token, expires_at))
    }

    /// Takes a refresh token for a new pair of tokens. A refresh token that was used before ends its session.
    ///
    /// # Errors
    /// The token is unknown, used up or expired.
    pub async fn refresh(&self, meta: Meta, refresh_token_text: &str) -> Result<Signed, Error> {
        let token: [u8; 64] = crypto::bytes_of(refresh_token_text.trim()).ok_or_else(decide::sign_in_again)?;
        let (session, rest) = token.split_first_chunk::<16>().expect("64 is more than 16");
        let (family, current) = rest.split_first_chunk::<16>().expect("48 is more than 16");
        let (session, next) = (SessionId::from(*session), crypto::new_secret());
        let ask =
            Refresh { session, family_hash: crypto::hash(family), refresh_hash: crypto::hash(current), next_hash: crypto::hash(&next) };
        let Renewed { user, roles, expires_at } = self.inner.renewals.send(self.inner.vault.keyed(meta), ask).await?;
        Ok(self.sign(Who { user, session, roles }, refresh_token(session, family, &next), expires_at))
    }

    /// Ends one of one's own sessions; its tokens stop working in this process before this returns.
    ///
    /// # Errors
    /// It is no session of this account.
    pub async fn end_session(&self, meta: Meta, user: UserId, session: SessionId) -> Result<(), Error> {
        self.inner.ends.send(meta, (user, session)).await
    }

    fn sign(&self, who: Who, refresh_token: String, refresh_expires_at: Instant) -> Signed {
        Signed {
            user: who.user,
            session: who.session,
            roles: who.roles.list(),
            access_token: self.inner.tokens.issue(&who),
            access_expires_in_s: self.inner.tokens.lifetime_s(),
            refresh_token,
            refresh_expires_at,
        }
    }
}

fn refresh_token(session: SessionId, family: &[u8; 16], current: &[u8; 32]) -> String {
    crypto::text_of(&[session.bytes().as_slice(), family, current].concat())
}

pub(crate) fn wrong() -> Refusal {
    Refusal::new(Code::WrongCredentials, "the e-mail address or the password is wrong")
}

fn blocked() -> Refusal {
    Refusal::new(Code::Forbidden, "this account is blocked: ask the store's operators")
}
