//! Visits on SQLite: a read-only connection per game, whose views show the game's rows and whose authorizer knows the views alone.
//! Refuses everything else while a statement is prepared: tables, system tables, pragmas, functions that are not listed, recursion.

use super::text::{Foreign, Hold};
use super::wrap::{Around, quoted};
use super::{CHECK_MAX, Fault, Order, Returned, Trouble, View, Visit, allowed, not_a_view, plan};
use crate::engine::Target;
use crate::{Engine, Error};
use kernel::GameId;
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Steps of the engine's machine between two looks at the time limit.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;
/// The longest text or row, in bytes: what grows beyond it ends the statement.
const LENGTH_MAX: i32 = 256 << 10;
/// Memory for pages, in KiB; what needs more goes to a temporary file.
const CACHE_KIB: i32 = 8 << 10;

/// Where visits are made.
pub(super) struct House {
    path: PathBuf,
    views: &'static [View],
}

impl House {
    pub(super) fn of(url: &str, views: &'static [View]) -> Result<House, Error> {
        match Target::parse(url, 0)? {
            Target::Sqlite(file) => Ok(House { path: file.path, views }),
            Target::Postgres(_) => Err(Error::Broken("a visit on SQLite needs a file".to_owned())),
        }
    }

    /// A connection for one game.
    pub(super) fn open(&self, game: &GameId) -> Result<Guest, Error> {
        let connection = self.connect()?;
        // A name nobody can guess: the authorizer is told by which view a table is read, and a common table expression of the
        // statement's own could bear the name of a view.
        let secret = kernel::Uuid::now_v7().simple().to_string();
        let setting = format!("pragma cache_size = -{CACHE_KIB}; pragma temp_store = file;");
        connection.execute_batch(&setting).map_err(gone)?;
        let mut doors = Doors { inner: BTreeMap::new(), views: self.views, closed: closed(&connection)?, secret: secret.clone() };
        for view in self.views {
            let inner = format!("{}_{secret}", view.name);
            let columns: Vec<String> = view.columns.iter().map(|(name, _)| quoted(name)).collect();
            let body = view.select.replace("{game}", &format!("'{game}'"));
            let made = format!(
                "create temp view {} as {body}; create temp view {} as select {} from {}",
                quoted(&inner),
                quoted(view.name),
                columns.join(", "),
                quoted(&inner)
            );
            connection.execute_batch(&made).map_err(|e| Error::Broken(format!("view {}: {e}", view.name)))?;
            doors.inner.insert(inner, view);
        }
        Guest::within(connection, doors)
    }

    fn connect(&self) -> Result<Connection, Error> {
        let connection =
            Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(gone)?;
        connection.busy_timeout(CHECK_MAX).map_err(gone)?;
        Ok(connection)
    }

    /// Whether a table holds more rows than that, of all games.
    pub(super) fn holds_more(&self, table: &str, rows: u64) -> Result<bool, Error> {
        if !self.views.iter().any(|view| view.tables.contains(&table)) {
            return Ok(false);
        }
        let count = format!("select count(*) from (select 1 from {} limit {})", quoted(table), rows.saturating_add(1).min(i64::MAX as u64));
        let counted = self.connect()?.query_row(&count, [], |row| row.get::<_, i64>(0));
        counted.map(|counted| counted.cast_unsigned() > rows).map_err(|e| Error::of_sqlite("visitor.count", e))
    }
}

/// Names that may not be read even as a count of rows: tables, and modules whose rows come from the engine.
fn closed(connection: &Connection) -> Result<BTreeSet<String>, Error> {
    let names = |text: &str| -> rusqlite::Result<Vec<String>> { connection.prepare(text)?.query_map([], |row| row.get(0))?.collect() };
    let mut closed = BTreeSet::new();
    for text in ["select name from sqlite_schema", "select name from pragma_module_list"] {
        closed.extend(names(text).map_err(gone)?.into_iter().map(|name| name.to_ascii_lowercase()));
    }
    closed.retain(|name| !allowed::TABLE_FUNCTIONS.contains(&name.as_str()));
    Ok(closed)
}

fn gone(error: rusqlite::Error) -> Error {
    Error::Gone(error.to_string())
}

/// What the authorizer goes by.
struct Doors {
    /// The views that read tables, by their secret names.
    inner: BTreeMap<String, &'static View>,
    views: &'static [View],
    closed: BTreeSet<String>,
    secret: String,
}

impl Doors {
    /// What is not allowed about an action, if anything.
    fn objection(&self, asked: &AuthContext<'_>) -> Option<String> {
        match asked.action {
            AuthAction::Select => None,
            AuthAction::Read { table_name, column_name } => self.read(table_name, column_name, asked.accessor),
            AuthAction::Function { function_name } => {
                let name = function_name.to_ascii_lowercase();
                (!allowed::on_sqlite(&name))
                    .then(|| format!("the function {name} is not for recipes: the page on recipes lists those that are"))
            }
            AuthAction::Recursive => Some("`with recursive` is not for recipes: it can go on for ever".to_owned()),
            AuthAction::Pragma { pragma_name, .. } => Some(format!("pragma {pragma_name} is not for recipes: they only select from views")),
            other => Some(format!("a recipe only selects from views, and this would {}", deed(&other))),
        }
    }

