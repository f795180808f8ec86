//! A crowd that claims: repeated keys over 64 connections, a server that is killed meanwhile, and a budget that ends before the crowd does.

use crate::hub::{Hub, number, until_committed};
use crate::server::{self, Server};
use crate::store::Engine;
use crate::{run, variable};
use bytes::Bytes;
use db::{Db, Statement};
use guildhall::load::driver::{self, Amount, Load, request};
use guildhall::load::games::{OWN, login, on_server};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PLAYERS: u64 = 600;
/// Fewer than there are players.
const BUDGET: u64 = 400;
const CONNECTIONS: usize = 64;
/// Each player asks so often, by two different keys.
const REPEATS: u64 = 6;
const DEATHS: u32 = 3;

static CLAIMS: Statement = Statement::new("test.claims", "select count(*) from claim where state = 'granted'");
static ITEMS: Statement = Statement::new("test.items", "select coalesce(cast(sum(quantity) as bigint), 0) from fulfilment");
static SPENT: Statement = Statement::new("test.spent", "select coalesce(cast(max(spent) as bigint), 0) from budget where day = -1");

fn player(number: u64) -> String {
    format!("player-{number}")
}

/// Everybody's claims, each player's again and again.
fn load(hub: &Hub, server: &Server, answered: &Arc<AtomicU64>, kill_after: u64, kill: Arc<dyn Fn() + Send + Sync>) -> Load {
    let (host, bearer) = (server.address.to_string(), format!("Bearer {}", hub.key(OWN)));
    let requests: driver::Requests = Arc::new(move |index| {
        let player = player(index % PLAYERS);
        let path = format!("{}/goals/first/claims", Hub::player_path(OWN, "crowd", &player));
        let key = format!("{player}-{}", index / PLAYERS % 2);
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key.as_str())];
        Bytes::from(request("POST", &path, &host, &headers, b"{}"))
    });
    let mut load = Load::new(server.address, CONNECTIONS, Amount::Requests(PLAYERS * REPEATS), requests);
    load.connect_timeout = Duration::from_millis(200);
    let answered = answered.clone();
    load.on_response = Some(Arc::new(move |_, status, body| {
        assert!(status == 200 || status == 409 || status == 503, "{status}: {}", String::from_utf8_lossy(body));
        if answered.fetch_add(1, Ordering::SeqCst) + 1 == kill_after {
            kill();
        }
    }));
    load
}

async fn hammered(label: &str, engine: Engine) {
    let seed = variable("GUILDHALL_SEED").unwrap_or_else(|| rand::rng().random());
    println!("{label}: GUILDHALL_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let Some(mut hub) = Hub::new(label, engine, Hub::own_log()).await else { return };
    let mut campaign = on_server("crowd", "crowd", "login", crate::hub::now());
    campaign["budget"] = json!({ "grants_total": BUDGET });
    hub.register(&[(OWN, vec![campaign])], 2).await;
    let mut server = hub.serve().await;
    let logins = (0..PLAYERS).map(|number| {
        let player = player(number);
        (OWN.to_owned(), player.clone().into_bytes(), login(&player, "crowd", crate::hub::now()).into_bytes())
    });
    hub.send(logins.collect()).await;
    let db = hub.db().await;
    until_committed(&db, PLAYERS).await;
    db.close().await;
    let mut answers = 0;
    for death in 0..=DEATHS {
        let after = if death == DEATHS { u64::MAX } else { random.random_range(1..PLAYERS * 2) };
        answers += rush(&hub, &server, after).await;
        if death < DEATHS {
            server.kill();
            server = hub.serve().await;
        }
    }
    let db = hub.db().await;
    accounts_for(&db).await;
    db.close().await;
    server::check(&hub.store).await.unwrap_or_else(|told| panic!("{told}"));
    server.stop().await;
    println!("{label}: {answers} answers among {DEATHS} deaths; {BUDGET} of {PLAYERS} players were granted, each once");
}

/// Drives the crowd until it is through or the server dies; how many were answered.
async fn rush(hub: &Hub, server: &Server, kill_after: u64) -> u64 {
    let answered = Arc::new(AtomicU64::new(0));
    let pid = server.id();
    let kill: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        // It may be gone already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    });
    let load = load(hub, server, &answered, kill_after, kill);
    let driven = tokio::task::spawn_blocking(move || driver::run(&load)).await.expect("no answer was a wrong one");
    let outcome = driven.expect("connections open");
    assert!(kill_after < u64::MAX || outcome.errors.total() + outcome.unsent == 0, "{:?}", outcome.errors);
    answered.load(Ordering::SeqCst)
}

async fn accounts_for(db: &Db) {
    assert_eq!(number(db, &CLAIMS).await, BUDGET, "claims granted");
    assert_eq!(number(db, &ITEMS).await, BUDGET, "items to hand out");
    assert_eq!(number(db, &SPENT).await, BUDGET, "budget spent");
}

#[test]
fn a_crowd_with_repeated_keys_and_a_dying_server_is_granted_each_reward_once_within_the_budget_on_sqlite() {
    run(hammered("claims_sqlite", Engine::Sqlite));
}

#[test]
fn a_crowd_with_repeated_keys_and_a_dying_server_is_granted_each_reward_once_within_the_budget_on_postgres() {
    run(hammered("claims_postgres", Engine::Postgres));
}
