//! `guildhall serve`: starts the application, says where it is, serves until it is told to stop.

use super::start::{load_config, load_secrets, log};
use super::{DataLock, Settings};
use crate::app::App;
use crate::config::Override;
use crate::load::driver::raise_file_limit;
use crate::server;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Files a server needs besides its connections.
const OTHER_FILES: u64 = 256;

pub(super) async fn run(settings: &Settings, listen: Option<String>) -> Result<ExitCode, String> {
    let started = std::time::Instant::now();
    let listen = listen.map(|value| Override { key: "server.listen".to_owned(), value, flag: "--listen".to_owned() });
    let config = load_config(settings, listen.into_iter().collect())?;
    log(&config);
    let secrets = load_secrets(&config)?;
    let lock = DataLock::take(&config)?;
    let wanted = config.server.connections_max as u64 + OTHER_FILES;
    if let Err(error) = raise_file_limit(wanted) {
        tracing::warn!(%error, wanted, "fewer connections than server.connections_max may be open at once");
    }
    let listener = server::bind(config.server.listen).map_err(|e| format!("cannot listen on {}: {e}", config.server.listen))?;
    let app = App::start(config, &secrets).await.map_err(|e| e.to_string())?;
    app.start_logs().await.map_err(|e| e.to_string())?;
    app.start_jobs();
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let (database, logs) = (app.config.database_url(), told_logs(&app));
    tracing::info!(%address, ?database, logs, ready_ms = started.elapsed().as_millis(), "guildhall is ready; the API is described at http://{address}/docs");
    server::serve(&app, listener, asked_to_stop()).await;
    app.stop().await;
    tracing::info!("guildhall has stopped; everything that was taken is committed");
    drop(lock);
    Ok(ExitCode::SUCCESS)
}

/// Where game logs come from, in a word.
fn told_logs(app: &App) -> String {
    match (app.config.kafka.brokers.as_str(), app.stream(), app.log_port()) {
        (_, None, _) => "none: kafka.brokers or broker.dir would name some".to_owned(),
        ("", Some(_), Some(port)) => format!("embedded, Kafka's clients at {port}"),
        ("", Some(_), None) => "embedded".to_owned(),
        (brokers, Some(_), _) => format!("Kafka at {brokers}"),
    }
}

/// Ready on the first interrupt or termination signal.
pub(crate) async fn asked_to_stop() {
    let mut terminate = signal(SignalKind::terminate()).expect("a process may watch its signals");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
