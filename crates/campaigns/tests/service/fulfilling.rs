//! Fulfilments: polled and acknowledged, or sent by webhook, never both.

use crate::ground::*;
use campaigns::model::FulfilmentState;
use db::{Command, Error, Meta, Tx};
use kernel::{FulfilmentId, Instant, Outcome};
use serde_json::{Value, json};
use testkit::{World, both_engines};

struct Settled;

impl Command for Settled {
    const NAME: &'static str = "test.settled";
    const KEYED: bool = false;
    type Input = (FulfilmentId, FulfilmentState);
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Self::Input], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let ended: Vec<campaigns::Ended> = batch.iter().map(|(id, state)| (*id, *state, "as told")).collect();
        campaigns::fulfilments_settled(tx, &ended).await?;
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

async fn claimed(world: &World, ground: &Ground, player: &str) -> String {
    reach(world, 1, &[(player, 0, 1)]).await;
    let claim = ground.game.post(&claims("wheels", player, "wheel"), json!({})).await.expect(200);
    claim["claims"][0]["rewards"][0]["fulfilment"].as_str().unwrap().to_owned()
}

async fn wheels(world: &World) -> Ground {
    let ground = Ground::lay(world).await;
    ground.register(&campaign(world, "wheels", &json!([goal("wheel", &json!([{ "item": "wheel", "quantity": 2 }]))]))).await;
    ground
}

async fn hand_over(world: &World) {
    let outbox = world.app.outbox.as_ref().expect("a world serves everything");
    while outbox.drain_once().await.unwrap() > 0 {}
}

fn pending(list: &Value) -> usize {
    list["items"].as_array().unwrap().len()
}

both_engines! {
    async fn a_polled_item_is_acknowledged_once(world: &World) {
        let ground = wheels(world).await;
        let id = claimed(world, &ground, "p1").await;
        let list = "/v1/games/kart/fulfilments?state=pending&fulfil_by=poll";
        let waiting = ground.game.get(list).await.expect(200);
        assert_eq!((&waiting["items"][0]["item"], &waiting["items"][0]["quantity"]), (&json!("wheel"), &json!(2)));
        let path = format!("/v1/games/kart/fulfilments/{id}");
        let done = ground.game.post(&format!("{path}/acknowledge"), json!({ "note": "mail 7" })).await.expect(200);
        assert_eq!((&done["state"], &done["note"]), (&json!("acknowledged"), &json!("mail 7")));
        ground.game.post(&format!("{path}/acknowledge"), json!({ "note": "again" })).await.expect(200);
        assert_eq!(ground.game.get(&path).await.expect(200)["note"], "mail 7", "a repeat changes nothing");
        ground.game.post(&format!("{path}/fail"), json!({})).await.refused("wrong-state");
        ground.game.post(&format!("{path}/resend"), json!({})).await.refused("wrong-state");
        assert_eq!(pending(&ground.game.get(list).await.expect(200)), 0);
    }

    async fn a_webhooks_item_is_settled_by_its_webhook_and_by_nobody_else(world: &World) {
        let ground = wheels(world).await;
        ground.manager.put("/v1/games/kart/fulfil-by", json!({ "fulfil_by": "webhook" })).await.expect(200);
        let id = claimed(world, &ground, "p1").await;
        let path = format!("/v1/games/kart/fulfilments/{id}");
        ground.game.post(&format!("{path}/acknowledge"), json!({})).await.refused("wrong-state");
        let settle = world.db().queue(Settled);
        let state = |to| (id.parse().unwrap(), to);
        settle.send(Meta::ours("test"), state(FulfilmentState::Parked)).await.unwrap();
        let parked = ground.game.get(&path).await.expect(200);
        assert_eq!((&parked["state"], &parked["note"]), (&json!("parked"), &json!("as told")));
        assert_eq!(ground.game.post(&format!("{path}/resend"), json!({})).await.expect(200)["state"], "pending");
        settle.send(Meta::ours("test"), state(FulfilmentState::Delivered)).await.unwrap();
        settle.send(Meta::ours("test"), state(FulfilmentState::Parked)).await.unwrap();
        assert_eq!(ground.game.get(&path).await.expect(200)["state"], "delivered", "what was delivered stays delivered");
    }

    async fn what_waits_for_a_webhook_goes_by_polling_when_the_game_says_so(world: &World) {
        let ground = wheels(world).await;
        ground.manager.put("/v1/games/kart/fulfil-by", json!({ "fulfil_by": "webhook" })).await.expect(200);
        let id = claimed(world, &ground, "p1").await;
        ground.manager.put("/v1/games/kart/fulfil-by", json!({ "fulfil_by": "poll" })).await.expect(200);
        let waiting = ground.game.get("/v1/games/kart/fulfilments?state=pending&fulfil_by=poll").await.expect(200);
        assert_eq!(waiting["items"][0]["fulfilment"], id);
    }

    async fn an_item_that_no_webhook_wants_is_parked_and_sent_when_one_does(world: &World) {
        let ground = wheels(world).await;
        ground.manager.put("/v1/games/kart/fulfil-by", json!({ "fulfil_by": "webhook" })).await.expect(200);
        let ids = [claimed(world, &ground, "p1").await, claimed(world, &ground, "p2").await];
        hand_over(world).await;
        for id in &ids {
            let parked = ground.game.get(&format!("/v1/games/kart/fulfilments/{id}")).await.expect(200);
            assert_eq!((&parked["state"], &parked["note"]), (&json!("parked"), &json!("no enabled webhook of the game wants fulfilment.created")));
        }
        ground.manager.post("/v1/games/kart/fulfilments/resend", json!({})).await.expect(200);
        hand_over(world).await;
        assert_eq!(pending(&ground.game.get("/v1/games/kart/fulfilments?state=parked").await.expect(200)), 2, "there is still no webhook");

        let hook = json!({ "url": "https://game.example/hooks", "topics": ["fulfilment.created"] });
        let hook = ground.manager.post("/v1/games/kart/webhooks", hook).await.expect(201)["webhook"].as_str().unwrap().to_owned();
        let resent = ground.game.post("/v1/games/kart/fulfilments/resend", json!({})).await.expect(200);
        assert_eq!(resent, json!({ "resent": 2, "more": false }));
        assert_eq!(ground.game.post("/v1/games/kart/fulfilments/resend", json!({})).await.expect(200)["resent"], 0);
        hand_over(world).await;
        let deliveries = ground.manager.get(&format!("/v1/games/kart/webhooks/{hook}/deliveries")).await.expect(200);
        let mut sent: Vec<&str> = deliveries["items"].as_array().unwrap().iter().map(|one| one["aggregate"].as_str().unwrap()).collect();
        sent.sort_unstable();
        let mut expected: Vec<String> = ids.iter().map(|id| format!("fulfilment/{id}")).collect();
        expected.sort_unstable();
        assert_eq!(sent, expected);
        assert_eq!(pending(&ground.game.get("/v1/games/kart/fulfilments?state=pending&fulfil_by=webhook").await.expect(200)), 2);
    }
}
