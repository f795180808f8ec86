//! Owns every setting of the server: its keys, their defaults and what they may be.
//! Refuses to start on a mistake and names all of them at once; knows no secret keys (see `secrets`).

mod addresses;
mod credentials;
mod database_url;
mod fleet;
mod gateway;
mod keys;
mod mistakes;
mod reader;
mod retention;
mod smtp_url;
mod sources;
mod telemetry;

pub use addresses::Addresses;
pub use credentials::Credentials;
pub use database_url::DatabaseUrl;
pub use fleet::{Fleet, Layout, Registry};
pub use gateway::Gateway;
pub(crate) use gateway::parts as gateway_parts;
pub use mistakes::{Mistake, Mistakes, Origin};
pub use retention::Retention;
pub use smtp_url::SmtpUrl;
pub use sources::{Override, environment};
pub use telemetry::Telemetry;

use crate::services::Services;
use kernel::Currency;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// All settings, checked. The default is what an empty file and an empty environment give.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// The HTTP server.
    pub server: Server,
    /// Where files are kept.
    pub data: Data,
    /// The database.
    pub db: Db,
    /// The store's rules.
    pub store: Store,
    /// Sign-in, tokens and passwords.
    pub accounts: Accounts,
    /// What is sent after a commit.
    pub outbox: Outbox,
    /// How mail is sent.
    pub mail: Mail,
    /// The games' endpoints that events are sent to.
    pub webhooks: Webhooks,
    /// The Kafka that game logs come from.
    pub kafka: Kafka,
    /// The embedded log, where there is no Kafka.
    pub broker: Broker,
    /// From logs to progress.
    pub stream: Stream,
    /// Reward campaigns.
    pub campaigns: Campaigns,
    /// The team API.
    pub teams: Teams,
    /// The fleet's single entry.
    pub gateway: Gateway,
    /// Where the fleet's processes find each other.
    pub registry: Registry,
    /// A fleet on one machine.
    pub fleet: Fleet,
    /// The log.
    pub log: Log,
    /// Traces.
    pub telemetry: Telemetry,
    /// How long what grows is kept.
    pub retention: Retention,
}

/// Section `[server]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Server {
    /// What the process serves.
    pub services: Services,
    /// Address and port the server listens on.
    pub listen: SocketAddr,
    /// Largest request body, in bytes; a larger one is answered 413.
    pub body_limit_bytes: usize,
    /// Time a request may take, in milliseconds, before it is answered 504.
    pub request_timeout_ms: u64,
    /// Connections open at once; further ones wait to be accepted.
    pub connections_max: usize,
    /// Time requests under way get to finish when the server stops, in milliseconds.
    pub shutdown_grace_ms: u64,
    /// Where players reach the server, for links in mail; empty means `http://` and `listen`.
    pub public_url: String,
}

/// Section `[data]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Data {
    /// Folder of the embedded database, the generated secrets and the mail; made when it is missing.
    pub dir: PathBuf,
}

/// Section `[db]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Db {
    /// `sqlite:PATH` or `postgres://…`; empty means `guildhall.db` in `data.dir`.
    pub url: DatabaseUrl,
    /// Connections for reading.
    pub readers: u32,
    /// Connections for writing on Postgres; SQLite has one writer whatever stands here.
    pub writers: u32,
    /// Commands one transaction takes at most.
    pub batch_max: usize,
    /// Commands of one kind that may wait; when it is full, callers are answered 503.
    pub queue_max: usize,
    /// Time one statement may take, in milliseconds.
    pub statement_timeout_ms: u64,
}

/// Section `[store]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Store {
    /// Currency of the wallets that pay.
    pub points_currency: Currency,
    /// Points per US dollar, fixed at enter.
    pub points_per_usd: i64,
    /// Time limited stock is held for an entered payment, in seconds.
    pub hold_s: u32,
    /// Time from purchase in which a refund may be asked for, in hours.
    pub refund_window_h: u32,
    /// Whether a refund is done at once or by the next day's settlement.
    pub refund_mode: RefundMode,
    /// Minutes a product may have been played and still be refunded.
    pub refund_played_minutes_max: u32,
    /// Time between two settlements, in seconds.
    pub settlement_interval_s: u32,
    /// Time between two sweeps of expired holds, in milliseconds.
    pub sweep_interval_ms: u64,
}

