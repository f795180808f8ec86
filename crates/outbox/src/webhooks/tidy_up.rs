//! What time does to deliveries and secrets: those of webhooks that are not enabled are parked, old ones are removed, secrets are sealed anew.
//! Refuses to take the writer for long: a run does a bounded number of rows, and the next goes on.

use super::DeliveryListener;
use super::claims::sealed;
use super::model::{Ending, Settled, WebhookState};
use super::settle::{load_standing, lock, note, promote, tell};
use super::vault::{Sealed, Vault};
use db::{Column, Command, Error, Rank, Rows, Statement, Tx, row};
use kernel::{DeliveryId, Instant, Outcome, WebhookId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Deliveries that one run parks at most; the limit in the statement.
pub(crate) const PARK_MAX: u64 = 500;
/// Deliveries that one run removes at most; the limit in the statement.
pub(crate) const PURGE_MAX: u64 = 1_000;

static STRANDED: Statement = Statement::new(
    "webhooks.find_stranded",
    "select d.id, d.webhook, d.event, d.game, d.topic, d.aggregate, d.version, d.delivered_at, w.reason
     from webhook w join delivery d on d.webhook = w.id
     where w.state <> 'enabled' and w.waiting > 0 and d.settled_at is null
     limit 500",
);

static PARK: Statement = Statement::new(
    "webhooks.park",
    "update delivery set state = 'parked', due_at = null, settled_at = r.at, told = r.told
     from rows r
     where delivery.id = r.id",
)
.rows(&[("id", Column::Bytes), ("at", Column::Int), ("told", Column::Text)]);

static PURGE: Statement = Statement::new(
    "webhooks.purge",
    "delete from delivery
     where id in (
         select d.id
         from delivery d
         where d.settled_at < $1 and (d.settled_at < $2 or d.state = 'delivered') and (d.settled_at < $3 or d.state = 'parked')
         order by d.settled_at
         limit 1000 {for update of d skip locked}
     )",
)
.locks(Rank::Other);

static PURGE_SECRETS: Statement = Statement::new("webhooks.purge_secrets", "delete from webhook_secret where expires_at <= $1");

static PURGE_DELETED: Statement = Statement::new(
    "webhooks.purge_deleted",
    "delete from webhook
     where state = 'deleted' and waiting = 0 and not exists (select 1 from delivery d where d.webhook = webhook.id)",
);

static OLD_SEALS: Statement = Statement::new(
    "webhooks.find_old_seals",
    "select s.webhook, s.number, s.master_key_id, s.sealed
     from webhook_secret s
     where s.master_key_id <> $1
     order by s.webhook, s.number {for update of s}",
)
.locks(Rank::Other);

static RESEAL: Statement = Statement::new(
    "webhooks.reseal",
    "update webhook_secret set master_key_id = r.master_key_id, sealed = r.sealed
     from rows r
     where webhook_secret.webhook = r.webhook and webhook_secret.number = r.number",
)
.rows(&[("webhook", Column::Bytes), ("number", Column::Int), ("master_key_id", Column::Int), ("sealed", Column::Bytes)]);

/// Parks what waits for webhooks that are not enabled.
pub(crate) struct Park {
    pub(crate) listener: Option<Arc<dyn DeliveryListener>>,
}

struct Stranded {
    delivery: DeliveryId,
    webhook: WebhookId,
    settled: Settled,
    was_delivered: bool,
    reason: String,
}

impl Command for Park {
    const NAME: &'static str = "webhooks.park";
    const KEYED: bool = false;
    type Input = ();
    /// How many were found.
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a ()], now: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        let stranded = tx.fetch(&STRANDED, &[], stranded).await?;
        // First of all: what a listener locks comes before our rows in the order of ranks.
        let told = stranded.iter().filter(|one| !one.was_delivered).map(|one| one.settled.clone()).collect();
        tell(tx, self.listener.as_deref(), told).await?;
        let before = lock(tx, stranded.iter().map(|one| one.webhook).collect::<BTreeSet<_>>()).await?;
        if let Some((id, _)) = before.iter().find(|(_, webhook)| webhook.state == WebhookState::Enabled) {
            return Err(Error::Again(format!("webhook {id} was enabled while its deliveries were being parked")));
        }
        let mut after = before.clone();
        let standing = load_standing(tx, stranded.iter().map(|one| one.delivery)).await?;
        let (mut parked, mut left) = (Rows::new(), BTreeSet::new());
        for one in &stranded {
            let waits = standing.get(&one.delivery).is_some_and(|stands| stands.state.waits());
            if let (true, Some(webhook)) = (waits, after.get_mut(&one.webhook)) {
                webhook.waiting -= 1;
                left.insert((one.webhook, one.settled.aggregate.as_str()));
                parked.push(&row![one.delivery, now, format!("not sent: {}", one.reason)]);
            }
        }
        tx.write(&PARK, parked).await?;
        // Whoever enables the webhook before the next run finds nothing that is held behind nothing.
        promote(tx, &left, now).await?;
        note(tx, &before, &after).await?;
        let found = stranded.len() as u64;
        Ok(batch.iter().map(|()| Ok(found)).collect())
    }
}

