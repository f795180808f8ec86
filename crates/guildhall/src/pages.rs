//! Routes that belong to no service: health, metrics, the API's description and the pages of error codes.

pub(crate) mod description;
pub(crate) mod measured;

use crate::App;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Router, routing::get};
use kernel::{Code, Refusal};
pub use measured::METRICS;
use rust_embed::RustEmbed;
use std::sync::{Arc, LazyLock};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use web::Problem;

#[derive(RustEmbed)]
#[folder = "../../docs/errors"]
#[include = "*.md"]
struct ErrorPages;

#[derive(Clone)]
struct Pages {
    app: App,
    api: Arc<str>,
}

/// An empty router with the API's title, to which the services' routes are added.
pub fn described() -> web::Routes {
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    // An API key of a game stands in the same header; which of the two it is shows from how it begins.
    let key = token.clone();
    let info = InfoBuilder::new()
        .title("Guildhall")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A game publisher's backend: the store (accounts, catalogue, wishlists, orders, wallet, payments, refunds, limited sales, \
             library), reward campaigns driven by the logs of games, the API of game teams, and why the database is slow.\n\n\
             Send `Authorization: Bearer TOKEN` with the token of a login, or a game's API key where a route takes one, and an `Idempotency-Key` of your own with every request that \
             changes something: repeating it returns the first answer.",
        ))
        .build();
    let schemes = ComponentsBuilder::new().security_scheme("token", token).security_scheme("key", key).build();
    let api = OpenApiBuilder::new().info(info).components(Some(schemes)).build();
    web::Routes::with_openapi(api)
}

/// The routes themselves.
pub(crate) fn routes(app: &App, api: OpenApi) -> Router {
    LazyLock::force(&METRICS);
    let api = api.to_json().expect("a description is plain data").into();
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/docs") }))
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .route("/docs", get(web::docs::page))
        .route("/docs/errors/{code}", get(error_page))
        .with_state(Pages { app: app.clone(), api })
}

async fn ready(State(pages): State<Pages>) -> Result<&'static str, Problem> {
    static ALIVE: db::Statement = db::Statement::new("guildhall.ready", "select 1 from subscription where 1 = 0");
    match pages.app.db.fetch(&ALIVE, &[], |_| Ok(())).await {
        Ok(_) => Ok("ready\n"),
        Err(_) => Err(Refusal::new(Code::Unavailable, "the database does not answer").into()),
    }
}

pub(crate) async fn metrics() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], measured::rendered()).into_response()
}

async fn openapi(State(pages): State<Pages>) -> Result<Response, Problem> {
    // Recipes come while the program runs, and each is a route to those who call it.
    let recipes = pages.app.recipes.described().await?;
    let text = if recipes.is_empty() { pages.api.to_string() } else { with_paths(&pages.api, recipes) };
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

fn with_paths(api: &str, paths: Vec<(String, serde_json::Value)>) -> String {
    let mut api: serde_json::Value = serde_json::from_str(api).expect("it was written as JSON");
    for (path, item) in paths {
        api["paths"][path] = item;
    }
    api.to_string()
}

async fn error_page(Path(code): Path<String>) -> Result<Response, Problem> {
    let page = ErrorPages::get(&format!("{code}.md")).ok_or_else(|| Refusal::not_found("page of the error code", code))?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], page.data.into_owned()).into_response())
}
