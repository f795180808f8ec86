//! Clawbacks: what a refunded purchase earned goes back, where the campaign says so.

use crate::ground::*;
use kernel::PaymentId;
use serde_json::json;
use testkit::{World, both_engines};

async fn earned(world: &World, ground: &Ground, clawback: bool) -> PaymentId {
    let mut spender = goal("buy", &points(100));
    spender["condition"] = json!({ "measure": "count", "on": ["purchase"], "target": 1 });
    spender["clawback"] = json!(clawback);
    ground.register(&campaign(world, "spend", &json!([spender]))).await;
    let payment = PaymentId::new();
    let cause = rules::event_id(&payment.to_string(), "purchase", 0);
    checkpoint(world, Step { number: 1, reached: vec![("p1".to_owned(), 0, 1, cause)], ..Step::default() }).await;
    payment
}

both_engines! {
    async fn points_that_a_refunded_purchase_earned_are_taken_back_once(world: &World) {
        let ground = Ground::lay(world).await;
        let payment = earned(world, &ground, true).await;
        let player = ground.linked(world, "p1").await;
        ground.game.post(&claims("spend", "p1", "buy"), json!({})).await.expect(200);
        assert_eq!(balance(&player).await, 100);
        assert_eq!(world.app.campaigns.refunded(PaymentId::new(), &[]).await.unwrap(), 0, "another payment's refund");
        assert_eq!(world.app.campaigns.refunded(payment, &[]).await.unwrap(), 1);
        assert_eq!(world.app.campaigns.refunded(payment, &[]).await.unwrap(), 0);
        assert_eq!(balance(&player).await, 0);
        let again = ground.game.post(&claims("spend", "p1", "buy"), json!({})).await.expect(200);
        assert_eq!(again["claims"][0]["state"], "clawed_back");
        assert_eq!(balance(&player).await, 0);
    }

    async fn what_was_not_claimed_before_the_refund_never_is(world: &World) {
        let ground = Ground::lay(world).await;
        let payment = earned(world, &ground, true).await;
        let player = ground.linked(world, "p1").await;
        assert_eq!(world.app.campaigns.refunded(payment, &[]).await.unwrap(), 1);
        let claim = ground.game.post(&claims("spend", "p1", "buy"), json!({})).await.expect(200);
        assert_eq!((&claim["claims"][0]["state"], &claim["claims"][0]["rewards"]), (&json!("clawed_back"), &json!([])));
        assert_eq!(balance(&player).await, 0);
    }

    async fn a_campaign_that_does_not_say_so_keeps_its_rewards(world: &World) {
        let ground = Ground::lay(world).await;
        let payment = earned(world, &ground, false).await;
        let player = ground.linked(world, "p1").await;
        ground.game.post(&claims("spend", "p1", "buy"), json!({})).await.expect(200);
        assert_eq!(world.app.campaigns.refunded(payment, &[]).await.unwrap(), 0);
        assert_eq!(balance(&player).await, 100);
    }

    async fn an_operator_claws_back_by_hand_what_is_still_there(world: &World) {
        let ground = Ground::lay(world).await;
        earned(world, &ground, false).await;
        let player = ground.linked(world, "p1").await;
        let granted = ground.game.post(&claims("spend", "p1", "buy"), json!({})).await.expect(200);
        let spent = json!({ "amount_minor": 60, "currency": "POINTS", "reference": "x" });
        ground.operator.post(&format!("/v1/accounts/{}/wallet/debits", player.id), spent).await.expect(200);
        let path = format!("/v1/games/kart/claims/{}/clawback", granted["claims"][0]["claim"].as_str().unwrap());
        player.post(&path, json!({ "reason": "x" })).await.refused("forbidden");
        assert_eq!(ground.operator.post(&path, json!({ "reason": "ticket 9" })).await.expect(200)["changed"], true);
        assert_eq!(ground.operator.post(&path, json!({ "reason": "ticket 9" })).await.expect(200)["changed"], false);
        assert_eq!(balance(&player).await, 0, "a wallet never goes below zero");
    }
}
