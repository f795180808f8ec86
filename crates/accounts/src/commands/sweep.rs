//! Removes what has had its time: sessions long over, and mailed tokens that expired.
//! Refuses to remove a session while tokens of it may live or its owner may still want to see it.

use crate::Accounts;
use db::{Command, Error, Meta, Rank, Statement, Tx, row};
use kernel::{Instant, Outcome};

/// Sessions are shown to their owner this long after they ended or expired.
const KEPT_US: i64 = 30 * 24 * kernel::time::HOUR_US;
/// Rows that one turn removes of each table at most.
const BATCH: i64 = 500;

static SESSIONS: Statement = Statement::new(
    "accounts.sweep_sessions",
    "delete from session where id in (
         select id from session where expires_at < $1 or ended_at < $1 limit $2
     )",
)
.locks(Rank::Other);

static TOKENS: Statement = Statement::new(
    "accounts.sweep_mail_tokens",
    "delete from mail_token where hash in (
         select hash from mail_token where expires_at < $1 limit $2
     )",
)
.locks(Rank::Other);

/// Removes what has had its time.
pub struct Sweep;

impl Command for Sweep {
    const NAME: &'static str = "accounts.sweep";
    type Input = ();
    /// How many rows were removed.
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a ()], now: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        // The same rank as everywhere: tokens are locked before sessions.
        let tokens = tx.execute(&TOKENS, &row![now, BATCH]).await?;
        let sessions = tx.execute(&SESSIONS, &row![now.plus_us(-KEPT_US), BATCH]).await?;
        Ok(batch.iter().map(|()| Ok(tokens + sessions)).collect())
    }
}

impl Accounts {
    /// Removes sessions that ended or expired 30 days ago and mailed tokens that expired; returns how many rows. To be called now and then.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let mut removed = 0;
        loop {
            let some = self.inner.sweeps.send(Meta::ours("accounts.sweep"), ()).await?;
            removed += some;
            if some < BATCH.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}
