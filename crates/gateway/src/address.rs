//! Where a client is: by its connection, or by what a trusted proxy in front of us says; and how that is told to the services.
//! Refuses to believe a header that came from anywhere else.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Addresses of a proxied request that are looked at; a longer list is not one that proxies of ours made.
const HOPS_MAX: usize = 16;

/// One connection's end, written once for all of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The other end.
    pub(crate) peer: IpAddr,
    /// True when it is a proxy of ours.
    trusted: bool,
    proto: HeaderValue,
    text: HeaderValue,
    forwarded: HeaderValue,
}

/// What a request says, or is believed to say, about its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    proto: HeaderValue,
    forwarded_for: HeaderValue,
    forwarded: HeaderValue,
}

impl Origin {
    pub(crate) fn new(peer: SocketAddr, tls: bool, trusted: &[IpNet]) -> Origin {
        let peer = peer.ip().to_canonical();
        let proto = if tls { "https" } else { "http" };
        let value = |text: String| HeaderValue::try_from(text).expect("an address is written in plain characters");
        Origin {
            peer,
            trusted: trusted.iter().any(|network| network.contains(&peer)),
            proto: HeaderValue::from_static(proto),
            text: value(peer.to_string()),
            forwarded: value(element(peer, proto)),
        }
    }

    /// Whose request it is; reads the headers that [`tell`] replaces.
    pub(crate) fn client(&self, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
        let direct = || Client {
            address: self.peer,
            proto: self.proto.clone(),
            forwarded_for: self.text.clone(),
            forwarded: self.forwarded.clone(),
        };
        if !self.trusted {
            return direct();
        }
        let chain: Vec<IpAddr> = chain(headers);
        let is_ours = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let Some(furthest) = chain.len().checked_sub(1) else { return direct() };
        let at = chain.iter().rposition(|address| !is_ours(address)).unwrap_or(0).min(furthest);
        let proto =
            headers.get(&FORWARDED_PROTO).filter(|proto| matches!(proto.as_bytes(), b"http" | b"https")).unwrap_or(&self.proto).clone();
        // What stands left of the client is what the client itself said: it ends here.
        let hops: Vec<IpAddr> = chain[at..].iter().copied().chain([self.peer]).collect();
        let join = |parts: Vec<String>| HeaderValue::try_from(parts.join(", ")).expect("addresses are written in plain characters");
        let scheme = proto.to_str().unwrap_or("http");
        Client {
            address: chain[at],
            forwarded_for: join(hops.iter().map(IpAddr::to_string).collect()),
            forwarded: join(hops.iter().map(|hop| element(*hop, scheme)).collect()),
            proto,
        }
    }
}

/// Tells a service who asked, in place of whatever the request said. What came in under these names was taken away before.
pub(crate) fn tell(headers: &mut HeaderMap, client: Client, host: Option<&HeaderValue>) {
    headers.insert(FORWARDED_FOR.clone(), client.forwarded_for);
    headers.insert(FORWARDED_PROTO.clone(), client.proto);
    headers.insert(hyper::header::FORWARDED, client.forwarded);
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST.clone(), host.clone());
    }
}

/// The addresses of `X-Forwarded-For`, the nearest last; those behind one that is none are no proxies of ours either.
fn chain(headers: &HeaderMap) -> Vec<IpAddr> {
    let values: Vec<&str> = headers.get_all(&FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    let parts = values.iter().rev().flat_map(|value| value.rsplit(','));
    let mut found: Vec<IpAddr> = parts.map_while(|part| address(part.trim())).take(HOPS_MAX).collect();
    found.reverse();
    found
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(bare, _)| bare);
    let found = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.map(|address: IpAddr| address.to_canonical())
}

/// One hop as RFC 7239 writes it.
fn element(address: IpAddr, proto: &str) -> String {
    match address {
        IpAddr::V4(address) => format!("for={address};proto={proto}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\";proto={proto}"),
    }
}

/// What an address is counted under: a household with IPv6 has a /64.
pub(crate) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, given: &[&str]) -> (String, String, String) {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in given {
            headers.append(FORWARDED_FOR.clone(), HeaderValue::from_str(value).unwrap());
        }
        let client = Origin::new(peer.parse().unwrap(), false, &trusted).client(&headers, &trusted);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        (client.address.to_string(), text(&client.forwarded_for), text(&client.forwarded))
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(seen("203.0.113.9:5", &["198.51.100.1"]).0, "203.0.113.9");
        assert_eq!(seen("10.0.0.1:5", &["198.51.100.1"]).0, "198.51.100.1");
        assert_eq!(seen("10.0.0.1:5", &["198.51.100.1"]).1, "198.51.100.1, 10.0.0.1");
        assert_eq!(seen("203.0.113.9:5", &["198.51.100.1"]).1, "203.0.113.9");
    }

    #[test]
    fn the_client_is_the_nearest_address_that_is_no_proxy_of_ours() {
        assert_eq!(seen("10.0.0.1:5", &["1.2.3.4, 198.51.100.1, 10.7.7.7"]).0, "198.51.100.1");
        assert_eq!(
            seen("10.0.0.1:5", &["1.2.3.4, 198.51.100.1, 10.7.7.7"]).1,
            "198.51.100.1, 10.7.7.7, 10.0.0.1",
            "what the client said is gone"
        );
        assert_eq!(seen("10.0.0.1:5", &["1.2.3.4", "198.51.100.1"]).0, "198.51.100.1");
        assert_eq!(seen("10.0.0.1:5", &["10.9.9.9, 10.8.8.8"]).0, "10.9.9.9");
    }

    #[test]
    fn nonsense_of_a_proxy_leaves_the_proxy() {
        assert_eq!(seen("10.0.0.1:5", &["198.51.100.1, garbage"]).0, "10.0.0.1");
        assert_eq!(seen("10.0.0.1:5", &[]).0, "10.0.0.1");
        assert_eq!(seen("10.0.0.1:5", &["garbage, 198.51.100.1:4711"]).0, "198.51.100.1");
        assert_eq!(seen("10.0.0.1:5", &["[2001:db8::1]:4711"]).0, "2001:db8::1");
    }

    #[test]
    fn forwarded_is_written_as_the_standard_has_it() {
        assert_eq!(seen("203.0.113.9:5", &[]).2, "for=203.0.113.9;proto=http");
        assert_eq!(seen("[2001:db8::1]:5", &[]).2, "for=\"[2001:db8::1]\";proto=http");
    }

    #[test]
    fn an_address_of_ipv6_is_counted_by_its_64() {
        assert_eq!(counted("2001:db8:1:2:3::4".parse().unwrap()), counted("2001:db8:1:2::".parse::<IpAddr>().unwrap()));
        assert_eq!(counted("::ffff:203.0.113.9".parse().unwrap()), "203.0.113.9".parse::<IpAddr>().unwrap());
    }
}
