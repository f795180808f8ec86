//! Decides limited stock. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked every row and hold named here.

use crate::model::{Hold, HoldKey, HoldState, Stock, Stocks};
use kernel::{Code, Instant, Outcome, PaymentId, ProductId, Refusal, UserId};

/// Copies of one product that can be registered.
pub const REGISTERED_MAX: i64 = 1_000_000_000;

/// Registers copies; registering again raises the ceiling.
pub fn register(stocks: &mut Stocks, product: ProductId, quantity: i64) -> Outcome<Stock> {
    let fresh = Stock { product, registered: 0, available: 0, held: 0, sold: 0, by_hand: 0, version: 0 };
    let before = stocks.rows.get(&product).copied().unwrap_or(fresh);
    let registered = before.registered.checked_add(checked(quantity)?).filter(|total| *total <= REGISTERED_MAX);
    let Some(registered) = registered else {
        return Err(Refusal::new(Code::OutOfBounds, format!("{quantity} more would register above {REGISTERED_MAX} copies")));
    };
    Ok(stocks.put(Stock { registered, available: before.available + quantity, ..before }))
}

/// Takes copies out of sale by hand, as those sold elsewhere.
pub fn decrease(stocks: &mut Stocks, product: ProductId, quantity: i64) -> Outcome<Stock> {
    let before = stocks.row(product)?;
    let quantity = checked(quantity)?;
    if quantity > before.available {
        let told = format!("{quantity} cannot be taken: {} of {} are available", before.available, before.registered);
        return Err(Refusal::new(Code::OutOfBounds, told));
    }
    let after =
        Stock { available: before.available - quantity, sold: before.sold + quantity, by_hand: before.by_hand + quantity, ..before };
    Ok(stocks.put(after))
}

/// Puts back copies that were taken by hand; never more than were.
pub fn increase(stocks: &mut Stocks, product: ProductId, quantity: i64) -> Outcome<Stock> {
    let before = stocks.row(product)?;
    let quantity = checked(quantity)?;
    if quantity > before.by_hand {
        let told = format!(
            "{quantity} cannot be put back: {} were taken by hand; to raise the ceiling of {}, register more",
            before.by_hand, before.registered
        );
        return Err(Refusal::new(Code::OutOfBounds, told));
    }
    let after =
        Stock { available: before.available + quantity, sold: before.sold - quantity, by_hand: before.by_hand - quantity, ..before };
    Ok(stocks.put(after))
}

/// The products of a list that have no copy left.
pub fn sold_out(stocks: &Stocks, products: &[ProductId]) -> Vec<ProductId> {
    products.iter().copied().filter(|product| stocks.rows.get(product).is_none_or(|row| row.available < 1)).collect()
}

/// Keeps one copy of each product for a payment. All have one left: [`sold_out`] was asked.
pub fn take(stocks: &mut Stocks, payment: PaymentId, user: UserId, products: &[ProductId], state: HoldState, expires_at: Instant) {
    for product in products {
        let before = stocks.rows[product];
        debug_assert!(before.available > 0, "sold_out is asked before");
        let after = match state {
            HoldState::Held => Stock { available: before.available - 1, held: before.held + 1, ..before },
            HoldState::Sold => Stock { available: before.available - 1, sold: before.sold + 1, ..before },
        };
        stocks.put(after);
        stocks.keep((payment, *product), Hold { user, state, expires_at });
    }
}

/// True while each of a payment's products is held and unexpired.
pub fn is_held(stocks: &Stocks, payment: PaymentId, products: &[ProductId], now: Instant) -> bool {
    products
        .iter()
        .all(|product| stocks.holds.get(&(payment, *product)).is_some_and(|hold| hold.state == HoldState::Held && hold.expires_at > now))
}

/// A held copy was paid. The caller has asked [`is_held`].
pub fn sell(stocks: &mut Stocks, payment: PaymentId, products: &[ProductId]) {
    for product in products {
        let key = (payment, *product);
        let hold = stocks.holds[&key];
        let before = stocks.rows[product];
        stocks.put(Stock { held: before.held - 1, sold: before.sold + 1, ..before });
        stocks.keep(key, Hold { state: HoldState::Sold, ..hold });
    }
}

/// Gives back the copy a payment holds or bought; nothing when it has none.
pub fn give_back(stocks: &mut Stocks, payment: PaymentId, product: ProductId) {
    let Some(hold) = stocks.holds.remove(&(payment, product)) else { return };
    let before = stocks.rows[&product];
    stocks.put(match hold.state {
        HoldState::Held => Stock { held: before.held - 1, available: before.available + 1, ..before },
        HoldState::Sold => Stock { sold: before.sold - 1, available: before.available + 1, ..before },
    });
    stocks.kept.remove(&(payment, product));
    stocks.gone.insert((payment, product));
}

