//! Everything a batch of payment commands steps through: payments, refunds, orders, library, wallets and stock.

use crate::model::{Payment, Refund};
use catalogue::offers::Offer;
use db::Announcement;
use kernel::{OrderId, PaymentId, ProductId, RefundId, UserId};
use library::Library;
use orders::Orders;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use stock::Stocks;
use wallet::Wallets;

/// The loaded rows, and what was changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Loaded and new payments.
    pub payments: BTreeMap<PaymentId, Payment>,
    /// Payments that are new.
    pub created: BTreeSet<PaymentId>,
    /// Payments that changed.
    pub changed: BTreeSet<PaymentId>,
    /// Items of loaded payments whose refund changed.
    pub marked: BTreeSet<(PaymentId, ProductId)>,
    /// Items that were dropped from loaded payments.
    pub dropped: BTreeSet<(PaymentId, ProductId)>,
    /// Loaded and new refunds.
    pub refunds: BTreeMap<RefundId, Refund>,
    /// Refunds to write.
    pub touched_refunds: BTreeSet<RefundId>,
    /// What the catalogue sells, of products that are asked for.
    pub offers: HashMap<ProductId, Offer>,
    /// How often a user has paid for a product that limits it, refunded or not.
    pub bought: BTreeMap<(UserId, ProductId), i64>,
    /// Orders and wishlists.
    pub orders: Orders,
    /// Owned products.
    pub library: Library,
    /// Wallets.
    pub wallets: Wallets,
    /// Limited stock.
    pub stocks: Stocks,
    /// What to announce after the commit.
    pub announcements: Vec<Announcement>,
}

impl State {
    /// A payment of a user; another's is not found.
    pub(crate) fn payment_of(&self, user: UserId, id: PaymentId) -> kernel::Outcome<&Payment> {
        self.payments.get(&id).filter(|payment| payment.user == user).ok_or_else(|| kernel::Refusal::not_found("payment", id))
    }

    /// The payment of an order that was entered and is neither paid nor over.
    pub(crate) fn ready_payment_of(&self, order: OrderId) -> Option<PaymentId> {
        use crate::model::PaymentState::Ready;
        self.payments.values().find(|payment| payment.order == order && payment.state == Ready).map(|payment| payment.id)
    }

    /// Changes a payment: it is written once, with one version more, unless it is new in this batch.
    pub(crate) fn change(&mut self, id: PaymentId, change: impl FnOnce(&mut Payment)) {
        let Some(payment) = self.payments.get_mut(&id) else { return };
        change(payment);
        if !self.created.contains(&id) && self.changed.insert(id) {
            payment.version += 1;
        }
    }

    /// Announces what a payment became.
    pub(crate) fn announce(&mut self, topic: &'static str, id: PaymentId) {
        let payment = &self.payments[&id];
        let aggregate = format!("payment/{id}");
        // A payment can change several times in one batch: each announcement has a version of its own.
        let earlier = self.announcements.iter().filter(|a| a.aggregate == aggregate).count();
        self.announcements.push(Announcement {
            topic,
            aggregate,
            version: payment.version * 100 + i64::try_from(earlier).unwrap_or(99),
            payload: serde_json::json!({
                "payment": id, "order": payment.order, "user": payment.user, "state": payment.state,
                "amount": payment.amount, "refunded": payment.refunded, "currency": payment.currency,
                "products": payment.items.keys().collect::<Vec<_>>(),
                "refunded_products": payment.items.iter().filter(|(_, item)| item.refund.is_some()).map(|(product, _)| product).collect::<Vec<_>>(),
            }),
        });
    }
}
