//! Recipes: named, parameterised, read-only queries that operators register and games' teams run with their keys.
//! Refuses what writes, what reads another game's rows, and what runs longer than its limit; a new need is a new recipe, not a release.
//!
//! A statement is checked by the database when it is registered and runs through [`db::visitor`], which shows it views of one game's rows.

pub mod check;
pub mod commands;
pub mod decide;
pub mod described;
pub mod model;
mod page;
pub mod queries;
mod routes;
mod run;
mod usage;
pub mod views;

use accounts::Accounts;
use commands::{Count, Manage};
use db::visitor::Visitors;
use db::{Db, Error, Queue};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use queries::Known;
use run::Kept;
use sha2::Sha256;
use std::sync::Arc;
use usage::Uses;

pub use views::VIEWS;

/// The numbers recipes go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What all processes share and nobody else knows: passwords of the games' roles on Postgres are made of it.
    pub key: [u8; 32],
    /// A recipe that reads a table of more rows from end to end is refused unless it is allowed to.
    pub scan_rows_max: u64,
    /// Recipes that run at a time, per process.
    pub at_once: usize,
    /// Bytes of answers that are kept for recipes with `cache_s`.
    pub kept_bytes: u64,
}

impl Policy {
    /// Defaults for a key.
    pub fn new(key: [u8; 32]) -> Policy {
        Policy { key, scan_rows_max: 10_000, at_once: 4, kept_bytes: 32 << 20 }
    }
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Recipes {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    accounts: Accounts,
    visitors: Visitors,
    scan_rows_max: u64,
    changes: Queue<Manage>,
    counts: Queue<Count>,
    known: Known,
    kept: Kept,
    uses: Mutex<Uses>,
}

impl Recipes {
    /// Starts the service on a database.
    ///
    /// # Errors
    /// The database's URL cannot be read.
    pub fn new(db: &Db, accounts: &Accounts, policy: &Policy) -> Result<Recipes, Error> {
        let key = policy.key;
        let passwords = Arc::new(move |role: &str| password(&key, role));
        let inner = Inner {
            visitors: Visitors::new(db, VIEWS, policy.at_once, passwords)?,
            scan_rows_max: policy.scan_rows_max,
            changes: db.queue(Manage),
            counts: db.queue(Count),
            known: Known::default(),
            kept: Kept::new(policy.kept_bytes),
            uses: Mutex::default(),
            db: db.clone(),
            accounts: accounts.clone(),
        };
        Ok(Recipes { inner: Arc::new(inner) })
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }
}

/// The password of a role: every process finds the same one, and it says nothing about the key.
fn password(key: &[u8; 32], role: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"guildhall recipe role ");
    mac.update(role.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_and_each_key_has_its_own_password() {
        let of = |key: u8, role| password(&[key; 32], role);
        assert_eq!(of(1, "a"), of(1, "a"));
        assert_ne!(of(1, "a"), of(1, "b"));
        assert_ne!(of(1, "a"), of(2, "a"));
        assert_eq!(of(1, "a").len(), 64);
    }
}
