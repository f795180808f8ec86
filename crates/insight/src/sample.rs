//! Rows taken here and there from the real tables: typical values for parameters, and how many rows a condition leaves.
//! Refuses to keep values: they live as long as an examination and stand in no report.

use crate::reading::{Meaning, Reading, Use, With};
use crate::schema::{Schema, Table};
use crate::sql::{literal, quoted};
use db::{Engine, Error, Inspector};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

/// Rows taken of each table.
const ROWS: usize = 2_000;
/// Rows that a row set is given when a statement is tried.
const ROW_SET: usize = 16;
/// How many rows a page has when a statement is tried.
const LIMIT: &str = "20";
/// Above this many rows Postgres picks pages instead of rows.
const EVERY_ROW_MAX: f64 = 3_000_000.0;

/// Rows of the tables that statements look at, as literals of SQL.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    tables: HashMap<String, Sample>,
}

/// Rows of one table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Rows of the whole table.
    of: f64,
}

impl Samples {
    /// Takes rows of every table that the readings put conditions on.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn take<'r>(
        database: &mut Inspector,
        schema: &Schema,
        readings: impl Iterator<Item = &'r Reading>,
    ) -> Result<Samples, Error> {
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for used in readings.flat_map(|reading| &reading.uses) {
            let columns = used.equal.iter().map(|equal| &equal.column).chain(used.bounds.iter().map(|bound| &bound.column));
            let columns = columns.chain(used.constant.iter().map(|(column, _)| column)).chain(used.group.iter());
            let columns = columns.chain(used.order.iter().map(|(column, _)| column)).chain(&used.columns);
            wanted.entry(used.table.clone()).or_default().extend(columns.cloned());
        }
        let mut samples = Samples::default();
        for (name, columns) in wanted {
            let Some(table) = schema.table(&name).filter(|_| !columns.is_empty()) else { continue };
            let columns: Vec<String> = columns.into_iter().collect();
            let cells = database.query(&question(database.engine(), table, &columns)).await?;
            let rows = cells.into_iter().map(|cells| {
                cells.into_iter().map(|cell| cell.filter(|cell| cell != "NULL").unwrap_or_else(|| "null".to_owned())).collect()
            });
            samples.tables.insert(name, Sample { columns, rows: rows.collect(), of: table.rows.max(1.0) });
        }
        Ok(samples)
    }

    /// Tells the schema what its columns' values take.
    pub(crate) fn widen(&self, schema: &mut Schema) {
        for (name, sample) in self.tables.iter().filter(|(_, sample)| !sample.rows.is_empty()) {
            let Some(table) = schema.tables.get_mut(name) else { continue };
            table.columns.iter_mut().for_each(|column| column.width = sample.width(&column.name));
        }
    }

    /// The rows of a table.
    pub(crate) fn of(&self, table: &str) -> Option<&Sample> {
        self.tables.get(table).filter(|sample| !sample.rows.is_empty())
    }

    /// Typical literals for a statement's parameters, so many sets of them; values that must fit together come from one row.
    pub(crate) fn parameters(&self, reading: &Reading, count: usize, engine: Engine, sets: usize) -> Vec<Vec<String>> {
        (0..sets.max(1)).map(|set| self.one_set(reading, count, engine, (set, sets.max(1)))).collect()
    }

    fn one_set(&self, reading: &Reading, count: usize, engine: Engine, set: (usize, usize)) -> Vec<String> {
        let mut literals = vec!["null".to_owned(); count];
        let mut taken: HashMap<(usize, &str), usize> = HashMap::new();
        for (number, meaning) in reading.meanings.iter().filter(|(number, _)| (1..=count).contains(*number)) {
            literals[number - 1] = match meaning {
                Meaning::Limit => LIMIT.to_owned(),
                Meaning::Offset => "0".to_owned(),
                Meaning::Array { of, column } => {
                    let one = |at| self.value(&reading.uses[*of], column, None, (set.0 * ROW_SET + at, set.1 * ROW_SET), 0);
                    array(&(0..ROW_SET).map(one).collect::<Vec<_>>())
                }
                Meaning::Column { of, column, bound } => {
                    let times = taken.entry((*of, column)).or_insert(0);
                    *times += 1;
                    self.value(&reading.uses[*of], column, *bound, set, *times - 1)
                }
            };
        }
        if let Some(rows) = &reading.row_set {
            let columns: Vec<Vec<String>> = (0..rows.columns.len()).map(|at| self.row_set_column(reading, at, set)).collect();
            match engine {
                Engine::Postgres => {
                    for (values, (_, number)) in columns.iter().zip(&rows.columns).filter(|(_, (_, number))| *number <= count) {
                        literals[number - 1] = array(values);
                    }
                }
                Engine::Sqlite => {
                    if let Some((_, number)) = rows.columns.first().filter(|(_, number)| *number <= count) {
                        literals[number - 1] = json_rows(&columns);
                    }
                }
            }
        }
        literals
    }

    fn row_set_column(&self, reading: &Reading, at: usize, (set, sets): (usize, usize)) -> Vec<String> {
        let value = |row: usize| match reading.row_meanings.get(&at) {
            Some(Meaning::Column { of, column, bound }) => {
                self.value(&reading.uses[*of], column, *bound, (set * ROW_SET + row, sets * ROW_SET), 0)
            }
            _ => "null".to_owned(),
        };
        (0..ROW_SET).map(value).collect()
    }

    fn value(&self, used: &Use, column: &str, bound: Option<bool>, (set, sets): (usize, usize), again: usize) -> String {
        let Some(sample) = self.of(&used.table) else { return "null".to_owned() };
        let Some(at) = sample.columns.iter().position(|name| name == column) else { return "null".to_owned() };
        let part = |rows: usize| (set * rows / sets + rows / (2 * sets)).min(rows - 1);
        match bound {
            None => sample.rows[(part(sample.rows.len()) + again * 13) % sample.rows.len()][at].clone(),
            Some(upper) => {
                let sorted = sample.sorted(at);
                if sorted.is_empty() {
                    return "null".to_owned();
                }
                let both = used.bounds.iter().any(|other| other.column == column && other.upper != upper);
                // Between two bounds lies one row of a hundred; where a single one lies is not known, so they are spread.
                let narrow = (sorted.len() / 100).max(1);
                let place = match (both, upper) {
                    (true, true) => part(sorted.len()) + narrow,
                    (true, false) => part(sorted.len()),
                    (false, _) => part(sorted.len()),
                };
                sorted[place.min(sorted.len() - 1)].clone()
            }
        }
    }
}

