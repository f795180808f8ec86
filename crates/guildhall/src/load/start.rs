//! Measures how soon a server with an empty folder is ready, and what memory it holds before anyone calls.
//! Refuses to count the build of anything: the program is the one that runs.

use super::ground::Ground;
use super::process::Server;
use crate::cli::Settings;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Ready within this time, in milliseconds, and holding less than this memory, in megabytes.
const READY_MS_MAX: f64 = 500.0;
const RSS_MB_MAX: f64 = 80.0;

/// Flags of the start.
#[derive(Debug, Clone, Args)]
pub struct Start {
    /// Starts of which the median is told
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub runs: usize,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn run(settings: &Settings, start: &Start) -> Result<ExitCode, String> {
    let (mut ready_ms, mut rss_mb) = (Vec::new(), Vec::new());
    for _ in 0..start.runs.max(1) {
        // Each start has a folder of its own: the schema and the secrets are made in it.
        let ground = Ground::choose(&Settings { data: None, ..settings.clone() })?;
        let server = Server::start(&ground, ground.environment(None), "server").await?;
        ready_ms.push(server.ready_after.as_secs_f64() * 1_000.0);
        rss_mb.push(server.rss_bytes() as f64 / 1e6);
        server.stop().await?;
    }
    let (ready, rss) = (median(&mut ready_ms), median(&mut rss_mb));
    let is_met = ready < READY_MS_MAX && rss < RSS_MB_MAX;
    if start.json {
        println!("{}", json!({ "scenario": "start", "ready_ms": ready, "rss_mb": rss, "runs": ready_ms.len(), "is_met": is_met }));
    } else {
        println!("ready after {ready:.0} ms from an empty folder (wanted: under {READY_MS_MAX:.0})");
        println!("memory before load {rss:.1} MB (wanted: under {RSS_MB_MAX:.0})");
    }
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The middle value; of two the larger.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
