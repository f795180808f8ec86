//! HTTP of webhooks: decode, call, reply. For the campaign managers of the game in the path, and operators; its team may read.

use super::Webhooks;
use super::decide::endpoints::Draft;
use super::model::{Delivery, DeliveryState, Topic, Webhook};
use super::resend::Redelivered;
use axum::extract::State;
use kernel::{Cursor, DeliveryId, GameId, Page, WebhookId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Path, Query, Reply, Who};

pub(super) fn routes(webhooks: Webhooks) -> web::Routes {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(rotate))
        .routes(routes!(test))
        .routes(routes!(deliveries))
        .routes(routes!(redeliver))
        .routes(routes!(redeliver_parked))
        .with_state(webhooks)
}

/// A webhook to make.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "url": "https://game.example/hooks/guildhall", "topics": ["fulfilment.created"], "description": "item server", "concurrency": 8 }))]
struct WebhookBody {
    /// Where events are sent: https, on the public internet.
    url: String,
    /// What it hears of; at least one topic.
    topics: BTreeSet<Topic>,
    /// What its game calls it, up to 200 characters.
    #[serde(default)]
    description: String,
    /// Deliveries that each process has under way to it at once, 1 to 32, 8 by default.
    concurrency: Option<i64>,
}

/// What to change of a webhook; what is left out stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "enabled": true, "concurrency": 4 }))]
struct WebhookPatch {
    /// Where events are sent: https, on the public internet.
    url: Option<String>,
    /// What it hears of; at least one topic.
    topics: Option<BTreeSet<Topic>>,
    /// What its game calls it, up to 200 characters.
    description: Option<String>,
    /// Deliveries that each process has under way to it at once, 1 to 32.
    concurrency: Option<i64>,
    /// False: nothing new is sent, and what waits is parked. True: it is sent to again.
    enabled: Option<bool>,
}

/// A webhook with its new secret, which is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
struct WithSecret {
    #[serde(flatten)]
    webhook: Webhook,
    /// What deliveries are signed with, as receivers configure it.
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    secret: String,
}

/// Which deliveries to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeliveriesQuery {
    /// Only those that stand so, as `parked`.
    state: Option<DeliveryState>,
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Deliveries per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// A game's webhooks, oldest first, for its team and operators.
#[utoipa::path(get, path = "/v1/games/{game}/webhooks", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path)), responses((status = 200, body = Vec<Webhook>)))]
async fn list(State(webhooks): State<Webhooks>, who: Who, Path(game): Path<GameId>) -> Answer<Vec<Webhook>> {
    webhooks.require_reader(&who, &game).await?;
    Reply::ok(webhooks.list(&game).await?)
}

/// Makes a webhook, for campaign managers and operators. It hears of what happens from a few seconds later on. Its secret is shown once:
/// a repeat under the same key is told `already-done`.
#[utoipa::path(post, path = "/v1/games/{game}/webhooks", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path)), request_body = WebhookBody, responses((status = 201, body = WithSecret), (status = 409, body = web::ProblemBody)))]
async fn create(State(webhooks): State<Webhooks>, Path(game): Path<GameId>, ask: Ask<WebhookBody>) -> Answer<WithSecret> {
    webhooks.require_manager(&ask.who, &game).await?;
    let WebhookBody { url, topics, description, concurrency } = ask.body;
    let draft = Draft { url: Some(url), topics: Some(topics), description: Some(description), concurrency, enabled: None };
    let (webhook, secret) = webhooks.create(ask.meta, game, draft).await?;
    Reply::created(WithSecret { webhook, secret })
}

/// A webhook, without its secret, for the game's team and operators.
#[utoipa::path(get, path = "/v1/games/{game}/webhooks/{webhook}", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path), ("webhook" = WebhookId, Path)), responses((status = 200, body = Webhook), (status = 404, body = web::ProblemBody)))]
async fn read(State(webhooks): State<Webhooks>, who: Who, Path((game, webhook)): Path<(GameId, WebhookId)>) -> Answer<Webhook> {
    webhooks.require_reader(&who, &game).await?;
    Reply::ok(webhooks.webhook(&game, webhook).await?)
}

/// Changes a webhook, for campaign managers and operators. Disabling it parks what waits for it.
#[utoipa::path(patch, path = "/v1/games/{game}/webhooks/{webhook}", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path), ("webhook" = WebhookId, Path)), request_body = WebhookPatch, responses((status = 200, body = Webhook), (status = 404, body = web::ProblemBody)))]
async fn update(
    State(webhooks): State<Webhooks>,
    Path((game, webhook)): Path<(GameId, WebhookId)>,
    ask: Ask<WebhookPatch>,
) -> Answer<Webhook> {
    webhooks.require_manager(&ask.who, &game).await?;
    let WebhookPatch { url, topics, description, concurrency, enabled } = ask.body;
    let draft = Draft { url, topics, description, concurrency, enabled };
    Reply::ok(webhooks.update(ask.meta, game, webhook, draft).await?)
}

