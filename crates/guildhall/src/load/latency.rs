//! `guildhall load logs --rate`: how long it takes from sending a record to seeing the achievement it reaches in the database.
//! Refuses to count what it did not see: a probe without its achievement is an error of the run.

use super::backlog::Backlog;
use super::games::{self, OWN, login};
use super::ground::{Conditions, Ground};
use super::logs_terms::LogTerms;
use super::process::Server;
use super::send::{KafkaSender, now, wait_until};
use crate::cli::Settings;
use db::{Column, Db, Rows, Statement, row};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Records are sent in so many lots a second, and with every lot a probe.
const LOTS_PER_S: u64 = 100;
/// Between two looks for achievements.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// An achievement that is not there after this long is lost.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// What is sent and seen in the first seconds warms the server up.
const WARM_UP: Duration = Duration::from_secs(5);
/// The server name that no generated record has.
const PROBES: &str = "probe";

static SEEN: Statement = Statement::new(
    "load.seen_achievements",
    "select a.player
     from rows r
     join achievement a on a.game = r.game and a.player = r.player",
)
.rows(&[("game", Column::Text), ("player", Column::Text)]);

/// Probes on their way, by player, with the moment they were handed to the client.
type Waiting = Arc<Mutex<BTreeMap<String, Instant>>>;

/// What both sides of a run share.
#[derive(Clone, Default)]
struct Shared {
    waiting: Waiting,
    sent: Arc<AtomicU64>,
    probes: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn run(settings: &Settings, terms: &LogTerms, rate: u64) -> Result<ExitCode, String> {
    let ground = Ground::choose(settings)?;
    let backlog = Backlog::new(&ground, terms)?;
    let (app, lock) = ground.open().await?;
    let now = app.db.now();
    let prepared = backlog.prepare(&app, vec![games::on_server("probes", PROBES, "login", now)]).await;
    app.stop().await;
    drop(lock);
    prepared?;
    let measured = measure(&ground, &backlog, terms, rate).await;
    backlog.remove().await;
    let (latency, shared, elapsed, conditions) = measured?;
    let ms = |quantile: f64| latency.value_at_quantile(quantile) as f64 / 1_000.0;
    let lost = shared.waiting.lock().len();
    let (sent, probes) = (shared.sent.load(Ordering::Relaxed), shared.probes.load(Ordering::Relaxed));
    let sent_per_s = (sent as f64 / elapsed.as_secs_f64()).round();
    if terms.json {
        let told = json!({
            "scenario": "logs-latency", "from": if backlog.kafka.is_some() { "kafka" } else { "embedded" },
            "rate_asked_per_s": rate, "sent_per_s": sent_per_s, "probes": probes, "seen": latency.len(), "lost": lost,
            "p50_ms": ms(0.5), "p90_ms": ms(0.9), "p99_ms": ms(0.99), "max_ms": latency.max() as f64 / 1_000.0, "conditions": conditions,
        });
        println!("{told}");
    } else {
        println!(
            "{sent_per_s} records/s sent; {} achievements seen after their records were sent: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            latency.len(),
            ms(0.5),
            ms(0.9),
            ms(0.99),
            latency.max() as f64 / 1_000.0
        );
        println!("  {}; {}", conditions.engine, conditions.machine);
    }
    if lost > 0 {
        eprintln!("WRONG: {lost} probes have no achievement");
    }
    Ok(if lost == 0 && !latency.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Measured = (Histogram<u64>, Shared, Duration, Conditions);

async fn measure(ground: &Ground, backlog: &Backlog, terms: &LogTerms, rate: u64) -> Result<Measured, String> {
    let db = ground.reading().await?;
    let conditions = Conditions { on: super::backlog::ON, ..Conditions::read(&db).await? };
    let server = Server::start(ground, backlog.environment(ground), "latency").await?;
    let shared = Shared::default();
    let sending = sending(backlog, terms, rate, &shared)?;
    let begun = Instant::now();
    let sending = tokio::task::spawn_blocking(sending);
    let latency = watch(&db, &shared, begun).await?;
    let elapsed = sending.await.map_err(|e| e.to_string())??;
    server.stop().await?;
    db.close().await;
    Ok((latency, shared, elapsed, conditions))
}

/// The side that sends, to be run on a thread of its own; answers how long it sent.
fn sending(
    backlog: &Backlog,
    terms: &LogTerms,
    rate: u64,
    shared: &Shared,
) -> Result<impl FnOnce() -> Result<Duration, String> + Send + use<>, String> {
    let sender = KafkaSender::new(&backlog.brokers(), 1)?;
    let mut records = backlog.records(terms);
    let (topics, own) = (backlog.topics(), backlog.topic(OWN));
    let (seconds, shared) = (terms.seconds, shared.clone());
    Ok(move || {
        let begun = Instant::now();
        let lots = seconds * LOTS_PER_S;
        let done = (0..lots).try_for_each(|lot| {
            let due = begun + Duration::from_micros(lot * 1_000_000 / LOTS_PER_S);
            wait_until(due);
            let count = (lot + 1) * rate / LOTS_PER_S - lot * rate / LOTS_PER_S;
            for _ in 0..count {
                records.send_next(&sender, &topics, false)?;
            }
            let player = format!("probe-{lot}");
            let record = login(&player, PROBES, now());
            shared.waiting.lock().insert(player.clone(), Instant::now());
            sender.send(games::outgoing(&own, &player, &record))?;
            sender.poll();
            shared.sent.fetch_add(count + 1, Ordering::Relaxed);
            shared.probes.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        let elapsed = begun.elapsed();
        let finished = sender.finish().map(drop);
        shared.is_over.store(true, Ordering::SeqCst);
        done.and(finished).map(|()| elapsed)
    })
}

/// Looks for achievements of probes until all were seen, or none came for too long.
async fn watch(db: &Db, shared: &Shared, begun: Instant) -> Result<Histogram<u64>, String> {
    let mut latency = Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are in order");
    let mut over_at = None;
    loop {
        let waiting: Vec<String> = shared.waiting.lock().keys().cloned().collect();
        if waiting.is_empty() && shared.is_over.load(Ordering::SeqCst) {
            return Ok(latency);
        }
        let rows = Rows::of(&waiting, |player| row![OWN, player.as_str()]);
        let mut reading = db.read().await.map_err(|e| e.to_string())?;
        let seen = reading.load(&SEEN, rows, |row| row.text(0)).await.map_err(|e| e.to_string())?;
        drop(reading);
        let at = Instant::now();
        for player in seen {
            let Some(sent) = shared.waiting.lock().remove(&player) else { continue };
            if sent.duration_since(begun) >= WARM_UP {
                latency.saturating_record(u64::try_from((at - sent).as_micros()).unwrap_or(u64::MAX));
            }
        }
        if shared.is_over.load(Ordering::SeqCst) && over_at.get_or_insert(at).elapsed() > SEEN_WITHIN {
            return Ok(latency);
        }
        sleep(LOOK_EVERY).await;
    }
}
