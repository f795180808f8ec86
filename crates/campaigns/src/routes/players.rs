//! HTTP of players in campaigns: progress, claims, opting in, corrections.

use super::{Part, WhyBody};
use crate::Campaigns;
use crate::commands::claims::Wanted;
use crate::commands::controls::Correction;
use crate::model::{ClaimedBy, GoalClaims};
use crate::queries::progress::{AchievementView, PlayerView};
use accounts::{Asked, Caller, Scope};
use axum::extract::State;
use kernel::{ClaimId, GameId, Page};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Operator, PageQuery, Path, Query, Reply};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(progress_of))
        .routes(routes!(progress_of_many))
        .routes(routes!(achievements))
        .routes(routes!(claim))
        .routes(routes!(opt_in))
        .routes(routes!(correct))
        .routes(routes!(restart))
        .routes(routes!(erase))
        .routes(routes!(claw_back))
}

/// Whose progress to read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PlayersQuery {
    /// The game's names for 1 to 100 players, with commas between them.
    #[param(example = "p1,p2,p3")]
    players: String,
}

/// What of a goal is claimed; all of it when nothing is said.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
struct ClaimBody {
    /// Only this period, by its key in the player's achievements.
    #[serde(default)]
    period: Option<i64>,
    /// Only this tier or repeat.
    #[serde(default)]
    n: Option<i64>,
}

/// A correction of a player's progress.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "goal": "ten", "period": 0, "by": -3, "reason": "ticket 4711: plays counted twice" }))]
struct CorrectBody {
    /// The goal.
    goal: String,
    /// The period's key, as progress shows it.
    #[serde(default)]
    period: i64,
    /// By how much; negative lowers. What was reached stays reached.
    by: i64,
    /// Why, for the audit log, 1 to 500 characters.
    reason: String,
}

/// It is left for the stream, which does it with its next checkpoint.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Left {
    /// Always `accepted`.
    state: &'static str,
}

const LEFT: Left = Left { state: "accepted" };

/// Whether a clawback took anything.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ClawedBack {
    /// False when it was taken back before.
    changed: bool,
}

/// How far a player is in a campaign, what can be claimed and until when: for the linked account, the team, and keys with `campaigns:read`.
#[utoipa::path(get, path = "/v1/games/{game}/campaigns/{campaign}/players/{player}", tag = "progress", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("campaign" = String, Path), ("player" = String, Path)), responses((status = 200, body = PlayerView), (status = 404, body = web::ProblemBody)))]
async fn progress_of(
    State(campaigns): State<Campaigns>,
    caller: Caller,
    Path((game, campaign, player)): Path<(GameId, String, String)>,
) -> Answer<PlayerView> {
    campaigns.may_see_player(&caller, &game, &player, Scope::CampaignsRead).await?;
    let mut found = campaigns.players(&game, &campaign, &[player]).await?;
    Reply::ok(found.pop().ok_or_else(|| web::Problem::internal("one player was asked for and none answered"))?)
}

/// How far up to 100 players are in a campaign, for the team and keys with `campaigns:read`.
#[utoipa::path(get, path = "/v1/games/{game}/campaigns/{campaign}/players", tag = "progress", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("campaign" = String, Path), PlayersQuery), responses((status = 200, body = Vec<PlayerView>), (status = 404, body = web::ProblemBody)))]
async fn progress_of_many(
    State(campaigns): State<Campaigns>,
    caller: Caller,
    Path((game, campaign)): Path<(GameId, String)>,
    Query(query): Query<PlayersQuery>,
) -> Answer<Vec<PlayerView>> {
    campaigns.may_read(&caller, &game, Scope::CampaignsRead).await?;
    let players: Vec<String> = query.players.split(',').filter(|player| !player.is_empty()).map(str::to_owned).collect();
    Reply::ok(campaigns.players(&game, &campaign, &players).await?)
}

/// What a player has reached in a game, with what became of it: for the linked account, the team, and keys with `claims:read`.
#[utoipa::path(get, path = "/v1/games/{game}/players/{player}/achievements", tag = "progress", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("player" = String, Path), PageQuery), responses((status = 200, body = Page<AchievementView>), (status = 404, body = web::ProblemBody)))]
async fn achievements(
    State(campaigns): State<Campaigns>,
    caller: Caller,
    Path((game, player)): Path<(GameId, String)>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<AchievementView>> {
    campaigns.may_see_player(&caller, &game, &player, Scope::ClaimsRead).await?;
    Reply::ok(campaigns.achievements(&game, &player, query.cursor.as_ref(), query.size).await?)
}

/// Claims what a goal has brought: for the linked account, operators, and keys with `claims:write`. Repeating it grants nothing more and
/// shows what was granted, whatever account is linked by then. What cannot be granted now stays claimable, with its reason.
#[utoipa::path(post, path = "/v1/games/{game}/campaigns/{campaign}/players/{player}/goals/{goal}/claims", tag = "progress", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("campaign" = String, Path), ("player" = String, Path), ("goal" = String, Path)), request_body = ClaimBody, responses((status = 200, body = GoalClaims), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn claim(
    State(campaigns): State<Campaigns>,
    Path((game, campaign, player, goal)): Path<(GameId, String, String, String)>,
    asked: Asked<ClaimBody>,
) -> Answer<GoalClaims> {
    campaigns.may_act_for(&asked.caller, &game, &player, Scope::ClaimsWrite).await?;
    let by = match &asked.caller {
        Caller::Person(who) => ClaimedBy::Account(who.user),
        Caller::Key(key) => ClaimedBy::Key(key.key),
    };
    let wanted = Wanted { game, player, campaign, goal, period: asked.body.period, n: asked.body.n };
    Reply::ok(campaigns.claim(asked.meta, wanted, by).await?)
}

