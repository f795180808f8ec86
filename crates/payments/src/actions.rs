//! What can be asked of payments: what each action needs loaded, and the decision it steps through.

use crate::decide;
use crate::policy::Policy;
use crate::rows::Needs;
use crate::state::State;
use crate::views::{PaymentView, Receipt, RefundView};
use kernel::{Instant, OrderId, Outcome, PaymentId, ProductId, RefundId, UserId};
use orders::Order;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;

/// One kind of thing that is asked of payments.
pub trait Action: Send + Sync + 'static {
    /// Its command's name.
    const NAME: &'static str;
    /// What is answered.
    type Reply: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// Whose money and things it touches.
    fn user(&self) -> UserId;
    /// The product it is about, where there is one.
    fn product(&self) -> Option<ProductId> {
        None
    }
    /// What it needs loaded.
    fn needs(&self, needs: &mut Needs);
    /// Decides it.
    fn step(&self, state: &mut State, policy: &Policy, now: Instant) -> Outcome<Self::Reply>;
}

/// Enters a payment of an order.
#[derive(Debug, Clone, Copy)]
pub struct Enter {
    /// Who.
    pub user: UserId,
    /// Which order.
    pub order: OrderId,
    /// The payment's id.
    pub id: PaymentId,
}

impl Action for Enter {
    const NAME: &'static str = "payments.enter";
    type Reply = PaymentView;

    fn user(&self) -> UserId {
        self.user
    }

    fn needs(&self, needs: &mut Needs) {
        needs.orders.insert((self.order, self.user));
        needs.prices = true;
        needs.library = true;
        needs.stock = true;
    }

    fn step(&self, state: &mut State, policy: &Policy, now: Instant) -> Outcome<PaymentView> {
        decide::enter(state, policy, self.user, self.order, self.id, now)
    }
}

/// Pays an entered payment.
#[derive(Debug, Clone, Copy)]
pub struct Pay {
    /// Who.
    pub user: UserId,
    /// Which payment.
    pub payment: PaymentId,
}

impl Action for Pay {
    const NAME: &'static str = "payments.pay";
    type Reply = Receipt;

    fn user(&self) -> UserId {
        self.user
    }

    fn needs(&self, needs: &mut Needs) {
        needs.payments.insert((self.payment, self.user));
        needs.orders_of_payments = true;
        needs.library = true;
        needs.wallets.insert(self.user);
        needs.stock = true;
    }

    fn step(&self, state: &mut State, _policy: &Policy, now: Instant) -> Outcome<Receipt> {
        decide::pay(state, self.user, self.payment, now)
    }
}

/// Orders, enters and pays in one step.
#[derive(Debug, Clone)]
pub struct Buy {
    /// Who.
    pub user: UserId,
    /// What.
    pub products: BTreeSet<ProductId>,
    /// The order's id.
    pub order: OrderId,
    /// The payment's id.
    pub id: PaymentId,
}

impl Action for Buy {
    const NAME: &'static str = "payments.buy";
    type Reply = Receipt;

    fn user(&self) -> UserId {
        self.user
    }

    fn product(&self) -> Option<ProductId> {
        self.products.first().copied()
    }

    fn needs(&self, needs: &mut Needs) {
        needs.buys.extend(self.products.iter().map(|product| (self.user, *product)));
        needs.prices = true;
        needs.library = true;
        needs.wallets.insert(self.user);
        needs.stock = true;
    }

    fn step(&self, state: &mut State, policy: &Policy, now: Instant) -> Outcome<Receipt> {
        decide::buy(state, policy, self.user, (self.order, self.id), &self.products, now)
    }
}

/// Cancels an order that is not paid.
#[derive(Debug, Clone, Copy)]
pub struct Cancel {
    /// Who.
    pub user: UserId,
    /// Which order.
    pub order: OrderId,
}

impl Action for Cancel {
    const NAME: &'static str = "payments.cancel";
    type Reply = Order;

    fn user(&self) -> UserId {
        self.user
    }

    fn needs(&self, needs: &mut Needs) {
        needs.orders.insert((self.order, self.user));
        needs.stock = true;
    }

