//! What the tests of webhooks stand on: a game with its manager, webhooks made over HTTP, and events that are announced as services do it.
//! Asserts nothing about webhooks.

use crate::receiver::Receiver;
use db::{Announcement, Command, Error, Meta, Tx};
use kernel::{Instant, Outcome, SessionId};
use outbox::Outbox;
use serde_json::{Value, json};
use testkit::{Person, World};
use web::{Role, Roles, Tokens, Who};

pub(crate) const HOOKS: &str = "/v1/games/kart/webhooks";

/// Longer than the longest pause between two attempts.
pub(crate) const A_DAY_AND_A_QUARTER_S: i64 = 30 * 3_600;

const A_YEAR_S: i64 = 366 * 24 * 3_600;

/// Announces, in a transaction of its own.
struct Announce;

impl Command for Announce {
    const NAME: &'static str = "test.announce";
    type Input = Vec<Announcement>;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Vec<Announcement>], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        for announcements in batch {
            db::announce(tx, announcements).await?;
        }
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

/// Announces and lets the world's outbox hand it over.
pub(crate) async fn announce(world: &World, events: &[(&'static str, &str, i64)]) {
    announce_to(world, world.app.outbox.as_ref().expect("a world serves everything"), events).await;
}

/// Announces and lets an outbox hand it over.
pub(crate) async fn announce_to(world: &World, outbox: &Outbox, events: &[(&'static str, &str, i64)]) {
    let event = |(topic, aggregate, version): &(&'static str, &str, i64)| Announcement {
        topic,
        aggregate: (*aggregate).to_owned(),
        version: *version,
        payload: json!({ "game": "kart", "player": "p1", "item": "gold", "n": version }),
    };
    world.db().queue(Announce).send(Meta::ours("test"), events.iter().map(event).collect()).await.unwrap();
    while outbox.drain_once().await.unwrap() > 0 {}
}

/// Fulfilments by their aggregates and versions.
pub(crate) async fn fulfil(world: &World, events: &[(&str, i64)]) {
    let events: Vec<_> = events.iter().map(|(aggregate, version)| ("fulfilment.created", *aggregate, *version)).collect();
    announce(world, &events).await;
}

pub(crate) fn pairs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(aggregate, version)| ((*aggregate).to_owned(), *version)).collect()
}

/// Its campaign manager, whose token outlives what tests do to the clock; the game is registered with the first.
pub(crate) async fn manager(world: &World) -> Person {
    let operator = world.person(&[Role::Operator]).await;
    let made = operator.post("/v1/games", json!({ "id": "kart", "name": "Kart", "zone": "Asia/Seoul" })).await;
    assert!([201, 409].contains(&made.status), "{}", made.text);
    let manager = world.player().await;
    operator.put(&format!("/v1/games/kart/members/{}", manager.id), json!({ "role": "campaign_manager" })).await.expect(204);
    let who = Who { user: manager.id, session: SessionId::new(), roles: Roles::default().with(Role::Player) };
    manager.with_token(&Tokens::new(world.secrets.token_key().reveal(), A_YEAR_S, world.db().clone()).issue(&who))
}

/// A webhook with its secret, as its manager sees it.
pub(crate) struct Hook {
    pub(crate) manager: Person,
    pub(crate) path: String,
    pub(crate) secret: String,
}

impl Hook {
    /// A webhook for fulfilments.
    pub(crate) async fn at(world: &World, receiver: &Receiver) -> Hook {
        Hook::with(world, &receiver.url(), json!({})).await
    }

    /// A webhook with more in its body.
    pub(crate) async fn with(world: &World, url: &str, more: Value) -> Hook {
        let manager = manager(world).await;
        let mut body = json!({ "url": url, "topics": ["fulfilment.created"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = manager.post(HOOKS, body).await.expect(201);
        let path = format!("{HOOKS}/{}", made["webhook"].as_str().unwrap());
        Hook { manager, path, secret: made["secret"].as_str().unwrap().to_owned() }
    }

    pub(crate) async fn read(&self) -> Value {
        self.manager.get(&self.path).await.expect(200)
    }

    /// Its deliveries, newest first.
    pub(crate) async fn deliveries(&self, query: &str) -> Vec<Value> {
        self.manager.get(&format!("{}/deliveries?size=100{query}", self.path)).await.expect(200)["items"].as_array().unwrap().clone()
    }

    /// States and attempts, oldest first.
    pub(crate) async fn states(&self) -> Vec<(String, i64)> {
        let deliveries = self.deliveries("").await;
        deliveries.iter().rev().map(|one| (one["state"].as_str().unwrap().to_owned(), one["attempts"].as_i64().unwrap())).collect()
    }
}

/// Sends what is due.
pub(crate) async fn drain(world: &World) -> usize {
    world.app.webhooks.drain_once().await.unwrap()
}
