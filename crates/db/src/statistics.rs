//! What every named statement costs in this process: calls, rows, a histogram of times, slow calls, repeats within a request.
//! Refuses values of parameters, and locks where statements run: a call adds to a few atomic numbers behind a kept handle.

mod histogram;
mod repeats;

pub use histogram::{BUCKETS, Histogram};
pub use repeats::{Repeated, counted, repeated};

use crate::{Clock, Column, Engine, Statement, Value};
use kernel::Instant;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Slow calls that are remembered; the oldest goes.
const SLOW_MAX: usize = 256;
/// Names that may come at run time, as recipes do; what comes later is not measured under its own name.
const METERS_MAX: usize = 4_096;

/// A call that takes longer, in microseconds, is kept with the shape of its parameters.
static SLOW_US: AtomicU64 = AtomicU64::new(50_000);
static METERS: LazyLock<Mutex<BTreeMap<String, Arc<Meter>>>> = LazyLock::new(Mutex::default);
static SLOW: LazyLock<Mutex<VecDeque<Slow>>> = LazyLock::new(Mutex::default);

/// Counts the calls of one statement.
pub struct Meter {
    name: Arc<str>,
    source: Mutex<Source>,
    seconds: metrics::Histogram,
    rows: AtomicU64,
    total_ns: AtomicU64,
    buckets: histogram::Buckets,
}

enum Source {
    Named(&'static Statement),
    Text(String),
}

/// What one statement has cost since the process began.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistic {
    /// The statement's name; recipes' begin with `recipe:`.
    pub name: String,
    /// Its text as the engine gets it.
    pub text: String,
    /// How often it ran.
    pub calls: u64,
    /// Rows it returned or touched, altogether.
    pub rows: u64,
    /// Its time altogether, in microseconds.
    pub total_us: u64,
    /// How its times are spread.
    pub histogram: Histogram,
}

impl Statistic {
    /// Mean time of a call, in microseconds.
    pub fn mean_us(&self) -> f64 {
        self.total_us as f64 / self.calls.max(1) as f64
    }
}

/// A call that was slow, without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slow {
    /// The statement's name.
    pub name: String,
    /// When it ended.
    pub at: Instant,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Rows it returned or touched.
    pub rows: u64,
    /// Types and sizes of what it was given, as `rows[256](id bytes, amount int), $2 text(12)`.
    pub shape: String,
}

impl Meter {
    fn new(name: &str, source: Source) -> Meter {
        Meter {
            seconds: metrics::histogram!("guildhall_statement_seconds", "statement" => name.to_owned()),
            name: name.into(),
            source: Mutex::new(source),
            rows: AtomicU64::new(0),
            total_ns: AtomicU64::new(0),
            buckets: histogram::Buckets::default(),
        }
    }

    /// Counts a call that returned or touched so many rows; `shape` is asked only when it was slow.
    pub fn ran(&self, took: Duration, rows: u64, shape: impl FnOnce() -> String) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.seconds.record(took);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.total_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.buckets.add(us);
        repeats::count(self);
        if us >= SLOW_US.load(Ordering::Relaxed) {
            let mut slow = SLOW.lock();
            if slow.len() == SLOW_MAX {
                slow.pop_front();
            }
            slow.push_back(Slow { name: self.name.as_ref().to_owned(), at: Clock::default().now(), took_us: us, rows, shape: shape() });
        }
    }

    fn statistic(&self, engine: Engine) -> Statistic {
        let text = match &*self.source.lock() {
            Source::Named(statement) => statement.text(engine).to_owned(),
            Source::Text(text) => text.clone(),
        };
        let histogram = self.buckets.read();
        Statistic {
            name: self.name.as_ref().to_owned(),
            text,
            calls: histogram.calls(),
            rows: self.rows.load(Ordering::Relaxed),
            total_us: self.total_ns.load(Ordering::Relaxed) / 1_000,
            histogram,
        }
    }
}

