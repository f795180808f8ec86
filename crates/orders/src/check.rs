//! What must always hold of orders.

use db::{Invariant, Statement};

/// The invariants of orders and wishlists.
pub static INVARIANTS: &[&Invariant] = &[&NOT_EMPTY, &ONE_OPEN];

static NOT_EMPTY: Invariant = Invariant {
    name: "orders.none-is-empty",
    says: "each order has an item, and each item an order",
    breaches: Statement::new(
        "check.orders_not_empty",
        "select lower({hex id}), 'order without an item'
         from orders o
         where not exists (select 1 from order_item i where i.order_id = o.id)
         union all
         select lower({hex order_id}), 'item ' || product || ' without an order'
         from order_item i
         where not exists (select 1 from orders o where o.id = i.order_id)",
    ),
};

static ONE_OPEN: Invariant = Invariant {
    name: "orders.a-product-is-in-one-open-order",
    says: "a product is in at most one open order of a player",
    breaches: Statement::new(
        "check.orders_one_open",
        "select lower({hex o.user_id}) || '/' || i.product, count(*) || ' open orders hold it'
         from orders o join order_item i on i.order_id = o.id
         where o.state in ('ready', 'ordered')
         group by o.user_id, i.product
         having count(*) > 1",
    ),
};
