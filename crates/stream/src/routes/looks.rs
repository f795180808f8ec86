//! The routes that look into the log: they write nothing, and each is bounded in time and records.

use crate::explain::{Question, explain as explain_player};
use crate::looking::From;
use crate::{Backtest, Explanation, Stream, backtest as backtests};
use accounts::{Caller, Scope};
use axum::extract::State;
use db::{Error, Statement, row};
use kernel::{Code, GameId, Instant, Refusal};
use rules::{Campaign, PlayerState};
use serde::Deserialize;
use web::{Answer, Ask, Path, Problem, Reply};

static STATE: Statement = Statement::new("stream.state_of_player", "select state from player_state where game = $1 and player = $2");

/// Why a player has or has not reached a campaign's goals: each event in the log, counted or rejected with its reason; for the team and
/// keys with `campaigns:read`.
#[utoipa::path(get, path = "/v1/games/{game}/campaigns/{campaign}/players/{player}/explain", tag = "campaigns", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("campaign" = String, Path), ("player" = String, Path)), responses((status = 200, body = Explanation), (status = 404, body = web::ProblemBody), (status = 503, body = web::ProblemBody)))]
pub(super) async fn explain(
    State(stream): State<Stream>,
    caller: Caller,
    Path((game, campaign, player)): Path<(GameId, String, String)>,
) -> Answer<Explanation> {
    stream.inner.accounts.require_team_or_key(&caller, &game, Scope::CampaignsRead).await?;
    Reply::ok(stream.explain(&game, &campaign, &player).await?)
}

/// A draft to try.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BacktestBody {
    /// The campaign document.
    #[schema(value_type = Campaign)]
    campaign: serde_json::Value,
}

/// Runs a draft over the game's log: who would reach its goals on which day, and what the rewards would cost. Writes nothing.
#[utoipa::path(post, path = "/v1/games/{game}/campaigns/backtest", tag = "campaigns", security(("token" = [])), params(("game" = GameId, Path)), request_body = BacktestBody, responses((status = 200, body = Backtest), (status = 400, body = web::ProblemBody), (status = 503, body = web::ProblemBody)))]
pub(super) async fn backtest(State(stream): State<Stream>, Path(game): Path<GameId>, ask: Ask<BacktestBody>) -> Answer<Backtest> {
    stream.inner.accounts.require_manager(&ask.who, &game).await?;
    let draft = Campaign::parse(&ask.body.campaign.to_string()).map_err(|faults| backtests::wrong(&faults))?;
    if draft.game != game {
        let told = format!("the draft is for {}, the route for {game}: the same game in both would be right", draft.game);
        return Err(Problem::from(Refusal::new(Code::BadBody, told)));
    }
    Reply::ok(stream.backtest(draft, None).await?)
}

impl Stream {
    /// Explains a player's progress in a campaign from the game's log.
    ///
    /// # Errors
    /// There is no such campaign or topic, the log cannot be read, or too many look at a time.
    pub async fn explain(&self, game: &GameId, campaign: &str, player: &str) -> Result<Explanation, Error> {
        let inner = self.inner.clone();
        let live = inner.live.reload(game).await?.ok_or_else(|| Refusal::not_found("campaigns of", game))?;
        let found = live.campaigns.iter().find(|registered| registered.campaign.id == campaign);
        let number = found.map(|registered| registered.number).ok_or_else(|| Refusal::not_found("campaign", campaign))?;
        let state = inner.db.fetch(&STATE, &row![game.as_str(), player], |row| row.bytes(0)).await?.pop().unwrap_or_default();
        let now = inner.db.now();
        let opted_in_at = opted_in_at(&live, number, &state, now);
        let permit = inner.looks.enter()?;
        let (from, player) = (From::Topic(self.topic(game)), player.to_owned());
        let looked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let question = Question { live: &live, number, player: &player, opted_in_at, now };
            explain_player(Some(&inner.source), &from, &inner.options.reading, &question)
        });
        Ok(looked.await.map_err(|panic| Error::Panicked(panic.to_string()))??)
    }

    /// Runs a draft over the game's log, or over a file, under the game's mapping.
    ///
    /// # Errors
    /// The game has no mapping, the draft is wrong, the log cannot be read, or too many look at a time.
    pub async fn backtest(&self, draft: Campaign, file: Option<std::path::PathBuf>) -> Result<Backtest, Error> {
        let inner = self.inner.clone();
        let game = draft.game.clone();
        let mapping = inner.live.reload(&game).await?.and_then(|live| live.mapping.clone());
        let mapping = mapping.ok_or_else(|| Refusal::new(Code::WrongState, format!("{game} has no mapping yet")))?;
        let permit = inner.looks.enter()?;
        let from = file.map_or_else(|| From::Topic(self.topic(&game)), From::File);
        let looked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            backtests::backtest(Some(&inner.source), &from, &inner.options.reading, &mapping, &draft)
        });
        Ok(looked.await.map_err(|panic| Error::Panicked(panic.to_string()))??)
    }
}

/// When a player opted in, which no log tells.
fn opted_in_at(live: &campaigns::LiveGame, number: u32, state: &[u8], now: Instant) -> Option<Instant> {
    let state = PlayerState::decode(state).ok()?;
    rules::progress(&live.plan, number, &state, now)?.opted_in_at
}
