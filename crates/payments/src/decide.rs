//! Decides payments. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked every wallet, order and payment named here.

use crate::model::{Item, Payment, PaymentState};
use crate::policy::Policy;
use crate::state::State;
use crate::views::{PaymentView, Receipt};
use kernel::{Code, Currency, Instant, Money, OrderId, Outcome, PaymentId, ProductId, Refusal, UserId, money};
use library::Source;
use orders::{Order, OrderState};
use std::collections::{BTreeMap, BTreeSet};
use stock::HoldState;

pub use crate::refund::{complete_refund, request_refund};

/// Enters a payment of an order: fixes its prices and holds limited stock, all or nothing.
/// When a product is sold out the order is cancelled, its products return to the wishlist, and nothing is held.
pub fn enter(state: &mut State, policy: &Policy, user: UserId, order: OrderId, id: PaymentId, now: Instant) -> Outcome<PaymentView> {
    let (products, order_state) = {
        let order = orders::decide::of_user(&state.orders, user, order)?;
        (order.products.clone(), order.state)
    };
    if order_state != OrderState::Ready {
        return Err(not_ready(state, order, order_state));
    }
    refuse_owned(state, user, &products)?;
    refuse_beyond_limit(state, user, &products)?;
    let items = price(state, policy, &products)?;
    let limited = limited(&items);
    let sold_out = stock::decide::sold_out(&state.stocks, &limited);
    if !sold_out.is_empty() {
        let owned = state.library.rows.keys().copied().collect();
        orders::decide::return_to_wishlist(&mut state.orders, order, &owned, now)?;
        return Err(sold_out_refusal(state, &sold_out).after_change());
    }
    let expires_at = now.plus_us(policy.hold_us);
    let payment = new_payment(policy, id, order, user, items, now, expires_at)?;
    orders::decide::transition(&mut state.orders, order, OrderState::Ordered)?;
    stock::decide::take(&mut state.stocks, id, user, &limited, HoldState::Held, expires_at);
    let view = PaymentView::from(&payment);
    state.created.insert(id);
    state.payments.insert(id, payment);
    state.announce("payment.entered", id);
    Ok(view)
}

/// Pays an entered payment: the points go, the order is paid, the products come, held stock is sold.
pub fn pay(state: &mut State, user: UserId, id: PaymentId, now: Instant) -> Outcome<Receipt> {
    let payment = state.payment_of(user, id)?.clone();
    match payment.state {
        PaymentState::Ready => {}
        PaymentState::Expired => return Err(expired(id)),
        other => return Err(Refusal::new(Code::WrongState, format!("payment {id} is {} already", other.as_str()))),
    }
    let limited = payment.limited();
    if payment.expires_at <= now || !stock::decide::is_held(&state.stocks, id, &limited, now) {
        return Err(expired(id));
    }
    refuse_owned(state, user, &payment.items.keys().copied().collect())?;
    if !orders::decide::of_user(&state.orders, user, payment.order)?.state.may_become(OrderState::Paid) {
        return Err(Refusal::new(Code::WrongState, format!("order {} of payment {id} is not waiting to be paid", payment.order)));
    }
    let balance = charge(state, &payment, now)?;
    orders::decide::transition(&mut state.orders, payment.order, OrderState::Paid)?;
    stock::decide::sell(&mut state.stocks, id, &limited);
    state.change(id, |payment| {
        payment.state = PaymentState::Paid;
        payment.paid_at = Some(now);
    });
    count(state, &payment);
    give(state, &payment, now)?;
    state.announce("payment.paid", id);
    Ok(receipt(&payment, balance, now))
}

/// Orders, enters and pays in one step. A refusal changes nothing.
pub fn buy(
    state: &mut State,
    policy: &Policy,
    user: UserId,
    ids: (OrderId, PaymentId),
    products: &BTreeSet<ProductId>,
    now: Instant,
) -> Outcome<Receipt> {
    let (order, id) = ids;
    refuse_owned(state, user, products)?;
    if let Some(product) = products.iter().find(|product| state.orders.open.contains(&(user, **product))) {
        let told = format!("product {product} is in an open order already: pay or cancel that first");
        return Err(Refusal::new(Code::AlreadyOrdered, told).with_facts(serde_json::json!({ "products": [product] })));
    }
    refuse_beyond_limit(state, user, products)?;
    let items = price(state, policy, products)?;
    let limited = limited(&items);
    let sold_out = stock::decide::sold_out(&state.stocks, &limited);
    if !sold_out.is_empty() {
        return Err(sold_out_refusal(state, &sold_out));
    }
    let payment = Payment { state: PaymentState::Paid, paid_at: Some(now), ..new_payment(policy, id, order, user, items, now, now)? };
    let balance = charge(state, &payment, now)?;
    stock::decide::take(&mut state.stocks, id, user, &limited, HoldState::Sold, now);
    state.orders.insert(Order { id: order, user, state: OrderState::Paid, products: products.clone(), created_at: now, version: 1 });
    for product in products {
        state.orders.remove_wish(user, *product);
    }
    count(state, &payment);
    give(state, &payment, now)?;
    let receipt = receipt(&payment, balance, now);
    state.created.insert(id);
    state.payments.insert(id, payment);
    state.announce("payment.paid", id);
    Ok(receipt)
}

