//! Decides refunds: whole or by item, at once or by the next day's job. Pure, as all decisions are.

use crate::model::{Payment, PaymentState, Refund, RefundState};
use crate::policy::{Policy, RefundMode};
use crate::state::State;
use crate::views::{RefundView, RefusedItem};
use kernel::time::DAY_US;
use kernel::{Code, Instant, Money, Outcome, PaymentId, ProductId, RefundId, Refusal, UserId};
use library::Source;
use std::collections::BTreeSet;

/// Asks for a refund of some items, or of all. What is eligible is refunded, the rest is listed with reasons;
/// refused when nothing is. In `immediate` mode it is completed in the same step.
pub fn request_refund(
    state: &mut State,
    policy: &Policy,
    user: UserId,
    payment: PaymentId,
    id: RefundId,
    asked: Option<&BTreeSet<ProductId>>,
    now: Instant,
) -> Outcome<RefundView> {
    let paid = state.payment_of(user, payment)?.clone();
    if !matches!(paid.state, PaymentState::Paid | PaymentState::PartiallyRefunded | PaymentState::Refunded | PaymentState::RefundInProgress)
    {
        return Err(Refusal::new(
            Code::WrongState,
            format!("payment {payment} is {}: only one that was paid can be refunded", paid.state.as_str()),
        ));
    }
    if asked.is_some_and(BTreeSet::is_empty) {
        return Err(Refusal::new(
            Code::BadBody,
            "products is empty: those that are to come back, or none of the field for all, would be right",
        ));
    }
    let wanted: BTreeSet<ProductId> = asked.cloned().unwrap_or_else(|| paid.items.keys().copied().collect());
    let mut eligible = Vec::new();
    let mut refused = Vec::new();
    for product in wanted {
        match why_not(state, policy, &paid, product, now) {
            None => eligible.push(product),
            Some(reason) => refused.push(RefusedItem { product, reason }),
        }
    }
    if eligible.is_empty() {
        let reasons: Vec<String> = refused.iter().map(|item| format!("product {}: {}", item.product, item.reason)).collect();
        let facts = serde_json::json!({ "refused": refused });
        return Err(Refusal::new(Code::NotRefundable, format!("nothing of payment {payment} can be refunded: {}", reasons.join("; ")))
            .with_facts(facts));
    }
    let amount = eligible.iter().map(|product| paid.items[product].amount).sum();
    let held = state.wallets.held.get(&(user, paid.currency)).map_or(0, |held| held.balance);
    if held.saturating_add(amount) > wallet::decide::BALANCE_MAX {
        return Err(Refusal::new(Code::BadAmount, format!("{amount} more would take the wallet above {}", wallet::decide::BALANCE_MAX)));
    }
    let due_at = match policy.refund_mode {
        RefundMode::Immediate => now,
        RefundMode::NextDay => Instant((now.0.div_euclid(DAY_US) + 1) * DAY_US),
    };
    let refund = Refund { id, payment, user, state: RefundState::Requested, amount, requested_at: now, due_at, done_at: None };
    state.refunds.insert(id, refund);
    state.touched_refunds.insert(id);
    mark(state, payment, &eligible, Some(id));
    state.change(payment, |payment| payment.state = PaymentState::RefundInProgress);
    if policy.refund_mode == RefundMode::Immediate {
        complete_refund(state, policy, id, now)?;
    } else {
        state.announce("refund.requested", payment);
    }
    Ok(RefundView::of(&state.refunds[&id], paid.currency, eligible, refused))
}

