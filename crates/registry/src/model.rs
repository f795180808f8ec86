//! The registry's data: who an instance is, what its status is, how long it is believed to be there.
//! Refuses names, addresses and metadata that are not bounded.

use kernel::{Code, Instant, Refusal, text};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// The weight of an instance that says none.
pub const WEIGHT: u32 = 100;
/// The largest weight.
pub const WEIGHT_MAX: u32 = 1_000;
/// How long an instance is believed to be there after it was last heard of, in milliseconds, if it says nothing else.
pub const LEASE_MS: u32 = 10_000;
/// The leases that may be asked for, in milliseconds.
pub const LEASES_MS: std::ops::RangeInclusive<u32> = 1_000..=300_000;
/// Services one instance may offer.
const SERVICES_MAX: usize = 40;
/// Entries of metadata an instance may bring.
const METADATA_MAX: usize = 64;

/// What an instance says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Takes requests.
    Up,
    /// Is not ready yet.
    Starting,
    /// Finishes what it took and gets nothing new.
    Draining,
    /// Says that it cannot work.
    Down,
    /// Said nothing that is understood.
    Unknown,
    /// Has left, or its lease ran out.
    Gone,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 6] = [Status::Up, Status::Starting, Status::Draining, Status::Down, Status::Unknown, Status::Gone];

    /// The name, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Up => "up",
            Status::Starting => "starting",
            Status::Draining => "draining",
            Status::Down => "down",
            Status::Unknown => "unknown",
            Status::Gone => "gone",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = Status::ALL.map(Status::as_str).join(", ");
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a status: one of {names} would be right"))
    }
}

/// One service that one instance offers: what a gateway chooses from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Instance {
    /// The service, as `payments`.
    #[schema(example = "payments")]
    pub service: String,
    /// The instance; the same for every service it offers.
    #[schema(example = "payments-1-6f0c")]
    pub id: String,
    /// `HOST:PORT`.
    #[schema(example = "10.0.0.7:8080")]
    pub address: String,
    /// True when it is reached by TLS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secure: bool,
    /// The version of its program.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// Its share of the requests, against the others' weights; 0 gets none.
    #[schema(example = 100)]
    pub weight: u32,
    /// What it says of itself, or what an operator said instead.
    pub status: Status,
    /// Whatever else it says.
    pub metadata: BTreeMap<String, String>,
}

impl Instance {
    /// True when it may get new requests.
    pub fn takes_requests(&self) -> bool {
        self.status == Status::Up && self.weight > 0
    }
}

/// What a process registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "services": ["payments", "orders"], "address": "10.0.0.7:8080", "version": "0.1.0", "weight": 100,
    "metadata": { "zone": "a" }, "lease_ms": 10_000, "ticket": "3f0a6a0d2c0b4c7d9e1f2a3b4c5d6e7f" }))]
pub struct Registration {
    /// The services it offers.
    pub services: BTreeSet<String>,
    /// Where it is reached: `HOST:PORT`.
    pub address: String,
    /// The version of its program.
    #[serde(default)]
    pub version: String,
    /// Its share of the requests, 0 to 1000.
    #[serde(default = "weight")]
    pub weight: u32,
    /// Whatever else is to be known of it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// How long it is believed to be there after it was last heard of, in milliseconds.
    #[serde(default = "lease_ms")]
    pub lease_ms: u32,
    /// A secret of its own, 32 or more hexadecimal digits: only who knows it renews, drains and leaves.
    #[schema(value_type = String)]
    pub ticket: Ticket,
}

fn weight() -> u32 {
    WEIGHT
}

fn lease_ms() -> u32 {
    LEASE_MS
}

