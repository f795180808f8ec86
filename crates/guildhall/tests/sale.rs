//! Limited sales of the real program: as many connections as a machine allows, two processes on one database, and how soon a copy that
//! comes back at one process is bought at the other.
//! Leaves what is decided about stock to the tests of `stock` and `payments`.
//!
//! A run has 2,000 buyers over 1,000 connections and 10 returns of each kind, so that the suite stays quick; `GUILDHALL_FULL=1` makes
//! them 10,000 buyers, over 1,000 and over 10,000 connections, and 50 returns of each kind.

#![expect(clippy::print_stdout, reason = "a run tells its figures, and its seed where it has one")]

#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/server.rs"]
mod server;
#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/store.rs"]
mod store;

use futures::stream::{self, StreamExt as _};
use guildhall::demo::crowd::{self, Member, Rush};
use kernel::ProductId;
use reqwest::Client;
use serde_json::{Value, json};
use server::Server;
use std::future::Future;
use std::time::{Duration, Instant};
use store::{Engine, Store};

const COPIES: i64 = 10;
/// A copy that came back at one process is bought at another within this time.
const SEEN_WITHIN: Duration = Duration::from_secs(1);
/// How often somebody who waits for a copy asks.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Holds that run out at the same time.
const EXPIRING_AT_ONCE: usize = 5;

fn is_full() -> bool {
    std::env::var_os("GUILDHALL_FULL").is_some()
}

fn run<F: Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a test gets its threads").block_on(test);
}

async fn buy_at_once(engine: Engine, server: &Server, members: &[Member], product: ProductId, connections: usize) -> Rush {
    let body = json!({ "products": [product] }).to_string();
    let address = server.address;
    let requests = members.iter().map(|member| crowd::post(address, "/v1/payments/buy", member, &body)).collect();
    let sent = tokio::task::spawn_blocking(move || crowd::rush(address, connections, requests)).await.expect("the load does not panic");
    let rush = sent.expect("the connections open");
    let latency = &rush.outcome.latency_us;
    println!(
        "{engine:?}: {} buyers over {connections} connections in {:.2} s: p50 {} ms, p99 {} ms, max {} ms, {:?}",
        members.len(),
        rush.outcome.elapsed.as_secs_f64(),
        latency.value_at_quantile(0.5) / 1_000,
        latency.value_at_quantile(0.99) / 1_000,
        latency.max() / 1_000,
        rush.outcome.by_status
    );
    rush
}

/// Of all buyers of some rushes exactly as many as there are copies got one, the others were told, and nothing failed.
fn sold_to_ten(rushes: &[Rush], buyers: usize) {
    let sum = |of: &dyn Fn(&Rush) -> u64| rushes.iter().map(of).sum::<u64>();
    let told: Vec<_> = rushes.iter().map(|rush| (&rush.outcome.by_status, &rush.refusals, rush.outcome.errors)).collect();
    assert_eq!(sum(&|rush| rush.answered(201)), COPIES as u64, "{told:?}");
    assert_eq!(sum(&|rush| rush.refused("sold-out")), buyers as u64 - COPIES as u64, "{told:?}");
    assert_eq!(sum(&|rush| rush.outcome.errors.total() + rush.outcome.unsent), 0, "{told:?}");
}

async fn at_one_server(label: &str, engine: Engine) {
    let Some(store) = Store::new(label, engine).await else { return };
    let buyers = if is_full() { 10_000 } else { 2_000 };
    let connections: &[usize] = if is_full() { &[1_000, 10_000] } else { &[1_000] };
    let app = store.app().await;
    let members = crowd::gather(&app, buyers, 100_000).await.expect("a crowd");
    let mut products = Vec::new();
    for count in connections {
        products.push(store::product(&app, &format!("Racer {count}"), 100, Some(COPIES)).await.expect("a product"));
    }
    app.stop().await;
    let server = Server::start(&store).await;
    for (product, connections) in products.into_iter().zip(connections) {
        let rush = buy_at_once(engine, &server, &members, product, *connections).await;
        sold_to_ten(&[rush], buyers);
    }
    server::check(&store).await.expect("every invariant holds");
    server.stop().await;
}

#[test]
fn a_crowd_at_a_server_on_sqlite_gets_exactly_the_copies_there_are() {
    run(at_one_server("sale_sqlite", Engine::Sqlite));
}

#[test]
fn a_crowd_at_a_server_on_postgres_gets_exactly_the_copies_there_are() {
    run(at_one_server("sale_postgres", Engine::Postgres));
}

#[test]
fn two_servers_on_one_database_sell_exactly_the_copies_there_are() {
    run(async {
        let Some(store) = Store::new("sale_of_two", Engine::Postgres).await else { return };
        let buyers = if is_full() { 10_000 } else { 2_000 };
        let app = store.app().await;
        let members = crowd::gather(&app, buyers, 100_000).await.expect("a crowd");
        let product = store::product(&app, "Racer", 100, Some(COPIES)).await.expect("a product");
        app.stop().await;
        let (here, there) = tokio::join!(Server::start(&store), Server::start(&store));
        let (half, other) = members.split_at(buyers / 2);
        let (one, two) = tokio::join!(
            buy_at_once(Engine::Postgres, &here, half, product, 500),
            buy_at_once(Engine::Postgres, &there, other, product, 500)
        );
        sold_to_ten(&[one, two], buyers);
        server::check(&store).await.expect("every invariant holds");
        tokio::join!(here.stop(), there.stop());
    });
}

