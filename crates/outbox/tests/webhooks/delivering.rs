//! Deliveries that go well: what is sent and how it is signed, to whom, in which order, once.

use crate::ground::{A_DAY_AND_A_QUARTER_S, HOOKS, Hook, announce, drain, fulfil, manager, pairs};
use crate::receiver::{Receiver, Say, say};
use kernel::Uuid;
use outbox::{Outgoing, Sink as _};
use serde_json::json;
use testkit::both_engines;
use tokio::sync::watch;

both_engines! {
    async fn an_event_is_sent_as_the_scheme_has_it(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        fulfil(world, &[("fulfilment/1", 1)]).await;
        assert_eq!(drain(world).await, 1);

        let got = receiver.got();
        assert_eq!(got.len(), 1);
        got[0].verify(&hook.secret);
        assert_eq!(got[0].path, "/hooks?of=guildhall");
        assert_eq!(got[0].header("content-type"), "application/json");
        assert!(got[0].header("user-agent").starts_with("Guildhall-Webhooks/"));
        assert_eq!((&got[0].body["type"], got[0].what()), (&json!("fulfilment.created"), ("fulfilment/1".to_owned(), 1)));
        assert_eq!(got[0].body["data"], json!({ "game": "kart", "player": "p1", "item": "gold", "n": 1 }));
        assert!(got[0].body["timestamp"].as_str().unwrap().parse::<kernel::Instant>().is_ok());

        let delivery = &hook.deliveries("").await[0];
        assert_eq!((&delivery["state"], &delivery["attempts"], &delivery["status"]), (&json!("delivered"), &json!(1), &json!(204)));
        assert_eq!((delivery["event"].as_str().unwrap(), hook.read().await["waiting"].as_i64()), (got[0].id(), Some(0)));
        assert_eq!(drain(world).await, 0, "once");
        assert_eq!(receiver.got().len(), 1);
    }

    async fn each_webhook_gets_its_games_events_of_its_topics(world: &World) {
        let (first, second) = (Receiver::start().await, Receiver::start().await);
        Hook::at(world, &first).await;
        Hook::with(world, &second.url(), json!({ "topics": ["fulfilment.created", "claim.granted"] })).await;
        let manager = manager(world).await;
        let elsewhere = json!({ "url": first.url(), "topics": ["achievement.reached"] });
        let disabled = manager.post(HOOKS, elsewhere).await.expect(201)["webhook"].as_str().unwrap().to_owned();
        manager.patch(&format!("{HOOKS}/{disabled}"), json!({ "enabled": false })).await.expect(200);

        announce(world, &[("fulfilment.created", "f/1", 1), ("claim.granted", "c/1", 1), ("achievement.reached", "a/1", 1), ("wallet.changed", "w/1", 1)]).await;
        drain(world).await;
        assert_eq!(first.what(), pairs(&[("f/1", 1)]));
        let mut got = second.what();
        got.sort();
        assert_eq!(got, pairs(&[("c/1", 1), ("f/1", 1)]));
        assert_eq!(first.ids().intersection(&second.ids()).count(), 1, "an event has one id, wherever it goes");
    }

    async fn another_games_events_are_not_sent(world: &World) {
        let receiver = Receiver::start().await;
        Hook::at(world, &receiver).await;
        let of = |game: serde_json::Value| Outgoing {
            id: Uuid::now_v7(), topic: "fulfilment.created".into(), aggregate: "f/1".into(), version: 1, payload: game, at: world.db().now(),
            trace: None,
        };
        let (maple, none, kart) = (of(json!({ "game": "maple" })), of(json!({})), of(json!({ "game": "kart" })));
        assert_eq!(world.app.webhooks.send(&[&maple, &none, &kart]).await, [Ok(()), Ok(()), Ok(())]);
        drain(world).await;
        assert_eq!(receiver.ids(), [kart.id.to_string()].into());
    }

    async fn what_the_outbox_repeats_is_delivered_once(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let row = |version| Outgoing {
            id: Uuid::now_v7(), topic: "fulfilment.created".into(), aggregate: "f/1".into(), version, payload: json!({ "game": "kart" }),
            at: world.db().now(), trace: None,
        };
        let (one, two) = (row(1), row(2));
        let webhooks = &world.app.webhooks;
        assert_eq!(webhooks.send(&[&one]).await, [Ok(())]);
        assert_eq!(drain(world).await, 1);
        assert_eq!(webhooks.send(&[&one, &two]).await, [Ok(()), Ok(())]);
        assert_eq!(webhooks.send(&[&one, &two]).await, [Ok(()), Ok(())]);
        assert_eq!(drain(world).await, 1, "the second is not held behind the first's repeat");
        assert_eq!(receiver.what(), pairs(&[("f/1", 1), ("f/1", 2)]));
        assert_eq!(hook.deliveries("").await.len(), 2);
    }

    async fn an_aggregates_events_come_in_order_and_others_side_by_side(world: &World) {
        let receiver = Receiver::start().await;
        Hook::with(world, &receiver.url(), json!({ "concurrency": 32 })).await;
        let aggregates: Vec<String> = (0..10).map(|n| format!("f/{n}")).collect();
        let events: Vec<(&str, i64)> = (1..=8).flat_map(|version| aggregates.iter().map(move |aggregate| (aggregate.as_str(), version))).collect();
        fulfil(world, &events).await;
        assert_eq!(drain(world).await, 80);
        for aggregate in &aggregates {
            let versions: Vec<i64> = receiver.what().into_iter().filter(|(of, _)| of == aggregate).map(|(_, version)| version).collect();
            assert_eq!(versions, (1..=8).collect::<Vec<_>>(), "{aggregate}");
        }
    }

    async fn two_processes_send_each_event_once_and_in_order(world: &World) {
        let receiver = Receiver::start().await;
        Hook::at(world, &receiver).await;
        let sibling = world.sibling().await;
        let events: Vec<(String, i64)> = (1..=5).flat_map(|version| (0..20).map(move |n| (format!("f/{n}"), version))).collect();
        fulfil(world, &events.iter().map(|(aggregate, version)| (aggregate.as_str(), *version)).collect::<Vec<_>>()).await;
        let (here, again, there) = tokio::join!(drain(world), drain(world), drain(&sibling));
        assert_eq!(here + again + there, 100);
        let mut got = receiver.what();
        assert_eq!(got.len(), 100);
        got.sort_by(|a, b| a.0.cmp(&b.0));
        assert!(got.is_sorted(), "a stable sort by aggregate leaves versions in order: {got:?}");
        sibling.stop().await;
    }

    async fn a_slow_webhook_holds_up_no_other(world: &World) {
        let (slow, fast) = (Receiver::start().await, Receiver::start().await);
        Hook::with(world, &slow.url(), json!({ "concurrency": 2 })).await;
        let quick = Hook::at(world, &fast).await;
        let (go_on, after) = watch::channel(false);
        slow.answers(move |_| Say { after: Some(after.clone()), ..say(204) });
        let events: Vec<String> = (0..20).map(|n| format!("f/{n}")).collect();
        fulfil(world, &events.iter().map(|aggregate| (aggregate.as_str(), 1)).collect::<Vec<_>>()).await;

        let webhooks = world.app.webhooks.clone();
        let draining = tokio::spawn(async move { webhooks.drain_once().await });
        fast.has(20).await;
        slow.has(2).await;
        fulfil(world, &[("f/new", 1)]).await;
        fast.has(21).await;
        assert_eq!(slow.got().len(), 2, "as many as it takes at once");
        assert!(!draining.is_finished());
        go_on.send_replace(true);
        assert_eq!(draining.await.unwrap().unwrap(), 42);
        assert_eq!(quick.read().await["waiting"], 0);
    }

    async fn a_rotated_secret_signs_beside_the_new_one_for_a_day(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let rotated = hook.manager.post(&format!("{}/rotate", hook.path), json!({})).await.expect(200);
        let new = rotated["secret"].as_str().unwrap().to_owned();
        assert_ne!(new, hook.secret);

        fulfil(world, &[("f/1", 1)]).await;
        drain(world).await;
        let got = receiver.got();
        got[0].verify(&hook.secret);
        got[0].verify(&new);
        assert_eq!(got[0].header("webhook-signature").split(' ').count(), 2);

        world.wait_s(24 * 3_600 + 1);
        fulfil(world, &[("f/2", 1)]).await;
        drain(world).await;
        let got = receiver.got();
        assert!(got[1].is_signed_with(&new) && !got[1].is_signed_with(&hook.secret));
        world.app.webhooks.tidy_up().await.unwrap();
        world.check().await;
    }

    async fn a_test_event_is_sent_once_and_only_to_the_webhook_that_asked(world: &World) {
        let (receiver, other) = (Receiver::start().await, Receiver::start().await);
        let hook = Hook::at(world, &receiver).await;
        Hook::at(world, &other).await;
        let asked = hook.manager.post(&format!("{}/test", hook.path), json!({})).await.expect(202);
        assert_eq!((&asked["topic"], &asked["state"]), (&json!("webhook.test"), &json!("due")));
        assert_eq!(drain(world).await, 1);
        receiver.got()[0].verify(&hook.secret);
        assert_eq!(receiver.got()[0].body["type"], "webhook.test");
        assert_eq!(other.got().len(), 0);

        receiver.answers_in_turn(&[500]);
        let failed = hook.manager.post(&format!("{}/test", hook.path), json!({})).await.expect(202);
        assert_eq!(drain(world).await, 0);
        world.wait_s(A_DAY_AND_A_QUARTER_S);
        assert_eq!(drain(world).await, 0);
        let parked = hook.deliveries("&state=parked").await;
        assert_eq!((parked.len(), &parked[0]["delivery"], &parked[0]["status"]), (1, &failed["delivery"], &json!(500)));
    }

    async fn a_redelivery_comes_under_the_same_id(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        fulfil(world, &[("f/1", 1)]).await;
        let waiting = hook.deliveries("").await[0].clone();
        let again = format!("{}/deliveries/{}/redeliver", hook.path, waiting["delivery"].as_str().unwrap());
        hook.manager.post(&again, json!({})).await.refused("wrong-state");
        drain(world).await;

        receiver.answers_in_turn(&[500]);
        let asked = hook.manager.post_keyed(&again, "key-1", json!({})).await.expect(202);
        assert_eq!((&asked["state"], &asked["attempts"]), (&json!("due"), &json!(0)));
        assert_eq!(drain(world).await, 0);
        world.wait_s(10);
        assert_eq!(drain(world).await, 1);
        hook.manager.post_keyed(&again, "key-1", json!({})).await.expect(202);
        assert_eq!(drain(world).await, 0, "a repeated key asks for nothing new");
        assert_eq!(receiver.got().len(), 3);
        assert_eq!(receiver.ids().len(), 1);
        assert_eq!(receiver.got()[0].raw, receiver.got()[2].raw);
    }
}
