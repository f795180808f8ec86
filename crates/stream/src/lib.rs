//! Game logs to progress: sources, partitions, checkpoints. The only writer of players' state.
//! Refuses to count a record twice or to lose one: progress and the offset it holds are written in one transaction, by whoever
//! holds the partition then.
//!
//! # How it works
//! A [`worker`] has a partition: it claims it, which raises its epoch, and reads from the offset in the database. Records are mapped and
//! stepped over states that are kept between batches (topics keyed by player) or loaded in the checkpoint's own transaction (others).
//! A [`checkpoint`] writes states, achievements, dead letters and the offset; it is due by the [`pace`], and those that wait are written
//! as one. What was stepped and not written is dropped after any failure and stepped again. [`explain`] and [`backtest`] read logs and
//! write nothing.

pub mod backtest;
pub mod check;
mod checkpoint;
pub mod explain;
pub mod guard;
mod intake;
mod letters;
mod looking;
mod measures;
pub mod options;
pub mod pace;
pub mod partitions;
mod players;
pub mod record;
mod routes;
pub mod source;
mod stepper;
mod tending;
mod worker;
mod workers;

pub use backtest::Backtest;
pub use explain::Explanation;
pub use intake::{Taken, murmur2};
pub use letters::list::{DeadLetter, LetterCount, ReplayAsked};
pub use letters::store::PurgeLetters;
pub use letters::{KEPT_PER_HOUR, RAW_MAX};
pub use options::{IntakeLimits, Limits, Options, ReadingLimits};
pub use routes::described;
pub use source::{KafkaOptions, Source, Trouble};

use accounts::Accounts;
use campaigns::{Live, States};
use checkpoint::Checkpoint;
use checkpoint::controls::Apply;
use db::{Db, Engine, Error, Meta, Queue};
use intake::Intake;
use kernel::GameId;
use letters::list::{Ask, AskReplay};
use letters::replay::Replay;
use looking::Looks;
use parking_lot::Mutex;
use partitions::{Claim, Decision, Place, SetOffset};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use workers::Workers;

/// Changed players that one transaction writes on SQLite, whose only writer everybody else waits for, while the log is kept up with.
const SQLITE_PLAYERS_MAX: usize = 4_000;

/// A running stream. Cheap to clone.
#[derive(Clone)]
pub struct Stream {
    inner: Arc<Inner>,
}

/// What its parts share.
pub(crate) struct Inner {
    db: Db,
    live: Live,
    accounts: Accounts,
    source: Source,
    options: Options,
    workers: Arc<Workers>,
    member: Option<source::kafka::Member>,
    intake: Intake,
    looks: Looks,
    apply: Queue<Apply>,
    replay: Queue<Replay>,
    ask_replay: Queue<AskReplay>,
    set_offset: Queue<SetOffset>,
    stopping: AtomicBool,
    stopped: Notify,
    tending: Mutex<Option<JoinHandle<()>>>,
}

impl Stream {
    /// Starts reading every game that has a mapping. `live` is refreshed by the stream from then on.
    ///
    /// # Errors
    /// The database fails, or the client of the log cannot be made.
    pub async fn start(db: &Db, live: &Live, accounts: &Accounts, source: Source, options: Options) -> Result<Stream, Error> {
        live.refresh().await?;
        let usual_players_max = if db.engine() == Engine::Sqlite { SQLITE_PLAYERS_MAX } else { usize::MAX };
        let held = Arc::new(workers::Held::default());
        let workers = Arc::new(Workers::new(worker::Shared {
            db: db.clone(),
            live: live.clone(),
            runtime: tokio::runtime::Handle::current(),
            limits: options.limits.clone(),
            usual_players_max,
            checkpoints: db.queue(Checkpoint::new(held.clone())),
            loads: db.lookups(States),
            claims: db.queue(Claim),
            held,
        }));
        let member = match &source {
            Source::Embedded(_) => None,
            Source::Kafka(kafka) => Some(join(kafka, &workers, &options)?),
        };
        let inner = Inner {
            db: db.clone(),
            live: live.clone(),
            accounts: accounts.clone(),
            intake: Intake::new(&source, &options).map_err(|trouble| Error::Gone(trouble.to_string()))?,
            looks: Looks::new(&options.reading),
            source,
            options,
            workers,
            member,
            apply: db.queue(Apply),
            replay: db.queue(Replay),
            ask_replay: db.queue(AskReplay),
            set_offset: db.queue(SetOffset),
            stopping: AtomicBool::new(false),
            stopped: Notify::new(),
            tending: Mutex::default(),
        };
        let inner = Arc::new(inner);
        *inner.tending.lock() = Some(tokio::spawn(tending::tend(inner.clone())));
        Ok(Stream { inner })
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }

    /// The topic of a game.
    pub fn topic(&self, game: &GameId) -> String {
        self.inner.options.topic(game)
    }

    /// Has kept dead letters replayed, of one reason or all; returns how many wait.
    ///
    /// # Errors
    /// The database fails.
    pub async fn ask_replay(&self, meta: Meta, game: &GameId, reason: Option<String>) -> Result<ReplayAsked, Error> {
        self.inner.ask_replay.send(meta, Ask { game: game.clone(), reason }).await
    }

    /// Decides where a partition of a game's topic goes on. Whoever reads it takes it anew.
    ///
    /// # Errors
    /// The partition was never read, or the offset is negative.
    pub async fn set_offset(&self, meta: Meta, game: &GameId, partition: i32, next: i64) -> Result<i64, Error> {
        let place = Place::new(&self.topic(game), partition);
        self.inner.set_offset.send(meta, Decision { place, game: game.clone(), next }).await
    }

    /// How many partitions this process reads.
    pub fn partitions(&self) -> usize {
        self.inner.workers.count()
    }

    /// What stands still in this process until somebody decides: `TOPIC/PARTITION: ALARM: what it is about`.
    pub fn alarms(&self) -> Vec<String> {
        self.inner.workers.alarms()
    }

    /// Writes what was stepped, gives the partitions back, leaves the group. What is left is stepped by whoever reads on.
    pub async fn stop(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.stopped.notify_waiters();
        let tending = self.inner.tending.lock().take();
        if let Some(tending) = tending {
            // It logs its own troubles, and a panic of it was logged by the runtime.
            drop(tending.await);
        }
        let inner = self.inner.clone();
        let stopped = tokio::task::spawn_blocking(move || {
            if let Some(member) = &inner.member {
                member.leave();
            }
            inner.workers.stop_all();
        });
        drop(stopped.await);
    }
}

fn join(kafka: &KafkaOptions, workers: &Arc<Workers>, options: &Options) -> Result<source::kafka::Member, Error> {
    let prefix = options.topic_prefix.clone();
    let game = move |topic: &str| topic.strip_prefix(&prefix).and_then(|game| game.parse().ok());
    source::kafka::Member::join(kafka, workers.clone(), Arc::new(game)).map_err(|trouble| Error::Gone(trouble.to_string()))
}

impl Inner {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Waits for so long, or until the stream stops.
    async fn sleep(&self, time: Duration) {
        // Nobody telling within the time is the usual end of it.
        drop(tokio::time::timeout(time, self.stopped.notified()).await);
    }
}