/// Cancels an order that is not paid, with its payment if one was entered; held stock goes back.
pub fn cancel(state: &mut State, user: UserId, order: OrderId) -> Outcome<Order> {
    orders::decide::of_user(&state.orders, user, order)?;
    orders::decide::transition(&mut state.orders, order, OrderState::Cancelled)?;
    if let Some(id) = state.ready_payment_of(order) {
        end(state, id, PaymentState::Cancelled);
    }
    Ok(state.orders.rows[&order].clone())
}

/// Drops an item of an order that is not paid; its held copy goes back and the payment costs that much less.
pub fn drop_item(state: &mut State, user: UserId, order: OrderId, product: ProductId) -> Outcome<Order> {
    orders::decide::of_user(&state.orders, user, order)?;
    let was_last = orders::decide::drop_item(&mut state.orders, order, product)?;
    if let Some(id) = state.ready_payment_of(order) {
        if was_last {
            end(state, id, PaymentState::Cancelled);
        } else {
            stock::decide::give_back(&mut state.stocks, id, product);
            state.change(id, |payment| {
                if let Some(item) = payment.items.remove(&product) {
                    payment.amount -= item.amount;
                }
            });
            state.dropped.insert((id, product));
        }
    }
    Ok(state.orders.rows[&order].clone())
}

/// Expires a payment that was not paid in time: held stock goes back, its products return to the wishlist.
pub fn expire(state: &mut State, id: PaymentId, now: Instant) -> Outcome<()> {
    let Some(payment) = state.payments.get(&id).filter(|payment| payment.state == PaymentState::Ready && payment.expires_at <= now) else {
        return Err(Refusal::new(Code::WrongState, format!("payment {id} is not due to expire")));
    };
    let order = payment.order;
    let owned = state.library.rows.keys().copied().collect();
    orders::decide::return_to_wishlist(&mut state.orders, order, &owned, now)?;
    end(state, id, PaymentState::Expired);
    Ok(())
}

/// Settles a payment whose refund window is over.
pub fn settle(state: &mut State, policy: &Policy, id: PaymentId, now: Instant) -> Outcome<()> {
    let due = state.payments.get(&id).is_some_and(|payment| {
        let over = payment.paid_at.is_some_and(|paid_at| now.since_us(paid_at) >= policy.refund_window_us);
        over && payment.settled_at.is_none() && payment.state != PaymentState::RefundInProgress
    });
    if !due {
        return Err(Refusal::new(Code::WrongState, format!("payment {id} is not due to be settled")));
    }
    state.change(id, |payment| payment.settled_at = Some(now));
    state.announce("payment.settled", id);
    Ok(())
}

/// Ends a payment that was never paid.
fn end(state: &mut State, id: PaymentId, into: PaymentState) {
    for product in state.payments[&id].limited() {
        stock::decide::give_back(&mut state.stocks, id, product);
    }
    state.change(id, |payment| payment.state = into);
    state.announce(if into == PaymentState::Expired { "payment.expired" } else { "payment.cancelled" }, id);
}

fn charge(state: &mut State, payment: &Payment, now: Instant) -> Outcome<i64> {
    if payment.amount > 0 {
        let posting = wallet::Posting {
            user: payment.user,
            money: Money { minor: -payment.amount, currency: payment.currency },
            counterparty: "store".to_owned(),
            reason: "payment",
            reference: payment.id.to_string(),
        };
        wallet::decide::post(&mut state.wallets, &posting, now)?;
    }
    Ok(state.wallets.held.get(&(payment.user, payment.currency)).map_or(0, |held| held.balance))
}

fn count(state: &mut State, payment: &Payment) {
    for product in payment.items.keys() {
        *state.bought.entry((payment.user, *product)).or_default() += 1;
    }
}

fn give(state: &mut State, payment: &Payment, now: Instant) -> Outcome<()> {
    for product in payment.items.keys() {
        library::decide::add(&mut state.library, payment.user, *product, Source::Payment(payment.id), now)?;
    }
    Ok(())
}

