//! HTTP of the catalogue: decode, call, reply. Lists and searches are written straight from memory; they need no token.

use crate::decide::{Asked, Changed};
use crate::import::{self, Bad, Run};
use crate::index::{At, Direction, Page, Query as ListQuery, Sort};
use crate::model::{Platform, Sale, State as SaleState};
use crate::view::{DetailView, Exists, Genre, PageView, ProductView};
use crate::{Catalogue, bodies};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kernel::{Code, Cursor, ProductId, Refusal, page, text};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Path, Problem, Query, Reply, StoreManager};

pub(crate) fn routes(catalogue: Catalogue) -> web::Routes {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(search))
        .routes(routes!(get, edit))
        .routes(routes!(exists))
        .routes(routes!(genres))
        .routes(routes!(set_sale, remove_sale))
        .routes(routes!(set_limit))
        .routes(routes!(imports))
        .routes(routes!(bad_entries))
        .with_state(catalogue)
}

/// Which products to list. Filters that are set must all be met.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ProductsQuery {
    /// One of its genres, without regard to case.
    #[param(example = "Action")]
    genre: Option<String>,
    /// How it is sold now: regular, on_sale, limited_stock or limited_stock_on_sale.
    #[param(value_type = Option<String>)]
    state: Option<SaleState>,
    /// Where it runs: windows, mac or linux.
    #[param(value_type = Option<String>)]
    platform: Option<Platform>,
    /// Least it may cost now, in minor units.
    price_min: Option<i64>,
    /// Most it may cost now, in minor units.
    price_max: Option<i64>,
    /// name (the default), price, release or popularity.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    sort: Sort,
    /// ascending (the default) or descending.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    direction: Direction,
    /// The number of the page, 1 for the first; any page costs the same.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// `next` of the page before, in place of a page number.
    cursor: Option<Cursor>,
    /// Products per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// What to search for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// Part of a name, a developer or a genre; the last word may be half typed, words may be mistyped.
    #[param(example = "counter stri")]
    q: String,
    /// The number of the page, 1 for the first.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// Products per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// Products, ten a page unless asked otherwise.
#[utoipa::path(get, path = "/v1/products", tag = "catalogue", params(ProductsQuery), responses((status = 200, body = PageView)))]
async fn list(State(catalogue): State<Catalogue>, Query(query): Query<ProductsQuery>) -> Result<Response, Problem> {
    let at = match (query.page, query.cursor) {
        (Some(_), Some(_)) => return Err(Refusal::new(Code::BadQuery, "page and cursor are both set: one of them would be right").into()),
        (None, Some(cursor)) => At::After(cursor),
        (number, None) => At::Page(page_number(number)?),
    };
    let (genre, size) = (query.genre, page::size(query.size)?);
    let ProductsQuery { state, platform, price_min, price_max, sort, direction, .. } = ProductsQuery { genre: None, cursor: None, ..query };
    let query = ListQuery { genre, state, platform, price_min, price_max, sort, direction, at, size };
    let snapshot = catalogue.snapshot();
    products(&catalogue, snapshot.list(&query, catalogue.db.now())?)
}

/// Products whose name, developer or genre is like a text, the best first.
#[utoipa::path(get, path = "/v1/products/search", tag = "catalogue", params(SearchQuery), responses((status = 200, body = PageView)))]
async fn search(State(catalogue): State<Catalogue>, Query(query): Query<SearchQuery>) -> Result<Response, Problem> {
    text::check("q", &query.q, 1, 200)?;
    let (number, size) = (page_number(query.page)?, page::size(query.size)?);
    let snapshot = catalogue.snapshot();
    products(&catalogue, snapshot.search(&query.q, number, size, catalogue.db.now()))
}

/// A product with its texts.
#[utoipa::path(get, path = "/v1/products/{product}", tag = "catalogue", params(("product" = ProductId, Path)), responses((status = 200, body = DetailView), (status = 404, body = web::ProblemBody)))]
async fn get(State(catalogue): State<Catalogue>, Path(id): Path<ProductId>) -> Result<Response, Problem> {
    let snapshot = catalogue.snapshot();
    let product = snapshot.get(id).ok_or_else(|| Refusal::not_found("product", id))?;
    let texts = catalogue.texts(id, product.version).await?;
    let view = ProductView::of(&product.at(catalogue.db.now()), &catalogue.policy);
    json(&DetailView { product: view, player_limit: texts.player_limit, detail: &texts.document })
}

/// Whether there is such a product.
#[utoipa::path(get, path = "/v1/products/{product}/exists", tag = "catalogue", params(("product" = ProductId, Path)), responses((status = 200, body = Exists)))]
async fn exists(State(catalogue): State<Catalogue>, Path(id): Path<ProductId>) -> Answer<Exists> {
    Reply::ok(Exists { exists: catalogue.exists(id) })
}