fn stranded(row: &db::Row) -> Result<Stranded, Error> {
    let settled = Settled {
        event: crate::commands::uuid_at(row, 2)?,
        game: row.parsed(3)?,
        topic: row.text(4)?,
        aggregate: row.text(5)?,
        version: row.int(6)?,
        ending: Ending::Parked,
    };
    Ok(Stranded { delivery: row.id(0)?, webhook: row.id(1)?, settled, was_delivered: row.instant_opt(7)?.is_some(), reason: row.text(8)? })
}

/// What may be removed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Old {
    pub(crate) delivered_before: Instant,
    pub(crate) parked_before: Instant,
}

/// Removes old deliveries, expired secrets, and deleted webhooks that have no delivery left.
pub(crate) struct Purge;

impl Command for Purge {
    const NAME: &'static str = "webhooks.purge";
    const KEYED: bool = false;
    type Input = Old;
    /// How many deliveries were removed.
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Old], now: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        let mut purged = 0;
        if let Some(old) = batch.first() {
            // The first bound is one that the index on the time knows.
            let (delivered, parked) = (old.delivered_before, old.parked_before);
            purged = tx.execute(&PURGE, &row![delivered.max(parked), parked, delivered]).await?;
            tx.execute(&PURGE_SECRETS, &row![now]).await?;
            tx.execute(&PURGE_DELETED, &[]).await?;
        }
        Ok(batch.iter().map(|_| Ok(purged)).collect())
    }
}

/// What sealing anew came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resealed {
    /// Secrets sealed with the current key now.
    pub resealed: u64,
    /// Secrets whose key is missing; they were left as they are.
    pub unreadable: u64,
}

/// Seals every secret with the current key. There are a few per webhook, so all of them at once.
pub(crate) struct Reseal {
    pub(crate) vault: Arc<Vault>,
}

impl Command for Reseal {
    const NAME: &'static str = "webhooks.reseal";
    const KEYED: bool = false;
    type Input = ();
    type Reply = Resealed;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a ()], _: Instant) -> Result<Vec<Outcome<Resealed>>, Error> {
        let old = |row: &db::Row| Ok((row.id::<WebhookId>(0)?, row.int(1)?, sealed(row, 2)?));
        let old: Vec<(WebhookId, i64, Sealed)> = tx.fetch(&OLD_SEALS, &row![self.vault.current_id()], old).await?;
        let mut rows = Rows::new();
        for (webhook, number, closed) in &old {
            if let Ok(secret) = self.vault.open(*webhook, *number, closed) {
                let anew = self.vault.seal(*webhook, *number, &secret);
                rows.push(&row![*webhook, *number, anew.master_key_id, anew.bytes]);
            }
        }
        let done = Resealed { resealed: rows.len(), unreadable: old.len() as u64 - rows.len() };
        tx.write(&RESEAL, rows).await?;
        Ok(batch.iter().map(|()| Ok(done)).collect())
    }
}
