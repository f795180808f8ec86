//! A list of addresses to listen on, as `127.0.0.1:8080,127.0.0.1:8081`.
//! Refuses an empty list and an address twice.

use serde::{Serialize, Serializer};
use std::fmt;
use std::net::SocketAddr;

/// Addresses to listen on, one or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(Vec<SocketAddr>);

impl Addresses {
    /// From texts between commas.
    pub fn parse(text: &str) -> Option<Addresses> {
        let parsed: Option<Vec<SocketAddr>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        let all = parsed.filter(|all| !all.is_empty())?;
        let is_twice = |(at, one): (usize, &SocketAddr)| one.port() != 0 && all[..at].contains(one);
        if all.iter().enumerate().any(is_twice) { None } else { Some(Addresses(all)) }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(SocketAddr::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stand_between_commas_and_none_stands_twice() {
        let two = Addresses::parse("127.0.0.1:80, [::1]:81").unwrap();
        assert_eq!(two.to_string(), "127.0.0.1:80,[::1]:81");
        for wrong in ["", "127.0.0.1", "127.0.0.1:1,", "127.0.0.1:1,127.0.0.1:1"] {
            assert_eq!(Addresses::parse(wrong), None, "{wrong:?}");
        }
    }
}
