//! HTTP of the library: decode, call, reply.

use crate::LibraryService;
use crate::commands::{GrantAsk, PlayAsk};
use crate::model::{Owned, Played};
use axum::extract::State;
use kernel::{Cursor, Page, ProductId, UserId};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Operator, Path, Query, Reply, Who};

pub(crate) fn routes(library: LibraryService) -> web::Routes {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(plays, play))
        .routes(routes!(list_of, grant))
        .with_state(library)
}

/// Which part of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Items per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// How long it was played.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "minutes": 45 }))]
struct PlayBody {
    /// Minutes, 0 to a week.
    minutes: i64,
}

/// What to give.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "product": 4711 }))]
struct GrantBody {
    /// The product.
    product: ProductId,
}

/// What you own.
#[utoipa::path(get, path = "/v1/library", tag = "library", security(("token" = [])), params(ListQuery), responses((status = 200, body = Page<Owned>)))]
async fn list(State(library): State<LibraryService>, who: Who, Query(query): Query<ListQuery>) -> Answer<Page<Owned>> {
    Reply::ok(library.list(who.user, query.cursor.as_ref(), query.size).await?)
}

/// One product you own.
#[utoipa::path(get, path = "/v1/library/{product}", tag = "library", security(("token" = [])), params(("product" = ProductId, Path)), responses((status = 200, body = Owned), (status = 404, body = web::ProblemBody)))]
async fn read(State(library): State<LibraryService>, who: Who, Path(product): Path<ProductId>) -> Answer<Owned> {
    Reply::ok(library.read(who.user, product).await?)
}

/// When you played a product, newest first.
#[utoipa::path(get, path = "/v1/library/{product}/plays", tag = "library", security(("token" = [])), params(("product" = ProductId, Path), ListQuery), responses((status = 200, body = Page<Played>), (status = 404, body = web::ProblemBody)))]
async fn plays(
    State(library): State<LibraryService>,
    who: Who,
    Path(product): Path<ProductId>,
    Query(query): Query<ListQuery>,
) -> Answer<Page<Played>> {
    Reply::ok(library.plays(who.user, product, query.cursor.as_ref(), query.size).await?)
}

/// Records that you played a product you own.
#[utoipa::path(post, path = "/v1/library/{product}/plays", tag = "library", security(("token" = [])), params(("product" = ProductId, Path)), request_body = PlayBody, responses((status = 200, body = Owned), (status = 404, body = web::ProblemBody)))]
async fn play(State(library): State<LibraryService>, Path(product): Path<ProductId>, ask: Ask<PlayBody>) -> Answer<Owned> {
    Reply::ok(library.play(ask.meta, PlayAsk { user: ask.who.user, product, minutes: ask.body.minutes }).await?)
}

/// What an account owns, for operators.
#[utoipa::path(get, path = "/v1/accounts/{user}/library", tag = "library", security(("token" = [])), params(("user" = UserId, Path), ListQuery), responses((status = 200, body = Page<Owned>), (status = 404, body = web::ProblemBody)))]
async fn list_of(
    State(library): State<LibraryService>,
    _: Operator,
    Path(user): Path<UserId>,
    Query(query): Query<ListQuery>,
) -> Answer<Page<Owned>> {
    library.db.require_account(user).await?;
    Reply::ok(library.list(user, query.cursor.as_ref(), query.size).await?)
}

/// Gives an account a product, for operators.
#[utoipa::path(post, path = "/v1/accounts/{user}/library", tag = "library", security(("token" = [])), params(("user" = UserId, Path)), request_body = GrantBody, responses((status = 201, body = Owned), (status = 409, body = web::ProblemBody)))]
async fn grant(State(library): State<LibraryService>, _: Operator, Path(user): Path<UserId>, ask: Ask<GrantBody>) -> Answer<Owned> {
    Reply::created(library.grant(ask.meta, GrantAsk { operator: ask.who.user, user, product: ask.body.product }).await?)
}
