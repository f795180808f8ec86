//! From the outbox to deliveries: each announcement becomes a delivery for every webhook that wants it, in one transaction.
//! Refuses to make a delivery twice, however often the outbox repeats an announcement, and to pass over in silence what somebody is owed.

use super::decide::{self, Event, Known, WAITING_MAX, Wants};
use super::model::{DeliveryState, Ending, Settled, Topic, WebhookState, topics_of};
use super::settle::tell;
use super::{DeliveryListener, Webhooks};
use crate::{Outgoing, Sink};
use db::{Column, Command, Error, Meta, Rank, Rows, Statement, Tx, row};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kernel::{DeliveryId, GameId, Instant, Outcome, Uuid, WebhookId};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

// What is in a game's webhooks changes seldom; whoever wants nothing costs this read and no transaction.
static WISHES: Statement = Statement::new("webhooks.wishes", "select game, topics from webhook where state = 'enabled'");

static LOCK_WANTING: Statement = Statement::new(
    "webhooks.lock_wanting",
    "select w.id, w.game, w.topics, w.waiting
     from webhook w
     where w.state = 'enabled' and w.game in (select game from rows)
     order by w.id {for update of w}",
)
.rows(&[("game", Column::Text)])
.locks(Rank::Other);

static KNOWN: Statement = Statement::new(
    "webhooks.known_events",
    "select d.webhook, d.event
     from rows r join delivery d on d.webhook = r.webhook and d.event = r.event",
)
.rows(&[("webhook", Column::Bytes), ("event", Column::Bytes)]);

pub(super) static WAITING: Statement = Statement::new(
    "webhooks.waiting_aggregates",
    "select r.webhook, r.aggregate
     from rows r
     where exists (select 1 from delivery d where d.webhook = r.webhook and d.aggregate = r.aggregate and d.settled_at is null)",
)
.rows(&[("webhook", Column::Bytes), ("aggregate", Column::Text)]);

pub(super) static ADD: Statement = Statement::new(
    "webhooks.add_delivery",
    "insert into delivery (id, webhook, event, game, topic, aggregate, version, body, state, due_at, attempts, created_at, told, trace)
     select id, webhook, event, game, topic, aggregate, version, body, state, due_at, 0, created_at, '', trace
     from rows",
)
.rows(&[
    ("id", Column::Bytes),
    ("webhook", Column::Bytes),
    ("event", Column::Bytes),
    ("game", Column::Text),
    ("topic", Column::Text),
    ("aggregate", Column::Text),
    ("version", Column::Int),
    ("body", Column::Text),
    ("state", Column::Text),
    ("due_at", Column::Int),
    ("created_at", Column::Int),
    ("trace", Column::Text),
]);

static NOTE: Statement = Statement::new(
    "webhooks.note_waiting",
    "update webhook set waiting = r.waiting, state = r.state, reason = r.reason
     from rows r
     where webhook.id = r.id",
)
.rows(&[("id", Column::Bytes), ("waiting", Column::Int), ("state", Column::Text), ("reason", Column::Text)]);

/// Makes deliveries of events.
pub(crate) struct Fanout;

impl Command for Fanout {
    const NAME: &'static str = "webhooks.fan_out";
    const KEYED: bool = false;
    type Input = Vec<Event>;
    /// Those that no webhook takes.
    type Reply = BTreeSet<Uuid>;

    async fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        batch: &'a [&'a Vec<Event>],
        now: Instant,
    ) -> Result<Vec<Outcome<BTreeSet<Uuid>>>, Error> {
        let mut events: Vec<Event> = batch.iter().flat_map(|events| events.iter().cloned()).collect();
        events.sort_by(|a, b| (&a.aggregate, a.version, a.id).cmp(&(&b.aggregate, b.version, b.id)));
        let games: BTreeSet<&str> = events.iter().map(|event| event.game.as_str()).collect();
        let wanting = |row: &db::Row| {
            let wants = Wants { game: row.parsed(1)?, topics: topics_of(&row.text(2)?), waiting: row.int(3)?, overrun: false };
            Ok((row.id(0)?, wants))
        };
        let before: BTreeMap<WebhookId, Wants> =
            tx.load(&LOCK_WANTING, Rows::of(games, |game| row![game]), wanting).await?.into_iter().collect();
        let mut after = before.clone();
        let placed = decide::place(&events, &mut after, &mut load_known(tx, &events, &before).await?);
        let rows = Rows::of(&placed, |one| {
            let event = &events[one.event];
            let due_at = (one.state == DeliveryState::Due).then_some(now);
            row![
                DeliveryId::new(),
                one.webhook,
                event.id,
                event.game.as_str(),
                event.topic.as_str(),
                &event.aggregate,
                event.version,
                &event.body,
                one.state.as_str(),
                due_at,
                now,
                event.trace.as_deref()
            ]
        });
        tx.write(&ADD, rows).await?;
        note(tx, &before, &after).await?;
        let unheard = |events: &Vec<Event>| events.iter().filter(|event| decide::is_unheard(event, &after)).map(|event| event.id).collect();
        Ok(batch.iter().map(|events| Ok(unheard(events))).collect())
    }
}

/// Tells listeners of events that no webhook takes. It is a transaction of its own, since what a listener locks comes before our rows.
pub(crate) struct Unheard {
    pub(crate) listener: Option<Arc<dyn DeliveryListener>>,
}

