//! A connection to a SQLite file: its settings, its statements, its time limit.
//! Refuses to leave the thread it is called on: a statement is a function call, and no row is copied before it is read.

use crate::{Error, Row, Rows, Statement, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A lock of another process is waited for this long.
const BUSY_MAX: Duration = Duration::from_secs(5);
/// Prepared statements that are kept.
const STATEMENTS_MAX: usize = 512;
/// Steps of the engine's machine between two looks at the time limit: well under a millisecond.
const STEPS_BETWEEN_LOOKS: i32 = 20_000;

const SETTINGS: &str = "pragma journal_mode = wal;
    pragma synchronous = full;
    pragma foreign_keys = off;
    pragma wal_autocheckpoint = 4000;
    pragma temp_store = memory;
    pragma journal_size_limit = 67108864;";

const OF_WRITER: &str = "pragma cache_size = -32768;
    pragma mmap_size = 268435456;";

/// What the writer commits empties a reader's memory before its next statement: its pages, and at once whatever part of the file it has mapped.
/// All readers do that at the same moment, and wait for one another in the system. So they map nothing and keep the inner pages of large
/// trees; the rest is in the system's cache.
const OF_READER: &str = "pragma query_only = on;
    pragma cache_size = -8192;
    pragma mmap_size = 0;";

/// Where the file is and how it is used.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// A read that runs longer is ended; zero means no limit.
    pub(crate) statement_timeout_ms: u64,
}

impl File {
    pub(crate) fn open_writer(&self) -> Result<Sqlite, Error> {
        let connection = open(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, OF_WRITER)?;
        Ok(Sqlite { connection, limit: None, moves_aside: false })
    }

    pub(crate) fn open_reader(&self) -> Result<Sqlite, Error> {
        let connection = open(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE, OF_READER)?;
        let limit = match self.statement_timeout_ms {
            0 => None,
            ms => Some(Limit::watch(&connection, Duration::from_millis(ms))?),
        };
        Ok(Sqlite { connection, limit, moves_aside: true })
    }
}

fn open(path: &Path, flags: OpenFlags, own: &str) -> Result<Connection, Error> {
    // A connection is lent to one task at a time, so the engine's own locks would guard nothing.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(gone)?;
    connection.busy_timeout(BUSY_MAX).map_err(gone)?;
    connection.execute_batch(SETTINGS).and_then(|()| connection.execute_batch(own)).map_err(gone)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn gone(error: rusqlite::Error) -> Error {
    Error::Gone(error.to_string())
}

/// Ends a statement that runs too long.
struct Limit {
    longest: Duration,
    since: Instant,
    /// Microseconds after `since`.
    ends: Arc<AtomicU64>,
}

impl Limit {
    fn watch(connection: &Connection, longest: Duration) -> Result<Limit, Error> {
        let ends = Arc::new(AtomicU64::new(u64::MAX));
        let since = Instant::now();
        let seen = ends.clone();
        let passed = move || elapsed_us(since) > seen.load(Ordering::Relaxed);
        connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(passed)).map_err(gone)?;
        Ok(Limit { longest, since, ends })
    }

    fn start(&self) {
        self.ends.store(elapsed_us(self.since) + micros(self.longest), Ordering::Relaxed);
    }
}

