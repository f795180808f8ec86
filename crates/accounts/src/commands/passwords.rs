//! New passwords: by the old one, which keeps the session that asks, or by a mailed token, which ends every session.
//! Refuses a proof twice.

use super::{end_sessions, letters, load_credentials};
use crate::Accounts;
use crate::audit::{AuditRow, account_subject, audit};
use crate::decide::credentials::{Proof, bad_token, set_password};
use crate::ended::Ended;
use crate::model;
use db::{Column, Command, Error, Meta, Rank, Rows, Statement, Tx, row};
use kernel::{Code, Instant, Outcome, Refusal, SessionId, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use web::Who;

static SAVE: Statement = Statement::new(
    "accounts.save_password",
    "update personal set password = r.password, password_version = r.password_version, changed_at = r.changed_at
     from rows r
     where personal.user_id = r.user_id",
)
.rows(&[("user_id", Column::Bytes), ("password", Column::Text), ("password_version", Column::Int), ("changed_at", Column::Int)])
.locks(Rank::Other);

static USE_UP: Statement =
    Statement::new("accounts.use_up_resets", "delete from mail_token where purpose = 'reset' and user_id in (select user_id from rows)")
        .rows(&[("user_id", Column::Bytes)])
        .locks(Rank::Other);

/// A new password with the reason why it may be set.
pub struct NewPassword {
    user: UserId,
    hash: String,
    proof: Proof,
    keep: Option<SessionId>,
}

/// Sets new passwords.
pub struct SetPassword {
    pub(crate) ended: Arc<Ended>,
}

impl Command for SetPassword {
    const NAME: &'static str = "accounts.set_password";
    type Input = NewPassword;
    /// The sessions that ended.
    type Reply = Vec<SessionId>;

    fn gates(&self, input: &NewPassword, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.user);
    }

    async fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        batch: &'a [&'a NewPassword],
        now: Instant,
    ) -> Result<Vec<Outcome<Vec<SessionId>>>, Error> {
        let mut all = load_credentials(tx, batch.iter().map(|new| new.user)).await?;
        let decided: Vec<Outcome<()>> = batch.iter().map(|new| set_password(&mut all, new.user, new.proof, now)).collect();
        let done: Vec<&NewPassword> = batch.iter().zip(&decided).filter(|(_, outcome)| outcome.is_ok()).map(|(new, _)| *new).collect();
        // The last one stands, as if they had come one after the other.
        let last: BTreeMap<UserId, &NewPassword> = done.iter().map(|new| (new.user, *new)).collect();
        tx.write(&SAVE, Rows::of(&last, |(user, new)| row![*user, &new.hash, all[user].password_version, now])).await?;
        tx.write_some(&USE_UP, Rows::of(last.keys(), |user| row![*user])).await?;
        let mut ended = end_sessions(tx, &last.iter().map(|(user, new)| (*user, new.keep)).collect()).await?;
        let acts: Vec<AuditRow> = done.iter().map(|new| noted(new)).collect();
        audit(tx, &acts).await?;
        Ok(batch.iter().zip(decided).map(|(new, outcome)| outcome.map(|()| ended.remove(&new.user).unwrap_or_default())).collect())
    }

    fn committed(&self, _: &NewPassword, outcome: &Outcome<Vec<SessionId>>) {
        if let Ok(sessions) = outcome {
            self.ended.add(sessions);
        }
    }
}

fn noted(new: &NewPassword) -> AuditRow {
    let act = if matches!(new.proof, Proof::Old(_)) { "password.changed" } else { "password.reset" };
    AuditRow { actor: Some(new.user), act, subject: account_subject(new.user), detail: serde_json::json!({}) }
}

impl Accounts {
    /// Changes one's own password; ends every other session.
    ///
    /// # Errors
    /// The old password is wrong, was tried too often, or the new one is too short or too long.
    pub async fn change_password(&self, meta: Meta, who: Who, old: &str, new: &str) -> Result<(), Error> {
        model::check_password(new)?;
        let meta = self.inner.vault.keyed(meta);
        let version = match self.check_own_password(who.user, old).await {
            // The password is the new one already.
            Err(Error::Refused(_)) if self.inner.db.is_repeat(&meta).await? => return Ok(()),
            checked => checked?,
        };
        let hash = self.hash_password(new).await?;
        let new = NewPassword { user: who.user, hash, proof: Proof::Old(version), keep: Some(who.session) };
        self.inner.new_passwords.send(meta, new).await.map(drop)
    }

    /// Sets a new password by a mailed token; ends every session.
    ///
    /// # Errors
    /// The token does not work, too many tries came from this address, or the password is too short or too long.
    pub async fn reset_password(&self, meta: Meta, from: Option<IpAddr>, token: &str, new: &str) -> Result<(), Error> {
        self.inner.limits.from(from)?;
        model::check_password(new)?;
        let (user, token_hash) = letters::read_token(token).ok_or_else(bad_token)?;
        // Nobody makes us hash for a token that cannot work.
        let meta = self.inner.vault.keyed(meta);
        if !self.has_mail_token(&token_hash).await? {
            // It may be used up by the same request.
            return if self.inner.db.is_repeat(&meta).await? { Ok(()) } else { Err(bad_token().into()) };
        }
        let hash = self.hash_password(new).await?;
        let new = NewPassword { user, hash, proof: Proof::Mailed(token_hash), keep: None };
        self.inner.new_passwords.send(meta, new).await.map(drop)
    }

    /// Checks the password of somebody who is signed in; returns its version, for the command that rests on it.
    pub(crate) async fn check_own_password(&self, user: UserId, password: &str) -> Result<i64, Error> {
        kernel::text::check("password", password, 0, model::PASSWORD_MAX)?;
        self.inner.limits.on(user.bytes())?;
        let person = self.personal(user).await?;
        if self.inner.passwords.verify(password, Some(&person.password)).await? {
            return Ok(person.password_version);
        }
        Err(Refusal::new(Code::WrongCredentials, "the password is not the one this account has now").into())
    }
}
