//! A plain HTTP client for one caller after the other: a connection, a request, its answer and how long that took.
//! Refuses TLS and redirects: it only ever calls the server of its own process.

use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Method, Request};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Bytes of an answer that are read at most; a page of a hundred products is a tenth of it.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A request.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) token: Option<&'a str>,
    /// An idempotency key.
    pub(super) key: Option<&'a str>,
    /// The body, as JSON; none is sent for null.
    pub(super) body: Value,
}

impl<'a> Ask<'a> {
    pub(super) fn get(path: impl Into<String>) -> Ask<'a> {
        Ask { path: path.into(), ..Ask::default() }
    }

    pub(super) fn post(path: impl Into<String>, body: Value) -> Ask<'a> {
        Ask { method: Method::POST, path: path.into(), body, ..Ask::default() }
    }

    pub(super) fn put(path: impl Into<String>, body: Value) -> Ask<'a> {
        Ask { method: Method::PUT, ..Ask::post(path, body) }
    }

    pub(super) fn by(self, token: &'a str) -> Ask<'a> {
        Ask { token: Some(token), ..self }
    }

    pub(super) fn keyed(self, key: &'a str) -> Ask<'a> {
        Ask { key: Some(key), ..self }
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Null when there was no body.
    pub(super) body: Value,
    /// From sending the request to the whole answer.
    pub(super) took: Duration,
}

/// A client that keeps its connection while the server does.
pub(super) struct Client {
    address: SocketAddr,
    open: Option<SendRequest<Body>>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Client {
        Client { address, open: None }
    }

    pub(super) async fn send(&mut self, ask: &Ask<'_>) -> Result<Answer, String> {
        let told = |error: &dyn std::fmt::Display| format!("{} {}: {error}", ask.method, ask.path);
        let request = self.request(ask).map_err(|e| told(&e))?;
        let sender = self.connected().await.map_err(|e| told(&e))?;
        let started = Instant::now();
        let response = sender.send_request(request).await.map_err(|e| told(&e))?;
        let status = response.status().as_u16();
        let bytes = to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await.map_err(|e| told(&e))?;
        let took = started.elapsed();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).map_err(|e| told(&e))? };
        Ok(Answer { status, body, took })
    }

    fn request(&self, ask: &Ask<'_>) -> Result<Request<Body>, axum::http::Error> {
        let mut request = Request::builder().method(&ask.method).uri(&ask.path).header(HOST, self.address.to_string());
        if let Some(token) = ask.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = ask.key {
            request = request.header("idempotency-key", key);
        }
        if ask.body.is_null() {
            return request.body(Body::empty());
        }
        request.header(CONTENT_TYPE, "application/json").body(Body::from(ask.body.to_string()))
    }

    async fn connected(&mut self) -> Result<&mut SendRequest<Body>, String> {
        if let Some(mut open) = self.open.take()
            && open.ready().await.is_ok()
        {
            return Ok(self.open.insert(open));
        }
        let stream = TcpStream::connect(self.address).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        // It ends with its sender; what goes wrong is told by the request it happens to.
        tokio::spawn(async move { drop(connection.await) });
        Ok(self.open.insert(sender))
    }
}

/// A text as a part of a URL (RFC 3986, 2.1).
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_a_url_keeps_its_letters_and_nothing_that_means_something_there() {
        assert_eq!(encoded("Counter-Stirke 2 & more é"), "Counter-Stirke%202%20%26%20more%20%C3%A9");
    }
}
