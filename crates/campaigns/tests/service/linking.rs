//! Links: a code proves that the player is theirs; one account, one player.

use crate::ground::*;
use serde_json::json;
use testkit::both_engines;

both_engines! {
    async fn a_code_links_the_account_that_redeems_it_once(world: &World) {
        let ground = Ground::lay(world).await;
        let codes = "/v1/games/kart/players/p1/link-codes";
        let code = ground.game.post(codes, json!({})).await.expect(201)["code"].as_str().unwrap().to_owned();
        let (player, other) = (world.player().await, world.player().await);
        let link = player.post("/v1/links", json!({ "code": code.to_lowercase() })).await.expect(201);
        assert_eq!((&link["player"], &link["linked_by"]), (&json!("p1"), &json!("code")));
        other.post("/v1/links", json!({ "code": code })).await.refused("not-found");
        assert_eq!(player.get("/v1/links").await.expect(200)[0]["game"], "kart");
        assert_eq!(ground.game.get("/v1/games/kart/players/p1/link").await.expect(200)["user"], json!(player.id));

        let second = ground.game.post(codes, json!({})).await.expect(201)["code"].clone();
        other.post("/v1/links", json!({ "code": second })).await.refused("already-exists");
        player.delete("/v1/links/kart").await.expect(204);
        other.post("/v1/links", json!({ "code": second })).await.expect(201);
        player.delete("/v1/links/kart").await.refused("not-found");
    }

    async fn a_code_is_good_for_a_while_and_the_newest_counts(world: &World) {
        let ground = Ground::lay(world).await;
        let codes = "/v1/games/kart/players/p1/link-codes";
        let code = |answer: serde_json::Value| answer["code"].clone();
        let old = code(ground.game.post(codes, json!({})).await.expect(201));
        let new = code(ground.game.post(codes, json!({})).await.expect(201));
        let player = world.player().await;
        player.post("/v1/links", json!({ "code": old })).await.refused("not-found");
        world.wait_s(campaigns::commands::links::CODE_S);
        // A token lives no longer than a code.
        let later = world.as_person(player.id, web::Roles::default().with(web::Role::Player));
        later.post("/v1/links", json!({ "code": new })).await.refused("not-found");
        world.nobody().post(codes, json!({})).await.refused("unauthenticated");
        later.post(codes, json!({})).await.refused("forbidden");
    }

    async fn an_account_plays_a_game_as_one_player(world: &World) {
        let ground = Ground::lay(world).await;
        let player = ground.linked(world, "p1").await;
        let path = "/v1/games/kart/players/p2/link";
        ground.operator.put(path, json!({ "link_to": player.id })).await.refused("already-exists");
        ground.operator.delete("/v1/games/kart/players/p1/link").await.expect(204);
        ground.operator.put(path, json!({ "link_to": player.id })).await.expect(200);
        ground.game.get("/v1/games/kart/players/p1/link").await.refused("not-found");
    }
}
