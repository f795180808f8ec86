//! Random sequences of every decision over one state: no sequence breaks an invariant, a refusal changes nothing,
//! and what a batch would write is exactly what it decided.

use crate::decide;
use crate::model::{Payment, PaymentState, Refund, RefundState};
use crate::policy::{Policy, RefundMode};
use crate::state::State;
use catalogue::offers::Offer;
use kernel::{Currency, Instant, Money, OrderId, Outcome, PaymentId, ProductId, RefundId, Refusal, UserId, Uuid, time::HOUR_US};
use library::{Owned, Source};
use orders::{Order, OrderState};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use stock::{Hold, HoldState, Stock};

#[derive(Debug, Clone)]
enum Step {
    Wish(u8, i64),
    Create(u8),
    Enter(u8, usize),
    Pay(u8, usize),
    Buy(u8, Vec<i64>),
    Cancel(u8, usize),
    Drop(u8, usize, i64),
    Refund(u8, usize, Option<Vec<i64>>),
    Complete(usize),
    Expire(usize),
    Settle(usize),
    Play(u8, i64),
    Credit(u8, i64),
    Wait(i64),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (user, nth, product) = (0..3_u8, 0..12_usize, 1..7_i64);
    let some = prop::collection::vec(1..7_i64, 1..4);
    let step = prop_oneof![
        4 => (user.clone(), product.clone()).prop_map(|(u, p)| Step::Wish(u, p)),
        3 => user.clone().prop_map(Step::Create),
        4 => (user.clone(), nth.clone()).prop_map(|(u, n)| Step::Enter(u, n)),
        4 => (user.clone(), nth.clone()).prop_map(|(u, n)| Step::Pay(u, n)),
        2 => (user.clone(), some.clone()).prop_map(|(u, p)| Step::Buy(u, p)),
        1 => (user.clone(), nth.clone()).prop_map(|(u, n)| Step::Cancel(u, n)),
        1 => (user.clone(), nth.clone(), product.clone()).prop_map(|(u, n, p)| Step::Drop(u, n, p)),
        3 => (user.clone(), nth.clone(), prop::option::of(some)).prop_map(|(u, n, p)| Step::Refund(u, n, p)),
        1 => nth.clone().prop_map(Step::Complete),
        1 => nth.clone().prop_map(Step::Expire),
        1 => nth.prop_map(Step::Settle),
        1 => (user.clone(), product).prop_map(|(u, p)| Step::Play(u, p)),
        2 => (user, 1..50_000_i64).prop_map(|(u, a)| Step::Credit(u, a)),
        1 => (0..60_i64).prop_map(Step::Wait),
        2 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 0..160)
}

/// What the tables would hold, changed only by what a batch says it writes.
#[derive(Debug, Default, PartialEq)]
struct Stored {
    payments: BTreeMap<PaymentId, Payment>,
    refunds: BTreeMap<RefundId, Refund>,
    orders: BTreeMap<OrderId, Order>,
    wishes: BTreeMap<(UserId, ProductId), Instant>,
    library: BTreeMap<(UserId, ProductId), Owned>,
    stock: BTreeMap<ProductId, Stock>,
    holds: BTreeMap<(PaymentId, ProductId), Hold>,
}

struct World {
    state: State,
    stored: Stored,
    policy: Policy,
    now: Instant,
    next: u128,
    charged: BTreeMap<UserId, i64>,
}

impl World {
    fn new(mode: RefundMode) -> World {
        let mut state = State::default();
        for (id, (price_minor, currency, limited)) in [
            (0, Currency::USD, false),
            (599, Currency::USD, false),
            (1, Currency::USD, false),
            (1999, Currency::USD, true),
            (0, Currency::USD, true),
            (700, Currency::POINTS, true),
        ]
        .into_iter()
        .enumerate()
        {
            let product = ProductId(id as i64 + 1);
            let offer = Offer {
                product,
                name: format!("p{id}"),
                price_minor,
                currency,
                effective_minor: price_minor,
                sale_percent: None,
                limited,
                player_limit: 0,
            };
            state.offers.insert(product, offer);
            if limited {
                stock::decide::register(&mut state.stocks, product, 2).unwrap();
            }
        }
        let policy = Policy { refund_mode: mode, ..Policy::default() };
        World { state, stored: Stored::default(), policy, now: Instant(HOUR_US * 1000), next: 0, charged: BTreeMap::new() }
    }

    fn id(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(self.next)
    }

