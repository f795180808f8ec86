//! Load on a server: scenarios that prepare their own data, start a server, drive it over HTTP and account for every answer.
//! Refuses to call a run good whose rows do not fit its answers: it then ends with 1.

pub mod backlog;
mod drain;
pub mod driver;
pub mod games;
pub mod ground;
mod latency;
pub mod logs;
pub mod logs_terms;
pub mod prepare;
pub mod prepared;
pub mod process;
pub mod records;
pub mod report;
pub mod run;
mod scale_out;
pub mod send;
mod sending;
pub mod start;
mod surge;
mod teams;
pub mod teams_terms;
pub mod terms;
pub mod verify;

use crate::checks;
use crate::cli::{Settings, asked_to_stop};
use clap::Subcommand;
use db::Db;
use ground::{Conditions, Ground};
use logs_terms::{EventTerms, LogTerms};
use prepared::Prepared;
use run::{Figures, Run};
use serde_json::{Value, json};
use start::Start;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use teams_terms::TeamTerms;
use terms::{Drive, Plan, SaleTerms, Scenario};

/// What to measure.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Each scenario makes its users, orders and tokens in the database, starts a server of its own, drives it over kept-open
connections, stops it, and compares every answer with the rows that are there afterwards.
Without --data and --db it does so on SQLite in a temporary folder on a disk.

Examples:
  guildhall load pay                                     10,000 payments of 10,000 players
  guildhall load pay --connections 64,256,1000 --runs 5  the median of five runs for each
  guildhall load pay --compare                           gathered batches against a transaction per payment
  guildhall load sale --connections 1000,10000           10,000 buyers of 10 copies
  guildhall load browse                                  any page of 85,103 products
  guildhall load start                                   time until ready, and memory")]
pub enum Load {
    /// Pay payments that were entered before
    #[command(after_help = "\
Examples:
  guildhall load pay --connections 64,256 --runs 5 --db postgres://USER:PASSWORD@HOST/DATABASE
  guildhall load pay --logins 100       does a burst of sign-ins hold payments up?
  guildhall load pay --seconds 30       a long run
  guildhall load pay --url http://127.0.0.1:8080 --data ./data    a server that runs, after `guildhall load prepare pay`")]
    Pay {
        /// Flags of every scenario.
        #[command(flatten)]
        drive: Drive,
        /// Measure again with this many logins at once beside the payments
        #[arg(long, value_name = "N", default_value_t = 0)]
        logins: usize,
    },
    /// Enter payments of orders that were made before
    #[command(after_help = "Example: guildhall load enter --connections 256 --runs 5")]
    Enter(Drive),
    /// Order, enter and pay in one call
    #[command(after_help = "Example: guildhall load buy --connections 256 --runs 5 --json")]
    Buy(Drive),
    /// A limited sale: a crowd of buyers, few copies
    #[command(after_help = "\
Examples:
  guildhall load sale --stock 10 --buyers 10000 --connections 1000,10000
  guildhall load sale --through enter
  guildhall load sale --processes 2 --db postgres://USER:PASSWORD@HOST/DATABASE")]
    Sale {
        /// Flags of every scenario.
        #[command(flatten)]
        drive: Drive,
        /// The sale.
        #[command(flatten)]
        sale: SaleTerms,
        /// Server processes on one Postgres; the connections are split
        #[arg(long, value_name = "N", default_value_t = 1)]
        processes: usize,
    },
    /// Read random pages of ten products; an empty catalogue is filled with 85,103 games first
    #[command(after_help = "Example: guildhall load browse --connections 64 --runs 5 --data ./browse-data")]
    Browse(Drive),
    /// Sign in with a password
    #[command(after_help = "Example: guildhall load login --requests 300 --connections 8")]
    Login(Drive),
    /// Send game logs, or measure how fast they become progress
    #[command(after_help = "\
Examples:
  guildhall load logs --drain --records 5000000 --players 200000              from the embedded log to SQLite
  guildhall load logs --drain --kafka HOST:PORT --db postgres://USER:PASSWORD@HOST/DATABASE --json
  guildhall load logs --rate 20000 --seconds 30                               from a record to its achievement
  guildhall load logs --files ./logs                                          a file for each game
  guildhall load logs --kafka HOST:PORT                                       to a Kafka, or to a running server's own log
  guildhall load logs --url http://127.0.0.1:8080 --token TOKEN               to a running server over HTTP")]
    Logs(LogTerms),
    /// Read progress and claim while logs come ten times as fast for a minute
    #[command(after_help = "Example: guildhall load events --rate 2000 --seconds 60 --json")]
    Events(EventTerms),
    /// Read players, what they hold and banners with an API key, evenly and by Zipf's law, with the answer cache and without
    #[command(after_help = "\
Examples:
  guildhall load teams --players 100000 --seconds 5
  guildhall load teams --db postgres://USER:PASSWORD@HOST/DATABASE --json
  guildhall load teams --data ./teams-data            the players stay there for the next run")]
    Teams(TeamTerms),
    /// Pay through a gateway with one and with two processes of payments, before and after an index, watched by a Prometheus
    #[command(after_help = "\
Example:
  guildhall load scale-out --db postgres://USER:PASSWORD@HOST/postgres      in a database of its own, which is dropped at the end")]
    ScaleOut(scale_out::Terms),
    /// Prepare a scenario for a server that is started by hand; what was made is written to the data folder
    #[command(after_help = "\
Example:
  guildhall load prepare pay --requests 10000 --runs 5 --data ./data
  GUILDHALL_STORE_HOLD_S=604800 guildhall serve --data ./data &
  guildhall load pay --requests 10000 --runs 5 --data ./data --url http://127.0.0.1:8080")]
    Prepare {
        /// The scenario
        #[arg(value_enum)]
        scenario: Scenario,
        /// Flags of every scenario.
        #[command(flatten)]
        drive: Drive,
        /// The sale.
        #[command(flatten)]
        sale: SaleTerms,
    },
    /// Time until a server with an empty folder is ready, and its memory
    #[command(after_help = "Example: guildhall load start --runs 5")]
    Start(Start),
    /// Write a catalogue file in the shape of the public Steam set
    #[command(after_help = "Example: guildhall load catalogue-file --games 85103 --genre-rows 233132 games.json")]
    CatalogueFile {
        /// Games
        #[arg(long, value_name = "N", default_value_t = catalogue::generate::FULL_GAMES)]
        games: u32,
        /// Genres over all games [default: as many as so many games of the public set have]
        #[arg(long, value_name = "N")]
        genre_rows: Option<u32>,
        /// The same seed gives the same bytes
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The file
        out: PathBuf,
    },
}

