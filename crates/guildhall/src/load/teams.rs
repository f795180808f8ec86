//! `guildhall load teams`: a game's backend reads players (70 %), what they hold (20 %) and banners (10 %) with an API key, players evenly and by
//! Zipf's law, with the answer cache and without: the peak, and how long an answer takes at half of it.
//! Refuses to call a run good in which a request was refused or an answer was not about what was asked.

mod prepare;
mod requests;

use super::driver::{self, Amount, Load, Outcome};
use super::ground::{Conditions, Ground};
use super::process::{Server, get, metric};
use super::report::{Report, table};
use super::teams_terms::TeamTerms;
use crate::checks;
use crate::cli::Settings;
use crate::config::Config;
use db::{Db, Engine, Statement};
use requests::{Reads, Spread};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time in which a fresh server gets what it reads often into its memory.
const WARM_UP: Duration = Duration::from_secs(3);
/// What a request passes.
const ON: &str = "API key check, scope, players with their linked account, balances, banners with ETag, metrics";

/// The database's own size and the cache that the engine keeps of it, in bytes.
static SIZES: Statement = Statement::new(
    "load.database_sizes",
    "select (select page_count from pragma_page_count) * (select page_size from pragma_page_size),
            (select -cache_size * 1024 from pragma_cache_size)",
)
.on_postgres("select pg_database_size(current_database()), pg_size_bytes(current_setting('shared_buffers'))");

