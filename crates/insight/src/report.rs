//! What an examination found, as data: statements, advice, findings. Refuses values of parameters.

use crate::measure::Measured;
use crate::plan::Plan;
use crate::workload::SlowCall;
use serde::Serialize;
use utoipa::ToSchema;

/// An examination of a database.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Report {
    /// `sqlite` or `postgres`.
    pub engine: String,
    /// The statements, those first that take most of the time.
    pub statements: Vec<StatementReport>,
    /// Indexes that would help, those first that help most.
    pub advice: Vec<Advice>,
    /// What else is wrong.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

/// A statement and what it costs.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct StatementReport {
    /// Its name; recipes' begin with `recipe:`, those that only the server knows with `query:`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// How often it ran.
    pub calls: u64,
    /// Rows it returned or touched.
    pub rows: u64,
    /// Mean time, in milliseconds.
    pub mean_ms: f64,
    /// Half of the calls stayed under, in milliseconds; none where only the mean is known.
    pub p50_ms: Option<f64>,
    /// 95 of 100 calls stayed under.
    pub p95_ms: Option<f64>,
    /// 99 of 100 calls stayed under.
    pub p99_ms: Option<f64>,
    /// Its share of the time of all statements, in percent.
    pub share: f64,
    /// Its last slow calls, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<SlowCall>,
    /// How the engine runs it, for those that take most of the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// What it took when it was tried with typical parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// Why it could not be looked at, where it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// An index that would help.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Advice {
    /// By which `guildhall doctor apply` makes it; the same index has the same one each time.
    pub id: String,
    /// The table.
    pub table: String,
    /// The statement that makes it.
    pub ddl: String,
    /// Its columns in order, then those it only holds.
    pub columns: Vec<String>,
    /// The rows it would hold, where it need not hold all.
    pub predicate: Option<String>,
    /// The statements it serves, the heaviest first.
    pub serves: Vec<Served>,
    /// The size it would have, in bytes.
    pub bytes: u64,
    /// The table's size, in bytes.
    pub table_bytes: u64,
    /// What writes pay for it.
    pub write_price: WritePrice,
    /// Indexes that it would make needless.
    pub replaces: Vec<String>,
    /// Its share of all statements' time that would go, in percent, by the engine's estimate.
    pub saves: f64,
}

/// A statement that an index serves.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// Cost as it is, in the engine's units.
    pub cost_before: f64,
    /// Cost with all advised indexes.
    pub cost_after: f64,
    /// Its share of the time of all statements, in percent.
    pub share: f64,
    /// Mean time as it is, in milliseconds.
    pub mean_ms: f64,
}

/// What writes pay for an index.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct WritePrice {
    /// Rows that known statements wrote and that would have written an entry as well.
    pub entries: u64,
    /// Bytes of an entry, roughly.
    pub entry_bytes: u64,
    /// The statements that write them.
    pub by: Vec<String>,
}

/// Something that is wrong beside missing indexes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Finding {
    /// `unused-index`, `duplicate-index`, `repeated-statement`, `long-transaction`, `lock-wait`, `bloat`, `missing-statistics`, `invalid-index`.
    pub kind: String,
    /// The index, table, route or process.
    pub about: String,
    /// What was seen.
    pub says: String,
    /// What would be right.
    pub right: String,
}

/// What making an index changed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Applied {
    /// The advice's id.
    pub id: String,
    /// What was run.
    pub ddl: String,
    /// Seconds it took.
    pub seconds: f64,
    /// The index's size, in bytes, where the engine tells.
    pub bytes: Option<u64>,
    /// The statements it serves, before and after.
    pub statements: Vec<Change>,
}

/// A statement before and after.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Measured before.
    pub before: Measured,
    /// Measured after.
    pub after: Measured,
    /// How many times quicker it is.
    pub speed_up: f64,
    /// Whether the plan uses the index now.
    pub uses_it: bool,
    /// The plan after.
    pub plan: Plan,
}
