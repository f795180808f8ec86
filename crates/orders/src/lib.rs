//! Wishlists and orders: an order is the whole wishlist, and moves only as its states allow.
//! Refuses empty orders, products twice, and products that are owned or in another open order.

pub mod check;
pub mod commands;
pub mod decide;
pub mod model;
pub mod queries;
mod routes;
mod rows;

use db::{Db, Queue};

pub use model::{Order, OrderState, Orders};
pub use rows::{load, open_products, write};

/// The service.
#[derive(Clone)]
pub struct OrderService {
    db: Db,
    wishes: Queue<commands::ChangeWishlist>,
    creates: Queue<commands::CreateOrder>,
}

impl OrderService {
    /// Starts the service on a database.
    pub fn new(db: &Db) -> OrderService {
        OrderService { db: db.clone(), wishes: db.queue(commands::ChangeWishlist), creates: db.queue(commands::CreateOrder) }
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }
}
