//! Removes grants that ended long ago, with their lists; what players got of them stays in their histories.
//! Refuses to take the writer for long: a run removes at most [`PurgeGrants::MAX`] rows, and the next goes on.

use db::{Command, Error, Rank, Statement, Tx};
use kernel::{Instant, Outcome};

// From here on nobody is shown the grant: its list goes piece by piece.
static MARK: Statement = Statement::new(
    "teams.mark_ended_grants",
    "update cash_grant set state = 'removed'
     where id in (
         select g.id
         from cash_grant g
         where g.state in ('done', 'cancelled') and g.changed_at < $1
         order by g.id
         limit 100 {for update of g skip locked}
     )",
)
.locks(Rank::Other);

static REMOVE_LISTED: Statement = Statement::new(
    "teams.remove_listed",
    "delete from cash_grant_row
     where (grant_id, player) in (
         select r.grant_id, r.player
         from cash_grant g join cash_grant_row r on r.grant_id = g.id
         where g.state = 'removed'
         order by r.grant_id, r.player
         limit 10000 {for update of r skip locked}
     )",
)
.locks(Rank::Other);

static REMOVE: Statement = Statement::new(
    "teams.remove_grants",
    "delete from cash_grant
     where state = 'removed' and not exists (select 1 from cash_grant_row r where r.grant_id = cash_grant.id)",
)
.locks(Rank::Other);

/// Removes what ended before a time; the reply is how many rows of lists went. As many as [`PurgeGrants::MAX`] means that more are left.
#[derive(Debug, Clone, Copy)]
pub struct PurgeGrants;

impl PurgeGrants {
    /// Rows of lists that one run removes at most; the limit in the statement.
    pub const MAX: u64 = 10_000;
}

impl Command for PurgeGrants {
    const NAME: &'static str = "teams.purge_grants";
    const KEYED: bool = false;
    /// What ended before this time goes.
    type Input = Instant;
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Instant], _: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        let before = batch.iter().copied().max().copied().unwrap_or(Instant(i64::MIN));
        tx.execute(&MARK, &[before.into()]).await?;
        let removed = tx.execute(&REMOVE_LISTED, &[]).await?;
        tx.execute(&REMOVE, &[]).await?;
        // Runs that meet in a batch are one run; the first is told what it did.
        let mut first = Some(removed);
        Ok(batch.iter().map(|_| Ok(first.take().unwrap_or(0))).collect())
    }
}
