//! Limited stock: registered copies, and holds that keep one for a payment.
//! Refuses to sell below zero, to return above what was registered, and to let a copy vanish.

pub mod check;
pub mod commands;
pub mod decide;
pub mod model;
pub mod queries;
mod routes;
pub mod sold_out;

use db::{Db, Queue};

pub use model::{Hold, HoldState, Stock, Stocks};
pub use sold_out::SoldOut;

/// The service.
#[derive(Clone)]
pub struct StockService {
    db: Db,
    changes: Queue<commands::ChangeStock>,
    sold_out: SoldOut,
}

impl StockService {
    /// Starts the service on a database.
    pub fn new(db: &Db) -> StockService {
        let sold_out = SoldOut::default();
        StockService { db: db.clone(), changes: db.queue(commands::ChangeStock { sold_out: sold_out.clone() }), sold_out }
    }

    /// The flags that say sold out without asking the database.
    pub fn sold_out(&self) -> &SoldOut {
        &self.sold_out
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }
}
