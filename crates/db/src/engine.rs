//! The two engines: how a connection is opened and how one statement runs on it.
//! Refuses other URLs than `sqlite:PATH` and `postgres://…`.

use crate::sqlite::{File, Migration, Sqlite};
use crate::statistics::shape_of;
use crate::{Column, Error, Row, Rows, Statement, Value, together};
use futures::TryStreamExt as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection};
use sqlx::{Arguments as _, ConnectOptions as _, Connection as _, Row as _};
use std::str::FromStr as _;

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
    Sqlite(File),
    Postgres(Box<PgConnectOptions>),
}

impl Target {
    pub(crate) fn parse(url: &str, statement_timeout_ms: u64) -> Result<Target, Error> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(Error::Broken("sqlite: names no file: sqlite:PATH would be right".to_owned()));
            }
            return Ok(Target::Sqlite(File { path: path.into(), statement_timeout_ms }));
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
            Target::Sqlite(file) => file.open_writer().map(|sqlite| Connection::Sqlite(Box::new(sqlite))),
            Target::Postgres(options) => connect(&options.as_ref().clone().options(BY_INDEX)).await,
        }
    }

    /// Opens a connection that only reads.
    pub(crate) async fn reader(&self) -> Result<Connection, Error> {
        match self {
            Target::Sqlite(file) => file.open_reader().map(|sqlite| Connection::Sqlite(Box::new(sqlite))),
            Target::Postgres(options) => connect(&options.as_ref().clone().options(READ_ONLY)).await,
        }
    }

    /// Opens a connection that only looks rows up by key.
    pub(crate) async fn looker(&self) -> Result<Connection, Error> {
        match self {
            Target::Sqlite(_) => self.reader().await,
            Target::Postgres(options) => connect(&options.as_ref().clone().options(READ_ONLY).options(BY_INDEX)).await,
        }
    }
}