/// When a refund that was asked for is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundMode {
    /// In the transaction of the request.
    Immediate,
    /// By the settlement of the day after the request.
    NextDay,
}

/// Section `[accounts]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accounts {
    /// Life of an access token, in seconds.
    pub access_token_s: u32,
    /// Life of a refresh token, in seconds.
    pub refresh_token_s: u32,
    /// Memory of one password hash, in KiB.
    pub argon2_memory_kib: u32,
    /// Passes of one password hash over its memory.
    pub argon2_iterations: u32,
    /// Password hashes worked on at once; further sign-ins wait.
    pub argon2_concurrency: u32,
    /// Sign-ins tried per account and minute.
    pub login_attempts_per_account_per_min: u32,
    /// Sign-ins tried per network address and minute.
    pub login_attempts_per_address_per_min: u32,
    /// Requests an API key may send in a second; 0 does not limit.
    pub key_requests_per_s: u32,
    /// Requests an API key may send at once.
    pub key_burst: u32,
    /// Life of a link that resets a password, in seconds.
    pub reset_token_s: u32,
    /// Life of a link that confirms an e-mail address, in seconds.
    pub confirm_token_s: u32,
}

/// Section `[outbox]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outbox {
    /// Folder mail is written to; empty means `mail` in `data.dir`.
    pub mail_dir: PathBuf,
    /// File events are appended to, one JSON object per line; empty means none.
    pub events_file: PathBuf,
    /// Topic of `kafka.brokers` that events are produced to; empty means none.
    pub kafka_topic: String,
    /// Longest time before the outbox is looked at again, in milliseconds.
    pub poll_ms: u64,
}

/// Section `[mail]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mail {
    /// The mail server; empty means that mail is written to `outbox.mail_dir`.
    pub smtp_url: SmtpUrl,
    /// Who it is from.
    pub from: String,
}

/// Section `[webhooks]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Webhooks {
    /// Lets webhooks be http, and at addresses that are not on the public internet.
    pub allow_private: bool,
    /// Certificates of further authorities, in PEM; empty means the public ones only.
    pub ca_file: PathBuf,
    /// How long deliveries are kept that were delivered, in hours.
    pub keep_delivered_h: u32,
    /// How long deliveries are kept that were parked, in hours.
    pub keep_parked_h: u32,
}

/// Section `[kafka]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kafka {
    /// `HOST:PORT` of one broker or several, between commas; empty means the embedded log.
    pub brokers: String,
    /// The consumer group that every process of this store joins.
    pub group: String,
}

/// Section `[broker]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Broker {
    /// Address and port for Kafka's clients; none: the log is reached over HTTP alone.
    pub listen: Option<SocketAddr>,
    /// Folder of the log; empty means `log` in `data.dir`.
    pub dir: PathBuf,
    /// Partitions of a topic that is made for a game.
    pub partitions: u32,
    /// Size at which a partition's file is closed and the next begun, in mebibytes.
    pub segment_mb: u32,
    /// How long records are kept, in hours; 0: for ever.
    pub retention_h: u32,
    /// How much a partition keeps, in mebibytes; 0: all.
    pub retention_mb: u32,
    /// Connections of Kafka's clients at once.
    pub connections_max: usize,
}

/// Section `[stream]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stream {
    /// What stands before a game's id in the name of its topic.
    pub topic_prefix: String,
    /// Progress is written this long after its record while a partition keeps up, in milliseconds.
    pub checkpoint_due_ms: u64,
    /// An achievement is written this soon, in milliseconds.
    pub achieved_due_ms: u64,
    /// An offset of records that changed nothing is written this late, in milliseconds.
    pub idle_due_ms: u64,
    /// While a partition is behind, progress may wait this long, in milliseconds.
    pub behind_due_ms: u64,
    /// Changed players at which a partition's checkpoint starts at once.
    pub checkpoint_players_max: usize,
    /// Records one checkpoint takes of a topic that is not keyed by player.
    pub checkpoint_records_max: usize,
    /// Players whose states the process keeps between batches, over all partitions.
    pub cache_max_players: usize,
    /// Records one read takes.
    pub read_records: usize,
    /// Bytes one read takes.
    pub read_bytes: usize,
    /// Bytes a request that brings logs may have, unpacked.
    pub body_max_bytes: u64,
    /// Bytes of such a request that wait for the log.
    pub body_waiting_bytes: usize,
    /// Such requests at the same time.
    pub body_requests_max: usize,
    /// How long a backtest or an explanation may read the log, in milliseconds.
    pub look_time_max_ms: u64,
    /// Records it may read.
    pub look_records_max: u64,
    /// Players a backtest follows.
    pub look_players_max: usize,
    /// Events an explanation tells, the latest ones.
    pub look_events_max: usize,
    /// Backtests and explanations at the same time.
    pub looks_max: usize,
}

