//! HTTP of campaigns themselves: register, change, stop, extend, list.

use super::Part;
use crate::Campaigns;
use crate::commands::manage::Ask as ChangeAsk;
use crate::decide::manage::{Change, Policy, invalid};
use crate::model::FulfilBy;
use crate::queries::{Detail, State as Stands, Summary, VersionView};
use accounts::{Caller, Scope};
use axum::extract::State;
use kernel::{Cursor, GameId, Instant, Page, Refusal};
use rules::Campaign;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, PageQuery, Path, Query, Reply};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(list, register))
        .routes(routes!(detail, apply))
        .routes(routes!(stop))
        .routes(routes!(extend))
        .routes(routes!(versions))
        .routes(routes!(fulfil_by))
        .routes(routes!(schema))
}

/// Which campaigns to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those that are upcoming, running, ended or stopped.
    state: Option<Stands>,
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Campaigns per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// A campaign to register.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "campaign": {
    "id": "ten-plays", "game": "kartrider", "title": "Play ten times", "zone": "Asia/Seoul",
    "period": { "starts": "2026-12-01T00:00:00Z", "ends": "2026-12-31T00:00:00Z" },
    "goals": [{ "id": "ten", "title": "Ten plays", "condition": { "measure": "count", "on": ["play"], "target": 10 }, "rewards": [{ "points": 100 }] }],
} }))]
struct NewCampaignBody {
    /// The document; its schema is at `/v1/campaigns/schema`.
    #[schema(value_type = Campaign)]
    campaign: serde_json::Map<String, serde_json::Value>,
}

/// A campaign as it is to be from now on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "policy": "keep", "campaign": {
    "id": "ten-plays", "game": "kartrider", "title": "Play ten times", "zone": "Asia/Seoul",
    "period": { "starts": "2026-12-01T00:00:00Z", "ends": "2026-12-31T00:00:00Z" },
    "goals": [{ "id": "ten", "title": "Ten plays", "condition": { "measure": "count", "on": ["play"], "target": 10 }, "rewards": [{ "points": 100 }] }],
} }))]
struct ApplyBody {
    /// The document; its schema is at `/v1/campaigns/schema`.
    #[schema(value_type = Campaign)]
    campaign: serde_json::Map<String, serde_json::Value>,
    /// What becomes of players in progress: `keep`, which is refused where their progress would mean something else, or `restart`.
    #[serde(default = "keep")]
    policy: Policy,
}

fn keep() -> Policy {
    Policy::Keep
}

/// A later end.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "ends": "2027-01-15T00:00:00Z" }))]
struct ExtendBody {
    /// The first moment after the campaign.
    ends: Instant,
}

/// How fulfilments reach the game team.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "fulfil_by": "webhook" }))]
struct FulfilByBody {
    /// `webhook` or `poll`, never both. What waits for a webhook goes by polling when it is set to that.
    fulfil_by: FulfilBy,
}

/// A campaign's version after a change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ChangedBody {
    /// The campaign.
    campaign: String,
    /// Its version now.
    version: i64,
    /// The game's counter; every process judges by it within a second.
    campaign_version: i64,
}

/// A document as the rules read it; what is wrong is told with its path.
fn parsed(document: serde_json::Map<String, serde_json::Value>) -> Result<Campaign, Refusal> {
    Campaign::parse(&serde_json::Value::Object(document).to_string()).map_err(invalid)
}

/// A game's campaigns, newest first: for any account, and for keys with `campaigns:read`.
#[utoipa::path(get, path = "/v1/games/{game}/campaigns", tag = "campaigns", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ListQuery), responses((status = 200, body = Page<Summary>), (status = 404, body = web::ProblemBody)))]
async fn list(
    State(campaigns): State<Campaigns>,
    caller: Caller,
    Path(game): Path<GameId>,
    Query(query): Query<ListQuery>,
) -> Answer<Page<Summary>> {
    caller.require_scope(&game, Scope::CampaignsRead)?;
    Reply::ok(campaigns.list(&game, query.state, query.cursor.as_ref(), query.size).await?)
}

/// Registers a campaign, for campaign managers and operators. It is judged from the next checkpoint on, without a restart.
#[utoipa::path(post, path = "/v1/games/{game}/campaigns", tag = "campaigns", security(("token" = [])), params(("game" = GameId, Path)), request_body = NewCampaignBody, responses((status = 201, body = Detail), (status = 409, body = web::ProblemBody), (status = 422, body = web::ProblemBody)))]
async fn register(State(campaigns): State<Campaigns>, Path(game): Path<GameId>, ask: Ask<NewCampaignBody>) -> Answer<Detail> {
    campaigns.may_manage(&ask.who, &game).await?;
    let campaign = parsed(ask.body.campaign)?;
    let id = campaign.id.clone();
    let change = ChangeAsk { actor: ask.who.user, game: game.clone(), change: Change::Register(Box::new(campaign)) };
    campaigns.change(ask.meta, change).await?;
    Reply::created(campaigns.detail(&game, &id).await?)
}

