//! HTTP of one's own account: sign-up, profile, password, mail, export, erasure.

use super::{From, Part};
use crate::commands::profile::ProfileChange;
use crate::{Accounts, Export, Profile};
use axum::extract::State;
use kernel::UserId;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Open, Reply, Who};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(profile, update_profile, erase))
        .routes(routes!(change_password))
        .routes(routes!(export))
        .routes(routes!(request_confirmation))
        .routes(routes!(confirm_email))
        .routes(routes!(request_reset))
        .routes(routes!(reset_password))
}

/// A new account.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "jane@example.com", "password": "correct horse battery", "name": "Jane" }))]
struct SignUpBody {
    /// Address for mail and for signing in.
    email: String,
    /// 8 to 200 characters.
    password: String,
    /// The name shown, 1 to 100 characters.
    name: String,
    /// Telephone number.
    phone: Option<String>,
}

/// The account that was made; sign in to use it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct SignedUp {
    /// Its id.
    user: UserId,
}

/// What to change; what is left out stays.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "Jane D." }))]
struct ProfileBody {
    /// The name shown.
    name: Option<String>,
    /// Telephone number; an empty text removes it.
    phone: Option<String>,
    /// New address; it needs `password` and is confirmed anew.
    email: Option<String>,
    /// The account's password, beside a new address.
    password: Option<String>,
}

/// A new password beside the old one.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "old_password": "correct horse battery", "new_password": "staple battery horse" }))]
struct ChangePasswordBody {
    /// The password as it is.
    old_password: String,
    /// The password as it is to be, 8 to 200 characters.
    new_password: String,
}

/// The password, to be sure.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "password": "correct horse battery" }))]
struct EraseBody {
    /// The account's password.
    password: String,
}

/// A code that was mailed.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "token": "the code from the mail" }))]
struct ConfirmBody {
    /// The code.
    token: String,
}

/// Whose password to reset.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "jane@example.com" }))]
struct ResetBody {
    /// The account's address.
    email: String,
}

/// A code that was mailed, and the new password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "token": "the code from the mail", "password": "staple battery horse" }))]
struct CompleteResetBody {
    /// The code.
    token: String,
    /// The password as it is to be, 8 to 200 characters.
    password: String,
}

/// Makes an account. A repeat with the same key gets the first answer.
#[utoipa::path(post, path = "/v1/accounts", tag = "accounts", request_body = SignUpBody, responses((status = 201, body = SignedUp), (status = 409, body = web::ProblemBody), (status = 429, body = web::ProblemBody)))]
async fn sign_up(State(accounts): State<Accounts>, From(from): From, ask: Open<SignUpBody>) -> Answer<SignedUp> {
    accounts.count_attempt(from)?;
    let SignUpBody { email, password, name, phone } = ask.body;
    let user = accounts.sign_up(ask.meta, &email, &password, &name, phone.as_deref()).await?;
    Reply::created(SignedUp { user })
}

/// Your profile.
#[utoipa::path(get, path = "/v1/accounts/me", tag = "accounts", security(("token" = [])), responses((status = 200, body = Profile)))]
async fn profile(State(accounts): State<Accounts>, who: Who) -> Answer<Profile> {
    Reply::ok(accounts.profile(who.user).await?)
}

/// Changes your profile.
#[utoipa::path(patch, path = "/v1/accounts/me", tag = "accounts", security(("token" = [])), request_body = ProfileBody, responses((status = 200, body = Profile)))]
async fn update_profile(State(accounts): State<Accounts>, ask: Ask<ProfileBody>) -> Answer<Profile> {
    let ProfileBody { name, phone, email, password } = ask.body;
    accounts.update_profile(ask.meta, ask.who.user, ProfileChange { name, phone, email, password }).await?;
    Reply::ok(accounts.profile(ask.who.user).await?)
}

/// Erases your account for good: nothing personal is left, purchases stay without a name.
#[utoipa::path(delete, path = "/v1/accounts/me", tag = "accounts", security(("token" = [])), request_body = EraseBody, responses((status = 204)))]
async fn erase(State(accounts): State<Accounts>, ask: Ask<EraseBody>) -> Answer<()> {
    accounts.erase(ask.meta, ask.who, &ask.body.password).await?;
    Reply::done()
}

/// Changes your password and ends your other sessions.
#[utoipa::path(post, path = "/v1/accounts/me/password", tag = "accounts", security(("token" = [])), request_body = ChangePasswordBody, responses((status = 204), (status = 401, body = web::ProblemBody)))]
async fn change_password(State(accounts): State<Accounts>, ask: Ask<ChangePasswordBody>) -> Answer<()> {
    accounts.change_password(ask.meta, ask.who, &ask.body.old_password, &ask.body.new_password).await?;
    Reply::done()
}

/// Everything kept about you.
#[utoipa::path(get, path = "/v1/accounts/me/export", tag = "accounts", security(("token" = [])), responses((status = 200, body = Export)))]
async fn export(State(accounts): State<Accounts>, who: Who) -> Answer<Export> {
    Reply::ok(accounts.export(who.user).await?)
}

/// Mails you a code that confirms your address.
#[utoipa::path(post, path = "/v1/accounts/me/confirmation", tag = "accounts", security(("token" = [])), responses((status = 202)))]
async fn request_confirmation(State(accounts): State<Accounts>, ask: Ask<Nothing>) -> Answer<()> {
    accounts.request_confirmation(ask.meta, ask.who.user).await?;
    Reply::accepted(())
}

/// Confirms an address by the code that was mailed to it.
#[utoipa::path(post, path = "/v1/email-confirmations", tag = "accounts", request_body = ConfirmBody, responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn confirm_email(State(accounts): State<Accounts>, From(from): From, ask: Open<ConfirmBody>) -> Answer<()> {
    accounts.count_attempt(from)?;
    accounts.confirm_email(ask.meta, &ask.body.token).await?;
    Reply::done()
}

/// Mails a code that resets a password. The answer is the same whether the address has an account or not.
#[utoipa::path(post, path = "/v1/password-resets", tag = "accounts", request_body = ResetBody, responses((status = 202), (status = 429, body = web::ProblemBody)))]
async fn request_reset(State(accounts): State<Accounts>, From(from): From, ask: Open<ResetBody>) -> Answer<()> {
    accounts.count_attempt(from)?;
    accounts.request_reset(ask.meta, &ask.body.email).await?;
    Reply::accepted(())
}

/// Sets a new password by the code that was mailed, and ends all sessions.
#[utoipa::path(post, path = "/v1/password-resets/complete", tag = "accounts", request_body = CompleteResetBody, responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn reset_password(State(accounts): State<Accounts>, From(from): From, ask: Open<CompleteResetBody>) -> Answer<()> {
    accounts.reset_password(ask.meta, from, &ask.body.token, &ask.body.password).await?;
    Reply::done()
}
