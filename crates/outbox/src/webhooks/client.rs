//! One POST to a webhook: a connection to a checked address, one request, the start of its answer.
//! Refuses redirects, answers that are long or slow to come, and certificates that the known authorities did not sign.
//!
//! Each delivery has a connection of its own: the address it goes to is the one that was checked, and nothing of one receiver is kept for the next.

use super::address;
use super::decide::Reached;
use super::signature::without_secrets;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use kernel::Instant;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

/// A delivery may take this long, from looking up its host to the end of the answer.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(15);
/// A connection may take this long; then the host's next address is tried.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// What is kept of an answer, in bytes; nothing beyond it is read.
pub(crate) const TOLD_BYTES_MAX: usize = 500;
/// An answer's head may have this many bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What is sent.
pub(crate) struct Message {
    pub(crate) url: String,
    pub(crate) id: String,
    pub(crate) timestamp_s: i64,
    pub(crate) signature: String,
    pub(crate) body: String,
    /// Tells the receiver which trace it is part of.
    pub(crate) trace: Option<String>,
}

/// Sends deliveries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    tls: TlsConnector,
    allow_private: bool,
}

impl Client {
    /// A client that trusts the public authorities and those of a PEM file.
    pub(crate) fn new(allow_private: bool, more_authorities: Option<&Path>) -> Result<Client, String> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = more_authorities {
            let told = |why: &dyn std::fmt::Display| format!("{}: {why}; certificates in PEM would be right", file.display());
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| told(&e))? {
                roots.add(certificate.map_err(|e| told(&e))?).map_err(|e| told(&e))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth();
        Ok(Client { tls: TlsConnector::from(Arc::new(config)), allow_private })
    }

    /// Sends one message, `now` being the time against which a date in `Retry-After` is read.
    pub(crate) async fn post(&self, message: &Message, now: Instant) -> Reached {
        match tokio::time::timeout(TIME_MAX, self.exchange(message, now)).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(why)) => Reached::Nobody(shortened(&why)),
            Err(_) => Reached::Nobody(format!("no answer within {} s", TIME_MAX.as_secs())),
        }
    }

    async fn exchange(&self, message: &Message, now: Instant) -> Result<Reached, String> {
        // The URL is read again: what a webhook may have had when it was made may be refused now.
        let url = address::parse(&message.url, self.allow_private).map_err(|refusal| refusal.detail)?;
        let stream = connect(&address::resolve(&url, self.allow_private).await?).await?;
        if url.scheme() == "http" {
            return ask(stream, &url, message, now).await;
        }
        let name = server_name(&url)?;
        let stream = self.tls.connect(name, stream).await.map_err(|e| format!("no TLS connection: {e}"))?;
        ask(stream, &url, message, now).await
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut last = "the host has no address".to_owned();
    for address in addresses {
        match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => last = format!("no connection: {e}"),
            Err(_) => last = format!("no connection within {} s", CONNECT_MAX.as_secs()),
        }
    }
    Err(last)
}

fn server_name(url: &Url) -> Result<ServerName<'static>, String> {
    match url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(|e| format!("the host's name: {e}")),
        Some(Host::Ipv4(ip)) => Ok(ServerName::from(std::net::IpAddr::from(ip))),
        Some(Host::Ipv6(ip)) => Ok(ServerName::from(std::net::IpAddr::from(ip))),
        None => Err("the URL has no host".to_owned()),
    }
}

/// The connection's own task; it ends with the exchange.
struct Driving(JoinHandle<()>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn ask<S>(stream: S, url: &Url, message: &Message, now: Instant) -> Result<Reached, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let told = |e: hyper::Error| format!("the connection broke: {e}");
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.map_err(told)?;
    let _driving = Driving(tokio::spawn(async move {
        // What goes wrong with it is told by the exchange.
        drop(connection.await);
    }));
    let response = sender.send_request(request(url, message)?).await.map_err(told)?;
    let (status, retry_after_s) = (response.status().as_u16(), retry_after_s(response.headers(), now));
    Ok(Reached::Answered { status, retry_after_s, told: start_of(response).await })
}

fn request(url: &Url, message: &Message) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::post(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(USER_AGENT, concat!("Guildhall-Webhooks/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", message.timestamp_s)
        .header("webhook-signature", &message.signature);
    if let Some(place) = &message.trace {
        request = request.header(trace::HEADER, place);
    }
    request.body(Full::new(Bytes::from(message.body.clone()))).map_err(|e| format!("the URL makes no request: {e}"))
}

/// `Retry-After` in seconds, whether it stands there as seconds or as a date (RFC 9110, 10.2.3).
fn retry_after_s(headers: &HeaderMap, now: Instant) -> Option<i64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some((date.timestamp().as_second() - now.unix_seconds()).max(0))
}

/// The start of the answer's body, as far as it comes: a body that breaks off takes nothing from the status.
async fn start_of(response: Response<Incoming>) -> String {
    let mut body = response.into_body();
    let mut start = Vec::new();
    while start.len() < TOLD_BYTES_MAX {
        match body.frame().await {
            Some(Ok(frame)) => start.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref())),
            Some(Err(_)) | None => break,
        }
    }
    start.truncate(TOLD_BYTES_MAX);
    shortened(&String::from_utf8_lossy(&start))
}

/// Text that is fit to be stored and shown.
fn shortened(text: &str) -> String {
    let clean: String = without_secrets(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean[..clean.floor_char_boundary(TOLD_BYTES_MAX)].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Option<i64> {
        let headers = [(RETRY_AFTER, text.parse().unwrap())].into_iter().collect();
        retry_after_s(&headers, "2026-11-21T09:00:00Z".parse().unwrap())
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(after("120"), Some(120));
        assert_eq!(after("Sat, 21 Nov 2026 09:02:00 GMT"), Some(120));
        assert_eq!(after("Sat, 21 Nov 2026 08:00:00 GMT"), Some(0), "a date that has passed");
        assert_eq!(after("soon"), None);
        assert_eq!(after("-5"), None);
    }

    #[test]
    fn what_is_kept_of_an_answer_is_short_and_clean() {
        assert_eq!(shortened("a\0b\nc whsec_AAAA"), "a b c whsec_[hidden]");
        assert!(shortened(&"漢".repeat(1_000)).len() <= TOLD_BYTES_MAX);
    }
}
