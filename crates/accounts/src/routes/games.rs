//! HTTP of games: registration, teams, API keys.

use super::Part;
use crate::commands::teams::{TeamChange, What};
use crate::{Accounts, Game, GameKey, GameRole, Member, Scope};
use axum::extract::State;
use kernel::{GameId, Instant, KeyId, Page, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Nothing, Operator, PageQuery, Path, Query, Reply, Who};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(games, register))
        .routes(routes!(game))
        .routes(routes!(members))
        .routes(routes!(put_member, remove_member))
        .routes(routes!(keys, create_key))
        .routes(routes!(revoke_key))
        .routes(routes!(rotate_key))
}

/// A game to register.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "id": "kartrider", "name": "KartRider", "zone": "Asia/Seoul" }))]
struct RegisterBody {
    /// Its id in paths, for good.
    id: GameId,
    /// Its name, 1 to 100 characters.
    name: String,
    /// Its IANA time zone, in which its days begin.
    zone: String,
}

/// What somebody is to be in the team.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "role": "team_member" }))]
struct MemberBody {
    /// The role.
    role: GameRole,
}

/// A key to make.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "web shop", "scopes": ["players:read", "claims:write"] }))]
struct KeyBody {
    /// What the game calls it, 1 to 100 characters.
    name: String,
    /// What it may do; at least one.
    scopes: BTreeSet<Scope>,
}

/// A new key. It is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
struct NewKey {
    /// Its id, for revoking it.
    key: KeyId,
    /// The key itself.
    #[schema(example = "gk_3q2-7wAAAA…")]
    secret: String,
}

/// How a key is rotated.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "previous_works_until": "2026-11-22T09:00:00Z" }))]
struct RotateBody {
    /// Until when the secret from before works beside the new one: for 24 hours when nothing is said, 30 days at most. A moment that
    /// has passed stops it at once.
    #[serde(default)]
    previous_works_until: Option<Instant>,
}

/// A key's new secret. It is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
struct RotatedKey {
    /// The key; its name and scopes stay.
    key: KeyId,
    /// The new secret.
    #[schema(example = "gk_3q2-7wAAAA…")]
    secret: String,
    /// Until when the secret from before works.
    previous_works_until: Instant,
}

/// All games.
#[utoipa::path(get, path = "/v1/games", tag = "games", security(("token" = [])), params(PageQuery), responses((status = 200, body = Page<Game>)))]
async fn games(State(accounts): State<Accounts>, _: Who, Query(query): Query<PageQuery>) -> Answer<Page<Game>> {
    Reply::ok(accounts.games(query.cursor.as_ref(), query.size).await?)
}

/// Registers a game, for operators.
#[utoipa::path(post, path = "/v1/games", tag = "games", security(("token" = [])), request_body = RegisterBody, responses((status = 201, body = Game), (status = 409, body = web::ProblemBody)))]
async fn register(State(accounts): State<Accounts>, _: Operator, ask: Ask<RegisterBody>) -> Answer<Game> {
    let RegisterBody { id, name, zone } = ask.body;
    let change = TeamChange { actor: ask.who.user, game: id.clone(), what: What::Register { name, zone } };
    accounts.manage(ask.meta, change).await?;
    Reply::created(accounts.game(&id).await?)
}

/// A game.
#[utoipa::path(get, path = "/v1/games/{game}", tag = "games", security(("token" = [])), params(("game" = GameId, Path)), responses((status = 200, body = Game), (status = 404, body = web::ProblemBody)))]
async fn game(State(accounts): State<Accounts>, _: Who, Path(game): Path<GameId>) -> Answer<Game> {
    Reply::ok(accounts.game(&game).await?)
}

/// A game's team, for the team and operators.
#[utoipa::path(get, path = "/v1/games/{game}/members", tag = "games", security(("token" = [])), params(("game" = GameId, Path)), responses((status = 200, body = Vec<Member>)))]
async fn members(State(accounts): State<Accounts>, who: Who, Path(game): Path<GameId>) -> Answer<Vec<Member>> {
    accounts.require_team(&who, &game).await?;
    Reply::ok(accounts.members(&game).await?)
}

