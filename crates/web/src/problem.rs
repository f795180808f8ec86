//! Errors as callers see them: problem+json (RFC 9457) with a stable code.
//! Refuses to tell a caller anything of our own faults but their code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::{Code, Refusal};
use serde::Serialize;
use std::borrow::Cow;

/// An error on its way to the caller.
#[derive(Debug)]
pub struct Problem {
    refusal: Refusal,
    /// What the log gets, when the fault is ours.
    fault: Option<String>,
}

/// What the edge logs once, with the request's id.
#[derive(Debug, Clone)]
pub(crate) struct Fault(pub(crate) String);

/// The body of an error answer, as RFC 9457 has it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// The page that explains the code.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors/sold-out")]
    kind: String,
    /// The stable code.
    #[schema(value_type = String, example = "sold-out")]
    code: &'a str,
    /// The code's title, the same each time.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What was wrong this time, and what would be right.
    detail: &'a str,
    /// Facts for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<&'a serde_json::Value>,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Problem { refusal, fault: None }
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Refused(refusal) => refusal.into(),
            ours => Problem { refusal: ours.to_refusal(), fault: Some(ours.to_string()) },
        }
    }
}

impl Problem {
    /// A fault of ours: the caller gets `internal`, the log gets the text.
    pub fn internal(fault: impl std::fmt::Display) -> Problem {
        let told = "the fault is ours; it was logged with the request id of this answer";
        Problem { refusal: Refusal::new(Code::Internal, told), fault: Some(fault.to_string()) }
    }
}

/// A detail repeats the offending value, which may be as long as a body: more than this many bytes help nobody.
const DETAIL_MAX: usize = 2_000;

/// The text's start and end with a mark between them, where it is too long: the value comes first, what would be right last.
fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= DETAIL_MAX {
        return Cow::Borrowed(text);
    }
    let (head, tail) = (text.floor_char_boundary(DETAIL_MAX / 2), text.ceil_char_boundary(text.len() - DETAIL_MAX / 4));
    Cow::Owned(format!("{} … {}", &text[..head], &text[tail..]))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.refusal.code;
        let body = ProblemBody {
            kind: format!("/docs/errors/{}", code.as_str()),
            code: code.as_str(),
            title: code.title(),
            status: code.status(),
            detail: &shortened(&self.refusal.detail),
            facts: self.refusal.facts.as_ref(),
        };
        let text = serde_json::to_vec(&body).expect("a problem is plain data");
        let status = StatusCode::from_u16(code.status()).expect("the table holds real statuses");
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], text).into_response();
        let headers = response.headers_mut();
        if matches!(
            code,
            Code::Overloaded | Code::Unavailable | Code::OutcomeUnknown | Code::TooManyAttempts | Code::RateLimited | Code::InLine
        ) {
            let seconds = self.refusal.facts.as_ref().and_then(|facts| facts.get("retry_after_s")).and_then(serde_json::Value::as_i64);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.unwrap_or(1)));
        }
        if code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(fault) = self.fault {
            response.extensions_mut().insert(Fault(fault));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_keeps_its_start_and_its_end() {
        let long = format!("{} is not a currency: USD would be right", "길".repeat(20_000));
        let told = shortened(&long);
        assert!(told.len() < DETAIL_MAX && told.starts_with('길') && told.ends_with("USD would be right"), "{told}");
        assert_eq!(shortened("short"), "short");
    }
}
