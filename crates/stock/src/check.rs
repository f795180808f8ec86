//! What must always hold of limited stock.

use db::{Invariant, Statement};

/// The invariants of stock and holds.
pub static INVARIANTS: &[&Invariant] = &[&SUM, &HOLDS];

static SUM: Invariant = Invariant {
    name: "stock.sold-held-and-available-are-registered",
    says: "sold + held + available = registered, and none is negative",
    breaches: Statement::new(
        "check.stock_sum",
        "select 'stock/' || product, 'sold ' || sold || ' + held ' || held || ' + available ' || available || ' is not registered ' || registered
         from stock
         where sold + held + available <> registered or sold < by_hand or by_hand < 0 or held < 0 or available < 0",
    ),
};

static HOLDS: Invariant = Invariant {
    name: "stock.holds-are-what-the-row-says",
    says: "a product's held copies are its holds, and its sold copies are its sold holds and what was taken by hand",
    breaches: Statement::new(
        "check.stock_holds",
        "select 'stock/' || product, 'held ' || held || ' with ' || holds || ' holds, sold ' || sold || ' with ' || sold_holds || ' sold holds and ' || by_hand || ' by hand'
         from (
             select p.product, coalesce(s.held, 0) as held, coalesce(s.sold, 0) as sold, coalesce(s.by_hand, 0) as by_hand,
                    (select count(*) from hold h where h.product = p.product and h.state = 'held') as holds,
                    (select count(*) from hold h where h.product = p.product and h.state = 'sold') as sold_holds
             from (select product from stock union select product from hold) p left join stock s on s.product = p.product
         ) t
         where held <> holds or sold <> sold_holds + by_hand",
    ),
};
