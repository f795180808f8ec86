//! HTTP of stock: decode, call, reply.

use crate::commands::Change;
use crate::{Stock, StockService};
use axum::extract::State;
use kernel::ProductId;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Path, Reply, StoreManager};

pub(crate) fn routes(stock: StockService) -> web::Routes {
    OpenApiRouter::new().routes(routes!(read, register)).routes(routes!(decrease)).routes(routes!(increase)).with_state(stock)
}

/// A number of copies.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "quantity": 10 }))]
struct QuantityBody {
    /// 1 or more.
    quantity: i64,
}

/// How many copies of a limited product there are, and how many are left.
#[utoipa::path(get, path = "/v1/stocks/{product}", tag = "stock", params(("product" = ProductId, Path)), responses((status = 200, body = Stock)))]
async fn read(State(stock): State<StockService>, Path(product): Path<ProductId>) -> Answer<Stock> {
    Reply::ok(stock.read(product).await?)
}

/// Registers copies of a limited product; registering again raises the ceiling.
#[utoipa::path(post, path = "/v1/stocks/{product}", tag = "stock", security(("token" = [])), params(("product" = ProductId, Path)), request_body = QuantityBody, responses((status = 200, body = Stock)))]
async fn register(
    State(stock): State<StockService>,
    _: StoreManager,
    Path(product): Path<ProductId>,
    ask: Ask<QuantityBody>,
) -> Answer<Stock> {
    Reply::ok(stock.change(ask.meta, Change::Register(product, ask.body.quantity)).await?)
}

/// Takes available copies out of sale, as those sold elsewhere.
#[utoipa::path(post, path = "/v1/stocks/{product}/decrease", tag = "stock", security(("token" = [])), params(("product" = ProductId, Path)), request_body = QuantityBody, responses((status = 200, body = Stock), (status = 409, body = web::ProblemBody)))]
async fn decrease(
    State(stock): State<StockService>,
    _: StoreManager,
    Path(product): Path<ProductId>,
    ask: Ask<QuantityBody>,
) -> Answer<Stock> {
    Reply::ok(stock.change(ask.meta, Change::Decrease(product, ask.body.quantity)).await?)
}

/// Puts back copies that were taken by hand.
#[utoipa::path(post, path = "/v1/stocks/{product}/increase", tag = "stock", security(("token" = [])), params(("product" = ProductId, Path)), request_body = QuantityBody, responses((status = 200, body = Stock), (status = 409, body = web::ProblemBody)))]
async fn increase(
    State(stock): State<StockService>,
    _: StoreManager,
    Path(product): Path<ProductId>,
    ask: Ask<QuantityBody>,
) -> Answer<Stock> {
    Reply::ok(stock.change(ask.meta, Change::Increase(product, ask.body.quantity)).await?)
}