fn checked(quantity: i64) -> Outcome<i64> {
    if (1..=REGISTERED_MAX).contains(&quantity) {
        return Ok(quantity);
    }
    Err(Refusal::new(Code::BadAmount, format!("quantity {quantity} is not 1 to {REGISTERED_MAX}")))
}

impl Stocks {
    fn row(&self, product: ProductId) -> Outcome<Stock> {
        self.rows.get(&product).copied().ok_or_else(|| Refusal::not_found("stock registered for product", product))
    }

    fn put(&mut self, stock: Stock) -> Stock {
        debug_assert_eq!(stock.sold + stock.held + stock.available, stock.registered, "copies neither appear nor vanish");
        // One version per batch is enough: the row is written once.
        let version = if self.changed.insert(stock.product) { stock.version + 1 } else { stock.version };
        let stock = Stock { version, ..stock };
        self.rows.insert(stock.product, stock);
        stock
    }

    fn keep(&mut self, key: HoldKey, hold: Hold) {
        self.holds.insert(key, hold);
        self.gone.remove(&key);
        self.kept.insert(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Uuid;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Register(i64),
        Decrease(i64),
        Increase(i64),
        Take(u8, bool),
        Sell(u8, i64),
        GiveBack(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let amount = prop_oneof![-2..20_i64, Just(i64::MAX), Just(i64::MIN)];
        let step = prop_oneof![
            amount.clone().prop_map(Step::Register),
            amount.clone().prop_map(Step::Decrease),
            amount.prop_map(Step::Increase),
            (0..6_u8, any::<bool>()).prop_map(|(payment, sold)| Step::Take(payment, sold)),
            (0..6_u8, 0..20_i64).prop_map(|(payment, now)| Step::Sell(payment, now)),
            (0..6_u8).prop_map(Step::GiveBack),
        ];
        prop::collection::vec(step, 0..120)
    }

    const PRODUCT: ProductId = ProductId(1);

    fn payment(number: u8) -> PaymentId {
        PaymentId(Uuid::from_bytes([number; 16]))
    }

    fn apply(stocks: &mut Stocks, step: &Step) {
        let user = UserId(Uuid::nil());
        match *step {
            Step::Register(n) => drop(register(stocks, PRODUCT, n)),
            Step::Decrease(n) => drop(decrease(stocks, PRODUCT, n)),
            Step::Increase(n) => drop(increase(stocks, PRODUCT, n)),
            Step::Take(p, sold) => {
                if !stocks.holds.contains_key(&(payment(p), PRODUCT)) && sold_out(stocks, &[PRODUCT]).is_empty() {
                    let state = if sold { HoldState::Sold } else { HoldState::Held };
                    take(stocks, payment(p), user, &[PRODUCT], state, Instant(10));
                }
            }
            Step::Sell(p, now) => {
                if is_held(stocks, payment(p), &[PRODUCT], Instant(now)) {
                    sell(stocks, payment(p), &[PRODUCT]);
                }
            }
            Step::GiveBack(p) => give_back(stocks, payment(p), PRODUCT),
        }
    }

    proptest! {
        #[test]
        fn no_sequence_oversells_or_loses_a_copy(steps in steps()) {
            let mut stocks = Stocks::default();
            for step in &steps {
                apply(&mut stocks, step);
                if let Some(row) = stocks.rows.get(&PRODUCT) {
                    let count = |state| stocks.holds.values().filter(|hold| hold.state == state).count() as i64;
                    prop_assert!(row.available >= 0 && row.held >= 0 && row.sold >= 0 && row.by_hand >= 0);
                    prop_assert_eq!(row.sold + row.held + row.available, row.registered);
                    prop_assert_eq!(row.held, count(HoldState::Held));
                    prop_assert_eq!(row.sold - row.by_hand, count(HoldState::Sold));
                }
                prop_assert!(stocks.kept.is_disjoint(&stocks.gone));
            }
        }
    }

    #[test]
    fn an_expired_hold_cannot_be_sold() {
        let mut stocks = Stocks::default();
        register(&mut stocks, PRODUCT, 1).unwrap();
        take(&mut stocks, payment(1), UserId(Uuid::nil()), &[PRODUCT], HoldState::Held, Instant(10));
        assert!(is_held(&stocks, payment(1), &[PRODUCT], Instant(9)));
        assert!(!is_held(&stocks, payment(1), &[PRODUCT], Instant(10)));
    }
}
