//! Rotation of the personal keys: data keys are wrapped anew, addresses are hashed anew, in batches over all accounts.
//! Refuses to let go of old hashes while a row could not be read: nobody should lose their way in.

use super::sign_up::write_addresses;
use crate::Accounts;
use crate::audit::{AuditRow, audit};
use crate::crypto::{EmailHash, Field, Unreadable, Vault, Wrapped};
use crate::model;
use db::{Column, Command, Error, Meta, Rank, Rows, Statement, Tx, row};
use kernel::{Instant, Outcome, UserId, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// Accounts that one command goes through: short enough for a writer's turn.
const BATCH: i64 = 200;

static LOAD: Statement = Statement::new(
    "accounts.load_wrapped",
    "select p.user_id, p.master_key_id, p.data_key, p.email
     from personal p
     where p.user_id > $1
     order by p.user_id
     limit $2 {for update}",
)
.locks(Rank::Other);

static LOAD_HASHED: Statement = Statement::new(
    "accounts.load_hashed",
    "select e.user_id
     from rows r join account_email e on e.user_id = r.user_id and e.key_tag = r.key_tag",
)
.rows(&[("user_id", Column::Bytes), ("key_tag", Column::Int)]);

static REWRAP: Statement = Statement::new(
    "accounts.rewrap",
    "update personal set master_key_id = r.master_key_id, data_key = r.data_key
     from rows r
     where personal.user_id = r.user_id",
)
.rows(&[("user_id", Column::Bytes), ("master_key_id", Column::Int), ("data_key", Column::Bytes)])
.locks(Rank::Other);

static LET_GO: Statement = Statement::new(
    "accounts.let_go_of_hashes",
    "delete from account_email
     where key_tag not in (select key_tag from rows)
       and user_id in (select e.user_id from account_email e where e.key_tag in (select key_tag from rows))",
)
.rows(&[("key_tag", Column::Int)])
.locks(Rank::Other);

// The oldest accounts, which are the likeliest to be under a key of former days.
static NOT_FOUND_BY: Statement = Statement::new(
    "accounts.count_lost_addresses",
    "select count(*)
     from (select e.user_id from account_email e order by e.user_id limit 200) s
     where not exists (select 1 from account_email k where k.user_id = s.user_id and k.key_tag in (select key_tag from rows))",
)
.rows(&[("key_tag", Column::Int)]);

/// One step of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The accounts after this one.
    After(UserId),
    /// The hashes of lookup keys that are not in use any more.
    LetGo,
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rotated {
    /// Accounts looked at.
    pub accounts: u64,
    /// Data keys wrapped by the current master key now.
    pub rewrapped: u64,
    /// Addresses that got a hash of the current lookup key.
    pub rehashed: u64,
    /// Accounts whose master key is missing or whose bytes were changed; they were left as they are.
    pub unreadable: u64,
    /// Hashes of former lookup keys that were removed.
    pub let_go: u64,
    /// The last account of a step; none at the end.
    last: Option<UserId>,
}

/// Rotates keys.
pub struct Rotate {
    pub(crate) vault: Arc<Vault>,
}

struct Row {
    user: UserId,
    wrapped: Wrapped,
    email: Vec<u8>,
}

impl Command for Rotate {
    const NAME: &'static str = "accounts.rotate";
    type Input = Step;
    type Reply = Rotated;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Step], _: Instant) -> Result<Vec<Outcome<Rotated>>, Error> {
        let mut outcomes = Vec::with_capacity(batch.len());
        // Steps are long and come one at a time.
        for step in batch {
            outcomes.push(Ok(match step {
                Step::After(user) => self.step(tx, *user).await?,
                Step::LetGo => {
                    let subject = format!("personal_key/{}", self.vault.current_id());
                    let act = AuditRow { actor: None, act: "personal_key.rotated", subject, detail: serde_json::json!({}) };
                    audit(tx, &[act]).await?;
                    let let_go = tx.write_some(&LET_GO, Rows::of(self.vault.tags(), |tag| row![tag])).await?;
                    Rotated { let_go, ..Rotated::default() }
                }
            }));
        }
        Ok(outcomes)
    }
}

