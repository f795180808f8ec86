//! Reads of wallets.

use crate::Wallet;
use crate::model::{Balance, Entry};
use db::{Error, Row, Statement, row};
use kernel::{Currency, Cursor, Page, UserId, page};

static BALANCES: Statement = Statement::new("wallet.balances", "select currency, balance from wallet where user_id = $1 order by currency");

static ENTRIES: Statement = Statement::new(
    "wallet.entries",
    "select currency, seq, amount, balance_after, counterparty, reason, reference, at
     from ledger
     where user_id = $1 and currency = $2 and seq < $3
     order by seq desc
     limit $4",
);

impl Wallet {
    /// What an account holds, a balance per currency.
    pub async fn balances(&self, user: UserId) -> Result<Vec<Balance>, Error> {
        self.db.fetch(&BALANCES, &row![user], |row| Ok(Balance { currency: row.parsed(0)?, balance_minor: row.int(1)? })).await
    }

    /// The entries of one wallet, newest first.
    pub async fn entries(&self, user: UserId, currency: Currency, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Entry>, Error> {
        let size = page::size(size)?;
        let below = after.map_or(Ok(i64::MAX), Cursor::number)?;
        let entries = self.db.fetch(&ENTRIES, &row![user, currency.as_str(), below, size + 1], entry).await?;
        Ok(Page::cut(entries, size, |entry| Cursor::of(entry.seq)))
    }
}

/// An entry of a ledger: currency, seq, amount, balance after it, counterparty, reason, reference and moment, in this order.
///
/// # Errors
/// A column holds something else.
pub fn entry(row: &Row<'_>) -> Result<Entry, Error> {
    Ok(Entry {
        currency: row.parsed(0)?,
        seq: row.int(1)?,
        amount_minor: row.int(2)?,
        balance_after_minor: row.int(3)?,
        counterparty: row.text(4)?,
        reason: row.text(5)?,
        reference: row.text(6)?,
        at: row.instant(7)?,
    })
}
