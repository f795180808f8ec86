//! Is the advice right? 100 generated schemas and statements whose best index is known by how they were made and checked by trying
//! every other one; the adviser sees the text and the tables. Printed: the share found, advice that does not speed up, the median speed-up.
//!
//! `cargo bench -p insight --bench advice [-- CASES]`; on Postgres too where GUILDHALL_TEST_POSTGRES names a server.

#![allow(
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark prints, and its numbers are small"
)]

mod generator;
mod trial;

use db::{Access, Inspector};
use generator::Case;
use insight::{Depth, Item};
use std::time::Duration;
use trial::{Trial, speed_up};

const SEED: u64 = 20_261_121;
/// Found: so much slower than the best at most, and so many milliseconds that are noise.
const AS_GOOD: f64 = 1.25;
const NOISE_MS: f64 = 0.08;
/// Advice that is worth its index makes the statement at least so much quicker.
const SPEEDS_UP: f64 = 1.15;

/// What came out of a case.
struct Outcome {
    kind: &'static str,
    best: f64,
    found: bool,
    wanted: bool,
    indexes: usize,
    wrong: usize,
    speed_up: Option<f64>,
    advised: Vec<String>,
}

#[tokio::main]
async fn main() {
    let cases = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("advice.db");
    std::fs::File::create(&file).expect("a file");
    run("SQLite", &format!("sqlite:{}", file.display()), cases).await;
    let Ok(server) = std::env::var("GUILDHALL_TEST_POSTGRES") else {
        println!("Postgres is left out: GUILDHALL_TEST_POSTGRES names no server");
        return;
    };
    let name = format!("insight_bench_{}", kernel::Uuid::now_v7().simple());
    db::run_once(&server, &format!("create database {name} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0"))
        .await
        .expect("a database");
    run("Postgres", &format!("{}/{name}", server.rsplit_once('/').expect("a URL").0), cases).await;
    db::run_once(&server, &format!("drop database {name} with (force)")).await.expect("it goes");
}

async fn run(engine: &str, url: &str, cases: usize) {
    println!("\n== {engine}: {cases} cases, seed {SEED} ==");
    let mut outcomes = Vec::new();
    for number in 0..cases {
        let case = Case::generate(SEED, number);
        let outcome = one(url, &case).await;
        if (outcome.wanted && !outcome.found) || outcome.wrong > 0 {
            println!(
                "  {number:>3} {:<12} best {:>6.1} ×, advised {:>6.1} ×  {}",
                case.kind,
                outcome.best,
                outcome.speed_up.unwrap_or(1.0),
                case.text
            );
            outcome.advised.iter().for_each(|ddl| println!("                   {ddl}"));
        }
        outcomes.push(outcome);
    }
    print(&outcomes);
}

async fn one(url: &str, case: &Case) -> Outcome {
    let mut writing = Inspector::open(url, Access::Write, None).await.expect("the database opens");
    let mut trial = Trial::prepare(&mut writing, case).await;
    let before = trial.time(&mut writing).await;
    let best = trial.best(&mut writing, before).await;
    let wanted = best.wanted;

    let mut reading = Inspector::open(url, Access::Read, Some(Duration::from_secs(30))).await.expect("the database opens");
    let item = Item {
        name: case.kind.to_owned(),
        text: case.text.clone(),
        calls: 1000,
        rows: 1000,
        total_us: before * 1_000_000.0,
        ..Item::default()
    };
    let depth = Depth { plans: false, findings: false, ..Depth::ALL };
    let examined = insight::examine(&mut reading, vec![item], &[], depth).await.expect("it is examined");
    assert!(examined.report.notes.is_empty(), "the engine judges: {:?}", examined.report.notes);
    assert!(examined.report.statements[0].trouble.is_none(), "{}: {:?}", case.text, examined.report.statements[0].trouble);
    let advised: Vec<String> = examined.report.advice.iter().map(|advice| advice.ddl.replace(" concurrently", "")).collect();
    let names = trial.make(&mut writing, &advised).await;
    let mut after = if advised.is_empty() { before } else { trial.time(&mut writing).await };
    let mut quickest = best.ms.min(after);
    if let Some(index) = best.index.filter(|_| wanted && !advised.is_empty() && after > quickest * AS_GOOD + NOISE_MS) {
        // Other work on the machine fell on one and not on the other: both are timed once more, one right after the other.
        for name in &names {
            trial.drop(&mut writing, name).await;
        }
        let tried = trial.make(&mut writing, &[format!("create index tried on {index}")]).await;
        quickest = trial.time(&mut writing).await;
        trial.drop(&mut writing, &tried[0]).await;
        trial.make(&mut writing, &advised).await;
        after = trial.time(&mut writing).await;
    }
    let mut wrong = 0;
    if !advised.is_empty() && speed_up(before, after) < SPEEDS_UP {
        wrong = advised.len();
    } else if advised.len() > 1 {
        // Each of several must be worth something beside the others.
        for (at, name) in names.iter().enumerate() {
            trial.drop(&mut writing, name).await;
            let without = trial.time(&mut writing).await;
            trial.make(&mut writing, &advised[at..=at]).await;
            wrong += usize::from(without < after * 1.05);
        }
    }
    let found = if wanted { after <= quickest * AS_GOOD + NOISE_MS } else { advised.is_empty() };
    let quicker = (!advised.is_empty()).then(|| speed_up(before, after));
    trial.end(&mut writing).await;
    Outcome { kind: case.kind, best: speed_up(before, quickest), found, wanted, indexes: advised.len(), wrong, speed_up: quicker, advised }
}

fn print(outcomes: &[Outcome]) {
    let mut kinds: Vec<&str> = outcomes.iter().map(|one| one.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    println!("{:<16}{:>7}{:>8}{:>9}{:>8}{:>14}{:>12}", "kind", "cases", "found", "indexes", "false", "median gain", "best gain");
    let line = |name: &str, of: &[&Outcome]| {
        let found = of.iter().filter(|one| one.found).count();
        let indexes: usize = of.iter().map(|one| one.indexes).sum();
        let wrong: usize = of.iter().map(|one| one.wrong).sum();
        let gain = median(of.iter().filter_map(|one| one.speed_up).collect());
        let best = median(of.iter().filter(|one| one.wanted).map(|one| one.best).collect());
        println!("{name:<16}{:>7}{found:>8}{indexes:>9}{wrong:>8}{gain:>12.1} ×{best:>10.1} ×", of.len());
    };
    for kind in kinds {
        line(kind, &outcomes.iter().filter(|one| one.kind == kind).collect::<Vec<_>>());
    }
    line("all", &outcomes.iter().collect::<Vec<_>>());
    let wanted: Vec<&Outcome> = outcomes.iter().filter(|one| one.wanted).collect();
    let found = wanted.iter().filter(|one| one.found).count();
    let indexes: usize = outcomes.iter().map(|one| one.indexes).sum();
    let wrong: usize = outcomes.iter().map(|one| one.wrong).sum();
    println!(
        "where an index helps: the best one found in {found} of {} ({:.0} %); false advice: {wrong} of {indexes} indexes ({:.1} %); median speed-up {:.1} ×",
        wanted.len(),
        found as f64 / wanted.len().max(1) as f64 * 100.0,
        wrong as f64 / indexes.max(1) as f64 * 100.0,
        median(outcomes.iter().filter_map(|one| one.speed_up).collect())
    );
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(1.0)
}
