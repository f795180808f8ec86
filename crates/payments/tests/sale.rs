//! A limited sale over HTTP, on both engines: far more buyers than copies, all at once, through buying in one call and through entering.
//! Leaves sales over several processes, and more connections than one process may have open, to the tests of the program.
//!
//! A run has 2,000 buyers, so that the suite stays quick; `GUILDHALL_FULL=1` makes them 10,000.

#![expect(clippy::print_stdout, reason = "a run tells its figures, and its seed where it has one")]

use db::{Meta, Statement, row};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kernel::{OrderId, ProductId};
use serde_json::json;
use testkit::crowd::{self, Member, Rush};
use testkit::{World, both_engines};

const COPIES: u64 = 10;
const CONNECTIONS: usize = 1_000;

fn buyers() -> usize {
    if std::env::var_os("GUILDHALL_FULL").is_some() { 10_000 } else { 2_000 }
}

/// Sends what each member asks, all at once.
async fn rush(world: &World, name: &str, asks: Vec<(&Member, &'static str, String)>) -> Rush {
    let address = world.url.trim_start_matches("http://").parse().expect("the server's URL is an address");
    let requests = asks.into_iter().map(|(member, path, body)| crowd::post(address, path, member, &body)).collect();
    let sent = tokio::task::spawn_blocking(move || crowd::rush(address, CONNECTIONS, requests)).await.expect("the load does not panic");
    let rush = sent.expect("the connections open");
    let latency = &rush.outcome.latency_us;
    println!(
        "{name} on {:?}: {} answers in {:.2} s, p50 {} ms, p99 {} ms, max {} ms",
        world.engine(),
        rush.outcome.answered(),
        rush.outcome.elapsed.as_secs_f64(),
        latency.value_at_quantile(0.5) / 1_000,
        latency.value_at_quantile(0.99) / 1_000,
        latency.max() / 1_000
    );
    rush
}

/// Exactly the copies there are were granted, everybody else was told that they are gone, and nothing failed.
fn sold_to_ten(rush: &Rush) {
    let losers = buyers() as u64 - COPIES;
    assert_eq!((rush.answered(201), rush.answered(409)), (COPIES, losers), "{:?} {:?}", rush.outcome.by_status, rush.refusals);
    assert_eq!(rush.refused("sold-out"), losers, "{:?}", rush.refusals);
    assert_eq!((rush.outcome.errors.total(), rush.outcome.unsent), (0, 0), "{:?}", rush.outcome.errors);
}

/// How many orders and payments are in each state, and how many wishes there are for a product.
async fn rows(world: &World, product: ProductId) -> Vec<(String, i64)> {
    static ROWS: Statement = Statement::new(
        "test.sale_rows",
        "select 'order ' || state, count(*) from orders group by state
         union all
         select 'payment ' || state, count(*) from payment group by state
         union all
         select 'wish', count(*) from wishlist where product = $1
         union all
         select 'owned', count(*) from library where product = $1
         order by 1",
    );
    world.db().fetch(&ROWS, &row![product], |row| Ok((row.text(0)?, row.int(1)?))).await.expect("a count")
}

fn counted(rows: &[(&str, u64)]) -> Vec<(String, i64)> {
    rows.iter().map(|(what, count)| ((*what).to_owned(), i64::try_from(*count).expect("a count is small"))).collect()
}

/// An order of the product for each member.
async fn ordered(world: &World, members: &[Member], product: ProductId) -> Vec<OrderId> {
    let order = |member: &Member| {
        let (orders, user) = (&world.app.orders, member.user);
        async move {
            orders.wish(Meta::ours("test"), user, product).await?;
            Ok::<_, db::Error>(orders.create(Meta::ours("test"), user).await?.id)
        }
    };
    let orders = stream::iter(members.iter().map(order).collect::<Vec<_>>()).buffered(crowd::WAITING_MAX);
    orders.try_collect().await.expect("everybody orders")
}

both_engines! {
    async fn of_a_crowd_that_buys_ten_get_the_ten_copies(world: &World) {
        let product = world.limited_product("Racer", 100, 10).await;
        let members = crowd::gather(&world.app, buyers(), 10_000).await.expect("a crowd");
        let body = json!({ "products": [product] }).to_string();
        let rush = rush(world, "buy", members.iter().map(|member| (member, "/v1/payments/buy", body.clone())).collect()).await;
        sold_to_ten(&rush);
        let expected = [("order paid", COPIES), ("owned", COPIES), ("payment paid", COPIES), ("wish", 0)];
        assert_eq!(rows(world, product).await, counted(&expected), "losers leave nothing behind");
        let stock = world.nobody().get(&format!("/v1/stocks/{product}")).await.expect(200);
        assert_eq!((&stock["sold"], &stock["available"], &stock["held"]), (&json!(10), &json!(0), &json!(0)));
    }

    async fn of_a_crowd_that_enters_ten_hold_the_ten_copies_and_the_others_get_their_wish_back(world: &World) {
        let product = world.limited_product("Racer", 100, 10).await;
        let members = crowd::gather(&world.app, buyers(), 0).await.expect("a crowd");
        let orders = ordered(world, &members, product).await;
        let asks = members.iter().zip(&orders).map(|(member, order)| (member, "/v1/payments", json!({ "order": order }).to_string()));
        let rush = rush(world, "enter", asks.collect()).await;
        sold_to_ten(&rush);
        let losers = buyers() as u64 - COPIES;
        let expected = [("order cancelled", losers), ("order ordered", COPIES), ("owned", 0), ("payment ready", COPIES), ("wish", losers)];
        assert_eq!(rows(world, product).await, counted(&expected), "no order is left ready, and every loser's wish is back");
        let stock = world.nobody().get(&format!("/v1/stocks/{product}")).await.expect(200);
        assert_eq!((&stock["held"], &stock["available"], &stock["sold"]), (&json!(10), &json!(0), &json!(0)));
    }

    async fn copies_that_come_in_at_another_process_are_sold_as_fast_as_they_are_asked_for(world: &World) {
        let product = world.limited_product("Racer", 100, 1).await;
        let buy = |person: testkit::Person| async move { person.post("/v1/payments/buy", json!({ "products": [product] })).await };
        let (mut players, manager) = (Vec::new(), world.person(&[web::Role::StoreManager]).await);
        for _ in 0..22 {
            let player = world.player().await;
            world.charge(&player, 10_000).await;
            players.push(player);
        }
        buy(players.pop().expect("a player")).await.expect(201);
        buy(players.pop().expect("a player")).await.refused("sold-out");
        // On SQLite there is one process; there the flag is told by the change itself.
        let other = if world.engine() == db::Engine::Postgres { Some(world.sibling().await) } else { None };
        let at = other.as_ref().map_or(world.url.as_str(), |other| other.url.as_str());
        manager.at(at).post(&format!("/v1/stocks/{product}"), json!({ "quantity": 20 })).await.expect(200);
        let begun = std::time::Instant::now();
        for player in players {
            while buy(player.clone()).await.status != 201 {
                assert!(begun.elapsed() < 3 * stock::sold_out::BELIEVED_FOR, "only the first who asks may have to wait for a flag to be old");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        if let Some(other) = other {
            other.stop().await;
        }
    }

    async fn two_who_register_the_first_copies_at_once_both_count(world: &World) {
        let other = if world.engine() == db::Engine::Postgres { Some(world.sibling().await) } else { None };
        let at = other.as_ref().map_or(world.url.as_str(), |other| other.url.as_str());
        let (here, there) = (world.person(&[web::Role::StoreManager]).await, world.person(&[web::Role::StoreManager]).await.at(at));
        for round in 0..10 {
            let product = world.product(&format!("Racer {round}"), 100).await;
            here.put(&format!("/v1/products/{product}/limit"), json!({ "limited": true })).await.expect(200);
            let path = format!("/v1/stocks/{product}");
            let (one, two) = tokio::join!(here.post(&path, json!({ "quantity": 10 })), there.post(&path, json!({ "quantity": 5 })));
            one.expect(200);
            two.expect(200);
            assert_eq!(world.nobody().get(&path).await.expect(200)["registered"], 15);
        }
        if let Some(other) = other {
            other.stop().await;
        }
    }
}
