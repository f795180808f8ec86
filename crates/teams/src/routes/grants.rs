//! HTTP of currencies granted to many.

use super::Part;
use crate::Teams;
use crate::commands::grants::{Ask, Piece, What};
use crate::decide::grants::Change;
use crate::model::{Added, Grant, Grantee, Listed, csv};
use accounts::{Asked, Caller, Scope};
use axum::extract::State;
use kernel::{Currency, GameId, GrantId, Page, Refusal};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Body, Nothing, PageQuery, Path, Query, Reply};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one))
        .routes(routes!(grantees, add))
        .routes(routes!(start))
        .routes(routes!(cancel))
}

/// A grant to make.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "currency": "LUCCI", "reason": "season 7 opening" }))]
struct NewGrantBody {
    /// The currency.
    currency: Currency,
    /// Why, in each player's history, 1 to 100 characters.
    reason: String,
}

/// A piece of a grant's list.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "players": [{ "player": "p1", "amount_minor": 500 }, { "player": "p2", "amount_minor": 500 }] }))]
struct GranteesBody {
    /// 1 to 5,000 players.
    #[serde(deserialize_with = "crate::model::objects")]
    players: Vec<Listed>,
}

/// The same, as JSON or as lines of CSV.
#[derive(Debug)]
struct Grantees(Vec<Listed>);

impl Body for Grantees {
    fn read(media: &str, bytes: &[u8]) -> Result<Grantees, Refusal> {
        if media == "text/csv" {
            return csv::listed(bytes).map(Grantees);
        }
        <GranteesBody as Body>::read(media, bytes).map(|body| Grantees(body.players))
    }
}

/// A game's grants, newest first, for the team and keys with `currencies:read`.
#[utoipa::path(get, path = "/v1/games/{game}/grants", tag = "grants", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), PageQuery), responses((status = 200, body = Page<Grant>)))]
async fn list(State(teams): State<Teams>, caller: Caller, Path(game): Path<GameId>, Query(query): Query<PageQuery>) -> Answer<Page<Grant>> {
    teams.may_read(&caller, &game, Scope::CurrenciesRead).await?;
    Reply::ok(teams.list_grants(&game, query.cursor.as_ref(), query.size).await?)
}

/// Makes a grant with an empty list, for campaign managers and keys with `currencies:write`. Put players on it in pieces, then start it.
#[utoipa::path(post, path = "/v1/games/{game}/grants", tag = "grants", security(("token" = []), ("key" = [])), params(("game" = GameId, Path)), request_body = NewGrantBody, responses((status = 201, body = Grant), (status = 404, body = web::ProblemBody)))]
async fn create(State(teams): State<Teams>, Path(game): Path<GameId>, asked: Asked<NewGrantBody>) -> Answer<Grant> {
    teams.may_write(&asked.caller, &game, Scope::CurrenciesWrite).await?;
    let NewGrantBody { currency, reason } = asked.body;
    let what = What::Create { currency, reason, created_by: asked.caller.noted() };
    Reply::created(teams.manage_grant(asked.meta, Ask { game, grant: GrantId::new(), what }).await?)
}

/// A grant and how far it is, for the team and keys with `currencies:read`.
#[utoipa::path(get, path = "/v1/games/{game}/grants/{grant}", tag = "grants", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("grant" = GrantId, Path)), responses((status = 200, body = Grant), (status = 404, body = web::ProblemBody)))]
async fn one(State(teams): State<Teams>, caller: Caller, Path((game, grant)): Path<(GameId, GrantId)>) -> Answer<Grant> {
    teams.may_read(&caller, &game, Scope::CurrenciesRead).await?;
    Reply::ok(teams.grant(&game, grant).await?)
}

/// The players of a grant's list with where each stands, for the team and keys with `currencies:read`.
#[utoipa::path(get, path = "/v1/games/{game}/grants/{grant}/players", tag = "grants", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("grant" = GrantId, Path), PageQuery), responses((status = 200, body = Page<Grantee>), (status = 404, body = web::ProblemBody)))]
async fn grantees(
    State(teams): State<Teams>,
    caller: Caller,
    Path((game, grant)): Path<(GameId, GrantId)>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Grantee>> {
    teams.may_read(&caller, &game, Scope::CurrenciesRead).await?;
    Reply::ok(teams.grantees(&game, grant, query.cursor.as_ref(), query.size).await?)
}

/// Puts up to 5,000 players on an open grant's list, for campaign managers and keys with `currencies:write`. A piece that is sent again
/// adds nobody; a player who is on the list with another amount refuses the piece.
#[utoipa::path(post, path = "/v1/games/{game}/grants/{grant}/players", tag = "grants", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("grant" = GrantId, Path)), request_body(content((GranteesBody = "application/json"), (String = "text/csv", example = "player,amount_minor\np1,500\np2,500\n"))), responses((status = 200, body = Added), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn add(State(teams): State<Teams>, Path((game, grant)): Path<(GameId, GrantId)>, asked: Asked<Grantees>) -> Answer<Added> {
    teams.may_write(&asked.caller, &game, Scope::CurrenciesWrite).await?;
    Reply::ok(teams.add_to_grant(asked.meta, Piece { game, grant, players: asked.body.0 }).await?)
}

/// Starts a grant, for campaign managers and keys with `currencies:write`: a job gives each player of the list theirs, once, whatever happens to
/// the process that does it. Read the grant to see how far it is.
#[utoipa::path(post, path = "/v1/games/{game}/grants/{grant}/start", tag = "grants", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("grant" = GrantId, Path)), request_body = Nothing, responses((status = 202, body = Grant), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn start(State(teams): State<Teams>, Path(of): Path<(GameId, GrantId)>, asked: Asked<Nothing>) -> Answer<Grant> {
    Reply::accepted(change(&teams, of, asked, Change::Start).await?)
}

/// Stops a grant where it is, for campaign managers and keys with `currencies:write`; who has something keeps it.
#[utoipa::path(post, path = "/v1/games/{game}/grants/{grant}/cancel", tag = "grants", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("grant" = GrantId, Path)), request_body = Nothing, responses((status = 200, body = Grant), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn cancel(State(teams): State<Teams>, Path(of): Path<(GameId, GrantId)>, asked: Asked<Nothing>) -> Answer<Grant> {
    Reply::ok(change(&teams, of, asked, Change::Cancel).await?)
}

async fn change(teams: &Teams, (game, grant): (GameId, GrantId), asked: Asked<Nothing>, change: Change) -> Result<Grant, db::Error> {
    teams.may_write(&asked.caller, &game, Scope::CurrenciesWrite).await?;
    teams.manage_grant(asked.meta, Ask { game, grant, what: What::Change(change) }).await
}
