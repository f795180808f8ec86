//! `guildhall serve`: starts the application, says where it is, serves until it is told to stop.

use super::start::{load_config, load_secrets, log};
use super::{DataLock, Settings};
use crate::app::App;
use crate::config::{Config, Override};
use crate::fleet::{Place, gateway};
use crate::load::driver::raise_file_limit;
use crate::server::{self, Leaving};
use std::future::Future;
use std::process::ExitCode;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

/// Files a server needs besides its connections.
const OTHER_FILES: u64 = 256;

/// What `serve` was asked by flags.
pub(super) struct Asked {
    pub(super) listen: Option<String>,
    pub(super) services: Option<String>,
    pub(super) with_parent: bool,
}

pub(super) async fn run(settings: &Settings, asked: Asked) -> Result<ExitCode, String> {
    let started = Instant::now();
    let given = [("server.listen", "--listen", asked.listen), ("server.services", "--services", asked.services)];
    let given = given
        .into_iter()
        .filter_map(|(key, flag, value)| Some(Override { key: key.to_owned(), value: value?, flag: flag.to_owned() }))
        .collect();
    let config = load_config(settings, given)?;
    log(&config);
    let lacking = config.server.services.lacking(&config);
    if !lacking.is_empty() {
        return Err(format!("this process lacks what its services need:\n  {}", lacking.join("\n  ")));
    }
    let wanted = config.server.connections_max as u64 + OTHER_FILES;
    if let Err(error) = raise_file_limit(wanted) {
        tracing::warn!(%error, wanted, "fewer connections than server.connections_max may be open at once");
    }
    let stop = stopped(asked.with_parent);
    match config.server.services.has("gateway") {
        true => gateway::run(config, started, stop).await?,
        false => serve(config, started, stop).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves an application until it is to stop; then leaves the registry, answers what still comes, and finishes what was taken.
async fn serve(config: Config, started: Instant, stop: impl Future<Output = ()>) -> Result<(), String> {
    let secrets = load_secrets(&config)?;
    let lock = DataLock::take(&config)?;
    let listener = server::bind(config.server.listen).map_err(|e| format!("cannot listen on {}: {e}", config.server.listen))?;
    let app = App::start(config, &secrets).await.map_err(|e| e.to_string())?;
    app.start_logs().await.map_err(|e| e.to_string())?;
    app.start_jobs();
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let here = app.config.server.services.has("registry").then_some(&app.registry);
    let place = Place::take(&app.config, secrets.token_key(), here, address)?;
    let (database, logs, services) = (app.config.database_url(), told_logs(&app), app.config.server.services.to_string());
    let console = if app.config.server.services.has("console") {
        format!(", the operators' console is at http://{address}/console/")
    } else {
        String::new()
    };
    tracing::info!(%address, ?database, services, logs, ready_ms = started.elapsed().as_millis(), "guildhall is ready; the API is described at http://{address}/docs{console}");
    let leaving = Leaving::default();
    let left = async {
        stop.await;
        if let Some(place) = place {
            place.leave(|| leaving.begin()).await;
        }
        app.let_go();
    };
    server::serve_leaving(&app, listener, leaving.clone(), left).await;
    app.stop().await;
    tracing::info!("guildhall has stopped; everything that was taken is committed");
    drop(lock);
    Ok(())
}

/// Ready when the process is to stop: by a signal, or because whoever started it is gone.
async fn stopped(with_parent: bool) {
    if !with_parent {
        return asked_to_stop().await;
    }
    tokio::select! {
        () = asked_to_stop() => {}
        // Nobody writes there: it ends with the process that holds its other end.
        _ = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())) => {}
    }
}

/// Where game logs come from, in a word.
fn told_logs(app: &App) -> String {
    match (app.config.kafka.brokers.as_str(), app.stream(), app.log_port()) {
        (_, None, _) if !app.config.server.services.has("stream") => "not this process's".to_owned(),
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
