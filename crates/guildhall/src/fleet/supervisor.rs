//! A whole fleet on one machine: starts its processes tier by tier, starts again what ends, stops all of them in order.
//! Refuses to begin where a process could not run: without a Postgres, without keys, on addresses that are taken.

use super::backoff::Backoff;
use super::child::Surroundings;
use super::plan::{Planned, Tier, plan};
use super::status::{self, Seen};
use super::{KEEPER_VARIABLE, NAME};
use crate::app::database_options;
use crate::config::Config;
use crate::secrets::{Missing, Secrets};
use db::{Db, Statement};
use futures::future::join_all;
use registry::FleetToken;
use registry::client::{Link, Watch};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A tier is there within this time, or its logs are worth reading.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Whoever ends in order sooner than this after its start was not asked to.
const ASKED_AFTER: Duration = Duration::from_secs(1);
/// Beside grace and drain a process gets this long to end.
const END_MORE: Duration = Duration::from_secs(5);
/// How to get a Postgres.
const NO_POSTGRES: &str = "a fleet's processes share a Postgres, and none is named: --db postgres://USER:PASSWORD@HOST/NAME would be right\n  \
     Debian's and Ubuntu's: apt install postgresql, then as user postgres:\n    \
     psql -c \"create role guildhall login password 'secret'\"\n    \
     psql -c \"create database guildhall owner guildhall encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0\"\n  \
     in a checkout: cargo xtask services starts one and prints its address\n  \
     for one process on the embedded database: guildhall serve";

/// Runs a fleet until `stop` is ready; then stops it in order.
///
/// # Errors
/// Something it needs is not there, said with what would be right.
pub async fn run(config: &Config, file: Option<PathBuf>, stop: impl Future<Output = ()>) -> Result<(), String> {
    if config.database_url().sqlite_file().is_some() {
        return Err(NO_POSTGRES.to_owned());
    }
    let secrets = prepared(config).await?;
    for address in config.fleet.registries.iter().chain(config.fleet.gateways.iter()) {
        crate::server::bind(address).map_err(|e| {
            format!("cannot listen on {address}: {e}; a fleet that runs already? fleet.gateways and fleet.registries name other addresses")
        })?;
    }
    let surroundings = Arc::new(surroundings(config, file, &secrets)?);
    let urls: Vec<String> = config.fleet.registries.iter().map(|address| format!("http://{address}")).collect();
    let link = Link::http(&urls, FleetToken::derive(secrets.token_key().reveal())).map_err(|refusal| refusal.to_string())?;
    let planned = plan(&config.fleet, !config.kafka.brokers.is_empty());
    told_start(config, &planned, &surroundings);
    let mut fleet = Running { surroundings, config, tiers: Vec::new() };
    let watch = Watch::start(link);
    tokio::pin!(stop);
    let started = tokio::select! {
        started = fleet.start(&planned, &watch) => Some(started),
        () = &mut stop => None,
    };
    match started {
        Some(Ok(())) => {
            told_ready(config, &planned, &watch);
            stop.await;
        }
        Some(Err(why)) => tell(&why),
        None => {}
    }
    tell("stopping: gateways first, then the services, the registries last");
    fleet.stop().await;
    tell("the fleet has stopped; everything that was taken is committed");
    Ok(())
}

/// The schema up to date, and the keys: made where nothing can depend on lost ones yet.
async fn prepared(config: &Config) -> Result<Secrets, String> {
    static ANYBODY: Statement = Statement::new("fleet.anybody", "select 1 from accounts limit 1");
    let options = database_options(config);
    db::migrate(&options).await.map_err(|e| format!("{}: {e}", config.database_url()))?;
    let db = Db::open(options).await.map_err(|e| e.to_string())?;
    let anybody = db.fetch(&ANYBODY, &[], |_| Ok(())).await.map_err(|e| e.to_string())?;
    db.close().await;
    let none_yet = config.data.dir.join("no-database-file");
    let missing = if anybody.is_empty() { Missing::Generate { database: &none_yet } } else { Missing::Refuse };
    let told = |problems| format!("{problems}\n  the database has accounts already: the keys it was used with would be right");
    Secrets::load(&config.data.dir, |name| std::env::var(name).ok(), missing).map_err(told)
}

fn surroundings(config: &Config, file: Option<PathBuf>, secrets: &Secrets) -> Result<Surroundings, String> {
    let logs = config.data.dir.join("fleet");
    std::fs::create_dir_all(&logs).map_err(|e| format!("{} cannot be made: {e}", logs.display()))?;
    let registries: Vec<String> = config.fleet.registries.iter().map(|address| format!("http://{address}")).collect();
    let variable = |key: &str, value: String| (Config::variable(key), value);
    let personal = secrets.personal_keys().iter().map(|key| format!("{}:{}", key.id, hex::encode(key.key.reveal())));
    let mut variables = vec![
        (crate::secrets::TOKEN_KEY_VARIABLE.to_owned(), hex::encode(secrets.token_key().reveal())),
        (crate::secrets::PERSONAL_KEY_VARIABLE.to_owned(), personal.collect::<Vec<_>>().join(",")),
        (KEEPER_VARIABLE.to_owned(), std::process::id().to_string()),
        variable("registry.urls", registries.join(",")),
        variable("db.url", config.database_url().reveal().to_owned()),
        variable("db.readers", config.fleet.readers.to_string()),
        variable("db.writers", config.fleet.writers.to_string()),
        variable("data.dir", config.data.dir.display().to_string()),
    ];
    if !config.kafka.brokers.is_empty() {
        variables.push(variable("kafka.brokers", config.kafka.brokers.clone()));
    }
    let program = std::env::current_exe().map_err(|e| format!("this program cannot be found again: {e}"))?;
    let end_max = Duration::from_millis(config.server.shutdown_grace_ms + config.registry.drain_ms) + END_MORE;
    Ok(Surroundings { program, config: file, variables, logs, end_max })
}