/// The items of products at their prices now.
fn price(state: &State, policy: &Policy, products: &BTreeSet<ProductId>) -> Outcome<BTreeMap<ProductId, Item>> {
    let price = |product: &ProductId| {
        let offer = state.offers.get(product).ok_or_else(|| Refusal::not_found("product", product))?;
        let amount = match offer.currency {
            same if same == policy.points_currency => Some(offer.effective_minor),
            Currency::USD => money::cents_to_points(offer.effective_minor, policy.points_per_usd),
            _ => None,
        };
        let amount = amount.ok_or_else(|| {
            Refusal::new(
                Code::NotForSale,
                format!("product {product} costs {}, which is not turned into {}", offer.money(), policy.points_currency),
            )
        })?;
        let item =
            Item { price_minor: offer.effective_minor, price_currency: offer.currency, amount, limited: offer.limited, refund: None };
        Ok((*product, item))
    };
    products.iter().map(price).collect()
}

fn new_payment(
    policy: &Policy,
    id: PaymentId,
    order: OrderId,
    user: UserId,
    items: BTreeMap<ProductId, Item>,
    now: Instant,
    expires_at: Instant,
) -> Outcome<Payment> {
    let total =
        items.values().try_fold(0_i64, |sum, item| sum.checked_add(item.amount)).filter(|total| *total <= wallet::decide::AMOUNT_MAX);
    let amount = total.ok_or_else(|| Refusal::new(Code::BadAmount, "the order costs more than one payment can be: split it"))?;
    Ok(Payment {
        id,
        order,
        user,
        state: PaymentState::Ready,
        currency: policy.points_currency,
        amount,
        refunded: 0,
        points_per_usd: policy.points_per_usd,
        entered_at: now,
        expires_at,
        paid_at: None,
        settled_at: None,
        version: 1,
        items,
    })
}

fn limited(items: &BTreeMap<ProductId, Item>) -> Vec<ProductId> {
    items.iter().filter(|(_, item)| item.limited).map(|(product, _)| *product).collect()
}

fn refuse_owned(state: &State, user: UserId, products: &BTreeSet<ProductId>) -> Outcome<()> {
    match products.iter().find(|product| state.library.rows.contains_key(&(user, **product))) {
        Some(product) => Err(library::decide::owned_already(*product)),
        None => Ok(()),
    }
}

/// A product's limit per player counts what was refunded too, so that nobody takes a sale's copies in turns.
fn refuse_beyond_limit(state: &State, user: UserId, products: &BTreeSet<ProductId>) -> Outcome<()> {
    let beyond = products.iter().find_map(|product| {
        let limit = state.offers.get(product).map_or(0, |offer| offer.player_limit);
        let bought = state.bought.get(&(user, *product)).copied().unwrap_or(0);
        (limit > 0 && bought >= limit).then_some((product, limit, bought))
    });
    match beyond {
        None => Ok(()),
        Some((product, limit, bought)) => {
            let told = format!("product {product} can be bought {limit} times by one player, and was bought {bought} times");
            Err(Refusal::new(Code::LimitReached, told).with_facts(serde_json::json!({ "products": [product] })))
        }
    }
}

fn not_ready(state: &State, order: OrderId, is: OrderState) -> Refusal {
    let told = match state.ready_payment_of(order) {
        Some(payment) => format!("order {order} was entered already: pay payment {payment}"),
        None => format!("order {order} is {}: only one that is ready can be entered", is.as_str()),
    };
    Refusal::new(Code::WrongState, told)
}

fn expired(id: PaymentId) -> Refusal {
    Refusal::new(Code::HoldExpired, format!("payment {id} was not paid in time: its products are back on the wishlist, order them again"))
}

/// The refusal of what is sold out, with the stock's versions so that a flag can be set by it.
fn sold_out_refusal(state: &State, products: &[ProductId]) -> Refusal {
    let names: Vec<String> = products.iter().map(ToString::to_string).collect();
    let versions: BTreeMap<String, i64> =
        products.iter().map(|product| (product.to_string(), state.stocks.rows.get(product).map_or(0, |row| row.version))).collect();
    Refusal::new(Code::SoldOut, format!("product {} is sold out", names.join(", ")))
        .with_facts(serde_json::json!({ "products": products, "stock_versions": versions }))
}

fn receipt(payment: &Payment, balance: i64, now: Instant) -> Receipt {
    Receipt {
        payment: payment.id,
        order: payment.order,
        amount_minor: payment.amount,
        currency: payment.currency,
        balance_minor: balance,
        paid_at: now,
        products: payment.items.keys().copied().collect(),
    }
}
