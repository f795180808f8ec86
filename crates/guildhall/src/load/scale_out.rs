//! `guildhall load scale-out`: the earlier system's experiment through a gateway, payments by one process and by two, before and after the
//! index that its payments lacked, with the longest answers as a Prometheus has them.
//! Refuses to touch a database that was there before: what it measures lies in one of its own, which is dropped at the end.

mod fleet;
mod prometheus;

use super::ground::{Conditions, Ground};
use super::prepared::Prepared;
use super::report::Report;
use super::run::Run;
use super::terms::{Drive, Line, Plan, Scenario};
use super::{breaches, prepare};
use crate::cli::Settings;
use crate::config::DatabaseUrl;
use clap::Args;
use db::{Db, Statement};
use fleet::Fleet;
use prometheus::{Longest, Prometheus};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to repeat.
#[derive(Debug, Args)]
pub struct Terms {
    /// Payments of a run, each by a player of its own
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    requests: u64,
    /// Connections to the gateway
    #[arg(long, value_name = "C", default_value_t = 64)]
    connections: usize,
    /// Runs of each stage, in turn; the median is told
    #[arg(long, value_name = "N", default_value_t = 1)]
    runs: usize,
    /// The Prometheus that watches
    #[arg(long, value_name = "PROGRAM", default_value = "prometheus")]
    prometheus: PathBuf,
}

/// A stage of the experiment.
struct Stage {
    name: &'static str,
    processes: usize,
    indexed: bool,
}

/// In the earlier system's order, and one more, so that each change is also seen without the other.
const STAGES: [Stage; 4] = [
    Stage { name: "as is: one process, no index", processes: 1, indexed: false },
    Stage { name: "two processes, no index", processes: 2, indexed: false },
    Stage { name: "two processes, index", processes: 2, indexed: true },
    Stage { name: "one process, index", processes: 1, indexed: true },
];

// The index over payment and product is our primary key; theirs had its state beside them, which ours keeps in the payment.
const DROP_INDEX: &str = "alter table payment_item drop constraint payment_item_pkey";
const MAKE_INDEX: &str = "alter table payment_item add constraint payment_item_pkey primary key (payment, product)";

static PLAN_OF_ITEMS: Statement = Statement::new(
    "load.plan_of_items",
    "explain select product, price_minor, amount from payment_item where payment = (select id from payment limit 1) order by product",
);

/// What came of a stage's runs.
#[derive(Default)]
struct Outcome {
    reports: Vec<Report>,
    longest: BTreeMap<String, Longest>,
    plan: Vec<String>,
}

pub(super) async fn run(settings: &Settings, terms: &Terms) -> Result<ExitCode, String> {
    let given = Ground::choose(settings)?.config.database_url();
    let own = OwnDatabase::create(&given).await?;
    let ended = measure(&Settings { db: Some(own.url.clone()), ..settings.clone() }, terms).await;
    own.remove().await?;
    ended
}

/// A database beside the given one.
struct OwnDatabase {
    given: String,
    name: String,
    url: String,
}

impl OwnDatabase {
    async fn create(given: &DatabaseUrl) -> Result<OwnDatabase, String> {
        let given = given.reveal();
        let is_postgres = given.starts_with("postgres");
        let server = given.rsplit_once('/').filter(|_| is_postgres).map(|(server, _)| server);
        let server = server.ok_or("processes share a Postgres: give one whose user may create databases with --db")?;
        let name = format!("guildhall_scale_out_{}", std::process::id());
        let create = format!("create database {name} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'");
        db::run_once(given, &create).await.map_err(|e| format!("database {name} cannot be created: {e}"))?;
        eprintln!("in a database of its own, {name}, which is dropped at the end");
        Ok(OwnDatabase { given: given.to_owned(), url: format!("{server}/{name}"), name })
    }

    async fn remove(self) -> Result<(), String> {
        let drop = format!("drop database {} with (force)", self.name);
        db::run_once(&self.given, &drop).await.map(|_| ()).map_err(|e| format!("database {} cannot be dropped: {e}", self.name))
    }
}

