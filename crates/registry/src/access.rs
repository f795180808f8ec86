//! Who may speak with the registry: processes of the fleet by a shared secret, operators by their token, Eureka's clients by a password.
//! Refuses everybody else; without a password it takes Eureka's clients from this machine only.

use crate::{Policy, Registry};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::{Code, Refusal};
use sha2::Sha256;
use std::fmt;
use std::net::SocketAddr;
use subtle::ConstantTimeEq as _;
use web::{Operator, Problem};

/// What the fleet's token begins with, so that nobody takes it for a person's.
const PREFIX: &str = "fleet_";

/// What processes of the fleet show each other; printing it shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct FleetToken(String);

impl FleetToken {
    /// The token of everybody who has the token key: the HMAC-SHA-256 of a fixed label under it, which tells nothing about it.
    pub fn derive(token_key: &[u8; 32]) -> FleetToken {
        let mut mac = Hmac::<Sha256>::new_from_slice(token_key).expect("HMAC takes a key of any length");
        mac.update(b"guildhall fleet token 1");
        FleetToken(format!("{PREFIX}{}", hex::encode(mac.finalize().into_bytes())))
    }

    /// The text, for whoever hands it to a service of their own.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The `Authorization` header that shows it.
    pub fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for FleetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetToken(hidden)")
    }
}

/// The user that Eureka's clients put before the host of their URL.
#[derive(Clone, PartialEq, Eq)]
pub struct EurekaUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for EurekaUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EurekaUser({}, hidden)", self.name)
    }
}

/// What callers are measured against.
pub(crate) struct Guard {
    pub(crate) policy: Policy,
}

impl Guard {
    pub(crate) fn new(policy: Policy) -> Guard {
        Guard { policy }
    }

    fn is_fleet(&self, shown: &str) -> bool {
        bool::from(shown.as_bytes().ct_eq(self.policy.fleet.0.as_bytes()))
    }

    fn is_eureka(&self, parts: &Parts) -> bool {
        let Some(user) = &self.policy.eureka else { return is_of_this_machine(parts) };
        let shown =
            authorization(parts).and_then(|value| value.strip_prefix("Basic ")).and_then(|value| STANDARD.decode(value.trim()).ok());
        let right = format!("{}:{}", user.name, user.password);
        shown.is_some_and(|shown| bool::from(shown.as_slice().ct_eq(right.as_bytes())))
    }
}

/// True when the connection comes from this machine and nobody passed the request on: a proxy here would make everybody local.
fn is_of_this_machine(parts: &Parts) -> bool {
    let passed_on = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| parts.headers.contains_key(*name));
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
    !passed_on && peer.is_some_and(|peer| peer.is_loopback())
}

fn authorization(parts: &Parts) -> Option<&str> {
    parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

fn fleet_token(parts: &Parts) -> Option<&str> {
    authorization(parts).and_then(|value| value.strip_prefix("Bearer ")).map(str::trim).filter(|shown| shown.starts_with(PREFIX))
}

/// A process of the fleet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet;

impl FromRequestParts<Registry> for Fleet {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, Problem> {
        let Some(shown) = fleet_token(parts) else {
            // Whoever is signed in is told that this is not for people; everybody else that they are nobody.
            web::Who::from_request_parts(parts, registry).await?;
            return Err(Refusal::new(Code::Forbidden, "this is for processes of the fleet, which show the fleet's token").into());
        };
        if registry.guard.is_fleet(shown) {
            return Ok(Fleet);
        }
        Err(Refusal::new(Code::Unauthenticated, "the fleet's token is not ours: every process has to be given the same token key").into())
    }
}

/// A process of the fleet, or an operator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader;

impl FromRequestParts<Registry> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, Problem> {
        if fleet_token(parts).is_some() {
            return Fleet::from_request_parts(parts, registry).await.map(|_| Reader);
        }
        Operator::from_request_parts(parts, registry).await.map(|_| Reader)
    }
}

/// A client that speaks Eureka's protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EurekaClient;

impl EurekaClient {
    /// Whether the request is one's.
    pub(crate) fn is_known(parts: &Parts, registry: &Registry) -> bool {
        registry.guard.is_eureka(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn guard(eureka: Option<(&str, &str)>) -> Guard {
        let eureka = eureka.map(|(name, password)| EurekaUser { name: name.to_owned(), password: password.to_owned() });
        Guard::new(Policy { fleet: FleetToken::derive(&[1; 32]), eureka, reserved: Vec::new() })
    }

    fn from(peer: &str, headers: &[(&str, &str)]) -> Parts {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(peer));
        parts
    }

    #[test]
    fn without_a_password_only_this_machine_is_served_and_not_whom_a_proxy_here_speaks_for() {
        let guard = guard(None);
        assert!(guard.is_eureka(&from("127.0.0.1:1", &[])));
        assert!(guard.is_eureka(&from("[::ffff:127.0.0.1]:1", &[])));
        assert!(!guard.is_eureka(&from("127.0.0.1:1", &[("x-forwarded-for", "10.0.0.1")])));
        assert!(!guard.is_eureka(&from("10.0.0.1:1", &[])));
    }

    #[test]
    fn with_a_password_it_has_to_be_shown_from_everywhere() {
        let guard = guard(Some(("eureka", "s3cret")));
        let shown = format!("Basic {}", STANDARD.encode("eureka:s3cret"));
        let wrong = format!("Basic {}", STANDARD.encode("eureka:secret"));
        assert!(guard.is_eureka(&from("10.0.0.1:1", &[("authorization", &shown)])));
        assert!(!guard.is_eureka(&from("127.0.0.1:1", &[])));
        assert!(!guard.is_eureka(&from("10.0.0.1:1", &[("authorization", &wrong)])));
    }

    #[test]
    fn the_fleets_token_follows_from_the_key_and_tells_nothing_when_printed() {
        let token = FleetToken::derive(&[1; 32]);
        assert_eq!(token, FleetToken::derive(&[1; 32]));
        assert_ne!(token, FleetToken::derive(&[2; 32]));
        assert!(!format!("{token:?}").contains(token.reveal()));
        assert!(guard(None).is_fleet(token.reveal()) && !guard(None).is_fleet(""));
    }
}
