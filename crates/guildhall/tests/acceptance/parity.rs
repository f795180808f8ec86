//! What the store before this one could do and no crate's own tests show over HTTP: accounts, wishlists, holds, stock, library.
//! Leaves the main path to `real_catalogue` and paying to the tests of payments.

use super::dump::Dumper;
use super::ground::{Ground, PASSWORD, order, roomy_engines};
use super::table::ROUTES;
use serde_json::{Value, json};
use testkit::{World, both_engines};
use web::Role;

fn products(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|item| item["product"].as_i64().unwrap()).collect()
}

both_engines! {
    async fn a_player_signs_up_signs_in_and_changes_the_profile(world: &World) {
        let body = json!({ "email": "Jane@Example.org", "password": PASSWORD, "name": "Jane", "phone": "+82 2-1234-5678" });
        let user = world.nobody().post("/v1/accounts", body.clone()).await.expect(201)["user"].clone();
        world.nobody().post("/v1/accounts", body).await.refused("already-exists");
        let pair = world.nobody().post("/v1/sessions", json!({ "email": "jane@example.org", "password": PASSWORD })).await.expect(201);
        assert_eq!((&pair["user"], &pair["roles"]), (&user, &json!(["player"])));
        let jane = world.nobody().with_token(pair["access_token"].as_str().unwrap());
        jane.patch("/v1/accounts/me", json!({ "name": "Jane D.", "phone": "" })).await.expect(200);
        let profile = jane.get("/v1/accounts/me").await.expect(200);
        assert_eq!((&profile["name"], profile.get("phone").filter(|phone| !phone.is_null())), (&json!("Jane D."), None));
    }

    async fn a_deduction_never_goes_below_zero(world: &World) {
        let (player, operator) = (world.player().await, world.person(&[Role::Operator]).await);
        world.charge(&player, 100).await;
        let path = format!("/v1/accounts/{}/wallet/debits", player.id);
        let body = |amount: i64| json!({ "amount_minor": amount, "currency": "POINTS" });
        operator.post(&path, body(101)).await.refused("insufficient-funds");
        assert_eq!(operator.post(&path, body(100)).await.expect(200)["balance_after_minor"], 0);
        operator.post(&path, body(1)).await.refused("insufficient-funds");
        let entries = player.get("/v1/wallet/entries?currency=POINTS").await.expect(200);
        let amounts: Vec<i64> = entries["items"].as_array().unwrap().iter().map(|entry| entry["amount_minor"].as_i64().unwrap()).collect();
        assert_eq!(amounts, [-100, 100], "newest first");
    }

    async fn a_product_is_wished_for_once_and_not_when_owned(world: &World) {
        let (castle, racer) = (world.product("Castle", 0).await, world.product("Racer", 0).await);
        let player = world.player().await;
        player.post("/v1/wishlist", json!({ "product": castle })).await.expect(201);
        player.post("/v1/wishlist", json!({ "product": castle })).await.refused("already-exists");
        player.post("/v1/payments/buy", json!({ "products": [racer] })).await.expect(201);
        player.post("/v1/wishlist", json!({ "product": racer })).await.refused("already-owned");
        assert_eq!(products(&player.get("/v1/wishlist").await.expect(200)), [castle.0]);
        player.delete(&format!("/v1/wishlist/{castle}")).await.expect(204);
        player.delete(&format!("/v1/wishlist/{castle}")).await.refused("not-found");
        assert_eq!(products(&player.get("/v1/wishlist").await.expect(200)), Vec::<i64>::new());
    }

    async fn a_wishlist_comes_in_pages(world: &World) {
        let player = world.player().await;
        let mut wished = Vec::new();
        for n in 0..5 {
            let product = world.product(&format!("Game {n}"), 100).await;
            player.post("/v1/wishlist", json!({ "product": product })).await.expect(201);
            wished.push(product.0);
        }
        let (mut listed, mut path) = (Vec::new(), "/v1/wishlist?size=2".to_owned());
        loop {
            let page = player.get(&path).await.expect(200);
            listed.extend(products(&page));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/v1/wishlist?size=2&cursor={next}");
        }
        listed.sort_unstable();
        assert_eq!(listed, wished, "each once");
    }

    async fn entering_holds_limited_stock_all_or_nothing(world: &World) {
        let (plenty, last) = (world.limited_product("Plenty", 100, 5).await, world.limited_product("Last", 100, 1).await);
        let (first, second) = (world.player().await, world.player().await);
        let one = order(&first, &[last]).await;
        first.post("/v1/payments", json!({ "order": one })).await.expect(201);
        let both = order(&second, &[plenty, last]).await;
        let refusal = second.post("/v1/payments", json!({ "order": both })).await.refused("sold-out");
        assert!(refusal["detail"].as_str().unwrap().contains(&last.to_string()), "{refusal}");
        let stock = second.get(&format!("/v1/stocks/{plenty}")).await.expect(200);
        assert_eq!((&stock["available"], &stock["held"]), (&json!(5), &json!(0)), "nothing is held of an order that cannot be entered");
    }

    async fn a_refund_is_read_back_with_its_state(world: &World) {
        let product = world.product("Castle", 100).await;
        let player = world.player().await;
        world.charge(&player, 10_000).await;
        let receipt = player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
        let path = format!("/v1/payments/{}/refunds", receipt["payment"].as_str().unwrap());
        let refund = player.post(&path, json!({})).await.expect(201);
        let read = player.get(&format!("{path}/{}", refund["id"].as_str().unwrap())).await.expect(200);
        assert_eq!((&read["id"], &read["state"], &read["amount_minor"]), (&refund["id"], &json!("done"), &json!(1_300)));
        assert_eq!(player.get(&path).await.expect(200)[0]["id"], refund["id"]);
        player.get(&format!("{path}/{}", kernel::RefundId::new())).await.refused("not-found");
    }

    async fn stock_stays_between_zero_and_what_was_registered(world: &World) {
        let product = world.limited_product("Racer", 100, 10).await;
        let manager = world.person(&[Role::StoreManager]).await;
        let path = format!("/v1/stocks/{product}");
        let (decrease, increase) = (format!("{path}/decrease"), format!("{path}/increase"));
        manager.post(&decrease, json!({ "quantity": 11 })).await.refused("out-of-bounds");
        manager.post(&increase, json!({ "quantity": 1 })).await.refused("out-of-bounds");
        let stock = manager.post(&decrease, json!({ "quantity": 4 })).await.expect(200);
        assert_eq!((&stock["available"], &stock["sold"], &stock["by_hand"]), (&json!(6), &json!(4), &json!(4)));
        manager.post(&increase, json!({ "quantity": 5 })).await.refused("out-of-bounds");
        manager.post(&increase, json!({ "quantity": 3 })).await.expect(200);
        manager.post(&path, json!({ "quantity": 5 })).await.expect(200);
        let read = world.nobody().get(&path).await.expect(200);
        assert_eq!((&read["registered"], &read["available"], &read["sold"]), (&json!(15), &json!(14), &json!(1)), "registering again raises the ceiling");
    }

    async fn a_granted_product_is_owned_once(world: &World) {
        let product = world.product("Castle", 100).await;
        let (player, operator) = (world.player().await, world.person(&[Role::Operator]).await);
        let path = format!("/v1/accounts/{}/library", player.id);
        operator.post(&path, json!({ "product": product })).await.expect(201);
        operator.post(&path, json!({ "product": product })).await.refused("already-owned");
        assert_eq!(products(&player.get("/v1/library").await.expect(200)), [product.0]);
        assert_eq!(operator.get(&path).await.expect(200), player.get("/v1/library").await.expect(200));
    }

    async fn plays_are_listed_newest_first(world: &World) {
        let product = world.product("Castle", 0).await;
        let player = world.player().await;
        player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
        let path = format!("/v1/library/{product}/plays");
        for minutes in [10, 20, 30] {
            player.post(&path, json!({ "minutes": minutes })).await.expect(200);
        }
        let minutes = |page: &Value| -> Vec<i64> { page["items"].as_array().unwrap().iter().map(|play| play["minutes"].as_i64().unwrap()).collect() };
        let first = player.get(&format!("{path}?size=2")).await.expect(200);
        assert_eq!(minutes(&first), [30, 20]);
        let rest = player.get(&format!("{path}?size=2&cursor={}", first["next"].as_str().unwrap())).await.expect(200);
        assert_eq!(minutes(&rest), [10]);
        assert_eq!(player.get(&format!("/v1/library/{product}")).await.expect(200)["minutes"], 60);
    }
}

roomy_engines! {
    async fn no_answer_holds_a_password_hash(world: &World) {
        let ground = Ground::lay(world).await;
        let stored = Dumper::of(world.db()).await.dump(world.db()).await["personal"].join(" ");
        assert!(stored.contains("argon2id"), "hashes are there to be leaked");
        for route in ROUTES.iter().filter(|route| route.method != "DELETE") {
            let request = ground.boss.request(route.method(), &route.at(&ground));
            let answer = ground.boss.send(if route.reads() { request } else { request.json(&(route.body)(&ground)) }).await;
            assert!(!answer.text.contains("argon2") && !answer.text.contains("password_hash"), "{}: {}", route.name(), answer.text);
        }
    }
}
