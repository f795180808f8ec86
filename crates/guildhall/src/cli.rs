//! The command line: what can be asked for, with examples, and the settings that flags override.
//! Refuses to do the work itself: each command is a room under `cli/`.

mod admin;
mod backup;
mod campaign;
mod check;
mod doctor;
mod fleet;
mod import;
mod lock;
mod serve;
mod services;
mod start;

use crate::config::Override;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use import::{bar as import_bar, show as show_import};
pub use lock::DataLock;
pub(crate) use serve::asked_to_stop;
pub(crate) use start::{in_a_folder, log};
pub use start::{load_config, load_secrets};

/// Game store, reward campaigns and team API in one program.
#[derive(Debug, Parser)]
#[command(
    name = "guildhall",
    version,
    about,
    max_term_width = 110,
    after_help = "\
Examples:
  guildhall demo                          see the whole store at work, in a temporary folder
  guildhall serve --data ./data           run the store on the embedded database
  guildhall import steam games.json.gz    fill the catalogue
  guildhall check                         look for broken invariants
  guildhall doctor                        why is it slow, and which index would help"
)]
pub struct Cli {
    /// Settings that every command takes.
    #[command(flatten)]
    pub settings: Settings,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Settings that every command takes; they win over the environment and the configuration file.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// Configuration file; all its keys are shown in config/guildhall.toml
    #[arg(long, global = true, value_name = "FILE", env = "GUILDHALL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Folder of the embedded database, generated secrets and mail [default: guildhall-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Database: sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME
    #[arg(long, global = true, value_name = "URL")]
    pub db: Option<String>,
    /// Kafka that game logs come from; without it they come from the embedded log
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
}

impl Settings {
    /// The settings as overrides of the configuration.
    pub fn overrides(&self) -> Vec<Override> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let given = [
            ("data.dir", "--data", self.data.as_ref().map(path)),
            ("db.url", "--db", self.db.clone()),
            ("kafka.brokers", "--kafka", self.kafka.clone()),
        ];
        given
            .into_iter()
            .filter_map(|(key, flag, value)| Some(Override { key: key.to_owned(), value: value?, flag: flag.to_owned() }))
            .collect()
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    #[command(after_help = "Example: guildhall serve --listen 0.0.0.0:8080 --db postgres://guildhall:secret@db/guildhall")]
    Serve {
        /// Address to listen on [default: 127.0.0.1:8080]
        #[arg(long, value_name = "HOST:PORT")]
        listen: Option<String>,
        /// What to serve: all, or names between commas as gateway or orders,payments [default: all]
        #[arg(long, value_name = "NAMES")]
        services: Option<String>,
        /// Stop when standard input ends, as it does when the process that started this one is gone
        #[arg(long, hide = true)]
        with_parent: bool,
    },
    /// List the services: what each gives and needs
    #[command(after_help = "Example: guildhall services")]
    Services,
    /// A whole fleet on this machine, who is there, a rolling restart
    Fleet(fleet::Fleet),
    /// See the whole store at work in a temporary folder, then leave the server up
    #[command(after_help = "Example: guildhall demo --catalogue games.json.gz --exit")]
    Demo(crate::demo::Demo),
    /// Fill the catalogue, or list past imports
    #[command(subcommand)]
    Import(import::Import),
    /// Bring the database's schema up to date
    #[command(after_help = "Example: guildhall migrate --db postgres://guildhall:secret@db/guildhall")]
    Migrate,
    /// Copy the database into a file, also while servers run
    #[command(after_help = "Example: guildhall backup store-2026-11-21.backup")]
    Backup {
        /// File to write; it must not be there yet
        file: PathBuf,
    },
    /// Fill an empty database from a backup
    #[command(after_help = "Example: guildhall restore store-2026-11-21.backup --db postgres://guildhall:secret@db/fresh")]
    Restore {
        /// File that `backup` wrote
        file: PathBuf,
    },
    /// Look for broken invariants; exits with 1 when there are any
    #[command(after_help = "Example: guildhall check --db postgres://guildhall:secret@db/guildhall")]
    Check {
        /// One JSON object per breach instead of text
        #[arg(long)]
        json: bool,
    },
    /// Why is it slow: statements, plans, index advice, findings
    Doctor(doctor::Doctor),
    /// Print the API's description (OpenAPI 3.1, JSON)
    #[command(after_help = "Example: guildhall openapi > guildhall.json")]
    Openapi,
    /// Accounts, roles and keys, for whoever runs the machine
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Reward campaigns from files: apply, list, show, stop, backtest, explain
    #[command(subcommand)]
    Campaign(campaign::Campaign),
    /// Put load on a server and measure it
    #[command(subcommand)]
    Load(crate::load::Load),
}

/// Runs what was asked for.
pub fn main() -> ExitCode {
    end_quietly_where_nobody_reads();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the system gives a process its threads");
    let done = runtime.block_on(async {
        let done = run(cli).await;
        crate::telemetry::stop().await;
        done
    });
    // Jobs on blocking threads are not waited for: what matters was committed.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(told) => {
            eprintln!("guildhall: {told}");
            ExitCode::from(2)
        }
    }
}

/// Whoever reads may have read enough, as `head` has: then there is nothing to tell, and nothing went wrong.
#[expect(
    clippy::disallowed_methods,
    reason = "only commands print their answer; servers, which have something to finish, print nothing there"
)]
fn end_quietly_where_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let told = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if told.starts_with("failed printing to std") && told.contains("Broken pipe") {
            // As the shell reports a program that the closed pipe ended.
            std::process::exit(141);
        }
        usual(panic);
    }));
}

async fn run(cli: Cli) -> Result<ExitCode, String> {
    let settings = cli.settings;
    match cli.command {
        Command::Serve { listen, services, with_parent } => serve::run(&settings, serve::Asked { listen, services, with_parent }).await,
        Command::Fleet(fleet) => fleet::run(&settings, fleet).await,
        Command::Services => Ok(services::list()),
        Command::Demo(demo) => crate::demo::run(&settings, demo).await,
        Command::Import(import) => import::run(&settings, import).await,
        Command::Migrate => start::migrate(&settings).await,
        Command::Backup { file } => backup::backup(&settings, &file).await,
        Command::Restore { file } => backup::restore(&settings, &file).await,
        Command::Check { json } => check::run(&settings, json).await,
        Command::Doctor(doctor) => doctor::run(&settings, doctor).await,
        Command::Openapi => start::openapi().await,
        Command::Admin(admin) => admin::run(&settings, admin).await,
        Command::Campaign(campaign) => campaign::run(&settings, campaign).await,
        Command::Load(load) => crate::load::run(&settings, load).await,
    }
}
