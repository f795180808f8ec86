//! Wallets: what an account holds of each currency, and the ledger of every change.
//! Refuses to change a balance without a ledger row, to go below zero, and to let players credit anyone.

pub mod check;
pub mod commands;
pub mod decide;
pub mod model;
pub mod queries;
mod routes;

use db::{Db, Queue};

pub use model::{Balance, Entry, Held, Posting, Wallets};

/// The service.
#[derive(Clone)]
pub struct Wallet {
    db: Db,
    posts: Queue<commands::Post>,
}

impl Wallet {
    /// Starts the service on a database.
    pub fn new(db: &Db) -> Wallet {
        Wallet { db: db.clone(), posts: db.queue(commands::Post) }
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }
}
