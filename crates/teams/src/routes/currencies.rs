//! HTTP of currencies: defined, held, credited and debited.

use super::Part;
use crate::Teams;
use crate::commands::currencies::Definition;
use crate::decide::cash::{Posting, positive};
use crate::model::GameCurrency;
use accounts::{Asked, Caller, Scope};
use axum::extract::State;
use kernel::{Currency, GameId, Page};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use wallet::{Balance, Entry};
use web::{Answer, PageQuery, Path, Query, Reply};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(define))
        .routes(routes!(balances))
        .routes(routes!(entries))
        .routes(routes!(credit))
        .routes(routes!(debit))
}

/// What a currency is called.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "Lucci" }))]
struct CurrencyBody {
    /// Its name, 1 to 100 characters.
    name: String,
}

/// An amount to add or to take.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "amount_minor": 500, "reason": "attendance", "reference": "day-7" }))]
struct CashBody {
    /// Minor units, 1 or more.
    amount_minor: i64,
    /// Why, 1 to 100 characters.
    reason: String,
    /// What it belongs to, as an order of the game's shop; up to 200 characters.
    #[serde(default)]
    reference: String,
}

/// A game's currencies, for the team and keys with `currencies:read`.
#[utoipa::path(get, path = "/v1/games/{game}/currencies", tag = "currencies", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), PageQuery), responses((status = 200, body = Page<GameCurrency>)))]
async fn list(
    State(teams): State<Teams>,
    caller: Caller,
    Path(game): Path<GameId>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<GameCurrency>> {
    teams.may_read(&caller, &game, Scope::CurrenciesRead).await?;
    Reply::ok(teams.currencies(&game, query.cursor.as_ref(), query.size).await?)
}

/// Defines a currency or changes its name, for campaign managers and keys with `currencies:write`.
#[utoipa::path(put, path = "/v1/games/{game}/currencies/{currency}", tag = "currencies", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("currency" = Currency, Path)), request_body = CurrencyBody, responses((status = 200, body = GameCurrency)))]
async fn define(
    State(teams): State<Teams>,
    Path((game, currency)): Path<(GameId, Currency)>,
    asked: Asked<CurrencyBody>,
) -> Answer<GameCurrency> {
    teams.may_write(&asked.caller, &game, Scope::CurrenciesWrite).await?;
    Reply::ok(teams.define_currency(asked.meta, Definition { game, currency, name: asked.body.name }).await?)
}

/// What a player holds, for the team and keys with `currencies:read`.
#[utoipa::path(get, path = "/v1/games/{game}/players/{player}/currencies", tag = "currencies", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("player" = String, Path)), responses((status = 200, body = Vec<Balance>)))]
async fn balances(State(teams): State<Teams>, caller: Caller, Path((game, player)): Path<(GameId, String)>) -> Answer<Vec<Balance>> {
    teams.may_read(&caller, &game, Scope::CurrenciesRead).await?;
    Reply::ok(teams.balances(&game, &player).await?.to_vec())
}

/// The history of what a player holds of a currency, newest first, for the team and keys with `currencies:read`.
#[utoipa::path(get, path = "/v1/games/{game}/players/{player}/currencies/{currency}/entries", tag = "currencies", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("player" = String, Path), ("currency" = Currency, Path), PageQuery), responses((status = 200, body = Page<Entry>)))]
async fn entries(
    State(teams): State<Teams>,
    caller: Caller,
    Path((game, player, currency)): Path<(GameId, String, Currency)>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Entry>> {
    teams.may_read(&caller, &game, Scope::CurrenciesRead).await?;
    Reply::ok(teams.cash_entries(&game, &player, currency, query.cursor.as_ref(), query.size).await?)
}

/// Gives a player some of a currency, for campaign managers and keys with `currencies:write`.
#[utoipa::path(post, path = "/v1/games/{game}/players/{player}/currencies/{currency}/credits", tag = "currencies", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("player" = String, Path), ("currency" = Currency, Path)), request_body = CashBody, responses((status = 200, body = Entry), (status = 404, body = web::ProblemBody)))]
async fn credit(State(teams): State<Teams>, Path(of): Path<(GameId, String, Currency)>, asked: Asked<CashBody>) -> Answer<Entry> {
    post(&teams, of, asked, 1).await
}

/// Takes some of a currency from a player, for campaign managers and keys with `currencies:write`; refused when they hold less.
#[utoipa::path(post, path = "/v1/games/{game}/players/{player}/currencies/{currency}/debits", tag = "currencies", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("player" = String, Path), ("currency" = Currency, Path)), request_body = CashBody, responses((status = 200, body = Entry), (status = 402, body = web::ProblemBody), (status = 404, body = web::ProblemBody)))]
async fn debit(State(teams): State<Teams>, Path(of): Path<(GameId, String, Currency)>, asked: Asked<CashBody>) -> Answer<Entry> {
    post(&teams, of, asked, -1).await
}

/// The sign is the route's, never the body's: a negative amount is refused.
async fn post(teams: &Teams, of: (GameId, String, Currency), asked: Asked<CashBody>, sign: i64) -> Answer<Entry> {
    teams.may_write(&asked.caller, &of.0, Scope::CurrenciesWrite).await?;
    let CashBody { amount_minor, reason, reference } = asked.body;
    let posting = Posting { of, amount: sign * positive(amount_minor)?, counterparty: asked.caller.noted(), reason, reference };
    Reply::ok(teams.post(asked.meta, posting).await?)
}
