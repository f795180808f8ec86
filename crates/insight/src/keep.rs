//! Writes what statements cost in this process to the database, by the minute, so that others can read it.
//! Refuses to keep it for good: after [`KEPT_MINUTES`] it is removed.

use crate::workload::{MINUTE_US, packed};
use db::statistics::{Repeated, Slow, Statistic};
use db::{Column, Command, Db, Error, Meta, Queue, Rank, Rows, Statement, Tx, row};
use kernel::{Instant, Outcome, Uuid};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use tokio::sync::Mutex;

/// What is older is removed. A process that runs 250 statements writes 250 rows of about 150 bytes a minute at most: 13 MB in all.
pub const KEPT_MINUTES: i64 = 360;

/// This process, among all that write.
static PROCESS: LazyLock<Uuid> = LazyLock::new(Uuid::now_v7);

// Each process writes rows of its own; a repeat writes the same numbers again.
static WRITE_MINUTES: Statement = Statement::new(
    "insight.write_minutes",
    "insert into statement_minute (minute, process, name, calls, result_rows, total_us, buckets)
     select minute, process, name, calls, result_rows, total_us, buckets from rows where true
     on conflict (minute, process, name) do update
     set calls = excluded.calls, result_rows = excluded.result_rows, total_us = excluded.total_us, buckets = excluded.buckets",
)
.rows(&[
    ("minute", Column::Int),
    ("process", Column::Bytes),
    ("name", Column::Text),
    ("calls", Column::Int),
    ("result_rows", Column::Int),
    ("total_us", Column::Int),
    ("buckets", Column::Bytes),
])
.locks(Rank::Other);
// Processes of one version write the same texts: whoever comes later finds them there.
static WRITE_TEXTS: Statement = Statement::new(
    "insight.write_texts",
    "insert into statement_text (name, text) select name, text from rows where true
     on conflict (name) do update set text = excluded.text",
)
.rows(&[("name", Column::Text), ("text", Column::Text)])
.locks(Rank::Other);
static WRITE_SLOW: Statement = Statement::new(
    "insight.write_slow",
    "insert into statement_slow (at, process, seq, name, took_us, result_rows, shape)
     select at, process, seq, name, took_us, result_rows, shape from rows where true
     on conflict (at, process, seq) do nothing",
)
.rows(&[
    ("at", Column::Int),
    ("process", Column::Bytes),
    ("seq", Column::Int),
    ("name", Column::Text),
    ("took_us", Column::Int),
    ("result_rows", Column::Int),
    ("shape", Column::Text),
])
.locks(Rank::Other);
static WRITE_REPEATS: Statement = Statement::new(
    "insight.write_repeats",
    "insert into statement_repeat (process, route, name, requests, most, calls, at)
     select process, route, name, requests, most, calls, at from rows where true
     on conflict (process, route, name) do update
     set requests = excluded.requests, most = excluded.most, calls = excluded.calls, at = excluded.at",
)
.rows(&[
    ("process", Column::Bytes),
    ("route", Column::Text),
    ("name", Column::Text),
    ("requests", Column::Int),
    ("most", Column::Int),
    ("calls", Column::Int),
    ("at", Column::Int),
])
.locks(Rank::Other);
static FORGET_MINUTES: Statement =
    Statement::new("insight.forget_minutes", "delete from statement_minute where minute < $1").locks(Rank::Other);
static FORGET_SLOW: Statement = Statement::new("insight.forget_slow", "delete from statement_slow where at < $1").locks(Rank::Other);
static FORGET_REPEATS: Statement =
    Statement::new("insight.forget_repeats", "delete from statement_repeat where at < $1").locks(Rank::Other);

/// What a process writes at a time.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    minute: i64,
    statistics: Vec<Statistic>,
    texts: Vec<(String, String)>,
    slow: Vec<(u64, Slow)>,
    repeated: Vec<Repeated>,
}

/// Writes the statistics of processes.
pub(crate) struct Keep;

