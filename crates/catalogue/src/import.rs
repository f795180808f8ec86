//! Imports a Steam games file: a thread reads, threads parse and pack, one command after the other writes; all of it streams.
//! Refuses to write what did not change, and to stop for an entry that cannot be read: that one is reported.

mod decide;
mod prepare;
mod run;
mod write;

pub use run::{Counts, Status};
pub use write::BAD_NAMED_MAX;

use crate::steam::{self, Reader};
use db::{Db, Error, Meta, Queue, Statement, row};
use kernel::{Instant, Refusal};
use parking_lot::Mutex;
use prepare::{Known, Prepared, Preparer};
use run::{Step, Steps};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::mpsc;
use write::{Chunk, Chunks};

/// Threads that parse and pack; the file is read on one more.
const PARSERS: usize = 2;
/// Chunks that are written or wait for it: some 250 KB each. What waits is written in one transaction, so that few have to be synced.
const WRITING_MAX: usize = 24;

/// Why an import ended early. What was written stays; running it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read, or not to its end.
    #[error(transparent)]
    File(#[from] steam::Error),
    /// The database refused or was not reachable.
    #[error(transparent)]
    Db(#[from] Error),
    /// A thread that parses died.
    #[error("a parsing thread died: {0}")]
    Thread(String),
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file that were written or found unchanged.
    pub read_bytes: u64,
    /// The file's length, where it is known.
    pub total_bytes: Option<u64>,
    /// What came of the games so far.
    pub counts: Counts,
    /// When the import started, for rate and time left.
    pub started: std::time::Instant,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The import's number.
    pub run: i64,
    /// Finished or interrupted.
    pub status: Status,
    /// What came of the games.
    pub counts: Counts,
    /// The first bad entries: app id and reason.
    pub bad: Vec<(String, String)>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Bad entries that a summary names; the rest is in the import's history.
const SUMMARY_BAD_MAX: usize = 20;

/// Imports a file. `progress` is called after each chunk; when it answers `Break` the import stops and is marked interrupted.
///
/// # Errors
/// The file or the database; the import's row then says failed, as far as the database can be reached.
pub async fn run(db: &Db, path: impl AsRef<Path>, progress: impl Fn(Progress) -> ControlFlow<()>) -> Result<Summary, ImportError> {
    let path = path.as_ref();
    let started = std::time::Instant::now();
    let reader = Reader::open(path)?;
    let steps = db.queue(Steps);
    let bytes = std::fs::metadata(path).map_or(0, |about| about.len());
    let run = steps.send(Meta::ours("import"), Step::Start { file: path.display().to_string(), bytes }).await?;
    let mut import = Import {
        run,
        chunks: db.queue(Chunks),
        writing: VecDeque::new(),
        counts: Counts::default(),
        untold: 0,
        bad: Vec::new(),
        progress,
        started,
    };
    let ended = import.stream(db, reader).await;
    let (status, sha256) = match &ended {
        Ok(Some(summary)) => (Status::Finished, Some(summary.sha256)),
        Ok(None) => (Status::Interrupted, None),
        Err(_) => (Status::Failed, None),
    };
    let problem = ended.as_ref().err().map(ToString::to_string);
    let told = steps.send(Meta::ours("import"), Step::End { run, status, sha256, problem, unchanged: import.untold }).await;
    ended?;
    told?;
    if import.counts.added + import.counts.changed > 0 {
        analyse(db).await?;
    }
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Summary { run, status, counts: import.counts, bad: import.bad, took_ms })
}

/// Plans are made for empty tables until the engine was told what they hold.
async fn analyse(db: &Db) -> Result<(), Error> {
    for table in ["product", "product_genre", "product_detail"] {
        db.plain(&format!("analyze {table}")).await?;
    }
    Ok(())
}

type Writing = Pin<Box<dyn Future<Output = Result<Counts, Error>> + Send>>;

struct Import<P> {
    run: i64,
    chunks: Queue<Chunks>,
    /// Chunks that were sent, in order, with how far the file was read by then.
    writing: VecDeque<(Writing, steam::Progress)>,
    counts: Counts,
    /// Unchanged games that no command has counted yet.
    untold: u64,
    bad: Vec<(String, String)>,
    progress: P,
    started: std::time::Instant,
}

impl<P: Fn(Progress) -> ControlFlow<()>> Import<P> {
    /// Streams the file into the database; none when `progress` stopped it.
    async fn stream(&mut self, db: &Db, reader: Reader) -> Result<Option<steam::Summary>, ImportError> {
        let known = Arc::new(load_known(db).await?);
        let reader = Arc::new(Mutex::new(reader));
        let (sender, mut prepared) = mpsc::channel(PARSERS);
        for _ in 0..PARSERS {
            let (reader, known, sender) = (Arc::clone(&reader), Arc::clone(&known), sender.clone());
            tokio::task::spawn_blocking(move || parse(&reader, &known, &sender));
        }
        drop((sender, known));
        let mut next_entry = 0;
        let mut early: BTreeMap<u64, Prepared> = BTreeMap::new();
        let mut fault = None;
        while let Some(chunk) = prepared.recv().await {
            match chunk {
                Ok(chunk) => drop(early.insert(chunk.first_entry, chunk)),
                // Chunks from before the fault may still be with another parser: they go in.
                Err(error) => fault = Some(error),
            }
            while let Some(chunk) = early.remove(&next_entry) {
                next_entry += chunk.entries;
                if self.take(chunk).await?.is_break() {
                    drop(prepared);
                    // It stops whatever is answered: what was sent is only waited for.
                    let _ = self.settle(0).await?;
                    return Ok(None);
                }
            }
        }
        let flow = self.settle(0).await?;
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        if flow.is_break() {
            return Ok(None);
        }
        let summary = reader.lock().summary().copied();
        summary.map(Some).ok_or_else(|| ImportError::Thread("the file was not read to its end".to_owned()))
    }

    /// Sends one chunk, once there is room; chunks without anything to write are only counted.
    async fn take(&mut self, chunk: Prepared) -> Result<ControlFlow<()>, ImportError> {
        let room = self.bad.len()..SUMMARY_BAD_MAX;
        self.bad.extend(room.zip(&chunk.bad).map(|(_, bad)| bad.clone()));
        let reached = chunk.progress;
        if chunk.games.is_empty() && chunk.bad.is_empty() {
            self.untold += chunk.unchanged;
            self.counts.add(chunk.counts());
            return Ok(self.report(reached));
        }
        // The command counts the untold as well; here they were counted already.
        self.counts.read -= self.untold;
        self.counts.unchanged -= self.untold;
        let unchanged_before = std::mem::take(&mut self.untold);
        let chunks = self.chunks.clone();
        let input = Chunk { run: self.run, prepared: chunk, unchanged_before };
        let mut sent: Writing = Box::pin(async move { chunks.send(Meta::ours("import"), input).await });
        // The first poll puts it into the queue: chunks stand there in file order.
        let answer = poll_fn(|context| Poll::Ready(sent.as_mut().poll(context))).await;
        if let Poll::Ready(answer) = answer {
            self.counts.add(answer?);
            return Ok(self.report(reached));
        }
        self.writing.push_back((sent, reached));
        if self.settle(WRITING_MAX).await?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.collect().await
    }

    /// Takes the answers that are there, without waiting for any.
    async fn collect(&mut self) -> Result<ControlFlow<()>, ImportError> {
        while let Some((sent, reached)) = self.writing.front_mut() {
            let Poll::Ready(answer) = poll_fn(|context| Poll::Ready(sent.as_mut().poll(context))).await else { break };
            let reached = *reached;
            self.writing.pop_front();
            self.counts.add(answer?);
            if self.report(reached).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Waits until at most so many chunks are under way.
    async fn settle(&mut self, at_most: usize) -> Result<ControlFlow<()>, ImportError> {
        let mut flow = ControlFlow::Continue(());
        while self.writing.len() > at_most {
            let Some((sent, reached)) = self.writing.pop_front() else { break };
            self.counts.add(sent.await?);
            flow = self.report(reached);
        }
        Ok(flow)
    }

    fn report(&self, reached: steam::Progress) -> ControlFlow<()> {
        let progress =
            Progress { read_bytes: reached.read_bytes, total_bytes: reached.total_bytes, counts: self.counts, started: self.started };
        (self.progress)(progress)
    }
}

/// Parses chunks until the file ends or nobody wants them any more.
fn parse(reader: &Mutex<Reader>, known: &Known, out: &mpsc::Sender<Result<Prepared, steam::Error>>) {
    let mut preparer = Preparer::new();
    loop {
        let next = reader.lock().next();
        let prepared = match next {
            None => return,
            Some(Ok(chunk)) => Ok(preparer.prepare(&chunk, known)),
            Some(Err(error)) => Err(error),
        };
        let last = prepared.is_err();
        if out.blocking_send(prepared).is_err() || last {
            return;
        }
    }
}

static KNOWN: Statement = Statement::new(
    "catalogue.known_games",
    "select source_id, fingerprint from product where source = 'steam' and fingerprint is not null",
);

async fn load_known(db: &Db) -> Result<Known, Error> {
    let known = db.fetch(&KNOWN, &[], |row| Ok((row.int(0)?, row.id::<[u8; 16]>(1)?))).await?;
    Ok(known.into_iter().filter_map(|(app_id, fingerprint)| Some((u32::try_from(app_id).ok()?, fingerprint))).collect())
}

/// An import as its history shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Run {
    /// Its number, from 1.
    pub run: i64,
    /// The file's path as given.
    pub file: String,
    /// The file's length.
    pub bytes: i64,
    /// SHA-256 of the file in hex, once all of it was read.
    pub sha256: Option<String>,
    /// How it stands.
    pub status: Status,
    /// What came of the games.
    pub counts: Counts,
    /// Why it ended early.
    pub problem: Option<String>,
    /// When it started.
    pub started_at: Instant,
    /// When it ended.
    pub finished_at: Option<Instant>,
}

static LIST: Statement = Statement::new(
    "catalogue.list_runs",
    "select id, file, bytes, sha256, status, games_read, added, changed, unchanged, bad, problem, started_at, finished_at
     from import_run
     order by id desc
     limit 100",
);

static RUN: Statement = Statement::new("catalogue.find_import", "select id from import_run where id = $1");

static BAD: Statement = Statement::new("catalogue.list_bad", "select app_id, reason from import_bad where run = $1 order by seq");

/// The last hundred imports, the newest first.
pub async fn list(db: &Db) -> Result<Vec<Run>, Error> {
    db.fetch(&LIST, &[], |row| {
        let count = |column: usize| Ok::<u64, Error>(u64::try_from(row.int(column)?).unwrap_or(0));
        Ok(Run {
            run: row.int(0)?,
            file: row.text(1)?,
            bytes: row.int(2)?,
            sha256: row.bytes_opt(3)?.map(hex::encode),
            status: row.parsed(4)?,
            counts: Counts { read: count(5)?, added: count(6)?, changed: count(7)?, unchanged: count(8)?, bad: count(9)? },
            problem: row.text_opt(10)?,
            started_at: row.instant(11)?,
            finished_at: row.instant_opt(12)?,
        })
    })
    .await
}

/// An entry that an import could not read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Bad {
    /// The entry's key in the file.
    pub app_id: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The bad entries of an import, the first [`BAD_NAMED_MAX`].
///
/// # Errors
/// `not-found` when there was no such import.
pub async fn list_bad(db: &Db, run: i64) -> Result<Vec<Bad>, Error> {
    if db.fetch(&RUN, &row![run], |row| row.int(0)).await?.is_empty() {
        return Err(Refusal::not_found("import", run).into());
    }
    db.fetch(&BAD, &row![run], |row| Ok(Bad { app_id: row.text(0)?, reason: row.text(1)? })).await
}
