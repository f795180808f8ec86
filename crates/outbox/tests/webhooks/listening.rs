//! What a listener hears: endings, in the transaction that settles them, so that what follows from them happens once.

use crate::ground::{A_DAY_AND_A_QUARTER_S, Hook, fulfil};
use crate::receiver::{Receiver, say};
use accounts::PersonalKeys;
use db::{Column, Error, Rows, Statement, Tx, row};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use outbox::webhooks::{Policy, RETRY_PAUSES_S};
use outbox::{DeliveryListener, Settled, Webhooks};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::{World, both_engines};

static HEAR: Statement = Statement::new("test.hear", "insert into heard (what) select what from rows").rows(&[("what", Column::Text)]);

static HEARD: Statement = Statement::new("test.heard", "select what from heard order by what");

/// Writes down what it hears, and fails when it is told to.
#[derive(Default)]
struct Scribe {
    fails: AtomicBool,
}

impl DeliveryListener for Scribe {
    fn settled<'a>(&'a self, tx: &'a mut Tx<'_>, settled: &'a [Settled]) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            tx.write(
                &HEAR,
                Rows::of(settled, |one| row![format!("{} {} {}/{} {:?}", one.game, one.topic, one.aggregate, one.version, one.ending)]),
            )
            .await?;
            if self.fails.load(Ordering::SeqCst) { Err(Error::Broken("as the test wants it".to_owned())) } else { Ok(()) }
        }
        .boxed()
    }
}

pub(crate) fn keys(world: &World) -> PersonalKeys {
    let key = world.secrets.current_personal_key();
    PersonalKeys { current: (key.id, *key.key.reveal()), older: Vec::new(), lookup: Vec::new() }
}

/// A second service on the world's database, with a listener.
async fn listened_to(world: &World) -> (Webhooks, Arc<Scribe>) {
    world.db().plain("create table heard (what text not null)").await.unwrap();
    let scribe = Arc::new(Scribe::default());
    let policy = Policy { allow_private: true, ..Policy::default() };
    (Webhooks::new(world.db(), &world.app.accounts, &keys(world), policy, Some(scribe.clone())).unwrap(), scribe)
}

async fn heard(world: &World) -> Vec<String> {
    world.db().fetch(&HEARD, &[], |row| row.text(0)).await.unwrap()
}

both_engines! {
    async fn a_delivery_is_heard_of_once_and_a_retry_is_not(world: &World) {
        let receiver = Receiver::start().await;
        Hook::at(world, &receiver).await;
        let (webhooks, _) = listened_to(world).await;
        receiver.answers_in_turn(&[500]);
        fulfil(world, &[("f/1", 1)]).await;
        webhooks.drain_once().await.unwrap();
        assert_eq!(heard(world).await, Vec::<String>::new());
        world.wait_s(10);
        webhooks.drain_once().await.unwrap();
        webhooks.drain_once().await.unwrap();
        assert_eq!(heard(world).await, ["kart fulfilment.created f/1/1 Delivered"]);
    }

    async fn what_the_listener_wrote_goes_with_a_settlement_that_failed(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let (webhooks, scribe) = listened_to(world).await;
        fulfil(world, &[("f/1", 1)]).await;
        scribe.fails.store(true, Ordering::SeqCst);
        assert_eq!(webhooks.drain_once().await.unwrap(), 0);
        assert_eq!((heard(world).await.len(), hook.states().await), (0, vec![("due".to_owned(), 1)]));
        scribe.fails.store(false, Ordering::SeqCst);
        world.wait_s(46);
        assert_eq!(webhooks.drain_once().await.unwrap(), 1);
        assert_eq!(heard(world).await, ["kart fulfilment.created f/1/1 Delivered"]);
        assert_eq!((receiver.got().len(), receiver.ids().len()), (2, 1), "sent again under the same id");
    }

    async fn what_is_given_up_is_heard_of_and_so_is_its_late_delivery(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let (webhooks, _) = listened_to(world).await;
        receiver.answers(|_| say(503));
        fulfil(world, &[("f/1", 1)]).await;
        for _ in 0..=RETRY_PAUSES_S.len() {
            webhooks.drain_once().await.unwrap();
            world.wait_s(A_DAY_AND_A_QUARTER_S);
        }
        assert_eq!(heard(world).await, ["kart fulfilment.created f/1/1 Parked"]);
        receiver.answers(|_| say(200));
        let delivery = hook.deliveries("").await[0]["delivery"].as_str().unwrap().to_owned();
        let again = format!("{}/deliveries/{delivery}/redeliver", hook.path);
        hook.manager.post(&again, json!({})).await.expect(202);
        webhooks.drain_once().await.unwrap();
        assert_eq!(heard(world).await, ["kart fulfilment.created f/1/1 Delivered", "kart fulfilment.created f/1/1 Parked"]);

        receiver.answers(|_| say(410));
        hook.manager.post(&again, json!({})).await.expect(202);
        webhooks.drain_once().await.unwrap();
        assert_eq!(heard(world).await.len(), 2, "what was delivered stays so, whatever becomes of a redelivery");
    }

    async fn what_waits_for_a_disabled_webhook_is_heard_of_as_parked(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let (webhooks, _) = listened_to(world).await;
        fulfil(world, &[("f/1", 1), ("f/1", 2)]).await;
        hook.manager.patch(&hook.path, json!({ "enabled": false })).await.expect(200);
        webhooks.tidy_up().await.unwrap();
        webhooks.tidy_up().await.unwrap();
        assert_eq!(heard(world).await, ["kart fulfilment.created f/1/1 Parked", "kart fulfilment.created f/1/2 Parked"]);
        assert_eq!(hook.deliveries("").await[0]["told"], "not sent: disabled by its team");
        assert_eq!(receiver.got().len(), 0);
    }
}
