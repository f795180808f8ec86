//! Where deliveries may go: which URLs a webhook may have, and which addresses its host may stand for.
//! Refuses, unless told otherwise, everything but https to addresses of the public internet: a webhook must not reach what only we can reach.

use kernel::{Code, Outcome, Refusal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// The longest URL a webhook may have, in bytes.
pub(crate) const URL_BYTES_MAX: usize = 2_000;

/// Reads a webhook's URL.
pub(crate) fn parse(text: &str, allow_private: bool) -> Outcome<Url> {
    let refused = |why: &str| Err(Refusal::new(Code::BadText, format!("url {text:?} {why}")));
    if text.len() > URL_BYTES_MAX {
        return Err(Refusal::new(Code::BadText, format!("url has {} bytes: at most {URL_BYTES_MAX} would be right", text.len())));
    }
    let Ok(url) = Url::parse(text) else { return refused("is none: as https://game.example/hooks would be right") };
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return refused("is not https: as https://game.example/hooks would be right"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("names a user: one without would be right, since every delivery is signed");
    }
    if url.fragment().is_some() {
        return refused("has a fragment, which is never sent: one without # would be right");
    }
    let literal = match url.host() {
        Some(Host::Ipv4(ip)) => Some(IpAddr::from(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::from(ip)),
        Some(Host::Domain(_)) => None,
        None => return refused("has no host: as https://game.example/hooks would be right"),
    };
    if literal.is_some_and(|ip| !allow_private && !is_public(ip)) {
        return refused("leads to an address that is not of the public internet");
    }
    Ok(url)
}

/// The addresses a URL may be connected to now.
pub(crate) async fn resolve(url: &Url, allow_private: bool) -> Result<Vec<SocketAddr>, String> {
    let port = url.port_or_known_default().ok_or("the URL has no port")?;
    let found: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(ip)) => vec![(ip, port).into()],
        Some(Host::Ipv6(ip)) => vec![(ip, port).into()],
        Some(Host::Domain(name)) => {
            let looked_up = tokio::net::lookup_host((name, port)).await;
            looked_up.map_err(|e| format!("the host {name} was not found: {e}"))?.collect()
        }
        None => return Err("the URL has no host".to_owned()),
    };
    let allowed: Vec<SocketAddr> = found.iter().copied().filter(|address| allow_private || is_public(address.ip())).collect();
    if allowed.is_empty() {
        return Err("the host has no address on the public internet".to_owned());
    }
    Ok(allowed)
}

/// True for addresses that the public internet routes.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(ip),
        },
    }
}

/// IANA's registry of special-purpose addresses, with multicast and what is reserved: <https://www.iana.org/assignments/iana-ipv4-special-registry>.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = matches!(
        ip.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    );
    !special
}

/// Global unicast is 2000::/3; within it, what carries another address (6to4, Teredo) or documents is refused.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0x2001, ..=0x01ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, ..=0x0fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_only_we_can_reach_are_refused() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.169.0.1", "223.255.255.255", "2606:4700::1111", "2a00::1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn urls_that_hide_a_private_address_are_refused() {
        for hidden in [
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://017700000001/",
            "https://[::1]/",
            "https://[::ffff:7f00:1]:8443/x",
        ] {
            let refusal = parse(hidden, false).unwrap_err();
            assert!(refusal.detail.contains("public internet"), "{hidden}: {refusal}");
            assert!(parse(hidden, true).is_ok(), "{hidden}");
        }
        for (bad, why) in [
            ("http://game.example/", "not https"),
            ("ftp://game.example/", "not https"),
            ("https://user@game.example/", "names a user"),
            ("https://game.example/#top", "fragment"),
            ("game.example", "is none"),
            ("", "is none"),
        ] {
            assert!(parse(bad, false).unwrap_err().detail.contains(why), "{bad}");
        }
        assert!(parse("https://game.example:8443/hooks?token=1", false).is_ok());
        assert!(parse("http://localhost:1/", true).is_ok());
        assert!(parse("ftp://localhost:1/", true).is_err());
        assert!(parse(&format!("https://game.example/{}", "x".repeat(2_000)), false).unwrap_err().detail.contains("2021 bytes"));
    }

    #[tokio::test]
    async fn a_name_that_stands_for_a_private_address_is_not_connected_to() {
        let url = parse("https://localhost:8443/", false).unwrap();
        assert!(resolve(&url, false).await.unwrap_err().contains("public internet"));
        assert!(!resolve(&url, true).await.unwrap().is_empty());
        assert_eq!(resolve(&parse("https://1.1.1.1/", false).unwrap(), false).await.unwrap(), ["1.1.1.1:443".parse().unwrap()]);
    }
}
