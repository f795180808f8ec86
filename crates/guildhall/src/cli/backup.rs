//! `guildhall backup` and `guildhall restore`: the whole database as one file while servers run, and back into an empty one.
//! Refuses to write over anything: a file that is there, a database that holds something.

use super::serve::asked_to_stop;
use super::start::{load_config, quiet};
use super::{DataLock, Settings};
use crate::app::database_options;
use crate::config::{Config, DatabaseUrl};
use db::{Db, Options, Statement};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use tempfile::NamedTempFile;

/// How a copy of SQLite begins.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// How a dump of Postgres in its custom format begins.
const POSTGRES: &[u8] = b"PGDMP";

/// Copies the database into a file.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn backup(settings: &Settings, file: &Path) -> Result<ExitCode, String> {
    let config = load_config(settings, quiet())?;
    let url = config.database_url();
    if file.exists() {
        return Err(format!("{} is there already: a name that is free would be right", file.display()));
    }
    // Under a passing name until it is whole, so that nobody takes half a copy for a backup.
    let passing = passing(file)?;
    if let Some(database) = url.sqlite_file().filter(|database| !database.exists()) {
        return Err(format!("there is no database {}", database.display()));
    }
    let (from, into) = (url.clone(), passing.path().to_owned());
    let copying = tokio::spawn(async move { copy(&from, &into).await });
    let Some(copied) = unless_stopped(copying).await? else { return Ok(given_up(passing, "no backup was made")) };
    copied?;
    let size = keep(passing, file)?;
    println!("{url} is in {}: {:.1} MB", file.display(), size as f64 / 1e6);
    let secrets = config.data.dir.join("secrets");
    let keys = if secrets.exists() {
        secrets.display().to_string()
    } else {
        "what GUILDHALL_PERSONAL_KEY and GUILDHALL_TOKEN_KEY hold".to_owned()
    };
    eprintln!("the keys are not in it: keep {keys} too, and apart from it, since both together read everybody's personal data");
    Ok(ExitCode::SUCCESS)
}

async fn copy(url: &DatabaseUrl, into: &Path) -> Result<(), String> {
    if url.sqlite_file().is_some() {
        let into = into.to_string_lossy().replace('\'', "''");
        return db::run_once(url.reveal(), &format!("vacuum into '{into}'")).await.map(drop).map_err(|e| e.to_string());
    }
    // Rights are left out: recipes' roles carry the mark of their database, and are made again in another.
    tool("pg_dump", url, &["--format=custom", "--no-owner", "--no-privileges", "--file"], into).await
}

/// What a task came to; none where the process was asked to stop before.
async fn unless_stopped<T>(task: tokio::task::JoinHandle<T>) -> Result<Option<T>, String> {
    tokio::select! {
        done = task => done.map(Some).map_err(|e| e.to_string()),
        () = asked_to_stop() => Ok(None),
    }
}

/// Takes away what was begun, with the journal that SQLite keeps beside it.
fn given_up(passing: NamedTempFile, told: &str) -> ExitCode {
    for beside in ["-journal", "-wal", "-shm"] {
        // Most are not there.
        drop(std::fs::remove_file(format!("{}{beside}", passing.path().display())));
    }
    drop(passing);
    eprintln!("stopped: {told}");
    ExitCode::from(130)
}

/// Fills an empty database from such a file, and brings its schema up to date.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn restore(settings: &Settings, file: &Path) -> Result<ExitCode, String> {
    let config = load_config(settings, quiet())?;
    let url = config.database_url();
    let lock = DataLock::take(&config)?;
    let (begins, kind) = if url.sqlite_file().is_some() { (SQLITE, "SQLite") } else { (POSTGRES, "Postgres") };
    if !begun(file)?.starts_with(begins) {
        return Err(format!("{} is no backup of {kind}, and {url} is a database of that kind", file.display()));
    }
    match url.sqlite_file() {
        Some(database) => {
            if !restore_sqlite(file, &database).await? {
                return Ok(ExitCode::from(130));
            }
        }
        None => restore_postgres(&config, &url, file).await?,
    }
    let options = database_options(&config);
    let migrations = db::migrate(&options).await.map_err(|e| e.to_string())?;
    let db = Db::open(options).await.map_err(|e| e.to_string())?;
    db.analyse().await.map_err(|e| e.to_string())?;
    db.close().await;
    drop(lock);
    println!("{url} is as {} has it, at {migrations} migrations; `guildhall check` looks it through", file.display());
    Ok(ExitCode::SUCCESS)
}

