//! The payment commands: what each is asked, what it needs loaded, and the decision it steps through.
//! All of them are one [`Command`]: load what the batch touches, decide input by input, write.

use crate::decide;
use crate::model::Payment;
use crate::policy::Policy;
use crate::rows::{self, Needs};
use crate::state::State;
use crate::views::{PaymentView, Receipt, RefundView};
use db::{Command, Error, Meta, Tx, announce};
use kernel::{Code, Instant, OrderId, Outcome, PaymentId, ProductId, Refusal, RefundId, UserId};
use orders::Order;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use stock::SoldOut;

/// Products one buy can name.
pub const PRODUCTS_MAX: usize = 200;

/// One kind of thing that is asked of payments.
pub trait Action: Send + Sync + 'static {
    /// Its command's name.
    const NAME: &'static str;
    /// What is answered.
    type Reply: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// Whose money and things it touches.
    fn user(&self) -> UserId;
    /// What it needs loaded.
    fn needs(&self, needs: &mut Needs);
    /// Decides it.
    fn step(&self, state: &mut State, policy: &Policy, now: Instant) -> Outcome<Self::Reply>;
}

/// The command that does actions of one kind.
pub struct Do<A> {
    policy: Policy,
    sold_out: SoldOut,
    kind: PhantomData<fn(A)>,
}

impl<A> Do<A> {
    pub(crate) fn new(policy: Policy, sold_out: &SoldOut) -> Do<A> {
        Do { policy, sold_out: sold_out.clone(), kind: PhantomData }
    }
}

impl<A: Action> Command for Do<A> {
    const NAME: &'static str = A::NAME;
    type Input = A;
    type Reply = A::Reply;

    fn gates(&self, input: &A, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.user());
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a A], now: Instant) -> Result<Vec<Outcome<A::Reply>>, Error> {
        let mut needs = Needs::default();
        batch.iter().for_each(|action| action.needs(&mut needs));
        let mut state = rows::load(tx, &self.policy, &needs).await?;
        let outcomes: Vec<Outcome<A::Reply>> = batch.iter().map(|action| action.step(&mut state, &self.policy, now)).collect();
        db::crash::point("payments.before_writes");
        rows::write(tx, &state).await?;
        announce(tx, &state.announcements).await?;
        self.know_holders(tx, &outcomes).await?;
        Ok(outcomes)
    }

    fn committed(&self, _input: &A, outcome: &Outcome<A::Reply>) {
        if let Err(refusal) = outcome
            && refusal.code == Code::SoldOut
        {
            stock_versions(refusal).into_iter().for_each(|(product, version)| self.sold_out.note(product, version, 0));
        }
    }
}

impl<A: Action> Do<A> {
    /// Who has a copy of what is sold out must not be told so by a flag: a repeat of theirs gets its first answer.
    async fn know_holders(&self, tx: &mut Tx<'_>, outcomes: &[Outcome<A::Reply>]) -> Result<(), Error> {
        let sold_out = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).filter(|refusal| refusal.code == Code::SoldOut);
        let products: BTreeSet<ProductId> = sold_out.flat_map(|refusal| stock_versions(refusal).into_keys()).collect();
        let holders = rows::holders(tx, &products).await?;
        if holders.len() < rows::HOLDERS_MAX {
            let of = |product| holders.iter().filter(move |(held, _)| *held == product).map(|(_, user)| *user).collect();
            products.into_iter().for_each(|product| self.sold_out.know_holders(product, of(product)));
        }
        Ok(())
    }
}

fn stock_versions(refusal: &Refusal) -> BTreeMap<ProductId, i64> {
    let versions = refusal.facts.as_ref().and_then(|facts| facts.get("stock_versions")).and_then(|versions| versions.as_object());
    let read = |(product, version): (&String, &serde_json::Value)| Some((product.parse().ok()?, version.as_i64()?));
    versions.into_iter().flatten().filter_map(read).collect()
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

impl crate::PaymentService {
    /// Enters a payment of an order. Repeating the key returns the first answer.
    ///
    /// # Errors
    /// No such order, it is not ready, or a product is owned or sold out; the latter cancels the order.
    pub async fn enter(&self, meta: Meta, user: UserId, order: OrderId) -> Result<PaymentView, Error> {
        self.enters.send(meta, Enter { user, order, id: PaymentId::new() }).await
    }

    /// Pays an entered payment. Repeating the key returns the first receipt.
    ///
    /// # Errors
    /// No such payment, it is not ready or has expired, or the wallet holds too little.
    pub async fn pay(&self, meta: Meta, user: UserId, payment: PaymentId) -> Result<Receipt, Error> {
        self.pays.send(meta, Pay { user, payment }).await
    }

    /// Orders, enters and pays products in one step. Repeating the key returns the first receipt.
    ///
    /// # Errors
    /// A product is unknown, owned, in an open order or sold out, or the wallet holds too little; nothing is changed then.
    pub async fn buy(&self, meta: Meta, user: UserId, products: BTreeSet<ProductId>) -> Result<Receipt, Error> {
        if products.is_empty() || products.len() > PRODUCTS_MAX {
            return Err(Refusal::new(Code::BadBody, format!("products holds {} distinct products: 1 to {PRODUCTS_MAX} would be right", products.len())).into());
        }
        if let Some(product) = products.iter().find(|product| self.sold_out.is_sold_out(**product, user)) {
            let told = format!("product {product} is sold out");
            return Err(Refusal::new(Code::SoldOut, told).with_facts(serde_json::json!({ "products": [product] })).into());
        }
        let limited = products.iter().any(|product| self.catalogue.is_limited(*product));
        let queue = if limited { &self.limited_buys } else { &self.buys };
        queue.send(meta, Buy { user, products, order: OrderId::new(), id: PaymentId::new() }).await
    }

    /// Cancels an order that is not paid, and its payment.
    ///
    /// # Errors
    /// No such order, or it is paid or cancelled.
    pub async fn cancel(&self, meta: Meta, user: UserId, order: OrderId) -> Result<Order, Error> {
        self.cancels.send(meta, Cancel { user, order }).await
    }

    /// Drops an item of an order that is not paid.
    ///
    /// # Errors
    /// No such order or item, or the order is paid or cancelled.
    pub async fn drop_item(&self, meta: Meta, user: UserId, order: OrderId, product: ProductId) -> Result<Order, Error> {
        self.drops.send(meta, DropItem { user, order, product }).await
    }

    /// Asks for a refund of some items or all. Repeating the key returns the first answer.
    ///
    /// # Errors
    /// No such payment, or nothing of it can be refunded.
    pub async fn refund(&self, meta: Meta, user: UserId, payment: PaymentId, products: Option<BTreeSet<ProductId>>) -> Result<RefundView, Error> {
        self.refunds.send(meta, RequestRefund { user, payment, products, id: RefundId::new() }).await
    }
}

/// The payments of a batch that limited stock belongs to.
pub(crate) fn with_limited(payments: &BTreeMap<PaymentId, Payment>) -> (BTreeSet<PaymentId>, BTreeSet<ProductId>) {
    let limited = payments.values().map(|payment| (payment.id, payment.limited())).filter(|(_, products)| !products.is_empty());
    let (ids, products): (BTreeSet<PaymentId>, Vec<Vec<ProductId>>) = limited.unzip();
    (ids, products.into_iter().flatten().collect())
}
