//! The known faults of the system this one follows, each with the input that brought it out there.
//! Leaves crashes to `kill`, and those that the tests of payments show already.

use db::Statement;
use kernel::ProductId;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{Person, both_engines};

const COPIES: i64 = 10;
const BUYERS: usize = 60;
/// Products in the list whose last page is read.
const LISTED: i64 = 4_000;

async fn balance(player: &Person) -> i64 {
    player.get("/v1/wallet").await.expect(200)[0]["balance_minor"].as_i64().unwrap()
}

async fn entered(player: &Person, product: ProductId) -> (String, Value) {
    let order = super::ground::order(player, &[product]).await;
    let payment = player.post("/v1/payments", json!({ "order": order })).await.expect(201);
    (format!("/v1/payments/{}/pay", payment["id"].as_str().unwrap()), payment)
}

/// The quickest of many reads: what others do on this machine only ever slows one down.
async fn quickest(person: &Person, path: &str) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..40 {
        let started = Instant::now();
        person.get(path).await.expect(200);
        best = best.min(started.elapsed());
    }
    best
}

static GAMES: Statement = Statement::new("test.games", "select count(*) from product");

both_engines! {
    async fn sold_out_is_a_decision_and_not_a_fault(world: &World) {
        let product = world.limited_product("Racer", 100, COPIES).await;
        let mut asks = tokio::task::JoinSet::new();
        for _ in 0..BUYERS {
            let player = world.player().await;
            world.charge(&player, 10_000).await;
            asks.spawn(async move { (player.post("/v1/payments/buy", json!({ "products": [product] })).await, player) });
        }
        let mut bought = 0;
        for (answer, player) in asks.join_all().await {
            if answer.status == 201 {
                bought += 1;
                assert_eq!(balance(&player).await, 8_700);
            } else {
                assert_eq!(answer.status, 409);
                answer.refused("sold-out");
                assert_eq!(balance(&player).await, 10_000);
            }
        }
        assert_eq!(bought, COPIES);
        let stock = world.nobody().get(&format!("/v1/stocks/{product}")).await.expect(200);
        assert_eq!((&stock["available"], &stock["held"], &stock["sold"]), (&json!(0), &json!(0), &json!(COPIES)));
    }

    async fn a_write_that_fails_leaves_nothing_paid(world: &World) {
        let product = world.limited_product("Racer", 100, 1).await;
        let player = world.player().await;
        world.charge(&player, 10_000).await;
        let (pay, payment) = entered(&player, product).await;
        // The ledger's next row is taken already: a late step of the transaction breaks.
        let taken = "insert into ledger select user_id, currency, 2, amount, balance_after, counterparty, reason, reference, at from ledger";
        world.db().plain(taken).await.unwrap();
        player.post_keyed(&pay, "k", json!({})).await.refused("internal");
        world.db().plain("delete from ledger where seq = 2").await.unwrap();

        world.check().await;
        let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
        assert_eq!(player.get(&path).await.expect(200)["state"], "ready");
        assert_eq!(player.get("/v1/library").await.expect(200)["items"], json!([]));
        assert_eq!(balance(&player).await, 10_000);
        player.post_keyed(&pay, "k", json!({})).await.expect(200);
        assert_eq!(balance(&player).await, 8_700);
    }

    async fn what_is_owned_is_not_charged_again(world: &World) {
        let product = world.product("Castle", 100).await;
        let (player, operator) = (world.player().await, world.person(&[web::Role::Operator]).await);
        world.charge(&player, 10_000).await;
        let (pay, _) = entered(&player, product).await;
        operator.post(&format!("/v1/accounts/{}/library", player.id), json!({ "product": product })).await.expect(201);
        player.post(&pay, json!({})).await.refused("already-owned");
        player.post("/v1/wishlist", json!({ "product": product })).await.refused("already-owned");
        player.post("/v1/payments/buy", json!({ "products": [product] })).await.refused("already-owned");
        assert_eq!(balance(&player).await, 10_000);
    }

    async fn a_paid_order_is_neither_paid_nor_charged_again(world: &World) {
        let product = world.product("Castle", 100).await;
        let player = world.player().await;
        world.charge(&player, 10_000).await;
        let (pay, payment) = entered(&player, product).await;
        player.post(&pay, json!({})).await.expect(200);
        player.post(&pay, json!({})).await.refused("wrong-state");
        player.post("/v1/payments", json!({ "order": payment["order"] })).await.refused("wrong-state");
        player.post(&format!("/v1/orders/{}/cancel", payment["order"].as_str().unwrap()), json!({})).await.refused("wrong-state");
        assert_eq!(balance(&player).await, 8_700);
        assert_eq!(player.get("/v1/payments").await.expect(200)["items"].as_array().unwrap().len(), 1);
    }

    async fn an_empty_wishlist_makes_no_order(world: &World) {
        let player = world.player().await;
        player.post("/v1/orders", json!({})).await.refused("empty-wishlist");
        assert_eq!(player.get("/v1/orders").await.expect(200)["items"], json!([]));
    }

    async fn the_last_page_costs_no_more_than_the_first(world: &World) {
        let games: Value = (1..=LISTED).map(|n| (n.to_string(), json!({ "name": format!("Game {n}"), "price": 1.0, "genres": ["Action"] }))).collect::<serde_json::Map<_, _>>().into();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("games.json");
        std::fs::write(&file, games.to_string()).unwrap();
        catalogue::import::run(world.db(), &file, |_| std::ops::ControlFlow::Continue(())).await.unwrap();
        world.app.catalogue.refresh().await.unwrap();
        assert_eq!(world.db().fetch(&GAMES, &[], |row| row.int(0)).await.unwrap(), [LISTED]);

        let nobody = world.nobody();
        let first = quickest(&nobody, "/v1/products?page=1").await;
        let last = quickest(&nobody, &format!("/v1/products?page={}", LISTED / 10)).await;
        let end = nobody.get(&format!("/v1/products?page={}", LISTED / 10)).await.expect(200);
        assert_eq!((end["items"].as_array().unwrap().len(), end.get("next")), (10, None));
        assert!(last < first * 3 + Duration::from_millis(2), "the first page takes {first:?}, the last {last:?}");
    }
}