/// A player's call; the status and the body.
async fn post(client: &Client, server: &Server, member: &Member, path: &str, body: Value) -> (u16, Value) {
    let ask = client.post(format!("{}{path}", server.url())).bearer_auth(&member.token).json(&body);
    let response = ask.send().await.expect("the server answers");
    (response.status().as_u16(), response.json().await.expect("an answer is JSON"))
}

async fn buys(client: &Client, server: &Server, member: &Member, product: ProductId) -> (u16, Value) {
    post(client, server, member, "/v1/payments/buy", json!({ "products": [product] })).await
}

/// Somebody who is told that it is sold out, so that this process believes it.
async fn is_told_sold_out(client: &Client, server: &Server, member: &Member, product: ProductId) {
    let (status, body) = buys(client, server, member, product).await;
    assert_eq!((status, &body["code"]), (409, &json!("sold-out")), "{body}");
}

/// Asks until a copy is there; when that was.
async fn gets_a_copy(client: &Client, server: &Server, member: &Member, product: ProductId) -> (Instant, String) {
    let started = Instant::now();
    loop {
        let (status, body) = buys(client, server, member, product).await;
        if status == 201 {
            return (Instant::now(), body["payment"].as_str().expect("a receipt names its payment").to_owned());
        }
        assert_eq!(body["code"], "sold-out", "{body}");
        assert!(started.elapsed() < Duration::from_secs(30), "no copy came back");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn told(what: &str, mut waits: Vec<Duration>) {
    waits.sort();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("{what}: {} copies were bought at the other process, half within {median:.0?}, all within {longest:.0?}", waits.len());
    assert!(longest < SEEN_WITHIN, "a copy was not seen for {longest:?}: {waits:?}");
}

#[test]
fn a_copy_refunded_at_one_process_is_bought_at_the_other_within_a_second() {
    run(async {
        let Some(store) = Store::new("sale_refunds", Engine::Postgres).await else { return };
        let rounds = if is_full() { 50 } else { 10 };
        let app = store.app().await;
        let members = crowd::gather(&app, rounds + 1, 100_000).await.expect("players");
        let product = store::product(&app, "Racer", 100, Some(1)).await.expect("a product");
        app.stop().await;
        let (here, there) = tokio::join!(Server::start(&store), Server::start(&store));
        let client = client();
        let (_, mut payment) = gets_a_copy(&client, &here, &members[0], product).await;
        let mut waits = Vec::new();
        for pair in members.windows(2) {
            is_told_sold_out(&client, &there, &pair[1], product).await;
            let (status, refund) = post(&client, &here, &pair[0], &format!("/v1/payments/{payment}/refunds"), json!({})).await;
            let refunded = Instant::now();
            assert_eq!((status, &refund["state"]), (201, &json!("done")), "{refund}");
            let (got, next) = gets_a_copy(&client, &there, &pair[1], product).await;
            waits.push(got - refunded);
            payment = next;
        }
        server::check(&store).await.expect("every invariant holds");
        tokio::join!(here.stop(), there.stop());
        told("refunded", waits);
    });
}

/// The hold is as short as it may be, one second, and ends by itself: what is measured is the time from its end, sweep and all.
#[test]
fn a_copy_whose_hold_ran_out_at_one_process_is_bought_at_the_other_within_a_second() {
    run(async {
        let Some(store) = Store::new("sale_expiries", Engine::Postgres).await else { return };
        let rounds = if is_full() { 50 } else { 10 };
        let app = store.app().await;
        let members = crowd::gather(&app, 2 * rounds, 100_000).await.expect("players");
        let (holders, buyers) = members.split_at(rounds);
        let mut held = Vec::new();
        for (number, (holder, buyer)) in holders.iter().zip(buyers).enumerate() {
            let product = store::product(&app, &format!("Racer {number}"), 100, Some(1)).await.expect("a product");
            let orders = store::ordered(&app, std::slice::from_ref(holder), product).await.expect("an order");
            held.push((holder, orders[0], product, buyer));
        }
        app.stop().await;
        let short = [("GUILDHALL_STORE_HOLD_S", "1".to_owned())];
        let (here, there) = tokio::join!(Server::start_with(&store, &short), Server::start(&store));
        let here = here.unwrap_or_else(|log| panic!("the server ended while it started:\n{}", log.join("\n")));
        let client = client();
        let mut waits = Vec::new();
        for group in held.chunks(EXPIRING_AT_ONCE) {
            let waiting = stream::iter(group).map(|(holder, order, product, buyer)| {
                let (client, here, there) = (&client, &here, &there);
                async move {
                    // The hold begins after this moment: its end is set too early rather than too late.
                    let ends = Instant::now() + Duration::from_secs(1);
                    let (status, payment) = post(client, here, holder, "/v1/payments", json!({ "order": order })).await;
                    assert_eq!(status, 201, "{payment}");
                    is_told_sold_out(client, there, buyer, *product).await;
                    let (got, _) = gets_a_copy(client, there, buyer, *product).await;
                    got.saturating_duration_since(ends)
                }
            });
            waits.extend(waiting.buffer_unordered(EXPIRING_AT_ONCE).collect::<Vec<_>>().await);
        }
        server::check(&store).await.expect("every invariant holds");
        tokio::join!(here.stop(), there.stop());
        told("expired", waits);
    });
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().expect("a client without TLS")
}
