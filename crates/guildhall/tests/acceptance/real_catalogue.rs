//! The store's main work on real games: imported, found, wished for, ordered, paid, played and refunded, all over HTTP.
//! Leaves odd files and the ranking of searches to the catalogue.

use catalogue::import::{self, Status};
use db::Statement;
use kernel::ProductId;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use testkit::{Person, World, both_engines};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../catalogue/tests/data/steam_games_sample.json.gz");

static PRODUCTS: Statement = Statement::new("test.real_products", "select count(*) from product");
static GENRE_ROWS: Statement = Statement::new("test.real_genre_rows", "select count(*) from product_genre");

/// What a player types, the game that is meant, its developer, its price in US cents and in points.
const WANTED: [(&str, &str, &str, i64, i64); 4] = [
    ("garys mod", "Garry's Mod", "Facepunch Studios", 999, 12_987),
    ("civilizaton iii", "Sid Meier's Civilization® III Complete", "Firaxis Games", 499, 6_487),
    ("列車で行こう", "A列車で行こう8", "ARTDINK", 4_999, 64_987),
    ("古剑奇谭", "古剑奇谭(GuJian)", "上海烛龙信息科技有限公司", 1_199, 15_587),
];

async fn count(world: &World, statement: &'static Statement) -> i64 {
    world.db().fetch(statement, &[], |row| row.int(0)).await.unwrap()[0]
}

/// The first product that a search finds.
async fn found(person: &Person, typed: &str) -> Value {
    let encoded: String = typed.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let page = person.get(&format!("/v1/products/search?q={encoded}")).await.expect(200);
    page["items"].get(0).unwrap_or_else(|| panic!("{typed:?} finds nothing")).clone()
}

async fn balance(player: &Person) -> i64 {
    player.get("/v1/wallet").await.expect(200)[0]["balance_minor"].as_i64().unwrap()
}

both_engines! {
    async fn real_games_are_imported_found_ordered_paid_played_and_refunded(world: &World) {
        let summary = import::run(world.db(), SAMPLE, |_| ControlFlow::Continue(())).await.unwrap();
        assert_eq!((summary.status, summary.counts.added, summary.counts.bad), (Status::Finished, 4_920, 0), "{:?}", summary.bad);
        assert_eq!((count(world, &PRODUCTS).await, count(world, &GENRE_ROWS).await), (4_920, 10_365));
        world.app.catalogue.refresh().await.unwrap();
        assert_eq!(world.nobody().get("/v1/products?size=1").await.expect(200)["total"], 4_920);
        let genres = world.nobody().get("/v1/genres").await.expect(200);
        let rows: i64 = genres.as_array().unwrap().iter().map(|genre| genre["products"].as_i64().unwrap()).sum();
        assert_eq!(rows, 10_365, "each genre counts its products");

        let player = world.player().await;
        world.charge(&player, 200_000).await;
        let mut products = Vec::new();
        for (typed, name, developer, price, _) in WANTED {
            let product = found(&player, typed).await;
            assert_eq!((product["name"].as_str(), product["price_minor"].as_i64()), (Some(name), Some(price)), "{typed:?} finds {product}");
            let id = ProductId(product["id"].as_i64().unwrap());
            let shown = player.get(&format!("/v1/products/{id}")).await.expect(200);
            assert_eq!(shown["name"], name);
            assert_eq!(shown["developers"][0], developer);
            assert_eq!(shown["detail"]["categories"][0], "Single-player", "{name} has its real texts");
            player.post("/v1/wishlist", json!({ "product": id })).await.expect(201);
            products.push(id);
        }
        let points: i64 = WANTED.iter().map(|(.., points)| points).sum();

        let order = player.post("/v1/orders", json!({})).await.expect(201);
        assert_eq!(player.get("/v1/wishlist").await.expect(200)["items"], json!([]), "an order takes the whole wishlist");
        let payment = player.post("/v1/payments", json!({ "order": order["id"] })).await.expect(201);
        assert_eq!(payment["amount_minor"], points);
        let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
        let receipt = player.post(&format!("{path}/pay"), json!({})).await.expect(200);
        assert_eq!(receipt["balance_minor"], 200_000 - points);
        assert_eq!(player.get(&format!("/v1/orders/{}", order["id"].as_str().unwrap())).await.expect(200)["state"], "paid");

        let owned = player.get("/v1/library").await.expect(200);
        let owned: Vec<i64> = owned["items"].as_array().unwrap().iter().map(|item| item["product"].as_i64().unwrap()).collect();
        let mut bought: Vec<i64> = products.iter().map(|product| product.0).collect();
        bought.sort_unstable();
        assert_eq!(owned, bought);
        player.post(&format!("/v1/library/{}/plays", products[0]), json!({ "minutes": 95 })).await.expect(200);

        let refund = player.post(&format!("{path}/refunds"), json!({})).await.expect(201);
        assert_eq!(refund["amount_minor"], points - WANTED[0].4, "what was played is kept");
        assert_eq!(refund["refused"][0]["product"], json!(products[0]));
        assert_eq!(balance(&player).await, 200_000 - WANTED[0].4);
        let left = player.get("/v1/library").await.expect(200);
        assert_eq!((left["items"].as_array().unwrap().len(), &left["items"][0]["minutes"]), (1, &json!(95)));

        let again = import::run(world.db(), SAMPLE, |_| ControlFlow::Continue(())).await.unwrap();
        assert_eq!((again.counts.added, again.counts.changed, again.counts.unchanged), (0, 0, 4_920), "an import again changes nothing");
    }
}
