//! What a database holds: its tables with their sizes and columns, and the indexes on them.
//! Refuses schemas beside the one that plain names mean.

mod postgres;
mod sqlite;

use db::{Engine, Error, Inspector};
use serde::Serialize;
use std::collections::BTreeMap;

/// The tables of a database by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    /// Tables by name.
    pub tables: BTreeMap<String, Table>,
}

/// A table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Rows, as the engine's statistics say, or counted where it has none.
    pub rows: f64,
    /// Its size in bytes, without its indexes.
    pub bytes: u64,
    /// Its indexes, the primary key's among them where it has one.
    pub indexes: Vec<Index>,
    /// True on SQLite when rows have a number of their own by which they are found.
    pub has_rowid: bool,
    /// True when the engine has statistics of it.
    pub analysed: bool,
}

/// A column.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the engine names it.
    pub(crate) kind: String,
    /// What its values take, in bytes on the average, where rows were sampled.
    pub(crate) width: Option<u64>,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// What it is ordered by; an expression is an empty text.
    pub columns: Vec<String>,
    /// Columns that it only holds.
    pub included: Vec<String>,
    /// No two rows have the same values in it.
    pub unique: bool,
    /// It belongs to the primary key or to a constraint, and cannot be dropped alone.
    pub owned: bool,
    /// The rows it holds, where it does not hold all.
    pub predicate: Option<String>,
    /// Its size in bytes, where the engine tells.
    pub bytes: Option<u64>,
    /// How often statements used it since the server counts; Postgres only.
    pub scans: Option<u64>,
    /// False when making it was interrupted.
    pub valid: bool,
}

impl Schema {
    /// Reads what is there.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn read(database: &mut Inspector) -> Result<Schema, Error> {
        match database.engine() {
            Engine::Sqlite => sqlite::read(database).await,
            Engine::Postgres => postgres::read(database).await,
        }
    }

    /// The table of that name, however its letters are cased.
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name).or_else(|| self.tables.get(&name.to_lowercase()))
    }
}

impl Table {
    /// Finds a column.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// What a value of the column takes in an index, in bytes, roughly.
    pub fn width(&self, column: &str) -> u64 {
        if let Some(width) = self.column(column).and_then(|column| column.width) {
            return width;
        }
        let kind = self.column(column).map_or("", |column| column.kind.as_str()).to_lowercase();
        match kind.as_str() {
            "boolean" => 1,
            "smallint" | "int2" => 2,
            "integer" | "int" | "int4" | "real" | "date" => 4,
            "bigint" | "int8" | "double precision" => 8,
            kind if kind.starts_with("timestamp") => 8,
            "uuid" | "blob" | "bytea" => 16,
            _ => 12,
        }
    }
}

/// Pairs of indexes of which the first is not needed: all it does, the second does as well.
pub(crate) fn duplicates(table: &Table) -> Vec<(&Index, &Index)> {
    let covers = |small: &Index, large: &Index| {
        let begins = large.columns.starts_with(&small.columns) && !small.columns.iter().any(String::is_empty);
        let holds = small.included.iter().all(|column| large.columns.contains(column) || large.included.contains(column));
        begins && holds && small.predicate == large.predicate && large.valid
    };
    let mut found = Vec::new();
    for (i, small) in table.indexes.iter().enumerate() {
        // What guards uniqueness or belongs to a constraint has another task than to be quick.
        if small.unique || small.owned {
            continue;
        }
        let better = table.indexes.iter().enumerate().find(|(j, large)| {
            let same = large.columns == small.columns && large.included == small.included && !large.unique && !large.owned;
            // Of two equal ones, the later is the one too many.
            i != *j && covers(small, large) && (!same || *j < i)
        });
        if let Some((_, large)) = better {
            found.push((small, large));
        }
    }
    found
}

fn number(cell: Option<&String>) -> f64 {
    cell.and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes and counts are not negative and far from the limit")]
fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, columns: &[&str]) -> Index {
        Index { name: name.into(), columns: columns.iter().map(|c| (*c).to_owned()).collect(), valid: true, ..Index::default() }
    }

    #[test]
    fn an_index_that_begins_another_is_not_needed_and_a_unique_one_is() {
        let unique = Index { unique: true, ..index("u", &["a"]) };
        let table =
            Table { indexes: vec![index("ab", &["a", "b"]), index("a", &["a"]), unique, index("ab2", &["a", "b"])], ..Table::default() };
        let found: Vec<(&str, &str)> = duplicates(&table).into_iter().map(|(a, b)| (a.name.as_str(), b.name.as_str())).collect();
        assert_eq!(found, [("a", "ab"), ("ab2", "ab")]);
    }

    #[test]
    fn a_partial_index_is_no_duplicate_of_a_whole_one() {
        let partial = Index { predicate: Some("state = 'x'".into()), ..index("p", &["a"]) };
        let table = Table { indexes: vec![partial, index("a", &["a", "b"])], ..Table::default() };
        assert!(duplicates(&table).is_empty());
    }
}