    fn step(&self, state: &mut State, _policy: &Policy, _now: Instant) -> Outcome<Order> {
        decide::cancel(state, self.user, self.order)
    }
}

/// Drops an item of an order that is not paid.
#[derive(Debug, Clone, Copy)]
pub struct DropItem {
    /// Who.
    pub user: UserId,
    /// Which order.
    pub order: OrderId,
    /// Which item.
    pub product: ProductId,
}

impl Action for DropItem {
    const NAME: &'static str = "payments.drop_item";
    type Reply = Order;

    fn user(&self) -> UserId {
        self.user
    }

    fn needs(&self, needs: &mut Needs) {
        needs.orders.insert((self.order, self.user));
        needs.stock = true;
    }

    fn step(&self, state: &mut State, _policy: &Policy, _now: Instant) -> Outcome<Order> {
        decide::drop_item(state, self.user, self.order, self.product)
    }
}

/// Asks for a refund.
#[derive(Debug, Clone)]
pub struct RequestRefund {
    /// Who.
    pub user: UserId,
    /// Which payment.
    pub payment: PaymentId,
    /// Which items; none means all.
    pub products: Option<BTreeSet<ProductId>>,
    /// The refund's id.
    pub id: RefundId,
}

impl Action for RequestRefund {
    const NAME: &'static str = "payments.refund";
    type Reply = RefundView;

    fn user(&self) -> UserId {
        self.user
    }

    fn needs(&self, needs: &mut Needs) {
        needs.payments.insert((self.payment, self.user));
        needs.refunds = true;
        needs.library = true;
        needs.wallets.insert(self.user);
        needs.stock = true;
    }

    fn step(&self, state: &mut State, policy: &Policy, now: Instant) -> Outcome<RefundView> {
        decide::request_refund(state, policy, self.user, self.payment, self.id, self.products.as_ref(), now)
    }
}

/// Expires a payment, asked by the sweeper.
#[derive(Debug, Clone, Copy)]
pub struct Expire {
    /// Whose payment.
    pub user: UserId,
    /// Which.
    pub payment: PaymentId,
}

impl Action for Expire {
    const NAME: &'static str = "payments.expire";
    type Reply = ();

    fn user(&self) -> UserId {
        self.user
    }

    fn needs(&self, needs: &mut Needs) {
        needs.payments.insert((self.payment, self.user));
        needs.orders_of_payments = true;
        needs.library = true;
        needs.stock = true;
    }

    fn step(&self, state: &mut State, _policy: &Policy, now: Instant) -> Outcome<()> {
        decide::expire(state, self.payment, now)
    }
}

/// Completes a refund, asked by the next day's job.
#[derive(Debug, Clone, Copy)]
pub struct CompleteRefund {
    /// Whose refund.
    pub user: UserId,
    /// Of which payment.
    pub payment: PaymentId,
    /// Which.
    pub refund: RefundId,
}

impl Action for CompleteRefund {
    const NAME: &'static str = "payments.complete_refund";
    type Reply = ();

    fn user(&self) -> UserId {
        self.user
    }

    fn needs(&self, needs: &mut Needs) {
        needs.payments.insert((self.payment, self.user));
        needs.refunds = true;
        needs.library = true;
        needs.wallets.insert(self.user);
        needs.stock = true;
    }

    fn step(&self, state: &mut State, policy: &Policy, now: Instant) -> Outcome<()> {
        decide::complete_refund(state, policy, self.refund, now)
    }
}

/// Settles a payment, asked by the settlement job.
#[derive(Debug, Clone, Copy)]
pub struct Settle {
    /// Whose payment.
    pub user: UserId,
    /// Which.
    pub payment: PaymentId,
}

impl Action for Settle {
    const NAME: &'static str = "payments.settle";
    type Reply = ();

    fn user(&self) -> UserId {
        self.user
    }

    fn needs(&self, needs: &mut Needs) {
        needs.payments.insert((self.payment, self.user));
    }

    fn step(&self, state: &mut State, policy: &Policy, now: Instant) -> Outcome<()> {
        decide::settle(state, policy, self.payment, now)
    }
}