pub(crate) async fn run(settings: &Settings, load: Load) -> Result<ExitCode, String> {
    tokio::select! {
        ended = scenario(settings, load) => ended,
        // Whoever interrupts it wants neither its server nor its folder to stay.
        () = asked_to_stop() => Err("interrupted: its server was ended and its temporary folder removed".to_owned()),
    }
}

async fn scenario(settings: &Settings, load: Load) -> Result<ExitCode, String> {
    match load {
        Load::Pay { drive, logins } => measure(settings, &Plan { logins, ..Plan::new(Scenario::Pay, drive) }).await,
        Load::Enter(drive) => measure(settings, &Plan::new(Scenario::Enter, drive)).await,
        Load::Buy(drive) => measure(settings, &Plan::new(Scenario::Buy, drive)).await,
        Load::Sale { drive, sale, processes } => {
            measure(settings, &Plan { sale: Some(sale), processes, ..Plan::new(Scenario::Sale, drive) }).await
        }
        Load::Browse(drive) => measure(settings, &Plan::new(Scenario::Browse, drive)).await,
        Load::Login(drive) => measure(settings, &Plan::new(Scenario::Login, drive)).await,
        Load::Logs(terms) => match terms.rate {
            _ if terms.drain => drain::run(settings, &terms).await,
            Some(rate) => latency::run(settings, &terms, rate).await,
            None => sending::run(settings, &terms).await,
        },
        Load::Events(terms) => surge::run(settings, &terms).await,
        Load::Teams(terms) => teams::run(settings, &terms).await,
        Load::ScaleOut(terms) => scale_out::run(settings, &terms).await,
        Load::Prepare { scenario, drive, sale } => {
            let sale = (scenario == Scenario::Sale).then_some(sale);
            prepare_only(settings, &Plan { sale, ..Plan::new(scenario, drive) }).await
        }
        Load::Start(start) => start::run(settings, &start).await,
        Load::CatalogueFile { games, genre_rows, seed, out } => catalogue_file(games, genre_rows, seed, out).await,
    }
}

