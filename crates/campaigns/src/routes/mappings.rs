//! HTTP of mappings: how a game's records become events.

use super::Part;
use crate::Campaigns;
use crate::commands::manage::Ask as ChangeAsk;
use crate::decide::manage::{Change, invalid};
use crate::queries::mappings::{LINES_MAX, MappingView, Tried, tried};
use accounts::{Caller, Scope};
use axum::extract::State;
use kernel::{Code, GameId, Page, Refusal};
use rules::Mapping;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, PageQuery, Path, Query, Reply, Who};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(mapping, put))
        .routes(routes!(versions))
        .routes(routes!(try_out))
        .routes(routes!(presets))
        .routes(routes!(preset))
}

/// A mapping to be in force from now on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "mapping": {
    "format": "json", "keyed_by": "player", "zone": "UTC", "id": "logId", "kind": "type", "player": "accountNo", "at": "time",
    "attributes": { "mode": "gameMode" }, "events": [{}],
} }))]
struct MappingBody {
    /// The mapping, in its own language; a preset is a good start.
    #[schema(value_type = Object)]
    mapping: Document,
}

/// A mapping and lines to try it on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "lines": [
    "{\"logId\": \"a1\", \"type\": \"play\", \"accountNo\": \"1042\", \"time\": \"2026-11-21T09:00:00Z\", \"gameMode\": \"ranked\"}",
] }))]
struct TryBody {
    /// The mapping; the one in force when there is none here.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    mapping: Option<Document>,
    /// Records as the game sends them, 1 to 1,000.
    lines: Vec<String>,
}

/// A document whose fields are another reader's business.
type Document = serde_json::Map<String, serde_json::Value>;

fn parsed(document: &serde_json::Value) -> Result<(Mapping, String), Refusal> {
    let text = document.to_string();
    Ok((Mapping::parse(&text).map_err(invalid)?, text))
}

/// The mapping in force, for the team and keys with `campaigns:read`.
#[utoipa::path(get, path = "/v1/games/{game}/mapping", tag = "mappings", security(("token" = []), ("key" = [])), params(("game" = GameId, Path)), responses((status = 200, body = MappingView), (status = 404, body = web::ProblemBody)))]
async fn mapping(State(campaigns): State<Campaigns>, caller: Caller, Path(game): Path<GameId>) -> Answer<MappingView> {
    campaigns.may_read(&caller, &game, Scope::CampaignsRead).await?;
    Reply::ok(campaigns.mapping(&game).await?)
}

/// Puts a mapping in force, for campaign managers and operators: in every process within a second. Running campaigns must find their attributes in it.
#[utoipa::path(put, path = "/v1/games/{game}/mapping", tag = "mappings", security(("token" = [])), params(("game" = GameId, Path)), request_body = MappingBody, responses((status = 200, body = MappingView), (status = 422, body = web::ProblemBody)))]
async fn put(State(campaigns): State<Campaigns>, Path(game): Path<GameId>, ask: Ask<MappingBody>) -> Answer<MappingView> {
    campaigns.may_manage(&ask.who, &game).await?;
    let change = Change::PutMapping(Box::new(parsed(&serde_json::Value::Object(ask.body.mapping))?));
    campaigns.change(ask.meta, ChangeAsk { actor: ask.who.user, game: game.clone(), change }).await?;
    Reply::ok(campaigns.mapping(&game).await?)
}

/// A game's mappings, newest first, for the team and keys with `campaigns:read`.
#[utoipa::path(get, path = "/v1/games/{game}/mapping/versions", tag = "mappings", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), PageQuery), responses((status = 200, body = Page<MappingView>)))]
async fn versions(
    State(campaigns): State<Campaigns>,
    caller: Caller,
    Path(game): Path<GameId>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<MappingView>> {
    campaigns.may_read(&caller, &game, Scope::CampaignsRead).await?;
    Reply::ok(campaigns.mappings(&game, query.cursor.as_ref(), query.size).await?)
}

/// Tries a mapping on sample lines: each line's events, or why it does not fit. Saves nothing.
#[utoipa::path(post, path = "/v1/games/{game}/mapping/try", tag = "mappings", security(("token" = [])), params(("game" = GameId, Path)), request_body = TryBody, responses((status = 200, body = Vec<Tried>), (status = 422, body = web::ProblemBody)))]
async fn try_out(State(campaigns): State<Campaigns>, Path(game): Path<GameId>, ask: Ask<TryBody>) -> Answer<Vec<Tried>> {
    campaigns.may_manage(&ask.who, &game).await?;
    let lines = ask.body.lines;
    if lines.is_empty() || lines.len() > LINES_MAX {
        return Err(Refusal::new(Code::BadBody, format!("lines has {} lines: 1 to {LINES_MAX} would be right", lines.len())).into());
    }
    let document = match ask.body.mapping {
        Some(document) => serde_json::Value::Object(document),
        None => campaigns.mapping(&game).await?.mapping,
    };
    let (mapping, _) = parsed(&document)?;
    Reply::ok(tried(&mapping, &lines, campaigns.inner.db.now()))
}

/// The names of the mappings that come with Guildhall.
#[utoipa::path(get, path = "/v1/mappings/presets", tag = "mappings", security(("token" = [])), responses((status = 200, body = Vec<String>)))]
async fn presets(_: Who) -> Answer<Vec<String>> {
    Reply::ok(rules::presets().iter().map(|name| (*name).to_owned()).collect())
}

/// A mapping that comes with Guildhall, to start from.
#[utoipa::path(get, path = "/v1/mappings/presets/{preset}", tag = "mappings", security(("token" = [])), params(("preset" = String, Path)), responses((status = 200, body = Object), (status = 404, body = web::ProblemBody)))]
async fn preset(_: Who, Path(preset): Path<String>) -> Answer<serde_json::Value> {
    let document = rules::preset(&preset).ok_or_else(|| {
        Refusal::new(Code::NotFound, format!("no preset {preset:?}: one of {} would be right", rules::presets().join(", ")))
    })?;
    Reply::ok(serde_json::from_str(document).map_err(web::Problem::internal)?)
}
