//! Payments' data: payments with the prices that were fixed, and refunds.

use kernel::{Currency, Instant, OrderId, PaymentId, ProductId, RefundId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! states {
    ($(#[$doc:meta])* $name:ident: $($(#[$state_doc:meta])* $state:ident = $text:literal,)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$state_doc])* $state,)+
        }

        impl $name {
            /// As it is stored.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$state => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok($name::$state),)+
                    other => Err(format!("{other:?} is not one of {}", [$($text),+].join(", "))),
                }
            }
        }
    };
}

states! {
    /// What a payment is now.
    PaymentState:
    /// Entered: the price is fixed and limited stock is held.
    Ready = "ready",
    /// Paid: the points went, the products came.
    Paid = "paid",
    /// Some items were refunded.
    PartiallyRefunded = "partially_refunded",
    /// A refund was asked for and will be completed by the job.
    RefundInProgress = "refund_in_progress",
    /// All items were refunded.
    Refunded = "refunded",
    /// It was not paid in time.
    Expired = "expired",
    /// It was cancelled before it was paid.
    Cancelled = "cancelled",
}

states! {
    /// What a refund is now.
    RefundState:
    /// Asked for.
    Requested = "requested",
    /// Completed: the points came back, the products went.
    Done = "done",
    /// Nothing of it could be refunded any more when it was due.
    Declined = "declined",
}

/// A product of a payment, at the price that was fixed when it was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Minor units of the catalogue's currency.
    pub price_minor: i64,
    /// The catalogue's currency.
    pub price_currency: Currency,
    /// The price in the payment's currency.
    pub amount: i64,
    /// Whether a copy of limited stock belongs to it.
    pub limited: bool,
    /// The refund it belongs to, asked for or done.
    pub refund: Option<RefundId>,
}

/// A payment of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// The order it pays.
    pub order: OrderId,
    /// Whose it is.
    pub user: UserId,
    /// What it is now.
    pub state: PaymentState,
    /// What is paid with.
    pub currency: Currency,
    /// What is paid, in minor units.
    pub amount: i64,
    /// What came back, in minor units.
    pub refunded: i64,
    /// The rate by which prices in US dollars were turned into the amount.
    pub points_per_usd: i64,
    /// When it was entered.
    pub entered_at: Instant,
    /// When it expires unless it is paid.
    pub expires_at: Instant,
    /// When it was paid.
    pub paid_at: Option<Instant>,
    /// When it was settled, after which nothing of it can be refunded.
    pub settled_at: Option<Instant>,
    /// Rises with each change.
    pub version: i64,
    /// What it pays for.
    pub items: BTreeMap<ProductId, Item>,
}

impl Payment {
    /// Its products that limited stock belongs to.
    pub fn limited(&self) -> Vec<ProductId> {
        self.items.iter().filter(|(_, item)| item.limited).map(|(product, _)| *product).collect()
    }
}

/// A refund of some items of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// The payment.
    pub payment: PaymentId,
    /// Whose it is.
    pub user: UserId,
    /// What it is now.
    pub state: RefundState,
    /// Minor units that come back.
    pub amount: i64,
    /// When it was asked for.
    pub requested_at: Instant,
    /// When the job completes it.
    pub due_at: Instant,
    /// When it was completed or declined.
    pub done_at: Option<Instant>,
}
