//! HTTP of sessions: login, refresh, list, logout.

use super::{From, Part};
use crate::{Accounts, SessionView, Signed};
use axum::extract::State;
use kernel::{Page, SessionId};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Open, PageQuery, Path, Query, Reply, Who};

pub(super) fn routes() -> Part {
    OpenApiRouter::new().routes(routes!(sessions, log_in)).routes(routes!(refresh)).routes(routes!(log_out)).routes(routes!(end_session))
}

/// Who signs in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "jane@example.com", "password": "correct horse battery" }))]
struct LogInBody {
    /// The account's address.
    email: String,
    /// Its password.
    password: String,
}

/// A refresh token.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "refresh_token": "the refresh_token of the login or of the last refresh" }))]
struct RefreshBody {
    /// The newest one; an older one ends the session.
    refresh_token: String,
}

/// Signs in.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = LogInBody, responses((status = 201, body = Signed), (status = 401, body = web::ProblemBody), (status = 429, body = web::ProblemBody), (status = 503, body = web::ProblemBody)))]
async fn log_in(State(accounts): State<Accounts>, From(from): From, ask: Open<LogInBody>) -> Answer<Signed> {
    Reply::created(accounts.log_in(ask.meta, from, &ask.body.email, &ask.body.password).await?)
}

/// Takes a refresh token for a new pair of tokens. It works once; coming a second time it ends the session.
#[utoipa::path(post, path = "/v1/sessions/refresh", tag = "sessions", request_body = RefreshBody, responses((status = 200, body = Signed), (status = 401, body = web::ProblemBody)))]
async fn refresh(State(accounts): State<Accounts>, ask: Open<RefreshBody>) -> Answer<Signed> {
    Reply::ok(accounts.refresh(ask.meta, &ask.body.refresh_token).await?)
}

/// Your sessions, newest first; those that ended are shown for 30 days.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", security(("token" = [])), params(PageQuery), responses((status = 200, body = Page<SessionView>)))]
async fn sessions(State(accounts): State<Accounts>, who: Who, Query(query): Query<PageQuery>) -> Answer<Page<SessionView>> {
    Reply::ok(accounts.sessions(who.user, query.cursor.as_ref(), query.size).await?)
}

/// Ends the session of this token.
#[utoipa::path(delete, path = "/v1/sessions/current", tag = "sessions", security(("token" = [])), responses((status = 204)))]
async fn log_out(State(accounts): State<Accounts>, ask: Ask<Nothing>) -> Answer<()> {
    accounts.end_session(ask.meta, ask.who.user, ask.who.session).await?;
    Reply::done()
}

/// Ends another session of yours.
#[utoipa::path(delete, path = "/v1/sessions/{session}", tag = "sessions", security(("token" = [])), params(("session" = SessionId, Path)), responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn end_session(State(accounts): State<Accounts>, Path(session): Path<SessionId>, ask: Ask<Nothing>) -> Answer<()> {
    accounts.end_session(ask.meta, ask.who.user, session).await?;
    Reply::done()
}
