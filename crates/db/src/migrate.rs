//! Brings the schema up to date: the same numbers and names for both engines, forward only.
//! Refuses a migration that was changed after it ran; one from a newer binary is let be, so that an old binary keeps running.

use crate::engine::{Connection, Target};
use crate::{Db, Engine, Error, Options, Row, Statement};
use sqlx::migrate::Migrator;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Runs what has not run yet; returns how many migrations the schema has.
///
/// # Errors
/// The database cannot be reached, or a migration fails, which leaves it as it was before that one.
pub async fn migrate(options: &Options) -> Result<usize, Error> {
    // A migration may take longer than a statement of a request.
    let target = Target::parse(&options.url, 0)?;
    let mut connection = target.writer().await?;
    require_fit(&mut connection).await?;
    let migrator = match connection.engine() {
        Engine::Sqlite => &SQLITE,
        Engine::Postgres => &POSTGRES,
    };
    connection.migrate(&lenient(migrator)).await?;
    connection.close().await;
    Ok(migrator.iter().count())
}

static FIT: Statement = Statement::new(
    "db.read_collation",
    "select cast(pg_encoding_to_char(encoding) as text), cast(datcollate as text),
            cast(case when to_regclass('_sqlx_migrations') is null then 1 else 0 end as bigint)
     from pg_database
     where datname = current_database()",
);

/// A new database of Postgres has to hold every text and to sort it as SQLite does: one that has tables of ours is taken as it is.
async fn require_fit(connection: &mut Connection) -> Result<(), Error> {
    if connection.engine() == Engine::Sqlite {
        return Ok(());
    }
    let mut read = |row: &Row<'_>| Ok((row.text(0)?, row.text(1)?, row.flag(2)?));
    let found = connection.fetch(&FIT, None, &[], &mut read).await?;
    for (encoding, collation, _) in found.into_iter().filter(|(.., is_new)| *is_new) {
        if encoding != "UTF8" || !(collation.starts_with("C") || collation == "POSIX") {
            return Err(Error::Broken(format!(
                "the database has encoding {encoding} and collation {collation}: one made by \
                 `createdb --encoding UTF8 --locale C --template template0 NAME` would be right"
            )));
        }
    }
    Ok(())
}

fn lenient(migrator: &Migrator) -> Migrator {
    let mut migrator = Migrator { migrations: migrator.migrations.clone(), ..Migrator::DEFAULT };
    migrator.set_ignore_missing(true);
    migrator
}

impl Db {
    /// Tells the engine what its tables hold now; wanted after bulk loads, or plans are made for empty tables.
    pub async fn analyse(&self) -> Result<(), Error> {
        self.plain("analyze").await.map(drop)
    }

    /// Runs plain SQL on a connection of its own: for bulk preparation, maintenance and tests that break invariants on purpose.
    /// No time limit ends it.
    pub async fn plain(&self, text: &str) -> Result<u64, Error> {
        run_once(self.url(), text).await
    }
}

/// Runs plain SQL once on a database that need not be one of ours, as creating a database on a server.
///
/// # Errors
/// The database cannot be reached or refuses the SQL.
pub async fn run_once(url: &str, text: &str) -> Result<u64, Error> {
    let mut connection = Target::parse(url, 0)?.writer().await?;
    let touched = connection.plain(text).await;
    connection.close().await;
    touched
}