impl Rotate {
    async fn step(&self, tx: &mut Tx<'_>, after: UserId) -> Result<Rotated, Error> {
        let rows = tx
            .fetch(&LOAD, &row![after, BATCH], |row| {
                let master_key_id = u32::try_from(row.int(1)?).map_err(|_| Error::Broken("a master key's id is not one".to_owned()))?;
                Ok(Row { user: row.id(0)?, wrapped: Wrapped { master_key_id, bytes: row.bytes(2)? }, email: row.bytes(3)? })
            })
            .await?;
        let tag = self.vault.current_tag();
        let hashed: HashSet<UserId> =
            tx.load(&LOAD_HASHED, Rows::of(&rows, |row| row![row.user, tag]), |row| row.id(0)).await?.into_iter().collect();
        let mut done = Rotated { accounts: rows.len() as u64, last: rows.last().map(|row| row.user), ..Rotated::default() };
        let (mut rewrapped, mut addresses) = (Rows::new(), Vec::new());
        for row in &rows {
            match self.renew(row, hashed.contains(&row.user)) {
                Err(Unreadable) => done.unreadable += 1,
                Ok((wrapped, hash)) => {
                    if let Some(wrapped) = wrapped {
                        rewrapped.push(&row![row.user, wrapped.master_key_id, wrapped.bytes]);
                    }
                    addresses.extend(hash.map(|hash| (row.user, hash)));
                }
            }
        }
        (done.rewrapped, done.rehashed) = (rewrapped.len(), addresses.len() as u64);
        tx.write(&REWRAP, rewrapped).await?;
        write_addresses(tx, &addresses).await?;
        Ok(done)
    }

    fn renew(&self, row: &Row, is_hashed: bool) -> Result<(Option<Wrapped>, Option<EmailHash>), Unreadable> {
        let is_wrapped = row.wrapped.master_key_id == self.vault.current_id();
        if is_wrapped && is_hashed {
            return Ok((None, None));
        }
        let key = self.vault.unwrap(row.user, &row.wrapped)?;
        let wrapped = (!is_wrapped).then(|| self.vault.wrap(row.user, &key));
        let email = key.open(row.user, Field::Email, &row.email)?;
        let normal = model::normal_email(&email).map_err(|_| Unreadable)?;
        let hash = if is_hashed { None } else { self.vault.email_hashes(&normal).first().copied() };
        Ok((wrapped, hash))
    }
}

impl Accounts {
    /// Looks whether the accounts of the database can be found and read by the keys that were given, by two hundred of the oldest. Without
    /// this a wrong key would find nobody, and let people sign up a second time.
    ///
    /// # Errors
    /// Some cannot be found by any of the keys.
    pub async fn check_keys(&self) -> Result<(), Error> {
        let tags = self.inner.vault.email_hashes("");
        let rows = Rows::of(&tags, |hash| row![hash.key_tag]);
        let lost = self.inner.db.read().await?.load(&NOT_FOUND_BY, rows, |row| row.int(0)).await?.pop().unwrap_or_default();
        if lost == 0 {
            return Ok(());
        }
        Err(Error::Broken(format!(
            "{lost} of the oldest accounts were made under a personal key that was not given: every key that is still in use, as 1:OLD,2:NEW, \
             would be right (GUILDHALL_PERSONAL_KEY, or secrets/personal.key in the data folder)"
        )))
    }

    /// Wraps every data key with the current master key and hashes every address with the current lookup key, while the server runs.
    /// `progress` hears the number of accounts done. Former keys may be removed when nothing was unreadable.
    ///
    /// # Errors
    /// The database fails; what was done stays, and doing it again goes on.
    pub async fn rotate_personal_key(&self, mut progress: impl FnMut(u64) + Send) -> Result<Rotated, Error> {
        let mut total = Rotated::default();
        let mut after = UserId(Uuid::nil());
        loop {
            let done = self.inner.rotations.send(Meta::ours("accounts.rotate"), Step::After(after)).await?;
            total.accounts += done.accounts;
            total.rewrapped += done.rewrapped;
            total.rehashed += done.rehashed;
            total.unreadable += done.unreadable;
            progress(total.accounts);
            let Some(last) = done.last else { break };
            after = last;
        }
        if total.unreadable == 0 {
            total.let_go = self.inner.rotations.send(Meta::ours("accounts.rotate"), Step::LetGo).await?.let_go;
        }
        Ok(total)
    }
}
