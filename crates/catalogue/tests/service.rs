//! The catalogue as a service, on both engines: lists and details over HTTP, changes by store managers, imports.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the error")]

use catalogue::import::{self, Status};
use catalogue::offers::{self, Offer};
use db::{Command, Error, Meta, Statement, Tx};
use kernel::{Instant, Outcome, ProductId};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use testkit::{World, both_engines};
use web::Role;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/steam_games_sample.json.gz");

/// A file of games that is gone at the end of the test.
struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn of(games: &Value) -> File {
        let file = File { folder: tempfile::tempdir().unwrap() };
        file.write(games);
        file
    }

    fn write(&self, games: &Value) {
        std::fs::write(self.path(), games.to_string()).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("games.json")
    }
}

fn game(name: &str, price: f64, genres: &[&str]) -> Value {
    json!({ "name": name, "price": price, "genres": genres, "developers": ["Valve"], "windows": true, "release_date": "Nov 1, 2000",
        "detailed_description": "A \"classic\".", "positive": 10 })
}

async fn import_file(world: &World, path: &Path) -> import::Summary {
    let summary = import::run(world.db(), path, |_| ControlFlow::Continue(())).await.unwrap();
    world.app.catalogue.refresh().await.unwrap();
    summary
}

async fn count(world: &World, statement: &'static Statement) -> i64 {
    world.db().fetch(statement, &[], |row| row.int(0)).await.unwrap()[0]
}

static GENRE_ROWS: Statement = Statement::new("test.genre_rows", "select count(*) from product_genre");
static PRODUCTS: Statement = Statement::new("test.products", "select count(*) from product");
static VERSION: Statement = Statement::new("test.version", "select version from catalogue_version");
static KEPT: Statement = Statement::new("test.kept", "select count(*) from idempotency");

/// Reads offers as a store transaction does.
struct LoadOffers;

impl Command for LoadOffers {
    const NAME: &'static str = "test.load_offers";
    type Input = BTreeSet<ProductId>;
    type Reply = Vec<(ProductId, i64, Option<u8>, bool, i64)>;

    async fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        batch: &'a [&'a BTreeSet<ProductId>],
        _: Instant,
    ) -> Result<Vec<Outcome<Self::Reply>>, Error> {
        let mut outcomes = Vec::new();
        for asked in batch {
            let offers: HashMap<ProductId, Offer> = offers::load(tx, asked).await?;
            let shown = offers
                .into_values()
                .map(|offer| (offer.product, offer.effective_minor, offer.sale_percent, offer.limited, offer.player_limit));
            outcomes.push(Ok(shown.collect()));
        }
        Ok(outcomes)
    }
}

