//! Brings the schema up to date: the same numbers and names for both engines, forward only.
//! Refuses a migration that was changed after it ran; one from a newer binary is let be, so that an old binary keeps running.

use crate::engine::Target;
use crate::{Db, Engine, Error, Options};
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
    let migrator = match connection.engine() {
        Engine::Sqlite => &SQLITE,
        Engine::Postgres => &POSTGRES,
    };
    connection.migrate(&lenient(migrator)).await?;
    connection.close().await;
    Ok(migrator.iter().count())
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