async fn prepare(ground: &Ground, plan: &Plan) -> Result<Prepared, String> {
    if plan.scenario == Scenario::Browse {
        let (app, lock) = ground.open().await?;
        let filled = prepare::fill_catalogue(&app.db, &ground.folder).await;
        // A fresh application reads the whole catalogue.
        app.stop().await;
        drop(lock);
        filled?;
    }
    let (app, lock) = ground.open().await?;
    let prepared = prepare::prepare(&app, plan).await;
    app.stop().await;
    drop(lock);
    prepared
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
async fn prepare_only(settings: &Settings, plan: &Plan) -> Result<ExitCode, String> {
    let ground = Ground::choose(settings)?;
    let folder = ground.kept().ok_or("what is prepared has to stay: name its folder with --data")?;
    let prepared = prepare(&ground, plan).await?;
    let path = prepared.save(folder)?;
    println!("{} rounds of {} requests were prepared; tokens and ids are in {}", prepared.rounds.len(), plan.requests(), path.display());
    println!("start the server with GUILDHALL_OUTBOX_EVENTS_FILE set, to have events drained as in a run of our own");
    Ok(ExitCode::SUCCESS)
}

async fn measure(settings: &Settings, plan: &Plan) -> Result<ExitCode, String> {
    let ground = Ground::choose(settings)?;
    plan.check(ground.config.database_url().sqlite_file().is_some())?;
    let url = plan.drive.url.as_deref().map(address).transpose()?;
    let mut prepared = match url {
        Some(_) => Prepared::load(&ground.folder, plan.scenario)?,
        None => prepare(&ground, plan).await?,
    };
    let reading = ground.reading().await;
    let db = match (&reading, url) {
        (Ok(db), _) => Some(db),
        // A server elsewhere may have a database that is not reached from here.
        (Err(_), Some(_)) => None,
        (Err(told), None) => return Err(told.clone()),
    };
    let conditions = match db {
        Some(db) => Some(Conditions::read(db).await?),
        None => None,
    };
    let figures = Run { plan, ground: &ground, db, url }.figures(&mut prepared).await;
    if url.is_some() {
        prepared.save(&ground.folder)?;
    }
    let mut figures = figures?;
    if let Some(db) = db {
        figures.wrong.extend(breaches(db).await?);
        db.close().await;
    }
    tell(plan, &figures, conditions.as_ref());
    Ok(if figures.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn breaches(db: &Db) -> Result<Vec<String>, String> {
    db.analyse().await.map_err(|e| e.to_string())?;
    let breaches = checks::check(db).await.map_err(|e| e.to_string())?;
    Ok(breaches
        .iter()
        .take(10)
        .map(|breach| format!("an invariant is broken: {}: {} {}", breach.invariant, breach.row, breach.what))
        .collect())
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell(plan: &Plan, figures: &Figures, conditions: Option<&Conditions>) {
    if plan.drive.json {
        println!("{}", object(plan, figures, conditions));
        eprint!("{}", report::table(&figures.lines));
    } else {
        print!("{}", report::table(&figures.lines));
    }
    for line in &figures.lines {
        let shown = line.extra.iter().filter(|(name, _)| *name != "runs").map(|(name, value)| format!("{name} {value}"));
        eprintln!("  {} at {}: {}", line.scenario, line.connections, shown.collect::<Vec<_>>().join(", "));
    }
    if let Some(ratio) = ratio(plan, figures) {
        eprintln!("gathered batches answer {ratio:.1} times as many as batches of one");
    }
    if let Some(about) = conditions {
        eprintln!("{}; {}; load average before {:.2}", about.engine, about.machine, about.load_average);
        eprintln!("on: {}; the server was warmed up with {} requests", about.on, plan.warm_up());
    }
    if !figures.is_verified {
        eprintln!("not verified: the database is not reached from here; run `guildhall check` beside the server");
    } else if figures.wrong.is_empty() {
        eprintln!("verified: every answer has its rows, every event was sent, all {} invariants hold", checks::invariants().len());
    }
    figures.wrong.iter().for_each(|told| eprintln!("WRONG: {told}"));
}

/// The last line's figures with everything else beside them.
fn object(plan: &Plan, figures: &Figures, conditions: Option<&Conditions>) -> Value {
    let mut object = figures.lines.last().map_or_else(|| json!({}), report::Report::json);
    object["conditions"] = json!(conditions);
    object["warm_up_requests"] = plan.warm_up().into();
    object["is_verified"] = (figures.is_verified && figures.wrong.is_empty()).into();
    object["wrong"] = json!(figures.wrong);
    if figures.lines.len() > 1 {
        object["lines"] = figures.lines.iter().map(report::Report::json).collect();
    }
    if let Some(ratio) = ratio(plan, figures) {
        object["ratio_of_gathered_to_single"] = json!((ratio * 100.0).round() / 100.0);
    }
    object
}

/// Gathered batches by batches of one, at the last number of connections.
fn ratio(plan: &Plan, figures: &Figures) -> Option<f64> {
    match figures.lines.as_slice() {
        [.., single, gathered] if plan.drive.compare && single.requests_per_s > 0.0 => {
            Some(gathered.requests_per_s / single.requests_per_s)
        }
        _ => None,
    }
}

fn address(url: &str) -> Result<SocketAddr, String> {
    let wrong = || format!("--url {url}: http://HOST:PORT would be right");
    let place = url.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
    place.to_socket_addrs().map_err(|e| format!("{}: {e}", wrong()))?.next().ok_or_else(wrong)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
async fn catalogue_file(games: u32, genre_rows: Option<u32>, seed: u64, out: PathBuf) -> Result<ExitCode, String> {
    let genre_rows = genre_rows.unwrap_or_else(|| catalogue::generate::usual_genre_rows(games));
    let path = out.display().to_string();
    let write = move || catalogue::generate::write_steam_file(std::fs::File::create(&out)?, games, genre_rows, seed);
    let wrote = tokio::task::spawn_blocking(write).await.map_err(|e| e.to_string())?;
    let wrote = wrote.map_err(|e| format!("{path}: {e}"))?;
    println!("{path}: {} games ({} free), {} genre rows, {} bytes", wrote.games, wrote.free_games, wrote.genre_rows, wrote.bytes);
    Ok(ExitCode::SUCCESS)
}
