//! Where a load test takes place: its folder, configuration, secrets, and the conditions that its figures hold under.
//! Refuses a folder in memory of its own accord: a commit that no disk has to confirm measures nothing.

use crate::App;
use crate::app::database_options;
use crate::cli::{DataLock, Settings, load_config};
use crate::config::{Config, Override};
use crate::secrets::{Missing, Secrets};
use db::{Db, Statement};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Seven days: what was prepared for a long run must not expire in it.
const HOLD_S: &str = "604800";
/// A day, for the same reason.
const TOKEN_S: &str = "86400";
/// All logins come from one address.
const ATTEMPTS: &str = "1000000";

/// The place.
pub struct Ground {
    /// Folder of data, secrets, log and events.
    pub folder: PathBuf,
    /// The configuration that things are prepared under.
    pub config: Config,
    /// The configuration file, if one was given.
    pub config_file: Option<PathBuf>,
    temporary: Option<TempDir>,
}

impl Ground {
    /// A fresh temporary folder, unless the settings name one.
    pub fn choose(settings: &Settings) -> Result<Ground, String> {
        let temporary = match &settings.data {
            Some(_) => None,
            None => Some(temporary()?),
        };
        let folder = settings.data.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned())).unwrap_or_default();
        std::fs::create_dir_all(&folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
        let settings = Settings { data: Some(folder.clone()), ..settings.clone() };
        let config = load_config(&settings, preparing())?;
        Ok(Ground { folder, config, config_file: settings.config, temporary })
    }

    /// Starts the application on it, without jobs, to prepare things; the lock is held meanwhile.
    pub async fn open(&self) -> Result<(App, Option<DataLock>), String> {
        let lock = DataLock::take(&self.config)?;
        let app = App::start(self.config.clone(), &self.secrets()?).await.map_err(|e| e.to_string())?;
        Ok((app, lock))
    }

    /// The database for reading, beside a running server.
    pub async fn reading(&self) -> Result<Db, String> {
        Db::open(database_options(&self.config)).await.map_err(|e| e.to_string())
    }

    /// The secrets in the folder or the environment, made when there are none: on Postgres too, since the database is this test's own.
    fn secrets(&self) -> Result<Secrets, String> {
        let database = self.folder.join("guildhall.db");
        let missing = Missing::Generate { database: &database };
        Secrets::load(&self.folder, |name| std::env::var(name).ok(), missing).map_err(|problems| problems.to_string())
    }

    /// Settings of the server that is driven, as variables of its environment.
    pub fn environment(&self, batch_max: Option<usize>) -> Vec<(String, String)> {
        let events = self.events_file().display().to_string();
        // The embedded log's usual port may be another server's.
        let no_port = ("broker.listen", String::new());
        let set = [("db.url", self.config.database_url().reveal().to_owned()), ("outbox.events_file", events), no_port];
        let set = set.into_iter().chain(limits().map(|(key, value)| (key, value.to_owned())));
        let batch_max = batch_max.map(|max| ("db.batch_max", max.to_string()));
        set.chain(batch_max).map(|(key, value)| (Config::variable(key), value)).collect()
    }

    /// Where the server's events go.
    pub fn events_file(&self) -> PathBuf {
        self.folder.join("events.jsonl")
    }

    /// Where the folder stays after the test, if it does.
    pub fn kept(&self) -> Option<&Path> {
        self.temporary.is_none().then_some(self.folder.as_path())
    }
}

/// Settings that servers and preparation share.
fn limits() -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        ("store.hold_s", HOLD_S),
        ("accounts.access_token_s", TOKEN_S),
        ("accounts.login_attempts_per_address_per_min", ATTEMPTS),
        ("accounts.login_attempts_per_account_per_min", ATTEMPTS),
    ]
    .into_iter()
}

fn preparing() -> Vec<Override> {
    let faster = [("db.batch_max", "1000"), ("db.statement_timeout_ms", "600000"), ("log.filter", "warn")];
    let set = limits().chain(faster);
    set.map(|(key, value)| Override { key: key.to_owned(), value: value.to_owned(), flag: format!("{key} of a load test") }).collect()
}

/// A temporary folder on a disk: many systems keep their usual one in memory.
fn temporary() -> Result<TempDir, String> {
    let places = [std::env::temp_dir(), PathBuf::from("/var/tmp"), PathBuf::from(".")];
    let place = places.iter().find(|place| is_on_disk(place)).ok_or("no temporary folder lies on a disk: name one with --data")?;
    tempfile::Builder::new().prefix("guildhall-load-").tempdir_in(place).map_err(|e| format!("{}: {e}", place.display()))
}

fn is_on_disk(folder: &Path) -> bool {
    // The numbers of tmpfs and ramfs, from linux/magic.h.
    rustix::fs::statfs(folder).is_ok_and(|about| !matches!(about.f_type, 0x0102_1994 | 0x8584_58f6))
}

/// The conditions, for people and for the JSON.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Conditions {
    /// Cores and kind of processor, shared by server, database and generator.
    pub machine: String,
    /// Load average of the last minute before the test.
    pub load_average: f64,
    /// Engine, version and how durable a commit is.
    pub engine: String,
    /// What a request passes.
    pub on: &'static str,
    /// The program's version.
    pub version: &'static str,
}

impl Conditions {
    /// The conditions now.
    pub async fn read(db: &Db) -> Result<Conditions, String> {
        static ENGINE: Statement = Statement::new(
            "load.engine",
            "select 'SQLite ' || sqlite_version() || ', write-ahead log, synchronous=FULL'",
        )
        .on_postgres(
            "select 'Postgres ' || current_setting('server_version') || ', synchronous_commit=' || current_setting('synchronous_commit')
                        || ', fsync=' || current_setting('fsync')",
        );
        let engine = db.fetch(&ENGINE, &[], |row| row.text(0)).await.map_err(|e| e.to_string())?;
        Ok(Conditions {
            machine: machine(),
            load_average: load_average(),
            engine: engine.into_iter().next().unwrap_or_default(),
            on: "token check, an idempotency key kept for each command, ledger, outbox written and drained to a file, metrics, durable commits",
            version: env!("CARGO_PKG_VERSION"),
        })
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")).and_then(|line| line.split_once(':'));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    format!("{cores} cores, {}, {} GiB", model.map_or("unknown processor", |(_, name)| name.trim()), kib.div_ceil(1 << 20))
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}
