//! A named statement, written once for both engines; `db` renders what differs and times what runs.
//! Refuses text put together from values: values are bound, many rows travel as a row set.
//!
//! In the text, `rows` is the row set that was passed (it counts as `$1`, further arguments follow it), and `{for update}` or
//! `{for update of t}` locks rows where the engine has row locks. `{hex column}` shows bytes as text. An argument that may be null is cast in the text.

use crate::Engine;
use crate::statistics::{Meter, meter_of};
use crate::together::Tables;
use std::sync::{Arc, OnceLock};

/// The type of a column in a row set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// 64-bit whole number.
    Int,
    /// Text.
    Text,
    /// Bytes, as ids are.
    Bytes,
}

/// Rows are locked in this order and never in another, so that two transactions cannot wait for each other.
/// Loads carry a rank; writes need none, since what they touch was locked by a load or is new under a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Reads without a lock.
    None,
    /// The accounts whose money or things are touched.
    Gate,
    /// Payments.
    Payments,
    /// Orders and wishlists.
    Orders,
    /// Claims.
    Claims,
    /// Library rows.
    Library,
    /// Wallets.
    Wallets,
    /// Budgets.
    Budgets,
    /// Limited stock and its holds.
    Stock,
    /// Rows of services outside the store, after all of the above.
    Other,
}

/// A statement with a name, as `pub static ADD: Statement = Statement::new("library.add", "insert …")`.
pub struct Statement {
    pub(crate) name: &'static str,
    text: &'static str,
    postgres_text: Option<&'static str>,
    pub(crate) columns: &'static [(&'static str, Column)],
    pub(crate) rank: Rank,
    sqlite: OnceLock<&'static str>,
    postgres: OnceLock<&'static str>,
    meter: OnceLock<Arc<Meter>>,
    tables: OnceLock<Tables>,
}

impl Statement {
    /// A statement in portable SQL; arguments are `$1`, `$2`, ….
    pub const fn new(name: &'static str, text: &'static str) -> Statement {
        Statement {
            name,
            text,
            postgres_text: None,
            columns: &[],
            rank: Rank::None,
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
            meter: OnceLock::new(),
            tables: OnceLock::new(),
        }
    }

    /// Postgres gets this text instead, where the engines truly differ.
    pub const fn on_postgres(mut self, text: &'static str) -> Statement {
        self.postgres_text = Some(text);
        self
    }

    /// The statement takes a row set, named `rows` in its text, with these columns; it counts as `$1`.
    pub const fn rows(mut self, columns: &'static [(&'static str, Column)]) -> Statement {
        self.columns = columns;
        self
    }

    /// The rows it locks; a transaction may not go back to an earlier rank.
    pub const fn locks(mut self, rank: Rank) -> Statement {
        self.rank = rank;
        self
    }

    /// The name under which it is timed.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The text an engine gets. Rendered once and kept for good: statements are statics.
    pub fn text(&self, engine: Engine) -> &'static str {
        let cell = match engine {
            Engine::Sqlite => &self.sqlite,
            Engine::Postgres => &self.postgres,
        };
        cell.get_or_init(|| Box::leak(self.render(engine).into_boxed_str()))
    }

    /// The tables it names on Postgres.
    pub(crate) fn tables(&self) -> &Tables {
        self.tables.get_or_init(|| Tables::of(self.postgres_text.unwrap_or(self.text)))
    }

    /// Its part of a trace, from here until it is dropped.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::debug_span!(target: trace::TARGET, "statement", otel.name = self.name, otel.kind = "client")
    }

    pub(crate) fn meter(&'static self) -> &'static Meter {
        self.meter.get_or_init(|| meter_of(self))
    }

    fn render(&self, engine: Engine) -> String {
        let text = match engine {
            Engine::Postgres => self.postgres_text.unwrap_or(self.text),
            Engine::Sqlite => self.text,
        };
        let renumbered = match engine {
            Engine::Postgres if !self.columns.is_empty() => renumber(text, self.columns.len()),
            _ => text.to_owned(),
        };
        let text = renumbered.as_str();
        let mut rendered = String::with_capacity(text.len() + 256);
        if !self.columns.is_empty() {
            rendered.push_str(&row_source(self.columns, engine));
        }
        let mut rest = text;
        while let Some(start) = rest.find("{for update") {
            let end = start + rest[start..].find('}').expect("a brace that opens a lock clause closes it");
            rendered.push_str(&rest[..start]);
            if engine == Engine::Postgres {
                rendered.push_str("for no key update");
                rendered.push_str(&rest[start + "{for update".len()..end]);
            }
            rest = &rest[end + 1..];
        }
        rendered.push_str(rest);
        if engine == Engine::Sqlite {
            // It keeps the order of a cross join: from the rows to the table. Without statistics it may go from the table instead, and
            // read all rows once for each of the table's.
            rendered = rendered.replace("from rows r join ", "from rows r cross join ");
        }
        render_hex(&rendered, engine)
    }
}

