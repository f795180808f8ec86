//! Deliveries that go wrong: receivers that are down, refuse, answer endlessly, lead elsewhere or are gone for good.

use crate::ground::{A_DAY_AND_A_QUARTER_S, Hook, drain, fulfil, pairs};
use crate::receiver::{Receiver, Say, say};
use outbox::webhooks::RETRY_PAUSES_S;
use serde_json::json;
use testkit::{World, both_engines};

fn refused(body: &str) -> Say {
    Say { body: body.to_owned(), ..say(500) }
}

both_engines! {
    async fn a_receiver_that_was_down_gets_everything_in_order_when_it_is_back(world: &World) {
        let mut receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        receiver.down().await;
        fulfil(world, &[("f/1", 1), ("f/1", 2), ("f/2", 1)]).await;
        assert_eq!(drain(world).await, 0);
        let states = [("due", 1), ("held", 0), ("due", 1)].map(|(state, attempts)| (state.to_owned(), attempts));
        assert_eq!(hook.states().await, states);
        let down = &hook.deliveries("").await[0];
        assert!(down["status"].is_null() && down["told"].as_str().unwrap().contains("no connection"), "{down}");
        assert!(down["next_attempt_at"].is_string());
        assert_eq!(hook.read().await["waiting"], 3);

        receiver.up().await;
        assert_eq!(drain(world).await, 0, "the retry is not due yet");
        world.wait_s(RETRY_PAUSES_S[0] * 2);
        assert_eq!(drain(world).await, 3);
        let of_one: Vec<_> = receiver.what().into_iter().filter(|(aggregate, _)| aggregate == "f/1").collect();
        assert_eq!(of_one, pairs(&[("f/1", 1), ("f/1", 2)]));
        assert_eq!(hook.read().await["waiting"], 0);
    }

    async fn refusals_are_tried_again_under_the_same_id_until_one_is_taken(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        receiver.answers_in_turn(&[500, 404]);
        fulfil(world, &[("f/1", 1), ("f/1", 2), ("f/2", 1)]).await;
        drain(world).await;
        assert!(!receiver.what().contains(&("f/1".to_owned(), 2)), "what comes after a failure waits for it");
        for pause_s in &RETRY_PAUSES_S[..2] {
            world.wait_s(pause_s * 2);
            drain(world).await;
        }
        let of_one: Vec<_> = receiver.got().into_iter().filter(|got| got.what().0 == "f/1").collect();
        let versions: Vec<i64> = of_one.iter().map(|got| got.what().1).collect();
        assert!(versions.is_sorted() && *versions.last().unwrap() == 2, "{versions:?}");
        assert_eq!(receiver.ids().len(), 3, "five requests, three events");
        assert_eq!(receiver.got().len(), 5);
        assert!(of_one.iter().all(|got| got.is_signed_with(&hook.secret)), "each attempt is signed with its own time");
        assert!(hook.states().await.iter().all(|(state, _)| state == "delivered"));
    }

    async fn retry_after_is_waited_for(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let mut first = Some(Say { headers: vec![("retry-after", "600".to_owned())], ..say(429) });
        receiver.answers(move |_| first.take().unwrap_or_else(|| say(200)));
        fulfil(world, &[("f/1", 1)]).await;
        drain(world).await;
        world.wait_s(500);
        assert_eq!(drain(world).await, 0);
        world.wait_s(101);
        assert_eq!(drain(world).await, 1);
        assert_eq!(hook.states().await, [("delivered".to_owned(), 2)]);
    }

    async fn what_fails_for_days_is_parked_and_shown_and_lets_the_next_one_pass(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        receiver.answers(|got| if got.what().1 == 1 { refused("no such player\u{7} whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") } else { say(200) });
        fulfil(world, &[("f/1", 1), ("f/1", 2)]).await;
        for _ in 0..=RETRY_PAUSES_S.len() {
            assert!(hook.deliveries("&state=parked").await.is_empty());
            drain(world).await;
            world.wait_s(A_DAY_AND_A_QUARTER_S);
        }
        assert_eq!(receiver.got().len(), RETRY_PAUSES_S.len() + 2);
        let parked = hook.deliveries("&state=parked").await;
        assert_eq!((parked.len(), &parked[0]["version"], &parked[0]["attempts"]), (1, &json!(1), &json!(RETRY_PAUSES_S.len() + 1)));
        assert_eq!((&parked[0]["status"], &parked[0]["told"]), (&json!(500), &json!("no such player  whsec_[hidden]")));
        assert!(parked[0]["next_attempt_at"].is_null());
        assert_eq!(hook.states().await[1], ("delivered".to_owned(), 1));

        receiver.answers(|_| say(200));
        let again = format!("{}/deliveries/{}/redeliver", hook.path, parked[0]["delivery"].as_str().unwrap());
        hook.manager.post(&again, json!({})).await.expect(202);
        assert_eq!(drain(world).await, 1);
        assert!(hook.deliveries("&state=parked").await.is_empty());
    }

    async fn all_that_was_parked_is_sent_again_in_order(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let redeliver = format!("{}/redeliver", hook.path);
        let many: Vec<(&str, i64)> = (1..=510).map(|version| ("f/1", version)).collect();
        fulfil(world, &many).await;
        fulfil(world, &[("f/2", 1)]).await;
        hook.manager.patch(&hook.path, json!({ "enabled": false })).await.expect(200);
        world.app.webhooks.tidy_up().await.unwrap();
        hook.manager.post(&redeliver, json!({})).await.refused("wrong-state");
        hook.manager.patch(&hook.path, json!({ "enabled": true })).await.expect(200);
        fulfil(world, &[("f/2", 2)]).await;
        assert_eq!(hook.manager.post(&redeliver, json!({})).await.expect(202), json!({ "redelivered": 500, "more": true }));
        world.check().await;
        assert_eq!(hook.manager.post(&redeliver, json!({})).await.expect(202), json!({ "redelivered": 11, "more": false }));
        assert_eq!(hook.manager.post(&redeliver, json!({})).await.expect(202), json!({ "redelivered": 0, "more": false }));
        assert_eq!(hook.read().await["waiting"], 512);
        while drain(world).await > 0 {}
        let got: Vec<(String, i64)> = receiver.got().iter().map(|got| got.what()).filter(|(aggregate, _)| aggregate == "f/1").collect();
        assert_eq!(got, pairs(&many));
        assert_eq!((receiver.ids().len(), hook.read().await["waiting"].as_i64()), (512, Some(0)));
    }

    async fn a_receiver_that_is_gone_is_not_asked_again(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::with(world, &receiver.url(), json!({ "concurrency": 1 })).await;
        receiver.answers(|_| say(410));
        fulfil(world, &[("f/1", 1), ("f/1", 2), ("f/2", 1)]).await;
        drain(world).await;
        assert_eq!(receiver.got().len(), 1);
        let read = hook.read().await;
        assert_eq!((&read["state"], &read["reason"]), (&json!("disabled"), &json!("it answered 410 Gone")));
        world.app.webhooks.tidy_up().await.unwrap();
        assert_eq!(hook.read().await["waiting"], 0);
        assert!(hook.states().await.iter().all(|(state, _)| state == "parked"));
        fulfil(world, &[("f/3", 1)]).await;
        drain(world).await;
        assert_eq!(receiver.got().len(), 1, "nothing new is sent to it");
        hook.manager.post(&format!("{}/test", hook.path), json!({})).await.refused("wrong-state");

        receiver.answers(|_| say(200));
        let enabled = hook.manager.patch(&hook.path, json!({ "enabled": true })).await.expect(200);
        assert_eq!((&enabled["state"], &enabled["reason"]), (&json!("enabled"), &json!("")));
        fulfil(world, &[("f/4", 1)]).await;
        assert_eq!(drain(world).await, 1);
    }

    async fn a_redirect_is_a_refusal_and_is_not_followed(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let elsewhere = format!("http://{}/elsewhere", receiver.address);
        receiver.answers(move |_| Say { headers: vec![("location", elsewhere.clone())], ..say(307) });
        fulfil(world, &[("f/1", 1)]).await;
        assert_eq!(drain(world).await, 0);
        assert_eq!(receiver.got().len(), 1);
        assert_eq!(hook.deliveries("").await[0]["status"], 307);
    }

    async fn an_endless_answer_is_not_listened_to(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        receiver.answers(|_| Say { endless: true, ..say(200) });
        fulfil(world, &[("f/1", 1)]).await;
        assert_eq!(drain(world).await, 1);
        assert_eq!(hook.deliveries("").await[0]["told"].as_str().unwrap().len(), 500);
    }

    async fn a_deleted_webhook_is_forgotten_with_its_last_delivery(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::with(world, &receiver.url(), json!({ "topics": ["fulfilment.created", "claim.granted"] })).await;
        let subscribed = "subscription where subscriber = 'webhooks'";
        assert_eq!(count(world, subscribed).await, 2);
        fulfil(world, &[("f/1", 1), ("f/1", 2)]).await;
        hook.manager.delete(&hook.path).await.expect(204);
        assert_eq!(drain(world).await, 0);
        hook.manager.get(&hook.path).await.refused("not-found");
        world.app.webhooks.tidy_up().await.unwrap();
        world.check().await;
        assert_eq!(count(world, "delivery").await, 2);
        fulfil(world, &[("f/2", 1)]).await;
        assert_eq!((count(world, "delivery").await, count(world, "outbox").await), (2, 0));
        assert_eq!(count(world, subscribed).await, 1, "what somebody is owed is always announced");

        world.wait_s(31 * 24 * 3_600);
        world.app.webhooks.tidy_up().await.unwrap();
        assert_eq!((count(world, "delivery").await, count(world, "webhook").await, count(world, "webhook_secret").await), (0, 0, 0));
    }

    async fn delivered_ones_are_kept_a_week_and_parked_ones_a_month(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        fulfil(world, &[("f/1", 1)]).await;
        drain(world).await;
        receiver.answers(|_| say(500));
        hook.manager.post(&format!("{}/test", hook.path), json!({})).await.expect(202);
        drain(world).await;
        let mut kept = Vec::new();
        for days in [6, 2, 20, 3] {
            world.wait_s(days * 24 * 3_600);
            world.app.webhooks.tidy_up().await.unwrap();
            kept.push(hook_states(world).await);
        }
        assert_eq!(kept, ["delivered parked", "parked", "parked", ""]);
    }
}

async fn count(world: &World, table: &str) -> i64 {
    let text = format!("select count(*) from {table}");
    let statement: &'static db::Statement = Box::leak(Box::new(db::Statement::new("test.count", text.leak())));
    world.db().fetch(statement, &[], |row| row.int(0)).await.unwrap()[0]
}

async fn hook_states(world: &World) -> String {
    static STATES: db::Statement = db::Statement::new("test.states", "select state from delivery order by state");
    world.db().fetch(&STATES, &[], |row| row.text(0)).await.unwrap().join(" ")
}