/// Writers and lookups find rows by key: a plan made while a table was small must not go on reading all of it once it is large.
const BY_INDEX: [(&str, &str); 3] = [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off")];
const READ_ONLY: [(&str, &str); 1] = [("default_transaction_read_only", "on")];

async fn connect(options: &PgConnectOptions) -> Result<Connection, Error> {
    PgConnection::connect_with(options).await.map(|c| Connection::Postgres(Box::new(c))).map_err(|e| no_connection(options, &e))
}

/// Why there is no connection, with where it was looked for.
pub(crate) fn no_connection(options: &PgConnectOptions, error: &sqlx::Error) -> Error {
    // What the server says of itself ends with a line of its own program.
    let why = error.as_database_error().map_or_else(|| error.to_string(), |told| told.message().to_owned());
    Error::Gone(format!("{}:{}: {why}", options.get_host(), options.get_port()))
}

/// A connection to either engine.
pub(crate) enum Connection {
    Sqlite(Box<Sqlite>),
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
        map: &mut (dyn FnMut(&Row<'_>) -> Result<T, Error> + Send),
    ) -> Result<Vec<T>, Error> {
        let _span = statement.span();
        let started = std::time::Instant::now();
        let many = rows.as_ref().map(Rows::len);
        let text = statement.text(self.engine());
        let found = match self {
            Connection::Sqlite(connection) => connection.fetch(statement, text, rows, values, map).map_err(|e| named(statement, e))?,
            Connection::Postgres(connection) => {
                let mut found = Vec::new();
                let mut stream = sqlx::query_with(text, postgres_arguments(statement, rows, values)).fetch(&mut **connection);
                while let Some(row) = stream.try_next().await.map_err(|e| Error::of_postgres(statement.name, e))? {
                    found.push(map(&Row::Postgres(row)).map_err(|e| named(statement, e))?);
                }
                found
            }
        };
        statement.meter().ran(started.elapsed(), found.len() as u64, || shape_of(statement.columns, many, values));
        Ok(found)
    }

    /// Runs a statement and counts the rows it touched.
    pub(crate) async fn execute(&mut self, statement: &'static Statement, rows: Option<Rows>, values: &[Value<'_>]) -> Result<u64, Error> {
        let _span = statement.span();
        let started = std::time::Instant::now();
        let many = rows.as_ref().map(Rows::len);
        let text = statement.text(self.engine());
        let touched = match self {
            Connection::Sqlite(connection) => connection.execute(statement, text, rows, values)?,
            Connection::Postgres(connection) => {
                let ran = sqlx::query_with(text, postgres_arguments(statement, rows, values)).execute(&mut **connection).await;
                ran.map_err(|e| Error::of_postgres(statement.name, e))?.rows_affected()
            }
        };
        statement.meter().ran(started.elapsed(), touched, || shape_of(statement.columns, many, values));
        Ok(touched)
    }

    /// Runs writes that do not touch one another's tables; each must touch as many rows as it was given.
    pub(crate) async fn write_together(&mut self, writes: Vec<(&'static Statement, Rows)>) -> Result<(), Error> {
        let expected: Vec<(&'static Statement, u64)> = writes.iter().map(|(statement, rows)| (*statement, rows.len())).collect();
        let Connection::Postgres(connection) = self else {
            return Err(Error::Broken("writes wait for one another on Postgres only".to_owned()));
        };
        let started = std::time::Instant::now();
        let joined = together::joined(&writes);
        let _span = together::span(&writes);
        let mut arguments = PgArguments::default();
        writes.iter().for_each(|(statement, rows)| add_rows(&mut arguments, statement, rows));
        let name = writes[0].0.name;
        let counts =
            sqlx::query_with(joined.text, arguments).fetch_one(&mut **connection).await.map_err(|e| Error::of_postgres(name, e))?;
        let touched = (0..writes.len()).map(|at| counts.try_get::<i64, _>(at).map(i64::cast_unsigned));
        let touched: Vec<u64> = touched.collect::<Result<_, _>>().map_err(|e| Error::Broken(format!("{name}: {e}")))?;
        joined.meter.ran(started.elapsed(), touched.iter().sum(), || together::shape_of(&expected));
        together::judge(&expected, &touched)
    }

    /// Runs plain text without arguments: transaction control, and SQL of tests and checks.
    pub(crate) async fn plain(&mut self, text: &str) -> Result<u64, Error> {
        match self {
            Connection::Sqlite(connection) => connection.plain(text),
            Connection::Postgres(connection) => {
                let ran = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut **connection).await;
                ran.map(|done| done.rows_affected()).map_err(|e| Error::of_postgres("plain", e))
            }
        }
    }

    /// Brings the schema up to date with the migrations of its engine.
    pub(crate) async fn migrate(&mut self, migrator: &Migrator) -> Result<(), Error> {
        match self {
            Connection::Sqlite(connection) => connection.migrate(migrator.iter().map(|one| Migration {
                version: one.version,
                name: &one.description,
                text: one.sql.as_str(),
                checksum: &one.checksum,
            })),
            Connection::Postgres(connection) => {
                migrator.run(&mut **connection).await.map_err(|e| Error::Broken(format!("migrations: {e}")))
            }
        }
    }

    pub(crate) async fn close(self) {
        // The server notices a connection that is only dropped as well; closing is a courtesy.
        match self {
            Connection::Sqlite(connection) => drop(connection),
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

/// The row set comes first.
fn postgres_arguments(statement: &Statement, rows: Option<Rows>, values: &[Value<'_>]) -> PgArguments {
    let mut arguments = PgArguments::default();
    if let Some(rows) = rows {
        add_rows(&mut arguments, statement, &rows);
    }
    for value in values.iter().cloned() {
        match value {
            // Sent as text: a statement that may be given null casts its argument.
            Value::Null => arguments.add(None::<String>),
            Value::Int(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text.into_owned()),
            Value::Bytes(bytes) => arguments.add(bytes.into_owned()),
        }
        .expect("numbers, text and bytes always encode");
    }
    arguments
}

/// An array for each of its columns.
fn add_rows(arguments: &mut PgArguments, statement: &Statement, rows: &Rows) {
    for (at, (_, column)) in statement.columns.iter().enumerate() {
        match column {
            Column::Int => arguments.add(rows.ints(at)),
            Column::Text => arguments.add(rows.texts(at)),
            Column::Bytes => arguments.add(rows.bytes(at)),
        }
        .expect("numbers, text and bytes always encode");
    }
}
