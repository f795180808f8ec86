//! HTTP of banners: the team's, and the small answer that readers of the game are shown.

use super::Part;
use crate::Teams;
use crate::commands::banners::{Change, What};
use crate::model::banners::{Banner, BannerBody, BannerState, Players, Reader, Shown};
use accounts::{Asked, Caller, Scope};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::{BannerId, Cursor, GameId, Page};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Nothing, Path, Problem, Query, Reply};

pub(super) fn routes() -> Part {
    OpenApiRouter::new()
        .routes(routes!(shown))
        .routes(routes!(list, create))
        .routes(routes!(one, replace, remove))
        .routes(routes!(publish))
        .routes(routes!(take_down))
}

/// Who looks; what is left out is not known.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReaderQuery {
    /// The reader's locale (BCP 47).
    #[param(example = "ko-KR")]
    locale: Option<String>,
    /// The reader's platform.
    #[param(example = "ios")]
    platform: Option<String>,
    /// The player's level.
    level: Option<i64>,
    /// Whether the player is new or has come back.
    players: Option<Players>,
}

/// Which banners to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those in this state.
    state: Option<BannerState>,
    /// Only those of this placement.
    #[param(example = "lobby")]
    placement: Option<String>,
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Banners per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// Which version of a banner is meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VersionQuery {
    /// Refused when the banner is at another version; any when nothing is said.
    version: Option<i64>,
}

/// What a reader is shown in a placement now, for the team and keys with `banners:read`: a small answer to be kept for `max-age` seconds,
/// which never reach beyond the next moment at which a banner starts or ends. With `If-None-Match` it is 304 when nothing has changed.
#[utoipa::path(get, path = "/v1/games/{game}/placements/{placement}/banners", tag = "banners", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("placement" = String, Path), ReaderQuery), responses((status = 200, body = Shown), (status = 304)))]
async fn shown(
    State(teams): State<Teams>,
    caller: Caller,
    Path((game, placement)): Path<(GameId, String)>,
    Query(query): Query<ReaderQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    teams.may_read(&caller, &game, Scope::BannersRead).await?;
    let ReaderQuery { locale, platform, level, players } = query;
    let reader = Reader { locale, platform, level, players: players.unwrap_or_default() };
    let answer = teams.shown_banners(&game, &placement, &reader).await?;
    let kept = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| names(value, &answer.etag));
    let mut response = if kept {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], answer.body).into_response()
    };
    let headers = response.headers_mut();
    let etag = HeaderValue::from_str(&answer.etag).map_err(Problem::internal)?;
    let kept = HeaderValue::from_str(&format!("private, max-age={}", answer.max_age_s)).map_err(Problem::internal)?;
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, kept);
    Ok(response)
}

/// Whether an `If-None-Match` names the tag, weakly compared (RFC 9110, section 13.1.2).
fn names(value: &HeaderValue, etag: &str) -> bool {
    let tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == "*" || tag == etag)
}

/// A game's banners, newest first, for the team and keys with `banners:read`.
#[utoipa::path(get, path = "/v1/games/{game}/banners", tag = "banners", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ListQuery), responses((status = 200, body = Page<Banner>)))]
async fn list(
    State(teams): State<Teams>,
    caller: Caller,
    Path(game): Path<GameId>,
    Query(query): Query<ListQuery>,
) -> Answer<Page<Banner>> {
    teams.may_read(&caller, &game, Scope::BannersRead).await?;
    Reply::ok(teams.list_banners(&game, query.state, query.placement.as_deref(), query.cursor.as_ref(), query.size).await?)
}

/// Makes a banner, as a draft that nobody is shown, for campaign managers and keys with `banners:write`.
#[utoipa::path(post, path = "/v1/games/{game}/banners", tag = "banners", security(("token" = []), ("key" = [])), params(("game" = GameId, Path)), request_body = BannerBody, responses((status = 201, body = Banner), (status = 400, body = web::ProblemBody)))]
async fn create(State(teams): State<Teams>, Path(game): Path<GameId>, asked: Asked<BannerBody>) -> Answer<Banner> {
    teams.may_write(&asked.caller, &game, Scope::BannersWrite).await?;
    let change = Change { game, banner: BannerId::new(), version: None, what: What::Create(asked.body) };
    Reply::created(teams.change_banner(asked.meta, change).await?)
}

