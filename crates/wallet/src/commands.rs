//! Batched writes of wallets, and what other services call inside their own transactions: [`load`] and [`write`].

use crate::decide;
use crate::model::{Entry, Held, Posting, Wallets};
use db::{Act, Announcement, Column, Command, Error, Meta, Rank, Rows, Statement, Tx, announce, row};
use kernel::{Currency, Instant, Outcome, UserId};
use std::collections::{BTreeMap, BTreeSet};

static LOAD: Statement = Statement::new(
    "wallet.load",
    "select w.user_id, w.currency, w.balance, w.seq
     from rows r join wallet w on w.user_id = r.user_id and w.currency = r.currency
     order by w.user_id, w.currency {for update of w}",
)
.rows(&[("user_id", Column::Bytes), ("currency", Column::Text)])
.locks(Rank::Wallets);

static UPSERT: Statement = Statement::new(
    "wallet.upsert",
    "insert into wallet (user_id, currency, balance, seq)
     select user_id, currency, balance, seq
     from rows
     where true
     order by user_id, currency
     on conflict (user_id, currency) do update set balance = excluded.balance, seq = excluded.seq",
)
.rows(&[("user_id", Column::Bytes), ("currency", Column::Text), ("balance", Column::Int), ("seq", Column::Int)]);

// A lost update would repeat a seq and break the primary key instead of a balance.
static APPEND: Statement = Statement::new(
    "wallet.append_ledger",
    "insert into ledger (user_id, currency, seq, amount, balance_after, counterparty, reason, reference, at)
     select user_id, currency, seq, amount, balance_after, counterparty, reason, reference, at
     from rows
     order by user_id, currency, seq",
)
.rows(&[
    ("user_id", Column::Bytes),
    ("currency", Column::Text),
    ("seq", Column::Int),
    ("amount", Column::Int),
    ("balance_after", Column::Int),
    ("counterparty", Column::Text),
    ("reason", Column::Text),
    ("reference", Column::Text),
    ("at", Column::Int),
]);

/// Loads and locks wallets; one that has no row yet is empty. The users' gates must be held.
pub async fn load(tx: &mut Tx<'_>, keys: &BTreeSet<(UserId, Currency)>) -> Result<Wallets, Error> {
    let rows = Rows::of(keys, |(user, currency)| row![*user, currency.as_str()]);
    let found = tx.load(&LOAD, rows, |row| Ok(((row.id(0)?, row.parsed(1)?), Held { balance: row.int(2)?, seq: row.int(3)? }))).await?;
    Ok(Wallets { held: found.into_iter().collect(), entries: Vec::new() })
}

/// Writes what was decided: one row per wallet, one ledger row per entry.
pub async fn write(tx: &mut Tx<'_>, wallets: &Wallets) -> Result<(), Error> {
    let touched: BTreeSet<(UserId, Currency)> = wallets.entries.iter().map(|(user, entry)| (*user, entry.currency)).collect();
    let rows = Rows::of(&touched, |key| {
        let held = wallets.held[key];
        row![key.0, key.1.as_str(), held.balance, held.seq]
    });
    tx.write(&UPSERT, rows).await?;
    let mut sorted: Vec<&(UserId, Entry)> = wallets.entries.iter().collect();
    sorted.sort_by_key(|(user, entry)| (*user, entry.currency, entry.seq));
    let rows = Rows::of(sorted, |(user, e)| {
        let (counterparty, reason, reference) = (e.counterparty.as_str(), e.reason.as_str(), e.reference.as_str());
        row![*user, e.currency.as_str().to_owned(), e.seq, e.amount_minor, e.balance_after_minor, counterparty, reason, reference, e.at]
    });
    tx.write(&APPEND, rows).await
}

/// Credits and debits that stand alone: by an operator or a payment provider.
pub struct Post;

impl Command for Post {
    const NAME: &'static str = "wallet.post";
    type Input = Posting;
    type Reply = Entry;

    fn gates(&self, input: &Posting, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.user);
    }

    fn privileged(&self, input: &Posting, reply: &Entry) -> Option<Act> {
        let detail = serde_json::json!({ "amount_minor": reply.amount_minor, "currency": reply.currency, "seq": reply.seq });
        Some(Act { act: "wallet.posted", subject: format!("account/{}", input.user), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Posting], now: Instant) -> Result<Vec<Outcome<Entry>>, Error> {
        let keys = batch.iter().map(|posting| (posting.user, posting.money.currency)).collect();
        let mut wallets = load(tx, &keys).await?;
        let outcomes = batch.iter().map(|posting| decide::post(&mut wallets, posting, now)).collect();
        write(tx, &wallets).await?;
        announce(tx, &announcements(&wallets)).await?;
        Ok(outcomes)
    }
}

impl crate::Wallet {
    /// Posts one credit or debit. Repeating the key returns the first entry.
    ///
    /// # Errors
    /// The wallet holds too little, the amount is out of range, or the account is unknown.
    pub async fn post(&self, meta: Meta, posting: Posting) -> Result<Entry, Error> {
        self.posts.send(meta, posting).await
    }
}

/// One announcement per wallet that changed, with its last entry.
fn announcements(wallets: &Wallets) -> Vec<Announcement> {
    let last: BTreeMap<(UserId, Currency), &Entry> = wallets.entries.iter().map(|(user, entry)| ((*user, entry.currency), entry)).collect();
    last.into_iter()
        .map(|((user, currency), entry)| Announcement {
            topic: "wallet.changed",
            aggregate: format!("wallet/{user}/{currency}"),
            version: entry.seq,
            payload: serde_json::json!({ "user": user, "entry": entry }),
        })
        .collect()
}
