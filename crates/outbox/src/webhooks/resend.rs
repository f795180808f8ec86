//! Deliveries that somebody asks for: a test event, and an ended delivery once more.
//! Refuses to send again what still waits, and to send to a webhook that is disabled.

use super::decide::Standing;
use super::fanout::{ADD, body};
use super::model::{DeliveryState, TEST_TOPIC, WebhookState};
use super::settle::{Locked, load_standing, lock, note};
use db::{Act, Column, Command, Error, Rows, Statement, Tx, row};
use kernel::{Code, DeliveryId, GameId, Instant, Outcome, Refusal, Uuid, WebhookId};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

static OF_WHOM: Statement = Statement::new(
    "webhooks.load_owners",
    "select d.id, d.webhook
     from rows r join delivery d on d.id = r.id",
)
.rows(&[("id", Column::Bytes)]);

static OF_WHICH_GAME: Statement = Statement::new(
    "webhooks.load_games",
    "select w.id, w.game
     from rows r join webhook w on w.id = r.id",
)
.rows(&[("id", Column::Bytes)]);

static AGAIN: Statement = Statement::new(
    "webhooks.redeliver",
    "update delivery set state = 'due', due_at = r.due_at, attempts = 0, settled_at = null
     from rows r
     where delivery.id = r.id",
)
.rows(&[("id", Column::Bytes), ("due_at", Column::Int)]);

/// A delivery that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) game: GameId,
    pub(crate) webhook: WebhookId,
    /// The delivery to send again, or the id of the test's.
    pub(crate) delivery: DeliveryId,
    /// The id of a test event; none where an ended delivery is sent again.
    pub(crate) test: Option<Uuid>,
}

/// Makes deliveries due.
pub(crate) struct Resend;

impl Command for Resend {
    const NAME: &'static str = "webhooks.resend";
    type Input = Wanted;
    type Reply = DeliveryId;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Wanted], now: Instant) -> Result<Vec<Outcome<DeliveryId>>, Error> {
        let mut ground = load(tx, batch).await?;
        let before = ground.webhooks.clone();
        let outcomes: Vec<Outcome<DeliveryId>> = batch.iter().map(|wanted| ground.resend(wanted)).collect();
        let done = || batch.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(wanted, _)| *wanted);
        let tests = done().filter_map(|wanted| wanted.test.map(|event| (wanted, event)));
        tx.write(&ADD, Rows::of(tests, |(wanted, event)| test_row(wanted, event, now))).await?;
        tx.write(&AGAIN, Rows::of(done().filter(|wanted| wanted.test.is_none()), |wanted| row![wanted.delivery, now])).await?;
        note(tx, &before, &ground.webhooks).await?;
        Ok(outcomes)
    }

    fn privileged(&self, input: &Wanted, delivery: &DeliveryId) -> Option<Act> {
        let act = if input.test.is_some() { "webhook.tested" } else { "webhook.redelivered" };
        let detail = json!({ "webhook": input.webhook, "delivery": delivery });
        Some(Act { act, subject: format!("game/{}", input.game), detail })
    }
}

/// A test is an aggregate of its own, so that it waits for nothing and nothing waits for it.
fn test_row(wanted: &Wanted, event: Uuid, now: Instant) -> [db::Value<'static>; 12] {
    let aggregate = format!("test/{event}");
    let body = body(TEST_TOPIC, now, &aggregate, 1, &json!({ "game": wanted.game, "webhook": wanted.webhook }));
    let state = DeliveryState::Due.as_str();
    let place = trace::place(&tracing::Span::current());
    row![wanted.delivery, wanted.webhook, event, wanted.game.to_string(), TEST_TOPIC, aggregate, 1, body, state, now, now, place]
}

struct Ground {
    webhooks: BTreeMap<WebhookId, Locked>,
    games: BTreeMap<WebhookId, GameId>,
    owners: BTreeMap<DeliveryId, WebhookId>,
    standing: BTreeMap<DeliveryId, Standing>,
}

async fn load(tx: &mut Tx<'_>, batch: &[&Wanted]) -> Result<Ground, Error> {
    let named: BTreeSet<WebhookId> = batch.iter().map(|wanted| wanted.webhook).collect();
    let webhooks = lock(tx, named.clone()).await?;
    let games = tx.load(&OF_WHICH_GAME, Rows::of(named, |id| row![id]), |row| Ok((row.id(0)?, row.parsed(1)?))).await?;
    let again: BTreeSet<DeliveryId> = batch.iter().filter(|wanted| wanted.test.is_none()).map(|wanted| wanted.delivery).collect();
    let owners = tx.load(&OF_WHOM, Rows::of(&again, |id| row![*id]), |row| Ok((row.id(0)?, row.id(1)?))).await?;
    let standing = load_standing(tx, again.into_iter()).await?;
    Ok(Ground { webhooks, games: games.into_iter().collect(), owners: owners.into_iter().collect(), standing })
}

impl Ground {
    fn resend(&mut self, wanted: &Wanted) -> Outcome<DeliveryId> {
        let is_theirs = self.games.get(&wanted.webhook) == Some(&wanted.game);
        let webhook = self.webhooks.get_mut(&wanted.webhook).filter(|webhook| is_theirs && webhook.state != WebhookState::Deleted);
        let webhook = webhook.ok_or_else(|| Refusal::not_found("webhook", wanted.webhook))?;
        if wanted.test.is_none() && self.owners.get(&wanted.delivery) != Some(&wanted.webhook) {
            return Err(Refusal::not_found("delivery", wanted.delivery));
        }
        if webhook.state != WebhookState::Enabled {
            let told = format!("webhook {} is disabled ({}): enable it first", wanted.webhook, webhook.reason);
            return Err(Refusal::new(Code::WrongState, told));
        }
        if wanted.test.is_none() {
            let standing = self.standing.get_mut(&wanted.delivery).ok_or_else(|| Refusal::not_found("delivery", wanted.delivery))?;
            if standing.state.waits() {
                let told = format!("delivery {} still waits to be sent: one that was delivered or parked would be right", wanted.delivery);
                return Err(Refusal::new(Code::WrongState, told));
            }
            standing.state = DeliveryState::Due;
        }
        webhook.waiting += 1;
        Ok(wanted.delivery)
    }
}
