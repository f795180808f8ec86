//! The library: which products an account owns, where each came from, and how often it was played.
//! Refuses a product twice, and rows whose source is unknown.

pub mod check;
pub mod commands;
pub mod decide;
pub mod model;
pub mod queries;
mod routes;

use db::{Db, Queue};

pub use model::{Library, Owned, Source};

/// The service.
#[derive(Clone)]
pub struct LibraryService {
    db: Db,
    plays: Queue<commands::Play>,
    grants: Queue<commands::Grant>,
}

impl LibraryService {
    /// Starts the service on a database.
    pub fn new(db: &Db) -> LibraryService {
        LibraryService { db: db.clone(), plays: db.queue(commands::Play), grants: db.queue(commands::Grant) }
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }
}