/// The meter of a statement whose text is known only at run time, as a recipe's: `recipe:NAME`. Keep the handle: finding it takes a lock.
pub fn meter(name: &str, text: &str) -> Arc<Meter> {
    let meter = find(name, || Source::Text(text.to_owned()));
    *meter.source.lock() = Source::Text(text.to_owned());
    meter
}

/// The meter of a statement of ours; statements keep it.
pub(crate) fn meter_of(statement: &'static Statement) -> Arc<Meter> {
    find(statement.name(), || Source::Named(statement))
}

fn find(name: &str, source: impl FnOnce() -> Source) -> Arc<Meter> {
    let mut meters = METERS.lock();
    let known = meters.len();
    match meters.get(name) {
        Some(meter) => meter.clone(),
        None if known >= METERS_MAX => Arc::new(Meter::new("others", source())),
        None => meters.entry(name.to_owned()).or_insert_with(|| Arc::new(Meter::new(name, source()))).clone(),
    }
}

/// Every statement that ran in this process, with its text for that engine.
pub fn statistics(engine: Engine) -> Vec<Statistic> {
    let meters: Vec<Arc<Meter>> = METERS.lock().values().cloned().collect();
    meters.iter().map(|meter| meter.statistic(engine)).filter(|statistic| statistic.calls > 0).collect()
}

/// Slow calls of this process that nobody has taken yet, oldest first.
pub fn take_slow() -> Vec<Slow> {
    SLOW.lock().drain(..).collect()
}

/// Calls that take longer are kept as slow from now on.
pub fn slow_above(limit: Duration) {
    SLOW_US.store(u64::try_from(limit.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Types and sizes of what a statement was given; never what it holds.
pub(crate) fn shape_of(columns: &[(&str, Column)], many: Option<u64>, values: &[Value<'_>]) -> String {
    let mut shape = String::new();
    if let Some(many) = many {
        let columns: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {}", format!("{kind:?}").to_lowercase())).collect();
        write!(shape, "rows[{many}]({})", columns.join(", ")).expect("writing to a string cannot fail");
    }
    for (at, value) in values.iter().enumerate() {
        let separator = if shape.is_empty() { "" } else { ", " };
        let number = at + 1 + usize::from(many.is_some());
        let kind = match value {
            Value::Null => "null".to_owned(),
            Value::Int(_) => "int".to_owned(),
            Value::Text(text) => format!("text({})", text.len()),
            Value::Bytes(bytes) => format!("bytes({})", bytes.len()),
        };
        write!(shape, "{separator}${number} {kind}").expect("writing to a string cannot fail");
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row;

    #[test]
    fn a_shape_tells_types_and_sizes_and_no_value() {
        let columns = [("id", Column::Bytes), ("amount", Column::Int)];
        let shape = shape_of(&columns, Some(256), &row![7, "secret", vec![1_u8; 16], None::<i64>]);
        assert_eq!(shape, "rows[256](id bytes, amount int), $2 int, $3 text(6), $4 bytes(16), $5 null");
        assert_eq!(shape_of(&[], None, &row!["secret"]), "$1 text(6)");
    }

    #[test]
    fn a_slow_call_is_kept_and_a_quick_one_only_counted() {
        let meter = meter("recipe:statistics_test", "select 1");
        meter.ran(Duration::from_micros(80), 1, || panic!("a quick call's shape is not asked"));
        meter.ran(Duration::from_secs(3), 5, || "$1 int".to_owned());
        let found = statistics(Engine::Sqlite).into_iter().find(|one| one.name == "recipe:statistics_test").unwrap();
        assert_eq!((found.calls, found.rows, found.total_us, found.text.as_str()), (2, 6, 3_000_080, "select 1"));
        let slow: Vec<Slow> = take_slow().into_iter().filter(|slow| slow.name == "recipe:statistics_test").collect();
        assert_eq!((slow.len(), slow[0].took_us, slow[0].rows, slow[0].shape.as_str()), (1, 3_000_000, 5, "$1 int"));
    }
}
