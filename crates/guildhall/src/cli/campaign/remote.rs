//! A running server, asked over HTTP. Refuses https: whoever has a proxy with TLS in front of the server asks the server itself.

use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Method, Request};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Bytes of an answer that are read at most.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A server and the token for it.
pub(super) struct Remote {
    host: String,
    token: Option<String>,
}

impl Remote {
    pub(super) fn new(url: &str, token: Option<String>) -> Result<Remote, String> {
        let host =
            url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')).filter(|host| !host.is_empty() && !host.contains('/'));
        let host = host.ok_or_else(|| format!("{url:?} is not a server: http://HOST:PORT would be right"))?;
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        Ok(Remote { host, token })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Result<Value, String> {
        self.ask(Method::PUT, path, Some(body)).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let told = |error: &dyn std::fmt::Display| format!("http://{}{path}: {error}", self.host);
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).map_err(|e| told(&e))?;
        let stream = TcpStream::connect(&self.host).await.map_err(|e| told(&e))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| told(&e))?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|e| told(&e))?;
        let status = response.status();
        let bytes = to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await.map_err(|e| told(&e))?;
        connection.abort();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        Err(refused(status.as_u16(), &answer, self.token.is_some()))
    }
}

/// A problem as people read it, with the list of what is wrong in a document.
fn refused(status: u16, problem: &Value, has_token: bool) -> String {
    let mut told = format!("{} {}: {}", status, problem["code"].as_str().unwrap_or("?"), problem["detail"].as_str().unwrap_or("no answer"));
    for fault in problem["facts"]["faults"].as_array().into_iter().flatten() {
        told += &format!("\n  {}: {}", fault["path"].as_str().unwrap_or_default(), fault["reason"].as_str().unwrap_or_default());
    }
    if status == 401 && !has_token {
        told += "\n  give a token with --token or GUILDHALL_TOKEN: POST /v1/sessions makes one";
    }
    told
}

/// A part of a path as it stands in a URL.
pub(super) fn escaped(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    part.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_http_with_host_and_port() {
        assert_eq!(Remote::new("http://127.0.0.1:8080/", None).unwrap().host, "127.0.0.1:8080");
        assert_eq!(Remote::new("http://store", None).unwrap().host, "store:80");
        assert!(Remote::new("https://store", None).is_err());
        assert_eq!(escaped("a b/길"), "a%20b%2F%EA%B8%B8");
    }

    #[test]
    fn a_refusal_lists_what_is_wrong() {
        let problem = serde_json::json!({ "code": "invalid-document", "detail": "x", "facts": { "faults": [{ "path": "goals[0]", "reason": "y" }] } });
        assert!(refused(422, &problem, true).ends_with("\n  goals[0]: y"));
        assert!(refused(401, &Value::Null, false).contains("GUILDHALL_TOKEN"));
    }
}