/// Deletes a webhook, for campaign managers and operators. What waits for it is parked.
#[utoipa::path(delete, path = "/v1/games/{game}/webhooks/{webhook}", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path), ("webhook" = WebhookId, Path)), responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn delete(State(webhooks): State<Webhooks>, Path((game, webhook)): Path<(GameId, WebhookId)>, ask: Ask<Nothing>) -> Answer<()> {
    webhooks.require_manager(&ask.who, &game).await?;
    webhooks.delete(ask.meta, game, webhook).await?;
    Reply::done()
}

/// Gives a webhook a new secret, for campaign managers and operators; the former one signs beside it for 24 hours. It is shown once:
/// a repeat under the same key is told `already-done`.
#[utoipa::path(post, path = "/v1/games/{game}/webhooks/{webhook}/rotate", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path), ("webhook" = WebhookId, Path)), responses((status = 200, body = WithSecret), (status = 409, body = web::ProblemBody)))]
async fn rotate(
    State(webhooks): State<Webhooks>,
    Path((game, webhook)): Path<(GameId, WebhookId)>,
    ask: Ask<Nothing>,
) -> Answer<WithSecret> {
    webhooks.require_manager(&ask.who, &game).await?;
    let (webhook, secret) = webhooks.rotate(ask.meta, game, webhook).await?;
    Reply::ok(WithSecret { webhook, secret })
}

/// Sends a test event, for campaign managers and operators; it is tried once. What came of it stands among the deliveries.
#[utoipa::path(post, path = "/v1/games/{game}/webhooks/{webhook}/test", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path), ("webhook" = WebhookId, Path)), responses((status = 202, body = Delivery), (status = 409, body = web::ProblemBody)))]
async fn test(State(webhooks): State<Webhooks>, Path((game, webhook)): Path<(GameId, WebhookId)>, ask: Ask<Nothing>) -> Answer<Delivery> {
    webhooks.require_manager(&ask.who, &game).await?;
    Reply::accepted(webhooks.test(ask.meta, game, webhook).await?)
}

/// A webhook's deliveries, newest first, for the game's team and operators. Those that ended are kept for some days.
#[utoipa::path(get, path = "/v1/games/{game}/webhooks/{webhook}/deliveries", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path), ("webhook" = WebhookId, Path), DeliveriesQuery), responses((status = 200, body = Page<Delivery>), (status = 404, body = web::ProblemBody)))]
async fn deliveries(
    State(webhooks): State<Webhooks>,
    who: Who,
    Path((game, webhook)): Path<(GameId, WebhookId)>,
    Query(query): Query<DeliveriesQuery>,
) -> Answer<Page<Delivery>> {
    webhooks.require_reader(&who, &game).await?;
    Reply::ok(webhooks.deliveries(&game, webhook, query.state, query.cursor.as_ref(), query.size).await?)
}

/// Sends a delivery that was delivered or parked once more, with all its attempts, for campaign managers and operators.
#[utoipa::path(post, path = "/v1/games/{game}/webhooks/{webhook}/deliveries/{delivery}/redeliver", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path), ("webhook" = WebhookId, Path), ("delivery" = DeliveryId, Path)), responses((status = 202, body = Delivery), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn redeliver(
    State(webhooks): State<Webhooks>,
    Path((game, webhook, delivery)): Path<(GameId, WebhookId, DeliveryId)>,
    ask: Ask<Nothing>,
) -> Answer<Delivery> {
    webhooks.require_manager(&ask.who, &game).await?;
    Reply::accepted(webhooks.redeliver(ask.meta, game, webhook, delivery).await?)
}

/// Sends up to 500 deliveries that were parked once more, oldest first, for campaign managers and operators; `more` tells whether to ask again.
#[utoipa::path(post, path = "/v1/games/{game}/webhooks/{webhook}/redeliver", tag = "webhooks", security(("token" = [])), params(("game" = GameId, Path), ("webhook" = WebhookId, Path)), request_body = Nothing, responses((status = 202, body = Redelivered), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn redeliver_parked(
    State(webhooks): State<Webhooks>,
    Path((game, webhook)): Path<(GameId, WebhookId)>,
    ask: Ask<Nothing>,
) -> Answer<Redelivered> {
    webhooks.require_manager(&ask.who, &game).await?;
    Reply::accepted(webhooks.redeliver_parked(ask.meta, game, webhook).await?)
}
