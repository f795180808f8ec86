//! The two engines: how a connection is opened and how one statement runs on it.
//! Refuses other URLs than `sqlite:PATH` and `postgres://…`.

use crate::{Error, Row, Rows, Statement, Value};
use futures::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Arguments as _, ConnectOptions as _, Connection as _};
use std::str::FromStr as _;
use std::time::Duration;

/// Which database is underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file of ours: one writer, several readers.
    Sqlite,
    /// A server: several writers side by side.
    Postgres,
}

/// Where a database is.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl Target {
    pub(crate) fn parse(url: &str, statement_timeout_ms: u64) -> Result<Target, Error> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(Error::Broken("sqlite: names no file: sqlite:PATH would be right".to_owned()));
            }
            let options = SqliteConnectOptions::new()
                .filename(path)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(5))
                .foreign_keys(false)
                .pragma("cache_size", "-32768")
                .pragma("wal_autocheckpoint", "4000")
                .pragma("mmap_size", "268435456")
                .pragma("temp_store", "memory")
                .pragma("journal_size_limit", "67108864")
                .statement_cache_capacity(512)
                .disable_statement_logging();
            return Ok(Target::Sqlite(Box::new(options)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url)
                .map_err(|e| Error::Broken(format!("the database URL cannot be read: {e}")))?
                .application_name("guildhall")
                .options([("statement_timeout", statement_timeout_ms.to_string().as_str()), ("jit", "off")])
                .statement_cache_capacity(512)
                .disable_statement_logging();
            return Ok(Target::Postgres(Box::new(options)));
        }
        Err(Error::Broken("the database URL is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/NAME".to_owned()))
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Target::Sqlite(_) => Engine::Sqlite,
            Target::Postgres(_) => Engine::Postgres,
        }
    }

    /// Opens a connection that writes.
    pub(crate) async fn writer(&self) -> Result<Connection, Error> {
        match self {
            Target::Sqlite(options) => {
                let options = options.as_ref().clone().create_if_missing(true);
                SqliteConnection::connect_with(&options).await.map(|c| Connection::Sqlite(Box::new(c)))
            }
            Target::Postgres(options) => {
                // Writers look rows up by key. A plan made while a table was small must not go on reading all of it once it is large.
                let by_index = [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off")];
                PgConnection::connect_with(&options.as_ref().clone().options(by_index)).await.map(|c| Connection::Postgres(Box::new(c)))
            }
        }
        .map_err(|e| Error::Gone(e.to_string()))
    }

    /// Opens a connection that only reads.
    pub(crate) async fn reader(&self) -> Result<Connection, Error> {
        match self {
            Target::Sqlite(options) => SqliteConnection::connect_with(&options.as_ref().clone().pragma("query_only", "on"))
                .await
                .map(|c| Connection::Sqlite(Box::new(c))),
            Target::Postgres(options) => {
                let options = options.as_ref().clone().options([("default_transaction_read_only", "on")]);
                PgConnection::connect_with(&options).await.map(|c| Connection::Postgres(Box::new(c)))
            }
        }
        .map_err(|e| Error::Gone(e.to_string()))
    }
}

/// A connection to either engine.
pub(crate) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

impl Connection {
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Connection::Sqlite(_) => Engine::Sqlite,
            Connection::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a statement and maps each row it returns.
    pub(crate) async fn fetch<T>(
        &mut self,
        statement: &'static Statement,
        rows: Option<Rows>,
        values: &[Value<'_>],
        map: &mut (dyn FnMut(&Row) -> Result<T, Error> + Send),
    ) -> Result<Vec<T>, Error> {
        let started = std::time::Instant::now();
        let text = statement.text(self.engine());
        let mut found = Vec::new();
        match self {
            Connection::Sqlite(connection) => {
                let mut stream = sqlx::query_with(text, sqlite_arguments(rows, values)).fetch(&mut **connection);
                while let Some(row) = stream.try_next().await.map_err(|e| Error::of(statement.name, e))? {
                    found.push(map(&Row::Sqlite(row)).map_err(|e| named(statement, e))?);
                }
            }
            Connection::Postgres(connection) => {
                let mut stream = sqlx::query_with(text, postgres_arguments(rows, values)).fetch(&mut **connection);
                while let Some(row) = stream.try_next().await.map_err(|e| Error::of(statement.name, e))? {
                    found.push(map(&Row::Postgres(row)).map_err(|e| named(statement, e))?);
                }
            }
        }
        statement.timing().record(started.elapsed());
        Ok(found)
    }

    /// Runs a statement and counts the rows it touched.
    pub(crate) async fn execute(&mut self, statement: &'static Statement, rows: Option<Rows>, values: &[Value<'_>]) -> Result<u64, Error> {
        let started = std::time::Instant::now();
        let text = statement.text(self.engine());
        let touched = match self {
            Connection::Sqlite(connection) => {
                sqlx::query_with(text, sqlite_arguments(rows, values)).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
            Connection::Postgres(connection) => {
                sqlx::query_with(text, postgres_arguments(rows, values)).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|e| Error::of(statement.name, e))?;
        statement.timing().record(started.elapsed());
        Ok(touched)
    }

    /// Runs plain text without arguments: transaction control, and SQL of tests and checks.
    pub(crate) async fn plain(&mut self, text: &str) -> Result<u64, Error> {
        let query = sqlx::raw_sql(sqlx::AssertSqlSafe(text));
        match self {
            Connection::Sqlite(connection) => query.execute(&mut **connection).await.map(|done| done.rows_affected()),
            Connection::Postgres(connection) => query.execute(&mut **connection).await.map(|done| done.rows_affected()),
        }
        .map_err(|e| Error::of("plain", e))
    }

    pub(crate) async fn close(self) {
        // The server notices a connection that is only dropped as well; closing is a courtesy.
        match self {
            Connection::Sqlite(connection) => drop(connection.close().await),
            Connection::Postgres(connection) => drop(connection.close().await),
        }
    }
}

fn named(statement: &Statement, error: Error) -> Error {
    match error {
        Error::Broken(what) => Error::Broken(format!("{}: {what}", statement.name)),
        other => other,
    }
}

fn sqlite_arguments(rows: Option<Rows>, values: &[Value<'_>]) -> SqliteArguments {
    let mut arguments = SqliteArguments::default();
    let mut add = |value: Value<'_>| {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Int(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text.into_owned()),
            Value::Bytes(bytes) => arguments.add(bytes.into_owned()),
        }
        .expect("numbers, text and bytes always encode");
    };
    if let Some(rows) = rows {
        add(Value::Text(rows.into_json().into()));
    }
    values.iter().cloned().for_each(add);
    arguments
}

fn postgres_arguments(rows: Option<Rows>, values: &[Value<'_>]) -> PgArguments {
    let mut arguments = PgArguments::default();
    let mut add = |value: Value<'_>| {
        match value {
            // Sent as text: a statement that may be given null casts its argument.
            Value::Null => arguments.add(None::<String>),
            Value::Int(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text.into_owned()),
            Value::Bytes(bytes) => arguments.add(bytes.into_owned()),
        }
        .expect("numbers, text and bytes always encode");
    };
    if let Some(rows) = rows {
        add(Value::Text(rows.into_json().into()));
    }
    values.iter().cloned().for_each(add);
    arguments
}
