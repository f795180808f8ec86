//! Faults that are caused for real, each seen by Prometheus: its alert fires. The rules are the repository's, in a hurry: they look back
//! over seconds instead of minutes, wait for nothing, and where a fault of an hour cannot be had, the threshold is lower, which is named.
//! Leaves to `promtool` (see `alerts`) what would take longer than a test: deliveries that wait by the ten thousand, and a service whose
//! requests fail so often that a gateway tries none again.

use crate::collector::Receiver;
use crate::documents::alerts_text;
use crate::prometheus::{Prometheus, program};
use crate::store::Engine;
use crate::town::{PASSWORD, Town, until};
use axum::http::StatusCode;
use reqwest::Method;
use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::proxy::{Cut, Proxy};

/// The rules with short memories and without patience; `changes` are thresholds that a test can reach.
fn hurried(changes: &[(&str, &str)]) -> String {
    let mut text = alerts_text();
    for (from, to) in changes {
        assert!(text.contains(from), "the rules do not say {from:?} any more");
        text = text.replace(from, to);
    }
    // Long enough for a busy machine to be scraped within it before and after; what has to be over soon is looked at for less.
    text = text.replace("[1m]", "[10s]").replace("[5m]", "[40s]").replace("[10m]", "[40s]");
    let lines = text.lines().map(|line| if line.trim_start().starts_with("for: ") { "        for: 0s" } else { line });
    lines.collect::<Vec<_>>().join("\n").replace("[15m]", "[1m]").replace("offset 5m", "offset 10s")
}