/// A banner, for the team and keys with `banners:read`.
#[utoipa::path(get, path = "/v1/games/{game}/banners/{banner}", tag = "banners", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("banner" = BannerId, Path)), responses((status = 200, body = Banner), (status = 404, body = web::ProblemBody)))]
async fn one(State(teams): State<Teams>, caller: Caller, Path((game, banner)): Path<(GameId, BannerId)>) -> Answer<Banner> {
    teams.may_read(&caller, &game, Scope::BannersRead).await?;
    Reply::ok(teams.banner(&game, banner).await?)
}

/// Replaces what is written of a banner, for campaign managers and keys with `banners:write`. A published one changes at once.
#[utoipa::path(put, path = "/v1/games/{game}/banners/{banner}", tag = "banners", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("banner" = BannerId, Path), VersionQuery), request_body = BannerBody, responses((status = 200, body = Banner), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn replace(
    State(teams): State<Teams>,
    Path(of): Path<(GameId, BannerId)>,
    Query(query): Query<VersionQuery>,
    asked: Asked<BannerBody>,
) -> Answer<Banner> {
    let Asked { caller, meta, body } = asked;
    Reply::ok(change(&teams, of, query.version, &caller, meta, What::Replace(body)).await?)
}

/// Removes a banner, for campaign managers and keys with `banners:write`.
#[utoipa::path(delete, path = "/v1/games/{game}/banners/{banner}", tag = "banners", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("banner" = BannerId, Path)), request_body = Nothing, responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn remove(State(teams): State<Teams>, Path(of): Path<(GameId, BannerId)>, asked: Asked<Nothing>) -> Answer<()> {
    change(&teams, of, None, &asked.caller, asked.meta, What::Remove).await?;
    Reply::done()
}

/// Publishes a banner: it is shown within its period. For campaign managers and keys with `banners:write`.
#[utoipa::path(post, path = "/v1/games/{game}/banners/{banner}/publish", tag = "banners", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("banner" = BannerId, Path)), request_body = Nothing, responses((status = 200, body = Banner), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody)))]
async fn publish(State(teams): State<Teams>, Path(of): Path<(GameId, BannerId)>, asked: Asked<Nothing>) -> Answer<Banner> {
    Reply::ok(change(&teams, of, None, &asked.caller, asked.meta, What::State(BannerState::Published)).await?)
}

/// Makes a banner a draft again, which nobody is shown. For campaign managers and keys with `banners:write`.
#[utoipa::path(post, path = "/v1/games/{game}/banners/{banner}/take-down", tag = "banners", security(("token" = []), ("key" = [])), params(("game" = GameId, Path), ("banner" = BannerId, Path)), request_body = Nothing, responses((status = 200, body = Banner), (status = 404, body = web::ProblemBody)))]
async fn take_down(State(teams): State<Teams>, Path(of): Path<(GameId, BannerId)>, asked: Asked<Nothing>) -> Answer<Banner> {
    Reply::ok(change(&teams, of, None, &asked.caller, asked.meta, What::State(BannerState::Draft)).await?)
}

async fn change(
    teams: &Teams,
    (game, banner): (GameId, BannerId),
    version: Option<i64>,
    caller: &Caller,
    meta: db::Meta,
    what: What,
) -> Result<Banner, db::Error> {
    teams.may_write(caller, &game, Scope::BannersWrite).await?;
    teams.change_banner(meta, Change { game, banner, version, what }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_among_others() {
        let named = |value: &'static str| names(&HeaderValue::from_static(value), "\"ab\"");
        assert!(named("\"ab\"") && named("W/\"ab\"") && named("\"x\", \"ab\"") && named("*"));
        assert!(!named("\"abc\"") && !named(""));
    }
}
