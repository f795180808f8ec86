//! Limited stock's data: a row per product, holds of single copies, and the loaded state that decisions step through.

use kernel::{Instant, PaymentId, ProductId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The stock of a limited product. `sold + held + available = registered`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Stock {
    /// The product.
    pub product: ProductId,
    /// Copies there ever were.
    pub registered: i64,
    /// Copies that can be bought now.
    pub available: i64,
    /// Copies kept for payments that were entered.
    pub held: i64,
    /// Copies sold: by payments, and by hand.
    pub sold: i64,
    /// Of those sold, the ones that were taken by hand.
    pub by_hand: i64,
    /// Rises with each change.
    pub version: i64,
}

/// What a hold is now. One that was released or returned is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// Kept for a payment until it expires.
    Held,
    /// Paid.
    Sold,
}

impl HoldState {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            HoldState::Held => "held",
            HoldState::Sold => "sold",
        }
    }
}

impl std::str::FromStr for HoldState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "held" => Ok(HoldState::Held),
            "sold" => Ok(HoldState::Sold),
            other => Err(format!("{other:?} is not a hold's state: held or sold")),
        }
    }
}

/// One copy kept for a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Whose payment it is.
    pub user: UserId,
    /// What it is now.
    pub state: HoldState,
    /// When a held copy goes back.
    pub expires_at: Instant,
}

/// A hold's key.
pub type HoldKey = (PaymentId, ProductId);

/// The stock a batch touches, and what it changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stocks {
    /// Loaded rows; a product without one has no limited stock registered.
    pub rows: BTreeMap<ProductId, Stock>,
    /// Loaded and new holds.
    pub holds: BTreeMap<HoldKey, Hold>,
    /// Products whose row changed.
    pub changed: BTreeSet<ProductId>,
    /// Holds that are new or changed.
    pub kept: BTreeSet<HoldKey>,
    /// Holds that are gone.
    pub gone: BTreeSet<HoldKey>,
}
