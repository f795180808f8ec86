//! Routes that belong to no service: health, metrics, the API's description and the pages of error codes.

pub(crate) mod description;

use crate::App;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Router, routing::get};
use kernel::{Code, Refusal};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use rust_embed::RustEmbed;
use std::sync::{Arc, LazyLock};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use web::Problem;

#[derive(RustEmbed)]
#[folder = "../../docs/errors"]
#[include = "*.md"]
struct ErrorPages;

/// The metrics of this process. One recorder serves every application in it.
pub static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &sizes))
        .expect("the buckets are not empty")
        .install_recorder()
        .expect("no other recorder is installed in this process")
});

#[derive(Clone)]
struct Pages {
    app: App,
    api: Arc<str>,
}

/// An empty router with the API's title, to which the services' routes are added.
pub fn described() -> web::Routes {
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let info = InfoBuilder::new()
        .title("Guildhall")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The game store: accounts, catalogue, wishlists, orders, wallet, payments, refunds, limited sales and the library.\n\n\
             Send `Authorization: Bearer TOKEN` with the token of a login, and an `Idempotency-Key` of your own with every request that \
             changes something: repeating it returns the first answer.",
        ))
        .build();
    let api = OpenApiBuilder::new().info(info).components(Some(ComponentsBuilder::new().security_scheme("token", token).build())).build();
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

async fn metrics() -> Response {
    METRICS.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], METRICS.render()).into_response()
}

async fn openapi(State(pages): State<Pages>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], pages.api.to_string()).into_response()
}

async fn error_page(Path(code): Path<String>) -> Result<Response, Problem> {
    let page = ErrorPages::get(&format!("{code}.md")).ok_or_else(|| Refusal::not_found("page of the error code", code))?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], page.data.into_owned()).into_response())
}
