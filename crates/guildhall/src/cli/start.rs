//! What commands need before they can begin: configuration, secrets, log, an up-to-date schema.

use super::{DataLock, Settings};
use crate::app::{App, database_options};
use crate::config::{Config, Override, environment};
use crate::secrets::{Missing, Secrets};
use std::path::Path;
use std::process::ExitCode;

/// The configuration by flags, environment and file; every mistake in the error.
pub fn load_config(settings: &Settings, more: Vec<Override>) -> Result<Config, String> {
    let mut flags = settings.overrides();
    flags.extend(more);
    Config::load(settings.config.as_deref(), environment(), &flags).map_err(|mistakes| mistakes.to_string())
}

/// The secrets: generated on the first start of the embedded default, required from outside otherwise.
pub fn load_secrets(config: &Config) -> Result<Secrets, String> {
    let file = config.database_url().sqlite_file();
    let missing = match &file {
        Some(database) => Missing::Generate { database },
        None => Missing::Refuse,
    };
    Secrets::load(&config.data.dir, |name| std::env::var(name).ok(), missing).map_err(|problems| problems.to_string())
}

/// Starts the log, on standard error, and the traces. A second start in one process changes nothing.
pub(crate) fn log(config: &Config) {
    crate::telemetry::start(config);
}

/// An application for a command that writes and then ends. Its jobs are not started.
pub(crate) async fn writing(settings: &Settings) -> Result<(App, Option<DataLock>), String> {
    opened(load_config(settings, quiet())?).await
}

async fn opened(config: Config) -> Result<(App, Option<DataLock>), String> {
    log(&config);
    let secrets = load_secrets(&config)?;
    let lock = DataLock::take(&config)?;
    let app = App::start(config, &secrets).await.map_err(|e| e.to_string())?;
    Ok((app, lock))
}

/// Commands that end talk by themselves: their log is for warnings.
pub(super) fn quiet() -> Vec<Override> {
    if std::env::var_os("GUILDHALL_LOG_FILTER").is_some() {
        return Vec::new();
    }
    vec![Override { key: "log.filter".to_owned(), value: "warn".to_owned(), flag: "log.filter".to_owned() }]
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn migrate(settings: &Settings) -> Result<ExitCode, String> {
    let config = load_config(settings, quiet())?;
    let url = config.database_url();
    let lock = DataLock::take(&config)?;
    if url.sqlite_file().is_some() {
        load_secrets(&config)?;
    }
    let count = db::migrate(&database_options(&config)).await.map_err(|e| e.to_string())?;
    println!("the schema of {url:?} is up to date: {count} migrations");
    drop(lock);
    Ok(ExitCode::SUCCESS)
}

/// Settings with which nothing outside a folder of one's own is touched, whatever the environment says: no database, no log, no port, no mail.
pub(crate) fn in_a_folder(folder: &Path, flag: &str) -> Vec<Override> {
    let database = format!("sqlite:{}", folder.join("guildhall.db").display());
    let own = [("data.dir", folder.display().to_string()), ("db.url", database), ("server.services", "all".to_owned())];
    let none =
        ["broker.listen", "broker.dir", "kafka.brokers", "mail.smtp_url", "outbox.mail_dir", "outbox.events_file", "outbox.kafka_topic"];
    let none = none.into_iter().map(|key| (key, String::new()));
    own.into_iter().chain(none).map(|(key, value)| Override { key: key.to_owned(), value, flag: flag.to_owned() }).collect()
}

/// Prints the description; an empty data folder is enough for that.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn openapi() -> Result<ExitCode, String> {
    let folder = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
    let own = in_a_folder(folder.path(), "openapi").into_iter().chain(quiet()).collect();
    let (app, lock) = opened(load_config(&Settings::default(), own)?).await?;
    app.start_logs().await.map_err(|e| e.to_string())?;
    let api = app.routes().to_openapi().to_pretty_json().map_err(|e| e.to_string())?;
    println!("{api}");
    app.stop().await;
    drop(lock);
    Ok(ExitCode::SUCCESS)
}

/// A database that lacks our tables is one that nobody made ready.
pub(super) fn unmigrated(error: db::Error) -> String {
    let told = error.to_string();
    let lacks_tables = told.contains("no such table") || (told.contains("relation") && told.contains("does not exist"));
    if lacks_tables { format!("{told}: has it been made ready? `guildhall migrate` does it") } else { told }
}
