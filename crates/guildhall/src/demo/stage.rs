//! Sets the stage: a temporary folder, a free port, an application, a catalogue in it.
//! Refuses settings that would make it work on data of yours.

use super::Demo;
use super::teller::{Teller, count, per_s};
use crate::cli::{Settings, import_bar, in_a_folder, load_config, load_secrets, log, show_import};
use crate::config::{Config, Override};
use crate::load::driver::raise_file_limit;
use crate::{App, server};
use catalogue::generate;
use catalogue::import::{self, Summary};
use std::fs::File;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Games of a generated catalogue.
const GAMES: u32 = 2_000;
/// The same games every time.
const SEED: u64 = 7;
/// Files a process needs besides connections.
const OTHER_FILES: u64 = 256;

/// Everything that is ready when the story begins.
pub(super) struct Stage {
    pub(super) scene: Scene,
    pub(super) app: App,
    pub(super) listener: TcpListener,
}

/// Where the story happens.
pub(super) struct Scene {
    pub(super) app: App,
    pub(super) address: SocketAddr,
    /// `http://HOST:PORT`.
    pub(super) url: String,
    /// Goes with its contents when the demo ends.
    _folder: TempDir,
}

impl Stage {
    pub(super) async fn set(settings: &Settings, demo: &Demo, teller: &Teller) -> Result<Stage, String> {
        if let Some(file) = demo.catalogue.as_ref().filter(|file| !file.is_file()) {
            return Err(format!("{}: there is no such file", file.display()));
        }
        let folder = tempfile::Builder::new().prefix("guildhall-demo-").tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
        let mut config = config(settings, demo, folder.path())?;
        log(&config);
        // Both ends of each connection are in this process.
        let wanted = 2 * u64::from(demo.connections) + OTHER_FILES;
        raise_file_limit(wanted).map_err(|e| format!("{e}: as with --connections 500"))?;
        let listener = bind(&mut config, demo.listen.is_some())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        config.server.listen = address;

        teller.chapter("The store opens");
        let started = Instant::now();
        let secrets = load_secrets(&config)?;
        let app = App::start(config, &secrets).await.map_err(|e| e.to_string())?;
        app.start_logs().await.map_err(|e| e.to_string())?;
        app.start_jobs();
        let url = format!("http://{address}");
        teller.fact("server", started.elapsed(), &format!("{url}, one process, on SQLite in {}", folder.path().display()));
        fill(&app, demo, folder.path(), teller).await?;
        Ok(Stage { scene: Scene { app: app.clone(), address, url, _folder: folder }, app, listener })
    }
}

/// The settings as anywhere else, but on a database of the demo's own.
fn config(settings: &Settings, demo: &Demo, folder: &Path) -> Result<Config, String> {
    for (given, flag) in [(settings.data.is_some(), "--data"), (settings.db.is_some(), "--db"), (settings.kafka.is_some(), "--kafka")] {
        if given {
            return Err(format!(
                "{flag} is not for the demo, which works in a temporary folder: `guildhall serve {flag} …` would be right"
            ));
        }
    }
    let set = |key: &str, value: &str, flag: &str| Override { key: key.to_owned(), value: value.to_owned(), flag: flag.to_owned() };
    // The embedded log's usual port may be another server's; the story sends its records over HTTP.
    let mut more = in_a_folder(folder, "demo");
    more.extend(demo.listen.as_deref().map(|listen| set("server.listen", listen, "--listen")));
    if std::env::var_os("GUILDHALL_LOG_FILTER").is_none() {
        // The story is told on standard output; the log is for what goes wrong.
        more.push(set("log.filter", "warn", "log.filter"));
    }
    load_config(settings, more)
}

/// Binds the configured address. The default one may be another server's already: then any free port will do.
fn bind(config: &mut Config, asked_for: bool) -> Result<TcpListener, String> {
    let listen = config.server.listen;
    match server::bind(listen) {
        Err(_) if !asked_for && listen == Config::default().server.listen => {
            config.server.listen.set_port(0);
            server::bind(config.server.listen).map_err(|e| format!("no free port on {}: {e}", listen.ip()))
        }
        bound => bound.map_err(|e| format!("cannot listen on {listen}: {e}")),
    }
}

async fn fill(app: &App, demo: &Demo, folder: &Path, teller: &Teller) -> Result<(), String> {
    let file = match &demo.catalogue {
        Some(file) => file.clone(),
        None => generated(folder.join("games.json"), teller).await?,
    };
    let bar = import_bar();
    let shown = bar.clone();
    let imported = import::run(&app.db, &file, move |progress| {
        show_import(&shown, &progress);
        ControlFlow::Continue(())
    });
    let summary = imported.await;
    bar.finish_and_clear();
    let summary = summary.map_err(|e| format!("{}: {e}", file.display()))?;
    tell(&summary, teller);
    let started = Instant::now();
    app.catalogue.refresh().await.map_err(|e| e.to_string())?;
    teller.fact("index", started.elapsed(), "every game in memory, to list and to search");
    Ok(())
}

async fn generated(file: PathBuf, teller: &Teller) -> Result<PathBuf, String> {
    let started = Instant::now();
    let path = file.clone();
    let write = move || generate::write_steam_file(File::create(&path)?, GAMES, generate::usual_genre_rows(GAMES), SEED);
    let written = tokio::task::spawn_blocking(write).await.map_err(|e| e.to_string())?;
    let written = written.map_err(|e| format!("{}: {e}", file.display()))?;
    let words = format!("{} games as a file of {:.1} MB", count(u64::from(written.games)), written.bytes as f64 / 1e6);
    teller.fact("generated", started.elapsed(), &words);
    Ok(file)
}

fn tell(summary: &Summary, teller: &Teller) {
    let took = Duration::from_millis(summary.took_ms.max(1));
    let words = format!("{} games, {}", count(summary.counts.added), per_s(summary.counts.read, took));
    teller.fact("imported", took, &words);
    if let Some((app_id, reason)) = summary.bad.first() {
        teller.more(&format!("{} entries could not be read, as app {app_id}: {reason}", count(summary.counts.bad)));
    }
}
