//! The library's data: owned products, plays, and the loaded state that decisions step through.

use kernel::{ClaimId, Instant, PaymentId, ProductId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where a library row came from. Exactly one live source stands behind each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum Source {
    /// A paid payment.
    Payment(PaymentId),
    /// An operator's grant, by the operator's account.
    Operator(UserId),
    /// The reward of a campaign's goal, by its claim.
    Reward(ClaimId),
}

impl Source {
    /// The kind and the id, as they are stored.
    pub fn stored(&self) -> (&'static str, String) {
        match self {
            Source::Payment(id) => ("payment", id.to_string()),
            Source::Operator(id) => ("operator", id.to_string()),
            Source::Reward(id) => ("reward", id.to_string()),
        }
    }

    /// Reads what [`Source::stored`] wrote.
    pub fn read(kind: &str, id: &str) -> Result<Source, String> {
        match kind {
            "payment" => id.parse().map(Source::Payment).map_err(|e| e.to_string()),
            "operator" => id.parse().map(Source::Operator).map_err(|e| e.to_string()),
            "reward" => id.parse().map(Source::Reward).map_err(|e| e.to_string()),
            other => Err(format!("{other:?} is not a source of library rows")),
        }
    }
}

/// One owned product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Owned {
    /// The product.
    pub product: ProductId,
    /// Where it came from.
    pub source: Source,
    /// Since when it is owned.
    pub acquired_at: Instant,
    /// Minutes played in all.
    pub minutes: i64,
    /// How often it was played.
    pub plays: i64,
    /// When it was played last.
    pub last_played_at: Option<Instant>,
}

/// One time a product was played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Played {
    /// The product.
    pub product: ProductId,
    /// Its place among the plays of this product, from 1.
    pub seq: i64,
    /// Minutes played.
    pub minutes: i64,
    /// When it was recorded.
    pub at: Instant,
}

/// Whose product it is.
pub type Key = (UserId, ProductId);

/// The rows a batch touches, and what it changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Library {
    /// Loaded and new rows.
    pub rows: BTreeMap<Key, Owned>,
    /// Rows that are new.
    pub added: BTreeSet<Key>,
    /// Rows that were played.
    pub played: BTreeSet<Key>,
    /// Rows that are gone.
    pub removed: BTreeSet<Key>,
    /// Plays to record.
    pub plays: Vec<(UserId, Played)>,
}
