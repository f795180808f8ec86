//! Claims on due deliveries, as leases: who claims one has it until the lease ends.
//! Refuses deliveries of webhooks that are not enabled, and more of one webhook than there is room for.

use super::decide::endpoints::CONCURRENCY_MAX;
use super::vault::Sealed;
use db::{Column, Command, Error, Rank, Row, Rows, Statement, Tx, row};
use kernel::time::SECOND_US;
use kernel::{DeliveryId, GameId, Instant, Outcome, Uuid, WebhookId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A claimed delivery belongs to its claimer this long, in seconds: three times what an attempt may take.
pub(crate) const LEASE_S: i64 = 45;

// The limit stands in both texts in figures. SQLite looks the few rows of each webhook up by their key; Postgres reads them in a
// lateral select, which it can lock.
const _: () = assert!(CONCURRENCY_MAX == 32);

static DUE: Statement = Statement::new(
    "webhooks.claim_due",
    "select d.id, d.webhook, d.event, d.game, d.topic, d.aggregate, d.version, d.body, d.attempts, d.delivered_at, w.url, d.trace
     from rows r
     join webhook w on w.id = r.webhook and w.state = 'enabled'
     cross join delivery d
     where d.id in (
         select x.id
         from delivery x
         where x.webhook = r.webhook and x.state = 'due' and x.due_at <= r.due_by
         order by x.due_at, x.id
         limit 32
     )
     order by d.webhook, d.due_at, d.id",
)
.on_postgres(
    "select d.id, d.webhook, d.event, d.game, d.topic, d.aggregate, d.version, d.body, d.attempts, d.delivered_at, w.url, d.trace
     from rows r
     join webhook w on w.id = r.webhook and w.state = 'enabled'
     cross join lateral (
         select x.*
         from delivery x
         where x.webhook = r.webhook and x.state = 'due' and x.due_at <= r.due_by
         order by x.due_at, x.id
         limit 32 {for update of x skip locked}
     ) d
     order by d.webhook, d.due_at, d.id",
)
.rows(&[("webhook", Column::Bytes), ("due_by", Column::Int)])
.locks(Rank::Other);

static LEASE: Statement = Statement::new(
    "webhooks.lease",
    "update delivery set due_at = r.due_at, attempts = r.attempts, tried_at = r.tried_at
     from rows r
     where delivery.id = r.id",
)
.rows(&[("id", Column::Bytes), ("due_at", Column::Int), ("attempts", Column::Int), ("tried_at", Column::Int)]);

static SECRETS: Statement = Statement::new(
    "webhooks.signing_secrets",
    "select s.webhook, s.number, s.master_key_id, s.sealed
     from rows r join webhook_secret s on s.webhook = r.webhook
     where s.expires_at is null or s.expires_at > r.now
     order by s.webhook, s.number desc",
)
.rows(&[("webhook", Column::Bytes), ("now", Column::Int)]);

/// A delivery with its lease.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claimed {
    pub(crate) delivery: DeliveryId,
    pub(crate) webhook: WebhookId,
    pub(crate) event: Uuid,
    pub(crate) game: GameId,
    pub(crate) topic: String,
    pub(crate) aggregate: String,
    pub(crate) version: i64,
    pub(crate) body: String,
    /// Counting the one that begins now.
    pub(crate) attempts: i64,
    /// True when it got a 2xx before it was redelivered.
    pub(crate) was_delivered: bool,
    pub(crate) url: String,
    /// The place in a trace that the event came from, where one is collected.
    pub(crate) trace: Option<String>,
    /// What it is signed with, the current one first, with their numbers.
    pub(crate) secrets: Vec<(i64, Sealed)>,
}

/// Claims due deliveries.
pub(crate) struct Claim;

impl Command for Claim {
    const NAME: &'static str = "webhooks.claim";
    const KEYED: bool = false;
    /// How many of each webhook there is room for.
    type Input = BTreeMap<WebhookId, usize>;
    type Reply = Vec<Claimed>;

    async fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        batch: &'a [&'a BTreeMap<WebhookId, usize>],
        now: Instant,
    ) -> Result<Vec<Outcome<Vec<Claimed>>>, Error> {
        // Drains of one process that meet in a batch: the first gets what there is room for with it, the others look again.
        let mut room = batch.first().map(|room| (*room).clone()).unwrap_or_default();
        let found = tx.load(&DUE, Rows::of(room.keys(), |webhook| row![*webhook, now]), claimed).await?;
        let mut taken: Vec<Claimed> = found.into_iter().filter(|one| take_room(&mut room, one.webhook)).collect();
        let lease_ends = now.plus_us(LEASE_S * SECOND_US);
        tx.write(&LEASE, Rows::of(&taken, |one| row![one.delivery, lease_ends, one.attempts, now])).await?;
        let secrets = load_secrets(tx, &taken, now).await?;
        for one in &mut taken {
            one.secrets = secrets.get(&one.webhook).cloned().unwrap_or_default();
        }
        let mut first = Some(taken);
        Ok(batch.iter().map(|_| Ok(first.take().unwrap_or_default())).collect())
    }
}

fn take_room(room: &mut BTreeMap<WebhookId, usize>, webhook: WebhookId) -> bool {
    match room.get_mut(&webhook) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

async fn load_secrets(tx: &mut Tx<'_>, taken: &[Claimed], now: Instant) -> Result<BTreeMap<WebhookId, Vec<(i64, Sealed)>>, Error> {
    let webhooks: BTreeSet<WebhookId> = taken.iter().map(|one| one.webhook).collect();
    let secret = |row: &Row| Ok((row.id::<WebhookId>(0)?, (row.int(1)?, sealed(row, 2)?)));
    let mut secrets: BTreeMap<WebhookId, Vec<(i64, Sealed)>> = BTreeMap::new();
    for (webhook, one) in tx.load(&SECRETS, Rows::of(webhooks, |id| row![id, now]), secret).await? {
        secrets.entry(webhook).or_default().push(one);
    }
    Ok(secrets)
}

/// A sealed secret from a column with its key's id and the one after it.
pub(super) fn sealed(row: &Row, column: usize) -> Result<Sealed, Error> {
    let master_key_id = u32::try_from(row.int(column)?).map_err(|_| Error::Broken("a master key's id is not one".to_owned()))?;
    Ok(Sealed { master_key_id, bytes: row.bytes(column + 1)? })
}

fn claimed(row: &Row) -> Result<Claimed, Error> {
    Ok(Claimed {
        delivery: row.id(0)?,
        webhook: row.id(1)?,
        event: crate::commands::uuid_at(row, 2)?,
        game: row.parsed(3)?,
        topic: row.text(4)?,
        aggregate: row.text(5)?,
        version: row.int(6)?,
        body: row.text(7)?,
        attempts: row.int(8)? + 1,
        was_delivered: row.instant_opt(9)?.is_some(),
        url: row.text(10)?,
        trace: row.text_opt(11)?,
        secrets: Vec::new(),
    })
}
