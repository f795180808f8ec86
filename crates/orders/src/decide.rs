//! Decides wishlists and orders. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked every order named here, and holds the gates of its users.

use crate::model::{Order, OrderState, Orders};
use kernel::{Code, Instant, OrderId, Outcome, ProductId, Refusal, UserId};
use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

/// Products one wishlist, and so one order, can hold.
pub const WISHES_MAX: usize = 200;

/// Adds a wish; refused when it is there, and when the list is full.
pub fn wish(orders: &mut Orders, user: UserId, product: ProductId, now: Instant) -> Outcome<()> {
    if orders.wishes.contains_key(&(user, product)) {
        return Err(Refusal::new(Code::AlreadyExists, format!("product {product} is on the wishlist already")));
    }
    if orders.wishes.range((user, ProductId(0))..=(user, ProductId(i64::MAX))).count() >= WISHES_MAX {
        return Err(Refusal::new(
            Code::LimitReached,
            format!("the wishlist holds {WISHES_MAX} products, which is the most: order or remove some"),
        ));
    }
    orders.add_wish(user, product, now);
    Ok(())
}

/// Removes a wish.
pub fn unwish(orders: &mut Orders, user: UserId, product: ProductId) -> Outcome<()> {
    if !orders.wishes.contains_key(&(user, product)) {
        return Err(Refusal::new(Code::NotFound, format!("product {product} is not on the wishlist")));
    }
    orders.remove_wish(user, product);
    Ok(())
}

/// Makes an order of the wishlist, of its first [`WISHES_MAX`] products where expired payments brought more back. Refused when it is empty
/// or holds what is owned or in another open order.
pub fn create(orders: &mut Orders, owned: &BTreeSet<(UserId, ProductId)>, user: UserId, id: OrderId, now: Instant) -> Outcome<Order> {
    let products: BTreeSet<ProductId> = orders
        .wishes
        .range((user, ProductId(0))..=(user, ProductId(i64::MAX)))
        .map(|((_, product), _)| *product)
        .take(WISHES_MAX)
        .collect();
    if products.is_empty() {
        return Err(Refusal::new(Code::EmptyWishlist, "the wishlist is empty: add a product before ordering"));
    }
    let of_user = |set: &BTreeSet<(UserId, ProductId)>| -> Vec<ProductId> {
        products.iter().copied().filter(|p| set.contains(&(user, *p))).collect()
    };
    let had = of_user(owned);
    if !had.is_empty() {
        return Err(listed(Code::AlreadyOwned, "in the library already: remove it from the wishlist", &had));
    }
    let open = of_user(&orders.open);
    if !open.is_empty() {
        return Err(listed(Code::AlreadyOrdered, "in an open order already: pay or cancel that, or remove it from the wishlist", &open));
    }
    for product in &products {
        orders.remove_wish(user, *product);
    }
    Ok(orders.insert(Order { id, user, state: OrderState::Ready, products, created_at: now, version: 1 }))
}

/// The order of a user; another's is not found.
pub fn of_user(orders: &Orders, user: UserId, id: OrderId) -> Outcome<&Order> {
    orders.rows.get(&id).filter(|order| order.user == user).ok_or_else(|| Refusal::not_found("order", id))
}

/// Moves an order to another state, where that is allowed.
pub fn transition(orders: &mut Orders, id: OrderId, next: OrderState) -> Outcome<()> {
    let order = orders.rows.get_mut(&id).ok_or_else(|| Refusal::not_found("order", id))?;
    if !order.state.may_become(next) {
        let told = format!("order {id} is {} and cannot become {}", order.state.as_str(), next.as_str());
        return Err(Refusal::new(Code::WrongState, told));
    }
    order.state = next;
    orders.touch(id);
    Ok(())
}

/// Cancels an order and puts its products back on the wishlist, as when one was sold out or the payment expired.
pub fn return_to_wishlist(orders: &mut Orders, id: OrderId, owned: &BTreeSet<(UserId, ProductId)>, now: Instant) -> Outcome<()> {
    transition(orders, id, OrderState::Cancelled)?;
    let order = &orders.rows[&id];
    let (user, products) = (order.user, order.products.clone());
    for product in products.into_iter().filter(|product| !owned.contains(&(user, *product))) {
        orders.add_wish(user, product, now);
    }
    Ok(())
}

