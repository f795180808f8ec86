//! `guildhall fleet`: a whole fleet on this machine, who is there, and a rolling restart.

mod restart;

use super::start::{load_config, log, quiet};
use super::{Settings, asked_to_stop};
use crate::config::{Config, Override};
use crate::fleet::status::{Seen, table};
use crate::fleet::{link, supervisor};
use crate::secrets::Secrets;
use clap::{Args, Subcommand};
use registry::client::Watch;
use std::process::ExitCode;
use std::time::Duration;

/// A registry that answers does so within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Many processes as one.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  guildhall fleet --local --db postgres://guildhall:secret@127.0.0.1/guildhall --kafka 127.0.0.1:9092
  guildhall fleet status
  guildhall fleet restart payments"
)]
pub struct Fleet {
    /// Start a whole fleet on this machine: gateways, registries, and two processes of everything else
    #[arg(long)]
    local: bool,
    /// Processes of every kind but gateways and registries [default: 2]
    #[arg(long, value_name = "COUNT")]
    size: Option<String>,
    /// grouped: services that are used together share a process; each: none does [default: grouped]
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<String>,
    /// Addresses of the gateways [default: 127.0.0.1:8080,127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESSES")]
    gateways: Option<String>,
    /// Addresses of the registries [default: 127.0.0.1:8761,127.0.0.1:8762]
    #[arg(long, value_name = "ADDRESSES")]
    registries: Option<String>,
    /// What to ask a running fleet.
    #[command(subcommand)]
    ask: Option<Ask>,
}

/// What a running fleet is asked.
#[derive(Debug, Subcommand)]
pub(super) enum Ask {
    /// Show who is there
    #[command(after_help = "Example: guildhall fleet status --registry http://10.0.0.5:8761 --json")]
    Status {
        /// A registry's address [default: registry.urls, or those of `fleet --local`]
        #[arg(long, value_name = "URL")]
        registry: Option<String>,
        /// A JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Restart processes of this machine one after another, each when the one before is there again
    #[command(after_help = "Example: guildhall fleet restart payments")]
    Restart {
        /// Only those that serve this, or the one of this name [default: all]
        service: Option<String>,
        /// A registry's address [default: registry.urls, or those of `fleet --local`]
        #[arg(long, value_name = "URL")]
        registry: Option<String>,
    },
}

pub(super) async fn run(settings: &Settings, fleet: Fleet) -> Result<ExitCode, String> {
    match fleet.ask {
        Some(Ask::Status { registry, json }) => status(settings, registry, json).await,
        Some(Ask::Restart { service, registry }) => {
            let watch = watch(settings, registry).await?;
            restart::run(&watch, service.as_deref()).await
        }
        None if fleet.local => local(settings, fleet).await,
        None => {
            Err("which fleet? --local starts one on this machine; elsewhere each process is started by guildhall serve --services NAMES, \
                     as docs/fleet.md shows"
                .to_owned())
        }
    }
}

async fn local(settings: &Settings, fleet: Fleet) -> Result<ExitCode, String> {
    let given = [
        ("fleet.size", "--size", fleet.size),
        ("fleet.layout", "--layout", fleet.layout),
        ("fleet.gateways", "--gateways", fleet.gateways),
        ("fleet.registries", "--registries", fleet.registries),
    ];
    let given =
        given.into_iter().filter_map(|(key, flag, value)| Some(Override { key: key.to_owned(), value: value?, flag: flag.to_owned() }));
    let config = load_config(settings, given.chain(silent()).collect())?;
    log(&config);
    supervisor::run(&config, settings.config.clone(), asked_to_stop()).await?;
    Ok(ExitCode::SUCCESS)
}

/// What it has to say it prints; that a registry does not answer yet while it starts is no news.
fn silent() -> Vec<Override> {
    quiet().into_iter().map(|filter| Override { value: "error".to_owned(), ..filter }).collect()
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
async fn status(settings: &Settings, registry: Option<String>, json: bool) -> Result<ExitCode, String> {
    let seen = Seen::of(&watch(settings, registry).await?.snapshot());
    if json {
        println!("{}", serde_json::to_string_pretty(&seen).expect("what was seen is plain data"));
    } else if seen.is_empty() {
        println!("the registry answers, and nobody has registered");
    } else {
        println!("{}", table(&seen));
    }
    Ok(ExitCode::SUCCESS)
}

/// Follows a registry that has answered.
async fn watch(settings: &Settings, registry: Option<String>) -> Result<Watch, String> {
    let given = registry.map(|value| Override { key: "registry.urls".to_owned(), value, flag: "--registry".to_owned() });
    let mut config = load_config(settings, given.into_iter().chain(quiet()).collect())?;
    log(&config);
    if config.registry.urls.is_empty() {
        config.registry.urls = local_urls(&config);
    }
    let env = |name: &str| std::env::var(name).ok();
    let token_key = Secrets::load_token_key(&config.data.dir, env).map_err(|problems| {
        format!(
            "{problems}\n  a registry tells only who has the fleet's token key: --data names the folder of a fleet that was started here"
        )
    })?;
    let watch = Watch::start(link(&config, &token_key)?);
    match tokio::time::timeout(ANSWER_WITHIN, watch.ready()).await {
        Ok(()) => Ok(watch),
        Err(_) => Err(format!("no registry answers at {}: --registry URL names another", config.registry.urls)),
    }
}

fn local_urls(config: &Config) -> String {
    let urls: Vec<String> = config.fleet.registries.iter().map(|address| format!("http://{address}")).collect();
    urls.join(",")
}
