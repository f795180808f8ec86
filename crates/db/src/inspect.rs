//! A connection for looking into a database, ours or anyone's: SQL made at run time, answers as text.
//! Refuses to write unless it was opened for that, and is no way for services: they have named statements and commands.

use crate::engine::no_connection;
use crate::sqlite::aside;
use crate::{Engine, Error};
use futures::TryStreamExt as _;
use rusqlite::OpenFlags;
use rusqlite::types::ValueRef;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, ValueRef as _};
use std::str::FromStr as _;
use std::time::Duration;

/// The cells of one row; none is null, bytes are hex digits on SQLite and `\x…` on Postgres.
pub type Cells = Vec<Option<String>>;

/// Steps of SQLite's machine between two looks at the time limit.
const STEPS_BETWEEN_LOOKS: i32 = 20_000;

/// What an inspector may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only read; the engine itself refuses writes.
    Read,
    /// Read and write, as making an index does.
    Write,
}

/// A connection that runs SQL made at run time.
pub struct Inspector {
    inner: Inner,
    limit: Option<Duration>,
}

enum Inner {
    Sqlite(Box<rusqlite::Connection>),
    Postgres(Box<PgConnection>),
}

impl Inspector {
    /// Opens any database of either engine; changes none of a file's settings. A statement that runs longer than `limit` is ended.
    ///
    /// # Errors
    /// The URL names neither engine, or the database cannot be reached.
    pub async fn open(url: &str, access: Access, limit: Option<Duration>) -> Result<Inspector, Error> {
        let inner = match url.strip_prefix("sqlite:") {
            Some(path) => Inner::Sqlite(Box::new(open_file(path.strip_prefix("//").unwrap_or(path), access)?)),
            None => Inner::Postgres(Box::new(connect(url, access, limit).await?)),
        };
        Ok(Inspector { inner, limit })
    }

    /// An empty SQLite database in memory, for copies of a schema.
    ///
    /// # Errors
    /// No memory.
    pub fn in_memory() -> Result<Inspector, Error> {
        let connection = rusqlite::Connection::open_in_memory().map_err(gone)?;
        Ok(Inspector { inner: Inner::Sqlite(Box::new(connection)), limit: None })
    }

    /// Which engine is underneath.
    pub fn engine(&self) -> Engine {
        match self.inner {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs one statement and returns its rows; on Postgres several may stand there, and the rows of all are returned.
    ///
    /// # Errors
    /// The database refuses the SQL, the time limit ended it, or the connection is gone.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Cells>, Error> {
        let mut found = Vec::new();
        self.each(sql, |cells| found.push(cells)).await?;
        Ok(found)
    }

    /// Runs SQL to its end and counts its rows without keeping them.
    ///
    /// # Errors
    /// As [`Inspector::query`].
    pub async fn count(&mut self, sql: &str) -> Result<u64, Error> {
        let mut count = 0;
        self.each(sql, |_| count += 1).await?;
        Ok(count)
    }

    /// Runs any number of statements for their effect.
    ///
    /// # Errors
    /// As [`Inspector::query`].
    pub async fn run(&mut self, sql: &str) -> Result<(), Error> {
        match &mut self.inner {
            Inner::Sqlite(connection) => {
                watch(connection, self.limit)?;
                aside(|| connection.execute_batch(sql)).map_err(|e| Error::of_sqlite("inspect", e))
            }
            Inner::Postgres(connection) => {
                let ran = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut **connection).await;
                ran.map(drop).map_err(|e| Error::of_postgres("inspect", e))
            }
        }
    }

    async fn each(&mut self, sql: &str, mut seen: impl FnMut(Cells)) -> Result<(), Error> {
        match &mut self.inner {
            Inner::Sqlite(connection) => {
                watch(connection, self.limit)?;
                aside(|| step(connection, sql, &mut seen)).map_err(|e| Error::of_sqlite("inspect", e))
            }
            Inner::Postgres(connection) => {
                // Sent without arguments, the server answers in text whatever the types are.
                let mut rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch(&mut **connection);
                while let Some(row) = rows.try_next().await.map_err(|e| Error::of_postgres("inspect", e))? {
                    seen(cells_of(&row)?);
                }
                Ok(())
            }
        }
    }
}

