//! `guildhall load events`: progress reads and claims over HTTP while the logs behind them come ten times as fast for a minute.
//! Refuses to call a run good in which a request was answered 5xx or the log was not drained afterwards.

use super::backlog::Backlog;
use super::drain::committed;
use super::driver::{self, Amount, Load, Outcome, request};
use super::games::{self, Desk, OWN, login};
use super::ground::{Conditions, Ground};
use super::logs_terms::{EventTerms, LogTerms};
use super::process::Server;
use super::report::{Report, table};
use super::send::{KafkaSender, wait_until};
use crate::cli::Settings;
use crate::config::Config;
use bytes::Bytes;
use db::Db;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The server name of players with a reward to claim.
const CLAIMERS: &str = "claims";
/// The campaign they reach.
const CAMPAIGN: &str = "claims";
/// How much faster logs come during the surge.
const SURGE: u64 = 10;
/// Time before the surge in which logs come at their usual rate.
const BEFORE: Duration = Duration::from_secs(10);
/// Time in which the peak of requests is measured.
const PEAK: Duration = Duration::from_secs(10);
/// Of so many requests one is a claim, the others read progress.
const CLAIM_EVERY: u64 = 5;
/// Records are sent in so many lots a second.
const LOTS_PER_S: u64 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const DRAINED_WITHIN: Duration = Duration::from_secs(300);