impl Registration {
    /// One with the defaults and a ticket of its own.
    pub fn new(services: impl IntoIterator<Item = impl Into<String>>, address: impl Into<String>) -> Registration {
        Registration {
            services: services.into_iter().map(Into::into).collect(),
            address: address.into(),
            version: String::new(),
            weight: WEIGHT,
            metadata: BTreeMap::new(),
            lease_ms: LEASE_MS,
            ticket: Ticket::random(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.services.is_empty() || self.services.len() > SERVICES_MAX {
            let told = format!("{} services: 1 to {SERVICES_MAX} would be right", self.services.len());
            return Err(Refusal::new(Code::BadBody, told));
        }
        self.services.iter().try_for_each(|service| check_service(service))?;
        check_address(&self.address)?;
        text::check("version", &self.version, 0, 64)?;
        if self.weight > WEIGHT_MAX {
            return Err(Refusal::new(Code::BadAmount, format!("weight {}: 0 to {WEIGHT_MAX} would be right", self.weight)));
        }
        if !LEASES_MS.contains(&self.lease_ms) {
            let told = format!("lease_ms {}: {} to {} would be right", self.lease_ms, LEASES_MS.start(), LEASES_MS.end());
            return Err(Refusal::new(Code::BadAmount, told));
        }
        check_metadata(&self.metadata)?;
        self.ticket.check()
    }
}

/// A service's name: 1 to 100 of a-z, 0-9, `-`, `_` and `.`.
pub(crate) fn check_service(name: &str) -> Result<(), Refusal> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    if (1..=100).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(Refusal::new(Code::BadText, format!("{name:?} is not a service's name: 1 to 100 of a-z, 0-9, -, _ and . would be right")))
}

/// An instance's id: 1 to 200 visible ASCII characters without a slash, so that no native id is a Eureka client's.
pub(crate) fn check_id(id: &str) -> Result<(), Refusal> {
    if (1..=200).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() && b != b'/') {
        return Ok(());
    }
    Err(Refusal::new(Code::BadPath, format!("{id:?} is not an instance's id: 1 to 200 visible ASCII characters without / would be right")))
}

/// `HOST:PORT` with a host of letters, digits, dots, hyphens, or an IPv6 address in brackets.
pub(crate) fn check_address(address: &str) -> Result<(), Refusal> {
    let told = || Refusal::new(Code::BadText, format!("address {address:?} is not HOST:PORT, as 10.0.0.7:8080"));
    let (host, port) = address.rsplit_once(':').ok_or_else(told)?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => (1..=253).contains(&host.len()) && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')),
    };
    let port_fits = port.parse::<u16>().is_ok_and(|port| port > 0);
    if host_fits && port_fits { Ok(()) } else { Err(told()) }
}

pub(crate) fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if metadata.len() > METADATA_MAX {
        return Err(Refusal::new(Code::BadBody, format!("{} entries of metadata: up to {METADATA_MAX} would be right", metadata.len())));
    }
    metadata.iter().try_for_each(|(key, value)| {
        text::check("a key of metadata", key, 1, 100)?;
        text::check(&format!("metadata {key:?}"), value, 0, 500)
    })
}

/// The secret an instance makes for itself, so that nobody acts for another; printing it shows nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(String);

impl Ticket {
    /// A new one.
    pub fn random() -> Ticket {
        Ticket(hex::encode(rand::random::<[u8; 16]>()))
    }

    /// The text, for whoever proves it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn check(&self) -> Result<(), Refusal> {
        let fits = (32..=128).contains(&self.0.len()) && self.0.bytes().all(|b| b.is_ascii_hexdigit());
        if fits { Ok(()) } else { Err(Refusal::new(Code::BadText, "the ticket is not 32 to 128 hexadecimal digits")) }
    }

    /// What is stored of it.
    pub(crate) fn hash(&self) -> [u8; 16] {
        use sha2::{Digest, Sha256};
        Sha256::digest(self.0.as_bytes())[..16].try_into().expect("a SHA-256 hash has more than 16 bytes")
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(hidden)")
    }
}

/// What an instance is told of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Leased {
    /// It is believed to be there until then, by the database's time.
    #[schema(value_type = String, example = "2026-11-21T09:00:10.000000Z")]
    pub expires_at: Instant,
    /// How often it should renew, in milliseconds: three times a lease and a bit.
    #[schema(example = 3000)]
    pub renew_ms: u32,
}

/// The instances of some version of the feed, or what changed since another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Changes {
    /// The version this leads to; ask for what comes after it.
    #[schema(example = 42)]
    pub version: i64,
    /// True when `changed` is all there is, and whatever is not named is gone.
    pub full: bool,
    /// Instances that changed, each with all its services.
    pub changed: Vec<Instance>,
    /// Ids of instances that are gone.
    pub gone: Vec<String>,
}