impl Sample {
    /// What a column's values take, in bytes on the average.
    pub(crate) fn width(&self, column: &str) -> Option<u64> {
        let at = self.columns.iter().position(|name| name == column)?;
        let bytes = |literal: &String| match literal.as_bytes() {
            [b'X' | b'x', b'\'', hex @ ..] => hex.len() / 2,
            [b'E', b'\'', hex @ ..] => hex.len() / 2,
            [b'\'', text @ ..] if literal.trim_matches('\'').parse::<f64>().is_err() => text.len() - 1,
            _ => 8,
        };
        let all: usize = self.rows.iter().map(|row| bytes(&row[at])).sum();
        Some((all / self.rows.len().max(1)) as u64)
    }

    fn sorted(&self, at: usize) -> Vec<String> {
        let mut values: Vec<String> = self.rows.iter().map(|row| row[at].clone()).filter(|value| value != "null").collect();
        values.sort_by(|a, b| compare(a, b));
        values
    }

    fn places(&self, columns: &[String]) -> Option<Vec<usize>> {
        columns.iter().map(|column| self.columns.iter().position(|name| name == column)).collect()
    }

    /// Different values of some columns together, in the whole table, by what Haas and Stokes (1998) tell from a sample.
    pub(crate) fn distinct(&self, columns: &[String]) -> f64 {
        let Some(places) = self.places(columns) else { return self.of };
        let mut counts: HashMap<Vec<&str>, usize> = HashMap::new();
        for row in &self.rows {
            *counts.entry(places.iter().map(|at| row[*at].as_str()).collect()).or_insert(0) += 1;
        }
        let (n, d) = (self.rows.len() as f64, counts.len() as f64);
        let once = counts.values().filter(|count| **count == 1).count() as f64;
        (n * d / (n - once + once * n / self.of.max(n))).clamp(d, self.of.max(d))
    }

