//! A request that changes something: who asks, under which idempotency key, with which body.
//! Refuses bodies that are not exactly what the route takes, and text the databases cannot hold.

use crate::edge::Route;
use crate::{Problem, Who};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, StatusCode, header};
use db::Meta;
use kernel::{Code, Refusal};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The longest idempotency key, in characters.
pub const KEY_MAX: usize = 200;

/// A request with its body.
#[derive(Debug)]
pub struct Ask<T> {
    /// Who asks. Routes that take requests without a token use [`Open`].
    pub who: Who,
    /// The scope of its idempotency key, for the queue.
    pub meta: Meta,
    /// What is asked.
    pub body: T,
}

/// The body of a request that needs none: nothing, or `{}`.
#[derive(Debug, Clone, Copy, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub struct Nothing {}

/// What a body is read as: JSON, but for types that say otherwise, as of an upload.
pub trait Body: Sized {
    /// Reads a body whose media type is given in lower case, and empty where the request named none.
    ///
    /// # Errors
    /// It is of another media type, or not what the route takes.
    fn read(media: &str, bytes: &[u8]) -> Result<Self, Refusal>;
}

impl<T: DeserializeOwned> Body for T {
    fn read(media: &str, bytes: &[u8]) -> Result<T, Refusal> {
        if media != "application/json" && !bytes.is_empty() {
            return Err(Refusal::new(Code::WrongMediaType, "send the body with the header `Content-Type: application/json`"));
        }
        parse(bytes)
    }
}

impl<T: Body, S: Send + Sync> FromRequest<S> for Ask<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let who = Who::from_request_parts(&mut parts, state).await?;
        let open = Open::<T>::read(Request::from_parts(parts, body), state).await?;
        let meta = Meta { caller: Some(who.user), roles: who.roles.0, ..open.meta };
        Ok(Ask { who, meta, body: open.body })
    }
}

/// A request without a token, as a sign-up or a login.
#[derive(Debug)]
pub struct Open<T> {
    /// The scope of its idempotency key; it has no caller.
    pub meta: Meta,
    /// What is asked.
    pub body: T,
}

impl<T: Body, S: Send + Sync> FromRequest<S> for Open<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Open::read(request, state).await
    }
}

impl<T: Body> Open<T> {
    async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Open<T>, Problem> {
        let key = key(request.headers())?;
        let media = media(request.headers());
        plain(request.headers())?;
        let mut hash = Sha256::new();
        hash.update(request.method().as_str());
        hash.update(request.uri().path_and_query().map_or("/", PathAndQuery::as_str));
        let route = request.extensions().get::<Arc<Route>>().expect("the edge names every request's route").name;
        let bytes = bytes(request, state).await?;
        hash.update([0]);
        hash.update(&bytes);
        let fingerprint = hash.finalize()[..16].try_into().expect("a SHA-256 hash has more than 16 bytes");
        let body = T::read(&media, &bytes)?;
        Ok(Open { meta: Meta { caller: None, roles: 0, route, key, fingerprint, api_key: None }, body })
    }
}

fn key(headers: &HeaderMap) -> Result<String, Refusal> {
    let mut sent = headers.get_all("idempotency-key").iter();
    let Some(value) = sent.next() else { return Ok(db::new_key()) };
    if sent.next().is_some() {
        return Err(Refusal::new(Code::BadKey, "Idempotency-Key was sent twice: one of them would be right"));
    }
    let text = value.to_str().unwrap_or_default();
    if (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Refusal::new(Code::BadKey, format!("Idempotency-Key has to be 1 to {KEY_MAX} visible ASCII characters without spaces, as a UUID")))
}

/// Refuses bodies that are packed: the routes that take such read them themselves.
fn plain(headers: &HeaderMap) -> Result<(), Refusal> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or_default().trim().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some("" | "identity") => Ok(()),
        Some(_) => {
            Err(Refusal::new(Code::WrongMediaType, "this route takes no packed bodies: one without Content-Encoding would be right"))
        }
    }
}

fn media(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(e) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(Code::BodyTooLarge, "the body is larger than this server's limit (server.body_limit_bytes)").into()
        }
        other => Problem::from(Refusal::new(Code::BadBody, format!("the body ended early: {}", other.body_text()))),
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    if holds_nul(bytes) {
        return Err(Refusal::new(Code::BadText, "the body holds a NUL character (\\u0000): text without it would be right"));
    }
    let text = if bytes.is_empty() { b"{}" } else { bytes };
    // The decoder would take a list as the fields in their order, and then names would guard nothing.
    if text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Refusal::new(Code::BadBody, "the body is a list: an object with named fields would be right"));
    }
    serde_json::from_slice(text).map_err(|e| Refusal::new(Code::BadBody, format!("the body is not what this route takes: {e}")))
}

/// True when a JSON string holds the escape of NUL; raw control characters are not JSON anyway.
fn holds_nul(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| *b == b'\\') {
        if rest[at + 1..].starts_with(b"u0000") {
            return true;
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_nul_is_found_and_an_escaped_backslash_is_not_one() {
        assert!(holds_nul(br#"{"name":"a\u0000b"}"#));
        assert!(!holds_nul(br#"{"name":"a\\u0000b"}"#));
        assert!(holds_nul(br#"{"name":"a\\\u0000b"}"#));
        assert!(!holds_nul(b"{\"name\":\"a\\"));
    }

    #[test]
    fn a_list_is_no_body() {
        assert!(parse::<Nothing>(b" []").unwrap_err().detail.contains("an object"));
    }

    #[test]
    fn an_empty_body_is_nothing_and_an_unknown_field_is_named() {
        assert!(parse::<Nothing>(b"").is_ok());
        let refusal = parse::<Nothing>(br#"{"pice":1}"#).unwrap_err();
        assert_eq!(refusal.code, Code::BadBody);
        assert!(refusal.detail.contains("pice"), "{}", refusal.detail);
    }
}
