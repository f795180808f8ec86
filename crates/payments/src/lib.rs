//! Payments: entering, paying, buying in one call, cancelling, expiring, refunding and settling.
//! Refuses to charge without giving, to give without charging, and to sell a copy that is not there.

pub mod actions;
pub mod check;
pub mod commands;
pub mod decide;
pub mod jobs;
pub mod model;
pub mod policy;
pub mod queries;
mod refund;
mod routes;
mod rows;
#[cfg(test)]
mod sequences;
mod state;
mod views;

use actions::{Buy, Cancel, CompleteRefund, DropItem, Enter, Expire, Pay, RequestRefund, Settle};
use catalogue::Catalogue;
use commands::Do;
use db::{Db, Queue};
use stock::SoldOut;

pub use model::{Item, Payment, PaymentState, Refund, RefundState};
pub use policy::{Policy, RefundMode};
pub use state::State;
pub use views::{PaymentView, Receipt, RefundView};

/// The service.
#[derive(Clone)]
pub struct PaymentService {
    db: Db,
    policy: Policy,
    catalogue: Catalogue,
    sold_out: SoldOut,
    enters: Queue<Do<Enter>>,
    pays: Queue<Do<Pay>>,
    buys: Queue<Do<Buy>>,
    limited_buys: Queue<Do<Buy>>,
    cancels: Queue<Do<Cancel>>,
    drops: Queue<Do<DropItem>>,
    refunds: Queue<Do<RequestRefund>>,
    expires: Queue<Do<Expire>>,
    completes: Queue<Do<CompleteRefund>>,
    settles: Queue<Do<Settle>>,
}

impl PaymentService {
    /// Starts the service on a database.
    pub fn new(db: &Db, policy: Policy, catalogue: &Catalogue, sold_out: &SoldOut) -> PaymentService {
        PaymentService {
            db: db.clone(),
            policy,
            catalogue: catalogue.clone(),
            sold_out: sold_out.clone(),
            enters: db.queue(Do::new(policy, sold_out)),
            pays: db.queue(Do::new(policy, sold_out)),
            buys: db.queue(Do::new(policy, sold_out)),
            // Limited stock has a queue of its own, so that a sale's crowd waits apart from ordinary buyers.
            limited_buys: db.queue(Do::new(policy, sold_out).by_product()),
            cancels: db.queue(Do::new(policy, sold_out)),
            drops: db.queue(Do::new(policy, sold_out)),
            refunds: db.queue(Do::new(policy, sold_out)),
            expires: db.queue(Do::new(policy, sold_out)),
            completes: db.queue(Do::new(policy, sold_out)),
            settles: db.queue(Do::new(policy, sold_out)),
        }
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }
}
