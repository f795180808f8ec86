//! Answers of handlers: a JSON body with its status. Refuses to be an error: that is a problem.

use crate::Problem;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What a handler returns.
pub type Answer<T> = Result<Reply<T>, Problem>;

/// A successful answer.
#[derive(Debug)]
pub struct Reply<T> {
    status: StatusCode,
    body: T,
}

impl<T> Reply<T> {
    /// 200 with a body.
    pub fn ok(body: T) -> Answer<T> {
        Ok(Reply { status: StatusCode::OK, body })
    }

    /// 201 with a body.
    pub fn created(body: T) -> Answer<T> {
        Ok(Reply { status: StatusCode::CREATED, body })
    }

    /// 202 with a body: it was taken and will be done.
    pub fn accepted(body: T) -> Answer<T> {
        Ok(Reply { status: StatusCode::ACCEPTED, body })
    }
}

impl Reply<()> {
    /// 204 without a body.
    pub fn done() -> Answer<()> {
        Ok(Reply { status: StatusCode::NO_CONTENT, body: () })
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        if self.status == StatusCode::NO_CONTENT {
            return self.status.into_response();
        }
        match serde_json::to_vec(&self.body) {
            Ok(text) => (self.status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Err(e) => Problem::internal(format!("an answer cannot be written as JSON: {e}")).into_response(),
        }
    }
}
