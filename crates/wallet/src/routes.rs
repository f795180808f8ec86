//! HTTP of wallets: decode, call, reply.

use crate::{Balance, Entry, Posting, Wallet};
use axum::extract::State;
use kernel::{Currency, Cursor, Money, Page, Refusal, UserId, text};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Operator, Path, PointsProvider, Query, Reply, Who};

pub(crate) fn routes(wallet: Wallet) -> web::Routes {
    OpenApiRouter::new()
        .routes(routes!(balances))
        .routes(routes!(entries))
        .routes(routes!(balances_of))
        .routes(routes!(entries_of))
        .routes(routes!(credit))
        .routes(routes!(debit))
        .with_state(wallet)
}

/// Which entries to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EntriesQuery {
    /// The wallet's currency.
    #[param(example = "POINTS")]
    currency: Currency,
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Entries per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// An amount to add or to take.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "amount_minor": 50_000, "currency": "POINTS", "reference": "provider-receipt-7781" }))]
struct PostBody {
    /// Minor units, 1 or more.
    amount_minor: i64,
    /// The wallet's currency.
    currency: Currency,
    /// What it belongs to, as a provider's receipt; up to 200 characters.
    #[serde(default)]
    reference: String,
}

/// Your balances.
#[utoipa::path(get, path = "/v1/wallet", tag = "wallet", security(("token" = [])), responses((status = 200, body = Vec<Balance>)))]
async fn balances(State(wallet): State<Wallet>, who: Who) -> Answer<Vec<Balance>> {
    Reply::ok(wallet.balances(who.user).await?)
}

/// Your ledger entries in one currency, newest first.
#[utoipa::path(get, path = "/v1/wallet/entries", tag = "wallet", security(("token" = [])), params(EntriesQuery), responses((status = 200, body = Page<Entry>)))]
async fn entries(State(wallet): State<Wallet>, who: Who, Query(query): Query<EntriesQuery>) -> Answer<Page<Entry>> {
    Reply::ok(wallet.entries(who.user, query.currency, query.cursor.as_ref(), query.size).await?)
}

/// An account's balances, for operators.
#[utoipa::path(get, path = "/v1/accounts/{user}/wallet", tag = "wallet", security(("token" = [])), params(("user" = UserId, Path)), responses((status = 200, body = Vec<Balance>), (status = 404, body = web::ProblemBody)))]
async fn balances_of(State(wallet): State<Wallet>, _: Operator, Path(user): Path<UserId>) -> Answer<Vec<Balance>> {
    wallet.db.require_account(user).await?;
    Reply::ok(wallet.balances(user).await?)
}

/// An account's ledger entries, for operators.
#[utoipa::path(get, path = "/v1/accounts/{user}/wallet/entries", tag = "wallet", security(("token" = [])), params(("user" = UserId, Path), EntriesQuery), responses((status = 200, body = Page<Entry>), (status = 404, body = web::ProblemBody)))]
async fn entries_of(
    State(wallet): State<Wallet>,
    _: Operator,
    Path(user): Path<UserId>,
    Query(query): Query<EntriesQuery>,
) -> Answer<Page<Entry>> {
    wallet.db.require_account(user).await?;
    Reply::ok(wallet.entries(user, query.currency, query.cursor.as_ref(), query.size).await?)
}

/// Charges an account, for payment providers and operators.
#[utoipa::path(post, path = "/v1/accounts/{user}/wallet/credits", tag = "wallet", security(("token" = [])), params(("user" = UserId, Path)), request_body = PostBody, responses((status = 200, body = Entry)))]
async fn credit(State(wallet): State<Wallet>, _: PointsProvider, Path(user): Path<UserId>, ask: Ask<PostBody>) -> Answer<Entry> {
    let posting = posting(user, &ask, 1, "charge")?;
    Reply::ok(wallet.post(ask.meta, posting).await?)
}

/// Takes from an account, for payment providers (a charge that was taken back) and operators.
#[utoipa::path(post, path = "/v1/accounts/{user}/wallet/debits", tag = "wallet", security(("token" = [])), params(("user" = UserId, Path)), request_body = PostBody, responses((status = 200, body = Entry), (status = 402, body = web::ProblemBody)))]
async fn debit(State(wallet): State<Wallet>, _: PointsProvider, Path(user): Path<UserId>, ask: Ask<PostBody>) -> Answer<Entry> {
    let posting = posting(user, &ask, -1, "deduction")?;
    Reply::ok(wallet.post(ask.meta, posting).await?)
}

/// The sign is the route's, never the body's: a negative amount is refused.
fn posting(user: UserId, ask: &Ask<PostBody>, sign: i64, reason: &'static str) -> Result<Posting, Refusal> {
    let body = &ask.body;
    text::check("reference", &body.reference, 0, 200)?;
    let amount = Some(body.amount_minor).filter(|amount| *amount > 0).ok_or_else(|| {
        Refusal::new(kernel::Code::BadAmount, format!("amount_minor {} is not positive: 1 or more would be right", body.amount_minor))
    })?;
    Ok(Posting {
        user,
        money: Money { minor: sign * amount, currency: body.currency },
        counterparty: format!("account:{}", ask.who.user),
        reason,
        reference: body.reference.clone(),
    })
}
