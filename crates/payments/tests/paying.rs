//! Paying over HTTP, on both engines: from wishlist to owned, and everything that must be refused.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use kernel::{PaymentId, ProductId};
use serde_json::{Value, json};
use testkit::{Person, World, both_engines};

/// A player with an order of these products that was entered; answers the payment.
async fn entered(player: &Person, products: &[ProductId]) -> Value {
    for product in products {
        player.post("/v1/wishlist", json!({ "product": product })).await.expect(201);
    }
    let order = player.post("/v1/orders", json!({})).await.expect(201);
    player.post("/v1/payments", json!({ "order": order["id"] })).await.expect(201)
}

fn pay_path(payment: &Value) -> String {
    format!("/v1/payments/{}/pay", payment["id"].as_str().expect("a payment has an id"))
}

async fn balance(player: &Person) -> i64 {
    player.get("/v1/wallet").await.expect(200)[0]["balance_minor"].as_i64().unwrap_or(0)
}

both_engines! {
    async fn a_player_wishes_orders_pays_owns_plays_and_refunds(world: &World) {
        let (castle, racer) = (world.product("Castle", 599).await, world.product("Racer", 1999).await);
        let player = world.player().await;
        world.charge(&player, 50_000).await;

        let payment = entered(&player, &[castle, racer]).await;
        assert_eq!(payment["amount_minor"], 7_787 + 25_987, "5.99 and 19.99 USD at 1300 points");
        let receipt = player.post(&pay_path(&payment), json!({})).await.expect(200);
        assert_eq!(receipt["balance_minor"], 50_000 - 33_774);
        assert_eq!(player.get("/v1/library").await.expect(200)["items"].as_array().unwrap().len(), 2);

        player.post(&format!("/v1/library/{racer}/plays"), json!({ "minutes": 30 })).await.expect(200);
        let refund = player.post(&format!("/v1/payments/{}/refunds", payment["id"].as_str().unwrap()), json!({})).await.expect(201);
        assert_eq!(refund["products"], json!([castle]));
        assert_eq!(refund["refused"][0]["product"], json!(racer));
        assert_eq!(balance(&player).await, 50_000 - 25_987);
        player.get(&format!("/v1/library/{castle}")).await.refused("not-found");
        let read = player.get(&format!("/v1/payments/{}", payment["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(read["state"], "partially_refunded");

        let again = player.post("/v1/payments/buy", json!({ "products": [castle] })).await.expect(201);
        assert_eq!(again["products"], json!([castle]), "what was refunded can be bought again");
    }

    async fn a_repeated_key_returns_the_first_receipt(world: &World) {
        let product = world.product("Castle", 599).await;
        let player = world.player().await;
        world.charge(&player, 20_000).await;
        let payment = entered(&player, &[product]).await;
        let path = pay_path(&payment);

        let first = player.post_keyed(&path, "key-1", json!({})).await.expect(200);
        let again = player.post_keyed(&path, "key-1", json!({})).await.expect(200);
        assert_eq!(first, again);
        player.post(&path, json!({})).await.refused("wrong-state");
        assert_eq!(balance(&player).await, 20_000 - 7_787);

        player.post_keyed("/v1/payments/buy", "key-2", json!({ "products": [product] })).await.refused("already-owned");
        let other = world.product("Racer", 100).await;
        player.post_keyed("/v1/payments/buy", "key-2", json!({ "products": [other] })).await.expect(201);
        player.post_keyed("/v1/payments/buy", "key-2", json!({ "products": [product] })).await.refused("key-reused");
    }

    async fn a_key_used_by_many_at_once_has_one_effect(world: &World) {
        let product = world.product("Castle", 599).await;
        let player = world.player().await;
        world.charge(&player, 100_000).await;
        let payment = entered(&player, &[product]).await;
        let path = pay_path(&payment);
        let sibling = world.sibling().await;
        let there = player.at(&sibling.url);

        let mut asks = tokio::task::JoinSet::new();
        for n in 0..40 {
            let (caller, path) = (if n % 2 == 0 { player.clone() } else { there.clone() }, path.clone());
            asks.spawn(async move { caller.post_keyed(&path, "same", json!({})).await });
        }
        let answers: Vec<Value> = asks.join_all().await.into_iter().map(|answer| answer.expect(200)).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "one answer");
        assert_eq!(balance(&player).await, 100_000 - 7_787, "one effect");

        let mut asks = tokio::task::JoinSet::new();
        for n in 0..20_i64 {
            let caller = if n % 2 == 0 { player.clone() } else { there.clone() };
            let body = json!({ "products": [9_000_000 + n] });
            asks.spawn(async move { caller.post_keyed("/v1/payments/buy", "same-buy", body).await.status });
        }
        let statuses = asks.join_all().await;
        assert!(statuses.iter().all(|status| [404, 422].contains(status)), "unknown, or the key is another's at that moment: {statuses:?}");
        player.post_keyed("/v1/payments/buy", "same-buy", json!({ "products": [9_000_001] })).await.refused("not-found");
        sibling.stop().await;
    }

    async fn a_player_who_pays_and_refunds_at_once_from_many_places_is_charged_and_paid_back_once(world: &World) {
        let product = world.product("Castle", 599).await;
        let player = world.player().await;
        world.charge(&player, 10_000).await;
        let payment = entered(&player, &[product]).await;
        let id = payment["id"].as_str().unwrap().to_owned();
        let sibling = world.sibling().await;

        let paid = concurrently(&player, &sibling.url, &format!("/v1/payments/{id}/pay"), 20).await;
        assert_eq!(paid.iter().filter(|status| **status == 200).count(), 1, "{paid:?}");
        let refunded = concurrently(&player, &sibling.url, &format!("/v1/payments/{id}/refunds"), 20).await;
        assert_eq!(refunded.iter().filter(|status| **status == 201).count(), 1, "{refunded:?}");
        assert_eq!(balance(&player).await, 10_000);
        sibling.stop().await;
    }

    async fn play_against_refund_has_one_winner(world: &World) {
        let player = world.player().await;
        world.charge(&player, 1_000_000).await;
        for round in 0..10 {
            let product = world.product(&format!("Game {round}"), 100).await;
            let receipt = player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
            let (plays, refunds) = (format!("/v1/library/{product}/plays"), format!("/v1/payments/{}/refunds", receipt["payment"].as_str().unwrap()));
            let (played, refunded) = tokio::join!(player.post(&plays, json!({ "minutes": 1 })), player.post(&refunds, json!({})));
            match (played.status, refunded.status) {
                (200, 409) | (404, 201) => {}
                other => panic!("played and refunded: {other:?}"),
            }
        }
    }

    async fn what_a_player_cannot_afford_stays_unpaid_and_can_be_paid_once_charged(world: &World) {
        let product = world.product("Castle", 599).await;
        let player = world.player().await;
        let payment = entered(&player, &[product]).await;
        let refusal = player.post_keyed(&pay_path(&payment), "k", json!({})).await.refused("insufficient-funds");
        assert_eq!(refusal["facts"]["needed_minor"], 7_787);
        world.charge(&player, 7_787).await;
        player.post_keyed(&pay_path(&payment), "k", json!({})).await.expect(200);
        assert_eq!(balance(&player).await, 0);
    }

    async fn what_is_free_is_paid_without_a_wallet(world: &World) {
        let product = world.product("Free", 0).await;
        let player = world.player().await;
        let receipt = player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
        assert_eq!(receipt["amount_minor"], 0);
        let refund = player.post(&format!("/v1/payments/{}/refunds", receipt["payment"].as_str().unwrap()), json!({})).await.expect(201);
        assert_eq!(refund["amount_minor"], 0);
    }

    async fn orders_that_make_no_sense_are_refused(world: &World) {
        let product = world.product("Castle", 599).await;
        let player = world.player().await;
        player.post("/v1/orders", json!({})).await.refused("empty-wishlist");
        player.post("/v1/wishlist", json!({ "product": 424_242 })).await.refused("not-found");
        player.post("/v1/wishlist", json!({ "product": product })).await.expect(201);
        player.post("/v1/wishlist", json!({ "product": product })).await.refused("already-exists");
        let order = player.post("/v1/orders", json!({})).await.expect(201);
        player.post("/v1/wishlist", json!({ "product": product })).await.expect(201);
        player.post("/v1/orders", json!({})).await.refused("already-ordered");
        player.post("/v1/payments/buy", json!({ "products": [product] })).await.refused("already-ordered");
        player.post("/v1/payments/buy", json!({ "products": [] })).await.refused("bad-body");
        player.post("/v1/payments/buy", json!({ "products": [product, product] })).await.refused("bad-body");
        player.post(&format!("/v1/orders/{}/cancel", order["id"].as_str().unwrap()), json!({})).await.expect(200);
        player.post(&format!("/v1/orders/{}/cancel", order["id"].as_str().unwrap()), json!({})).await.refused("wrong-state");
        player.post("/v1/payments", json!({ "order": order["id"] })).await.refused("wrong-state");
        let stranger = world.player().await;
        stranger.get(&format!("/v1/orders/{}", order["id"].as_str().unwrap())).await.refused("not-found");
        stranger.post("/v1/payments", json!({ "order": order["id"] })).await.refused("not-found");
    }

    async fn another_players_payment_cannot_be_seen_paid_or_refunded(world: &World) {
        let product = world.product("Castle", 599).await;
        let (player, stranger) = (world.player().await, world.player().await);
        world.charge(&player, 10_000).await;
        world.charge(&stranger, 10_000).await;
        let payment = entered(&player, &[product]).await;
        let id = payment["id"].as_str().unwrap();
        stranger.get(&format!("/v1/payments/{id}")).await.refused("not-found");
        stranger.post(&format!("/v1/payments/{id}/pay"), json!({})).await.refused("not-found");
        player.post(&format!("/v1/payments/{id}/pay"), json!({})).await.expect(200);
        stranger.post(&format!("/v1/payments/{id}/refunds"), json!({})).await.refused("not-found");
        stranger.get(&format!("/v1/payments/{id}/refunds")).await.refused("not-found");
        assert_eq!(balance(&stranger).await, 10_000);
    }

    async fn a_dropped_item_lowers_the_price_and_the_last_one_cancels(world: &World) {
        let (castle, racer) = (world.product("Castle", 599).await, world.limited_product("Racer", 1999, 1).await);
        let player = world.player().await;
        let payment = entered(&player, &[castle, racer]).await;
        let order = payment["order"].as_str().unwrap();
        player.delete(&format!("/v1/orders/{order}/items/{racer}")).await.expect(200);
        let stock = player.get(&format!("/v1/stocks/{racer}")).await.expect(200);
        assert_eq!((&stock["available"], &stock["held"]), (&json!(1), &json!(0)));
        let read = player.get(&format!("/v1/payments/{}", payment["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(read["amount_minor"], 7_787);
        let after = player.delete(&format!("/v1/orders/{order}/items/{castle}")).await.expect(200);
        assert_eq!(after["state"], "cancelled");
    }

    async fn an_unpaid_payment_expires_and_its_stock_and_wishes_return(world: &World) {
        let product = world.limited_product("Racer", 1999, 1).await;
        let (player, next) = (world.player().await, world.player().await);
        world.charge(&player, 100_000).await;
        world.charge(&next, 100_000).await;
        let payment = entered(&player, &[product]).await;
        next.post("/v1/payments/buy", json!({ "products": [product] })).await.refused("sold-out");

        world.wait_s(601);
        player.post(&pay_path(&payment), json!({})).await.refused("hold-expired");
        assert_eq!(world.app.payments.sweep_expired().await.unwrap(), 1);
        assert_eq!(world.app.payments.sweep_expired().await.unwrap(), 0, "a sweep repeats nothing");
        player.post(&pay_path(&payment), json!({})).await.refused("hold-expired");
        assert_eq!(player.get("/v1/wishlist").await.expect(200)["items"][0]["product"], json!(product));
        // The flag that said sold out is believed for 200 ms; then one request looks again.
        tokio::time::sleep(stock::sold_out::BELIEVED_FOR).await;
        next.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
    }

    async fn pay_against_expiry_has_one_winner(world: &World) {
        let product = world.limited_product("Racer", 100, 30).await;
        let mut payments = Vec::new();
        for _ in 0..10 {
            let player = world.player().await;
            world.charge(&player, 100_000).await;
            payments.push((player.clone(), entered(&player, &[product]).await));
        }
        world.wait_s(599);
        let sweeping = async {
            world.wait_s(2);
            world.app.payments.sweep_expired().await.unwrap()
        };
        let paying = futures::future::join_all(payments.iter().map(|(player, payment)| async move { player.post(&pay_path(payment), json!({})).await.status }));
        let (expired, paid) = tokio::join!(sweeping, paying);
        let late = world.app.payments.sweep_expired().await.unwrap();
        assert_eq!(paid.iter().filter(|status| **status == 200).count() + expired + late, 10, "{paid:?}");
        let stock = world.nobody().get(&format!("/v1/stocks/{product}")).await.expect(200);
        assert_eq!(stock["held"], 0);
    }

    async fn a_sale_that_ends_between_enter_and_pay_keeps_its_price(world: &World) {
        let product = world.product("Castle", 1000).await;
        let manager = world.person(&[web::Role::StoreManager]).await;
        let now = world.app.db.now();
        let period = json!({ "percent": 75, "starts_at": now.plus_us(-1_000_000), "ends_at": now.plus_us(60_000_000) });
        manager.put(&format!("/v1/products/{product}/sale"), period).await.expect(200);
        let player = world.player().await;
        world.charge(&player, 100_000).await;
        let payment = entered(&player, &[product]).await;
        assert_eq!(payment["amount_minor"], 3_250, "2.50 USD: 75 % means 75 % off");
        world.wait_s(61);
        let receipt = player.post(&pay_path(&payment), json!({})).await.expect(200);
        assert_eq!(receipt["amount_minor"], 3_250);
        let shown = player.get(&format!("/v1/products/{product}")).await.expect(200);
        assert_eq!(shown["state"], "regular");
    }

    async fn a_limit_per_player_counts_what_was_refunded(world: &World) {
        let product = world.limited_product("Racer", 100, 10).await;
        let manager = world.person(&[web::Role::StoreManager]).await;
        manager.put(&format!("/v1/products/{product}/limit"), json!({ "limited": true, "player_limit": 1 })).await.expect(200);
        let player = world.player().await;
        world.charge(&player, 100_000).await;
        let receipt = player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
        player.post(&format!("/v1/payments/{}/refunds", receipt["payment"].as_str().unwrap()), json!({})).await.expect(201);
        player.post("/v1/payments/buy", json!({ "products": [product] })).await.refused("limit-reached");
    }

    async fn payments_are_listed_by_cursor_and_by_page_number(world: &World) {
        let player = world.player().await;
        let mut made = Vec::new();
        for n in 0..13 {
            let product = world.product(&format!("Game {n}"), 0).await;
            made.push(player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201)["payment"].clone());
        }
        made.reverse();
        let ids = |page: &Value| -> Vec<Value> { page["items"].as_array().unwrap().iter().map(|payment| payment["id"].clone()).collect() };
        let first = player.get("/v1/payments").await.expect(200);
        assert_eq!(ids(&first), made[..10]);
        let second = player.get(&format!("/v1/payments?cursor={}", first["next"].as_str().unwrap())).await.expect(200);
        assert_eq!((ids(&second), second.get("next")), (made[10..].to_vec(), None));
        assert_eq!(ids(&player.get("/v1/payments?page_number=2").await.expect(200)), made[10..]);
        player.get("/v1/payments?cursor=nonsense").await.refused("bad-cursor");
        player.get("/v1/payments?page_number=0").await.refused("bad-query");
        player.get("/v1/payments?size=1000").await.refused("bad-query");
        player.get(&format!("/v1/payments/{}", PaymentId::new())).await.refused("not-found");
        player.get("/v1/payments/7").await.refused("bad-path");
    }
}

async fn concurrently(player: &Person, elsewhere: &str, path: &str, times: usize) -> Vec<u16> {
    let mut asks = tokio::task::JoinSet::new();
    for n in 0..times {
        let (caller, path) = (if n % 2 == 0 { player.clone() } else { player.at(elsewhere) }, path.to_owned());
        asks.spawn(async move { caller.post(&path, json!({})).await.status });
    }
    asks.join_all().await
}

#[test]
fn refunds_of_the_next_day_are_completed_by_the_job_and_repeat_nothing() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut worlds = vec![World::start(|config| config.store.refund_mode = testkit::RefundMode::NextDay, None).await];
        if let Some(url) = testkit::fresh_postgres("next_day").await {
            worlds.push(World::start(|config| config.store.refund_mode = testkit::RefundMode::NextDay, Some(url)).await);
        }
        for world in worlds {
            next_day(&world).await;
            world.check().await;
            world.stop().await;
        }
    });
}

#[test]
fn what_was_paid_in_a_former_currency_is_refunded_in_it() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let Some(url) = testkit::fresh_postgres("currency").await else { return eprintln!("left out: no Postgres") };
        let world = World::start(|_| {}, Some(url)).await;
        let player = world.player().await;
        world.charge(&player, 20_000).await;
        let castle = world.product("Castle", 599).await;
        let paid = player.post("/v1/payments/buy", json!({ "products": [castle] })).await.expect(201);
        let waiting = entered(&player, &[world.product("Racer", 599).await]).await;
        let after = world.sibling_with(|config| config.store.points_currency = "GEMS".parse().unwrap()).await;
        world.stop().await;
        let world = after;
        let player = world.as_person(player.id, web::Roles::default().with(web::Role::Player));
        player.post(&format!("/v1/payments/{}/refunds", paid["payment"].as_str().unwrap()), json!({})).await.expect(201);
        player.post(&pay_path(&waiting), json!({})).await.expect(200);
        assert_eq!(balance(&player).await, 20_000 - 7_787, "one came back, one was paid");
        world.check().await;
        world.stop().await;
    });
}