fn open_file(path: &str, access: Access) -> Result<rusqlite::Connection, Error> {
    let open = |flags| rusqlite::Connection::open_with_flags(path, flags);
    let opened = open(OpenFlags::SQLITE_OPEN_READ_WRITE);
    let connection = match access {
        Access::Write => opened,
        // A file that may not be written can still be read, unless its log would have to be made.
        Access::Read => opened.or_else(|_| open(OpenFlags::SQLITE_OPEN_READ_ONLY)),
    };
    let connection = connection.map_err(|e| Error::Gone(format!("{path}: {e}")))?;
    connection.busy_timeout(Duration::from_secs(30)).map_err(gone)?;
    let settings = if access == Access::Read { "pragma query_only = on; pragma cache_size = -32768" } else { "pragma cache_size = -32768" };
    connection.execute_batch(settings).map_err(gone)?;
    Ok(connection)
}

async fn connect(url: &str, access: Access, limit: Option<Duration>) -> Result<PgConnection, Error> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(Error::Broken("the database URL is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/NAME".to_owned()));
    }
    let ms = limit.map_or(0, |limit| limit.as_millis()).to_string();
    let read_only = if access == Access::Read { "on" } else { "off" };
    let options = PgConnectOptions::from_str(url)
        .map_err(|e| Error::Broken(format!("the database URL cannot be read: {e}")))?
        .application_name("guildhall doctor")
        .options([("statement_timeout", ms.as_str()), ("default_transaction_read_only", read_only), ("jit", "off")])
        .disable_statement_logging();
    PgConnection::connect_with(&options).await.map_err(|e| no_connection(&options, &e))
}

fn watch(connection: &rusqlite::Connection, limit: Option<Duration>) -> Result<(), Error> {
    let Some(limit) = limit else { return Ok(()) };
    let started = std::time::Instant::now();
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || started.elapsed() > limit)).map_err(gone)
}

fn step(connection: &rusqlite::Connection, sql: &str, seen: &mut dyn FnMut(Cells)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let cell = |at: usize| row.get_ref(at).map(text_of);
        seen((0..columns).map(cell).collect::<rusqlite::Result<_>>()?);
    }
    Ok(())
}

fn text_of(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Some(hex::encode(bytes)),
    }
}

fn cells_of(row: &PgRow) -> Result<Cells, Error> {
    (0..row.len())
        .map(|at| {
            let value = row.try_get_raw(at).map_err(|e| Error::row(at, &e))?;
            if value.is_null() { Ok(None) } else { value.as_str().map(|text| Some(text.to_owned())).map_err(|e| Error::row(at, &e)) }
        })
        .collect()
}

fn gone(error: rusqlite::Error) -> Error {
    Error::Gone(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reading_inspector_cannot_write_and_changes_no_setting() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("any.db").display());
        rusqlite::Connection::open(folder.path().join("any.db"))
            .and_then(|made| made.execute_batch("create table t (n integer, x blob); insert into t values (7, x'ab'), (null, null)"))
            .unwrap();
        let mut inspector = Inspector::open(&url, Access::Read, Some(Duration::from_secs(5))).await.unwrap();
        let rows = inspector.query("select n, x from t order by n desc").await.unwrap();
        assert_eq!(rows, [vec![Some("7".to_owned()), Some("ab".to_owned())], vec![None, None]]);
        assert!(inspector.run("delete from t").await.is_err());
        assert_eq!(inspector.query("pragma journal_mode").await.unwrap()[0][0].as_deref(), Some("delete"));
        assert_eq!(inspector.count("select * from t").await.unwrap(), 2);
    }
}
