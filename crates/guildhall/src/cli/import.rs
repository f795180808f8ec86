//! `guildhall import`: fills the catalogue from a file, with a progress bar, and lists past imports.

use super::start::{load_config, load_secrets, log, quiet, unmigrated};
use super::{DataLock, Settings};
use crate::app::database_options;
use catalogue::import::{self, Progress, Run, Status, Summary};
use clap::Subcommand;
use db::{Db, Statement};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What to import.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Import games in the shape of the Kaggle set "steam-games-dataset": plain, .gz or .zst
    #[command(after_help = "\
Example: guildhall import steam games.json.gz

Run again, it changes only what changed. Ctrl-C stops between two chunks; run it again to go on.")]
    Steam {
        /// The file
        file: PathBuf,
    },
    /// List past imports, newest first
    #[command(after_help = "Example: guildhall import list --bad 3")]
    List {
        /// Show the entries of this run that could not be imported
        #[arg(long, value_name = "RUN")]
        bad: Option<i64>,
    },
}

pub(super) async fn run(settings: &Settings, import: Import) -> Result<ExitCode, String> {
    match import {
        Import::Steam { file } => steam(settings, file).await,
        Import::List { bad } => list(settings, bad).await,
    }
}

async fn steam(settings: &Settings, file: PathBuf) -> Result<ExitCode, String> {
    let (db, lock) = database(settings).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    tokio::spawn(async move {
        super::serve::asked_to_stop().await;
        asked.store(true, Ordering::SeqCst);
    });
    let bar = bar();
    let progress = {
        let bar = bar.clone();
        move |progress: Progress| {
            show(&bar, &progress);
            if stop.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    };
    let ended = import::run(&db, &file, progress).await;
    bar.finish_and_clear();
    let genre_rows = genre_rows(&db).await;
    db.close().await;
    drop(lock);
    let summary = ended.map_err(|e| format!("{}: {e}", file.display()))?;
    tell(&summary, genre_rows.map_err(|e| e.to_string())?);
    Ok(if summary.status == Status::Finished { ExitCode::SUCCESS } else { ExitCode::from(130) })
}

/// The database alone: an import needs no services, and no catalogue in memory.
async fn database(settings: &Settings) -> Result<(Db, Option<DataLock>), String> {
    let config = load_config(settings, quiet())?;
    log(&config);
    if config.database_url().sqlite_file().is_some() {
        load_secrets(&config)?;
    }
    let lock = DataLock::take(&config)?;
    let options = database_options(&config);
    db::migrate(&options).await.map_err(|e| e.to_string())?;
    Ok((Db::open(options).await.map_err(|e| e.to_string())?, lock))
}

/// Products and their genre rows in the catalogue now.
async fn genre_rows(db: &Db) -> Result<(i64, i64), db::Error> {
    static COUNT: Statement = Statement::new("import.count", "select (select count(*) from product), (select count(*) from product_genre)");
    let counts = db.fetch(&COUNT, &[], |row| Ok((row.int(0)?, row.int(1)?))).await?;
    Ok(counts.into_iter().next().unwrap_or_default())
}

pub(crate) fn bar() -> ProgressBar {
    let style = "{spinner} {bytes}/{total_bytes} [{bar:40}] {bytes_per_sec}, {msg}, {eta} left";
    let style = ProgressStyle::with_template(style).expect("the template is fixed").progress_chars("=> ");
    ProgressBar::new(0).with_style(style)
}

pub(crate) fn show(bar: &ProgressBar, progress: &Progress) {
    if let Some(total) = progress.total_bytes {
        bar.set_length(total);
    }
    bar.set_position(progress.read_bytes);
    bar.set_message(format!("{} games", progress.counts.read));
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell(summary: &Summary, (products, genre_rows): (i64, i64)) {
    let counts = &summary.counts;
    println!("import {} {}: {} games read in {:.2} s", summary.run, summary.status.as_str(), counts.read, summary.took_ms as f64 / 1000.0);
    println!("  {} added, {} changed, {} unchanged, {} bad", counts.added, counts.changed, counts.unchanged, counts.bad);
    println!("  the catalogue holds {products} products and {genre_rows} genre rows now");
    for (app_id, reason) in &summary.bad {
        println!("  bad: app {app_id}: {reason}");
    }
    if counts.bad > summary.bad.len() as u64 {
        println!("  … all of them: guildhall import list --bad {}", summary.run);
    }
    if summary.status != Status::Finished {
        println!("  run the same command again to go on");
    }
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
async fn list(settings: &Settings, bad: Option<i64>) -> Result<ExitCode, String> {
    let config = load_config(settings, quiet())?;
    let db = Db::open(database_options(&config)).await.map_err(|e| e.to_string())?;
    if let Some(run) = bad {
        for entry in import::list_bad(&db, run).await.map_err(unmigrated)? {
            println!("{}\t{}", entry.app_id, entry.reason);
        }
    } else {
        let runs = import::list(&db).await.map_err(unmigrated)?;
        if runs.is_empty() {
            println!("nothing was imported yet: guildhall import steam FILE");
        }
        runs.iter().for_each(tell_run);
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell_run(run: &Run) {
    let took_us = run.finished_at.map_or(0, |finished| finished.since_us(run.started_at).max(0));
    let counts = &run.counts;
    println!("import {}  {}  {}  {:.2} s  {}", run.run, run.started_at, run.status.as_str(), took_us as f64 / 1e6, run.file);
    println!(
        "  {} read, {} added, {} changed, {} unchanged, {} bad",
        counts.read, counts.added, counts.changed, counts.unchanged, counts.bad
    );
    println!(
        "  {}, sha256 {}",
        HumanBytes(run.bytes.unsigned_abs()),
        run.sha256.as_deref().unwrap_or("not known: it was not read to its end")
    );
    if let Some(problem) = &run.problem {
        println!("  {problem}");
    }
}
