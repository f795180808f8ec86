//! Reads what a statement asks of each table: what must equal, lie in a range, come in order, and which columns are looked at.
//! Refuses to guess: what it does not understand of a statement gives no hint, and what it cannot parse is told.

mod conditions;
mod scope;
mod walk;

use crate::schema::Schema;
use serde::Serialize;
use sqlparser::ast::Statement;
use sqlparser::dialect::{GenericDialect, PostgreSqlDialect};
use sqlparser::parser::Parser;
use std::collections::{BTreeMap, BTreeSet};

/// What a statement does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    /// It reads.
    #[default]
    Select,
    /// It adds rows.
    Insert,
    /// It changes rows.
    Update,
    /// It removes rows.
    Delete,
}

/// What stands on the other side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum With {
    /// Parameter `$n`.
    Parameter(usize),
    /// Column `n` of the row set that the statement is given.
    RowSet(usize),
    /// A constant of the text, as SQL.
    Constant(String),
    /// A column of another table of the statement: the use's place in [`Reading::uses`].
    Column(usize, String),
    /// Anything else that is known before the table is read, as a subquery's answer.
    Known,
}

/// A comparison of a column with what it must equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Equal {
    /// The column.
    pub column: String,
    /// What it equals.
    pub with: With,
}

/// A bound of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The column.
    pub column: String,
    /// True when the column must stay below.
    pub upper: bool,
    /// The bound.
    pub with: With,
}

/// What a statement asks of one table, in one place where it names it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Use {
    /// The table's name.
    pub table: String,
    /// What the statement calls it.
    pub alias: String,
    /// What must be equal.
    pub equal: Vec<Equal>,
    /// What must lie in a range.
    pub bounds: Vec<Bound>,
    /// The order in which rows are wanted, with true for falling, where it is a matter of this table alone.
    pub order: Vec<(String, bool)>,
    /// The columns by which rows are grouped or made distinct.
    pub group: Vec<String>,
    /// Conditions without a parameter, by column, as SQL without the table's name: `state = 'failed'`.
    pub constant: Vec<(String, String)>,
    /// Every column that is looked at.
    pub columns: BTreeSet<String>,
    /// True when only the first rows are wanted.
    pub limited: bool,
    /// True for the table that is written.
    pub written: bool,
}

/// What a parameter is compared with, from which typical values are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A value that a column of a use is compared with.
    Column {
        /// The use.
        of: usize,
        /// The column.
        column: String,
        /// Where it is a bound: true for an upper one.
        bound: Option<bool>,
    },
    /// Several values of a column of a use, as one array.
    Array {
        /// The use.
        of: usize,
        /// The column.
        column: String,
    },
    /// How many rows are wanted.
    Limit,
    /// How many rows are passed over.
    Offset,
}

/// The columns of a row set and the parameters that carry them: an array each on Postgres, one JSON text on SQLite.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RowSet {
    /// Their names, each with its parameter.
    pub columns: Vec<(String, usize)>,
    /// Whether bytes travel as hex digits, by column.
    pub hex: Vec<bool>,
}

/// A statement, read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// What it does.
    pub verb: Verb,
    /// The table it writes.
    pub written: Option<String>,
    /// The columns an update sets.
    pub set: BTreeSet<String>,
    /// What it asks of tables.
    pub uses: Vec<Use>,
    /// What parameters mean, by number.
    pub meanings: BTreeMap<usize, Meaning>,
    /// What columns of its row set mean.
    pub row_meanings: BTreeMap<usize, Meaning>,
    /// The row set it takes.
    pub row_set: Option<RowSet>,
    /// A text that finds the same rows and changes none, for measuring.
    pub harmless: Option<String>,
}

/// Reads a text of numbered parameters.
///
/// # Errors
/// The text is no SQL that is understood; the message says where.
pub(crate) fn read(text: &str, schema: &Schema) -> Result<Reading, String> {
    // The parser knows two strengths of locks, and cross joins without a condition as the standard has them: neither matters here.
    let text = text.replace("for no key update", "for update").replace("for key share", "for share").replace(" cross join ", " join ");
    let text = text.as_str();
    let parsed = Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(200)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_statements())
        .or_else(|first| Parser::parse_sql(&GenericDialect {}, text).map_err(|_| first))
        .map_err(|e| e.to_string())?;
    let [statement] = parsed.as_slice() else { return Err(format!("{} statements stand where one would be right", parsed.len())) };
    let mut reading = walk::walk(statement, schema);
    reading.harmless = harmless(statement);
    Ok(reading)
}

/// A select as it is; an update or a delete as the select that finds its rows.
fn harmless(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Query(query) if !walk::writes(query) => {
            let mut query = query.clone();
            query.locks.clear();
            Some(query.to_string())
        }
        Statement::Update(update) => {
            let from = update.from.as_ref().map(|from| walk::tables_of_update(from).iter().map(ToString::to_string).collect::<Vec<_>>());
            let tables: Vec<String> = std::iter::once(update.table.to_string()).chain(from.into_iter().flatten()).collect();
            Some(select_of(&tables, update.selection.as_ref()))
        }
        Statement::Delete(delete) => {
            let using = delete.using.iter().flatten();
            let tables: Vec<String> = walk::tables_of_delete(&delete.from).iter().chain(using).map(ToString::to_string).collect();
            Some(select_of(&tables, delete.selection.as_ref()))
        }
        _ => None,
    }
}

fn select_of(tables: &[String], selection: Option<&sqlparser::ast::Expr>) -> String {
    let filter = selection.map(|selection| format!(" where {selection}")).unwrap_or_default();
    format!("select 1 from {}{filter}", tables.join(", "))
}
