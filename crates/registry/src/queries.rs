//! Reads of the registry's own bookkeeping.

use crate::{Registry, decide};
use db::{Error, Statement, row};

// The database's time or this process's, whichever is later: rounds of other machines are compared with it.
static LAST_ROUND: Statement = Statement::new(
    "registry.last_round",
    "select f.swept_at, (select count(*) from lease), (select count(*) from instance where status = 'gone'), $1
     from registry f
     where f.one = 1",
)
.on_postgres(
    "select f.swept_at, (select count(*) from lease), (select count(*) from instance where status = 'gone'),
            greatest($1, cast(extract(epoch from clock_timestamp()) * 1000000 as bigint))
     from registry f
     where f.one = 1",
);

impl Registry {
    /// True when no process had its round just now, and there is anyone a round could be about.
    pub(crate) async fn is_round_due(&self) -> Result<bool, Error> {
        let read = |row: &db::Row| Ok((row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?));
        let found = self.db.fetch(&LAST_ROUND, &row![self.db.now()], read).await?;
        let Some((swept_at, leases, gone, now)) = found.first().copied() else { return Ok(true) };
        // A little early, so that rounds stay as far apart as the loop that asks for them.
        Ok((leases > 0 || gone > 0) && now - swept_at >= decide::ROUND_US * 8 / 10)
    }
}
