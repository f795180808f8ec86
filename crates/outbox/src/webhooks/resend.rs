//! Deliveries that somebody asks for: a test event, an ended delivery once more, and all that were parked.
//! Refuses to send again what still waits, and to send to a webhook that is disabled.

use super::decide::{self, Standing, WAITING_MAX};
use super::fanout::{ADD, WAITING, body};
use super::model::{DeliveryState, TEST_TOPIC, WebhookState};
use super::settle::{Locked, load_standing, lock, note};
use db::{Act, Column, Command, Error, Rows, Statement, Tx, row};
use kernel::{Code, DeliveryId, GameId, Instant, Outcome, Refusal, Uuid, WebhookId};
use serde::{Deserialize, Serialize};
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
    "update delivery set state = r.state, due_at = r.due_at, attempts = 0, settled_at = null
     from rows r
     where delivery.id = r.id",
)
.rows(&[("id", Column::Bytes), ("state", Column::Text), ("due_at", Column::Int)]);

// Ids made later sort later, and of one aggregate they are made in the order of its versions.
static PARKED: Statement = Statement::new(
    "webhooks.find_parked",
    "select d.webhook, d.id, d.aggregate
     from rows r join delivery d on d.webhook = r.webhook
     where d.state = 'parked'
     order by d.id
     limit 500",
)
.rows(&[("webhook", Column::Bytes)]);

/// Parked deliveries that are sent again at once at most; the limit in the statement.
pub(crate) const AGAIN_MAX: usize = 500;

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
        let again = done().filter(|wanted| wanted.test.is_none());
        tx.write(&AGAIN, Rows::of(again, |wanted| row![wanted.delivery, DeliveryState::Due.as_str(), now])).await?;
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
    let games = load_games(tx, &named).await?;
    let again: BTreeSet<DeliveryId> = batch.iter().filter(|wanted| wanted.test.is_none()).map(|wanted| wanted.delivery).collect();
    let owners = tx.load(&OF_WHOM, Rows::of(&again, |id| row![*id]), |row| Ok((row.id(0)?, row.id(1)?))).await?;
    let standing = load_standing(tx, again.into_iter()).await?;
    Ok(Ground { webhooks, games, owners: owners.into_iter().collect(), standing })
}

async fn load_games(tx: &mut Tx<'_>, webhooks: &BTreeSet<WebhookId>) -> Result<BTreeMap<WebhookId, GameId>, Error> {
    let game = |row: &db::Row| Ok((row.id(0)?, row.parsed(1)?));
    Ok(tx.load(&OF_WHICH_GAME, Rows::of(webhooks, |id| row![*id]), game).await?.into_iter().collect())
}

impl Ground {
    fn resend(&mut self, wanted: &Wanted) -> Outcome<DeliveryId> {
        let is_theirs = self.games.get(&wanted.webhook) == Some(&wanted.game);
        let webhook = self.webhooks.get_mut(&wanted.webhook).filter(|_| is_theirs);
        let webhook = awake(wanted.webhook, webhook)?;
        if wanted.test.is_none() && self.owners.get(&wanted.delivery) != Some(&wanted.webhook) {
            return Err(Refusal::not_found("delivery", wanted.delivery));
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

/// A webhook that can be sent to.
fn awake(id: WebhookId, webhook: Option<&mut Locked>) -> Outcome<&mut Locked> {
    match webhook {
        Some(webhook) if webhook.state == WebhookState::Enabled => Ok(webhook),
        Some(webhook) if webhook.state == WebhookState::Disabled => {
            let told = format!("webhook {id} is disabled ({}): enable it first", webhook.reason);
            Err(Refusal::new(Code::WrongState, told))
        }
        _ => Err(Refusal::not_found("webhook", id)),
    }
}

/// What came of sending parked deliveries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Redelivered {
    /// How many are sent again.
    #[schema(example = 500)]
    pub redelivered: u64,
    /// True when there may be more: to be asked for again.
    pub more: bool,
}

/// Makes parked deliveries of webhooks due or held again, oldest first, so many at once.
pub(crate) struct ResendParked;

impl Command for ResendParked {
    const NAME: &'static str = "webhooks.resend_parked";
    type Input = (GameId, WebhookId);
    type Reply = Redelivered;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Self::Input], now: Instant) -> Result<Vec<Outcome<Redelivered>>, Error> {
        let named: BTreeSet<WebhookId> = batch.iter().map(|(_, webhook)| *webhook).collect();
        let before = lock(tx, named.clone()).await?;
        let mut after = before.clone();
        let games = load_games(tx, &named).await?;
        let mut parked: BTreeMap<WebhookId, Vec<(DeliveryId, String)>> = BTreeMap::new();
        let found = tx.load(&PARKED, Rows::of(&named, |id| row![*id]), |row| Ok((row.id(0)?, (row.id(1)?, row.text(2)?)))).await?;
        let is_cut = found.len() == AGAIN_MAX;
        for (webhook, one) in found {
            parked.entry(webhook).or_default().push(one);
        }
        let aggregates: BTreeSet<(WebhookId, &str)> =
            parked.iter().flat_map(|(id, of)| of.iter().map(|(_, aggregate)| (*id, aggregate.as_str()))).collect();
        let waits = |row: &db::Row| Ok((row.id::<WebhookId>(0)?, row.text(1)?));
        let waiting = tx.load(&WAITING, Rows::of(aggregates, |(webhook, aggregate)| row![webhook, aggregate]), waits).await?;
        let mut again = Rows::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for (game, id) in batch {
            outcomes.push(awake(*id, after.get_mut(id).filter(|_| games.get(id) == Some(game))).map(|webhook| {
                // Who asks for the same in one batch finds nothing left.
                let of = parked.remove(id).unwrap_or_default();
                let mut waiting: BTreeSet<&str> =
                    waiting.iter().filter(|(of, _)| of == id).map(|(_, aggregate)| aggregate.as_str()).collect();
                let chosen = decide::again(&of, &mut waiting, WAITING_MAX - webhook.waiting);
                for (delivery, state) in &chosen {
                    again.push(&row![*delivery, state.as_str(), (*state == DeliveryState::Due).then_some(now)]);
                }
                webhook.waiting += chosen.len() as i64;
                Redelivered { redelivered: chosen.len() as u64, more: is_cut || chosen.len() < of.len() }
            }));
        }
        tx.write(&AGAIN, again).await?;
        note(tx, &before, &after).await?;
        Ok(outcomes)
    }

    fn privileged(&self, (game, webhook): &Self::Input, reply: &Redelivered) -> Option<Act> {
        let detail = json!({ "webhook": webhook, "deliveries": reply.redelivered });
        Some(Act { act: "webhook.redelivered", subject: format!("game/{game}"), detail })
    }
}
