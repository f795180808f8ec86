//! Campaigns registered, changed, stopped and extended while they run.

use crate::ground::*;
use serde_json::json;
use testkit::both_engines;

both_engines! {
    async fn a_campaign_is_in_force_here_at_once_and_elsewhere_at_the_next_look(world: &World) {
        let ground = Ground::lay(world).await;
        let sibling = world.sibling().await;
        let document = campaign(world, "ten-plays", &json!([goal("ten", &points(100))]));
        let made = ground.register(&document).await;
        assert_eq!((&made["state"], &made["version"], &made["lineage"]), (&json!("running"), &json!(1), &json!(1)));
        assert_eq!(world.app.campaigns.live().game(&kart()).unwrap().campaigns.len(), 1);
        sibling.app.campaigns.live().refresh().await.unwrap();
        assert_eq!(sibling.app.campaigns.live().game(&kart()).unwrap().campaign_version, 1);
        ground.manager.post("/v1/games/kart/campaigns", json!({ "campaign": document })).await.refused("already-exists");
        let listed = world.player().await.get("/v1/games/kart/campaigns?state=running").await.expect(200);
        assert_eq!(listed["items"][0]["goals"][0]["goal"], "ten");
        assert_eq!(world.player().await.get("/v1/games/kart/campaigns?state=ended").await.expect(200)["items"], json!([]));
        sibling.stop().await;
    }

    async fn each_change_is_a_version_and_keep_is_refused_where_progress_would_mean_something_else(world: &World) {
        let ground = Ground::lay(world).await;
        let mut document = campaign(world, "ten-plays", &json!([goal("ten", &points(100))]));
        ground.register(&document).await;
        let path = "/v1/games/kart/campaigns/ten-plays";
        document["title"] = json!("Another title");
        let kept = ground.manager.put(path, json!({ "campaign": document, "policy": "keep" })).await.expect(200);
        assert_eq!(kept["version"], 2);
        document["goals"][0]["condition"] = json!({ "measure": "days", "on": ["login"], "target": 3 });
        let refused = ground.manager.put(path, json!({ "campaign": document, "policy": "keep" })).await.refused("invalid-document");
        assert!(refused["facts"]["faults"][0]["path"].as_str().unwrap().starts_with("goals[0]"), "{refused}");
        ground.manager.put(path, json!({ "campaign": document, "policy": "restart" })).await.expect(200);
        let ends = whole_s(world.db().now()).plus_us(60 * 24 * kernel::time::HOUR_US);
        ground.manager.post(&format!("{path}/extend"), json!({ "ends": ends })).await.expect(200);
        ground.manager.post(&format!("{path}/stop"), json!({})).await.expect(200);
        ground.manager.post(&format!("{path}/stop"), json!({})).await.refused("wrong-state");
        let versions = ground.manager.get(&format!("{path}/versions")).await.expect(200);
        let changes: Vec<(&str, i64)> =
            versions["items"].as_array().unwrap().iter().map(|one| (one["change"].as_str().unwrap(), one["lineage"].as_i64().unwrap())).collect();
        assert_eq!(changes, [("stopped", 2), ("extended", 2), ("restarted", 2), ("kept", 1), ("registered", 1)]);
    }

    async fn what_players_reached_before_they_started_over_can_still_be_claimed(world: &World) {
        let ground = Ground::lay(world).await;
        let mut document = campaign(world, "ten-plays", &json!([goal("ten", &points(100))]));
        ground.register(&document).await;
        let player = ground.linked(world, "p1").await;
        reach(world, 1, &[("p1", 0, 1)]).await;
        document["goals"] = json!([goal("first", &points(1)), goal("ten", &points(7))]);
        ground.manager.put("/v1/games/kart/campaigns/ten-plays", json!({ "campaign": document, "policy": "restart" })).await.expect(200);
        reach(world, 1, &[("p1", 1, 1)]).await;
        let both = player.post(&claims("ten-plays", "p1", "ten"), json!({})).await.expect(200);
        assert_eq!(both["claims"].as_array().unwrap().len(), 2);
        assert_eq!(balance(&player).await, 107, "each brings what its own version promised");
    }

    async fn a_wrong_document_is_told_with_paths_and_reasons(world: &World) {
        let ground = Ground::lay(world).await;
        let mut document = campaign(world, "ten-plays", &json!([goal("ten", &points(0))]));
        document["game"] = json!("kart");
        let wrong = ground.manager.post("/v1/games/kart/campaigns", json!({ "campaign": document })).await.refused("invalid-document");
        assert!(wrong["facts"]["faults"][0]["path"].as_str().unwrap().starts_with("goals[0].rewards[0]"), "{wrong}");
        let mut document = campaign(world, "gift", &json!([goal("ten", &json!([{ "product": 4711 }]))]));
        let wrong = ground.manager.post("/v1/games/kart/campaigns", json!({ "campaign": document })).await.refused("invalid-document");
        assert_eq!(wrong["facts"]["faults"][0]["path"], "goals[0].rewards[0].product");
        document["goals"][0]["rewards"] = points(5);
        document["goals"][0]["condition"]["where"] = json!({ "attribute": "mode", "is": "ranked" });
        let wrong = ground.manager.post("/v1/games/kart/campaigns", json!({ "campaign": document })).await.refused("invalid-document");
        assert!(wrong["detail"].as_str().unwrap().contains("mode"), "{wrong}");
        ground.manager.post("/v1/games/kart/campaigns", json!({ "campaign": {} })).await.refused("invalid-document");
        ground.manager.post("/v1/games/kart/campaigns", json!({ "document": {} })).await.refused("bad-body");
    }

    async fn opting_in_and_corrections_wait_for_the_stream(world: &World) {
        let ground = Ground::lay(world).await;
        let mut document = campaign(world, "ten-plays", &json!([goal("ten", &points(100))]));
        document["opt_in"] = json!(true);
        ground.register(&document).await;
        let player = ground.linked(world, "p1").await;
        let path = "/v1/games/kart/campaigns/ten-plays/players/p1";
        player.post(&format!("{path}/opt-in"), json!({})).await.expect(202);
        let correction = json!({ "goal": "ten", "by": -3, "reason": "counted twice" });
        player.post(&format!("{path}/corrections"), correction.clone()).await.refused("forbidden");
        ground.operator.post(&format!("{path}/corrections"), correction).await.expect(202);
        ground.operator.post(&format!("{path}/corrections"), json!({ "goal": "ten", "by": 0, "reason": "x" })).await.refused("bad-amount");
        ground.operator.post("/v1/games/kart/players/p1/erase-progress", json!({ "reason": "asked for" })).await.expect(202);
        let waiting = campaigns::waiting_controls(world.db()).await.unwrap();
        assert_eq!(waiting[&kart()], ["p1"]);
        assert_eq!(checkpoint(world, Step { number: 1, taken: vec!["p1".to_owned()], ..Step::default() }).await, 3);
        assert!(campaigns::waiting_controls(world.db()).await.unwrap().is_empty());
        let noted = ground.operator.get("/v1/audit?subject=game/kart").await.expect(200);
        assert!(noted["items"].as_array().unwrap().iter().any(|one| one["act"] == "progress.corrected"), "{noted}");
    }

    async fn a_hundred_players_are_read_at_once(world: &World) {
        let ground = Ground::lay(world).await;
        ground.register(&campaign(world, "ten-plays", &json!([goal("ten", &points(100))]))).await;
        reach(world, 1, &[("p1", 0, 1), ("p7", 0, 1)]).await;
        let names: Vec<String> = (0..100).map(|n| format!("p{n}")).collect();
        let path = "/v1/games/kart/campaigns/ten-plays/players?players=";
        let all = ground.game.get(&format!("{path}{}", names.join(","))).await.expect(200);
        assert_eq!(all.as_array().unwrap().len(), 100);
        assert_eq!(all[7]["achievements"][0]["standing"], "claimable", "{}", all[7]);
        assert_eq!(all[8]["achievements"], json!([]));
        ground.game.get(&format!("{path}{},one-more", names.join(","))).await.refused("bad-query");
    }
}
