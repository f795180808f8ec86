//! Payments as callers see them.

use crate::model::{Payment, PaymentState, Refund, RefundState};
use kernel::{Currency, Instant, OrderId, PaymentId, ProductId, RefundId};
use serde::{Deserialize, Serialize};

/// A payment with its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PaymentView {
    /// Its id.
    pub id: PaymentId,
    /// The order it pays.
    pub order: OrderId,
    /// What it is now.
    pub state: PaymentState,
    /// What is paid with.
    pub currency: Currency,
    /// What is paid, in minor units.
    pub amount_minor: i64,
    /// What came back, in minor units.
    pub refunded_minor: i64,
    /// Points for one US dollar, as fixed when it was entered.
    pub points_per_usd: i64,
    /// When it was entered.
    pub entered_at: Instant,
    /// When it expires unless it is paid.
    pub expires_at: Instant,
    /// When it was paid.
    pub paid_at: Option<Instant>,
    /// When it was settled.
    pub settled_at: Option<Instant>,
    /// What it pays for.
    pub items: Vec<ItemView>,
}

/// An item of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ItemView {
    /// The product.
    pub product: ProductId,
    /// The catalogue's price, in minor units of its currency.
    pub price_minor: i64,
    /// The catalogue's currency.
    pub price_currency: Currency,
    /// The price in the payment's currency.
    pub amount_minor: i64,
    /// The refund it belongs to, asked for or done.
    pub refund: Option<RefundId>,
}

/// What paying answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// The payment.
    pub payment: PaymentId,
    /// The order it paid.
    pub order: OrderId,
    /// What was paid, in minor units.
    pub amount_minor: i64,
    /// What was paid with.
    pub currency: Currency,
    /// What the wallet held right after.
    pub balance_minor: i64,
    /// When.
    pub paid_at: Instant,
    /// What is owned now.
    pub products: Vec<ProductId>,
}

/// A refund, and what of the request cannot be refunded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RefundView {
    /// Its id.
    pub id: RefundId,
    /// The payment.
    pub payment: PaymentId,
    /// What it is now.
    pub state: RefundState,
    /// Minor units that come back.
    pub amount_minor: i64,
    /// What is paid back.
    pub currency: Currency,
    /// When it was asked for.
    pub requested_at: Instant,
    /// When it is or was to be completed.
    pub due_at: Instant,
    /// When it was completed or declined.
    pub done_at: Option<Instant>,
    /// The items that are refunded.
    pub products: Vec<ProductId>,
    /// The items that were asked for and are not, with reasons. Only in the answer to the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedItem>,
}

/// An item that cannot be refunded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RefusedItem {
    /// The product.
    pub product: ProductId,
    /// Why not.
    pub reason: String,
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        let item = |(product, item): (&ProductId, &crate::Item)| ItemView {
            product: *product,
            price_minor: item.price_minor,
            price_currency: item.price_currency,
            amount_minor: item.amount,
            refund: item.refund,
        };
        PaymentView {
            id: payment.id,
            order: payment.order,
            state: payment.state,
            currency: payment.currency,
            amount_minor: payment.amount,
            refunded_minor: payment.refunded,
            points_per_usd: payment.points_per_usd,
            entered_at: payment.entered_at,
            expires_at: payment.expires_at,
            paid_at: payment.paid_at,
            settled_at: payment.settled_at,
            items: payment.items.iter().map(item).collect(),
        }
    }
}

impl RefundView {
    /// A refund with its items.
    pub fn of(refund: &Refund, currency: Currency, products: Vec<ProductId>, refused: Vec<RefusedItem>) -> RefundView {
        RefundView {
            id: refund.id,
            payment: refund.payment,
            state: refund.state,
            amount_minor: refund.amount,
            currency,
            requested_at: refund.requested_at,
            due_at: refund.due_at,
            done_at: refund.done_at,
            products,
            refused,
        }
    }
}
