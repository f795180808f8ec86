//! The way to a registry: over HTTP to one of several addresses, or to the one in this process.
//! Refuses to wait for an address that does not answer: the next one is asked.

use crate::routes::Proof;
use crate::{Changes, FleetToken, Leased, Registration, Registry, Ticket};
use kernel::{Code, Refusal};
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A registry has this long to answer, beside the time it was asked to wait for a change.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Where the registry is. Cheap to clone.
#[derive(Clone)]
pub struct Link {
    way: Way,
}

#[derive(Clone)]
enum Way {
    Here(Registry),
    Http(Arc<Http>),
}

struct Http {
    bases: Vec<String>,
    token: FleetToken,
    client: Client,
    /// The address that answered last; the others are asked when it does not.
    at: AtomicUsize,
}

/// Why the registry did not do what it was asked.
#[derive(Debug)]
pub enum Fault {
    /// It does not know the instance (any more): it has to register again.
    Unknown,
    /// It refuses, and asking again would not help.
    Refused(String),
    /// No address answers, or none that answers can.
    Away(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unknown => f.write_str("the registry does not know this instance"),
            Fault::Refused(why) => write!(f, "the registry refuses: {why}"),
            Fault::Away(why) => write!(f, "no registry answers: {why}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<db::Error> for Fault {
    fn from(error: db::Error) -> Self {
        let refusal = error.to_refusal();
        Fault::of(refusal.code.status(), &refusal)
    }
}

impl Fault {
    fn of(status: u16, told: &dyn fmt::Display) -> Fault {
        match status {
            404 => Fault::Unknown,
            500.. | 408 | 429 => Fault::Away(told.to_string()),
            _ => Fault::Refused(told.to_string()),
        }
    }
}

impl Link {
    /// To registries at these addresses, each `HOST:PORT` or `http://HOST:PORT`.
    ///
    /// # Errors
    /// There is no address.
    pub fn http(addresses: &[String], token: FleetToken) -> Result<Link, Refusal> {
        if addresses.is_empty() {
            return Err(Refusal::new(Code::BadBody, "no address of a registry: HOST:PORT of one or several would be right"));
        }
        let base = |address: &String| {
            let address = address.trim_end_matches('/');
            if address.contains("://") { address.to_owned() } else { format!("http://{address}") }
        };
        let client = Client::builder().connect_timeout(ANSWER_MAX / 2).build().map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
        let http = Http { bases: addresses.iter().map(base).collect(), token, client, at: AtomicUsize::new(0) };
        Ok(Link { way: Way::Http(Arc::new(http)) })
    }

    /// To the registry in this process.
    pub fn here(registry: Registry) -> Link {
        Link { way: Way::Here(registry) }
    }

    pub(crate) async fn register(&self, id: &str, registration: &Registration) -> Result<Leased, Fault> {
        match &self.way {
            Way::Here(registry) => Ok(registry.register(id, registration).await?),
            Way::Http(http) => http.ask(Method::PUT, &path(id, ""), registration, ANSWER_MAX).await,
        }
    }

    pub(crate) async fn renew(&self, id: &str, ticket: &Ticket) -> Result<Leased, Fault> {
        match &self.way {
            Way::Here(registry) => Ok(registry.renew(id, ticket).await?),
            Way::Http(http) => http.ask(Method::POST, &path(id, "/renew"), &proof(ticket), ANSWER_MAX).await,
        }
    }

    pub(crate) async fn drain(&self, id: &str, ticket: &Ticket) -> Result<(), Fault> {
        match &self.way {
            Way::Here(registry) => Ok(registry.drain(id, ticket).await?),
            Way::Http(http) => http.ask(Method::POST, &path(id, "/drain"), &proof(ticket), ANSWER_MAX).await,
        }
    }

    pub(crate) async fn leave(&self, id: &str, ticket: &Ticket) -> Result<(), Fault> {
        match &self.way {
            Way::Here(registry) => Ok(registry.leave(id, ticket).await?),
            Way::Http(http) => http.ask(Method::DELETE, &path(id, ""), &proof(ticket), ANSWER_MAX).await,
        }
    }

    pub(crate) async fn changes(&self, after: i64, wait: Duration) -> Result<Changes, Fault> {
        match &self.way {
            Way::Here(registry) => Ok(registry.changes_after(after, wait).await?),
            Way::Http(http) => {
                let path = format!("/v1/registry/changes?after={after}&wait_ms={}", wait.as_millis());
                http.ask(Method::GET, &path, &(), ANSWER_MAX + wait).await
            }
        }
    }
}

fn path(id: &str, rest: &str) -> String {
    // Ids are visible ASCII: what a path cannot hold of it is written in its code.
    let mut path = String::from("/v1/registry/instances/");
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path + rest
}

fn proof(ticket: &Ticket) -> Proof {
    Proof { ticket: ticket.clone() }
}

impl Http {
    /// Asks the address that answered last, then the others in turn.
    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize, within: Duration) -> Result<T, Fault> {
        let first = self.at.load(Ordering::Relaxed);
        let mut away = String::new();
        for turn in 0..self.bases.len() {
            let at = (first + turn) % self.bases.len();
            match self.ask_one(&self.bases[at], method.clone(), path, body, within).await {
                Err(Fault::Away(why)) => away = format!("{}: {why}", self.bases[at]),
                answered => {
                    self.at.store(at, Ordering::Relaxed);
                    return answered;
                }
            }
        }
        Err(Fault::Away(away))
    }

    async fn ask_one<T: DeserializeOwned>(
        &self,
        base: &str,
        method: Method,
        path: &str,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<T, Fault> {
        let away = |error: reqwest::Error| Fault::Away(error.without_url().to_string());
        let mut request = self.client.request(method.clone(), format!("{base}{path}")).timeout(within);
        request = request.header(reqwest::header::AUTHORIZATION, self.token.header());
        if method != Method::GET {
            request = request.json(body);
        }
        let response = request.send().await.map_err(away)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(away)?;
        if status.is_success() {
            let text: &[u8] = if status == StatusCode::NO_CONTENT { b"null" } else { &bytes };
            return serde_json::from_slice(text).map_err(|e| Fault::Away(format!("the answer is not a registry's: {e}")));
        }
        let problem: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let told = problem["detail"].as_str().map_or_else(|| status.to_string(), str::to_owned);
        // A 404 that is not the registry's own comes from something else at that address.
        if status == StatusCode::NOT_FOUND && problem["code"] != "not-found" {
            return Err(Fault::Away(format!("{told}: there is no registry")));
        }
        Err(Fault::of(status.as_u16(), &told))
    }
}