/// Drops an item of an open order; true when it was the last one, which cancels the order.
pub fn drop_item(orders: &mut Orders, id: OrderId, product: ProductId) -> Outcome<bool> {
    let order = orders.rows.get_mut(&id).ok_or_else(|| Refusal::not_found("order", id))?;
    if !order.state.is_open() {
        let told = format!("order {id} is {}: items can be dropped while it is ready or ordered", order.state.as_str());
        return Err(Refusal::new(Code::WrongState, told));
    }
    if !order.products.contains(&product) {
        return Err(Refusal::new(Code::NotFound, format!("order {id} holds no product {product}")));
    }
    if order.products.len() == 1 {
        order.state = OrderState::Cancelled;
        orders.touch(id);
        return Ok(true);
    }
    order.products.remove(&product);
    orders.dropped.insert((id, product));
    orders.touch(id);
    Ok(false)
}

fn listed(code: Code, what: &str, products: &[ProductId]) -> Refusal {
    let names: Vec<String> = products.iter().map(ToString::to_string).collect();
    Refusal::new(code, format!("product {} is {what}", names.join(", "))).with_facts(serde_json::json!({ "products": products }))
}

impl Orders {
    /// Adds an order that was decided.
    pub fn insert(&mut self, order: Order) -> Order {
        self.created.insert(order.id);
        if order.state.is_open() {
            self.open.extend(order.products.iter().map(|product| (order.user, *product)));
        }
        self.rows.insert(order.id, order.clone());
        order
    }

    /// Takes a product off a wishlist; nothing when it is not on it.
    pub fn remove_wish(&mut self, user: UserId, product: ProductId) {
        self.wishes.remove(&(user, product));
        self.wished.remove(&(user, product));
        self.unwished.insert((user, product));
    }

    /// A wish that was taken off within the batch is removed and added again, which is the order they are written in.
    fn add_wish(&mut self, user: UserId, product: ProductId, now: Instant) {
        if let Entry::Vacant(place) = self.wishes.entry((user, product)) {
            place.insert(now);
            self.wished.insert((user, product));
        }
    }

    /// An order changed: it is written once, with one version more, unless it is new in this batch.
    fn touch(&mut self, id: OrderId) {
        let Some(order) = self.rows.get_mut(&id) else { return };
        if !order.state.is_open() {
            for product in &order.products {
                self.open.remove(&(order.user, *product));
            }
        }
        if !self.created.contains(&id) && self.changed.insert(id) {
            order.version += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Uuid;
    use proptest::prelude::*;

    fn user(number: u8) -> UserId {
        UserId(Uuid::from_bytes([number; 16]))
    }

    fn order(number: u8) -> OrderId {
        OrderId(Uuid::from_bytes([number; 16]))
    }

    #[test]
    fn an_order_takes_no_more_than_a_wishlist_is_meant_to_hold() {
        let mut orders = Orders::default();
        (1..=205).for_each(|product| orders.add_wish(user(0), ProductId(product), Instant(1)));
        let order = create(&mut orders, &BTreeSet::new(), user(0), order(1), Instant(2)).unwrap();
        assert_eq!((order.products.len(), orders.wishes.len()), (WISHES_MAX, 5), "the rest can be ordered next");
    }

    proptest! {
        #[test]
        fn a_product_is_in_at_most_one_open_order_of_a_player(
            steps in prop::collection::vec((0..7_u8, 0..2_u8, 1..5_i64, 0..30_u8), 0..150)
        ) {
            let mut orders = Orders::default();
            let owned = BTreeSet::from([(user(0), ProductId(1))]);
            let mut next = 0;
            for (what, who, product, number) in steps {
                let (who, product) = (user(who), ProductId(product));
                match what {
                    0 | 1 => drop(wish(&mut orders, who, product, Instant(1))),
                    2 => drop(unwish(&mut orders, who, product)),
                    3 => {
                        next += 1;
                        if let Ok(made) = create(&mut orders, &owned, who, order(next), Instant(2)) {
                            prop_assert!(!made.products.is_empty());
                            prop_assert!(made.products.iter().all(|p| !owned.contains(&(who, *p))));
                        }
                    }
                    4 => drop(transition(&mut orders, order(number), OrderState::Ordered)),
                    5 => drop(drop_item(&mut orders, order(number), product)),
                    _ => drop(return_to_wishlist(&mut orders, order(number), &owned, Instant(3))),
                }
                let mut seen = BTreeSet::new();
                for row in orders.rows.values().filter(|row| row.state.is_open()) {
                    prop_assert!(!row.products.is_empty(), "no open order is empty");
                    for product in &row.products {
                        prop_assert!(seen.insert((row.user, *product)), "{product} is in two open orders");
                    }
                }
                prop_assert!(orders.wished.iter().all(|key| orders.wishes.contains_key(key)), "what is written is what is wished for");
            }
        }
    }

    #[test]
    fn a_paid_order_moves_nowhere() {
        for next in [OrderState::Ready, OrderState::Ordered, OrderState::Cancelled, OrderState::Paid] {
            assert!(!OrderState::Paid.may_become(next));
            assert!(!OrderState::Cancelled.may_become(next));
        }
    }
}
