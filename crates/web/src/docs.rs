//! The docs page: every route with its parameters, bodies and errors, drawn in the browser from `/openapi.json`.
//! Refuses scripts and fonts of other hosts.

use axum::response::Html;

/// The page itself.
pub async fn page() -> Html<&'static str> {
    Html(include_str!("docs.html"))
}
