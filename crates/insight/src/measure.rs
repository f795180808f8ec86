//! How long statements really take, run with typical parameters from the tables.
//! Refuses to change anything: a write is measured by the select that finds its rows, on a connection that only reads.

use crate::judge::{Asked, runnable};
use db::{Error, Inspector};
use serde::Serialize;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// A statement is run for so long, or [`RUNS_MAX`] times.
const FOR: Duration = Duration::from_millis(600);
const RUNS_MAX: usize = 40;
const RUNS_MIN: usize = 3;

/// What a statement took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Measured {
    /// How often it was run.
    pub runs: usize,
    /// The middle of the times, in milliseconds.
    pub p50_ms: f64,
    /// The longest, in milliseconds.
    pub max_ms: f64,
    /// Rows it returned, on the average.
    pub rows: f64,
}

/// Runs a statement with each of its sets of parameters in turn. Nothing when it cannot be run without changing something.
///
/// # Errors
/// The database refuses it, or the time limit ends it.
pub(crate) async fn measure(database: &mut Inspector, asked: &Asked) -> Result<Option<Measured>, Error> {
    let Some(runnable) = runnable(database.engine(), asked).filter(|runnable| !runnable.runs.is_empty()) else { return Ok(None) };
    if let Some(prepare) = &runnable.prepare {
        database.run(&format!("set plan_cache_mode = auto; {prepare}")).await?;
    }
    let mut times = Vec::new();
    let mut rows = 0;
    // The first run finds the pages; what is measured is what a server sees that runs it again and again.
    database.count(&runnable.runs[0]).await?;
    let began = Instant::now();
    for run in runnable.runs.iter().cycle() {
        let started = Instant::now();
        rows += database.count(run).await?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        if times.len() >= RUNS_MAX || (times.len() >= RUNS_MIN && began.elapsed() > FOR) {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    let (runs, max_ms) = (times.len(), times.last().copied().unwrap_or_default());
    Ok(Some(Measured { runs, p50_ms: times[runs / 2], max_ms, rows: rows as f64 / runs as f64 }))
}