impl Command for Unheard {
    const NAME: &'static str = "webhooks.tell_unheard";
    const KEYED: bool = false;
    type Input = Vec<Settled>;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Vec<Settled>], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        tell(tx, self.listener.as_deref(), batch.iter().flat_map(|events| events.iter().cloned()).collect()).await?;
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

async fn load_known(tx: &mut Tx<'_>, events: &[Event], webhooks: &BTreeMap<WebhookId, Wants>) -> Result<Known, Error> {
    let mut wanted = BTreeSet::new();
    let mut aggregates = BTreeSet::new();
    for (id, webhook) in webhooks {
        for event in events.iter().filter(|event| event.game == webhook.game && webhook.topics.contains(&event.topic)) {
            wanted.insert((*id, event.id));
            aggregates.insert((*id, event.aggregate.as_str()));
        }
    }
    let known = tx
        .load(&KNOWN, Rows::of(wanted, |(webhook, event)| row![webhook, event]), |row| Ok((row.id(0)?, crate::commands::uuid_at(row, 1)?)));
    let events: BTreeSet<(WebhookId, Uuid)> = known.await?.into_iter().collect();
    let waiting =
        tx.load(&WAITING, Rows::of(aggregates, |(webhook, aggregate)| row![webhook, aggregate]), |row| Ok((row.id(0)?, row.text(1)?)));
    Ok(Known { events, waiting: waiting.await?.into_iter().collect() })
}

async fn note(tx: &mut Tx<'_>, before: &BTreeMap<WebhookId, Wants>, after: &BTreeMap<WebhookId, Wants>) -> Result<(), Error> {
    let changed = after.iter().filter(|(id, webhook)| before.get(id) != Some(webhook));
    let rows = Rows::of(changed, |(id, webhook)| {
        let (state, reason) = if webhook.overrun {
            (WebhookState::Disabled, format!("it let more than {WAITING_MAX} deliveries wait"))
        } else {
            (WebhookState::Enabled, String::new())
        };
        row![*id, webhook.waiting, state.as_str(), reason]
    });
    tx.write(&NOTE, rows).await
}

impl Sink for Webhooks {
    fn name(&self) -> &str {
        super::SUBSCRIBER
    }

    fn target(&self) -> String {
        "the games' webhooks".to_owned()
    }

    /// Webhooks subscribe a topic with the first of them that wants it, so that nothing is announced for nobody, but for what somebody is owed.
    fn always_wants(&self, topic: &str) -> bool {
        topic.parse().is_ok_and(Topic::is_owed)
    }

    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>> {
        async move {
            let taken = self.take(batch).await.map_err(|e| e.to_string());
            batch.iter().map(|_| taken.clone()).collect()
        }
        .boxed()
    }
}

impl Webhooks {
    async fn take(&self, batch: &[&Outgoing]) -> Result<(), Error> {
        let wish = |row: &db::Row| Ok((row.parsed::<GameId>(0)?, topics_of(&row.text(1)?)));
        let wishes = self.inner.db.fetch(&WISHES, &[], wish).await?;
        let is_wanted = |event: &Event| wishes.iter().any(|(game, topics)| *game == event.game && topics.contains(&event.topic));
        let (wanted, unwanted): (Vec<Event>, Vec<Event>) = batch.iter().filter_map(|outgoing| event(outgoing)).partition(is_wanted);
        let mut unheard: Vec<Settled> = owed(&unwanted).collect();
        if !wanted.is_empty() {
            let owed: Vec<Settled> = owed(&wanted).collect();
            let missed = self.inner.fanouts.send(Meta::ours("webhooks.fan_out"), wanted).await?;
            unheard.extend(owed.into_iter().filter(|event| missed.contains(&event.event)));
        }
        if !unheard.is_empty() {
            self.inner.unheard.send(Meta::ours("webhooks.tell_unheard"), unheard).await?;
        }
        Ok(())
    }
}

/// What a listener hears of those events that somebody is owed, should no webhook take them.
fn owed(events: &[Event]) -> impl Iterator<Item = Settled> {
    events.iter().filter(|event| event.topic.is_owed()).map(|event| Settled {
        game: event.game.clone(),
        topic: event.topic.as_str().to_owned(),
        aggregate: event.aggregate.clone(),
        version: event.version,
        event: event.id,
        ending: Ending::Unheard,
    })
}

/// An announcement as an event of a game; one that names no game cannot be anybody's.
fn event(outgoing: &Outgoing) -> Option<Event> {
    let topic: Topic = outgoing.topic.parse().ok()?;
    let Some(game) = outgoing.payload["game"].as_str().and_then(|game| game.parse::<GameId>().ok()) else {
        tracing::error!(topic = outgoing.topic, id = %outgoing.id, "an announcement names no game, so no webhook can get it");
        return None;
    };
    let body = body(&outgoing.topic, outgoing.at, &outgoing.aggregate, outgoing.version, &outgoing.payload);
    let (aggregate, trace) = (outgoing.aggregate.clone(), outgoing.trace.clone());
    Some(Event { id: outgoing.id, game, topic, aggregate, version: outgoing.version, body, trace })
}

/// What is sent of an event, in the form that the scheme recommends: type, timestamp, data.
pub(super) fn body(topic: &str, at: Instant, aggregate: &str, version: i64, data: &serde_json::Value) -> String {
    json!({ "type": topic, "timestamp": at, "aggregate": aggregate, "version": version, "data": data }).to_string()
}
