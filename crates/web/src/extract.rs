//! Path and query, decoded strictly. Refuses parts that are no ids and parameters the route does not know.

use crate::Problem;
use axum::extract::{FromRequestParts, rejection::PathRejection};
use axum::http::request::Parts;
use kernel::{Code, Cursor, Refusal};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The path's parts.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(PathRejection::FailedToDeserializePathParams(e)) => Err(Refusal::new(Code::BadPath, e.body_text()).into()),
            Err(e) => Err(Problem::internal(e.body_text())),
        }
    }
}

/// The query's parameters; its type should deny unknown fields.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Query(value)),
            Err(e) => Err(Refusal::new(Code::BadQuery, e.body_text()).into()),
        }
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before.
    pub cursor: Option<Cursor>,
    /// Items per page, 1 to 100, 10 by default.
    pub size: Option<u32>,
}
