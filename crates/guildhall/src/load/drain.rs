//! `guildhall load logs --drain`: how fast a backlog of four games' logs becomes progress and achievements in the database.
//! Refuses a figure whose rows do not account for every record of the backlog.

use super::backlog::{Backlog, Filled};
use super::ground::{Conditions, Ground};
use super::logs_terms::LogTerms;
use super::process::{Server, family_cpu_us, parent};
use crate::checks;
use crate::cli::Settings;
use db::{Db, Engine, Statement};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two looks at how far the stream is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A stream that makes no headway for this long has failed.
const STUCK_MAX: Duration = Duration::from_secs(120);

static COMMITTED: Statement =
    Statement::new("load.committed", "select coalesce(cast(sum(next) as bigint), 0) from log_partition where partition >= 0");

static ROWS: Statement = Statement::new("load.progress_rows", "select count(*) from player_state");

static ENDED: Statement = Statement::new(
    "load.drained",
    "select (select count(*) from player_state), (select count(*) from achievement), (select coalesce(cast(sum(letters) as bigint), 0) from dead_letter_count)",
);

static BACKEND: Statement = Statement::new("load.backend", "select 0").on_postgres("select cast(pg_backend_pid() as bigint)");

/// What a drain came to.
#[derive(Debug, Default)]
struct Figures {
    from: &'static str,
    records: u64,
    bytes: u64,
    fill_s: f64,
    elapsed_s: f64,
    records_per_s: f64,
    cpu_s: f64,
    peak_mb: f64,
    db_cpu_s: Option<f64>,
    progress_rows_halfway: i64,
    progress_rows: i64,
    achievements: i64,
    dead_letters: i64,
    wrong: Vec<String>,
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn run(settings: &Settings, terms: &LogTerms) -> Result<ExitCode, String> {
    let ground = Ground::choose(settings)?;
    let backlog = Backlog::new(&ground, terms)?;
    let filled = backlog.fill(&ground).await?;
    let figures = measure(&ground, &backlog, &filled).await;
    backlog.remove().await;
    let (figures, conditions) = figures?;
    if terms.json {
        println!("{}", object(terms, &figures, &conditions));
    } else {
        tell(terms, &figures, &conditions);
    }
    figures.wrong.iter().for_each(|told| eprintln!("WRONG: {told}"));
    Ok(if figures.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(ground: &Ground, backlog: &Backlog, filled: &Filled) -> Result<(Figures, Conditions), String> {
    let db = ground.reading().await?;
    let conditions = Conditions { on: super::backlog::ON, ..Conditions::read(&db).await? };
    let database = database_process(&db).await?;
    let db_before = database.and_then(family_cpu_us);
    let from = if backlog.kafka.is_some() { "kafka" } else { "embedded" };
    let mut figures =
        Figures { from, records: filled.records, bytes: filled.bytes, fill_s: filled.took.as_secs_f64(), ..Figures::default() };
    let server = Server::start(ground, backlog.environment(ground), "drain").await?;
    let begun = Instant::now();
    let before = committed(&db).await?;
    let drained = drained(&db, filled.records, &mut figures).await;
    figures.elapsed_s = begun.elapsed().as_secs_f64();
    figures.records_per_s = filled.records.saturating_sub(before) as f64 / figures.elapsed_s.max(1e-6);
    figures.cpu_s = server.cpu_us() as f64 / 1e6;
    figures.peak_mb = server.rss_max_bytes() as f64 / 1e6;
    figures.db_cpu_s = database.and_then(family_cpu_us).zip(db_before).map(|(after, before)| after.saturating_sub(before) as f64 / 1e6);
    figures.wrong.extend(server.errors().into_iter().map(|told| format!("the server's log says: {told}")));
    server.stop().await?;
    drained?;
    account_for(&db, filled, &mut figures).await?;
    db.close().await;
    Ok((figures, conditions))
}

/// Waits until every record is in the database's progress.
async fn drained(db: &Db, records: u64, figures: &mut Figures) -> Result<(), String> {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let now = committed(db).await?;
        if now >= records {
            return Ok(());
        }
        if now >= records / 2 && figures.progress_rows_halfway == 0 {
            figures.progress_rows_halfway = number(db, &ROWS).await?;
        }
        if now > last {
            (last, moved) = (now, Instant::now());
        } else if moved.elapsed() > STUCK_MAX {
            return Err(format!("{now} of {records} records were taken, and no more within {} s", STUCK_MAX.as_secs()));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Records that are in the database's progress.
pub(super) async fn committed(db: &Db) -> Result<u64, String> {
    number(db, &COMMITTED).await.map(|sum| u64::try_from(sum).unwrap_or(0))
}

async fn number(db: &Db, statement: &'static Statement) -> Result<i64, String> {
    let found = db.fetch(statement, &[], |row| row.int(0)).await.map_err(|e| e.to_string())?;
    Ok(found.into_iter().next().unwrap_or(0))
}

/// The first process of the database's server, where it is on this machine.
pub(super) async fn database_process(db: &Db) -> Result<Option<u32>, String> {
    if db.engine() != Engine::Postgres {
        return Ok(None);
    }
    let backend = u32::try_from(number(db, &BACKEND).await?).ok();
    Ok(backend.and_then(parent).filter(|first| {
        let name = std::fs::read_to_string(format!("/proc/{first}/comm")).unwrap_or_default();
        name.trim() == "postgres"
    }))
}

async fn account_for(db: &Db, filled: &Filled, figures: &mut Figures) -> Result<(), String> {
    let rows = db.fetch(&ENDED, &[], |row| Ok([row.int(0)?, row.int(1)?, row.int(2)?])).await.map_err(|e| e.to_string())?;
    [figures.progress_rows, figures.achievements, figures.dead_letters] = rows.into_iter().next().unwrap_or_default();
    let mut wrong = Vec::new();
    if committed(db).await? != filled.records {
        wrong.push(format!("{} records were in the log, {} are in the database's progress", filled.records, committed(db).await?));
    }
    if figures.progress_rows == 0 || figures.achievements == 0 {
        wrong.push("no progress or no achievement is in the database".to_owned());
    }
    for breach in checks::check(db).await.map_err(|e| e.to_string())?.iter().take(10) {
        wrong.push(format!("an invariant is broken: {}: {} {}", breach.invariant, breach.row, breach.what));
    }
    figures.wrong.extend(wrong);
    Ok(())
}

fn object(terms: &LogTerms, figures: &Figures, conditions: &Conditions) -> Value {
    json!({
        "scenario": "logs-drain",
        "from": figures.from,
        "records": figures.records,
        "bytes": figures.bytes,
        "players": terms.players,
        "records_per_s": figures.records_per_s.round(),
        "elapsed_s": rounded(figures.elapsed_s),
        "cpu_s": rounded(figures.cpu_s),
        "db_cpu_s": figures.db_cpu_s.map(rounded),
        "peak_mb": rounded(figures.peak_mb),
        "achievements": figures.achievements,
        "progress_rows": figures.progress_rows,
        "progress_rows_halfway": figures.progress_rows_halfway,
        "dead_letters": figures.dead_letters,
        "fill_s": rounded(figures.fill_s),
        "conditions": conditions,
        "is_verified": figures.wrong.is_empty(),
        "wrong": figures.wrong,
    })
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell(terms: &LogTerms, figures: &Figures, conditions: &Conditions) {
    let from = figures.from;
    println!("{} records ({:.0} MB) of {} players from {from}", figures.records, figures.bytes as f64 / 1e6, terms.players);
    println!("  {:.0} records/s: drained after {:.2} s", figures.records_per_s, figures.elapsed_s);
    let database = figures.db_cpu_s.map_or_else(String::new, |seconds| format!(", {seconds:.2} s in the database"));
    println!("  {:.2} CPU seconds in our process{database}; peak memory {:.0} MB", figures.cpu_s, figures.peak_mb);
    println!(
        "  {} rows of progress ({} halfway), {} achievements, {} dead letters",
        figures.progress_rows, figures.progress_rows_halfway, figures.achievements, figures.dead_letters
    );
    println!("  {}; {}; load average before {:.2}", conditions.engine, conditions.machine, conditions.load_average);
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
