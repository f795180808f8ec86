//! The one payment command: load what the batch touches, decide input by input, write. What is asked are its [`Action`]s.

use crate::actions::{Action, Buy, Cancel, DropItem, Enter, Pay, RequestRefund};
use crate::model::Payment;
use crate::policy::Policy;
use crate::rows::{self, Needs};
use crate::views::{PaymentView, Receipt, RefundView};
use db::{Command, Error, Meta, Tx, announce};
use kernel::{Code, Instant, OrderId, Outcome, PaymentId, ProductId, RefundId, Refusal, UserId};
use orders::Order;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use stock::SoldOut;

/// Products one buy can name.
pub const PRODUCTS_MAX: usize = 200;

/// The command that does actions of one kind.
pub struct Do<A> {
    policy: Policy,
    sold_out: SoldOut,
    by_product: bool,
    kind: PhantomData<fn(A)>,
}

impl<A> Do<A> {
    pub(crate) fn new(policy: Policy, sold_out: &SoldOut) -> Do<A> {
        Do { policy, sold_out: sold_out.clone(), by_product: false, kind: PhantomData }
    }

    /// Actions on one product wait for one writer, so that writers do not wait for each other at its stock row.
    pub(crate) fn by_product(self) -> Do<A> {
        Do { by_product: true, ..self }
    }
}

impl<A: Action> Command for Do<A> {
    const NAME: &'static str = A::NAME;
    type Input = A;
    type Reply = A::Reply;

    fn gates(&self, input: &A, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.user());
    }

    fn lane(&self, input: &A) -> Option<u64> {
        input.product().filter(|_| self.by_product).map(|product| product.0.unsigned_abs())
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a A], now: Instant) -> Result<Vec<Outcome<A::Reply>>, Error> {
        let mut needs = Needs::default();
        batch.iter().for_each(|action| action.needs(&mut needs));
        let mut state = rows::load(tx, &self.policy, &needs).await?;
        let outcomes: Vec<Outcome<A::Reply>> = batch.iter().map(|action| action.step(&mut state, &self.policy, now)).collect();
        db::crash::point("payments.before_writes");
        rows::write(tx, &state).await?;
        announce(tx, &state.announcements).await?;
        state.stocks.changed.iter().for_each(|product| self.sold_out.changed(*product, state.stocks.rows[product].version));
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
        let is_whole = holders.len() < rows::HOLDERS_MAX;
        let of = |product| holders.iter().filter(move |(held, _)| *held == product).map(|(_, user)| *user).collect();
        products.into_iter().for_each(|product| self.sold_out.know_holders(product, is_whole.then(|| of(product))));
        Ok(())
    }
}

fn stock_versions(refusal: &Refusal) -> BTreeMap<ProductId, i64> {
    let versions = refusal.facts.as_ref().and_then(|facts| facts.get("stock_versions")).and_then(|versions| versions.as_object());
    let read = |(product, version): (&String, &serde_json::Value)| Some((product.parse().ok()?, version.as_i64()?));
    versions.into_iter().flatten().filter_map(read).collect()
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
            return Err(Refusal::new(
                Code::BadBody,
                format!("products holds {} distinct products: 1 to {PRODUCTS_MAX} would be right", products.len()),
            )
            .into());
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
    pub async fn refund(
        &self,
        meta: Meta,
        user: UserId,
        payment: PaymentId,
        products: Option<BTreeSet<ProductId>>,
    ) -> Result<RefundView, Error> {
        self.refunds.send(meta, RequestRefund { user, payment, products, id: RefundId::new() }).await
    }
}

/// The payments of a batch that limited stock belongs to.
pub(crate) fn with_limited(payments: &BTreeMap<PaymentId, Payment>) -> (BTreeSet<PaymentId>, BTreeSet<ProductId>) {
    let limited = payments.values().map(|payment| (payment.id, payment.limited())).filter(|(_, products)| !products.is_empty());
    let (ids, products): (BTreeSet<PaymentId>, Vec<Vec<ProductId>>) = limited.unzip();
    (ids, products.into_iter().flatten().collect())
}