async fn measure(settings: &Settings, terms: &Terms) -> Result<ExitCode, String> {
    let ground = Ground::choose(settings)?;
    let runs = terms.runs.max(1);
    let drive = Drive {
        requests: Some(terms.requests),
        // A line for each stage and run: all payments lie in the table from the beginning, so that it is as large for every stage.
        connections: vec![terms.connections.max(1); STAGES.len() * runs],
        runs: 1,
        seconds: None,
        batch_max: None,
        compare: false,
        url: None,
        threads: 1,
        json: false,
    };
    let plan = Plan::new(Scenario::Pay, drive);
    let mut prepared = prepare(&ground, &plan).await?;
    let db = ground.reading().await?;
    let conditions = Conditions::read(&db).await?;
    let prometheus = Prometheus::start(&terms.prometheus, &ground.folder.join("prometheus")).await?;
    let mut outcomes: [Outcome; STAGES.len()] = Default::default();
    let (mut wrong, mut is_indexed) = (Vec::new(), true);
    for run in 0..runs {
        for (stage, outcome) in STAGES.iter().zip(&mut outcomes) {
            if stage.indexed != is_indexed {
                set_index(&ground, stage.indexed).await?;
                is_indexed = stage.indexed;
            }
            outcome.plan = db.fetch(&PLAN_OF_ITEMS, &[], |row| row.text(0)).await.map_err(|e| e.to_string())?;
            let label = format!("{}, run {}", stage.name, run + 1);
            let told = one(&plan, &ground, &db, &prometheus, stage, &label, &mut prepared, outcome).await?;
            wrong.extend(told.into_iter().map(|told| format!("{label}: {told}")));
        }
    }
    wrong.extend(breaches(&db).await?);
    db.close().await;
    tell(outcomes, &conditions, terms);
    wrong.iter().for_each(|told| eprintln!("WRONG: {told}"));
    if wrong.is_empty() {
        eprintln!("verified: every answer has its rows, every event was sent, all invariants hold");
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn set_index(ground: &Ground, indexed: bool) -> Result<(), String> {
    let url = ground.config.database_url();
    for statement in [if indexed { MAKE_INDEX } else { DROP_INDEX }, "vacuum analyze payment_item"] {
        db::run_once(url.reveal(), statement).await.map_err(|e| format!("{statement}: {e}"))?;
    }
    Ok(())
}

/// One run of a stage on processes of its own; what is wrong with it.
#[expect(clippy::too_many_arguments, reason = "a run takes place in all of them, and nowhere else")]
async fn one(
    plan: &Plan,
    ground: &Ground,
    db: &Db,
    prometheus: &Prometheus,
    stage: &Stage,
    label: &str,
    prepared: &mut Prepared,
    outcome: &mut Outcome,
) -> Result<Vec<String>, String> {
    let line = Line { label: stage.name.to_owned(), ..plan.lines().swap_remove(0) };
    let fleet = Fleet::start(ground, stage.processes).await?;
    prometheus.aim(label, &fleet.watched())?;
    let run = Run { plan, ground, db: Some(db), url: Some(fleet.gateway()) };
    let targets = [fleet.gateway()];
    run.warm_up(&line, &targets, prepared).await?;
    let before = prometheus.looked(label, fleet.watched().len()).await?;
    let (report, mut wrong) = run.next(&line, &targets, prepared).await?;
    let after = prometheus.looked(label, fleet.watched().len()).await?;
    for (what, longest) in prometheus.longest(label, before, after).await? {
        let of_all = outcome.longest.entry(what).or_default();
        *of_all = of_all.or_longer(longest);
    }
    outcome.reports.push(report);
    wrong.extend(fleet.stop().await?);
    Ok(wrong)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell(outcomes: [Outcome; STAGES.len()], conditions: &Conditions, terms: &Terms) {
    println!(
        "{} payments of as many players through a gateway, {} connections, the median of {} runs of each stage, in turn",
        terms.requests,
        terms.connections,
        terms.runs.max(1)
    );
    println!("{}; {}; load average before {:.2}", conditions.engine, conditions.machine, conditions.load_average);
    for (stage, outcome) in STAGES.iter().zip(&outcomes).filter(|(stage, _)| stage.processes == 1) {
        println!("\n{}, the plan of a payment's items:\n  {}", stage.name, outcome.plan.join("\n  "));
    }
    let mut first = None;
    println!("\n{:<30}{:>10}{:>10}{:>10}{:>8}{:>8}", "stage", "avg s", "max s", "TPS", "errors", "TPS x");
    let mut longest: BTreeMap<String, Vec<Option<Longest>>> = BTreeMap::new();
    for (at, (stage, outcome)) in STAGES.iter().zip(outcomes).enumerate() {
        for (what, found) in outcome.longest {
            longest.entry(what).or_insert_with(|| vec![None; STAGES.len()])[at] = Some(found);
        }
        let Some(report) = Report::median(outcome.reports) else { continue };
        let ratio = report.requests_per_s / *first.get_or_insert(report.requests_per_s);
        let (mean, max) = (report.mean_ms / 1_000.0, report.max_ms / 1_000.0);
        println!("{:<30}{mean:>10.4}{max:>10.3}{:>10.1}{:>8}{ratio:>8.2}", stage.name, report.requests_per_s, report.errors);
    }
    println!("\nthe longest answer, as Prometheus has it: the end of its bucket, in seconds (and the mean)");
    println!("{:<60}{}", "service, method and route", STAGES.map(|stage| format!("{:>30}", stage.name)).concat());
    for (what, found) in longest {
        let cells = found.iter().map(|found| format!("{:>30}", found.map_or("-".to_owned(), |found| found.to_string())));
        println!("{what:<60}{}", cells.collect::<String>());
    }
}
