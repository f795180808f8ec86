//! The whole examination: statements by their weight, plans of the heaviest, advice, findings; and the making of one index.
//! Refuses to change anything but that one index, on demand.

use crate::advise::{self, Chosen};
use crate::judge::{self, Asked, Judge};
use crate::measure::measure;
use crate::reading::{self, Reading, Verb};
use crate::report::{Advice, Applied, Change, Report, Served, StatementReport, WritePrice};
use crate::sample::Samples;
use crate::schema::{Index, Schema};
use crate::sql::{parameters, quoted};
use crate::workload::Item;
use crate::{Candidate, findings};
use db::statistics::Repeated;
use db::{Engine, Error, Inspector};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Statements that plans are asked for.
const PLANS_MAX: usize = 60;
/// Sets of typical parameters.
const SETS: usize = 5;
/// A statement with a smaller share, in percent, and quicker than [`QUICK_MS`] asks for no index.
const SHARE_MIN: f64 = 0.2;
const QUICK_MS: f64 = 2.0;

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// Plans of the heaviest statements.
    pub plans: bool,
    /// Index advice.
    pub advice: bool,
    /// What else is wrong.
    pub findings: bool,
    /// A transaction is told of that has been open for more seconds than this.
    pub long_s: u32,
}

impl Depth {
    /// Everything; a transaction is long after a minute.
    pub const ALL: Depth = Depth { plans: true, advice: true, findings: true, long_s: 60 };
}

/// A report with what is needed to act on it.
pub struct Examination {
    /// The report.
    pub report: Report,
    asked: Vec<Asked>,
    chosen: Vec<Chosen>,
}

/// Examines a database whose workload is known, on a connection that only reads.
///
/// # Errors
/// The database fails.
pub async fn examine(database: &mut Inspector, mut items: Vec<Item>, repeated: &[Repeated], depth: Depth) -> Result<Examination, Error> {
    let mut schema = Schema::read(database).await?;
    let mut report = Report { engine: engine_name(database.engine()).to_owned(), ..Report::default() };
    let mut readings: HashMap<String, Result<Reading, String>> =
        items.iter().map(|item| (item.name.clone(), reading::read(&item.text, &schema))).collect();
    let samples = Samples::take(database, &schema, readings.values().filter_map(|reading| reading.as_ref().ok())).await?;
    samples.widen(&mut schema);
    let mut tried = BTreeMap::new();
    for item in items.iter_mut().filter(|item| item.calls == 0) {
        // What a statement of a file costs is known once it was tried.
        let Some(Ok(read)) = readings.get(&item.name) else { continue };
        let asked = ask(database.engine(), item, read, &samples);
        match measure(database, &asked).await {
            Ok(Some(measured)) => {
                item.total_us = measured.p50_ms * 1000.0;
                tried.insert(item.name.clone(), Ok(measured));
            }
            Ok(None) => {}
            Err(error) => drop(tried.insert(item.name.clone(), Err(error.to_string()))),
        }
    }
    items.sort_by(|a, b| b.total_us.total_cmp(&a.total_us));
    let total: f64 = items.iter().map(|item| item.total_us).sum::<f64>().max(1.0);
    for item in &items {
        let mut told = told(item, total);
        match tried.remove(&item.name) {
            Some(Ok(measured)) => told.measured = Some(measured),
            Some(Err(trouble)) => told.trouble = Some(trouble),
            None => {}
        }
        report.statements.push(told);
    }
    let mut asked = Vec::new();
    for (item, told) in items.iter().zip(&mut report.statements) {
        match readings.remove(&item.name) {
            Some(Ok(read)) => asked.push(ask(database.engine(), item, &read, &samples)),
            Some(Err(trouble)) => told.trouble = Some(format!("not understood: {trouble}")),
            None => {}
        }
    }
    let used = if depth.plans { Some(plans(database, &asked, &schema, &mut report).await?) } else { None };
    let mut chosen = Vec::new();
    if depth.advice {
        match Judge::new(database, &schema, &samples).await {
            Ok(mut judge) => {
                let heavy = heavy(&asked, &report);
                chosen = advise::choose(database, &mut judge, &heavy, &schema, &samples).await;
                for one in &chosen {
                    let bytes = judge.size(database, &schema, &samples, &one.candidate).await;
                    report.advice.push(advice(one, &heavy, &items, &asked, &report, &schema, bytes, database.engine()));
                }
                let order = |advice: &Advice| -advice.saves;
                report.advice.sort_by(|a, b| order(a).total_cmp(&order(b)));
                asked = heavy;
            }
            Err(lacking) => report.notes.push(lacking),
        }
    }
    if depth.findings {
        report.findings = findings::find(database, &schema, used.as_ref(), repeated, depth.long_s).await?;
    }
    Ok(Examination { report, asked, chosen })
}

fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    }
}

fn ask(engine: Engine, item: &Item, reading: &Reading, samples: &Samples) -> Asked {
    let parameters = samples.parameters(reading, parameters(&item.text), engine, SETS);
    Asked { name: item.name.clone(), text: item.text.clone(), reading: reading.clone(), parameters }
}

fn told(item: &Item, total: f64) -> StatementReport {
    let quantile = |share: f64| item.histogram.as_ref().map(|histogram| histogram.quantile_us(share) / 1000.0);
    StatementReport {
        name: item.name.clone(),
        text: item.text.clone(),
        calls: item.calls,
        rows: item.rows,
        mean_ms: item.total_us / item.calls.max(1) as f64 / 1000.0,
        p50_ms: quantile(0.5),
        p95_ms: quantile(0.95),
        p99_ms: quantile(0.99),
        share: item.total_us / total * 100.0,
        slow: item.slow.clone(),
        ..StatementReport::default()
    }
}

/// Plans of the heaviest statements; returns the indexes that they use.
async fn plans(database: &mut Inspector, asked: &[Asked], schema: &Schema, report: &mut Report) -> Result<HashSet<String>, Error> {
    let mut used = HashSet::new();
    for one in asked.iter().take(PLANS_MAX) {
        let Some(told) = report.statements.iter_mut().find(|told| told.name == one.name) else { continue };
        match judge::plan(database, one, schema).await {
            Ok(plan) => {
                used.extend(plan.indexes().into_iter().map(str::to_owned));
                told.plan = Some(plan);
            }
            Err(gone @ Error::Gone(_)) => return Err(gone),
            Err(error) => told.trouble = Some(error.to_string()),
        }
    }
    Ok(used)
}

/// The statements that are worth an index, heaviest first.
fn heavy(asked: &[Asked], report: &Report) -> Vec<Asked> {
    let worth = |one: &&Asked| {
        report
            .statements
            .iter()
            .any(|told| told.name == one.name && told.trouble.is_none() && (told.share >= SHARE_MIN || told.mean_ms >= QUICK_MS))
    };
    asked.iter().filter(worth).cloned().collect()
}

#[expect(clippy::too_many_arguments, reason = "one place puts together what the examination knows")]
fn advice(
    one: &Chosen,
    heavy: &[Asked],
    items: &[Item],
    asked: &[Asked],
    report: &Report,
    schema: &Schema,
    bytes: u64,
    engine: Engine,
) -> Advice {
    let candidate = &one.candidate;
    let table = schema.table(&candidate.table);
    let mut serves: Vec<Served> = one
        .serves
        .iter()
        .filter_map(|(at, before, after)| {
            let told = report.statements.iter().find(|told| told.name == heavy[*at].name)?;
            let mean_ms = told.mean_ms;
            Some(Served { name: told.name.clone(), cost_before: *before, cost_after: *after, share: told.share, mean_ms })
        })
        .collect();
    serves.sort_by(|a, b| b.share.total_cmp(&a.share));
    let saves = serves.iter().map(|served| served.share * (1.0 - served.cost_after / served.cost_before.max(0.001))).sum();
    Advice {
        id: candidate.id(),
        table: candidate.table.clone(),
        ddl: candidate.ddl(engine, true),
        columns: candidate.keys.iter().map(|(column, _)| column.clone()).chain(candidate.included.clone()).collect(),
        predicate: candidate.predicate.clone(),
        serves,
        bytes,
        table_bytes: table.map_or(0, |table| table.bytes),
        write_price: write_price(candidate, items, asked, table.map_or(0, |table| candidate.entry_bytes(table))),
        replaces: table.map(|table| replaced(candidate, &table.indexes)).unwrap_or_default(),
        saves,
    }
}