impl Command for Keep {
    const NAME: &'static str = "insight.keep";
    // Rows are keyed by minute, process and name: writing them twice leaves the same.
    const KEYED: bool = false;
    type Input = Writing;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Writing], now: Instant) -> Result<Vec<Outcome<()>>, Error> {
        // Two of one process would name the same row twice in one statement: the later one has it all.
        for writing in batch {
            let of = |one: &Statistic| {
                row![
                    writing.minute,
                    *PROCESS,
                    one.name.clone(),
                    one.calls.cast_signed(),
                    one.rows.cast_signed(),
                    one.total_us.cast_signed(),
                    packed(&one.histogram)
                ]
            };
            tx.write_some(&WRITE_TEXTS, Rows::of(&writing.texts, |(name, text)| row![name, text])).await?;
            tx.write_some(&WRITE_MINUTES, Rows::of(&writing.statistics, of)).await?;
            let slow = |(seq, of): &(u64, Slow)| {
                let (seq, took, found) = (seq.cast_signed(), of.took_us.cast_signed(), of.rows.cast_signed());
                row![of.at, *PROCESS, seq, of.name.clone(), took, found, of.shape.clone()]
            };
            tx.write_some(&WRITE_SLOW, Rows::of(&writing.slow, slow)).await?;
            let repeated = |of: &Repeated| {
                let (requests, calls) = (of.requests.cast_signed(), of.calls.cast_signed());
                row![*PROCESS, of.route.clone(), of.statement.clone(), requests, of.most, calls, now]
            };
            tx.write_some(&WRITE_REPEATS, Rows::of(&writing.repeated, repeated)).await?;
        }
        let before = now.plus_us(-KEPT_MINUTES * MINUTE_US);
        tx.execute(&FORGET_MINUTES, &row![before.0 / MINUTE_US]).await?;
        tx.execute(&FORGET_SLOW, &row![before]).await?;
        tx.execute(&FORGET_REPEATS, &row![before]).await?;
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

/// Remembers what was written, so that each minute's rows say what that minute cost. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keeper {
    db: Db,
    writes: Queue<Keep>,
    written: Arc<Mutex<Written>>,
}

#[derive(Default)]
struct Written {
    minute: i64,
    slow: u64,
    /// What each statement had cost when the minute began.
    base: HashMap<String, Statistic>,
    texts: HashMap<String, String>,
    repeated: Vec<Repeated>,
}

impl Keeper {
    pub(crate) fn new(db: &Db) -> Keeper {
        Keeper { db: db.clone(), writes: db.queue(Keep), written: Arc::default() }
    }

    /// Writes what happened since.
    pub(crate) async fn write(&self) -> Result<(), Error> {
        let mut written = self.written.lock().await;
        let minute = self.db.now().0 / MINUTE_US;
        let current = db::statistics(self.db.engine());
        let of_minute = if written.minute == 0 { minute } else { written.minute };
        let mut writing = Writing { minute: of_minute, ..Writing::default() };
        writing.statistics = current.iter().filter_map(|one| since(one, written.base.get(&one.name))).collect();
        let is_new = |one: &&Statistic| written.texts.get(&one.name).is_none_or(|text| *text != one.text);
        writing.texts = current.iter().filter(is_new).map(|one| (one.name.clone(), one.text.clone())).collect();
        // What two readers would otherwise lock in different orders they lock by name.
        writing.texts.sort();
        let first = written.slow;
        writing.slow = (first..).zip(db::statistics::take_slow()).collect();
        let slow = writing.slow.len() as u64;
        let repeated = db::statistics::repeated();
        writing.repeated = repeated.iter().filter(|one| !written.repeated.contains(one)).cloned().collect();
        let texts = writing.texts.clone();
        self.writes.send(Meta::ours("insight.keep"), writing).await?;
        written.texts.extend(texts);
        written.slow += slow;
        written.repeated = repeated;
        // The rows of a minute are written once more after it ended, and then stay.
        if minute != of_minute || written.minute == 0 {
            if minute != of_minute {
                written.base = current.into_iter().map(|one| (one.name.clone(), one)).collect();
            }
            written.minute = minute;
        }
        Ok(())
    }
}

fn since(now: &Statistic, base: Option<&Statistic>) -> Option<Statistic> {
    let Some(base) = base else { return Some(now.clone()) };
    let calls = now.calls.saturating_sub(base.calls);
    (calls > 0).then(|| Statistic {
        calls,
        rows: now.rows.saturating_sub(base.rows),
        total_us: now.total_us.saturating_sub(base.total_us),
        histogram: now.histogram.since(&base.histogram),
        ..now.clone()
    })
}
