//! What is read of the outbox without a lock: whether anything is due, how much waits, what is parked, whom nobody serves.
//! Refuses to show payloads.

use crate::commands::{SERVED, SUBSCRIBERS, due, served_rows, uuid};
use crate::{Outbox, decide::PARKED_AT};
use db::{Error, Statement};
use kernel::{Instant, Uuid};
use serde::Serialize;

static ANY_DUE: Statement = Statement::new("outbox.any_due", due!("cast(1 as bigint)", "limit 1")).rows(SERVED);

static MEASURE: Statement = Statement::new(
    "outbox.measure",
    "select count(*), min(o.at), (select count(*) from outbox p where p.due_at = $1)
     from outbox o
     where o.due_at < $1",
);

static PARKED: Statement = Statement::new(
    "outbox.parked",
    "select id, topic, aggregate, version, at, attempts
     from outbox
     where due_at = $1
     order by at, id
     limit 1000",
);

/// A row that failed too often and waits for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// The row, for [`Outbox::resume`].
    pub id: Uuid,
    /// Its topic.
    pub topic: String,
    /// What it is about.
    pub aggregate: String,
    /// Its version within that.
    pub version: i64,
    /// When it became true.
    pub at: Instant,
    /// How often it was tried.
    pub attempts: i64,
}

impl Outbox {
    /// Rows that failed too often, oldest first, at most a thousand.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn parked(&self) -> Result<Vec<Parked>, Error> {
        self.db
            .fetch(&PARKED, &[PARKED_AT.into()], |row| {
                Ok(Parked {
                    id: uuid(row)?,
                    topic: row.text(1)?,
                    aggregate: row.text(2)?,
                    version: row.int(3)?,
                    at: row.instant(4)?,
                    attempts: row.int(5)?,
                })
            })
            .await
    }

    /// True when a row is due that this process may claim.
    pub(crate) async fn is_any_due(&self) -> Result<bool, Error> {
        let rows = served_rows(&self.sinks, self.db.now());
        Ok(!self.db.read().await?.load(&ANY_DUE, rows, |row| row.int(0)).await?.is_empty())
    }

    /// Sets the gauges: rows that wait, the age of the oldest, rows that are parked.
    pub(crate) async fn measure(&self) -> Result<(), Error> {
        let found = self.db.fetch(&MEASURE, &[PARKED_AT.into()], |row| Ok((row.int(0)?, row.instant_opt(1)?, row.int(2)?))).await?;
        let (rows, oldest, parked) = found.into_iter().next().unwrap_or_default();
        let age_us = oldest.map_or(0, |oldest| self.db.now().since_us(oldest).max(0));
        metrics::gauge!("guildhall_outbox_rows").set(rows as f64);
        metrics::gauge!("guildhall_outbox_age_seconds").set(age_us as f64 / 1e6);
        metrics::gauge!("guildhall_outbox_parked").set(parked as f64);
        Ok(())
    }

    /// Subscriptions that no sink of this process serves.
    pub(crate) async fn not_served(&self) -> Result<Vec<(String, String)>, Error> {
        let all = self.db.fetch(&SUBSCRIBERS, &[], |row| Ok((row.text(0)?, row.text(1)?))).await?;
        let sinks = self.sinks.read();
        let is_served = |topic: &String, subscriber: &String| {
            sinks.iter().any(|served| served.sink.name() == subscriber && served.topics.contains(topic))
        };
        Ok(all.into_iter().filter(|(topic, subscriber)| !is_served(topic, subscriber)).collect())
    }
}
