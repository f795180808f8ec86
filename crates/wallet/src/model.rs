//! A wallet's data: balances, ledger entries, and the loaded state that decisions step through.

use kernel::{Currency, Instant, Money, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one wallet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Balance {
    /// The currency.
    pub currency: Currency,
    /// Minor units held now.
    pub balance_minor: i64,
}

/// A ledger row: one change of one wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entry {
    /// The wallet's currency.
    pub currency: Currency,
    /// Its place in the wallet, from 1 without a gap.
    pub seq: i64,
    /// Minor units that came (positive) or went (negative).
    pub amount_minor: i64,
    /// What the wallet held right after.
    pub balance_after_minor: i64,
    /// Where it came from or went to, as `store` or `operator:ID`.
    pub counterparty: String,
    /// Why, as `payment`, `refund`, `charge`.
    pub reason: String,
    /// What it belongs to, as a payment's id.
    pub reference: String,
    /// When it was committed.
    pub at: Instant,
}

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Whose wallet.
    pub user: UserId,
    /// Minor units to add, or to take when negative; never zero.
    pub money: Money,
    /// The other side.
    pub counterparty: String,
    /// Why.
    pub reason: &'static str,
    /// What it belongs to.
    pub reference: String,
}

/// One wallet while a batch is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Minor units held.
    pub balance: i64,
    /// Number of ledger rows.
    pub seq: i64,
}

/// The wallets a batch touches, and the entries it has made so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wallets {
    /// Loaded wallets; one that is not there yet is empty.
    pub held: BTreeMap<(UserId, Currency), Held>,
    /// Entries to write, in the order they were decided.
    pub entries: Vec<(UserId, Entry)>,
}
