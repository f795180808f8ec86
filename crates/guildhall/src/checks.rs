//! Every invariant of every service, for `guildhall check` and for tests.

use db::{Breach, Db, Error, Invariant};

/// All invariants.
pub fn invariants() -> Vec<&'static Invariant> {
    [
        accounts::check::INVARIANTS,
        wallet::check::INVARIANTS,
        catalogue::check::INVARIANTS,
        stock::check::INVARIANTS,
        orders::check::INVARIANTS,
        payments::check::INVARIANTS,
        library::check::INVARIANTS,
        outbox::webhooks::check::INVARIANTS,
        campaigns::check::INVARIANTS,
        stream::check::INVARIANTS,
        registry::check::INVARIANTS,
        teams::check::INVARIANTS,
        teams::recipes::check::INVARIANTS,
    ]
    .concat()
}

/// Checks all of them.
///
/// # Errors
/// The database does not answer.
pub async fn check(db: &Db) -> Result<Vec<Breach>, Error> {
    db::check::check(db, &invariants()).await
}