    fn read(&self, table: &str, column: &str, by: Option<&str>) -> Option<String> {
        let lower = table.to_ascii_lowercase();
        if self.views.iter().any(|view| view.name == lower) || allowed::TABLE_FUNCTIONS.contains(&lower.as_str()) {
            return None;
        }
        if self.inner.contains_key(&lower) {
            let view = self.inner[&lower].name;
            return (by != Some(view)).then(|| self.not_a_view(table));
        }
        if by.and_then(|by| self.inner.get(by)).is_some_and(|view| view.tables.contains(&lower.as_str())) {
            return None;
        }
        // A table of which no column is read, as in `count(*)`, comes without one; so do names within the statement.
        let within = column.is_empty() && !self.closed.contains(&lower) && !lower.starts_with("sqlite_") && !lower.starts_with("pragma_");
        (!within).then(|| self.not_a_view(table))
    }

    fn not_a_view(&self, table: &str) -> String {
        not_a_view(&table.replace(&self.secret, "…"), self.views)
    }
}

fn deed(action: &AuthAction<'_>) -> String {
    let text = format!("{action:?}");
    let word = text.split([' ', '{', '(']).next().unwrap_or_default();
    let spaced = word.chars().flat_map(|c| if c.is_uppercase() { vec![' ', c.to_ascii_lowercase()] } else { vec![c] });
    spaced.collect::<String>().trim().to_owned()
}

/// An open connection for one game.
pub(super) struct Guest {
    connection: Connection,
    since: Instant,
    /// When the statement under way is ended, in microseconds after `since`.
    ends: Arc<AtomicU64>,
    objection: Arc<Mutex<Option<String>>>,
    views: &'static [View],
}

impl Guest {
    fn within(connection: Connection, doors: Doors) -> Result<Guest, Error> {
        let setting = |config, on| connection.set_db_config(config, on).map(drop).map_err(gone);
        setting(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        setting(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // A name that is misspelt is a fault, and not a text in double quotes.
        setting(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.execute_batch("pragma query_only = on").map_err(gone)?;
        let limits = [
            (Limit::SQLITE_LIMIT_LENGTH, LENGTH_MAX),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 20),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ];
        for (limit, most) in limits {
            connection.set_limit(limit, most).map_err(gone)?;
        }
        let (since, ends) = (Instant::now(), Arc::new(AtomicU64::new(u64::MAX)));
        let seen = ends.clone();
        let passed = move || micros(since.elapsed()) > seen.load(Ordering::Relaxed);
        connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(passed)).map_err(gone)?;
        let (objection, views) = (Arc::new(Mutex::new(None)), doors.views);
        let noted = objection.clone();
        let judge = move |asked: AuthContext<'_>| match doors.objection(&asked) {
            None => Authorization::Allow,
            Some(told) => {
                noted.lock().get_or_insert(told);
                Authorization::Deny
            }
        };
        connection.authorizer(Some(judge)).map_err(gone)?;
        Ok(Guest { connection, since, ends, objection, views })
    }

    fn start(&self, time_max: Duration) {
        self.objection.lock().take();
        self.ends.store(micros(self.since.elapsed() + time_max), Ordering::Relaxed);
    }

    /// The columns of a statement, and tables that it reads from end to end.
    pub(super) fn check(&mut self, foreign: &Foreign, order: &[Order]) -> Result<(Vec<Returned>, BTreeSet<String>), Trouble> {
        self.start(CHECK_MAX);
        let rendered = foreign.render(Engine::Sqlite, Hold::Argument);
        let place = |at: usize, what: String| foreign.fault_at(rendered.original(at), what);
        let prepared = self.connection.prepare(&rendered.text).map_err(|e| self.trouble(e, foreign, place))?;
        if prepared.parameter_count() != foreign.parameters().len() {
            return Err(Fault::of("the engine sees other parameters than :name in it: write each as :name".to_owned()).into());
        }
        if !prepared.readonly() || prepared.column_count() == 0 || prepared.is_explain() != 0 {
            return Err(Fault::of("the statement returns no rows: `select …` would be right".to_owned()).into());
        }
        let columns: Vec<Returned> =
            prepared.column_names().iter().map(|name| Returned { name: (*name).to_owned(), kind: "any".to_owned() }).collect();
        drop(prepared);
        let around = Around {
            engine: Engine::Sqlite,
            columns: &columns,
            order,
            after: None,
            arguments: foreign.parameters().len(),
            rows: 10,
            row_bytes: 0,
        };
        let explain = format!("explain query plan {}", around.render(&rendered.text));
        let in_wrap = |_: usize, what: String| Fault::of(what);
        let details: rusqlite::Result<Vec<String>> =
            self.connection.prepare(&explain).and_then(|mut prepared| prepared.raw_query().mapped(|row| row.get::<_, String>(3)).collect());
        let details = details.map_err(|e| self.trouble(e, foreign, in_wrap))?;
        Ok((columns, plan::full_on_sqlite(&details, !order.is_empty())))
    }