/// The player takes part from now on: for the linked account, operators, and keys with `claims:write`.
#[utoipa::path(post, path = "/v1/games/{game}/campaigns/{campaign}/players/{player}/opt-in", tag = "progress", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("campaign" = String, Path), ("player" = String, Path)), request_body = Nothing, responses((status = 202, body = Left), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn opt_in(
    State(campaigns): State<Campaigns>,
    Path((game, campaign, player)): Path<(GameId, String, String)>,
    asked: Asked<Nothing>,
) -> Answer<Left> {
    campaigns.may_act_for(&asked.caller, &game, &player, Scope::ClaimsWrite).await?;
    campaigns.opt_in(asked.meta, game, player, &campaign).await?;
    Reply::accepted(LEFT)
}

/// Corrects a player's progress, for operators; noted in the audit log with its reason.
#[utoipa::path(post, path = "/v1/games/{game}/campaigns/{campaign}/players/{player}/corrections", tag = "progress", security(("token" = [])), params(("game" = GameId, Path), ("campaign" = String, Path), ("player" = String, Path)), request_body = CorrectBody, responses((status = 202, body = Left), (status = 404, body = web::ProblemBody)))]
async fn correct(
    State(campaigns): State<Campaigns>,
    _: Operator,
    Path((game, campaign, player)): Path<(GameId, String, String)>,
    ask: Ask<CorrectBody>,
) -> Answer<Left> {
    let CorrectBody { goal, period, by, reason } = ask.body;
    campaigns.correct(ask.meta, game, player, Correction { campaign, goal, period, by, reason }).await?;
    Reply::accepted(LEFT)
}

/// Lets a player begin a campaign anew, for operators. What was reached stays reached and is not reached again.
#[utoipa::path(post, path = "/v1/games/{game}/campaigns/{campaign}/players/{player}/restart", tag = "progress", security(("token" = [])), params(("game" = GameId, Path), ("campaign" = String, Path), ("player" = String, Path)), request_body = WhyBody, responses((status = 202, body = Left), (status = 404, body = web::ProblemBody)))]
async fn restart(
    State(campaigns): State<Campaigns>,
    _: Operator,
    Path((game, campaign, player)): Path<(GameId, String, String)>,
    ask: Ask<WhyBody>,
) -> Answer<Left> {
    campaigns.restart(ask.meta, game, player, &campaign, ask.body.reason).await?;
    Reply::accepted(LEFT)
}

/// Forgets a player's progress in a game, for operators. Achievements and claims stay, since money stands behind them.
#[utoipa::path(post, path = "/v1/games/{game}/players/{player}/erase-progress", tag = "progress", security(("token" = [])), params(("game" = GameId, Path), ("player" = String, Path)), request_body = WhyBody, responses((status = 202, body = Left), (status = 404, body = web::ProblemBody)))]
async fn erase(
    State(campaigns): State<Campaigns>,
    _: Operator,
    Path((game, player)): Path<(GameId, String)>,
    ask: Ask<WhyBody>,
) -> Answer<Left> {
    campaigns.accounts().game(&game).await?;
    campaigns.erase(ask.meta, game, player, ask.body.reason).await?;
    Reply::accepted(LEFT)
}

/// Takes a claim's rewards back, for operators: all that is still there. Repeating it changes nothing more.
#[utoipa::path(post, path = "/v1/games/{game}/claims/{claim}/clawback", tag = "progress", security(("token" = [])), params(("game" = GameId, Path), ("claim" = ClaimId, Path)), request_body = WhyBody, responses((status = 200, body = ClawedBack), (status = 404, body = web::ProblemBody)))]
async fn claw_back(
    State(campaigns): State<Campaigns>,
    _: Operator,
    Path((game, claim)): Path<(GameId, ClaimId)>,
    ask: Ask<WhyBody>,
) -> Answer<ClawedBack> {
    campaigns.accounts().game(&game).await?;
    Reply::ok(ClawedBack { changed: campaigns.claw_back(ask.meta, &game, claim, ask.body.reason).await? })
}
