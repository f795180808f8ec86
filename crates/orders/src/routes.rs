//! HTTP of wishlists and orders: decode, call, reply.

use crate::OrderService;
use crate::model::{Order, Wish};
use axum::extract::State;
use kernel::{Cursor, OrderId, Page, ProductId};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Path, Query, Reply, Who};

pub(crate) fn routes(orders: OrderService) -> web::Routes {
    OpenApiRouter::new()
        .routes(routes!(wishlist, wish))
        .routes(routes!(unwish))
        .routes(routes!(list, create))
        .routes(routes!(read))
        .with_state(orders)
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

/// What to wish for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "product": 4711 }))]
struct WishBody {
    /// The product.
    product: ProductId,
}

/// Your wishlist.
#[utoipa::path(get, path = "/v1/wishlist", tag = "orders", security(("token" = [])), params(ListQuery), responses((status = 200, body = Page<Wish>)))]
async fn wishlist(State(orders): State<OrderService>, who: Who, Query(query): Query<ListQuery>) -> Answer<Page<Wish>> {
    Reply::ok(orders.wishlist(who.user, query.cursor.as_ref(), query.size).await?)
}

/// Puts a product on your wishlist.
#[utoipa::path(post, path = "/v1/wishlist", tag = "orders", security(("token" = [])), request_body = WishBody, responses((status = 201, body = Wish), (status = 409, body = web::ProblemBody)))]
async fn wish(State(orders): State<OrderService>, ask: Ask<WishBody>) -> Answer<Wish> {
    Reply::created(orders.wish(ask.meta, ask.who.user, ask.body.product).await?)
}

/// Takes a product off your wishlist.
#[utoipa::path(delete, path = "/v1/wishlist/{product}", tag = "orders", security(("token" = [])), params(("product" = ProductId, Path)), responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn unwish(State(orders): State<OrderService>, Path(product): Path<ProductId>, ask: Ask<Nothing>) -> Answer<()> {
    orders.unwish(ask.meta, ask.who.user, product).await?;
    Reply::done()
}

/// Your orders, newest first.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", security(("token" = [])), params(ListQuery), responses((status = 200, body = Page<Order>)))]
async fn list(State(orders): State<OrderService>, who: Who, Query(query): Query<ListQuery>) -> Answer<Page<Order>> {
    Reply::ok(orders.list(who.user, query.cursor.as_ref(), query.size).await?)
}

/// Orders your whole wishlist.
#[utoipa::path(post, path = "/v1/orders", tag = "orders", security(("token" = [])), request_body = Nothing, responses((status = 201, body = Order), (status = 409, body = web::ProblemBody)))]
async fn create(State(orders): State<OrderService>, ask: Ask<Nothing>) -> Answer<Order> {
    Reply::created(orders.create(ask.meta, ask.who.user).await?)
}

/// One of your orders.
#[utoipa::path(get, path = "/v1/orders/{order}", tag = "orders", security(("token" = [])), params(("order" = OrderId, Path)), responses((status = 200, body = Order), (status = 404, body = web::ProblemBody)))]
async fn read(State(orders): State<OrderService>, who: Who, Path(order): Path<OrderId>) -> Answer<Order> {
    Reply::ok(orders.read(who.user, order).await?)
}