    fn nth_payment(&self, nth: usize) -> PaymentId {
        self.state.payments.keys().nth(nth).copied().unwrap_or(PaymentId(Uuid::nil()))
    }

    fn nth_order(&self, nth: usize) -> OrderId {
        self.state.orders.rows.keys().nth(nth).copied().unwrap_or(OrderId(Uuid::nil()))
    }

    /// Applies a step; what it refuses changes nothing, unless the refusal says that it did.
    fn apply(&mut self, step: &Step) {
        let before = self.state.clone();
        if let Err(refusal) = self.decide(step)
            && !refusal.changed
        {
            assert_eq!(before, self.state, "{step:?} was refused with {refusal} and yet changed something");
        }
    }

    fn decide(&mut self, step: &Step) -> Outcome<()> {
        let now = self.now;
        match step {
            Step::Wish(u, p) => orders::decide::wish(&mut self.state.orders, user(*u), ProductId(*p), now),
            Step::Create(u) => {
                let id = OrderId(self.id());
                let owned = self.state.library.rows.keys().copied().collect();
                orders::decide::create(&mut self.state.orders, &owned, user(*u), id, now).map(drop)
            }
            Step::Enter(u, n) => {
                let (id, order) = (PaymentId(self.id()), self.nth_order(*n));
                decide::enter(&mut self.state, &self.policy, user(*u), order, id, now).map(drop)
            }
            Step::Pay(u, n) => {
                let payment = self.nth_payment(*n);
                decide::pay(&mut self.state, user(*u), payment, now).map(drop)
            }
            Step::Buy(u, products) => {
                let ids = (OrderId(self.id()), PaymentId(self.id()));
                decide::buy(&mut self.state, &self.policy, user(*u), ids, &set(products), now).map(drop)
            }
            Step::Cancel(u, n) => {
                let order = self.nth_order(*n);
                decide::cancel(&mut self.state, user(*u), order).map(drop)
            }
            Step::Drop(u, n, p) => {
                let order = self.nth_order(*n);
                decide::drop_item(&mut self.state, user(*u), order, ProductId(*p)).map(drop)
            }
            Step::Refund(u, n, products) => {
                let (payment, id, asked) = (self.nth_payment(*n), RefundId(self.id()), products.as_ref().map(|products| set(products)));
                decide::request_refund(&mut self.state, &self.policy, user(*u), payment, id, asked.as_ref(), now).map(drop)
            }
            Step::Complete(n) => {
                let id = self.state.refunds.keys().nth(*n).copied().unwrap_or(RefundId(Uuid::nil()));
                decide::complete_refund(&mut self.state, &self.policy, id, now)
            }
            Step::Expire(n) => {
                let payment = self.nth_payment(*n);
                decide::expire(&mut self.state, payment, now)
            }
            Step::Settle(n) => {
                let payment = self.nth_payment(*n);
                decide::settle(&mut self.state, &self.policy, payment, now)
            }
            Step::Play(u, p) => library::decide::play(&mut self.state.library, user(*u), ProductId(*p), 5, now).map(drop),
            Step::Credit(u, minor) => {
                *self.charged.entry(user(*u)).or_default() += minor;
                let money = Money { minor: *minor, currency: Currency::POINTS };
                let posting =
                    wallet::Posting { user: user(*u), money, counterparty: "test".to_owned(), reason: "charge", reference: String::new() };
                wallet::decide::post(&mut self.state.wallets, &posting, now).map(drop)
            }
            Step::Wait(minutes) => {
                self.now = now.plus_us(minutes * HOUR_US / 10);
                Ok(())
            }
            Step::Flush => {
                self.flush();
                Ok(())
            }
        }
    }

