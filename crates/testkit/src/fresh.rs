//! A database of its own for each test, and away with those of earlier test programs.
//! A database may outlive its test, for whoever looks into why that failed, but not the start of the next program:
//! a whole run leaves seven hundred of 14 MB each.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use db::{Access, Inspector};

use crate::postgres::{self, Server};

/// The URL of a fresh database on the Postgres that the environment names, if it does.
pub async fn fresh_postgres(label: &str) -> Option<String> {
    static SWEPT: AtomicBool = AtomicBool::new(false);
    let server = Server::from_environment()?;
    if server.is_local() && !SWEPT.swap(true, Ordering::Relaxed) {
        // Another program may drop the same ones just now, and it is no test's fault when one cannot go.
        sweep(&server).await.unwrap_or_else(|error| eprintln!("databases of earlier tests were left: {error}"));
    }
    let name = postgres::fresh_name(label);
    db::run_once(&server.maintenance_url(), &postgres::create_statement(&name)).await.expect("a database is created");
    Some(server.database_url(&name))
}

/// Drops what programs that have ended left behind.
async fn sweep(server: &Server) -> Result<(), db::Error> {
    let mut inspector = Inspector::open(&server.maintenance_url(), Access::Write, None).await?;
    for row in inspector.query("select datname from pg_database where datname like 'test\\_%'").await? {
        let Some(name) = row.into_iter().next().flatten() else { continue };
        if postgres::maker(&name).is_some_and(|process| !runs(process)) {
            inspector.run(&postgres::drop_statement(&name)).await?;
        }
    }
    Ok(())
}

fn runs(process: u32) -> bool {
    // Where there is no such folder at all, nothing is known to have ended.
    !Path::new("/proc/self").exists() || Path::new("/proc").join(process.to_string()).exists()
}
