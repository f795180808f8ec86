//! A server that dies at any moment, by `kill -9` or at a chosen point of a transaction, while players pay and buy limited copies:
//! what was answered is there after the restart, and what was not answered happens once when it is asked again under its key.
//! Leaves a database that dies to the tests of `db`.
//!
//! `GUILDHALL_KILLS` sets how often each engine's server is killed: 6 by default, so that the whole suite stays quick; 50 for a full run.
//! `GUILDHALL_SEED` repeats a run's choices; the seed of every run is printed.

#![expect(clippy::print_stdout, reason = "a run tells its figures, and its seed where it has one")]

#[path = "kill/round.rs"]
mod round;
#[allow(dead_code, reason = "the tests of campaigns need what is not used here")]
#[path = "processes/server.rs"]
mod server;
#[path = "processes/store.rs"]
mod store;

use guildhall::demo::crowd;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use round::{COPIES, Death, PLAYERS, Round};
use server::Server;
use std::future::Future;
use store::{Engine, Store};

const KILLS: usize = 6;
/// Every step of a turn at which a process can die, and how often it is passed before it does.
const POINTS: [&str; 4] = ["payments.before_writes", "db.before_writes_are_kept", "db.before_commit", "db.after_commit"];
const PASSINGS: [u32; 2] = [1, 8];

fn run<F: Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a test gets its threads").block_on(test);
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}: a whole number would be right")))
}

/// As many rounds as servers will die, each with players, entered payments and limited copies of its own.
async fn prepared(store: &Store, rounds: usize) -> Vec<Round> {
    let app = store.app().await;
    let mut products = Vec::new();
    for number in 0..round::PAYMENTS_EACH {
        products.push(store::product(&app, &format!("Game {number}"), 100 + number, None).await.expect("a product"));
    }
    let members = crowd::gather(&app, rounds * PLAYERS, 100_000).await.expect("players");
    let mut payments = Vec::new();
    for product in &products {
        payments.push(store::entered(&app, &members, *product).await.expect("payments are entered"));
    }
    let mut made = Vec::new();
    for (number, players) in members.chunks(PLAYERS).enumerate() {
        let limited = store::product(&app, &format!("Rarity {number}"), 250, Some(COPIES)).await.expect("a limited product");
        let mut round = Round::new(number);
        for (at, player) in players.iter().enumerate() {
            for (payments, product) in payments.iter().zip(&products) {
                round.will_pay(player, payments[number * PLAYERS + at], *product);
            }
        }
        players.iter().take(round::BUYERS).for_each(|player| round.will_buy(player, limited));
        made.push(round);
    }
    app.stop().await;
    made
}

async fn killed(label: &str, engine: Engine) {
    let kills = usize::try_from(variable("GUILDHALL_KILLS").unwrap_or(KILLS as u64)).expect("a count");
    let seed = variable("GUILDHALL_SEED").unwrap_or_else(|| rand::rng().random());
    println!("{label}: GUILDHALL_SEED={seed}, {kills} kills");
    let Some(store) = Store::new(label, engine).await else { return };
    let mut random = StdRng::seed_from_u64(seed);
    let mut rounds = prepared(&store, kills).await;
    let mut answered = 0;
    for round in &mut rounds {
        let server = Server::start(&store).await;
        let after = random.random_range(0..round.requests());
        let later_us = random.random_range(0..3_000);
        answered += round.ask_until_it_dies(server, &mut random, Death::Killed { after, later_us }).await;
        live_on(&store, round).await;
    }
    end(label, &store, &rounds, answered).await;
}

async fn crashed(label: &str, engine: Engine) {
    let Some(store) = Store::new(label, engine).await else { return };
    let seed = variable("GUILDHALL_SEED").unwrap_or_else(|| rand::rng().random());
    println!("{label}: GUILDHALL_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let places: Vec<String> = POINTS.iter().flat_map(|point| PASSINGS.map(|nth| format!("{point}:{nth}"))).collect();
    let mut rounds = prepared(&store, places.len()).await;
    let mut answered = 0;
    for (place, round) in places.iter().zip(&mut rounds) {
        // Jobs pass these points as well, so that it may be dead before it was ready: then nobody was answered.
        if let Ok(server) = Server::start_with(&store, &[("GUILDHALL_CRASH_AT", place.clone())]).await {
            answered += round.ask_until_it_dies(server, &mut random, Death::ByItself(place)).await;
        }
        live_on(&store, round).await;
    }
    end(label, &store, &rounds, answered).await;
}

/// After the restart: what was answered is there, everything is asked again, and all of it happened once.
async fn live_on(store: &Store, round: &mut Round) {
    let server = Server::start(store).await;
    round.finds_what_was_answered(&server).await;
    server::check(store).await.unwrap_or_else(|told| panic!("round {}, after the restart: {told}", round.number));
    round.asks_again(&server).await;
    round.has_everything_once(&server).await;
    server.stop().await;
}

async fn end(label: &str, store: &Store, rounds: &[Round], answered: usize) {
    let server = Server::start(store).await;
    for round in rounds {
        round.has_everything_once(&server).await;
    }
    server::check(store).await.unwrap_or_else(|told| panic!("at the end: {told}"));
    server.stop().await;
    let all: usize = rounds.iter().map(Round::requests).sum();
    println!(
        "{label}: {} deaths; of {all} requests {answered} were answered before, {} after; each happened once",
        rounds.len(),
        all - answered
    );
}

#[test]
fn a_server_on_sqlite_that_is_killed_loses_nothing_and_repeats_nothing() {
    run(killed("killed_sqlite", Engine::Sqlite));
}

#[test]
fn a_server_on_postgres_that_is_killed_loses_nothing_and_repeats_nothing() {
    run(killed("killed_postgres", Engine::Postgres));
}

#[test]
fn a_server_on_sqlite_that_dies_between_any_two_steps_loses_nothing_and_repeats_nothing() {
    run(crashed("crashed_sqlite", Engine::Sqlite));
}

#[test]
fn a_server_on_postgres_that_dies_between_any_two_steps_loses_nothing_and_repeats_nothing() {
    run(crashed("crashed_postgres", Engine::Postgres));
}
