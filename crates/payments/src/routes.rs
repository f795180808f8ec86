//! HTTP of payments: decode, call, reply. Cancelling an order and dropping an item are here, since they end payments.

use crate::PaymentService;
use crate::commands::PRODUCTS_MAX;
use crate::queries::{Part, Settlement};
use crate::views::{PaymentView, Receipt, RefundView};
use axum::extract::State;
use kernel::{Code, Cursor, OrderId, Page, PaymentId, ProductId, RefundId, Refusal};
use orders::Order;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Operator, Path, Query, Reply, Who};

pub(crate) fn routes(payments: PaymentService) -> web::Routes {
    OpenApiRouter::new()
        .routes(routes!(list, enter))
        .routes(routes!(buy))
        .routes(routes!(read))
        .routes(routes!(pay))
        .routes(routes!(refunds, refund))
        .routes(routes!(read_refund))
        .routes(routes!(cancel))
        .routes(routes!(drop_item))
        .routes(routes!(settlements))
        .with_state(Arc::new(payments))
}

/// Which payments to list: by cursor, or by page number.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// The page's number from 1, instead of a cursor.
    page_number: Option<u32>,
    /// Payments per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// Which settlements to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SettlementsQuery {
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Rows per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// Which order to pay.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "order": "01890a5d-ac96-774b-bcce-b302099a8057" }))]
struct EnterBody {
    /// The order.
    order: OrderId,
}

/// What to buy.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "products": [4711] }))]
struct BuyBody {
    /// Distinct products, 1 to 200.
    products: Vec<ProductId>,
}

/// What to refund.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "products": [4711] }))]
struct RefundBody {
    /// The items, at most 200; all of them when it is left out.
    products: Option<Vec<ProductId>>,
}

/// Your payments, newest first.
#[utoipa::path(get, path = "/v1/payments", tag = "payments", security(("token" = [])), params(ListQuery), responses((status = 200, body = Page<PaymentView>)))]
async fn list(State(payments): State<Arc<PaymentService>>, who: Who, Query(query): Query<ListQuery>) -> Answer<Page<PaymentView>> {
    let part = query.page_number.map_or(Part::After(query.cursor), Part::Number);
    Reply::ok(payments.list(who.user, part, query.size).await?)
}

/// Enters a payment of an order: fixes its prices and holds limited stock for a while.
#[utoipa::path(post, path = "/v1/payments", tag = "payments", security(("token" = [])), request_body = EnterBody, responses((status = 201, body = PaymentView), (status = 409, body = web::ProblemBody)))]
async fn enter(State(payments): State<Arc<PaymentService>>, ask: Ask<EnterBody>) -> Answer<PaymentView> {
    Reply::created(payments.enter(ask.meta, ask.who.user, ask.body.order).await?)
}

/// Orders, enters and pays in one call.
#[utoipa::path(post, path = "/v1/payments/buy", tag = "payments", security(("token" = [])), request_body = BuyBody, responses((status = 201, body = Receipt), (status = 402, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn buy(State(payments): State<Arc<PaymentService>>, ask: Ask<BuyBody>) -> Answer<Receipt> {
    Reply::created(payments.buy(ask.meta, ask.who.user, distinct(ask.body.products)?).await?)
}

/// One of your payments.
#[utoipa::path(get, path = "/v1/payments/{payment}", tag = "payments", security(("token" = [])), params(("payment" = PaymentId, Path)), responses((status = 200, body = PaymentView), (status = 404, body = web::ProblemBody)))]
async fn read(State(payments): State<Arc<PaymentService>>, who: Who, Path(payment): Path<PaymentId>) -> Answer<PaymentView> {
    Reply::ok(payments.read(who.user, payment).await?)
}

/// Pays an entered payment. Repeating the key returns the first receipt.
#[utoipa::path(post, path = "/v1/payments/{payment}/pay", tag = "payments", security(("token" = [])), params(("payment" = PaymentId, Path)), request_body = Nothing, responses((status = 200, body = Receipt), (status = 402, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn pay(State(payments): State<Arc<PaymentService>>, Path(payment): Path<PaymentId>, ask: Ask<Nothing>) -> Answer<Receipt> {
    Reply::ok(payments.pay(ask.meta, ask.who.user, payment).await?)
}