/// Two measurements of one way to read: as fast as it goes, and at half of that.
struct Line {
    peak: Report,
    half: Report,
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn run(settings: &Settings, terms: &TeamTerms) -> Result<ExitCode, String> {
    let ground = Ground::choose(settings)?;
    let (app, lock) = ground.open().await?;
    let prepared = prepare::prepare(&app, terms.players).await;
    app.stop().await;
    drop(lock);
    let key = prepared?;
    let db = ground.reading().await?;
    let conditions = Conditions { on: ON, ..Conditions::read(&db).await? };
    let sizes = sizes(&db).await?;
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for keeps in [true, false] {
        for spread in [Spread::Even, Spread::Zipf] {
            let reads = Reads { key: key.clone(), players: terms.players, spread, seed: terms.seed };
            lines.push(measure(&ground, terms, reads, keeps, &mut wrong).await?);
        }
    }
    let breaches = checks::check(&db).await.map_err(|e| e.to_string())?;
    wrong.extend(breaches.iter().take(10).map(|breach| format!("an invariant is broken: {}: {}", breach.invariant, breach.row)));
    db.close().await;
    let reports: Vec<Report> = lines.iter().flat_map(|line| [line.peak.clone(), line.half.clone()]).collect();
    if terms.json {
        let both = |line: &Line| json!({ "peak": line.peak.json(), "at_half_of_it": line.half.json() });
        let about = json!({
            "scenario": "teams", "players": terms.players, "lines": lines.iter().map(both).collect::<Vec<Value>>(), "conditions": conditions,
            "database_bytes": sizes.0, "engine_cache_bytes": sizes.1, "is_verified": wrong.is_empty(), "wrong": wrong,
        });
        println!("{about}");
    } else {
        print!("{}", table(&reports));
        println!("  {} players, {} MB of database, {} MB of engine cache", terms.players, sizes.0 / 1_000_000, sizes.1 / 1_000_000);
        println!("  {}; {}; load average before {:.2}", conditions.engine, conditions.machine, conditions.load_average);
    }
    for report in &reports {
        let shown = report.extra.iter().map(|(name, value)| format!("{name} {value}"));
        eprintln!("  {}: {}", report.scenario, shown.collect::<Vec<_>>().join(", "));
    }
    wrong.iter().for_each(|told| eprintln!("WRONG: {told}"));
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn sizes(db: &Db) -> Result<(i64, i64), String> {
    let found = db.fetch(&SIZES, &[], |row| Ok((row.int(0)?, row.int(1)?))).await.map_err(|e| e.to_string())?;
    let (size, cache) = found.into_iter().next().unwrap_or_default();
    // Each of SQLite's readers keeps a cache of its own.
    let caches = if db.engine() == Engine::Sqlite { i64::from(Config::default().db.readers) } else { 1 };
    Ok((size, cache * caches))
}

/// One way to read, on a server of its own, which has nothing in its memory yet.
async fn measure(ground: &Ground, terms: &TeamTerms, reads: Reads, keeps: bool, wrong: &mut Vec<String>) -> Result<Line, String> {
    let mut environment = ground.environment(None);
    environment.push((Config::variable("accounts.key_requests_per_s"), "0".to_owned()));
    if !keeps {
        environment.push((Config::variable("teams.answer_cache_bytes"), "0".to_owned()));
    }
    let name = format!("{}, cache {}", reads.spread.name(), if keeps { "on" } else { "off" });
    let server = Server::start(ground, environment, &format!("teams-{}-{keeps}", reads.spread.name())).await?;
    let time = Duration::from_secs(terms.seconds);
    drive(&server, terms, &reads, WARM_UP, None, &mut Vec::new()).await?;
    let (outcome, mut extra) = drive(&server, terms, &reads, time, None, wrong).await?;
    let mut peak = Report::new(&format!("{name}: peak"), terms.connections, &outcome);
    peak.extra.append(&mut extra);
    let asked = peak.requests_per_s / 2.0;
    let (outcome, mut extra) = drive(&server, terms, &reads, time, Some(asked), wrong).await?;
    let mut half = Report::new(&format!("{name}: half"), terms.connections, &outcome);
    half.extra.append(&mut extra);
    peak.extra.insert("server_rss_max_mb".to_owned(), json!(server.rss_max_bytes() / 1_000_000));
    wrong.extend([&peak, &half].into_iter().flat_map(bad_answers));
    wrong.extend(server.errors().into_iter().map(|told| format!("the server's log says: {told}")));
    server.stop().await?;
    Ok(Line { peak, half })
}

async fn drive(
    server: &Server,
    terms: &TeamTerms,
    reads: &Reads,
    time: Duration,
    per_s: Option<f64>,
    wrong: &mut Vec<String>,
) -> Result<(Outcome, serde_json::Map<String, Value>), String> {
    let (host, asked) = (server.address.to_string(), Arc::new(reads.clone()));
    let other = Arc::new(AtomicU64::new(0));
    let (making, looking, counting) = (asked.clone(), asked, other.clone());
    let mut load = Load::new(server.address, terms.connections, Amount::Time(time), Arc::new(move |n| making.request(n, &host)));
    load.per_s = per_s;
    load.on_response = Some(Arc::new(move |n, status, body| {
        if status == 200 && !looking.is_about(n, body) {
            counting.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let before = (server.cpu_us(), answers(server).await);
    let outcome = tokio::task::spawn_blocking(move || driver::run(&load)).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let after = (server.cpu_us(), answers(server).await);
    let (kept, read) = (after.1.0 - before.1.0, after.1.1 - before.1.1);
    let each = (after.0 - before.0) as f64 / outcome.answered().max(1) as f64;
    let mut extra = serde_json::Map::new();
    extra.insert("server_cpu_us_per_request".to_owned(), json!((each * 10.0).round() / 10.0));
    extra.insert("answers_kept_share".to_owned(), json!((kept / (kept + read).max(1.0) * 1_000.0).round() / 1_000.0));
    let others = other.load(Ordering::Relaxed);
    if others > 0 {
        wrong.push(format!("{others} answers were not about what was asked"));
    }
    Ok((outcome, extra))
}

/// Answers that came from memory, and that were read, so far.
async fn answers(server: &Server) -> (f64, f64) {
    let text = get(server.address, "/metrics").await.map(|(_, text)| text).unwrap_or_default();
    (metric(&text, "guildhall_answers_total", "\"kept\""), metric(&text, "guildhall_answers_total", "\"read\""))
}

fn bad_answers(report: &Report) -> Vec<String> {
    let bad = report.by_status.iter().filter(|(status, _)| **status != 200);
    let told = bad.map(|(status, count)| format!("{count} of {} were answered {status}", report.scenario));
    told.chain((report.errors > 0).then(|| format!("{} of {} had no answer", report.errors, report.scenario))).collect()
}
