//! The handle on a database: opens it, brings it up to date, reads, and starts queues for commands.
//! Refuses writes that do not come as a command.

use crate::command::Command;
use crate::engine::Target;
use crate::pool::{Pool, Pooled, Purpose};
use crate::queue::{AnyLane, Lane, Queue, Surroundings};
use crate::writer::{Lanes, Writer};
use crate::{Clock, Engine, Error, Row, Rows, Statement, Value};
use kernel::Instant;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A read waits this long for a connection.
const READER_WAIT_MAX: Duration = Duration::from_secs(5);

/// How a database is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// Connections that only read, and as many again for lookups by key.
    pub readers: usize,
    /// Connections that write, on Postgres; SQLite has one.
    pub writers: usize,
    /// Writers of one kind of command, side by side, on Postgres.
    pub lanes: usize,
    /// Inputs of one kind that one transaction takes at most.
    pub batch_max: usize,
    /// Inputs of one kind that may wait; more are refused.
    pub queue_max: usize,
    /// A statement that runs longer is ended, in milliseconds.
    pub statement_timeout_ms: u64,
}

impl Options {
    /// Defaults for a URL.
    pub fn new(url: impl Into<String>) -> Options {
        Options { url: url.into(), readers: 4, writers: 8, lanes: 2, batch_max: 512, queue_max: 20_000, statement_timeout_ms: 5_000 }
    }
}

/// A database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    target: Arc<Target>,
    around: Arc<Surroundings>,
    reading: Pool,
    looking_up: Pool,
    writing: Arc<Pool>,
    lanes: Lanes,
    arrived: Arc<Notify>,
    stopping: Arc<AtomicBool>,
    wakes: Mutex<Vec<Arc<Notify>>>,
    writers: Mutex<Vec<JoinHandle<()>>>,
    writing_thread: WritingThread,
}

/// A thread of its own for what writers do between statements: among the tasks of a busy server each of their many short waits
/// would end with a place at the back of a queue.
struct WritingThread(Option<Runtime>);

impl WritingThread {
    fn start() -> Result<WritingThread, Error> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("writer").enable_all().build();
        runtime.map(|runtime| WritingThread(Some(runtime))).map_err(|e| Error::Gone(format!("no thread for the writers: {e}")))
    }

    fn spawn(&self, writing: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.0.as_ref().expect("taken only when dropped").spawn(writing)
    }
}

impl Drop for WritingThread {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Db {
    /// Opens the database, which must have been migrated, and starts its writer.
    ///
    /// # Errors
    /// The URL cannot be read, or the database cannot be reached.
    pub async fn open(options: Options) -> Result<Db, Error> {
        let target = Arc::new(Target::parse(&options.url, options.statement_timeout_ms)?);
        let around = Arc::new(Surroundings { clock: Arc::default(), subscribed: arc_swap::ArcSwap::default() });
        let writers = if target.engine() == Engine::Sqlite { 1 } else { options.writers };
        let inner = Inner {
            reading: Pool::new(target.clone(), Purpose::Read, options.readers),
            looking_up: Pool::new(target.clone(), Purpose::LookUp, options.readers),
            writing: Arc::new(Pool::new(target.clone(), Purpose::Write, writers)),
            options,
            target,
            around,
            lanes: Lanes::default(),
            arrived: Arc::default(),
            stopping: Arc::default(),
            wakes: Mutex::default(),
            writers: Mutex::default(),
            writing_thread: WritingThread::start()?,
        };
        let db = Db { inner: Arc::new(inner) };
        db.read().await?;
        if db.engine() == Engine::Sqlite {
            db.start_writer(db.inner.lanes.clone(), db.inner.arrived.clone());
        }
        Ok(db)
    }

    /// Which engine is underneath.
    pub fn engine(&self) -> Engine {
        self.inner.target.engine()
    }

    /// The clock that reads and, on SQLite, commands are given.
    pub fn clock(&self) -> &Clock {
        &self.inner.around.clock
    }

    /// The time now, for reads; commands are handed theirs.
    pub fn now(&self) -> Instant {
        self.clock().now()
    }