async fn watch(town: &Town, rules: &str) -> Option<Prometheus> {
    let program = program("an alert")?;
    let prometheus = Prometheus::start(&program, &town.shown_at(), rules).await;
    prometheus.until_up().await;
    Some(prometheus)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_and_one_that_keeps_starting_are_seen() {
    let mut town = Town::found("gone", Engine::Sqlite, &[]).await.expect("it is on SQLite");
    let Some(prometheus) = watch(&town, &hurried(&[])).await else { return };
    town.server.kill();
    prometheus.until_fires("GuildhallDown").await;
    for _ in 0..3 {
        town.restart().await;
        let started = Instant::now();
        prometheus.aim(&[town.server.url()]);
        prometheus.until_up().await;
        // One more scrape, so that each of its lives is a sample.
        until("the new process was scraped", async || {
            let query = "time() - process_start_time_seconds{job=\"guildhall\"} < 60 and up == 1";
            started.elapsed() > Duration::from_secs(1) && prometheus.ask(query).await.is_ok_and(|found| !found.is_empty())
        })
        .await;
    }
    prometheus.until_quiet("GuildhallDown").await;
    prometheus.until_fires("GuildhallRestarts").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_no_instance_serves_any_more_is_seen_at_the_gateway() {
    let Some(mut town) = Town::fleet("unserved", &[]).await else { return };
    let Some(prometheus) = watch(&town, &hurried(&[])).await else { return };
    town.server.kill();
    prometheus.until_fires("GuildhallServiceGone").await;
    prometheus.until_fires("GuildhallInstancesOut").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_files_that_run_out_are_seen() {
    let settings = [("GUILDHALL_SERVER_CONNECTIONS_MAX", "20".to_owned())];
    let town = Town::found("runout", Engine::Sqlite, &settings).await.expect("it is on SQLite");
    let Some(prometheus) = watch(&town, &hurried(&[])).await else { return };
    let mut idle = Vec::new();
    for _ in 0..18 {
        idle.push(tokio::net::TcpStream::connect(town.server.address).await.expect("it accepts"));
    }
    prometheus.until_fires("GuildhallConnectionsRunOut").await;
    drop(idle);
    prometheus.until_quiet("GuildhallConnectionsRunOut").await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", town.server.id().as_raw_nonzero())).expect("it runs").count() as u64;
    let few = open + open / 8;
    let few = Rlimit { current: Some(few), maximum: Some(few) };
    prlimit(Some(town.server.id()), Resource::Nofile, few).expect("a child's limits are ours to set");
    prometheus.until_fires("GuildhallFilesRunOut").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_is_seen_and_so_is_its_return() {
    let mut proxy = None;
    let behind = async |url: &str| {
        let (started, through) = Proxy::start(url, Cut::BeforeCommit).await;
        proxy = Some(started);
        through
    };
    let Some(town) = Town::behind("gone", behind).await else { return };
    let proxy = proxy.expect("it was started");
    let Some(prometheus) = watch(&town, &hurried(&[])).await else { return };
    town.charge(100).await;
    proxy.close();
    let asking = async {
        loop {
            town.ask(Method::GET, "/v1/wallet", Value::Null).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let firing = async {
        prometheus.until_fires("GuildhallDatabaseUnreachable").await;
        prometheus.until_fires("GuildhallErrors").await;
    };
    tokio::select! {
        () = firing => {}
        () = asking => {}
    }
    proxy.open();
    prometheus.until_quiet("GuildhallDatabaseUnreachable").await;
    until("the store works again", async || town.charge(100).await.0 == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_is_seen_in_queues_pools_and_times() {
    let few = [("GUILDHALL_DB_BATCH_MAX", "2"), ("GUILDHALL_DB_QUEUE_MAX", "4"), ("GUILDHALL_DB_READERS", "1")];
    let settings = few.map(|(name, value)| (name, value.to_owned()));
    let Some(town) = Town::found("hangs", Engine::Postgres, &settings).await else { return };
    let Some(prometheus) = watch(&town, &hurried(&[])).await else { return };
    town.charge(100).await;
    let url = town.store.url().expect("it is on Postgres").to_owned();
    let lock = "begin; lock table wallet in access exclusive mode; select pg_sleep(3); commit";
    let locked = tokio::spawn({
        let url = url.clone();
        async move { db::run_once(&url, lock).await.expect("the table is there") }
    });
    let held = "select 1 from pg_locks where relation = 'wallet'::regclass and mode = 'AccessExclusiveLock' and granted";
    until("the table is locked", async || db::run_once(&url, held).await.is_ok_and(|locks| locks == 1)).await;
    let charges = futures::future::join_all((0..60).map(|_| town.charge(1)));
    let reads = futures::future::join_all((0..8).map(|_| town.ask(Method::GET, "/v1/wallet", Value::Null)));
    let (charged, _) = tokio::join!(charges, reads);
    assert!(charged.iter().any(|(status, _)| *status == 503), "a queue of four is full");
    for alert in ["GuildhallQueueFull", "GuildhallPoolBusy", "GuildhallTransactionsSlow", "GuildhallSlow"] {
        prometheus.until_fires(alert).await;
    }
    locked.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_once_is_seen() {
    let town = Town::found("fails", Engine::Sqlite, &[]).await.expect("it is on SQLite");
    let Some(prometheus) = watch(&town, &hurried(&[])).await else { return };
    let database = format!("sqlite:{}", town.store.folder().join("guildhall.db").display());
    db::run_once(&database, "alter table wallet rename to wallet_gone").await.expect("the table is there");
    assert_eq!(town.charge(1).await.0, 500);
    prometheus.until_fires("GuildhallCommandsFail").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_waits_and_an_announcement_that_is_parked_are_seen() {
    let settings = [("GUILDHALL_MAIL_SMTP_URL", "smtp://127.0.0.1:1".to_owned())];
    let town = Town::found("mail", Engine::Sqlite, &settings).await.expect("it is on SQLite");
    let rules = hurried(&[("max(guildhall_outbox_age_seconds) > 300", "max(guildhall_outbox_age_seconds) > 1")]);
    let Some(prometheus) = watch(&town, &rules).await else { return };
    town.sign_up("ada@example.org").await;
    town.sign_up("bob@example.org").await;
    let database = format!("sqlite:{}", town.store.folder().join("guildhall.db").display());
    let park = "update outbox set due_at = 253402300799000000 where id = (select min(id) from outbox)";
    until("a mail waits", async || db::run_once(&database, park).await.is_ok_and(|parked| parked == 1)).await;
    prometheus.until_fires("GuildhallOutboxBehind").await;
    prometheus.until_fires("GuildhallOutboxParked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_refuses_and_one_that_is_gone_are_seen() {
    let town = Town::found("webhooks", Engine::Sqlite, &[]).await.expect("it is on SQLite");
    let Some(prometheus) = watch(&town, &hurried(&[])).await else { return };
    let receiver = Receiver::start().await;
    receiver.answer(StatusCode::INTERNAL_SERVER_ERROR);
    town.webhook(&receiver.url()).await;
    let players: Vec<String> = (0..6).map(|n| format!("p{n}")).collect();
    town.log_in(&players).await;
    for player in &players {
        town.until_reached(player).await;
        town.claim(player, None).await;
    }
    prometheus.until_fires("GuildhallWebhooksFail").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_behind_or_stopped_and_records_that_do_not_fit_are_seen() {
    let Some(mut town) = Town::found("stream", Engine::Postgres, &[]).await else { return };
    let rules = hurried(&[("(guildhall_stream_lag_seconds) > 60", "(guildhall_stream_lag_seconds) > 1")]);
    let Some(prometheus) = watch(&town, &rules).await else { return };
    town.log_in(&["p1".to_owned()]).await;
    town.until_reached("p1").await;
    let bad = || r#"{"event_type":"session_start","event_id":"x","user_id":"x","ts":"never"}"#.to_owned();
    for _ in 0..3 {
        town.send_logs(&[bad(), bad()]).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    prometheus.until_fires("GuildhallDeadLetters").await;

    let url = town.store.url().expect("it is on Postgres").to_owned();
    let (place, lock) = (url.clone(), "begin; lock table log_partition in access exclusive mode; select pg_sleep(300); commit");
    let locked = tokio::spawn(async move { db::run_once(&place, lock).await });
    let held = "select 1 from pg_locks where relation = 'log_partition'::regclass and mode = 'AccessExclusiveLock' and granted";
    until("the table is locked", async || db::run_once(&url, held).await.is_ok_and(|locks| locks == 1)).await;
    // It is read at once, and waits to be written.
    town.log_in(&["late".to_owned()]).await;
    prometheus.until_fires("GuildhallStreamBehind").await;
    let unlock = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'begin; lock table log_partition%'";
    db::run_once(&url, unlock).await.expect("one's own connections may be ended");
    assert!(locked.await.expect("no panic").is_err(), "it slept when it was ended");
    town.until_reached("late").await;
    prometheus.until_quiet("GuildhallStreamBehind").await;

    town.server.kill();
    db::run_once(&url, "update log_partition set next = next + 1000000").await.expect("the table is there");
    town.restart().await;
    prometheus.aim(&[town.server.url()]);
    prometheus.until_fires("GuildhallStreamStopped").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_signs_up_is_seen_to_wait_and_to_be_refused() {
    let settings = [
        ("GUILDHALL_ACCOUNTS_ARGON2_MEMORY_KIB", "8192".to_owned()),
        ("GUILDHALL_ACCOUNTS_ARGON2_CONCURRENCY", "1".to_owned()),
        ("GUILDHALL_ACCOUNTS_LOGIN_ATTEMPTS_PER_ADDRESS_PER_MIN", "1000000".to_owned()),
    ];
    let town = Town::found("crowd", Engine::Sqlite, &settings).await.expect("it is on SQLite");
    let rules = hurried(&[(
        "(rate(guildhall_password_wait_seconds_bucket[5m]))) > 2",
        "(rate(guildhall_password_wait_seconds_bucket[5m]))) > 0.2",
    )]);
    let Some(prometheus) = watch(&town, &rules).await else { return };
    let sign_up = |n: u32| {
        let body = json!({ "email": format!("fan{n}@example.org"), "password": PASSWORD, "name": "Fan" });
        town.ask(Method::POST, "/v1/accounts", body)
    };
    let answered = futures::future::join_all((0..320).map(sign_up)).await;
    assert!(answered.iter().any(|(status, _)| *status == 503), "256 may wait");
    prometheus.until_fires("GuildhallSignInsRefused").await;
    prometheus.until_fires("GuildhallSignInsWait").await;
}