    /// The share of rows in which these columns have these values; a value that is rare in the sample counts as an average one.
    pub(crate) fn share_equal(&self, wanted: &[(String, Option<String>)]) -> f64 {
        if wanted.is_empty() {
            return 1.0;
        }
        let columns: Vec<String> = wanted.iter().map(|(column, _)| column.clone()).collect();
        let average = 1.0 / self.distinct(&columns).max(1.0);
        let Some(places) = self.places(&columns).filter(|_| !self.rows.is_empty()) else { return average };
        let fits =
            |row: &&Vec<String>| places.iter().zip(wanted).all(|(at, (_, value))| value.as_ref().is_none_or(|value| row[*at] == *value));
        let known = wanted.iter().all(|(_, value)| value.is_some());
        let found = self.rows.iter().filter(fits).count() as f64;
        if known && found >= 3.0 { found / self.rows.len() as f64 } else { average }
    }

    /// The share of rows with a column's value between the bounds.
    pub(crate) fn share_between(&self, column: &str, from: Option<&str>, to: Option<&str>) -> f64 {
        let Some(at) = self.columns.iter().position(|name| name == column) else { return 0.3 };
        let sorted = self.sorted(at);
        if sorted.is_empty() || (from.is_none() && to.is_none()) {
            return 0.3;
        }
        let under = |value: &str| sorted.partition_point(|one| compare(one, value).is_lt());
        let upto = |value: &str| sorted.partition_point(|one| compare(one, value).is_le());
        let between = to.map_or(sorted.len(), upto).saturating_sub(from.map_or(0, under));
        (between as f64 / self.rows.len().max(1) as f64).max(0.5 / self.rows.len().max(1) as f64)
    }

    /// How rows are spread over a column: its most frequent values with their shares.
    pub(crate) fn share_of_literal(&self, column: &str, value: &str) -> Option<f64> {
        let at = self.columns.iter().position(|name| name == column)?;
        let found = self.rows.iter().filter(|row| row[at] == value).count() as f64;
        Some(found.max(0.5) / self.rows.len().max(1) as f64)
    }
}

/// What a reading's comparisons are given by a set of parameters.
pub(crate) fn given(with: &With, literals: &[String], engine: Engine) -> Option<String> {
    match with {
        With::Parameter(number) => literals.get(number - 1).filter(|value| *value != "null").cloned(),
        With::Constant(value) if value == "null" => Some(value.clone()),
        // Values were read as literals: on Postgres all of them are texts.
        With::Constant(value) => Some(if engine == Engine::Postgres && !value.starts_with('\'') { literal(value) } else { value.clone() }),
        _ => None,
    }
}

fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    let bare = |text: &str| text.trim_matches('\'').parse::<f64>().ok();
    match (bare(a), bare(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}

fn question(engine: Engine, table: &Table, columns: &[String]) -> String {
    let name = quoted(&table.name);
    let shown = |show: &dyn Fn(&str) -> String| columns.iter().map(|column| show(&quoted(column))).collect::<Vec<_>>().join(", ");
    if engine == Engine::Postgres {
        let percent = (ROWS as f64 * 125.0 / table.rows.max(1.0)).clamp(0.0001, 100.0);
        let how = if table.rows > EVERY_ROW_MAX { "system" } else { "bernoulli" };
        let from = if percent >= 100.0 || table.rows < ROWS as f64 {
            name
        } else {
            format!("{name} tablesample {how} ({percent:.4}) repeatable (7)")
        };
        return format!("select {} from {from} limit {ROWS}", shown(&|column| format!("quote_nullable({column}::text)")));
    }
    let shown = shown(&|column| format!("quote({column})"));
    if table.rows <= ROWS as f64 {
        return format!("select {shown} from {name}");
    }
    if table.has_rowid {
        // Row numbers far apart and without a period, as multiples of the golden ratio are.
        let parts: Vec<String> = (1..=ROWS).map(|i| format!("{:.6}", (i as f64 * 0.618_033_988_749_895).fract())).collect();
        let mut values = String::new();
        parts.iter().for_each(|part| {
            write!(values, "{}({part})", if values.is_empty() { "" } else { ", " }).expect("writing to a string cannot fail")
        });
        return format!(
            "with part (golden_part) as (values {values}), place (golden_row) as materialized \
             (select cast(golden_part * (select max(rowid) - min(rowid) from {name}) as integer) + (select min(rowid) from {name}) from part) \
             select {shown} from place cross join {name} where {name}.rowid = place.golden_row"
        );
    }
    let step = table.rows / 10.0;
    let chunk = |at: usize| format!("select * from (select {shown} from {name} limit {} offset {:.0})", ROWS / 10, at as f64 * step);
    (0..10).map(chunk).collect::<Vec<_>>().join(" union all ")
}

/// An array of Postgres as a literal.
fn array(values: &[String]) -> String {
    let element = |value: &String| match value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(text) => format!("\"{}\"", text.replace("''", "'").replace('\\', "\\\\").replace('"', "\\\"")),
        // Backslashes make Postgres write the literal in its other form, where each stands twice.
        None => match value.strip_prefix("E'").and_then(|rest| rest.strip_suffix('\'')) {
            Some(text) => format!("\"{}\"", text.replace("''", "'").replace('"', "\\\"")),
            None => value.clone(),
        },
    };
    literal(&format!("{{{}}}", values.iter().map(element).collect::<Vec<_>>().join(",")))
}

/// A row set as SQLite gets it: one JSON text, bytes as hex digits.
fn json_rows(columns: &[Vec<String>]) -> String {
    let cell = |value: &String| match value.strip_prefix("X'").or_else(|| value.strip_prefix("x'")).or_else(|| value.strip_prefix('\'')) {
        Some(text) => serde_json::Value::String(text.trim_end_matches('\'').replace("''", "'")),
        None => serde_json::from_str(value).unwrap_or(serde_json::Value::Null),
    };
    let rows = columns.first().map_or(0, Vec::len);
    let rows: Vec<Vec<serde_json::Value>> = (0..rows).map(|row| columns.iter().map(|column| cell(&column[row])).collect()).collect();
    literal(&serde_json::to_string(&rows).expect("values are plain data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[&str], of: f64) -> Sample {
        Sample { columns: vec!["c".into()], rows: values.iter().map(|value| vec![(*value).to_owned()]).collect(), of }
    }

    #[test]
    fn a_sample_of_different_values_stands_for_a_column_of_different_values() {
        let values: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let columns = ["c".to_owned()];
        assert!(sample(&values, 1e6).distinct(&columns) > 900_000.0);
        let few: Vec<&str> = (0..1000).map(|n| if n % 10 == 0 { "1" } else { "2" }).collect();
        assert_eq!(sample(&few, 1e6).distinct(&columns), 2.0);
        assert_eq!(sample(&few, 1e6).share_equal(&[("c".into(), Some("1".into()))]), 0.1);
    }

    #[test]
    fn a_range_leaves_the_share_that_lies_in_it() {
        let values: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let share = sample(&values, 1e6).share_between("c", Some("100"), Some("199"));
        assert!((share - 0.1).abs() < 0.001, "{share}");
    }

    #[test]
    fn row_sets_are_written_as_each_engine_reads_them() {
        assert_eq!(array(&["'a\"b'".into(), "null".into(), "E'\\\\x01'".into()]), "'{\"a\\\"b\",null,\"\\\\x01\"}'");
        assert_eq!(
            json_rows(&[vec!["X'AB'".into(), "7".into()], vec!["'it''s'".into(), "null".into()]]),
            "'[[\"AB\",\"it''s\"],[7,null]]'"
        );
    }
}
