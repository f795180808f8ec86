//! The sections `[registry]` and `[fleet]`: where the fleet's processes find each other, and a fleet on one machine.
//! Refuses an address without a port: a gateway and a registry are found by it.

use super::keys::{brokers, topic_part};
use super::reader::Reader;
use super::{Addresses, Credentials};
use serde::Serialize;

/// Section `[registry]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Registry {
    /// Where registries are, as `http://HOST:PORT`, between commas; empty: the process registers nowhere.
    pub urls: String,
    /// Where others reach this process, as `HOST:PORT`; empty means the address it listens on.
    pub advertise: String,
    /// What the process is called there; empty means its first service.
    pub name: String,
    /// Its share of the requests, against the others' weights.
    pub weight: u32,
    /// How long it is believed to be there after it was last heard of, in milliseconds.
    pub lease_ms: u32,
    /// How long it still takes requests after it said that it leaves, in milliseconds.
    pub drain_ms: u64,
    /// Who Eureka's clients are; none: only clients on this machine are served.
    pub eureka: Credentials,
}

/// Section `[fleet]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fleet {
    /// Where the gateways listen, one for each address.
    pub gateways: Addresses,
    /// Where the registries listen, one for each address.
    pub registries: Addresses,
    /// Processes of every other kind.
    pub size: u32,
    /// Which services share a process.
    pub layout: Layout,
    /// Connections for reading of each process.
    pub readers: u32,
    /// Connections for writing of each process.
    pub writers: u32,
    /// The first pause before a process that ended is started again, in milliseconds; it doubles with every end that follows soon.
    pub restart_min_ms: u64,
    /// The longest such pause, in milliseconds.
    pub restart_max_ms: u64,
}

/// Which services of a fleet on one machine share a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Services that are used together.
    Grouped,
    /// None: each has processes of its own.
    Each,
}

impl Registry {
    /// Takes the section's keys.
    pub(super) fn read(reader: &mut Reader) -> Registry {
        let host_and_port = "empty, or HOST:PORT as 10.0.0.7:8080";
        let name = "empty, or up to 100 of a-z, A-Z, 0-9, dot, hyphen and underscore";
        Registry {
            urls: reader.text("registry.urls", String::new(), "empty, or as http://10.0.0.5:8761, between commas", urls),
            advertise: reader
                .text("registry.advertise", String::new(), host_and_port, |text| brokers(text).filter(|text| !text.contains(','))),
            name: reader.text("registry.name", String::new(), name, topic_part),
            weight: reader.whole("registry.weight", 100, 0..=1_000),
            lease_ms: reader.whole("registry.lease_ms", 10_000, 1_000..=300_000),
            drain_ms: reader.whole("registry.drain_ms", 1_000, 0..=600_000),
            eureka: reader.text("registry.eureka", Credentials::default(), "empty, or NAME:PASSWORD", Credentials::parse),
        }
    }

    /// The registries' addresses.
    pub fn each_url(&self) -> impl Iterator<Item = &str> {
        self.urls.split(',').map(str::trim).filter(|url| !url.is_empty())
    }
}

impl Fleet {
    /// Takes the section's keys.
    pub(super) fn read(reader: &mut Reader) -> Fleet {
        let addresses = "addresses with ports between commas, as 127.0.0.1:8080,127.0.0.1:8081";
        let default = |text: &str| Addresses::parse(text).expect("the default is two addresses");
        Fleet {
            gateways: reader.text("fleet.gateways", default("127.0.0.1:8080,127.0.0.1:8081"), addresses, Addresses::parse),
            registries: reader.text("fleet.registries", default("127.0.0.1:8761,127.0.0.1:8762"), addresses, Addresses::parse),
            size: reader.whole("fleet.size", 2, 1..=100),
            layout: reader.choice("fleet.layout", Layout::Grouped, &[("grouped", Layout::Grouped), ("each", Layout::Each)]),
            readers: reader.whole("fleet.readers", 2, 1..=1_000),
            writers: reader.whole("fleet.writers", 3, 1..=1_000),
            restart_min_ms: reader.whole("fleet.restart_min_ms", 100, 1..=3_600_000),
            restart_max_ms: reader.whole("fleet.restart_max_ms", 10_000, 1..=3_600_000),
        }
    }
}

/// A list of `http://HOST:PORT`.
fn urls(text: &str) -> Option<String> {
    let fits = |part: &str| part.trim().strip_prefix("http://").is_some_and(|place| !place.is_empty() && brokers(place).is_some());
    (text.is_empty() || text.split(',').all(fits)).then(|| text.to_owned())
}