/// Completes a refund that is due: points and stock come back, the products leave the library.
/// What was played since it was asked for stays; when that is all of it, the refund is declined.
pub fn complete_refund(state: &mut State, policy: &Policy, id: RefundId, now: Instant) -> Outcome<()> {
    let due = state.refunds.get(&id).filter(|refund| refund.state == RefundState::Requested && refund.due_at <= now);
    let Some(refund) = due.cloned() else { return Err(Refusal::new(Code::WrongState, format!("refund {id} is not due"))) };
    let payment = state.payments.get(&refund.payment).cloned().ok_or_else(|| Refusal::not_found("payment", refund.payment))?;
    let items = payment.items.iter().filter(|(_, item)| item.refund == Some(id)).map(|(product, _)| *product);
    let (back, kept): (Vec<ProductId>, Vec<ProductId>) = items.partition(|product| is_unplayed(state, policy, &payment, *product));
    let amount: i64 = back.iter().map(|product| payment.items[product].amount).sum();
    if amount > 0 {
        let posting = wallet::Posting {
            user: payment.user,
            money: Money { minor: amount, currency: payment.currency },
            counterparty: "store".to_owned(),
            reason: "refund",
            reference: payment.id.to_string(),
        };
        wallet::decide::post(&mut state.wallets, &posting, now)?;
    }
    for product in &back {
        library::decide::remove(&mut state.library, payment.user, *product, Source::Payment(payment.id))?;
        stock::decide::give_back(&mut state.stocks, payment.id, *product);
    }
    mark(state, payment.id, &kept, None);
    let done = if back.is_empty() { RefundState::Declined } else { RefundState::Done };
    state.refunds.insert(id, Refund { state: done, amount, done_at: Some(now), ..refund });
    state.touched_refunds.insert(id);
    let after = state_of(state, payment.id);
    state.change(payment.id, |payment| {
        payment.refunded += amount;
        payment.state = after;
    });
    state.announce(if done == RefundState::Done { "payment.refunded" } else { "refund.declined" }, payment.id);
    Ok(())
}

/// The state of a payment by its items and its refunds, some of which may still be under way.
fn state_of(state: &State, id: PaymentId) -> PaymentState {
    let items = &state.payments[&id].items;
    let refunded = items.values().filter(|item| item.refund.is_some()).count();
    if state.refunds.values().any(|refund| refund.payment == id && refund.state == RefundState::Requested) {
        PaymentState::RefundInProgress
    } else if refunded == items.len() {
        PaymentState::Refunded
    } else if refunded == 0 {
        PaymentState::Paid
    } else {
        PaymentState::PartiallyRefunded
    }
}

fn mark(state: &mut State, payment: PaymentId, products: &[ProductId], refund: Option<RefundId>) {
    if products.is_empty() {
        return;
    }
    state.change(payment, |payment| {
        for product in products {
            if let Some(item) = payment.items.get_mut(product) {
                item.refund = refund;
            }
        }
    });
    state.marked.extend(products.iter().map(|product| (payment, *product)));
}

/// Why an item cannot be refunded; none when it can.
fn why_not(state: &State, policy: &Policy, payment: &Payment, product: ProductId, now: Instant) -> Option<String> {
    let Some(item) = payment.items.get(&product) else { return Some("it is not in this payment".to_owned()) };
    if item.refund.is_some() {
        return Some("it was refunded already, or its refund is under way".to_owned());
    }
    let age_us = payment.paid_at.map_or(i64::MAX, |paid_at| now.since_us(paid_at));
    if age_us >= policy.refund_window_us || payment.settled_at.is_some() {
        return Some(format!(
            "it was paid {} h ago: under {} h would be right",
            age_us / kernel::time::HOUR_US,
            policy.refund_window_us / kernel::time::HOUR_US
        ));
    }
    (!is_unplayed(state, policy, payment, product))
        .then(|| format!("it was played: at most {} min would be right", policy.refund_minutes_max))
}

/// True when the product is still owned by this payment and was played no more than the policy allows.
fn is_unplayed(state: &State, policy: &Policy, payment: &Payment, product: ProductId) -> bool {
    state.library.rows.get(&(payment.user, product)).is_some_and(|owned| {
        let little = if policy.refund_minutes_max == 0 { owned.plays == 0 } else { owned.minutes <= policy.refund_minutes_max };
        owned.source == Source::Payment(payment.id) && little
    })
}
