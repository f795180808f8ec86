//! HTTP of accounts for operators and admins: look up, block, roles, audit log.

use super::Part;
use crate::audit::Noted;
use crate::commands::govern::Deed;
use crate::decide::govern::Act;
use crate::queries::AuditOf;
use crate::{Account, Accounts};
use axum::extract::State;
use kernel::{Code, Cursor, Page, Refusal, UserId, text};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Admin, Answer, Ask, Nothing, Operator, Path, Query, Reply, Role};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(find))
        .routes(routes!(account))
        .routes(routes!(block))
        .routes(routes!(unblock))
        .routes(routes!(grant_role, revoke_role))
        .routes(routes!(audit_log))
}

/// Whom to look for.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "jane@example.com" }))]
struct FindBody {
    /// The account's address; in the body, so that it stands in no log of paths.
    email: String,
}

/// Why, in a word; free text would bring personal data into the audit log.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Reason {
    /// Payments that are not theirs, or charged back.
    Fraud,
    /// Harm to others.
    Abuse,
    /// The account may be in other hands.
    Compromised,
    /// The player asked for it.
    Request,
    /// It was a mistake, or its reason is gone.
    Resolved,
    /// None of these.
    Other,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Reason::Fraud => "fraud",
            Reason::Abuse => "abuse",
            Reason::Compromised => "compromised",
            Reason::Request => "request",
            Reason::Resolved => "resolved",
            Reason::Other => "other",
        }
    }
}

/// Why it is done.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "fraud" }))]
struct ReasonBody {
    /// The reason noted in the audit log; `other` when left out.
    reason: Option<Reason>,
}

/// Which acts to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Only what was done to this, as `account/ID` or `game/ID`.
    subject: Option<String>,
    /// Only what this account did.
    actor: Option<UserId>,
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Acts per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// Finds an account by its address, for operators.
#[utoipa::path(post, path = "/v1/accounts/find", tag = "operators", security(("token" = [])), request_body = FindBody, responses((status = 200, body = Account), (status = 404, body = web::ProblemBody)))]
async fn find(State(accounts): State<Accounts>, _: Operator, ask: Ask<FindBody>) -> Answer<Account> {
    let found = accounts.find_by_email(&ask.body.email).await?;
    let user = found.ok_or_else(|| Refusal::new(Code::NotFound, "no account has this address"))?;
    Reply::ok(accounts.account(user).await?)
}

/// An account, for operators.
#[utoipa::path(get, path = "/v1/accounts/{user}", tag = "operators", security(("token" = [])), params(("user" = UserId, Path)), responses((status = 200, body = Account), (status = 404, body = web::ProblemBody)))]
async fn account(State(accounts): State<Accounts>, _: Operator, Path(user): Path<UserId>) -> Answer<Account> {
    Reply::ok(accounts.account(user).await?)
}

/// Blocks an account and ends its sessions, for operators.
#[utoipa::path(post, path = "/v1/accounts/{user}/block", tag = "operators", security(("token" = [])), params(("user" = UserId, Path)), request_body = ReasonBody, responses((status = 200, body = Account)))]
async fn block(State(accounts): State<Accounts>, _: Operator, Path(user): Path<UserId>, ask: Ask<ReasonBody>) -> Answer<Account> {
    accounts.govern(ask.meta.clone(), deed(&ask, user, Act::Block)).await?;
    Reply::ok(accounts.account(user).await.map_err(db::Error::after_commit)?)
}

/// Lets a blocked account sign in again, for operators.
#[utoipa::path(post, path = "/v1/accounts/{user}/unblock", tag = "operators", security(("token" = [])), params(("user" = UserId, Path)), request_body = ReasonBody, responses((status = 200, body = Account)))]
async fn unblock(State(accounts): State<Accounts>, _: Operator, Path(user): Path<UserId>, ask: Ask<ReasonBody>) -> Answer<Account> {
    accounts.govern(ask.meta.clone(), deed(&ask, user, Act::Unblock)).await?;
    Reply::ok(accounts.account(user).await.map_err(db::Error::after_commit)?)
}

/// Gives a role, for admins. It counts from the account's next refresh on.
#[utoipa::path(put, path = "/v1/accounts/{user}/roles/{role}", tag = "operators", security(("token" = [])), params(("user" = UserId, Path), ("role" = Role, Path)), responses((status = 200, body = Account)))]
async fn grant_role(
    State(accounts): State<Accounts>,
    _: Admin,
    Path((user, role)): Path<(UserId, Role)>,
    ask: Ask<Nothing>,
) -> Answer<Account> {
    let deed = Deed { actor: Some(ask.who.user), subject: user, act: Act::Grant(role), reason: None };
    accounts.govern(ask.meta, deed).await?;
    Reply::ok(accounts.account(user).await.map_err(db::Error::after_commit)?)
}

/// Takes a role and ends the account's sessions, for admins.
#[utoipa::path(delete, path = "/v1/accounts/{user}/roles/{role}", tag = "operators", security(("token" = [])), params(("user" = UserId, Path), ("role" = Role, Path)), responses((status = 200, body = Account)))]
async fn revoke_role(
    State(accounts): State<Accounts>,
    _: Admin,
    Path((user, role)): Path<(UserId, Role)>,
    ask: Ask<Nothing>,
) -> Answer<Account> {
    let deed = Deed { actor: Some(ask.who.user), subject: user, act: Act::Revoke(role), reason: None };
    accounts.govern(ask.meta, deed).await?;
    Reply::ok(accounts.account(user).await.map_err(db::Error::after_commit)?)
}

/// The audit log, newest first, for operators.
#[utoipa::path(get, path = "/v1/audit", tag = "operators", security(("token" = [])), params(AuditQuery), responses((status = 200, body = Page<Noted>)))]
async fn audit_log(State(accounts): State<Accounts>, _: Operator, Query(query): Query<AuditQuery>) -> Answer<Page<Noted>> {
    Reply::ok(accounts.audit_log(of(&query)?, query.cursor.as_ref(), query.size).await?)
}

fn of(query: &AuditQuery) -> Result<AuditOf<'_>, Refusal> {
    match (&query.subject, query.actor) {
        (Some(_), Some(_)) => Err(Refusal::new(Code::BadQuery, "subject and actor stand both: one of them would be right")),
        (Some(subject), None) => text::check("subject", subject, 1, 200).map(|()| AuditOf::Subject(subject)),
        (None, Some(actor)) => Ok(AuditOf::Actor(actor)),
        (None, None) => Ok(AuditOf::All),
    }
}

fn deed(ask: &Ask<ReasonBody>, subject: UserId, act: Act) -> Deed {
    let reason = ask.body.reason.unwrap_or(Reason::Other).as_str();
    Deed { actor: Some(ask.who.user), subject, act, reason: Some(reason) }
}
