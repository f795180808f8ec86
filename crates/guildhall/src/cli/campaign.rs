//! `guildhall campaign`: reward campaigns from files, on a running server or on the database itself.
//! Refuses a document that is wrong, with each path and reason, before anything is changed.

mod document;
mod look;
mod place;
mod remote;
mod tell;

use super::Settings;
use campaigns::decide::manage::Policy;
use clap::{Args, Subcommand, ValueEnum};
use kernel::GameId;
use place::Place;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where the campaigns are.
#[derive(Debug, Clone, Args)]
pub struct At {
    /// A running server, as http://127.0.0.1:8080; the database itself if not given
    #[arg(long, value_name = "URL", env = "GUILDHALL_SERVER")]
    server: Option<String>,
    /// An access token for the server
    #[arg(long, value_name = "TOKEN", env = "GUILDHALL_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

/// What becomes of players in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Players {
    /// They go on; refused where their progress would mean something else
    Keep,
    /// They start over; what was reached stays reached
    Restart,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Campaign {
    /// Register a campaign, or change it while it runs
    #[command(after_help = "\
Examples:
  guildhall campaign apply ten-plays.yaml
  guildhall campaign apply ten-plays.toml --policy restart
  GUILDHALL_TOKEN=… guildhall campaign apply ten-plays.json --server http://127.0.0.1:8080

It is in force in every process within a second. The document names its game; its schema is at /v1/campaigns/schema.")]
    Apply {
        /// The document: .json, .toml, .yaml or .yml
        file: PathBuf,
        /// What becomes of players in progress when it changes
        #[arg(long, value_enum, default_value = "keep")]
        policy: Players,
        #[command(flatten)]
        at: At,
    },
    /// List a game's campaigns, newest first
    #[command(after_help = "Example: guildhall campaign list --game kartrider --state running")]
    List {
        /// The game
        #[arg(long)]
        game: GameId,
        /// Only those that are upcoming, running, ended or stopped
        #[arg(long, value_parser = ["upcoming", "running", "ended", "stopped"])]
        state: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Show a campaign: its goals, how often they were matched and reached, what was granted
    #[command(after_help = "Example: guildhall campaign show ten-plays --game kartrider --json")]
    Show {
        /// The campaign
        campaign: String,
        /// The game
        #[arg(long)]
        game: GameId,
        #[command(flatten)]
        at: At,
    },
    /// Stop a campaign for good; what was reached can still be claimed
    #[command(after_help = "Example: guildhall campaign stop ten-plays --game kartrider")]
    Stop {
        /// The campaign
        campaign: String,
        /// The game
        #[arg(long)]
        game: GameId,
        #[command(flatten)]
        at: At,
    },
    /// Try a draft on logs that are there: who would reach its goals on which day, and what it would cost; writes nothing
    #[command(after_help = "\
Examples:
  guildhall campaign backtest draft.yaml --from kart.log --mapping kartrider
  guildhall campaign backtest draft.yaml --from kart.log --mapping mapping.json
  guildhall campaign backtest draft.yaml --from kafka --kafka broker:9092
  guildhall campaign backtest draft.yaml --from log --server http://127.0.0.1:8080")]
    Backtest {
        /// The draft: .json, .toml, .yaml or .yml
        file: PathBuf,
        /// A file of records, one a line; `kafka`; or `log`, the log of the server
        #[arg(long, value_name = "FILE|kafka|log")]
        from: String,
        /// A mapping's file or the name of a preset; the game's own if not given
        #[arg(long, value_name = "FILE|PRESET")]
        mapping: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Explain why a player has or has not reached a campaign's goals, event by event
    #[command(after_help = "\
Examples:
  guildhall campaign explain ten-plays --game kartrider --player 1042 --server http://127.0.0.1:8080
  guildhall campaign explain ten-plays --game kartrider --player 1042 --from kart.log")]
    Explain {
        /// The campaign
        campaign: String,
        /// The game
        #[arg(long)]
        game: GameId,
        /// The game's name for the player
        #[arg(long)]
        player: String,
        /// A file of records, one a line; `kafka`; or `log`, the log of the server
        #[arg(long, value_name = "FILE|kafka|log", default_value = "log")]
        from: String,
        #[command(flatten)]
        at: At,
    },
}

pub(super) async fn run(settings: &Settings, campaign: Campaign) -> Result<ExitCode, String> {
    match campaign {
        Campaign::Apply { file, policy, at } => {
            let (document, draft) = document::read(&file)?;
            let policy = if policy == Players::Keep { Policy::Keep } else { Policy::Restart };
            let place = Place::open(settings, &at).await?;
            let done = place.apply(&draft, &document, policy).await;
            let shown = finish(place, done).await?;
            tell::applied(&draft, &shown, at.json);
        }
        Campaign::List { game, state, at } => {
            let place = Place::open(settings, &at).await?;
            let done = place.list(&game, state.as_deref()).await;
            let shown = finish(place, done).await?;
            tell::list(&game, &shown, at.json);
        }
        Campaign::Show { campaign, game, at } => {
            let place = Place::open(settings, &at).await?;
            let done = place.show(&game, &campaign).await;
            let shown = finish(place, done).await?;
            tell::show(&shown, at.json);
        }
        Campaign::Stop { campaign, game, at } => {
            let place = Place::open(settings, &at).await?;
            let done = place.stop(&game, &campaign).await;
            let shown = finish(place, done).await?;
            tell::stopped(&campaign, &shown, at.json);
        }
        Campaign::Backtest { file, from, mapping, at } => {
            let (document, draft) = document::read(&file)?;
            let body = json!({ "campaign": document });
            let shown = look::backtest(settings, &at, &draft, body, &look::Log(from), mapping.as_deref()).await?;
            tell::backtest(&shown, at.json);
        }
        Campaign::Explain { campaign, game, player, from, at } => {
            let shown = look::explain(settings, &at, &game, &campaign, &player, &look::Log(from)).await?;
            tell::explain(&shown, at.json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets go of the place, whether it did what was asked or not.
async fn finish(place: Place, done: Result<serde_json::Value, String>) -> Result<serde_json::Value, String> {
    place.close().await;
    done
}
