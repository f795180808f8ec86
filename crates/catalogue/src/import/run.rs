//! The row of an import: started, told of its end. Refuses two imports at once: a new one interrupts the one before.

use db::{Column, Command, Error, Rank, Rows, Statement, Tx, row};
use kernel::{Code, Instant, Outcome, Refusal};
use serde::{Deserialize, Serialize};

/// How an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Under way, or its process died; the next import says which.
    Running,
    /// The whole file was read.
    Finished,
    /// Stopped before its end. Running it again goes on where it was.
    Interrupted,
    /// The file cannot be read on.
    Failed,
}

impl Status {
    /// The text that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Finished => "finished",
            Status::Interrupted => "interrupted",
            Status::Failed => "failed",
        }
    }
}

impl std::str::FromStr for Status {
    type Err = String;
    fn from_str(text: &str) -> Result<Status, String> {
        let all = [Status::Running, Status::Finished, Status::Interrupted, Status::Failed];
        all.into_iter().find(|status| status.as_str() == text).ok_or_else(|| format!("{text:?} is not the status of an import"))
    }
}

/// How many games, by what came of them; `read` is the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    /// Entries of the file, bad ones among them.
    pub read: u64,
    /// New products.
    pub added: u64,
    /// Products whose content differed.
    pub changed: u64,
    /// Products that were so already; nothing was written.
    pub unchanged: u64,
    /// Entries that could not be read.
    pub bad: u64,
}

impl Counts {
    /// Adds other counts.
    pub fn add(&mut self, other: Counts) {
        self.read += other.read;
        self.added += other.added;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.bad += other.bad;
    }

    pub(super) fn columns(self) -> [i64; 5] {
        [self.read, self.added, self.changed, self.unchanged, self.bad].map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }
}

static NEXT: Statement = Statement::new("catalogue.next_run", "select coalesce(max(id), 0) from import_run");

static INTERRUPT: Statement = Statement::new(
    "catalogue.interrupt_runs",
    "update import_run set status = 'interrupted', finished_at = touched_at, problem = 'its process ended, or another import was started'
     where status = 'running'",
)
.locks(Rank::Other);

static START: Statement = Statement::new(
    "catalogue.start_run",
    "insert into import_run (id, file, bytes, status, games_read, added, changed, unchanged, bad, started_at, touched_at)
     select id, file, bytes, 'running', 0, 0, 0, 0, 0, started_at, started_at
     from rows",
)
.rows(&[("id", Column::Int), ("file", Column::Text), ("bytes", Column::Int), ("started_at", Column::Int)])
.locks(Rank::Other);

static END: Statement = Statement::new(
    "catalogue.end_run",
    "update import_run
     set status = r.status, sha256 = r.sha256, problem = r.problem, finished_at = r.at, touched_at = r.at,
         games_read = import_run.games_read + r.games_read, unchanged = import_run.unchanged + r.unchanged
     from rows r
     where import_run.id = r.id and import_run.status = 'running'",
)
.rows(&[
    ("id", Column::Int),
    ("status", Column::Text),
    ("sha256", Column::Bytes),
    ("problem", Column::Text),
    ("at", Column::Int),
    ("games_read", Column::Int),
    ("unchanged", Column::Int),
])
.locks(Rank::Other);

/// The start or the end of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Begins, and interrupts any other.
    Start {
        /// The file's path as given.
        file: String,
        /// Its length.
        bytes: u64,
    },
    /// Ends.
    End {
        /// The import.
        run: i64,
        /// How it ended.
        status: Status,
        /// SHA-256 of the file, when all of it was read.
        sha256: Option<[u8; 32]>,
        /// Why it failed.
        problem: Option<String>,
        /// Unchanged games not told of yet.
        unchanged: u64,
    },
}

/// Starts and ends imports; answers the import's number.
pub(super) struct Steps;

impl Command for Steps {
    const NAME: &'static str = "catalogue.import_step";
    type Input = Step;
    type Reply = i64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Step], now: Instant) -> Result<Vec<Outcome<i64>>, Error> {
        crate::commands::lock(tx).await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        // Imports start and end once each: a batch holds one step but for a race, and then their order matters.
        for step in batch {
            outcomes.push(match step {
                Step::Start { file, bytes } => Ok(start(tx, file, *bytes, now).await?),
                Step::End { .. } => end(tx, step, now).await?,
            });
        }
        Ok(outcomes)
    }
}

async fn start(tx: &mut Tx<'_>, file: &str, bytes: u64, now: Instant) -> Result<i64, Error> {
    tx.execute(&INTERRUPT, &[]).await?;
    let last = tx.fetch(&NEXT, &[], |row| row.int(0)).await?;
    let run = last.first().copied().unwrap_or(0) + 1;
    let mut rows = Rows::new();
    rows.push(&row![run, file, i64::try_from(bytes).unwrap_or(i64::MAX), now]);
    tx.write(&START, rows).await?;
    Ok(run)
}

async fn end(tx: &mut Tx<'_>, step: &Step, now: Instant) -> Result<Outcome<i64>, Error> {
    let Step::End { run, status, sha256, problem, unchanged } = step else { return Ok(Err(superseded(0))) };
    let unchanged = i64::try_from(*unchanged).unwrap_or(i64::MAX);
    let mut rows = Rows::new();
    rows.push(&row![*run, status.as_str(), sha256.as_ref(), problem.as_ref(), now, unchanged, unchanged]);
    let touched = tx.write_some(&END, rows).await?;
    Ok(if touched == 1 { Ok(*run) } else { Err(superseded(*run)) })
}

/// What an import is told whose row says that it no longer runs.
pub(super) fn superseded(run: i64) -> Refusal {
    Refusal::new(Code::WrongState, format!("import {run} was interrupted by another import: let that one end, or run this one again"))
}
