//! The catalogue: what the store sells, kept in memory for lists and searches.
//! Refuses stock counts, orders and money movements.

mod bodies;
pub mod check;
pub mod commands;
pub mod decide;
pub mod detail;
mod feed;
pub mod generate;
pub mod import;
pub mod index;
pub mod model;
pub mod offers;
mod queries;
mod routes;
pub mod search;
pub mod steam;
mod view;

use arc_swap::ArcSwap;
use db::{Db, Error, Queue};
use kernel::{Currency, Money, ProductId, money};
use std::sync::Arc;

pub use model::Product;
pub use offers::Offer;

/// The source of products that came from a Steam file.
pub(crate) const STEAM: &str = "steam";

/// How catalogue prices become points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Points for one US dollar.
    pub points_per_usd: i64,
    /// The currency that wallets pay in.
    pub points_currency: Currency,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { points_per_usd: 1300, points_currency: Currency::POINTS }
    }
}

impl Policy {
    /// A price in points, halves rounded up; none for a currency without a rate, or when it overflows.
    pub fn points(&self, price: Money) -> Option<i64> {
        match price.currency {
            Currency::USD => money::cents_to_points(price.minor, self.points_per_usd),
            currency if currency == self.points_currency => Some(price.minor),
            _ => None,
        }
    }
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Catalogue {
    db: Db,
    policy: Policy,
    shared: Arc<Shared>,
    changes: Queue<commands::Change>,
}

#[derive(Default)]
struct Shared {
    snapshot: ArcSwap<index::Catalogue>,
    feed: feed::Feed,
    texts: queries::Cache,
}

impl Catalogue {
    /// Starts the service on a database and reads all products into memory.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn new(db: &Db, policy: Policy) -> Result<Catalogue, Error> {
        let catalogue = Catalogue::unread(db, policy);
        catalogue.refresh().await?;
        Ok(catalogue)
    }

    /// The service with no product in memory until [`Catalogue::refresh`] is called, for a process that never asks its copy.
    pub fn unread(db: &Db, policy: Policy) -> Catalogue {
        Catalogue { db: db.clone(), policy, shared: Arc::default(), changes: db.queue(commands::Change { policy }) }
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }

    /// All products as they are in memory now; keep it for one request, not longer.
    pub fn snapshot(&self) -> Arc<index::Catalogue> {
        self.shared.snapshot.load_full()
    }

    /// How prices become points.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Whether the copy in memory has such a product.
    pub fn exists(&self, product: ProductId) -> bool {
        self.shared.snapshot.load().exists(product)
    }

    /// Whether the copy in memory says that its copies are counted; a hint: the authoritative answer is in its [`Offer`].
    pub fn is_limited(&self, product: ProductId) -> bool {
        self.shared.snapshot.load().get(product).is_some_and(|product| product.limited)
    }
}
