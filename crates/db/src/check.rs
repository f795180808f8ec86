//! Invariants as code: statements that find the rows which break what must always hold.
//! Refuses to repair: it names what is wrong, people decide.

use crate::{Db, Error, Statement};

/// Something that must always hold.
pub struct Invariant {
    /// Its name, as `wallet.balance-is-the-sum-of-its-entries`.
    pub name: &'static str,
    /// What must hold, in a sentence.
    pub says: &'static str,
    /// Finds breaches: two text columns, the row and what is wrong with it.
    pub breaches: Statement,
}

/// A row that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Breach {
    /// The invariant's name.
    pub invariant: &'static str,
    /// The row, by its key.
    pub row: String,
    /// What is wrong.
    pub what: String,
}

/// Checks invariants; the breaches of all of them, at most a thousand each.
pub async fn check(db: &Db, invariants: &[&'static Invariant]) -> Result<Vec<Breach>, Error> {
    let mut breaches = Vec::new();
    let mut read = db.read().await?;
    for invariant in invariants {
        let found = read
            .fetch(&invariant.breaches, &[], |row| Ok(Breach { invariant: invariant.name, row: row.text(0)?, what: row.text(1)? }))
            .await?;
        breaches.extend(found.into_iter().take(1000));
    }
    Ok(breaches)
}
