//! What attacks from outside have found, each with the request that brought it out.
//! Leaves single rules to the crates that own them.

use super::ground;
use serde_json::json;
use testkit::both_engines;
use web::{Role, Roles};

both_engines! {
    async fn a_token_that_says_more_than_its_account_may_do_changes_nothing(world: &World) {
        let player = world.player().await;
        // As a role's token in another process, in the moment before that hears of the revocation.
        let everything = [Role::PointsProvider, Role::Operator, Role::StoreManager].into_iter().fold(Roles::default().with(Role::Player), Roles::with);
        let demoted = world.as_person(player.id, everything);
        let credit = json!({ "amount_minor": 1_000, "currency": "POINTS", "reference": "r" });
        demoted.post(&format!("/v1/accounts/{}/wallet/credits", player.id), credit).await.refused("unauthenticated");
        demoted.post("/v1/products", json!({ "name": "Castle", "price_minor": 1 })).await.refused("unauthenticated");
        demoted.post("/v1/games", json!({ "id": "kart", "name": "Kart", "zone": "UTC" })).await.refused("unauthenticated");
        assert_eq!(player.get("/v1/wallet").await.expect(200), json!([]));
    }

    async fn another_price_keeps_its_currency(world: &World) {
        let manager = world.person(&[Role::StoreManager]).await;
        let made = manager.post("/v1/products", json!({ "name": "Castle", "price_minor": 1_000, "currency": "POINTS" })).await.expect(201);
        let path = format!("/v1/products/{}", made["product"]);
        manager.patch(&path, json!({ "price_minor": 900 })).await.expect(200);
        let changed = manager.get(&path).await.expect(200);
        assert_eq!((&changed["currency"], &changed["price_minor"], &changed["price_points"]), (&json!("POINTS"), &json!(900), &json!(900)));
        manager.patch(&path, json!({ "price_minor": 900, "currency": "USD" })).await.expect(200);
        let changed = manager.get(&path).await.expect(200);
        assert_eq!((&changed["currency"], &changed["price_points"]), (&json!("USD"), &json!(11_700)));
    }

    async fn a_limited_product_is_no_gift(world: &World) {
        let product = world.limited_product("Racer", 100, 1).await;
        let (player, operator) = (world.player().await, world.person(&[Role::Operator]).await);
        let told = operator.post(&format!("/v1/accounts/{}/library", player.id), json!({ "product": product })).await.refused("wrong-state");
        assert!(told["detail"].as_str().unwrap().contains("limited copies"), "{told}");
    }

    async fn a_request_that_says_two_things_is_refused(world: &World) {
        let product = world.product("Castle", 100).await;
        let player = world.player().await;
        world.charge(&player, 10_000).await;
        let buy = || player.request(reqwest::Method::POST, "/v1/payments/buy").json(&json!({ "products": [product] }));
        player.send(buy().header("idempotency-key", "k1").header("idempotency-key", "k2")).await.refused("bad-key");
        player.send(buy().header("authorization", "Bearer another")).await.refused("unauthenticated");
        player.send(buy().header("content-encoding", "gzip")).await.refused("wrong-media-type");
        assert_eq!(player.get("/v1/library").await.expect(200)["items"], json!([]));
    }

    async fn a_key_stands_for_the_query_too(world: &World) {
        let operator = world.game("kartrush").await;
        let banner = ground::banner(world.db().now());
        let made = operator.post("/v1/games/kartrush/banners", banner.clone()).await.expect(201);
        let path = format!("/v1/games/kartrush/banners/{}", made["banner"].as_str().unwrap());
        let put = |version: i64| operator.request(reqwest::Method::PUT, &format!("{path}?version={version}")).json(&banner).header("idempotency-key", "k");
        let first = operator.send(put(1)).await;
        assert!(first.status < 300, "{}", first.text);
        operator.send(put(99)).await.refused("key-reused");
    }

    async fn one_address_has_one_account_however_its_accents_are_written(world: &World) {
        let sign_up = |email: &str| json!({ "email": email, "password": "correct horse battery", "name": "Zoé" });
        let nobody = world.nobody();
        nobody.post("/v1/accounts", sign_up("zo\u{e9}@example.org")).await.expect(201);
        nobody.post("/v1/accounts", sign_up("zoe\u{301}@example.org")).await.refused("already-exists");
        for hidden in ["zo\u{e9}\u{200b}@example.org", "\u{200e}zo\u{e9}@example.org", "zo\u{e9}@example.org\u{202e}"] {
            nobody.post("/v1/accounts", sign_up(hidden)).await.refused("bad-text");
        }
        for name in ["\u{200b}\u{200e}\u{2060}", "a\u{202e}b", "a\u{1}b"] {
            let body = json!({ "email": "other@example.org", "password": "correct horse battery", "name": name });
            nobody.post("/v1/accounts", body).await.refused("bad-text");
        }
    }

    async fn a_campaign_promises_no_more_points_than_a_wallet_takes(world: &World) {
        let operator = world.game("kartrush").await;
        let campaign = |points: i64| json!({ "campaign": {
            "id": "rich", "game": "kartrush", "title": "Rich", "period": { "starts": "2026-05-01T00:00:00Z", "ends": "2036-05-01T00:00:00Z" },
            "goals": [{ "id": "play", "title": "Play", "condition": { "measure": "count", "on": ["play"], "target": 1 }, "rewards": [{ "points": points }] }],
        } });
        let told = operator.post("/v1/games/kartrush/campaigns", campaign(1_000_000_000_001)).await.refused("invalid-document");
        assert!(told["detail"].to_string().contains("goals[0].rewards[0].points") || told["facts"].to_string().contains("points"), "{told}");
    }
}
