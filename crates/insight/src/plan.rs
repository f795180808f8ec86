//! How the engine means to run a statement, as a tree whose costly parts are named in words.
//! Refuses to run the statement: plans are asked for, and nothing happens.

mod postgres;
pub(crate) mod sqlite;

pub(crate) use postgres::{shown, total_cost};

use crate::reading::Reading;
use crate::schema::Schema;
use serde::Serialize;
use std::fmt::Write as _;
use utoipa::ToSchema;

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Plan {
    /// The engine's own words, line by line.
    pub text: Vec<String>,
    /// Its steps; each comes after those within it.
    pub tree: Vec<Step>,
}

/// A step of a plan with the steps that feed it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Step {
    /// What is done, as `Seq Scan on payment_product`.
    pub what: String,
    /// The table it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The index it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Rows that come out of it, as the engine estimates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<f64>,
    /// Its own share of the plan's cost, in percent; Postgres only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Why it is costly, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub costly: Option<String>,
    /// What feeds it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub steps: Vec<Step>,
}

impl Plan {
    /// Reads what Postgres answers to `explain (format json)`.
    pub(crate) fn of_postgres(json: &str, text: Vec<String>, schema: &Schema) -> Plan {
        Plan { tree: postgres::steps(json, schema), text }
    }

    /// Reads what SQLite answers to `explain query plan`: id, parent, a number, a text.
    pub(crate) fn of_sqlite(rows: &[db::Cells], reading: &Reading, schema: &Schema) -> Plan {
        Plan { tree: sqlite::steps(rows, reading, schema), text: rows.iter().filter_map(|cells| cells.get(3).cloned().flatten()).collect() }
    }

    /// The names of the indexes it reads.
    pub fn indexes(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.tree.iter().for_each(|step| step.each(&mut |step| found.extend(step.index.as_deref())));
        found
    }

    /// What is costly in it, in words.
    pub fn costly(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.tree.iter().for_each(|step| step.each(&mut |step| found.extend(step.costly.as_deref())));
        found
    }

    /// The tree as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.tree.iter().for_each(|step| step.write(0, &mut lines));
        lines
    }
}

impl Step {
    fn each<'s>(&'s self, seen: &mut dyn FnMut(&'s Step)) {
        seen(self);
        self.steps.iter().for_each(|step| step.each(seen));
    }

    fn write(&self, depth: usize, lines: &mut Vec<String>) {
        let mut line = format!("{}{} {}", "   ".repeat(depth), if depth == 0 { "─" } else { "└" }, self.what);
        if let Some(rows) = self.rows {
            write!(line, " · {} rows", thousands(rows)).expect("writing to a string cannot fail");
        }
        if let Some(share) = self.share.filter(|share| *share >= 1.0) {
            write!(line, " · {share:.0} % of the cost").expect("writing to a string cannot fail");
        }
        lines.push(line);
        if let Some(costly) = &self.costly {
            lines.push(format!("{}  ▲ {costly}", "   ".repeat(depth)));
        }
        self.steps.iter().for_each(|step| step.write(depth + 1, lines));
    }
}

/// A number with its thousands apart.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
