//! `guildhall doctor`: why the database is slow, which index would help, and the making of one on demand.
//! Refuses to make anything but the index it was asked for.

use super::Settings;
use super::lock::DataLock;
use super::start::{load_config, quiet};
use clap::{Args, Subcommand};
use db::{Access, Clock, Inspector};
use insight::{Depth, Examination, Item, Look, workload};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A question that takes longer is given up, so that a look at a database does not become its load.
const QUESTION_MAX: Duration = Duration::from_secs(60);
/// Columns of a terminal that does not tell.
const WIDTH: usize = 110;

/// Why is it slow: statements, plans, index advice, findings
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guildhall doctor                                    what the running servers' statements cost, and what would help
  guildhall doctor apply 3af670c0                     make the index of that advice, and measure before and after
  guildhall doctor --db postgres://me@host/shop --statements shop.sql
                                                      a database of anyone's, with the statements of a file")]
pub struct Doctor {
    /// Make the index of an advice instead of reporting
    #[command(subcommand)]
    act: Option<Act>,
    /// Statements to look at, each below a line `-- name: NAME`, with $1 or ? for parameters
    #[arg(long, global = true, value_name = "FILE.sql")]
    statements: Option<PathBuf>,
    /// Look at what ran in so many minutes
    #[arg(long, global = true, value_name = "N", default_value_t = 60)]
    minutes: u32,
    /// One JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make the index of an advice and report what it really changed
    #[command(after_help = "Example: guildhall doctor apply 3af670c0")]
    Apply {
        /// The advice's id, as the report shows it
        id: String,
    },
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn run(settings: &Settings, doctor: Doctor) -> Result<ExitCode, String> {
    let config = load_config(settings, quiet())?;
    let url = config.database_url();
    let url = url.reveal();
    let mut reading = Inspector::open(url, Access::Read, Some(QUESTION_MAX)).await.map_err(|e| e.to_string())?;
    eprintln!("examining the database; nothing is changed by that");
    let examined = examine(&mut reading, &doctor).await?;
    let look = look();
    let Some(Act::Apply { id }) = &doctor.act else {
        let shown = if doctor.json { json(&examined.report)? } else { examined.report.show(look) };
        println!("{}", shown.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    if !examined.report.advice.iter().any(|advice| advice.id == *id) {
        let known: Vec<&str> = examined.report.advice.iter().map(|advice| advice.id.as_str()).collect();
        let right =
            if known.is_empty() { "there is none at all".to_owned() } else { format!("one of {} would be right", known.join(", ")) };
        return Err(format!("there is no advice {id:?} now: {right}; `guildhall doctor` shows what there is"));
    }
    // A server that writes to the file would wait for the whole making of the index.
    let lock = if doctor.statements.is_none() { DataLock::take(&config)? } else { None };
    let mut writing = Inspector::open(url, Access::Write, None).await.map_err(|e| e.to_string())?;
    eprintln!("measuring, making the index, measuring again");
    let applied = insight::apply(&mut reading, &mut writing, &examined, id).await?;
    drop(lock);
    let shown = if doctor.json { json(&applied)? } else { applied.show(look) };
    println!("{}", shown.trim_end());
    Ok(ExitCode::SUCCESS)
}

async fn examine(database: &mut Inspector, doctor: &Doctor) -> Result<Examination, String> {
    let told = |e: db::Error| e.to_string();
    let (items, repeated) = match &doctor.statements {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
            (workload::of_file(&text), Vec::new())
        }
        None => insight::workload_of(database, Clock::default().now(), i64::from(doctor.minutes)).await.map_err(told)?,
    };
    let empty = items.iter().all(|item: &Item| item.text.is_empty());
    let mut examined = insight::examine(database, items, &repeated, Depth::ALL).await.map_err(told)?;
    if empty {
        let told = "no statement is known: let a server run for a while, load pg_stat_statements, or give --statements FILE.sql";
        examined.report.notes.push(told.to_owned());
    }
    Ok(examined)
}

fn look() -> Look {
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(WIDTH);
    Look { width: width.clamp(60, 200), bold: std::io::stdout().is_terminal() }
}

fn json(of: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(of).map_err(|e| e.to_string())
}
