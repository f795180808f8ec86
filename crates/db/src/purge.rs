//! Removes kept answers once nobody will repeat their requests.
//! Refuses to take the writer for long: a run removes at most [`PurgeAnswers::MAX`], and the next goes on.

use crate::{Command, Error, Rank, Statement, Tx};
use kernel::{Instant, Outcome, Refusal};

// Rows that are being written meanwhile, as by an erasure, are left for the next run.
static PURGE: Statement = Statement::new(
    "db.purge_answers",
    "delete from idempotency
     where (caller, route, key) in (
         select i.caller, i.route, i.key
         from idempotency i
         where i.at < $1
         order by i.at
         limit 10000 {for update of i skip locked}
     )",
)
.locks(Rank::Other);

/// Deletes answers that were kept before a time; the reply is how many. As many as [`PurgeAnswers::MAX`] means that more are left.
/// A run that finds none is refused with `not-found`, so that no answer is kept for it.
#[derive(Debug, Clone, Copy)]
pub struct PurgeAnswers;

impl PurgeAnswers {
    /// Answers that one run deletes at most; the limit in the statement.
    pub const MAX: u64 = 10_000;
}

impl Command for PurgeAnswers {
    const NAME: &'static str = "db.purge_answers";
    /// Answers kept before this time are deleted.
    type Input = Instant;
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Instant], _: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        let before = batch.iter().copied().max().copied().unwrap_or(Instant(i64::MIN));
        let purged = tx.execute(&PURGE, &[before.into()]).await?;
        // Runs that meet in a batch are one run; the first is told what it did.
        let mut first = (purged > 0).then_some(purged);
        Ok(batch.iter().map(|_| first.take().ok_or_else(|| Refusal::not_found("kept answer", format!("from before {before}")))).collect())
    }
}
