//! What a listener hears: endings, in the transaction that settles them, so that what follows from them happens once.

use crate::ground::{A_DAY_AND_A_QUARTER_S, Hook, announce_to, fulfil, manager};
use crate::receiver::{Receiver, say};
use accounts::PersonalKeys;
use db::{Column, Error, Rows, Statement, Tx, row};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use outbox::webhooks::{Policy, RETRY_PAUSES_S, WAITING_MAX};
use outbox::{DeliveryListener, Outbox, Settled, Webhooks};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use testkit::{World, both_engines};

static HEAR: Statement = Statement::new("test.hear", "insert into heard (what) select what from rows").rows(&[("what", Column::Text)]);

static HEARD: Statement = Statement::new("test.heard", "select what from heard order by what");

/// Writes down what it hears, so many times; then it fails.
struct Scribe {
    patience: AtomicI64,
}

impl DeliveryListener for Scribe {
    fn settled<'a>(&'a self, tx: &'a mut Tx<'_>, settled: &'a [Settled]) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            tx.write(
                &HEAR,
                Rows::of(settled, |one| row![format!("{} {} {}/{} {:?}", one.game, one.topic, one.aggregate, one.version, one.ending)]),
            )
            .await?;
            if self.patience.fetch_sub(1, Ordering::SeqCst) <= 0 { Err(Error::Broken("as the test wants it".to_owned())) } else { Ok(()) }
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
    let scribe = Arc::new(Scribe { patience: AtomicI64::new(i64::MAX) });
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
        scribe.patience.store(0, Ordering::SeqCst);
        assert_eq!(webhooks.drain_once().await.unwrap(), 0);
        assert_eq!((heard(world).await.len(), hook.states().await), (0, vec![("due".to_owned(), 1)]));
        scribe.patience.store(i64::MAX, Ordering::SeqCst);
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

    async fn a_webhook_that_is_enabled_while_its_deliveries_are_parked_gets_the_rest(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let (webhooks, scribe) = listened_to(world).await;
        let many: Vec<(&str, i64)> = (1..=503).map(|version| ("f/1", version)).collect();
        fulfil(world, &many).await;
        hook.manager.patch(&hook.path, json!({ "enabled": false })).await.expect(200);
        scribe.patience.store(1, Ordering::SeqCst);
        webhooks.tidy_up().await.unwrap_err();
        assert_eq!(hook.read().await["waiting"], 3, "the first 500 are parked");
        world.check().await;
        scribe.patience.store(i64::MAX, Ordering::SeqCst);
        hook.manager.patch(&hook.path, json!({ "enabled": true })).await.expect(200);
        while webhooks.drain_once().await.unwrap() > 0 {}
        assert_eq!((receiver.got().len(), hook.read().await["waiting"].as_i64()), (3, Some(0)));
    }

    async fn what_somebody_is_owed_is_heard_of_when_no_webhook_wants_it(world: &World) {
        let receiver = Receiver::start().await;
        let manager = manager(world).await;
        let (webhooks, _) = listened_to(world).await;
        let outbox = Outbox::start(world.db(), vec![(Webhooks::topics(), Arc::new(webhooks.clone()))]).await.unwrap();
        let all = [("fulfilment.created", "f/1", 1), ("claim.granted", "c/1", 1)];
        announce_to(world, &outbox, &all).await;
        assert_eq!(heard(world).await, ["kart fulfilment.created f/1/1 Unheard"], "a store without a webhook");
        webhooks.tidy_up().await.unwrap();

        let hook = Hook::with(world, &receiver.url(), json!({ "topics": ["claim.granted"] })).await;
        announce_to(world, &outbox, &[("fulfilment.created", "f/2", 1), ("claim.granted", "c/2", 1)]).await;
        assert_eq!(heard(world).await.last().unwrap(), "kart fulfilment.created f/2/1 Unheard", "one that wants other things");
        assert_eq!(hook.states().await, [("due".to_owned(), 0)]);
        webhooks.tidy_up().await.unwrap();

        manager.patch(&hook.path, json!({ "topics": ["fulfilment.created"] })).await.expect(200);
        announce_to(world, &outbox, &[("fulfilment.created", "f/3", 1)]).await;
        manager.patch(&hook.path, json!({ "enabled": false })).await.expect(200);
        webhooks.tidy_up().await.unwrap();
        announce_to(world, &outbox, &[("fulfilment.created", "f/4", 1)]).await;
        let heard: Vec<String> = heard(world).await.into_iter().filter(|told| told.contains("fulfilment")).collect();
        let expected = ["f/1/1 Unheard", "f/2/1 Unheard", "f/3/1 Parked", "f/4/1 Unheard"].map(|told| format!("kart fulfilment.created {told}"));
        assert_eq!(heard, expected);
    }

    async fn an_item_whose_webhook_is_overrun_is_heard_of(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let (webhooks, _) = listened_to(world).await;
        let outbox = Outbox::start(world.db(), vec![(Webhooks::topics(), Arc::new(webhooks.clone()))]).await.unwrap();
        // As if so many waited; what says that it is counted wrong is not asked here, and it is put right again.
        let full = format!("update webhook set waiting = {WAITING_MAX}");
        world.db().plain(&full).await.unwrap();
        announce_to(world, &outbox, &[("fulfilment.created", "f/1", 1)]).await;
        assert_eq!(heard(world).await, ["kart fulfilment.created f/1/1 Unheard"]);
        assert_eq!(hook.read().await["state"], "disabled");
        world.db().plain("update webhook set waiting = 0").await.unwrap();
    }
}