    /// Runs a statement.
    pub(super) fn run(&mut self, visit: &Visit<'_>) -> Result<Vec<Vec<Json>>, Trouble> {
        self.start(visit.time_max);
        let rendered = visit.foreign.render(Engine::Sqlite, Hold::Argument);
        let around = Around {
            engine: Engine::Sqlite,
            columns: visit.columns,
            order: visit.order,
            after: visit.after,
            arguments: visit.values.len(),
            rows: visit.rows_max,
            row_bytes: 0,
        };
        let nowhere = |_: usize, what: String| Fault::of(what);
        let failed = |e| self.trouble(e, visit.foreign, nowhere);
        let mut prepared = self.connection.prepare(&around.render(&rendered.text)).map_err(failed)?;
        for (at, value) in visit.values.iter().chain(visit.after.unwrap_or_default()).enumerate() {
            prepared.raw_bind_parameter(at + 1, crate::sqlite::Bound(value)).map_err(failed)?;
        }
        let (mut found, mut bytes) = (Vec::new(), 0);
        let mut stepping = prepared.raw_query();
        while let Some(row) = stepping.next().map_err(failed)? {
            let mut cells = Vec::with_capacity(visit.columns.len());
            for at in 0..visit.columns.len() {
                let cell = row.get_ref(at).map_err(failed)?;
                bytes += 8 + size(cell);
                cells.push(json(cell));
            }
            if bytes > visit.bytes_max {
                return Err(Trouble::TooLarge);
            }
            found.push(cells);
        }
        Ok(found)
    }

    /// What an error of the engine means to whoever wrote the statement.
    fn trouble(&self, error: rusqlite::Error, foreign: &Foreign, place: impl Fn(usize, String) -> Fault) -> Trouble {
        if let Some(told) = self.objection.lock().take() {
            // The refused name is the word before ` is not`, or the function's.
            let word = told.trim_start_matches("the function ").split(' ').next().unwrap_or_default().to_owned();
            return foreign.fault_at_word(&word, told).into();
        }
        match error {
            rusqlite::Error::SqlInputError { msg, offset, .. } => match (msg.strip_prefix("no such table: "), usize::try_from(offset)) {
                (Some(name), _) => foreign.fault_at_word(name, not_a_view(name, self.views)).into(),
                (None, Ok(at)) => place(at, msg).into(),
                (None, Err(_)) => Fault::of(msg).into(),
            },
            rusqlite::Error::MultipleStatement => Fault::of("a second statement follows: a recipe is one statement".to_owned()).into(),
            other => match other.sqlite_error().map(|failure| failure.code) {
                Some(ErrorCode::OperationInterrupted) => Trouble::TooLong,
                Some(ErrorCode::TooBig) => Fault::of(format!("a text or a row became longer than {LENGTH_MAX} bytes")).into(),
                Some(ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::ParameterOutOfRange | ErrorCode::ReadOnly) => {
                    Fault::of(other.to_string()).into()
                }
                Some(_) => Error::of_sqlite("visitor.run", other).into(),
                None => Fault::of(other.to_string()).into(),
            },
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn size(cell: ValueRef<'_>) -> usize {
    match cell {
        ValueRef::Text(text) => text.len(),
        ValueRef::Blob(bytes) => bytes.len() * 2,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 8,
    }
}

fn json(cell: ValueRef<'_>) -> Json {
    match cell {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => hex::encode(bytes).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn a_deed_is_told_in_words() {
        assert_eq!(deed(&AuthAction::CreateTempTable { table_name: "x" }), "create temp table");
        assert_eq!(deed(&AuthAction::Attach { filename: "x" }), "attach");
    }

    #[test]
    fn cells_become_json() {
        assert_eq!(json(ValueRef::Blob(&[0xab, 1])), Json::from("ab01"));
        assert_eq!(json(ValueRef::Real(f64::NAN)), Json::Null);
        assert_eq!(json(ValueRef::Text("é".as_bytes())), Json::from("é"));
    }

    #[test]
    fn values_are_bound_as_they_are() {
        let connection = Connection::open_in_memory().unwrap();
        let bound = crate::sqlite::Bound(&Value::Int(7));
        assert_eq!(connection.query_row("select ?1", [bound], |row| row.get::<_, i64>(0)).unwrap(), 7);
    }
}