    /// Writes what the batch says it changed, as `rows::write` does, and starts another batch.
    fn flush(&mut self) {
        let (state, stored) = (&mut self.state, &mut self.stored);
        for id in std::mem::take(&mut state.created) {
            assert!(stored.payments.insert(id, state.payments[&id].clone()).is_none(), "a payment is inserted once");
        }
        for id in std::mem::take(&mut state.changed) {
            let (row, items) = (state.payments[&id].clone(), stored.payments[&id].items.clone());
            assert_eq!(row.version, stored.payments[&id].version + 1, "a batch raises a version once");
            stored.payments.insert(id, Payment { items, ..row });
        }
        for (id, product) in std::mem::take(&mut state.marked) {
            stored.payments.get_mut(&id).unwrap().items.get_mut(&product).unwrap().refund = state.payments[&id].items[&product].refund;
        }
        for (id, product) in std::mem::take(&mut state.dropped) {
            stored.payments.get_mut(&id).unwrap().items.remove(&product);
        }
        for id in std::mem::take(&mut state.touched_refunds) {
            stored.refunds.insert(id, state.refunds[&id].clone());
        }
        flush_orders(&mut state.orders, stored);
        let library = &mut state.library;
        std::mem::take(&mut library.removed).iter().for_each(|key| assert!(stored.library.remove(key).is_some()));
        for key in std::mem::take(&mut library.added).into_iter().chain(std::mem::take(&mut library.played)) {
            stored.library.insert(key, library.rows[&key].clone());
        }
        for product in std::mem::take(&mut state.stocks.changed) {
            stored.stock.insert(product, state.stocks.rows[&product]);
        }
        for key in std::mem::take(&mut state.stocks.kept) {
            stored.holds.insert(key, state.stocks.holds[&key]);
        }
        for key in std::mem::take(&mut state.stocks.gone) {
            stored.holds.remove(&key);
        }
        assert_eq!(stored.payments, state.payments);
        assert_eq!(stored.refunds, state.refunds);
        assert_eq!(stored.orders, state.orders.rows);
        assert_eq!(stored.wishes, state.orders.wishes);
        assert_eq!(stored.library, state.library.rows);
        assert_eq!(stored.stock, state.stocks.rows);
        assert_eq!(stored.holds, state.stocks.holds);
    }

    fn check(&self) {
        let state = &self.state;
        for payment in state.payments.values() {
            let order = &state.orders.rows[&payment.order];
            match payment.state {
                PaymentState::Ready => assert_eq!(order.state, OrderState::Ordered),
                PaymentState::Expired | PaymentState::Cancelled => assert_eq!(order.state, OrderState::Cancelled),
                _ => assert_eq!(order.state, OrderState::Paid),
            }
            assert_eq!(payment.amount, payment.items.values().map(|item| item.amount).sum::<i64>());
            assert_eq!(payment.paid_at.is_some(), order.state == OrderState::Paid);
            for (product, item) in &payment.items {
                let refunded = item.refund.is_some_and(|refund| state.refunds[&refund].state == RefundState::Done);
                let owned =
                    state.library.rows.get(&(payment.user, *product)).is_some_and(|owned| owned.source == Source::Payment(payment.id));
                assert_eq!(owned, payment.paid_at.is_some() && !refunded, "{product} of {payment:?}");
                let hold = state.stocks.holds.get(&(payment.id, *product)).map(|hold| hold.state);
                let expected = match (item.limited, payment.state) {
                    (false, _) | (_, PaymentState::Expired | PaymentState::Cancelled) => None,
                    (true, PaymentState::Ready) => Some(HoldState::Held),
                    (true, _) => (!refunded).then_some(HoldState::Sold),
                };
                assert_eq!(hold, expected);
            }
        }
        for order in state.orders.rows.values().filter(|order| order.state.is_open()) {
            let ready = state.payments.values().filter(|payment| payment.order == order.id && payment.state == PaymentState::Ready).count();
            assert_eq!(ready, usize::from(order.state == OrderState::Ordered), "one live payment per ordered order");
        }
        for row in state.stocks.rows.values() {
            let count = |wanted| {
                state.stocks.holds.iter().filter(|((_, product), hold)| *product == row.product && hold.state == wanted).count() as i64
            };
            assert_eq!((row.held, row.sold), (count(HoldState::Held), count(HoldState::Sold)));
            assert_eq!(row.sold + row.held + row.available, row.registered);
        }
        for number in 0..3 {
            let who = user(number);
            let held = state.wallets.held.get(&(who, Currency::POINTS)).map_or(0, |held| held.balance);
            let paid: i64 = state.payments.values().filter(|p| p.user == who && p.paid_at.is_some()).map(|p| p.amount - p.refunded).sum();
            assert_eq!(held, self.charged.get(&who).copied().unwrap_or(0) - paid, "what is held is what was charged less what is paid");
        }
    }
}

