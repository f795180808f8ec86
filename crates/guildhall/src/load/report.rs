//! What a load run is told as: one JSON object for machines, a table for people, and the median of several runs.
//! Refuses to hide a bad run behind a good median: the worst maximum, all errors and every run's figures stay visible.

use super::driver::Outcome;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The figures of a run, or of several as their median.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was run.
    pub scenario: String,
    /// Connections kept open.
    pub connections: usize,
    /// Whole answers.
    pub requests: u64,
    /// From the first request to the last answer, in seconds.
    pub elapsed_s: f64,
    /// Whole answers per second.
    pub requests_per_s: f64,
    /// Mean time of an answer, in milliseconds.
    pub mean_ms: f64,
    /// Time within which half of the answers came, in milliseconds.
    pub p50_ms: f64,
    /// The same for 95 of 100.
    pub p95_ms: f64,
    /// The same for 99 of 100.
    pub p99_ms: f64,
    /// The slowest answer, in milliseconds.
    pub max_ms: f64,
    /// Requests without a whole answer, those never sent too, and connections that could not be opened.
    pub errors: u64,
    /// Errors by kind, those that occurred.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// Whole answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Of a limited sale: buyers who got a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<u64>,
    /// Of a limited sale: buyers who were told that it is sold out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sold_out: Option<u64>,
    /// Further figures of the scenario.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Report {
    /// The figures of one run.
    pub fn new(scenario: &str, connections: usize, outcome: &Outcome) -> Report {
        let latency = &outcome.latency_us;
        let ms = |us: u64| rounded(Duration::from_micros(us).as_secs_f64() * 1_000.0);
        let seconds = outcome.elapsed.as_secs_f64();
        let kinds = outcome.errors.by_kind().into_iter().chain([("unsent", outcome.unsent)]);
        let mut extra = Map::new();
        if outcome.reopened > 0 {
            extra.insert("reopened".to_owned(), outcome.reopened.into());
        }
        Report {
            scenario: scenario.to_owned(),
            connections,
            requests: outcome.answered(),
            elapsed_s: rounded(seconds),
            requests_per_s: if seconds > 0.0 { rounded(outcome.answered() as f64 / seconds) } else { 0.0 },
            mean_ms: rounded(latency.mean() / 1_000.0),
            p50_ms: ms(latency.value_at_quantile(0.50)),
            p95_ms: ms(latency.value_at_quantile(0.95)),
            p99_ms: ms(latency.value_at_quantile(0.99)),
            max_ms: ms(latency.max()),
            errors: outcome.errors.total() + outcome.unsent,
            errors_by_kind: kinds.filter(|(_, count)| *count > 0).map(|(kind, count)| (kind.to_owned(), count)).collect(),
            by_status: outcome.by_status.clone(),
            granted: None,
            sold_out: None,
            extra,
        }
    }

    /// The run in the middle by requests per second, the slower of the two when their number is even; none of none.
    /// Its maximum is the worst of all runs, its errors are those of all runs together, and `runs` lists what each came to.
    pub fn median(mut runs: Vec<Report>) -> Option<Report> {
        let each: Vec<Value> = runs.iter().map(Report::brief).collect();
        let max_ms = runs.iter().map(|run| run.max_ms).fold(0.0, f64::max);
        let errors = runs.iter().map(|run| run.errors).sum();
        let mut errors_by_kind: BTreeMap<String, u64> = BTreeMap::new();
        runs.iter().flat_map(|run| &run.errors_by_kind).for_each(|(kind, count)| *errors_by_kind.entry(kind.clone()).or_default() += count);
        runs.sort_by(|a, b| a.requests_per_s.total_cmp(&b.requests_per_s));
        let middle = runs.len().checked_sub(1)? / 2;
        let mut median = Report { max_ms, errors, errors_by_kind, ..runs.swap_remove(middle) };
        median.extra.insert("runs".to_owned(), each.into());
        Some(median)
    }

    /// The report as a JSON object.
    pub fn json(&self) -> Value {
        serde_json::to_value(self).expect("a report has text keys and finite numbers only")
    }

    fn brief(&self) -> Value {
        let mut brief = json!({
            "requests_per_s": self.requests_per_s, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms, "max_ms": self.max_ms, "errors": self.errors
        });
        for (name, count) in [("granted", self.granted), ("sold_out", self.sold_out)] {
            if let Some(count) = count {
                brief[name] = count.into();
            }
        }
        brief
    }

    fn cells(&self) -> [String; 10] {
        let mut outcome: Vec<String> = self.by_status.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        outcome.extend(self.granted.map(|count| format!("granted: {count}")));
        outcome.extend(self.sold_out.map(|count| format!("sold out: {count}")));
        outcome.extend(self.errors_by_kind.iter().map(|(kind, count)| format!("{kind}: {count}")));
        let ms = |value: f64| format!("{value:.2}");
        [
            self.scenario.clone(),
            self.connections.to_string(),
            self.requests.to_string(),
            format!("{:.0}", self.requests_per_s),
            ms(self.mean_ms),
            ms(self.p50_ms),
            ms(self.p95_ms),
            ms(self.p99_ms),
            ms(self.max_ms),
            if self.errors == 0 { outcome.join(", ") } else { format!("ERRORS {}; {}", self.errors, outcome.join(", ")) },
        ]
    }
}

/// The reports as a table, a line each.
pub fn table(reports: &[Report]) -> String {
    let titles = ["scenario", "connections", "requests", "per s", "mean ms", "p50 ms", "p95 ms", "p99 ms", "max ms", "answers"];
    let mut rows = vec![titles.map(str::to_owned)];
    rows.extend(reports.iter().map(Report::cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 10] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        // Names to the left, figures to the right; the last column ends the line and needs no width.
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row[1..9].iter().zip(&widths[1..9]) {
            write!(line, "  {cell:>width$}").expect("text takes every write");
        }
        writeln!(text, "{line}  {}", row[9]).expect("text takes every write");
    }
    text
}

/// Three decimals: microseconds of milliseconds, and enough of everything else.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests;