/// The processes that are kept running.
struct Running<'c> {
    surroundings: Arc<Surroundings>,
    config: &'c Config,
    tiers: Vec<(watch::Sender<bool>, Vec<JoinHandle<()>>)>,
}

impl Running<'_> {
    /// Starts tier after tier, each when the one before is there.
    async fn start(&mut self, planned: &[Planned], watch: &Watch) -> Result<(), String> {
        for tier in Tier::ALL {
            let members: Vec<&Planned> = planned.iter().filter(|process| process.tier == tier).collect();
            let (stop, stopped) = watch::channel(false);
            let of = &self.config.fleet;
            let backoff = Backoff::new(Duration::from_millis(of.restart_min_ms), Duration::from_millis(of.restart_max_ms));
            let keep =
                |process: &&Planned| tokio::spawn(keep((*process).clone(), self.surroundings.clone(), backoff.clone(), stopped.clone()));
            self.tiers.push((stop, members.iter().map(keep).collect()));
            let names: Vec<&str> = members.iter().map(|process| process.name.as_str()).collect();
            self.there(&names, watch).await?;
        }
        Ok(())
    }

    async fn there(&self, names: &[&str], watch: &Watch) -> Result<(), String> {
        let missing = |snapshot: &registry::client::Snapshot| -> Vec<String> {
            let there = |name: &str| {
                let is_it = |one: &registry::Instance| one.takes_requests() && one.metadata.get(NAME).is_some_and(|known| known == name);
                snapshot.instances().any(is_it)
            };
            names.iter().filter(|name| !there(name)).map(|name| (*name).to_owned()).collect()
        };
        match tokio::time::timeout(READY_WITHIN, watch.until(|snapshot| missing(snapshot).is_empty())).await {
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "{} did not register within {} s: the logs in {} say why",
                missing(&watch.snapshot()).join(", "),
                READY_WITHIN.as_secs(),
                self.surroundings.logs.display()
            )),
        }
    }

    /// Stops the tiers the other way round.
    async fn stop(self) {
        for (stop, keeping) in self.tiers.into_iter().rev() {
            stop.send_replace(true);
            // A keeper that panicked was logged by the runtime, and dropped its process.
            drop(join_all(keeping).await);
        }
    }
}

/// Keeps one process running until it is told to stop.
async fn keep(planned: Planned, surroundings: Arc<Surroundings>, mut backoff: Backoff, mut stopped: watch::Receiver<bool>) {
    loop {
        let started = Instant::now();
        let (how, was_asked) = match surroundings.start(&planned) {
            Ok((mut child, _held)) => tokio::select! {
                ended = child.wait() => match ended {
                    Ok(status) => (status.to_string(), status.success()),
                    Err(error) => (error.to_string(), false),
                },
                () = told(&mut stopped) => {
                    if surroundings.end(&mut child).await.is_none_or(|status| !status.success()) {
                        tell(&format!("{} did not end in order: {}", planned.name, surroundings.log_of(&planned).display()));
                    }
                    return;
                }
            },
            Err(why) => (why, false),
        };
        // Whoever ends in order was asked to, as a rolling restart does: there is nothing to wait for, unless it ends at once.
        let pause = if was_asked && started.elapsed() > ASKED_AFTER { Duration::ZERO } else { backoff.after(started.elapsed()) };
        let lived = started.elapsed().as_secs_f64();
        tell(&format!("{} ended after {lived:.1} s ({how}); it is started again in {} ms", planned.name, pause.as_millis()));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = told(&mut stopped) => return,
        }
    }
}

/// Ready when it is told to stop, or nobody is left who could.
async fn told(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

fn told_start(config: &Config, planned: &[Planned], surroundings: &Surroundings) {
    tell(&format!("starting {} processes on {}; their logs are in {}", planned.len(), config.database_url(), surroundings.logs.display()));
    if config.kafka.brokers.is_empty() {
        tell("without the stream: game logs come from a Kafka, and --kafka HOST:PORT names none");
    }
}

fn told_ready(config: &Config, planned: &[Planned], watch: &Watch) {
    let seen = Seen::of(&watch.snapshot());
    tell(&status::table(&seen));
    let services: usize = planned.iter().map(|process| process.services.len()).sum();
    let gateways: Vec<String> = config.fleet.gateways.iter().map(|address| format!("http://{address}")).collect();
    tell(&format!("the fleet is up: {} processes with {services} services; call it at {}", planned.len(), gateways.join(" or ")));
    tell("guildhall fleet status shows who is there, guildhall fleet restart restarts one after another, Ctrl-C stops all");
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell(text: &str) {
    println!("{text}");
}