    /// Starts the queue of one kind of command.
    pub fn queue<C: Command>(&self, command: C) -> Queue<C> {
        let command = Arc::new(command);
        let lane = |woken| Arc::new(Lane::new(command.clone(), woken, self.inner.options.queue_max));
        if self.engine() == Engine::Sqlite {
            let only = lane(vec![self.inner.arrived.clone()]);
            self.inner.lanes.write().push(only.clone());
            return Queue::new(only, Vec::new());
        }
        let woken: Vec<Arc<Notify>> = (0..self.inner.options.lanes.max(1)).map(|_| Arc::default()).collect();
        let shared = lane(woken.clone());
        let own: Vec<Arc<Lane<C>>> = woken.iter().map(|writer| lane(vec![writer.clone()])).collect();
        for (own, writer) in own.iter().zip(woken) {
            let serves: Vec<Arc<dyn AnyLane>> = vec![own.clone(), shared.clone()];
            self.start_writer(Arc::new(parking_lot::RwLock::new(serves)), writer);
        }
        Queue::new(shared, own)
    }

    fn start_writer(&self, lanes: Lanes, arrived: Arc<Notify>) {
        self.inner.wakes.lock().push(arrived.clone());
        let writer = Writer {
            pool: self.inner.writing.clone(),
            around: self.inner.around.clone(),
            lanes,
            arrived,
            batch_max: self.inner.options.batch_max,
            // Of two kinds in one transaction the second would lock rows against the rank, which matters beside other writers.
            batches_max: if self.engine() == Engine::Sqlite { usize::MAX } else { 1 },
            stopping: self.inner.stopping.clone(),
        };
        let running = self.inner.writing_thread.spawn(writer.run());
        self.inner.writers.lock().push(running);
    }

    /// A connection for reads, from the pool.
    ///
    /// # Errors
    /// All readers are busy for five seconds, or none can be opened.
    pub async fn read(&self) -> Result<Read, Error> {
        Read::of(&self.inner.reading).await
    }

    /// A connection for lookups by key, from a pool of their own.
    pub(crate) async fn look_up(&self) -> Result<Read, Error> {
        Read::of(&self.inner.looking_up).await
    }

    /// Reads with arguments on a connection of the pool.
    pub async fn fetch<T>(
        &self,
        statement: &'static Statement,
        arguments: &[Value<'_>],
        map: impl FnMut(&Row) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        self.read().await?.fetch(statement, arguments, map).await
    }

    /// Reads the topics that have subscribers, so that commands know which announcements to write.
    pub async fn refresh_subscriptions(&self) -> Result<(), Error> {
        static TOPICS: Statement = Statement::new("db.subscribed_topics", "select distinct topic from subscription");
        let topics = self.fetch(&TOPICS, &[], |row| row.text(0)).await?;
        self.inner.around.subscribed.store(Arc::new(topics.into_iter().collect()));
        Ok(())
    }

    /// Answers what was taken, then stops every writer and closes the connections.
    pub async fn close(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.wakes.lock().iter().for_each(|wake| wake.notify_one());
        let writers = std::mem::take(&mut *self.inner.writers.lock());
        for writer in writers {
            // A writer that panicked has been logged; the others are still waited for.
            drop(writer.await);
        }
        self.inner.reading.close().await;
        self.inner.looking_up.close().await;
        self.inner.writing.close().await;
    }

    pub(crate) fn url(&self) -> &str {
        &self.inner.options.url
    }
}

/// A connection that reads; it goes back to the pool when dropped.
pub struct Read {
    lent: Option<Pooled>,
}

impl Read {
    async fn of(pool: &Pool) -> Result<Read, Error> {
        let lent = tokio::time::timeout(READER_WAIT_MAX, pool.get()).await;
        lent.map_err(|_| Error::Gone("all readers are busy".to_owned()))?.map(|lent| Read { lent: Some(lent) })
    }

    /// Reads with arguments.
    pub async fn fetch<T>(
        &mut self,
        statement: &'static Statement,
        arguments: &[Value<'_>],
        map: impl FnMut(&Row) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        self.run(statement, None, arguments, map).await
    }

    /// Reads what a row set names.
    pub async fn load<T>(
        &mut self,
        statement: &'static Statement,
        rows: Rows,
        map: impl FnMut(&Row) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.run(statement, Some(rows), &[], map).await
    }

    async fn run<T>(
        &mut self,
        statement: &'static Statement,
        rows: Option<Rows>,
        arguments: &[Value<'_>],
        mut map: impl FnMut(&Row) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        // Held by this call while it runs, so that one that is cancelled or fails closes its connection.
        let mut lent = Running(self.lent.take());
        let connection = lent.0.as_mut().ok_or_else(|| Error::Gone("the read before this one failed".to_owned()))?;
        let found = connection.fetch(statement, rows, arguments, &mut map).await;
        if !matches!(found, Err(Error::Gone(_))) {
            self.lent = lent.0.take();
        }
        found
    }
}

struct Running(Option<Pooled>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(lent) = self.0.take() {
            lent.discard();
        }
    }
}
