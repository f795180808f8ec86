//! Bodies of Eureka's protocol: JSON or XML, packed or not, as the client says.
//! Refuses bodies that unpack to more than a document may have.

use super::{form, xml};
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use kernel::{Code, Refusal};
use serde_json::{Map, Value};
use std::io::Read as _;
use web::Problem;

/// The most a body may unpack to, in bytes.
const BODY_MAX: u64 = 256 << 10;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Json,
    Xml,
}

/// What stands in a body under its root.
pub(super) fn read(headers: &HeaderMap, bytes: &[u8], root: &str) -> Result<Value, Refusal> {
    let packed = headers.get(header::CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let bad = |e: &dyn std::fmt::Display| Refusal::new(Code::BadBody, format!("the body is no {root} of Eureka's: {e}"));
    let mut text = String::new();
    let read = if packed {
        GzDecoder::new(bytes).take(BODY_MAX + 1).read_to_string(&mut text)
    } else {
        bytes.take(BODY_MAX + 1).read_to_string(&mut text)
    };
    if read.map_err(|e| bad(&e))? as u64 > BODY_MAX {
        return Err(Refusal::new(Code::BodyTooLarge, format!("the body has more than {BODY_MAX} bytes")));
    }
    let mut document: Value = match form(headers, header::CONTENT_TYPE) {
        Form::Json => serde_json::from_str(&text).map_err(|e| bad(&e))?,
        Form::Xml => xml::read(&text).map_err(|e| bad(&e))?,
    };
    match document.get_mut(root) {
        Some(found) => Ok(found.take()),
        None => Err(bad(&format!("it has no {root:?}"))),
    }
}

/// How a client wants its answer: as JSON or XML, packed or not.
pub(super) type Wanted = (Form, bool);

pub(super) fn wanted(headers: &HeaderMap) -> Wanted {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    (form(headers, header::ACCEPT), accepted.contains("gzip"))
}

/// An answer, as the client wants it.
pub(super) fn reply(headers: &HeaderMap, root: &str, value: Value) -> Result<Response, Problem> {
    let wanted = wanted(headers);
    Ok(respond(wanted, rendered(wanted, root, value)?))
}

/// The bytes of an answer.
pub(super) fn rendered((form, packed): Wanted, root: &str, value: Value) -> Result<Bytes, Problem> {
    let text = match form {
        Form::Json => Value::Object(Map::from_iter([(root.to_owned(), value)])).to_string().into_bytes(),
        Form::Xml => xml::write(root, &value).map_err(Problem::internal)?.into_bytes(),
    };
    if !packed {
        return Ok(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len() / 4);
    GzEncoder::new(text.as_slice(), Compression::fast()).read_to_end(&mut bytes).map_err(Problem::internal)?;
    Ok(bytes.into())
}

/// The answer that has these bytes.
pub(super) fn respond((form, packed): Wanted, bytes: Bytes) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    let kind = if form == Form::Json { "application/json" } else { "application/xml" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