/// Takes somebody into a game's team or changes their role there, for its campaign managers and operators.
#[utoipa::path(put, path = "/v1/games/{game}/members/{user}", tag = "games", security(("token" = [])), params(("game" = GameId, Path), ("user" = UserId, Path)), request_body = MemberBody, responses((status = 204)))]
async fn put_member(State(accounts): State<Accounts>, Path((game, user)): Path<(GameId, UserId)>, ask: Ask<MemberBody>) -> Answer<()> {
    let change = TeamChange { actor: ask.who.user, game, what: What::PutMember(user, ask.body.role) };
    accounts.manage(ask.meta, change).await?;
    Reply::done()
}

/// Takes somebody out of a game's team, for its campaign managers and operators.
#[utoipa::path(delete, path = "/v1/games/{game}/members/{user}", tag = "games", security(("token" = [])), params(("game" = GameId, Path), ("user" = UserId, Path)), responses((status = 204)))]
async fn remove_member(State(accounts): State<Accounts>, Path((game, user)): Path<(GameId, UserId)>, ask: Ask<Nothing>) -> Answer<()> {
    let change = TeamChange { actor: ask.who.user, game, what: What::RemoveMember(user) };
    accounts.manage(ask.meta, change).await?;
    Reply::done()
}

/// A game's API keys, without the keys themselves, for the team and operators.
#[utoipa::path(get, path = "/v1/games/{game}/keys", tag = "games", security(("token" = [])), params(("game" = GameId, Path)), responses((status = 200, body = Vec<GameKey>)))]
async fn keys(State(accounts): State<Accounts>, who: Who, Path(game): Path<GameId>) -> Answer<Vec<GameKey>> {
    accounts.require_team(&who, &game).await?;
    Reply::ok(accounts.keys(&game).await?)
}

/// Makes an API key, for campaign managers and operators. It is shown once: a repeat with the same key of idempotency is told `already-done`.
#[utoipa::path(post, path = "/v1/games/{game}/keys", tag = "games", security(("token" = [])), params(("game" = GameId, Path)), request_body = KeyBody, responses((status = 201, body = NewKey)))]
async fn create_key(State(accounts): State<Accounts>, Path(game): Path<GameId>, ask: Ask<KeyBody>) -> Answer<NewKey> {
    let (key, secret) = accounts.create_key(ask.meta, ask.who.user, game, &ask.body.name, ask.body.scopes).await?;
    Reply::created(NewKey { key, secret })
}

/// Revokes an API key, for campaign managers and operators; it stops working here at once and elsewhere within a second.
#[utoipa::path(delete, path = "/v1/games/{game}/keys/{key}", tag = "games", security(("token" = [])), params(("game" = GameId, Path), ("key" = KeyId, Path)), responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn revoke_key(State(accounts): State<Accounts>, Path((game, key)): Path<(GameId, KeyId)>, ask: Ask<Nothing>) -> Answer<()> {
    let change = TeamChange { actor: ask.who.user, game, what: What::RevokeKey(key) };
    accounts.manage(ask.meta, change).await?;
    Reply::done()
}

/// Gives an API key a new secret, for campaign managers and operators; the one before works beside it until the given moment, so that
/// a game's servers can be told one after the other. A repeat with the same key of idempotency is told `already-done`.
#[utoipa::path(post, path = "/v1/games/{game}/keys/{key}/rotate", tag = "games", security(("token" = [])), params(("game" = GameId, Path), ("key" = KeyId, Path)), request_body = RotateBody, responses((status = 200, body = RotatedKey), (status = 404, body = web::ProblemBody)))]
async fn rotate_key(
    State(accounts): State<Accounts>,
    Path((game, key)): Path<(GameId, KeyId)>,
    ask: Ask<RotateBody>,
) -> Answer<RotatedKey> {
    let (secret, previous_works_until) = accounts.rotate_key(ask.meta, ask.who.user, game, key, ask.body.previous_works_until).await?;
    Reply::ok(RotatedKey { key, secret, previous_works_until })
}
