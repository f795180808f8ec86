//! HTTP of links between a game's players and accounts.

use super::Part;
use crate::Campaigns;
use crate::commands::links::{Ask as LinkAsk, What};
use crate::model::Link;
use accounts::{Asked, Caller, Scope};
use axum::extract::State;
use kernel::{GameId, Instant, Refusal, UserId};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Operator, Path, Reply, Who};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(issue_code))
        .routes(routes!(mine, redeem))
        .routes(routes!(unlink_mine))
        .routes(routes!(of_player, link, unlink))
}

/// A code to be shown to the player. It is shown this once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CodeBody {
    /// Redeemed with `POST /v1/links`.
    #[schema(example = "7K3QM-XW2AB-9PLCD-EFGH4-56JKN")]
    code: String,
    /// It works until then, or until the player gets another.
    expires_at: Instant,
}

/// A code that a game has shown its player.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "code": "7K3QM-XW2AB-9PLCD-EFGH4-56JKN" }))]
struct RedeemBody {
    /// Hyphens, spaces and case do not matter.
    code: String,
}

/// The account to link.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "link_to": "01890a5d-ac96-774b-bcce-b302099a8057" }))]
struct LinkBody {
    /// The account's id.
    link_to: UserId,
}

/// Makes a code that links a player to the account that redeems it within 15 minutes: for keys with `claims:write` and operators.
/// The game shows it to the player who is signed in there, which proves that the player is theirs.
#[utoipa::path(post, path = "/v1/games/{game}/players/{player}/link-codes", tag = "links", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("player" = String, Path)), request_body = Nothing, responses((status = 201, body = CodeBody), (status = 409, body = web::ProblemBody)))]
async fn issue_code(
    State(campaigns): State<Campaigns>,
    Path((game, player)): Path<(GameId, String)>,
    asked: Asked<Nothing>,
) -> Answer<CodeBody> {
    match &asked.caller {
        Caller::Key(key) => key.require(&game, Scope::ClaimsWrite)?,
        Caller::Person(who) => who.require(&[web::Role::Operator, web::Role::Admin])?,
    }
    campaigns.accounts().game(&game).await?;
    let (code, expires_at) = campaigns.issue_code(asked.meta, game, player).await?;
    Reply::created(CodeBody { code, expires_at })
}

/// The players you are linked to.
#[utoipa::path(get, path = "/v1/links", tag = "links", security(("token" = [])), responses((status = 200, body = Vec<Link>)))]
async fn mine(State(campaigns): State<Campaigns>, who: Who) -> Answer<Vec<Link>> {
    Reply::ok(campaigns.links(who.user).await?)
}

/// Links you to the player that a game gave a code for. Rewards that waited for an account come then.
#[utoipa::path(post, path = "/v1/links", tag = "links", security(("token" = [])), request_body = RedeemBody, responses((status = 201, body = Link), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn redeem(State(campaigns): State<Campaigns>, ask: Ask<RedeemBody>) -> Answer<Link> {
    let linked = campaigns.redeem(ask.meta, ask.who.user, &ask.body.code).await?;
    Reply::created(linked.ok_or_else(|| web::Problem::internal("a redeemed code made no link"))?)
}

/// Ends your link in a game.
#[utoipa::path(delete, path = "/v1/links/{game}", tag = "links", security(("token" = [])), params(("game" = GameId, Path)), request_body = Nothing, responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn unlink_mine(State(campaigns): State<Campaigns>, Path(game): Path<GameId>, ask: Ask<Nothing>) -> Answer<()> {
    let mine = campaigns.links(ask.who.user).await?.into_iter().find(|link| link.game == game);
    let link = mine.ok_or_else(|| Refusal::not_found("link in", &game))?;
    campaigns.relink(ask.meta, LinkAsk { user: ask.who.user, what: What::Unlink(game, link.player), by_operator: false }).await?;
    Reply::done()
}

/// The account that plays as a player, for the team and keys with `players:read`.
#[utoipa::path(get, path = "/v1/games/{game}/players/{player}/link", tag = "links", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("player" = String, Path)), responses((status = 200, body = Link), (status = 404, body = web::ProblemBody)))]
async fn of_player(State(campaigns): State<Campaigns>, caller: Caller, Path((game, player)): Path<(GameId, String)>) -> Answer<Link> {
    campaigns.may_read(&caller, &game, Scope::PlayersRead).await?;
    Reply::ok(campaigns.link(&game, &player).await?)
}

/// Links a player to an account, for operators.
#[utoipa::path(put, path = "/v1/games/{game}/players/{player}/link", tag = "links", security(("token" = [])), params(("game" = GameId, Path), ("player" = String, Path)), request_body = LinkBody, responses((status = 200, body = Link), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn link(
    State(campaigns): State<Campaigns>,
    _: Operator,
    Path((game, player)): Path<(GameId, String)>,
    ask: Ask<LinkBody>,
) -> Answer<Link> {
    campaigns.accounts().game(&game).await?;
    let asked = LinkAsk { user: ask.body.link_to, what: What::Link(game, player), by_operator: true };
    let linked = campaigns.relink(ask.meta, asked).await?;
    Reply::ok(linked.ok_or_else(|| web::Problem::internal("a link was asked for and none was made"))?)
}

/// Ends a player's link, for operators.
#[utoipa::path(delete, path = "/v1/games/{game}/players/{player}/link", tag = "links", security(("token" = [])), params(("game" = GameId, Path), ("player" = String, Path)), request_body = Nothing, responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn unlink(
    State(campaigns): State<Campaigns>,
    _: Operator,
    Path((game, player)): Path<(GameId, String)>,
    ask: Ask<Nothing>,
) -> Answer<()> {
    campaigns.accounts().game(&game).await?;
    let link = campaigns.link(&game, &player).await?;
    campaigns.relink(ask.meta, LinkAsk { user: link.user, what: What::Unlink(game, player), by_operator: true }).await?;
    Reply::done()
}