/// Section `[teams]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Teams {
    /// Bytes of answers of the team API kept in memory; 0 keeps none.
    pub answer_cache_bytes: usize,
    /// Time a client may keep what banners it is shown, in seconds, where nothing starts or ends before.
    pub banner_max_age_s: u32,
    /// Time between two looks for grants that run, in milliseconds.
    pub grant_poll_ms: u64,
    /// A recipe that reads a table of more rows from end to end needs to be allowed to.
    pub recipe_scan_rows_max: u64,
    /// Recipes that run at a time, per process.
    pub recipes_at_once: usize,
    /// Time between two writings of how often recipes ran, in milliseconds.
    pub recipe_count_ms: u64,
}

/// Section `[campaigns]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Campaigns {
    /// Time between two looks for rewards that come by themselves, in milliseconds.
    pub auto_claim_ms: u64,
}

/// Section `[log]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Log {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// Which lines are written, as `info` or `info,db=debug`.
    pub filter: String,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line of text.
    Text,
    /// A JSON object per line.
    Json,
}

impl Config {
    /// Reads the settings: flags win over the environment, the environment over the file, the file over the defaults.
    /// Every value given is checked, one that is overridden too, and every mistake is in the error.
    pub fn load(file: Option<&Path>, env: impl Iterator<Item = (String, String)>, flags: &[Override]) -> Result<Config, Mistakes> {
        let mut mistakes = Mistakes::default();
        let mut given = Vec::new();
        if let Some(path) = file {
            given.extend(sources::file(path, &mut mistakes));
        }
        given.extend(sources::variables(env));
        given.extend(sources::flags(flags));
        let mut reader = reader::Reader::new(given, mistakes);
        let config = keys::read(&mut reader);
        reader.finish()?;
        Ok(config)
    }

    /// All keys, as `section.key`, in the order of this page.
    pub fn keys() -> Vec<&'static str> {
        let mut reader = reader::Reader::new(Vec::new(), Mistakes::default());
        keys::read(&mut reader);
        reader.known().to_vec()
    }

    /// The environment variable that sets a key: `server.listen` is set by `GUILDHALL_SERVER_LISTEN`.
    pub fn variable(key: &str) -> String {
        sources::variable(key)
    }

    /// The database to open, the embedded one when none is configured.
    pub fn database_url(&self) -> DatabaseUrl {
        if self.db.url.is_empty() { DatabaseUrl::embedded(&self.data.dir) } else { self.db.url.clone() }
    }

    /// Folder mail is written to.
    pub fn mail_dir(&self) -> PathBuf {
        if self.outbox.mail_dir.as_os_str().is_empty() { self.data.dir.join("mail") } else { self.outbox.mail_dir.clone() }
    }

    /// File events are appended to, if any.
    pub fn events_file(&self) -> Option<&Path> {
        Some(self.outbox.events_file.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// Folder of the embedded log; none where logs come from Kafka, and on Postgres unless one is named.
    pub fn log_dir(&self) -> Option<PathBuf> {
        if !self.kafka.brokers.is_empty() {
            return None;
        }
        if !self.broker.dir.as_os_str().is_empty() {
            return Some(self.broker.dir.clone());
        }
        self.database_url().sqlite_file().map(|_| self.data.dir.join("log"))
    }

    /// Where players reach the server, without a slash at its end.
    pub fn public_url(&self) -> String {
        if self.server.public_url.is_empty() {
            format!("http://{}", self.server.listen)
        } else {
            self.server.public_url.trim_end_matches('/').to_owned()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        keys::read(&mut reader::Reader::new(Vec::new(), Mistakes::default()))
    }
}