fn flush_orders(orders: &mut orders::Orders, stored: &mut Stored) {
    for id in std::mem::take(&mut orders.created) {
        assert!(stored.orders.insert(id, orders.rows[&id].clone()).is_none(), "an order is inserted once");
        orders.dropped.retain(|(order, _)| *order != id);
    }
    for id in std::mem::take(&mut orders.changed) {
        let products = stored.orders[&id].products.clone();
        stored.orders.insert(id, Order { products, ..orders.rows[&id].clone() });
    }
    for (id, product) in std::mem::take(&mut orders.dropped) {
        stored.orders.get_mut(&id).unwrap().products.remove(&product);
    }
    for key in std::mem::take(&mut orders.unwished) {
        stored.wishes.remove(&key);
    }
    for key in std::mem::take(&mut orders.wished) {
        stored.wishes.entry(key).or_insert(orders.wishes[&key]);
    }
}

fn user(number: u8) -> UserId {
    UserId(Uuid::from_u128(u128::from(number) + 0xaaaa))
}

fn set(products: &[i64]) -> BTreeSet<ProductId> {
    products.iter().copied().map(ProductId).collect()
}

fn run(mode: RefundMode, steps: &[Step]) {
    let mut world = World::new(mode);
    for step in steps {
        world.apply(step);
        world.check();
    }
    world.flush();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_sequence_breaks_an_invariant_when_refunds_are_immediate(steps in steps()) {
        run(RefundMode::Immediate, &steps);
    }

    #[test]
    fn no_sequence_breaks_an_invariant_when_refunds_wait_for_the_next_day(steps in steps()) {
        run(RefundMode::NextDay, &steps);
    }
}

fn refused<T: std::fmt::Debug>(outcome: Outcome<T>) -> Refusal {
    outcome.unwrap_err()
}

#[test]
fn a_paid_payment_cannot_be_paid_again_and_charges_once() {
    let mut world = World::new(RefundMode::Immediate);
    world.apply(&Step::Credit(0, 50_000));
    world.apply(&Step::Wish(0, 2));
    world.apply(&Step::Create(0));
    world.apply(&Step::Enter(0, 0));
    let payment = world.nth_payment(0);
    let receipt = decide::pay(&mut world.state, user(0), payment, world.now).unwrap();
    assert_eq!((receipt.amount_minor, receipt.balance_minor), (7_787, 42_213), "5.99 USD at 1300 points");
    assert_eq!(refused(decide::pay(&mut world.state, user(0), payment, world.now)).code, kernel::Code::WrongState);
    world.check();
}

#[test]
fn a_sold_out_enter_cancels_the_order_and_returns_its_products_to_the_wishlist() {
    let mut world = World::new(RefundMode::Immediate);
    for who in 0..3 {
        world.apply(&Step::Wish(who, 5));
        world.apply(&Step::Wish(who, 1));
        world.apply(&Step::Create(who));
    }
    let orders: Vec<OrderId> = world.state.orders.rows.keys().copied().collect();
    for (who, order) in (0..2_u8).zip(&orders) {
        decide::enter(&mut world.state, &world.policy, user(who), *order, PaymentId(Uuid::from_u128(900 + u128::from(who))), world.now)
            .unwrap();
    }
    let refusal = refused(decide::enter(&mut world.state, &world.policy, user(2), orders[2], PaymentId(Uuid::from_u128(999)), world.now));
    assert_eq!((refusal.code, refusal.changed), (kernel::Code::SoldOut, true));
    assert_eq!(world.state.orders.rows[&orders[2]].state, OrderState::Cancelled);
    assert!(world.state.orders.wishes.contains_key(&(user(2), ProductId(1))));
    world.check();
}

#[test]
fn a_refund_is_too_late_at_exactly_the_window_and_refused_once_played() {
    let mut world = World::new(RefundMode::Immediate);
    world.apply(&Step::Credit(0, 50_000));
    world.apply(&Step::Buy(0, vec![1, 2]));
    let (payment, paid_at) = (world.nth_payment(0), world.now);
    world.apply(&Step::Play(0, 1));
    let late = paid_at.plus_us(world.policy.refund_window_us);
    let ask = |world: &mut World, now| {
        decide::request_refund(&mut world.state, &world.policy, user(0), payment, RefundId(Uuid::from_u128(77)), None, now)
    };
    assert_eq!(refused(ask(&mut world, late)).code, kernel::Code::NotRefundable);
    let view = ask(&mut world, late.plus_us(-1)).unwrap();
    assert_eq!((view.products, view.amount_minor, view.refused.len()), (vec![ProductId(2)], 7_787, 1));
    assert_eq!(world.state.payments[&payment].state, PaymentState::PartiallyRefunded);
    world.check();
}