both_engines! {
    async fn what_a_manager_adds_is_listed_found_and_shown_at_once(world: &World) {
        let manager = world.person(&[Role::StoreManager]).await;
        let body = json!({ "name": "Crazyracing Kartrider", "price_minor": 599, "genres": ["Racing", "Casual"], "developers": ["Nexon"],
            "platforms": ["windows", "linux"], "released": "2004-06-01", "player_limit": 2, "detail": { "description": "Karts & <b>drifts</b>" } });
        let id = manager.post("/v1/products", body).await.expect(201)["product"].as_i64().unwrap();

        let nobody = world.nobody();
        let page = nobody.get("/v1/products?genre=racing&platform=linux&price_max=600").await.expect(200);
        let item = &page["items"][0];
        assert_eq!((page["total"].as_u64(), &item["id"], &item["name"]), (Some(1), &json!(id), &json!("Crazyracing Kartrider")));
        assert_eq!((&item["price_points"], &item["state"], &item["released"]), (&json!(7_787), &json!("regular"), &json!("2004-06-01")));
        assert_eq!(nobody.get("/v1/products/search?q=kartridr").await.expect(200)["items"][0]["id"], id, "a typing error still finds it");
        let detail = nobody.get(&format!("/v1/products/{id}")).await.expect(200);
        assert_eq!((&detail["detail"]["description"], &detail["player_limit"]), (&json!("Karts & <b>drifts</b>"), &json!(2)));
        assert_eq!(nobody.get(&format!("/v1/products/{id}/exists")).await.expect(200), json!({ "exists": true }));
        assert_eq!(nobody.get("/v1/products/999/exists").await.expect(200), json!({ "exists": false }));
        assert_eq!(nobody.get("/v1/genres").await.expect(200), json!([{ "genre": "Casual", "products": 1 }, { "genre": "Racing", "products": 1 }]));
        nobody.get("/v1/products/999").await.refused("not-found");
    }

    async fn only_store_managers_change_products(world: &World) {
        let product = world.product("Castle", 599).await;
        let player = world.player().await;
        player.post("/v1/products", json!({ "name": "Mine", "price_minor": 1 })).await.refused("forbidden");
        player.patch(&format!("/v1/products/{product}"), json!({ "price_minor": 1 })).await.refused("forbidden");
        world.nobody().delete(&format!("/v1/products/{product}/sale")).await.refused("unauthenticated");
        player.get("/v1/imports").await.refused("forbidden");
    }

    async fn an_edit_changes_what_it_names_and_nothing_else(world: &World) {
        let manager = world.person(&[Role::StoreManager]).await;
        let product = world.product("Castle", 599).await;
        let path = format!("/v1/products/{product}");
        manager.patch(&path, json!({ "name": "Castle II", "genres": ["Strategy"] })).await.expect(200);
        let shown = manager.get(&path).await.expect(200);
        assert_eq!((&shown["name"], &shown["genres"], &shown["price_minor"]), (&json!("Castle II"), &json!(["Strategy"]), &json!(599)));
        assert_eq!(count(world, &GENRE_ROWS).await, 1, "the row of the genre it no longer has is gone");
        manager.patch(&path, json!({ "detail": { "description": "New text" } })).await.expect(200);
        assert_eq!(manager.get(&path).await.expect(200)["detail"]["description"], "New text");
        manager.patch(&path, json!({ "price_minor": -1 })).await.refused("bad-amount");
        manager.patch(&path, json!({ "currency": "USD" })).await.refused("bad-body");
        manager.patch("/v1/products/999", json!({ "name": "Nothing" })).await.refused("not-found");
    }

    async fn a_repeated_key_adds_one_product(world: &World) {
        let manager = world.person(&[Role::StoreManager]).await;
        let body = json!({ "name": "Castle", "price_minor": 599 });
        let first = manager.post_keyed("/v1/products", "key-1", body.clone()).await.expect(201);
        assert_eq!(manager.post_keyed("/v1/products", "key-1", body).await.expect(201), first);
        assert_eq!(count(world, &PRODUCTS).await, 1);
    }

    async fn a_sale_is_shown_in_advance_and_counts_from_its_start_to_its_end(world: &World) {
        let manager = world.person(&[Role::StoreManager]).await;
        let product = world.product("Castle", 1999).await;
        let path = format!("/v1/products/{product}");
        let now = world.db().now();
        let (starts, ends) = (now.plus_us(3_600_000_000), now.plus_us(7_200_000_000));
        manager.put(&format!("{path}/sale"), json!({ "percent": 75, "starts_at": starts, "ends_at": ends })).await.expect(200);

        let shown = manager.get(&path).await.expect(200);
        assert_eq!((&shown["state"], &shown["price_minor"], &shown["sale"]["percent"]), (&json!("regular"), &json!(1999), &json!(75)));
        world.wait_s(3_601);
        // The token of before has expired by now.
        let manager = world.person(&[Role::StoreManager]).await;
        let shown = manager.get("/v1/products?state=on_sale&sort=price").await.expect(200);
        assert_eq!((&shown["items"][0]["price_minor"], &shown["items"][0]["price_points"]), (&json!(500), &json!(6_500)));
        manager.put(&format!("{path}/limit"), json!({ "limited": true, "player_limit": 1 })).await.expect(200);
        assert_eq!(manager.get(&path).await.expect(200)["state"], "limited_stock_on_sale");
        assert!(world.app.catalogue.is_limited(product));
        let offers = world.db().queue(LoadOffers).send(Meta::ours("test"), BTreeSet::from([product, ProductId(999)])).await.unwrap();
        assert_eq!(offers, [(product, 500, Some(75), true, 1)], "an unknown product has no offer");

        world.wait_s(3_600);
        let manager = world.person(&[Role::StoreManager]).await;
        assert_eq!(manager.get(&path).await.expect(200)["price_minor"], 1999, "the sale is over");
        let offers = world.db().queue(LoadOffers).send(Meta::ours("test"), BTreeSet::from([product])).await.unwrap();
        assert_eq!(offers, [(product, 1999, None, true, 1)]);
        manager.delete(&format!("{path}/sale")).await.expect(200);
        assert_eq!(manager.get(&path).await.expect(200)["sale"], Value::Null);
    }

    async fn pages_and_cursors_lead_through_the_same_list(world: &World) {
        let games: Value = (1..=25).map(|id| (id.to_string(), game(&format!("Game {id:02}"), 9.99, &["Action"]))).collect::<serde_json::Map<_, _>>().into();
        import_file(world, &File::of(&games).path()).await;
        let nobody = world.nobody();
        let names = |page: &Value| -> Vec<String> { page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect() };
        let (mut by_page, mut by_cursor, mut cursor) = (Vec::new(), Vec::new(), String::new());
        for number in 1..=3 {
            by_page.extend(names(&nobody.get(&format!("/v1/products?page={number}")).await.expect(200)));
            let page = nobody.get(&format!("/v1/products?size=10{cursor}")).await.expect(200);
            by_cursor.extend(names(&page));
            cursor = format!("&cursor={}", page["next"].as_str().unwrap_or("none"));
        }
        assert_eq!(by_page.len(), 25);
        assert_eq!(by_page, by_cursor);
        assert_eq!(cursor, "&cursor=none", "the last page leads nowhere");
        assert!(names(&nobody.get("/v1/products?page=4000000000").await.expect(200)).is_empty());
        nobody.get("/v1/products?page=1&cursor=x").await.refused("bad-query");
        nobody.get("/v1/products?page=0").await.refused("bad-query");
        nobody.get("/v1/products?size=101").await.refused("bad-query");
        nobody.get("/v1/products?cursor=x").await.refused("bad-cursor");
    }

    async fn the_real_sample_goes_in_whole_and_changes_nothing_the_second_time(world: &World) {
        let first = import_file(world, Path::new(SAMPLE)).await;
        assert_eq!((first.status, first.counts.read, first.counts.added, first.counts.bad), (Status::Finished, 4_920, 4_920, 0));
        assert_eq!((count(world, &PRODUCTS).await, count(world, &GENRE_ROWS).await), (4_920, 10_365));
        let genres = world.nobody().get("/v1/genres").await.expect(200);
        let listed: i64 = genres.as_array().unwrap().iter().map(|genre| genre["products"].as_i64().unwrap()).sum();
        assert_eq!(listed, 10_365, "the copy in memory counts as the database does");

        let (version, kept) = (count(world, &VERSION).await, count(world, &KEPT).await);
        let again = import_file(world, Path::new(SAMPLE)).await;
        assert_eq!((again.counts.read, again.counts.unchanged), (4_920, 4_920));
        assert_eq!(count(world, &VERSION).await, version, "the catalogue's version stays when nothing changed");
        assert_eq!(count(world, &KEPT).await, kept + 2, "only its start and its end were written");
        let runs = import::list(world.db()).await.unwrap();
        assert_eq!(runs.iter().map(|run| (run.run, run.status)).collect::<Vec<_>>(), [(2, Status::Finished), (1, Status::Finished)]);
        assert_eq!(runs[0].sha256, runs[1].sha256);
    }

    async fn an_import_again_changes_only_what_changed_and_keeps_what_people_set(world: &World) {
        let file = File::of(&json!({ "10": game("Counter-Strike", 9.99, &["Action"]), "20": game("Team Fortress", 4.99, &["Action"]), "30": game("Day", 0.0, &[]) }));
        import_file(world, &file.path()).await;
        let manager = world.person(&[Role::StoreManager]).await;
        manager.put("/v1/products/1/limit", json!({ "limited": true, "player_limit": 3 })).await.expect(200);
        manager.patch("/v1/products/2", json!({ "price_minor": 1 })).await.expect(200);

        file.write(&json!({ "10": game("Counter-Strike", 8.19, &["Action", "Classic"]), "20": game("Team Fortress", 4.99, &["Action"]), "40": game("Ricochet", 4.99, &[]) }));
        let summary = import_file(world, &file.path()).await;
        let counts = summary.counts;
        assert_eq!((counts.read, counts.added, counts.changed, counts.unchanged, counts.bad), (3, 1, 1, 1, 0));
        let shown = manager.get("/v1/products/1").await.expect(200);
        assert_eq!((&shown["price_minor"], &shown["genres"], &shown["player_limit"]), (&json!(819), &json!(["Action", "Classic"]), &json!(3)));
        assert_eq!(shown["state"], "limited_stock");
        assert_eq!(manager.get("/v1/products/2").await.expect(200)["price_minor"], 1, "a game that did not change in the file keeps its price");
        assert_eq!(manager.get("/v1/products/3").await.expect(200)["name"], "Day", "a game that left the file stays");
        assert_eq!(manager.get("/v1/products/4").await.expect(200)["steam_id"], 40);
    }

    async fn a_bad_entry_is_named_and_the_rest_goes_in(world: &World) {
        let file = File::of(&json!({ "10": game("Counter-Strike", 9.99, &[]), "x": game("No number", 1.0, &[]), "20": { "price": 1 }, "30": game("Day", 0.0, &[]) }));
        let summary = import_file(world, &file.path()).await;
        assert_eq!((summary.counts.read, summary.counts.added, summary.counts.bad), (4, 2, 2));
        assert_eq!(summary.bad.iter().map(|(app, _)| app.as_str()).collect::<Vec<_>>(), ["20", "x"]);
        let manager = world.person(&[Role::StoreManager]).await;
        let bad = manager.get("/v1/imports/1/bad").await.expect(200);
        assert_eq!((&bad[0]["app_id"], &bad[1]["app_id"]), (&json!("20"), &json!("x")));
        assert!(bad[0]["reason"].as_str().unwrap().contains("name"));
        assert_eq!(manager.get("/v1/imports").await.expect(200)[0]["counts"]["bad"], 2);
    }

    async fn a_game_that_occurs_twice_is_one_product_with_the_last_content(world: &World) {
        let file = File::of(&json!({}));
        std::fs::write(file.path(), format!(r#"{{"10": {}, "20": {}, "10": {}}}"#, game("Old", 1.0, &["A", "B"]), game("Other", 2.0, &[]), game("New", 3.0, &["B"]))).unwrap();
        let summary = import_file(world, &file.path()).await;
        assert_eq!((summary.counts.added, summary.counts.changed), (2, 1));
        assert_eq!(world.nobody().get("/v1/products/1").await.expect(200)["name"], "New");
        assert_eq!(count(world, &GENRE_ROWS).await, 1);
    }

    async fn a_stopped_import_goes_on_when_it_runs_again(world: &World) {
        let games: Value = (1..=3_000).map(|id| {
            let mut game = game(&format!("Game {id}"), 9.99, &["Action"]);
            game["detailed_description"] = json!(format!("{id} ").repeat(2_500));
            (id.to_string(), game)
        }).collect::<serde_json::Map<_, _>>().into();
        let file = File::of(&games);
        let stopped = import::run(world.db(), file.path(), |_| ControlFlow::Break(())).await.unwrap();
        assert_eq!(stopped.status, Status::Interrupted);
        let there = count(world, &PRODUCTS).await;
        assert!((1..3_000).contains(&there), "{there} products are there");
        assert_eq!(stopped.counts.added, u64::try_from(there).unwrap());

        let rest = import_file(world, &file.path()).await;
        assert_eq!((rest.status, rest.counts.read), (Status::Finished, 3_000));
        assert_eq!((rest.counts.unchanged, rest.counts.added), (stopped.counts.added, 3_000 - stopped.counts.added));
        assert_eq!(count(world, &PRODUCTS).await, 3_000);
    }

    async fn a_file_that_breaks_off_fails_and_what_came_before_stays(world: &World) {
        let file = File::of(&json!({}));
        std::fs::write(file.path(), format!(r#"{{"10": {}, "20": {{"name""#, game("Whole", 1.0, &[]))).unwrap();
        let failed = import::run(world.db(), file.path(), |_| ControlFlow::Continue(())).await.unwrap_err();
        assert!(failed.to_string().contains("cut off"), "{failed}");
        let runs = import::list(world.db()).await.unwrap();
        assert_eq!((runs[0].status, runs[0].counts.added), (Status::Failed, 1));
        assert!(runs[0].problem.as_ref().unwrap().contains("cut off"));
    }

    async fn a_change_made_by_another_process_is_seen_after_a_refresh(world: &World) {
        let sibling = world.sibling().await;
        let product = world.product("Castle", 599).await;
        sibling.app.catalogue.refresh().await.unwrap();
        assert_eq!(sibling.app.catalogue.snapshot().get(product).map(|product| &*product.name), Some("Castle"));
        sibling.stop().await;
    }
}
