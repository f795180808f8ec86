//! Orders' data: wishlists, orders with their states, and the loaded state that decisions step through.

use kernel::{Instant, OrderId, ProductId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What an order is now. The moves: ready → ordered → paid, and ready or ordered → cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Made from the wishlist; no payment was entered.
    Ready,
    /// A payment was entered.
    Ordered,
    /// Paid.
    Paid,
    /// Cancelled, expired or sold out.
    Cancelled,
}

impl OrderState {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderState::Ready => "ready",
            OrderState::Ordered => "ordered",
            OrderState::Paid => "paid",
            OrderState::Cancelled => "cancelled",
        }
    }

    /// True while its products cannot be in another order.
    pub fn is_open(self) -> bool {
        matches!(self, OrderState::Ready | OrderState::Ordered)
    }

    /// True when the order may go from this state to `next`.
    pub fn may_become(self, next: OrderState) -> bool {
        use OrderState::{Cancelled, Ordered, Paid, Ready};
        matches!((self, next), (Ready, Ordered | Cancelled) | (Ordered, Paid | Cancelled))
    }
}

impl std::str::FromStr for OrderState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [OrderState::Ready, OrderState::Ordered, OrderState::Paid, OrderState::Cancelled];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| format!("{text:?} is not an order's state"))
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose it is.
    #[serde(skip)]
    pub user: UserId,
    /// What it is now.
    pub state: OrderState,
    /// Its products, distinct.
    pub products: BTreeSet<ProductId>,
    /// When it was made.
    pub created_at: Instant,
    /// Rises with each change.
    pub version: i64,
}

/// A wished-for product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Wish {
    /// The product.
    pub product: ProductId,
    /// Since when.
    pub added_at: Instant,
}

/// The orders and wishlists a batch touches, and what it changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Orders {
    /// Loaded and new orders.
    pub rows: BTreeMap<OrderId, Order>,
    /// Loaded wishes.
    pub wishes: BTreeMap<(UserId, ProductId), Instant>,
    /// Products in open orders, of users that were asked for.
    pub open: BTreeSet<(UserId, ProductId)>,
    /// Orders that are new.
    pub created: BTreeSet<OrderId>,
    /// Orders whose state changed.
    pub changed: BTreeSet<OrderId>,
    /// Items that were dropped from loaded orders.
    pub dropped: BTreeSet<(OrderId, ProductId)>,
    /// Wishes that are new.
    pub wished: BTreeSet<(UserId, ProductId)>,
    /// Wishes that are gone.
    pub unwished: BTreeSet<(UserId, ProductId)>,
}