/// The refunds of one of your payments, with their states.
#[utoipa::path(get, path = "/v1/payments/{payment}/refunds", tag = "payments", security(("token" = [])), params(("payment" = PaymentId, Path)), responses((status = 200, body = Vec<RefundView>)))]
async fn refunds(State(payments): State<Arc<PaymentService>>, who: Who, Path(payment): Path<PaymentId>) -> Answer<Vec<RefundView>> {
    Reply::ok(payments.refunds(who.user, payment).await?)
}

/// Asks for a refund, whole or by item; what cannot be refunded is listed with reasons.
#[utoipa::path(post, path = "/v1/payments/{payment}/refunds", tag = "payments", security(("token" = [])), params(("payment" = PaymentId, Path)), request_body = RefundBody, responses((status = 201, body = RefundView), (status = 409, body = web::ProblemBody)))]
async fn refund(State(payments): State<Arc<PaymentService>>, Path(payment): Path<PaymentId>, ask: Ask<RefundBody>) -> Answer<RefundView> {
    let products = ask.body.products.map(distinct).transpose()?;
    Reply::created(payments.refund(ask.meta, ask.who.user, payment, products).await?)
}

/// One refund of a payment, with its state.
#[utoipa::path(get, path = "/v1/payments/{payment}/refunds/{refund}", tag = "payments", security(("token" = [])), params(("payment" = PaymentId, Path), ("refund" = RefundId, Path)), responses((status = 200, body = RefundView), (status = 404, body = web::ProblemBody)))]
async fn read_refund(
    State(payments): State<Arc<PaymentService>>,
    who: Who,
    Path((payment, refund)): Path<(PaymentId, RefundId)>,
) -> Answer<RefundView> {
    Reply::ok(payments.read_refund(who.user, payment, refund).await?)
}

/// Cancels an order that is not paid; what it held goes back.
#[utoipa::path(post, path = "/v1/orders/{order}/cancel", tag = "orders", security(("token" = [])), params(("order" = OrderId, Path)), request_body = Nothing, responses((status = 200, body = Order), (status = 409, body = web::ProblemBody)))]
async fn cancel(State(payments): State<Arc<PaymentService>>, Path(order): Path<OrderId>, ask: Ask<Nothing>) -> Answer<Order> {
    Reply::ok(payments.cancel(ask.meta, ask.who.user, order).await?)
}

/// Drops an item of an order that is not paid; what it held goes back.
#[utoipa::path(delete, path = "/v1/orders/{order}/items/{product}", tag = "orders", security(("token" = [])), params(("order" = OrderId, Path), ("product" = ProductId, Path)), responses((status = 200, body = Order), (status = 409, body = web::ProblemBody)))]
async fn drop_item(
    State(payments): State<Arc<PaymentService>>,
    Path((order, product)): Path<(OrderId, ProductId)>,
    ask: Ask<Nothing>,
) -> Answer<Order> {
    Reply::ok(payments.drop_item(ask.meta, ask.who.user, order, product).await?)
}

/// What was settled per day, for operators.
#[utoipa::path(get, path = "/v1/settlements", tag = "payments", security(("token" = [])), params(SettlementsQuery), responses((status = 200, body = Page<Settlement>)))]
async fn settlements(
    State(payments): State<Arc<PaymentService>>,
    _: Operator,
    Query(query): Query<SettlementsQuery>,
) -> Answer<Page<Settlement>> {
    Reply::ok(payments.settlements(query.cursor.as_ref(), query.size).await?)
}

fn distinct(products: Vec<ProductId>) -> Result<BTreeSet<ProductId>, Refusal> {
    let named = products.len();
    if named > PRODUCTS_MAX {
        return Err(Refusal::new(Code::BadBody, format!("products names {named} products: at most {PRODUCTS_MAX} would be right")));
    }
    let set: BTreeSet<ProductId> = products.into_iter().collect();
    if set.len() == named {
        return Ok(set);
    }
    Err(Refusal::new(Code::BadBody, "products names a product twice: each once would be right"))
}