/// Every genre, with the number of its products.
#[utoipa::path(get, path = "/v1/genres", tag = "catalogue", responses((status = 200, body = Vec<Genre>)))]
async fn genres(State(catalogue): State<Catalogue>) -> Result<Response, Problem> {
    let snapshot = catalogue.snapshot();
    json(&snapshot.genres().map(|(genre, products)| Genre { genre, products }).collect::<Vec<_>>())
}

/// Adds a product of the store's own.
#[utoipa::path(post, path = "/v1/products", tag = "catalogue", security(("token" = [])), request_body = bodies::AddBody, responses((status = 201, body = Changed)))]
async fn add(State(catalogue): State<Catalogue>, _: StoreManager, ask: Ask<bodies::AddBody>) -> Answer<Changed> {
    Reply::created(catalogue.change(ask.meta, Asked::Add(Box::new(ask.body.decoded()?))).await?)
}

/// Changes a product; what is left out stays.
#[utoipa::path(patch, path = "/v1/products/{product}", tag = "catalogue", security(("token" = [])), params(("product" = ProductId, Path)), request_body = bodies::EditBody, responses((status = 200, body = Changed)))]
async fn edit(
    State(catalogue): State<Catalogue>,
    _: StoreManager,
    Path(id): Path<ProductId>,
    ask: Ask<bodies::EditBody>,
) -> Answer<Changed> {
    Reply::ok(catalogue.change(ask.meta, Asked::Edit(id, Box::new(ask.body.decoded()?))).await?)
}

/// Sets a product's sale, in place of the one there is. It is shown at once and counts from its start to its end.
#[utoipa::path(put, path = "/v1/products/{product}/sale", tag = "catalogue", security(("token" = [])), params(("product" = ProductId, Path)), request_body = bodies::SaleBody, responses((status = 200, body = Changed)))]
async fn set_sale(
    State(catalogue): State<Catalogue>,
    _: StoreManager,
    Path(id): Path<ProductId>,
    ask: Ask<bodies::SaleBody>,
) -> Answer<Changed> {
    let sale = Sale { percent: ask.body.percent, starts_at: ask.body.starts_at, ends_at: ask.body.ends_at };
    Reply::ok(catalogue.change(ask.meta, Asked::SetSale(id, sale)).await?)
}

/// Takes a product's sale away.
#[utoipa::path(delete, path = "/v1/products/{product}/sale", tag = "catalogue", security(("token" = [])), params(("product" = ProductId, Path)), responses((status = 200, body = Changed)))]
async fn remove_sale(State(catalogue): State<Catalogue>, _: StoreManager, Path(id): Path<ProductId>, ask: Ask<Nothing>) -> Answer<Changed> {
    Reply::ok(catalogue.change(ask.meta, Asked::RemoveSale(id)).await?)
}

/// Sets whether copies are counted by stock, and how many one player may buy.
#[utoipa::path(put, path = "/v1/products/{product}/limit", tag = "catalogue", security(("token" = [])), params(("product" = ProductId, Path)), request_body = bodies::LimitBody, responses((status = 200, body = Changed)))]
async fn set_limit(
    State(catalogue): State<Catalogue>,
    _: StoreManager,
    Path(id): Path<ProductId>,
    ask: Ask<bodies::LimitBody>,
) -> Answer<Changed> {
    Reply::ok(catalogue.change(ask.meta, Asked::SetLimit(id, ask.body.limited, ask.body.player_limit)).await?)
}

/// The last hundred imports, the newest first.
#[utoipa::path(get, path = "/v1/imports", tag = "catalogue", security(("token" = [])), responses((status = 200, body = Vec<Run>)))]
async fn imports(State(catalogue): State<Catalogue>, _: StoreManager) -> Answer<Vec<Run>> {
    Reply::ok(import::list(&catalogue.db).await?)
}

/// The entries an import could not read, with the reason.
#[utoipa::path(get, path = "/v1/imports/{run}/bad", tag = "catalogue", security(("token" = [])), params(("run" = i64, Path)), responses((status = 200, body = Vec<Bad>), (status = 404, body = web::ProblemBody)))]
async fn bad_entries(State(catalogue): State<Catalogue>, _: StoreManager, Path(run): Path<i64>) -> Answer<Vec<Bad>> {
    Reply::ok(import::list_bad(&catalogue.db, run).await?)
}

fn page_number(asked: Option<u32>) -> Result<u32, Refusal> {
    match asked {
        Some(0) => Err(Refusal::new(Code::BadQuery, "page 0 does not exist: the first page is 1")),
        number => Ok(number.unwrap_or(1)),
    }
}

fn products(catalogue: &Catalogue, page: Page<'_>) -> Result<Response, Problem> {
    let items = page.items.iter().map(|listed| ProductView::of(listed, &catalogue.policy)).collect();
    json(&PageView { items, total: page.total, next: page.next })
}

/// A body written while what it borrows from is held. A page of ten is about this long.
fn json(body: &impl Serialize) -> Result<Response, Problem> {
    let mut text = Vec::with_capacity(6 << 10);
    serde_json::to_writer(&mut text, body).map_err(|e| Problem::internal(format!("an answer cannot be written as JSON: {e}")))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}
