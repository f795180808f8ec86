//! What is read of webhooks without a lock: lists for their teams, who has something due, and the gauges.
//! Refuses to show secrets and what was sent.

use super::Webhooks;
use super::endpoints::hook;
use super::model::{Delivery, DeliveryState, Webhook, WebhookState};
use db::{Error, Row, Statement, row};
use kernel::{Cursor, DeliveryId, GameId, Page, Refusal, Uuid, WebhookId, page};
use std::collections::HashMap;

static LIST: Statement = Statement::new(
    "webhooks.list",
    "select id, game, url, topics, description, concurrency, state, reason, waiting, created_at, changed_at
     from webhook
     where game = $1 and state <> 'deleted'
     order by id",
);

static READ: Statement = Statement::new(
    "webhooks.read",
    "select id, game, url, topics, description, concurrency, state, reason, waiting, created_at, changed_at
     from webhook
     where id = $1 and game = $2 and state <> 'deleted'",
);

static DELIVERIES: Statement = Statement::new(
    "webhooks.list_deliveries",
    "select id, event, topic, aggregate, version, state, attempts, status, told, created_at, tried_at, due_at, delivered_at
     from delivery
     where webhook = $1 and id < $2
     order by id desc
     limit $3",
);

static DELIVERIES_IN: Statement = Statement::new(
    "webhooks.list_deliveries_in",
    "select id, event, topic, aggregate, version, state, attempts, status, told, created_at, tried_at, due_at, delivered_at
     from delivery
     where webhook = $1 and id < $2 and state = $4
     order by id desc
     limit $3",
);

static DELIVERY: Statement = Statement::new(
    "webhooks.read_delivery",
    "select id, event, topic, aggregate, version, state, attempts, status, told, created_at, tried_at, due_at, delivered_at
     from delivery
     where webhook = $1 and id = $2",
);

static HAVE_DUE: Statement = Statement::new(
    "webhooks.have_due",
    "select w.id, w.concurrency
     from webhook w
     where w.state = 'enabled' and w.waiting > 0
       and exists (select 1 from delivery d where d.webhook = w.id and d.state = 'due' and d.due_at <= $1)",
);

static MEASURE: Statement =
    Statement::new("webhooks.measure", "select state, count(*), cast(coalesce(sum(waiting), 0) as bigint) from webhook group by state");

static ANY_STRANDED: Statement =
    Statement::new("webhooks.any_stranded", "select 1 from webhook where state <> 'enabled' and waiting > 0 limit 1");

static ANY_WEBHOOK: Statement = Statement::new("webhooks.any", "select cast(1 as bigint) from webhook limit 1");

impl Webhooks {
    /// A game's webhooks, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list(&self, game: &GameId) -> Result<Vec<Webhook>, Error> {
        self.inner.db.fetch(&LIST, &row![game.as_str()], view).await
    }

    /// One webhook of a game.
    ///
    /// # Errors
    /// There is none.
    pub async fn webhook(&self, game: &GameId, webhook: WebhookId) -> Result<Webhook, Error> {
        let found = self.inner.db.fetch(&READ, &row![webhook, game.as_str()], view).await?.pop();
        found.ok_or_else(|| Refusal::not_found("webhook", webhook).into())
    }

    /// A webhook's deliveries, newest first; of one state only where one is named.
    ///
    /// # Errors
    /// There is no such webhook, the cursor is none of this list, or the size is out of range.
    pub async fn deliveries(
        &self,
        game: &GameId,
        webhook: WebhookId,
        state: Option<DeliveryState>,
        before: Option<&Cursor>,
        size: Option<u32>,
    ) -> Result<Page<Delivery>, Error> {
        let size = page::size(size)?;
        let before = before.map(Cursor::id).transpose()?.unwrap_or(Uuid::max());
        self.webhook(game, webhook).await?;
        let found = match state {
            Some(state) => self.inner.db.fetch(&DELIVERIES_IN, &row![webhook, before, size + 1, state.as_str()], delivery).await?,
            None => self.inner.db.fetch(&DELIVERIES, &row![webhook, before, size + 1], delivery).await?,
        };
        Ok(Page::cut(found, size, |delivery| Cursor::of_id(delivery.delivery.0)))
    }

    /// One delivery of a webhook.
    ///
    /// # Errors
    /// There is none.
    pub async fn delivery(&self, webhook: WebhookId, id: DeliveryId) -> Result<Delivery, Error> {
        let found = self.inner.db.fetch(&DELIVERY, &row![webhook, id], delivery).await?.pop();
        found.ok_or_else(|| Refusal::not_found("delivery", id).into())
    }

    /// Webhooks that have something due, with how much each takes at once.
    pub(super) async fn have_due(&self) -> Result<Vec<(WebhookId, usize)>, Error> {
        let due = |row: &Row| Ok((row.id(0)?, usize::try_from(row.int(1)?).unwrap_or(1)));
        self.inner.db.fetch(&HAVE_DUE, &row![self.inner.db.now()], due).await
    }

    /// True when something waits for a webhook that is not enabled.
    pub(super) async fn any_stranded(&self) -> Result<bool, Error> {
        Ok(!self.inner.db.fetch(&ANY_STRANDED, &[], |_| Ok(())).await?.is_empty())
    }

    /// True when there is a webhook at all; a store without one is not written to on their behalf.
    pub(super) async fn any(&self) -> Result<bool, Error> {
        Ok(!self.inner.db.fetch(&ANY_WEBHOOK, &[], |_| Ok(())).await?.is_empty())
    }

    /// Sets the gauges; where there are none of a state any more, that is said too.
    pub(super) async fn measure(&self) -> Result<(), Error> {
        let found = self.inner.db.fetch(&MEASURE, &[], |row| Ok((row.text(0)?, (row.int(1)?, row.int(2)?)))).await?;
        let found: HashMap<String, (i64, i64)> = found.into_iter().collect();
        for state in [WebhookState::Enabled.as_str(), WebhookState::Disabled.as_str()] {
            let (count, waiting) = found.get(state).copied().unwrap_or_default();
            metrics::gauge!("guildhall_webhooks", "state" => state).set(count as f64);
            metrics::gauge!("guildhall_webhook_deliveries_waiting", "state" => state).set(waiting as f64);
        }
        Ok(())
    }
}

fn view(row: &Row) -> Result<Webhook, Error> {
    hook(row).map(|(id, hook)| hook.view(id))
}

fn delivery(row: &Row) -> Result<Delivery, Error> {
    Ok(Delivery {
        delivery: row.id(0)?,
        event: crate::commands::uuid_at(row, 1)?,
        topic: row.text(2)?,
        aggregate: row.text(3)?,
        version: row.int(4)?,
        state: row.parsed(5)?,
        attempts: row.int(6)?,
        status: row.int_opt(7)?,
        told: row.text(8)?,
        created_at: row.instant(9)?,
        tried_at: row.instant_opt(10)?,
        next_attempt_at: row.instant_opt(11)?,
        delivered_at: row.instant_opt(12)?,
    })
}
