//! The operators' pages: sales, campaigns, accounts, the database and the audit log, drawn in the browser.
//! Refuses to know anything by itself: what a page shows and does it asks the API for, with the token of whoever signed in, so that
//! nobody can do here what they may not do there.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "pages"]
struct Files;

const HOME: &str = "index.html";
/// Scripts, styles and answers come from this server alone, and no other page may frame this one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The pages, below `/console`.
pub fn pages() -> Router {
    Router::new()
        .route("/console", get(|| async { Redirect::temporary("/console/") }))
        .route("/console/", get(|| async { file(HOME) }))
        .route("/console/{file}", get(|Path(name): Path<String>| async move { file(&name) }))
}

fn file(name: &str) -> Response {
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // The next version's page must not meet this one's scripts.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    match Files::get(name) {
        Some(found) => (headers, found.data.into_owned()).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such file of the console\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_a_page_names_is_there() {
        for name in Files::iter() {
            let text = String::from_utf8(Files::get(&name).unwrap().data.into_owned()).unwrap();
            let named = text.split(['"', '\'']).filter(|part| part.starts_with("./"));
            for file in named.map(|part| part.trim_start_matches("./")) {
                assert!(Files::get(file).is_some(), "{name} names {file}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_found_and_every_file_has_the_policy() {
        assert_eq!(file("../Cargo.toml").status(), StatusCode::NOT_FOUND);
        for name in Files::iter() {
            let headers = file(&name).headers().clone();
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], POLICY, "{name}");
        }
    }
}
