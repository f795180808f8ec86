//! Claims: once each, with what stands behind them, by whoever may.

use crate::ground::*;
use serde_json::json;
use std::collections::BTreeSet;
use testkit::both_engines;

both_engines! {
    async fn points_are_claimed_once_by_the_game_and_land_in_the_linked_wallet(world: &World) {
        let ground = Ground::lay(world).await;
        ground.register(&campaign(world, "ten-plays", &json!([goal("ten", &points(100))]))).await;
        let player = ground.linked(world, "p1").await;
        let path = claims("ten-plays", "p1", "ten");
        ground.game.post(&path, json!({})).await.refused("not-reached");
        reach(world, 1, &[("p1", 0, 1)]).await;

        let first = ground.game.post(&path, json!({})).await.expect(200);
        assert_eq!(first["claims"][0]["rewards"], json!([{ "kind": "points", "amount": 100, "currency": "POINTS" }]));
        let again = ground.game.post(&path, json!({})).await.expect(200);
        assert_eq!(first, again, "a repeat shows the first claim");
        assert_eq!(player.post(&path, json!({})).await.expect(200), first, "the linked account may claim for itself");
        assert_eq!(balance(&player).await, 100);

        let progress = player.get("/v1/games/kart/campaigns/ten-plays/players/p1").await.expect(200);
        assert_eq!(progress["achievements"][0]["standing"], "claimed", "{progress}");
        let detail = ground.manager.get("/v1/games/kart/campaigns/ten-plays").await.expect(200);
        assert_eq!(detail["counts"], json!([{ "goal": "ten", "matched": 10, "reached": 1 }]));
        assert_eq!(detail["spent"][0]["total"], 100, "{detail}");
    }

    async fn a_stranger_neither_sees_nor_claims(world: &World) {
        let ground = Ground::lay(world).await;
        ground.register(&campaign(world, "ten-plays", &json!([goal("ten", &points(100))]))).await;
        reach(world, 1, &[("p1", 0, 1)]).await;
        let stranger = ground.linked(world, "p2").await;
        stranger.post(&claims("ten-plays", "p1", "ten"), json!({})).await.refused("not-found");
        stranger.get("/v1/games/kart/campaigns/ten-plays/players/p1").await.refused("not-found");
        stranger.get("/v1/games/kart/players/p1/achievements").await.refused("not-found");
        let reader = key(world, &ground.operator, &["campaigns:read"]).await;
        reader.post(&claims("ten-plays", "p1", "ten"), json!({})).await.refused("forbidden");
        reader.get("/v1/games/kart/campaigns/ten-plays/players/p1").await.expect(200);
        ground.operator.post("/v1/games", json!({ "id": "other", "name": "Other", "zone": "UTC" })).await.expect(201);
        let made = ground.operator.post("/v1/games/other/keys", json!({ "name": "x", "scopes": ["claims:write"] })).await.expect(201);
        let other = world.nobody().with_token(made["secret"].as_str().unwrap());
        other.post(&claims("ten-plays", "p1", "ten"), json!({})).await.refused("not-found");
    }

    async fn a_reward_that_needs_an_account_waits_for_one(world: &World) {
        let ground = Ground::lay(world).await;
        let castle = world.product("Castle", 599).await;
        ground.register(&campaign(world, "gifts", &json!([goal("castle", &product(castle)), goal("wheel", &json!([{ "item": "wheel", "quantity": 2 }]))]))).await;
        reach(world, 1, &[("p1", 0, 1), ("p1", 1, 1)]).await;
        ground.game.post(&claims("gifts", "p1", "castle"), json!({})).await.refused("account-needed");
        ground.game.post(&claims("gifts", "p1", "wheel"), json!({})).await.expect(200);
        let player = ground.linked(world, "p1").await;
        ground.game.post(&claims("gifts", "p1", "castle"), json!({})).await.expect(200);
        let owned = player.get(&format!("/v1/library/{castle}")).await.expect(200);
        assert_eq!(owned["source"]["kind"], "reward", "{owned}");
    }

    async fn a_product_that_is_owned_stays_claimable(world: &World) {
        let ground = Ground::lay(world).await;
        let castle = world.product("Castle", 599).await;
        ground.register(&campaign(world, "gifts", &json!([goal("castle", &product(castle))]))).await;
        reach(world, 1, &[("p1", 0, 1)]).await;
        let player = ground.linked(world, "p1").await;
        world.charge(&player, 20_000).await;
        let bought = player.post("/v1/payments/buy", json!({ "products": [castle] })).await.expect(201);
        player.post(&claims("gifts", "p1", "castle"), json!({})).await.refused("already-owned");
        player.post(&format!("/v1/payments/{}/refunds", bought["payment"].as_str().unwrap()), json!({})).await.expect(201);
        player.post(&claims("gifts", "p1", "castle"), json!({})).await.expect(200);
        player.get(&format!("/v1/library/{castle}")).await.expect(200);
    }

    async fn a_budget_is_first_come_first_served_and_never_exceeded(world: &World) {
        let ground = Ground::lay(world).await;
        let mut document = campaign(world, "few", &json!([goal("ten", &points(30))]));
        document["budget"] = json!({ "points_total": 100, "grants_per_day": 50 });
        ground.register(&document).await;
        let names: Vec<String> = (0..12).map(|n| format!("p{n}")).collect();
        let reached: Vec<(&str, u16, i64)> = names.iter().map(|name| (name.as_str(), 0, 1)).collect();
        reach(world, 1, &reached).await;
        let mut asks = tokio::task::JoinSet::new();
        for name in &names {
            ground.linked(world, name).await;
            for _ in 0..3 {
                let (game, path) = (ground.game.clone(), claims("few", name, "ten"));
                asks.spawn(async move { (path.clone(), game.post(&path, json!({})).await) });
            }
        }
        let mut granted = BTreeSet::new();
        while let Some(answer) = asks.join_next().await {
            let (path, answer) = answer.unwrap();
            if answer.status == 200 {
                granted.insert(path);
            } else {
                let facts = answer.refused("budget-spent");
                assert_eq!(facts["facts"]["limit"], 100);
            }
        }
        assert_eq!(granted.len(), 3, "30 points three times fit 100");
        document["budget"] = json!({ "points_total": 130 });
        ground.manager.put("/v1/games/kart/campaigns/few", json!({ "campaign": document })).await.expect(200);
        let late: Vec<&String> = names.iter().filter(|name| !granted.contains(&claims("few", name, "ten"))).collect();
        ground.game.post(&claims("few", late[0], "ten"), json!({})).await.expect(200);
        ground.game.post(&claims("few", late[1], "ten"), json!({})).await.refused("budget-spent");
    }

    async fn what_is_not_claimed_in_time_is_lost(world: &World) {
        let ground = Ground::lay(world).await;
        let mut hurried = goal("ten", &points(30));
        hurried["claim_until"] = json!({ "after": "achieved", "hours": 2 });
        ground.register(&campaign(world, "quick", &json!([hurried]))).await;
        ground.linked(world, "p1").await;
        ground.linked(world, "p2").await;
        reach(world, 1, &[("p1", 0, 1), ("p2", 0, 1)]).await;
        world.wait_s(3_600);
        ground.game.post(&claims("quick", "p1", "ten"), json!({})).await.expect(200);
        world.wait_s(3_600);
        ground.game.post(&claims("quick", "p2", "ten"), json!({})).await.refused("claim-expired");
        ground.game.post(&claims("quick", "p1", "ten"), json!({})).await.expect(200);
        let seen = ground.game.get("/v1/games/kart/players/p2/achievements").await.expect(200);
        assert_eq!(seen["items"][0]["standing"], "expired", "{seen}");
    }

    async fn what_comes_by_itself_comes_once_an_account_is_there(world: &World) {
        let ground = Ground::lay(world).await;
        let mut by_itself = goal("ten", &points(30));
        by_itself["claim"] = json!("auto");
        ground.register(&campaign(world, "auto", &json!([by_itself]))).await;
        let first = ground.linked(world, "p1").await;
        reach(world, 1, &[("p1", 0, 1), ("p2", 0, 1)]).await;
        world.app.campaigns.claim_due().await.unwrap();
        assert_eq!(balance(&first).await, 30);
        assert_eq!(world.app.campaigns.claim_due().await.unwrap(), 0, "the other is put off");
        let second = ground.linked(world, "p2").await;
        world.app.campaigns.claim_due().await.unwrap();
        world.app.campaigns.claim_due().await.unwrap();
        assert_eq!((balance(&first).await, balance(&second).await), (30, 30));
    }

    async fn tiers_are_claimed_one_by_one_or_all_at_once(world: &World) {
        let ground = Ground::lay(world).await;
        let tiers = json!({ "id": "tiers", "title": "More and more", "condition": { "measure": "count", "on": ["play"], "tiers": [1, 2, 3] },
            "rewards": [{ "points": 10 }, { "points": 5, "tier": 3 }] });
        ground.register(&campaign(world, "steps", &json!([tiers]))).await;
        let player = ground.linked(world, "p1").await;
        reach(world, 1, &[("p1", 0, 1), ("p1", 0, 2), ("p1", 0, 3)]).await;
        let one = player.post(&claims("steps", "p1", "tiers"), json!({ "n": 2 })).await.expect(200);
        assert_eq!(one["claims"].as_array().unwrap().len(), 1);
        let all = player.post(&claims("steps", "p1", "tiers"), json!({})).await.expect(200);
        assert_eq!(all["claims"].as_array().unwrap().len(), 3);
        assert_eq!(balance(&player).await, 35);
    }
}
