//! Who is there: instances of services with their leases, for Guildhall's own processes and for Eureka's clients.
//! Refuses to believe in an instance longer than its lease, and to put many out at once because we were away ourselves.

mod access;
pub mod check;
pub mod client;
pub mod commands;
pub mod decide;
mod eureka;
mod feed;
pub mod model;
mod queries;
mod routes;
mod rows;
mod view;

use access::Guard;
use db::{Db, Queue};
use std::sync::Arc;

pub use access::{EurekaUser, FleetToken};
pub use model::{Changes, Instance, Leased, Registration, Status, Ticket};

/// How the registry is run.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What processes of the fleet show.
    pub fleet: FleetToken,
    /// Who Eureka's clients are; none: only clients on this machine are served.
    pub eureka: Option<EurekaUser>,
    /// Services that only processes of the fleet may register, because their requests carry money.
    pub reserved: Vec<String>,
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    db: Db,
    changes: Queue<commands::Change>,
    renewals: Queue<commands::Renew>,
    rounds: Queue<commands::Sweep>,
    guard: Arc<Guard>,
    feed: Arc<feed::Feed>,
    answers: Arc<eureka::Answers>,
}

impl Registry {
    /// Starts the service on a database.
    pub fn new(db: &Db, policy: Policy) -> Registry {
        Registry {
            db: db.clone(),
            changes: db.queue(commands::Change),
            renewals: db.queue(commands::Renew),
            rounds: db.queue(commands::Sweep),
            guard: Arc::new(Guard::new(policy)),
            feed: Arc::default(),
            answers: Arc::default(),
        }
    }

    /// Its native routes, under `/v1/registry`.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }

    /// The routes that Eureka's clients know, under `/eureka`.
    pub fn eureka_routes(&self) -> axum::Router {
        eureka::routes(self.clone())
    }
}