async fn next_day(world: &World) {
    let (castle, racer) = (world.product("Castle", 599).await, world.limited_product("Racer", 1999, 1).await);
    let player = world.player().await;
    world.charge(&player, 50_000).await;
    let receipt = player.post("/v1/payments/buy", json!({ "products": [castle, racer] })).await.expect(201);
    let refunds = format!("/v1/payments/{}/refunds", receipt["payment"].as_str().unwrap());
    let one = player.post(&refunds, json!({ "products": [racer] })).await.expect(201);
    let two = player.post(&refunds, json!({ "products": [castle] })).await.expect(201);
    assert_eq!((&one["state"], &two["state"]), (&json!("requested"), &json!("requested")));
    player.post(&refunds, json!({})).await.refused("not-refundable");
    assert_eq!(world.app.payments.complete_refunds().await.unwrap(), 0, "not before the next day");
    player.post(&format!("/v1/library/{castle}/plays"), json!({ "minutes": 1 })).await.expect(200);

    world.wait_s(24 * 3600);
    let player = world.as_person(player.id, web::Roles::default());
    assert_eq!(world.app.payments.complete_refunds().await.unwrap(), 2);
    assert_eq!(world.app.payments.complete_refunds().await.unwrap(), 0);
    let read = player.get(&format!("{refunds}/{}", one["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&read["state"], &read["amount_minor"]), (&json!("done"), &json!(25_987)));
    let declined = player.get(&format!("{refunds}/{}", two["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(declined["state"], "declined", "it was played meanwhile");
    assert_eq!(balance(&player).await, 50_000 - 7_787);
    let stock = player.get(&format!("/v1/stocks/{racer}")).await.expect(200);
    assert_eq!(stock["available"], 1);
}
