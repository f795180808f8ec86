//! `guildhall check`: runs every invariant and names each broken one with its rows.

use super::Settings;
use super::start::{load_config, unmigrated};
use crate::app::database_options;
use crate::checks;
use db::{Db, Engine};
use std::process::ExitCode;

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn run(settings: &Settings, json: bool) -> Result<ExitCode, String> {
    let config = load_config(settings, Vec::new())?;
    let db = Db::open(database_options(&config)).await.map_err(|e| e.to_string())?;
    // Plans made without statistics, as right after a bulk load, read whole tables once per row.
    if db.engine() == Engine::Postgres {
        db.analyse().await.map_err(|e| e.to_string())?;
    }
    let breaches = checks::check(&db).await.map_err(unmigrated)?;
    let invariants = checks::invariants();
    for breach in &breaches {
        if json {
            println!("{}", serde_json::to_string(breach).map_err(|e| e.to_string())?);
        } else {
            println!("broken: {}\n  row:  {}\n  what: {}", breach.invariant, breach.row, breach.what);
        }
    }
    db.close().await;
    if breaches.is_empty() {
        eprintln!("{} invariants hold", invariants.len());
        return Ok(ExitCode::SUCCESS);
    }
    for invariant in invariants.iter().filter(|invariant| breaches.iter().any(|breach| breach.invariant == invariant.name)) {
        eprintln!("{}: {}", invariant.name, invariant.says);
    }
    eprintln!("{} rows break what must always hold", breaches.len());
    Ok(ExitCode::FAILURE)
}