/// `{hex column}`: bytes as text, which checks show.
fn render_hex(text: &str, engine: Engine) -> String {
    let mut parts = text.split("{hex ");
    let mut rendered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (column, rest) = part.split_once('}').expect("a brace that opens a hex clause closes it");
        rendered.push_str(&match engine {
            Engine::Sqlite => format!("hex({column})"),
            Engine::Postgres => format!("encode({column}, 'hex')"),
        });
        rendered.push_str(rest);
    }
    rendered
}

/// `with rows as (…)`: the row set's parameters as a table.
fn row_source(columns: &[(&str, Column)], engine: Engine) -> String {
    match engine {
        Engine::Sqlite => {
            let column = |(i, (name, kind)): (usize, &(&str, Column))| match kind {
                Column::Bytes => format!("unhex(value ->> {i}) as {name}"),
                Column::Int | Column::Text => format!("value ->> {i} as {name}"),
            };
            let columns: Vec<String> = columns.iter().enumerate().map(column).collect();
            // Rows come as binary JSON, so that reading a column parses nothing again.
            format!("with rows as (select {} from jsonb_each($1)) ", columns.join(", "))
        }
        Engine::Postgres => {
            let array = |(i, (_, kind)): (usize, &(&str, Column))| {
                let kind = match kind {
                    Column::Int => "bigint",
                    Column::Text => "text",
                    Column::Bytes => "bytea",
                };
                format!("cast(${} as {kind}[])", i + 1)
            };
            let arrays: Vec<String> = columns.iter().enumerate().map(array).collect();
            let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
            format!("with rows as (select * from unnest({}) as row_set({})) ", arrays.join(", "), names.join(", "))
        }
    }
}

/// Further arguments are `$2` and on beside a row set; on Postgres its columns have taken more numbers than one.
pub(crate) fn renumber(text: &str, taken: usize) -> String {
    let mut parts = text.split('$');
    let mut renumbered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        renumbered.push('$');
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match part[..digits].parse::<usize>() {
            Ok(number) => renumbered.push_str(&(number + taken - 1).to_string()),
            Err(_) => renumbered.push_str(&part[..digits]),
        }
        renumbered.push_str(&part[digits..]);
    }
    renumbered
}

#[cfg(test)]
mod tests {
    use super::*;

    static LOCKED: Statement = Statement::new("test.locked", "select w.id from wallet w join rows r on r.id = w.id {for update of w}")
        .rows(&[("id", Column::Bytes), ("amount", Column::Int)])
        .locks(Rank::Wallets);

    #[test]
    fn one_text_is_rendered_for_both_engines() {
        assert_eq!(
            LOCKED.text(Engine::Sqlite),
            "with rows as (select unhex(value ->> 0) as id, value ->> 1 as amount from jsonb_each($1)) \
             select w.id from wallet w join rows r on r.id = w.id "
        );
        assert_eq!(
            LOCKED.text(Engine::Postgres),
            "with rows as (select * from unnest(cast($1 as bytea[]), cast($2 as bigint[])) as row_set(id, amount)) \
             select w.id from wallet w join rows r on r.id = w.id for no key update of w"
        );
    }

    #[test]
    fn sqlite_goes_from_the_rows_to_the_table() {
        static JOINED: Statement = Statement::new("test.joined", "select s.id from rows r join state s on s.game = $2 and s.id = r.id")
            .rows(&[("id", Column::Bytes)]);
        assert!(JOINED.text(Engine::Sqlite).contains("from rows r cross join state s on s.game = $2"));
        assert!(JOINED.text(Engine::Postgres).contains("from rows r join state s on s.game = $2"));
    }

    #[test]
    fn further_arguments_follow_the_row_set() {
        static FURTHER: Statement = Statement::new("test.further", "delete from t where id in (select id from rows) and at < $2")
            .rows(&[("id", Column::Bytes), ("amount", Column::Int)]);
        assert!(FURTHER.text(Engine::Sqlite).ends_with("and at < $2"));
        assert!(FURTHER.text(Engine::Postgres).ends_with("and at < $3"));
    }
}
