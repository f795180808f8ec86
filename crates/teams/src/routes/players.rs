//! HTTP of players' profiles.

use super::Part;
use crate::Teams;
use crate::model::{Profile, ProfileChange, Upserted};
use accounts::{Asked, Caller, Scope};
use axum::extract::State;
use kernel::{Code, Cursor, GameId, Page, Refusal};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Path, Query, Reply};

pub(super) fn routes() -> Part {
    OpenApiRouter::new().routes(routes!(list, upsert)).routes(routes!(one))
}

/// Which players to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only these: the game's names for 1 to 100 players, with commas between them, in whose order they come. Players without a profile are
    /// left out. Stands alone.
    #[param(example = "p1,p2,p3")]
    players: Option<String>,
    /// Only those whose nickname begins so, whatever its case; they come by nickname.
    #[param(example = "da")]
    nickname: Option<String>,
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Players per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// What is known of players now.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "players": [{ "player": "p1", "nickname": "Dao", "level": 37, "server": "seoul-3", "last_seen_at": "2026-11-21T09:00:00Z", "playtime_minutes": 5400 }] }))]
struct ProfilesBody {
    /// 1 to 100 players.
    #[serde(deserialize_with = "crate::model::objects")]
    players: Vec<ProfileChange>,
}

/// A game's players, up to 100 that are named, or those that are searched for; for the team and keys with `players:read`.
#[utoipa::path(get, path = "/v1/games/{game}/players", tag = "players", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ListQuery), responses((status = 200, body = Page<Profile>)))]
async fn list(
    State(teams): State<Teams>,
    caller: Caller,
    Path(game): Path<GameId>,
    Query(query): Query<ListQuery>,
) -> Answer<Page<Profile>> {
    teams.may_read(&caller, &game, Scope::PlayersRead).await?;
    let Some(players) = &query.players else {
        return Reply::ok(teams.list_players(&game, query.nickname.as_deref(), query.cursor.as_ref(), query.size).await?);
    };
    if query.nickname.is_some() || query.cursor.is_some() || query.size.is_some() {
        return Err(Refusal::new(Code::BadQuery, "players stands beside other parameters: it alone would be right").into());
    }
    let players: Vec<String> = players.split(',').filter(|player| !player.is_empty()).map(str::to_owned).collect();
    Reply::ok(Page { items: teams.players(&game, &players).await?, next: None })
}

/// A player's profile, for the team and keys with `players:read`.
#[utoipa::path(get, path = "/v1/games/{game}/players/{player}", tag = "players", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("player" = String, Path)), responses((status = 200, body = Profile), (status = 404, body = web::ProblemBody)))]
async fn one(State(teams): State<Teams>, caller: Caller, Path((game, player)): Path<(GameId, String)>) -> Answer<Profile> {
    teams.may_read(&caller, &game, Scope::PlayersRead).await?;
    Reply::ok(teams.player(&game, &player).await?)
}

/// Takes over what is known of up to 100 players, for campaign managers and keys with `players:write`. What is left out stays as it was;
/// sending the same again changes nothing. One player that cannot be taken over refuses them all.
#[utoipa::path(put, path = "/v1/games/{game}/players", tag = "players", security(("token" = []), ("key" = [])), params(("game" = GameId, Path)), request_body = ProfilesBody, responses((status = 200, body = Upserted), (status = 400, body = web::ProblemBody)))]
async fn upsert(State(teams): State<Teams>, Path(game): Path<GameId>, asked: Asked<ProfilesBody>) -> Answer<Upserted> {
    teams.may_write(&asked.caller, &game, Scope::PlayersWrite).await?;
    Reply::ok(teams.upsert_players(asked.meta, game, asked.body.players).await?)
}
