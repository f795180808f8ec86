//! HTTP of fulfilments: what the game team has to hand out.

use super::Part;
use crate::Campaigns;
use crate::commands::fulfilments::{Ask as ChangeAsk, Change};
use crate::model::{FulfilBy, Fulfilment, FulfilmentState, Resent};
use accounts::{Asked, Caller, Scope};
use axum::extract::State;
use kernel::{Cursor, FulfilmentId, GameId, Page};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Nothing, Path, Query, Reply};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(acknowledge))
        .routes(routes!(fail))
        .routes(routes!(resend))
        .routes(routes!(resend_parked))
}

/// Which fulfilments to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those that stand there.
    state: Option<FulfilmentState>,
    /// Only those that go this way.
    fulfil_by: Option<FulfilBy>,
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Fulfilments per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// What the game team says.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "note": "mail 88123" }))]
struct NoteBody {
    /// The game's own receipt, or why not; up to 200 characters.
    #[serde(default)]
    note: String,
}

/// A game's fulfilments, oldest first, for the team and keys with `claims:read`. To poll: `?state=pending&fulfil_by=poll`, hand out, acknowledge.
#[utoipa::path(get, path = "/v1/games/{game}/fulfilments", tag = "fulfilments", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ListQuery), responses((status = 200, body = Page<Fulfilment>)))]
async fn list(
    State(campaigns): State<Campaigns>,
    caller: Caller,
    Path(game): Path<GameId>,
    Query(query): Query<ListQuery>,
) -> Answer<Page<Fulfilment>> {
    campaigns.may_read(&caller, &game, Scope::ClaimsRead).await?;
    Reply::ok(campaigns.fulfilments(&game, query.state, query.fulfil_by, query.cursor.as_ref(), query.size).await?)
}

/// One fulfilment, for the team and keys with `claims:read`.
#[utoipa::path(get, path = "/v1/games/{game}/fulfilments/{fulfilment}", tag = "fulfilments", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("fulfilment" = FulfilmentId, Path)), responses((status = 200, body = Fulfilment), (status = 404, body = web::ProblemBody)))]
async fn one(
    State(campaigns): State<Campaigns>,
    caller: Caller,
    Path((game, fulfilment)): Path<(GameId, FulfilmentId)>,
) -> Answer<Fulfilment> {
    campaigns.may_read(&caller, &game, Scope::ClaimsRead).await?;
    Reply::ok(campaigns.fulfilment(&game, fulfilment).await?)
}

/// The player has it: for campaign managers, operators, and keys with `claims:write`. Only where the game polls; repeating it changes nothing more.
#[utoipa::path(post, path = "/v1/games/{game}/fulfilments/{fulfilment}/acknowledge", tag = "fulfilments", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("fulfilment" = FulfilmentId, Path)), request_body = NoteBody, responses((status = 200, body = Fulfilment), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn acknowledge(
    State(campaigns): State<Campaigns>,
    Path((game, fulfilment)): Path<(GameId, FulfilmentId)>,
    asked: Asked<NoteBody>,
) -> Answer<Fulfilment> {
    let note = asked.body.note;
    settle(&campaigns, &asked.caller, asked.meta, game, fulfilment, Change::Acknowledge(note)).await
}

/// It cannot be handed out, and why: for campaign managers, operators, and keys with `claims:write`. Only where the game polls.
#[utoipa::path(post, path = "/v1/games/{game}/fulfilments/{fulfilment}/fail", tag = "fulfilments", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("fulfilment" = FulfilmentId, Path)), request_body = NoteBody, responses((status = 200, body = Fulfilment), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn fail(
    State(campaigns): State<Campaigns>,
    Path((game, fulfilment)): Path<(GameId, FulfilmentId)>,
    asked: Asked<NoteBody>,
) -> Answer<Fulfilment> {
    let note = asked.body.note;
    settle(&campaigns, &asked.caller, asked.meta, game, fulfilment, Change::Fail(note)).await
}

/// Sends it to the game's webhooks again, as after it was parked: for campaign managers, operators, and keys with `claims:write`.
#[utoipa::path(post, path = "/v1/games/{game}/fulfilments/{fulfilment}/resend", tag = "fulfilments", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("fulfilment" = FulfilmentId, Path)), request_body = Nothing, responses((status = 200, body = Fulfilment), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn resend(
    State(campaigns): State<Campaigns>,
    Path((game, fulfilment)): Path<(GameId, FulfilmentId)>,
    asked: Asked<Nothing>,
) -> Answer<Fulfilment> {
    settle(&campaigns, &asked.caller, asked.meta, game, fulfilment, Change::Resend).await
}

/// Sends up to 500 fulfilments that were parked to the game's webhooks again, oldest first; `more` tells whether to ask again. For campaign managers, operators, and keys with `claims:write`.
#[utoipa::path(post, path = "/v1/games/{game}/fulfilments/resend", tag = "fulfilments", security(("token" = []), ("key" = [])), params(("game" = GameId, Path)), request_body = Nothing, responses((status = 200, body = Resent)))]
async fn resend_parked(State(campaigns): State<Campaigns>, Path(game): Path<GameId>, asked: Asked<Nothing>) -> Answer<Resent> {
    campaigns.may_hand_out(&asked.caller, &game, Scope::ClaimsWrite).await?;
    Reply::ok(campaigns.resend_parked(asked.meta, game).await?)
}

async fn settle(
    campaigns: &Campaigns,
    caller: &Caller,
    meta: db::Meta,
    game: GameId,
    fulfilment: FulfilmentId,
    change: Change,
) -> Answer<Fulfilment> {
    campaigns.may_hand_out(caller, &game, Scope::ClaimsWrite).await?;
    campaigns.settle(meta, ChangeAsk { game: game.clone(), fulfilment, change }).await?;
    Reply::ok(campaigns.fulfilment(&game, fulfilment).await?)
}
