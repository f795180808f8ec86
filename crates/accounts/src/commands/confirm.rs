//! Confirmed addresses: whoever has the mailed token reads the mail.
//! Refuses a token twice.

use super::{letters, load_credentials};
use crate::Accounts;
use crate::decide::credentials::{bad_token, confirm};
use db::{Column, Command, Error, Meta, Rank, Rows, Statement, Tx, row};
use kernel::{Instant, Outcome, UserId};
use std::collections::BTreeSet;

static SAVE: Statement = Statement::new(
    "accounts.confirm_address",
    "update personal set email_confirmed_at = r.at
     from rows r
     where personal.user_id = r.user_id",
)
.rows(&[("user_id", Column::Bytes), ("at", Column::Int)])
.locks(Rank::Other);

static USE_UP: Statement = Statement::new(
    "accounts.use_up_confirmations",
    "delete from mail_token where purpose = 'confirm' and user_id in (select user_id from rows)",
)
.rows(&[("user_id", Column::Bytes)])
.locks(Rank::Other);

/// Confirms addresses.
pub struct Confirm;

impl Command for Confirm {
    const NAME: &'static str = "accounts.confirm_address";
    /// The account, and the hash of the token that was mailed.
    type Input = (UserId, [u8; 32]);
    type Reply = ();

    fn gates(&self, input: &Self::Input, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.0);
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Self::Input], now: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let mut all = load_credentials(tx, batch.iter().map(|(user, _)| *user)).await?;
        let outcomes: Vec<Outcome<()>> = batch.iter().map(|(user, hash)| confirm(&mut all, *user, hash, now)).collect();
        let confirmed: BTreeSet<UserId> =
            batch.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|((user, _), _)| *user).collect();
        tx.write(&SAVE, Rows::of(&confirmed, |user| row![*user, now])).await?;
        tx.write_some(&USE_UP, Rows::of(&confirmed, |user| row![*user])).await?;
        Ok(outcomes)
    }
}

impl Accounts {
    /// Confirms an address by the token that was mailed to it. Repeating the key confirms nothing twice.
    ///
    /// # Errors
    /// The token is unknown, used up or expired.
    pub async fn confirm_email(&self, meta: Meta, token: &str) -> Result<(), Error> {
        let (user, hash) = letters::read_token(token).ok_or_else(bad_token)?;
        self.inner.confirmations.send(self.inner.vault.keyed(meta), (user, hash)).await
    }
}
