//! Looks into logs: backtests of drafts and explanations of players. They write nothing.

use super::At;
use super::document::lines;
use super::place::{Place, of, plain, told};
use super::remote::{Remote, escaped};
use crate::cli::Settings;
use crate::cli::start::load_config;
use db::{Statement, row};
use kernel::{GameId, Instant};
use rules::{Campaign, Mapping, PlayerState};
use serde_json::Value;
use std::path::PathBuf;
use stream::backtest::From;
use stream::explain::Question;
use stream::{KafkaOptions, ReadingLimits, Source};

static STATE: Statement = Statement::new("campaign.state_of_player", "select state from player_state where game = $1 and player = $2");

/// Which log to look at: a file, `kafka` or `log`.
pub(super) struct Log(pub(super) String);

impl Log {
    /// The log as the stream reads it. The server's own log has no other reader.
    fn open(&self, settings: &Settings, game: &GameId) -> Result<(Option<Source>, From), String> {
        match self.0.as_str() {
            "log" => Err("--from log is the log of a running server: give --server, or a file of records".to_owned()),
            "kafka" => {
                let config = load_config(settings, Vec::new())?;
                let brokers = config.kafka.brokers.clone();
                if brokers.is_empty() {
                    return Err("--from kafka needs an address: --kafka HOST:PORT, or kafka.brokers in the configuration".to_owned());
                }
                let topic = format!("{}{game}", config.stream.topic_prefix);
                Ok((Some(Source::Kafka(KafkaOptions::new(brokers))), From::Topic(topic)))
            }
            file => Ok((None, From::File(PathBuf::from(file)))),
        }
    }
}

/// No look from the command line is bounded as tightly as one that a server's other callers wait beside.
fn limits() -> ReadingLimits {
    ReadingLimits { time_max_ms: 3_600_000, records_max: u64::MAX, ..ReadingLimits::default() }
}

pub(super) async fn backtest(
    settings: &Settings,
    at: &At,
    draft: &Campaign,
    body: Value,
    log: &Log,
    mapping: Option<&str>,
) -> Result<Value, String> {
    if let (Some(url), "log") = (&at.server, log.0.as_str()) {
        let path = format!("/v1/games/{}/campaigns/backtest", draft.game);
        return Remote::new(url, at.token.clone())?.post(&path, body).await;
    }
    let (source, from) = log.open(settings, &draft.game)?;
    let mapping = match mapping {
        Some(named) => named_mapping(named)?,
        None => own_mapping(settings, at, &draft.game).await?,
    };
    let draft = draft.clone();
    let looked = tokio::task::spawn_blocking(move || stream::backtest::backtest(source.as_ref(), &from, &limits(), &mapping, &draft));
    plain(looked.await.map_err(|e| e.to_string())?.map_err(|refusal| told(refusal.into()))?)
}

/// A preset by its name, or else a file.
fn named_mapping(named: &str) -> Result<Mapping, String> {
    let text = match rules::preset(named) {
        Some(preset) => preset.to_owned(),
        None => std::fs::read_to_string(named).map_err(|e| format!("{named}: {e}; the presets are {}", rules::presets().join(", ")))?,
    };
    Mapping::parse(&text).map_err(|faults| format!("{named} is wrong:\n{}", lines(&faults)))
}

/// The mapping that is in force in the game.
async fn own_mapping(settings: &Settings, at: &At, game: &GameId) -> Result<Mapping, String> {
    let place = Place::open(settings, at).await?;
    let found = match &place {
        Place::Server(remote) => remote.get(&format!("/v1/games/{game}/mapping")).await.map(|view| view["mapping"].clone()),
        Place::Here(app, _) => app.campaigns.mapping(game).await.map(|view| view.mapping).map_err(told),
    };
    place.close().await;
    let document = found.map_err(|e| format!("{e}\n  give one with --mapping"))?;
    Mapping::parse(&document.to_string()).map_err(|faults| format!("the mapping of {game} is wrong:\n{}", lines(&faults)))
}

pub(super) async fn explain(settings: &Settings, at: &At, game: &GameId, campaign: &str, player: &str, log: &Log) -> Result<Value, String> {
    if let (Some(url), "log") = (&at.server, log.0.as_str()) {
        let path = format!("{}/players/{}/explain", of(game, campaign), escaped(player));
        return Remote::new(url, at.token.clone())?.get(&path).await;
    }
    let (source, from) = log.open(settings, game)?;
    let here = At { server: None, ..at.clone() };
    let place = Place::open(settings, &here).await?;
    let done = explain_here(&place, game, campaign, player, source, from).await;
    place.close().await;
    done
}

async fn explain_here(
    place: &Place,
    game: &GameId,
    campaign: &str,
    player: &str,
    source: Option<Source>,
    from: From,
) -> Result<Value, String> {
    let Place::Here(app, _) = place else { return Err("a file is looked at here, beside the database".to_owned()) };
    let live =
        app.campaigns.live().reload(game).await.map_err(told)?.ok_or_else(|| format!("{game} has neither campaigns nor a mapping"))?;
    let found = live.campaigns.iter().find(|one| one.campaign.id == campaign);
    let number = found.map(|one| one.number).ok_or_else(|| format!("no campaign {campaign} runs in {game}"))?;
    let state = app.db.fetch(&STATE, &row![game.as_str(), player], |row| row.bytes(0)).await.map_err(told)?.pop().unwrap_or_default();
    let now: Instant = app.db.now();
    let state = PlayerState::decode(&state).map_err(|e| e.to_string())?;
    let opted_in_at = rules::progress(&live.plan, number, &state, now).and_then(|progress| progress.opted_in_at);
    let player = player.to_owned();
    let looked = tokio::task::spawn_blocking(move || {
        let question = Question { live: &live, number, player: &player, opted_in_at, now };
        stream::explain::explain(source.as_ref(), &from, &limits(), &question)
    });
    plain(looked.await.map_err(|e| e.to_string())?.map_err(|refusal| told(refusal.into()))?)
}