/// False: it was stopped before anything was put in place.
async fn restore_sqlite(file: &Path, database: &Path) -> Result<bool, String> {
    let wal = PathBuf::from(format!("{}-wal", database.display()));
    if let Some(there) = [database, &wal].into_iter().find(|path| path.metadata().is_ok_and(|found| found.len() > 0)) {
        return Err(format!("{} is there already: a restore writes over nothing, so move it away first", there.display()));
    }
    let passing = passing(database)?;
    let (from, into) = (file.to_owned(), passing.path().to_owned());
    let copying = tokio::spawn(async move { sound_copy(&from, &into).await });
    let Some(copied) = unless_stopped(copying).await? else {
        given_up(passing, "nothing was restored");
        return Ok(false);
    };
    let copied = copied?;
    if database.exists() {
        // It is empty, as was seen above.
        std::fs::remove_file(database).map_err(|e| format!("{}: {e}", database.display()))?;
    }
    let kept = keep(passing, database)?;
    if kept >= copied { Ok(true) } else { Err(format!("{} has {kept} bytes of {copied}", database.display())) }
}

/// Copies a database that SQLite finds whole; returns its bytes.
async fn sound_copy(file: &Path, into: &Path) -> Result<u64, String> {
    static INTEGRITY: Statement = Statement::new("backup.integrity", "pragma integrity_check");
    let of = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let copied = tokio::fs::copy(file, into).await.map_err(|e| of(&e))?;
    let copy = Db::open(Options { statement_timeout_ms: 0, ..Options::new(format!("sqlite:{}", into.display())) });
    let copy = copy.await.map_err(|e| of(&e))?;
    let found = copy.fetch(&INTEGRITY, &[], |row| row.text(0)).await.map_err(|e| of(&e))?;
    copy.close().await;
    if found == ["ok"] { Ok(copied) } else { Err(format!("{} is damaged: {}", file.display(), found.join("; "))) }
}

async fn restore_postgres(config: &Config, url: &DatabaseUrl, file: &Path) -> Result<(), String> {
    static TABLES: Statement = Statement::new(
        "backup.tables",
        "select count(*) from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')",
    );
    let db = Db::open(database_options(config)).await.map_err(|e| {
        format!("{url}: {e}; a new database would be right: `createdb --encoding UTF8 --locale C --template template0 NAME`")
    })?;
    let tables = db.fetch(&TABLES, &[], |row| row.int(0)).await.map_err(|e| e.to_string())?;
    db.close().await;
    if tables != [0] {
        let count = tables.first().copied().unwrap_or_default();
        return Err(format!(
            "{url} holds {count} tables: a restore writes over nothing, so a new database would be right: `createdb --encoding UTF8 --locale C --template template0 NAME`"
        ));
    }
    tool("pg_restore", url, &["--no-owner", "--exit-on-error", "--single-transaction"], file).await
}

/// Runs one of Postgres' own programs; the password goes by its environment, where the list of processes does not show it.
async fn tool(program: &str, url: &DatabaseUrl, how: &[&str], file: &Path) -> Result<(), String> {
    let (address, password) = without_password(url.reveal());
    let mut command = tokio::process::Command::new(program);
    command.args(how).arg(file).arg("--dbname").arg(address).stdin(Stdio::null());
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    let done = command.output().await.map_err(|e| format!("{program}: {e}; it comes with the distribution's client of Postgres"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{program} failed on {url}: {}", String::from_utf8_lossy(&done.stderr).trim()))
}

/// The address without its password, and the password as it was before it was written into an address.
fn without_password(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let authority = rest.find(['/', '?']).unwrap_or(rest.len());
    let Some((user, place)) = rest[..authority].rsplit_once('@') else { return (url.to_owned(), None) };
    let Some((name, password)) = user.split_once(':') else { return (url.to_owned(), None) };
    (format!("{scheme}://{name}@{place}{}", &rest[authority..]), Some(decoded(password)))
}

/// `%40` is `@`, as in every address.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        match code {
            Some(code) => {
                bytes.extend(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first bytes of a file.
fn begun(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|opened| opened.take(SQLITE.len() as u64).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|e| format!("{}: {e}", file.display()))
}

/// An empty file beside another, which only its owner reads.
fn passing(beside: &Path) -> Result<NamedTempFile, String> {
    let folder = beside.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".guildhall-").tempfile_in(folder).map_err(|e| format!("{}: {e}", folder.display()))
}

/// Gives a file its name once it is safely on the disk; returns its size in bytes.
fn keep(passing: NamedTempFile, file: &Path) -> Result<u64, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", file.display());
    let written = File::open(passing.path()).map_err(failed)?;
    written.sync_all().map_err(failed)?;
    let size = written.metadata().map_err(failed)?.len();
    let folder = passing.path().parent().map(Path::to_owned);
    passing.persist_noclobber(file).map_err(|e| failed(e.error))?;
    if let Some(folder) = folder {
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_leaves_the_address_and_is_read_as_it_was_meant() {
        let (address, password) = without_password("postgres://ada:p%40ss%2Fw%rd@db:5432/store?sslmode=require");
        assert_eq!((address.as_str(), password.as_deref()), ("postgres://ada@db:5432/store?sslmode=require", Some("p@ss/w%rd")));
        for whole in ["postgres://db/store", "postgres://ada@db/store", "postgres:///store?host=/run/a:b@c"] {
            assert_eq!(without_password(whole), (whole.to_owned(), None));
        }
    }
}