fn elapsed_us(since: Instant) -> u64 {
    micros(since.elapsed())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// An open connection.
pub(crate) struct Sqlite {
    connection: Connection,
    limit: Option<Limit>,
    /// Reads run among the tasks of a server, whose thread gives its other tasks away meanwhile; the writer has a thread of its own.
    moves_aside: bool,
}

impl Sqlite {
    /// Runs a statement and maps each row where it stands.
    pub(crate) fn fetch<T>(
        &mut self,
        statement: &'static Statement,
        text: &'static str,
        rows: Option<Rows>,
        values: &[Value<'_>],
        map: &mut (dyn FnMut(&Row<'_>) -> Result<T, Error> + Send),
    ) -> Result<Vec<T>, Error> {
        self.aside(|sqlite| {
            let mut prepared = sqlite.prepared(statement.name, text, rows, values)?;
            let mut found = Vec::new();
            let mut stepping = prepared.raw_query();
            while let Some(row) = stepping.next().map_err(|e| Error::of_sqlite(statement.name, e))? {
                found.push(map(&Row::Sqlite(row))?);
            }
            Ok(found)
        })
    }

    /// Runs a statement and counts the rows it touched.
    pub(crate) fn execute(
        &mut self,
        statement: &'static Statement,
        text: &'static str,
        rows: Option<Rows>,
        values: &[Value<'_>],
    ) -> Result<u64, Error> {
        self.aside(|sqlite| {
            let mut prepared = sqlite.prepared(statement.name, text, rows, values)?;
            let touched = prepared.raw_execute().map_err(|e| Error::of_sqlite(statement.name, e))?;
            Ok(touched as u64)
        })
    }

    /// Runs plain text of any number of statements; returns how many rows they touched.
    pub(crate) fn plain(&mut self, text: &str) -> Result<u64, Error> {
        self.aside(|sqlite| {
            let before = sqlite.connection.total_changes();
            sqlite.connection.execute_batch(text).map_err(|e| Error::of_sqlite("plain", e))?;
            Ok(sqlite.connection.total_changes() - before)
        })
    }

    fn aside<T>(&mut self, work: impl FnOnce(&mut Sqlite) -> Result<T, Error>) -> Result<T, Error> {
        if let Some(limit) = &self.limit {
            limit.start();
        }
        if self.moves_aside { aside(|| work(self)) } else { work(self) }
    }

    fn prepared(&self, name: &'static str, text: &str, rows: Option<Rows>, values: &[Value<'_>]) -> Result<CachedStatement<'_>, Error> {
        let failed = |e| Error::of_sqlite(name, e);
        let mut prepared = self.connection.prepare_cached(text).map_err(failed)?;
        let rows = rows.map(|rows| rows.to_json());
        let first = usize::from(rows.is_some());
        // SQLite numbers `$2` by where it first stands in the text, so each is found by its name.
        for at in 1..=prepared.parameter_count() {
            let meant = prepared.parameter_name(at).and_then(|name| name[1..].parse().ok()).unwrap_or(at);
            let bound = match &rows {
                Some(json) if meant == 1 => prepared.raw_bind_parameter(at, json.as_str()),
                _ => match values.get(meant - 1 - first) {
                    Some(value) => prepared.raw_bind_parameter(at, Bound(value)),
                    None => return Err(Error::Broken(format!("{name}: the statement wants ${meant}, which it was not given"))),
                },
            };
            bound.map_err(failed)?;
        }
        Ok(prepared)
    }
}

/// Works on this thread, whose other tasks go to another one meanwhile.
#[expect(clippy::disallowed_methods, reason = "only where the runtime has several threads; the rows are mapped by a borrowed function")]
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    let several = tokio::runtime::Handle::try_current().is_ok_and(|on| on.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread);
    if several { tokio::task::block_in_place(work) } else { work() }
}

pub(crate) struct Bound<'a>(pub(crate) &'a Value<'a>);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A migration as the other engine's library keeps it, so that both engines' histories read alike.
pub(crate) struct Migration<'a> {
    pub(crate) version: i64,
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    pub(crate) checksum: &'a [u8],
}

impl Sqlite {
    /// Runs the migrations that have not run yet, each in a transaction of its own.
    pub(crate) fn migrate<'m>(&mut self, migrations: impl Iterator<Item = Migration<'m>>) -> Result<(), Error> {
        let failed = |e: rusqlite::Error| Error::Broken(format!("migrations: {e}"));
        self.connection
            .execute_batch(
                "create table if not exists _sqlx_migrations (version bigint primary key, description text not null,
                 installed_on timestamp not null default current_timestamp, success boolean not null, checksum blob not null,
                 execution_time bigint not null)",
            )
            .map_err(failed)?;
        for migration in migrations {
            let started = Instant::now();
            // Two processes may start at once: the second finds the first one's row.
            let tx = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
            let ran = tx
                .prepare("select checksum from _sqlx_migrations where version = ?1")
                .and_then(|mut find| find.query_map([migration.version], |row| row.get::<_, Vec<u8>>(0))?.next().transpose())
                .map_err(failed)?;
            match ran {
                Some(checksum) if checksum == migration.checksum => continue,
                Some(_) => {
                    let which = format!("{:04}_{}", migration.version, migration.name);
                    return Err(Error::Broken(format!("migrations: {which} was changed after it ran: a new one beside it would be right")));
                }
                None => {}
            }
            tx.execute_batch(migration.text)
                .map_err(|e| Error::Broken(format!("migration {:04}_{}: {e}", migration.version, migration.name)))?;
            tx.execute(
                "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (?1, ?2, 1, ?3, ?4)",
                (migration.version, migration.name, migration.checksum, i64::try_from(started.elapsed().as_nanos()).unwrap_or(i64::MAX)),
            )
            .and_then(|_| tx.commit())
            .map_err(failed)?;
        }
        Ok(())
    }
}