fn write_price(candidate: &Candidate, items: &[Item], asked: &[Asked], entry_bytes: u64) -> WritePrice {
    let mut price = WritePrice { entry_bytes, ..WritePrice::default() };
    let columns: HashSet<&String> = candidate.keys.iter().map(|(column, _)| column).chain(&candidate.included).collect();
    let condition = candidate.predicate.as_deref().unwrap_or_default();
    for one in asked.iter().filter(|one| one.reading.written.as_deref() == Some(candidate.table.as_str())) {
        let pays = match one.reading.verb {
            // Rows come into a partial index and leave it when what its condition names is changed.
            Verb::Update => one.reading.set.iter().any(|column| columns.contains(column) || condition.contains(column.as_str())),
            Verb::Insert | Verb::Delete => true,
            Verb::Select => false,
        };
        if let Some(item) = items.iter().find(|item| item.name == one.name).filter(|_| pays) {
            price.entries += item.rows;
            price.by.push(item.name.clone());
        }
    }
    price
}

fn replaced(candidate: &Candidate, indexes: &[Index]) -> Vec<String> {
    let keys: Vec<&String> = candidate.keys.iter().map(|(column, _)| column).collect();
    let begins = |index: &&Index| {
        !index.unique
            && !index.owned
            && index.predicate == candidate.predicate
            && index.columns.len() <= keys.len()
            && index.columns.iter().zip(&keys).all(|(have, key)| have == *key)
            && index.included.iter().all(|column| candidate.included.contains(column) || keys.contains(&column))
    };
    indexes.iter().filter(begins).map(|index| index.name.clone()).collect()
}

/// Makes the index of an advice and measures the statements it serves before and after.
///
/// # Errors
/// There is no such advice, or the database refuses; an index that could not be finished is taken away again.
pub async fn apply(reading: &mut Inspector, writing: &mut Inspector, examined: &Examination, id: &str) -> Result<Applied, String> {
    let chosen = examined.chosen.iter().find(|chosen| chosen.candidate.id() == id);
    let chosen = chosen.ok_or_else(|| {
        let known: Vec<&str> = examined.report.advice.iter().map(|advice| advice.id.as_str()).collect();
        format!("there is no advice {id:?} now: one of [{}] would be right", known.join(", "))
    })?;
    let engine = reading.engine();
    let told = |e: Error| e.to_string();
    let mut before = Vec::new();
    for (at, _, _) in &chosen.serves {
        let asked = &examined.asked[*at];
        match measure(reading, asked).await {
            Ok(Some(measured)) => before.push((asked, measured)),
            Ok(None) => {}
            Err(gone @ Error::Gone(_)) => return Err(told(gone)),
            // Some find their rows by a lock, which a connection that only reads may not take.
            Err(error) => tracing::info!(statement = asked.name, %error, "a statement is not measured"),
        }
    }
    let started = std::time::Instant::now();
    let ddl = chosen.candidate.ddl(engine, true);
    let name = chosen.candidate.name();
    if let Err(error) = writing.run(&ddl).await {
        // What a failed `concurrently` leaves behind would cost every write and serve nobody.
        let how = if engine == Engine::Postgres { " concurrently" } else { "" };
        let _gone = writing.run(&format!("drop index{how} if exists {}", quoted(&name))).await;
        return Err(format!("the index could not be made: {error}"));
    }
    let seconds = started.elapsed().as_secs_f64();
    // An index that holds all columns spares the table only where the server knows the pages' rows to be seen by everyone.
    let after_it = if engine == Engine::Postgres { "vacuum (analyze)" } else { "analyze" };
    writing.run(&format!("{after_it} {}", quoted(&chosen.candidate.table))).await.map_err(told)?;
    let schema = Schema::read(reading).await.map_err(told)?;
    let made = schema.table(&chosen.candidate.table).and_then(|table| table.indexes.iter().find(|index| index.name == name));
    let mut statements = Vec::new();
    for (asked, before) in before {
        let plan = judge::plan(reading, asked, &schema).await.map_err(told)?;
        let after = measure(reading, asked).await.map_err(told)?.unwrap_or_default();
        let speed_up = before.p50_ms / after.p50_ms.max(0.001);
        let uses_it = plan.indexes().contains(&name.as_str());
        statements.push(Change { name: asked.name.clone(), before, after, speed_up, uses_it, plan });
    }
    Ok(Applied { id: id.to_owned(), ddl, seconds, bytes: made.and_then(|index| index.bytes), statements })
}
