//! The section `[gateway]`: what a gateway lets in, how much of it, and where it sends what is not ours.
//! Refuses networks, origins and routes that cannot be read; whether certificates and rooms' files can is told when the gateway starts.

use super::keys::path_or_empty;
use super::reader::Reader;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Section `[gateway]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gateway {
    /// Certificate chain in PEM; empty: without TLS.
    pub tls_certificate: PathBuf,
    /// Its private key in PEM.
    pub tls_key: PathBuf,
    /// Connections one address may have open.
    pub connections_per_address_max: u32,
    /// Bytes of a request's line and headers.
    pub header_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// Requests per second of one address; 0: no limit.
    pub address_per_s: u32,
    /// Requests at once of one address.
    pub address_burst: u32,
    /// Requests per second of one signed-in user; 0: no limit.
    pub user_per_s: u32,
    /// Requests at once of one signed-in user.
    pub user_burst: u32,
    /// Requests per second of one API key; 0: no limit.
    pub key_per_s: u32,
    /// Requests at once of one API key.
    pub key_burst: u32,
    /// Networks of our own proxies in front of the gateway, between commas.
    pub trusted_proxies: String,
    /// Origins whose pages may call, between commas.
    pub origins: String,
    /// Foreign services as `PATH=SERVICE` or `HOST/PATH=SERVICE`, between commas.
    pub foreign: String,
    /// File of announced sales' waiting rooms; empty: none.
    pub rooms_file: PathBuf,
    /// Time between two checks of an instance, in milliseconds.
    pub probe_interval_ms: u64,
    /// How long an instance is out the first time it answers wrongly or slowly, in milliseconds.
    pub eject_first_ms: u64,
    /// The longest it is out, in milliseconds.
    pub eject_longest_ms: u64,
    /// Where its metrics and its view of the instances are, apart from what everybody may call; port 0 is any.
    pub admin_listen: SocketAddr,
    /// Writes a line per request to the log.
    pub access_log: bool,
}

impl Gateway {
    /// Takes the section's keys.
    pub(super) fn read(reader: &mut Reader) -> Gateway {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let file = "empty or the path of a file";
        let foreign_routes = "empty, or PATH=SERVICE or HOST/PATH=SERVICE between commas, as /legacy=inventory";
        Gateway {
            tls_certificate: reader.text("gateway.tls_certificate", PathBuf::new(), file, path_or_empty),
            tls_key: reader.text("gateway.tls_key", PathBuf::new(), file, path_or_empty),
            connections_per_address_max: reader.whole("gateway.connections_per_address_max", 2_000, 1..=1_000_000),
            header_bytes_max: reader.whole("gateway.header_bytes_max", 32_768, 8_192..=1_048_576),
            headers_max: reader.whole("gateway.headers_max", 100, 10..=1_000),
            address_per_s: reader.whole("gateway.address_per_s", 5_000, 0..=10_000_000),
            address_burst: reader.whole("gateway.address_burst", 10_000, 1..=10_000_000),
            user_per_s: reader.whole("gateway.user_per_s", 100, 0..=10_000_000),
            user_burst: reader.whole("gateway.user_burst", 400, 1..=10_000_000),
            key_per_s: reader.whole("gateway.key_per_s", 5_000, 0..=10_000_000),
            key_burst: reader.whole("gateway.key_burst", 10_000, 1..=10_000_000),
            trusted_proxies: reader.text(
                "gateway.trusted_proxies",
                String::new(),
                "empty, or networks between commas, as 10.0.0.0/8",
                |text| parts(text).all(|part| part.parse::<ipnet::IpNet>().is_ok()).then(|| text.to_owned()),
            ),
            origins: reader.text("gateway.origins", String::new(), "empty, * or origins between commas, as https://guild.example", origins),
            foreign: reader.text("gateway.foreign", String::new(), foreign_routes, foreign),
            rooms_file: reader.text("gateway.rooms_file", PathBuf::new(), file, path_or_empty),
            probe_interval_ms: reader.whole("gateway.probe_interval_ms", 1_000, 10..=3_600_000),
            eject_first_ms: reader.whole("gateway.eject_first_ms", 5_000, 1..=3_600_000),
            eject_longest_ms: reader.whole("gateway.eject_longest_ms", 60_000, 1..=3_600_000),
            admin_listen: reader.text("gateway.admin_listen", any, "an address and a port, as 127.0.0.1:9100", |text| text.parse().ok()),
            access_log: reader.flag("gateway.access_log", true),
        }
    }

    /// Foreign services: host if one is named, path, service.
    pub fn each_foreign(&self) -> impl Iterator<Item = (Option<&str>, &str, &str)> {
        parts(&self.foreign).filter_map(foreign_route)
    }
}

/// What stands between commas.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn origins(text: &str) -> Option<String> {
    let fits = |part: &str| {
        let place = part.strip_prefix("https://").or_else(|| part.strip_prefix("http://"));
        part == "*" || place.is_some_and(|place| !place.is_empty() && !place.contains(['/', '?', '#', '@', ' ']))
    };
    parts(text).all(fits).then(|| text.to_owned())
}

fn foreign(text: &str) -> Option<String> {
    parts(text).all(|part| foreign_route(part).is_some()).then(|| text.to_owned())
}

fn foreign_route(part: &str) -> Option<(Option<&str>, &str, &str)> {
    let (place, service) = part.split_once('=')?;
    let slash = place.find('/')?;
    let (host, path) = place.split_at(slash);
    let fits = !service.is_empty() && path.len() > 1;
    fits.then_some((Some(host).filter(|host| !host.is_empty()), path, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_service_stands_behind_a_path_and_perhaps_a_host() {
        assert_eq!(foreign_route("/legacy=inventory"), Some((None, "/legacy", "inventory")));
        assert_eq!(foreign_route("old.example/api=inventory"), Some((Some("old.example"), "/api", "inventory")));
        for wrong in ["legacy=inventory", "/=inventory", "/legacy=", "/legacy"] {
            assert_eq!(foreign_route(wrong), None, "{wrong}");
        }
    }
}