/// How fast logs are sent, and how many were.
#[derive(Clone, Default)]
struct Tap {
    per_s: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

/// What a run came to.
struct Figures {
    peak_per_s: f64,
    asked_per_s: f64,
    reads: Report,
    claims: Report,
    lag_max: u64,
    drain_s: Option<f64>,
    sent: u64,
    wrong: Vec<String>,
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn run(settings: &Settings, terms: &EventTerms) -> Result<ExitCode, String> {
    let ground = Ground::choose(settings)?;
    let logs = LogTerms { records: 1_000_000, players: 50_000, partitions: 4, ..LogTerms::plain() };
    let backlog = Backlog::new(&ground, &logs)?;
    let (app, lock) = ground.open().await?;
    let prepared = prepare(&app, &backlog).await;
    app.stop().await;
    drop(lock);
    let key = prepared?;
    let measured = measure(&ground, &backlog, &logs, terms, &key).await;
    backlog.remove().await;
    let (figures, conditions) = measured?;
    if terms.json {
        println!("{}", object(terms, &figures, &conditions));
    } else {
        print!("{}", table(&[figures.reads.clone(), figures.claims.clone()]));
        let drain = figures.drain_s.map_or("not drained".to_owned(), |seconds| format!("drained {seconds:.1} s after the surge"));
        println!(
            "peak without logs {:.0} requests/s; asked {:.0}/s; lag at most {} records, {drain}",
            figures.peak_per_s, figures.asked_per_s, figures.lag_max
        );
        println!("  {}; {}", conditions.engine, conditions.machine);
    }
    figures.wrong.iter().for_each(|told| eprintln!("WRONG: {told}"));
    Ok(if figures.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn prepare(app: &crate::App, backlog: &Backlog) -> Result<String, String> {
    backlog.prepare(app, vec![games::on_server(CAMPAIGN, CLAIMERS, "login", app.db.now())]).await?;
    Desk::open(app).await?.key(OWN).await
}

async fn measure(
    ground: &Ground,
    backlog: &Backlog,
    logs: &LogTerms,
    terms: &EventTerms,
    key: &str,
) -> Result<(Figures, Conditions), String> {
    let db = ground.reading().await?;
    let conditions = Conditions { on: super::backlog::ON, ..Conditions::read(&db).await? };
    let mut environment = backlog.environment(ground);
    // All requests come with one game's key, which would be told to slow down long before the server is at its peak.
    environment.push((Config::variable("accounts.key_requests_per_s"), "0".to_owned()));
    let server = Server::start(ground, environment, "events").await?;
    let tap = Tap::default();
    let achieved = claimers(backlog, terms.players, &tap);
    tokio::task::spawn_blocking(achieved).await.map_err(|e| e.to_string())??;
    wait_drained(&db, &tap).await?.ok_or("the claimers' logins were not taken")?;
    db.analyse().await.map_err(|e| e.to_string())?;

    let peak = peak(server.address, terms, key).await?;
    let peak_per_s = peak.requests_per_s;
    let asked_per_s = terms.requests_per_s.map_or(peak_per_s / 2.0, |asked| asked as f64);

    tap.per_s.store(terms.rate, Ordering::SeqCst);
    let sending = tokio::task::spawn_blocking(send(backlog, logs, &tap)?);
    sleep(BEFORE).await;
    tap.per_s.store(terms.rate * SURGE, Ordering::SeqCst);
    let surge = Duration::from_secs(terms.seconds);
    let lag = watch_lag(&db, &tap, surge);
    let (driven, lag_max) = tokio::join!(both(server.address, terms, key, asked_per_s, surge, peak.requests / CLAIM_EVERY), lag);
    tap.per_s.store(terms.rate, Ordering::SeqCst);
    let ended = Instant::now();
    let drain_s = caught_up(&db, &tap, terms.rate).await?.map(|()| ended.elapsed().as_secs_f64());
    tap.is_over.store(true, Ordering::SeqCst);
    sending.await.map_err(|e| e.to_string())??;
    let mut wrong: Vec<String> = server.errors().into_iter().map(|told| format!("the server's log says: {told}")).collect();
    let (reads, claims) = driven?;
    wrong.extend([&peak, &reads, &claims].into_iter().flat_map(bad_answers));
    if drain_s.is_none() {
        wrong.push(format!("the log was not drained within {} s", DRAINED_WITHIN.as_secs()));
    }
    server.stop().await?;
    db.close().await;
    let sent = tap.sent.load(Ordering::SeqCst);
    Ok((Figures { peak_per_s, asked_per_s, reads, claims, lag_max: lag_max?, drain_s, sent, wrong }, conditions))
}

/// A login of each player who is to have something to claim.
fn claimers(backlog: &Backlog, players: u64, tap: &Tap) -> impl FnOnce() -> Result<(), String> + Send + use<> {
    let (brokers, topic, tap) = (backlog.brokers(), backlog.topic(OWN), tap.clone());
    move || {
        let sender = KafkaSender::new(&brokers, 20)?;
        for number in 0..players {
            let player = claimer(number);
            let record = login(&player, CLAIMERS, super::send::now());
            sender.send(games::outgoing(&topic, &player, &record))?;
        }
        let taken = sender.finish()?;
        tap.sent.fetch_add(taken, Ordering::SeqCst);
        Ok(())
    }
}

fn claimer(number: u64) -> String {
    format!("claimer-{number}")
}

/// Sends logs at the tap's rate until it is closed.
fn send(backlog: &Backlog, logs: &LogTerms, tap: &Tap) -> Result<impl FnOnce() -> Result<(), String> + Send + use<>, String> {
    let sender = KafkaSender::new(&backlog.brokers(), 5)?;
    let (mut records, topics, tap) = (backlog.records(logs), backlog.topics(), tap.clone());
    Ok(move || {
        let begun = Instant::now();
        let mut owed = 0;
        for lot in 0.. {
            if tap.is_over.load(Ordering::SeqCst) {
                break;
            }
            let due = begun + Duration::from_micros(lot * 1_000_000 / LOTS_PER_S);
            wait_until(due);
            owed += tap.per_s.load(Ordering::SeqCst);
            for _ in 0..owed / LOTS_PER_S {
                records.send_next(&sender, &topics, false)?;
            }
            tap.sent.fetch_add(owed / LOTS_PER_S, Ordering::SeqCst);
            owed %= LOTS_PER_S;
            sender.poll();
        }
        sender.finish().map(drop)
    })
}

/// Reads and claims, four to one, as fast as they are answered and without logs.
async fn peak(target: SocketAddr, terms: &EventTerms, key: &str) -> Result<Report, String> {
    let (reads, claims) = (progress_reads(target, key, terms.players), claim_posts(target, key, terms.players, 0));
    let mixed = move |index: u64| if index.is_multiple_of(CLAIM_EVERY) { claims(index / CLAIM_EVERY) } else { reads(index) };
    let outcome = drive(load(target, terms.connections, None, PEAK, Arc::new(mixed))).await?;
    Ok(Report::new("peak", terms.connections, &outcome))
}

/// Reads and claims side by side, four to one and so many a second together, each on connections of its own.
async fn both(
    target: SocketAddr,
    terms: &EventTerms,
    key: &str,
    per_s: f64,
    time: Duration,
    claimed: u64,
) -> Result<(Report, Report), String> {
    let claims_per_s = per_s / CLAIM_EVERY as f64;
    let reads = load(target, terms.connections, Some(per_s - claims_per_s), time, progress_reads(target, key, terms.players));
    let claims = load(target, terms.connections, Some(claims_per_s), time, claim_posts(target, key, terms.players, claimed));
    let (reads, claims) = tokio::join!(drive(reads), drive(claims));
    Ok((Report::new("progress", terms.connections, &reads?), Report::new("claims", terms.connections, &claims?)))
}

fn load(target: SocketAddr, connections: usize, per_s: Option<f64>, time: Duration, requests: driver::Requests) -> Load {
    Load { per_s, ..Load::new(target, connections, Amount::Time(time), requests) }
}

async fn drive(load: Load) -> Result<Outcome, String> {
    tokio::task::spawn_blocking(move || driver::run(&load)).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

fn progress_reads(target: SocketAddr, key: &str, players: u64) -> driver::Requests {
    let (host, bearer) = (target.to_string(), format!("Bearer {key}"));
    Arc::new(move |index| {
        // Spread over all players, in no order that a cache or an index would like.
        let player = claimer(index.wrapping_mul(2_654_435_761) % players);
        let path = format!("/v1/games/{OWN}/campaigns/{CAMPAIGN}/players/{player}");
        Bytes::from(request("GET", &path, &host, &[("Authorization", &bearer)], b""))
    })
}

/// Each player's reward is claimed once, and again when all were: a repeat gets the first answer.
fn claim_posts(target: SocketAddr, key: &str, players: u64, claimed: u64) -> driver::Requests {
    let (host, bearer) = (target.to_string(), format!("Bearer {key}"));
    Arc::new(move |index| {
        let player = claimer((claimed + index) % players);
        let path = format!("/v1/games/{OWN}/campaigns/{CAMPAIGN}/players/{player}/goals/first/claims");
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", &format!("load-{player}"))];
        Bytes::from(request("POST", &path, &host, &headers, b"{}"))
    })
}

/// The most records that were sent and not yet in the database's progress.
async fn watch_lag(db: &Db, tap: &Tap, time: Duration) -> Result<u64, String> {
    let begun = Instant::now();
    let mut most = 0;
    while begun.elapsed() < time {
        most = most.max(tap.sent.load(Ordering::SeqCst).saturating_sub(committed(db).await?));
        sleep(LOOK_EVERY).await;
    }
    Ok(most)
}

/// Waits until no more is waiting than comes in a quarter of a second; none when that did not come.
async fn caught_up(db: &Db, tap: &Tap, rate: u64) -> Result<Option<()>, String> {
    let begun = Instant::now();
    while begun.elapsed() < DRAINED_WITHIN {
        if tap.sent.load(Ordering::SeqCst).saturating_sub(committed(db).await?) <= rate / 4 {
            return Ok(Some(()));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(None)
}

async fn wait_drained(db: &Db, tap: &Tap) -> Result<Option<()>, String> {
    caught_up(db, tap, 0).await
}

fn bad_answers(report: &Report) -> Vec<String> {
    let bad = report.by_status.iter().filter(|(status, _)| !(200..300).contains(*status));
    let told = bad.map(|(status, count)| format!("{count} of {} were answered {status}", report.scenario));
    told.chain((report.errors > 0).then(|| format!("{} of {} had no answer", report.errors, report.scenario))).collect()
}

fn object(terms: &EventTerms, figures: &Figures, conditions: &Conditions) -> Value {
    let five = |report: &Report| report.by_status.iter().filter(|(status, _)| **status >= 500).map(|(_, count)| count).sum::<u64>();
    json!({
        "scenario": "events",
        "peak_requests_per_s": figures.peak_per_s.round(),
        "asked_requests_per_s": figures.asked_per_s.round(),
        "requests_per_s": (figures.reads.requests_per_s + figures.claims.requests_per_s).round(),
        "progress_p99_ms": figures.reads.p99_ms,
        "claims_p99_ms": figures.claims.p99_ms,
        "peak_lag_records": figures.lag_max,
        "time_to_drain_s": figures.drain_s,
        "status_5xx": five(&figures.reads) + five(&figures.claims),
        "log_rate_before_per_s": terms.rate,
        "log_rate_surge_per_s": terms.rate * SURGE,
        "log_records": figures.sent,
        "surge_s": terms.seconds,
        "progress": figures.reads.json(),
        "claims": figures.claims.json(),
        "conditions": conditions,
        "is_verified": figures.wrong.is_empty(),
        "wrong": figures.wrong,
    })
}