/// A campaign with its document, how often its goals were matched and reached, and what it has granted: for the team, and for keys with `campaigns:read`.
#[utoipa::path(get, path = "/v1/games/{game}/campaigns/{campaign}", tag = "campaigns", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("campaign" = String, Path)), responses((status = 200, body = Detail), (status = 404, body = web::ProblemBody)))]
async fn detail(State(campaigns): State<Campaigns>, caller: Caller, Path((game, campaign)): Path<(GameId, String)>) -> Answer<Detail> {
    campaigns.may_read(&caller, &game, Scope::CampaignsRead).await?;
    Reply::ok(campaigns.detail(&game, &campaign).await?)
}

/// Registers a campaign or changes it, for campaign managers and operators. Each change is a version.
#[utoipa::path(put, path = "/v1/games/{game}/campaigns/{campaign}", tag = "campaigns", security(("token" = [])), params(("game" = GameId, Path), ("campaign" = String, Path)), request_body = ApplyBody, responses((status = 200, body = ChangedBody), (status = 409, body = web::ProblemBody), (status = 422, body = web::ProblemBody)))]
async fn apply(State(campaigns): State<Campaigns>, Path((game, id)): Path<(GameId, String)>, ask: Ask<ApplyBody>) -> Answer<ChangedBody> {
    campaigns.may_manage(&ask.who, &game).await?;
    let campaign = parsed(ask.body.campaign)?;
    if campaign.id != id {
        let reason = format!("{:?} is not the campaign of this path: {id:?} would be right", campaign.id);
        return Err(invalid(vec![rules::Fault { path: "id".to_owned(), reason }]).into());
    }
    let change = Change::Apply(Box::new(campaign), ask.body.policy);
    changed(&campaigns, id, ask.meta, ChangeAsk { actor: ask.who.user, game, change }).await
}

/// Stops a campaign for good: nothing counts from now on, what was reached can still be claimed.
#[utoipa::path(post, path = "/v1/games/{game}/campaigns/{campaign}/stop", tag = "campaigns", security(("token" = [])), params(("game" = GameId, Path), ("campaign" = String, Path)), request_body = Nothing, responses((status = 200, body = ChangedBody), (status = 409, body = web::ProblemBody)))]
async fn stop(State(campaigns): State<Campaigns>, Path((game, id)): Path<(GameId, String)>, ask: Ask<Nothing>) -> Answer<ChangedBody> {
    campaigns.may_manage(&ask.who, &game).await?;
    let change = Change::Stop(id.clone());
    changed(&campaigns, id, ask.meta, ChangeAsk { actor: ask.who.user, game, change }).await
}

/// Lets a campaign end later; players go on.
#[utoipa::path(post, path = "/v1/games/{game}/campaigns/{campaign}/extend", tag = "campaigns", security(("token" = [])), params(("game" = GameId, Path), ("campaign" = String, Path)), request_body = ExtendBody, responses((status = 200, body = ChangedBody), (status = 409, body = web::ProblemBody), (status = 422, body = web::ProblemBody)))]
async fn extend(State(campaigns): State<Campaigns>, Path((game, id)): Path<(GameId, String)>, ask: Ask<ExtendBody>) -> Answer<ChangedBody> {
    campaigns.may_manage(&ask.who, &game).await?;
    let change = Change::Extend(id.clone(), ask.body.ends);
    changed(&campaigns, id, ask.meta, ChangeAsk { actor: ask.who.user, game, change }).await
}

async fn changed(campaigns: &Campaigns, id: String, meta: db::Meta, change: ChangeAsk) -> Answer<ChangedBody> {
    let changed = campaigns.change(meta, change).await?;
    Reply::ok(ChangedBody { campaign: id, version: changed.version.unwrap_or_default(), campaign_version: changed.campaign_version })
}

/// A campaign's versions, newest first, for the team and keys with `campaigns:read`.
#[utoipa::path(get, path = "/v1/games/{game}/campaigns/{campaign}/versions", tag = "campaigns", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("campaign" = String, Path), PageQuery), responses((status = 200, body = Page<VersionView>), (status = 404, body = web::ProblemBody)))]
async fn versions(
    State(campaigns): State<Campaigns>,
    caller: Caller,
    Path((game, campaign)): Path<(GameId, String)>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<VersionView>> {
    campaigns.may_read(&caller, &game, Scope::CampaignsRead).await?;
    Reply::ok(campaigns.versions(&game, &campaign, query.cursor.as_ref(), query.size).await?)
}

/// Sets how a game's fulfilments reach its team, for campaign managers and operators.
#[utoipa::path(put, path = "/v1/games/{game}/fulfil-by", tag = "campaigns", security(("token" = [])), params(("game" = GameId, Path)), request_body = FulfilByBody, responses((status = 200, body = FulfilByBody)))]
async fn fulfil_by(State(campaigns): State<Campaigns>, Path(game): Path<GameId>, ask: Ask<FulfilByBody>) -> Answer<FulfilByBody> {
    campaigns.may_manage(&ask.who, &game).await?;
    let way = ask.body.fulfil_by;
    campaigns.change(ask.meta, ChangeAsk { actor: ask.who.user, game, change: Change::FulfilBy(way) }).await?;
    Reply::ok(FulfilByBody { fulfil_by: way })
}

/// The JSON Schema of campaign documents.
#[utoipa::path(get, path = "/v1/campaigns/schema", tag = "campaigns", responses((status = 200, body = Object)))]
async fn schema() -> Answer<serde_json::Value> {
    Reply::ok(Campaign::schema())
}
