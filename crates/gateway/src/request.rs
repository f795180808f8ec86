//! What a request is before anything is done with it: plain HTTP, for one host, with one length, by someone.
//! Refuses whatever two programs might read in two ways: that is how requests are smuggled.

use crate::reply::malformed;
use crate::table;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Version};
use kernel::{Code, Refusal};
use std::sync::Arc;
use web::{KEY_PREFIX, Tokens, Who};

/// Who a request says it is from, as far as the gateway can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A token of ours that is valid.
    User(Who),
    /// Something that looks like an API key, by its hash.
    Key(u64),
    /// Nobody, or someone whom the service has to make sense of.
    None,
}

/// Checks a request's form. Its host comes back, if it has one: HTTP/1.0 need not.
pub(crate) fn check(request: &Request<()>) -> Result<Option<HeaderValue>, Refusal> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Refusal::new(Code::WrongMethod, format!("{} is not served here", request.method())));
    }
    check_length(request.headers(), request.version())?;
    if !table::is_plain(request.uri().path()) {
        return Err(malformed("the path holds . or .. as a segment, a backslash, or an encoded slash: a plain path would be right"));
    }
    host(request)
}

fn check_length(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    let count = |name| headers.get_all(name).iter().count();
    let (lengths, codings) = (count(header::CONTENT_LENGTH), count(header::TRANSFER_ENCODING));
    if lengths + codings > 1 {
        return Err(malformed("the request has two lengths: one Content-Length or one Transfer-Encoding would be right"));
    }
    if codings == 1 && version < Version::HTTP_11 {
        return Err(malformed("Transfer-Encoding needs HTTP/1.1"));
    }
    if headers.get(header::TRANSFER_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(malformed("only `chunked` is understood as Transfer-Encoding"));
    }
    Ok(())
}

fn host(request: &Request<()>) -> Result<Option<HeaderValue>, Refusal> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(malformed("the request names two hosts: one would be right"));
    }
    let named = request.uri().authority();
    if let (Some(first), Some(named)) = (first, named)
        && !first.as_bytes().eq_ignore_ascii_case(named.as_str().as_bytes())
    {
        return Err(malformed("the request's target and its Host name different hosts"));
    }
    let host = match (first, named) {
        (Some(first), _) => Some(first.clone()),
        (None, Some(named)) => HeaderValue::from_str(named.as_str()).ok(),
        (None, None) => None,
    };
    match &host {
        None if request.version() == Version::HTTP_10 => {}
        None => return Err(malformed("the request names no host")),
        Some(host) => check_host(host.as_bytes())?,
    }
    Ok(host)
}

fn check_host(host: &[u8]) -> Result<(), Refusal> {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if host.is_empty() || host.len() > 300 || !host.iter().all(fits) {
        return Err(malformed("the host is not a name or an address with or without a port"));
    }
    Ok(())
}

/// The host without its port.
pub(crate) fn bare_host(host: Option<&HeaderValue>) -> &str {
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    if host.ends_with(']') {
        return host;
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Who asks, by the token. One that is not valid is left to the service: not every route needs one.
pub(crate) fn identity(headers: &HeaderMap, tokens: &Arc<Tokens>) -> Identity {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return Identity::None };
    let Some(bearer) = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).map(str::trim) else { return Identity::None };
    if bearer.starts_with(KEY_PREFIX) {
        return Identity::Key(hash(bearer));
    }
    tokens.verify(bearer).map_or(Identity::None, Identity::User)
}

/// Keyed anew in each process: nobody can make two keys that share a bucket.
fn hash(key: &str) -> u64 {
    use std::hash::BuildHasher as _;
    static KEYED: std::sync::LazyLock<std::hash::RandomState> = std::sync::LazyLock::new(std::hash::RandomState::new);
    KEYED.hash_one(key)
}

/// True when sending it twice does what sending it once does.
pub(crate) fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
    method.is_idempotent() || headers.contains_key("idempotency-key")
}

/// The request's id: the client's, if it is fit for logs, or a new one.
pub(crate) fn id(headers: &HeaderMap) -> HeaderValue {
    let mut all = headers.get_all("x-request-id").iter();
    let fits = |id: &&HeaderValue| (1..=64).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    match (all.next().filter(fits), all.next()) {
        (Some(id), None) => id.clone(),
        _ => HeaderValue::try_from(format!("{:016x}", rand::random::<u64>())).expect("hex digits make a header value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_bare_without_its_port() {
        let bare = |host: &'static str| bare_host(Some(&HeaderValue::from_static(host))).to_owned();
        assert_eq!(bare("a.example:8080"), "a.example");
        assert_eq!(bare("a.example"), "a.example");
        assert_eq!(bare("[::1]:8080"), "[::1]");
        assert_eq!(bare("[::1]"), "[::1]");
    }

    #[test]
    fn a_request_may_be_repeated_when_its_method_or_its_key_says_so() {
        let mut headers = HeaderMap::new();
        assert!(is_repeatable(&Method::GET, &headers) && is_repeatable(&Method::PUT, &headers) && !is_repeatable(&Method::POST, &headers));
        headers.insert("idempotency-key", HeaderValue::from_static("k"));
        assert!(is_repeatable(&Method::POST, &headers));
    }

    #[test]
    fn an_id_that_is_not_fit_or_not_alone_is_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static("abc-1"));
        assert_eq!(id(&headers), "abc-1");
        headers.append("x-request-id", HeaderValue::from_static("abc-2"));
        assert_eq!(id(&headers).len(), 16);
        headers.insert("x-request-id", HeaderValue::from_static("a b"));
        assert_eq!(id(&headers).len(), 16);
    }
}
