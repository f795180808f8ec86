//! Identity that the gateway passes on: whom it found a token to stand for, and the client's address, signed for one request.
//! Refuses what is not signed with the fleet's key, is older than half a minute, or belongs to another request.

use crate::{Roles, Who};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::{Instant, SessionId, UserId, Uuid};
use sha2::Sha256;
use std::net::{IpAddr, Ipv6Addr};

/// The header it travels in. Whoever takes requests from outside drops what came in under this name.
pub const PASSED: &str = "x-guildhall-passed";
/// How far apart the clocks of signer and reader may be, the way between them included, in seconds.
pub const PASSED_LIFE_S: i64 = 30;

/// What the key is derived for: a signature made with the token key for anything else fits nothing here.
const LABEL: &[u8] = b"guildhall identity passed from gateway to service, 1";
const VERSION: u8 = 1;
const HAS_WHO: u8 = 1;
const HAS_ADDRESS: u8 = 2;
/// Version, flags, seconds, user, session, roles, address.
const PAYLOAD: usize = 1 + 1 + 8 + 16 + 16 + 4 + 16;
const SIGNATURE: usize = 32;

/// What a gateway found out about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Whom the request's token stands for; none where it brought no token of ours, or one that was not valid.
    pub who: Option<Who>,
    /// Where the client is.
    pub address: Option<IpAddr>,
}

/// Signs and reads what is passed on; every process of a fleet makes the same one from the same token key.
#[derive(Clone)]
pub struct Passes {
    keyed: Hmac<Sha256>,
}

impl Passes {
    /// The passes of a fleet whose tokens are signed with this key.
    pub fn new(token_key: &[u8; 32]) -> Passes {
        let mut derived = mac(token_key);
        derived.update(LABEL);
        Passes { keyed: mac(&derived.finalize().into_bytes()) }
    }

    /// The header's value for one request, which is named by its id.
    pub fn sign(&self, passed: &Passed, request_id: &[u8], now: Instant) -> HeaderValue {
        let mut bytes = [0; PAYLOAD + SIGNATURE];
        bytes[..PAYLOAD].copy_from_slice(&payload(passed, now));
        let signature = self.over(&bytes[..PAYLOAD], request_id).finalize().into_bytes();
        bytes[PAYLOAD..].copy_from_slice(&signature);
        HeaderValue::try_from(URL_SAFE_NO_PAD.encode(bytes)).expect("base64 makes a header value")
    }

    /// What a header says, if it is one of ours, for this request, and fresh.
    pub fn read(&self, value: &[u8], request_id: &[u8], now: Instant) -> Option<Passed> {
        let bytes = URL_SAFE_NO_PAD.decode(value).ok().filter(|bytes| bytes.len() == PAYLOAD + SIGNATURE)?;
        let (payload, signature) = bytes.split_at(PAYLOAD);
        self.over(payload, request_id).verify_slice(signature).ok()?;
        let (passed, signed_at_s) = parts(payload)?;
        let apart_s = now.unix_seconds().saturating_sub(signed_at_s).saturating_abs();
        (apart_s <= PASSED_LIFE_S).then_some(passed)
    }

    /// What a request's headers say. Both headers have to be there once: with two of them a reader further on might take the other.
    pub fn of(&self, headers: &HeaderMap, now: Instant) -> Option<Passed> {
        let value = only(headers, PASSED)?;
        let request_id = only(headers, "x-request-id")?;
        self.read(value.as_bytes(), request_id.as_bytes(), now)
    }

    fn over(&self, payload: &[u8], request_id: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(payload);
        mac.update(request_id);
        mac
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut all = headers.get_all(name).iter();
    all.next().filter(|_| all.next().is_none())
}

fn payload(passed: &Passed, now: Instant) -> [u8; PAYLOAD] {
    let mut bytes = [0; PAYLOAD];
    bytes[0] = VERSION;
    bytes[2..10].copy_from_slice(&now.unix_seconds().to_be_bytes());
    if let Some(who) = passed.who {
        bytes[1] |= HAS_WHO;
        bytes[10..26].copy_from_slice(who.user.0.as_bytes());
        bytes[26..42].copy_from_slice(who.session.0.as_bytes());
        bytes[42..46].copy_from_slice(&who.roles.0.to_be_bytes());
    }
    if let Some(address) = passed.address {
        bytes[1] |= HAS_ADDRESS;
        let wide = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        bytes[46..62].copy_from_slice(&wide.octets());
    }
    bytes
}

fn parts(payload: &[u8]) -> Option<(Passed, i64)> {
    let taken = |from: usize| <[u8; 16]>::try_from(payload.get(from..from + 16)?).ok();
    if payload[0] != VERSION {
        return None;
    }
    let signed_at_s = i64::from_be_bytes(payload.get(2..10)?.try_into().ok()?);
    let roles = Roles(u32::from_be_bytes(payload.get(42..46)?.try_into().ok()?));
    let who = Who { user: UserId(Uuid::from_bytes(taken(10)?)), session: SessionId(Uuid::from_bytes(taken(26)?)), roles };
    let address = IpAddr::V6(Ipv6Addr::from(taken(46)?)).to_canonical();
    let passed = Passed { who: (payload[1] & HAS_WHO != 0).then_some(who), address: (payload[1] & HAS_ADDRESS != 0).then_some(address) };
    Some((passed, signed_at_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    const NOW: Instant = Instant(1_795_250_096_000_000);

    fn someone() -> Passed {
        let who =
            Who { user: UserId(Uuid::from_u128(7)), session: SessionId(Uuid::from_u128(8)), roles: Roles::default().with(Role::Operator) };
        Passed { who: Some(who), address: Some("203.0.113.9".parse().unwrap()) }
    }

    fn later(seconds: i64) -> Instant {
        NOW.plus_us(seconds * kernel::time::SECOND_US)
    }

    #[test]
    fn what_was_signed_reads_back() {
        let passes = Passes::new(&[1; 32]);
        let nobody = Passed { who: None, address: None };
        let far = Passed { address: Some("2001:db8::9".parse().unwrap()), ..nobody };
        for passed in [someone(), nobody, far] {
            let value = passes.sign(&passed, b"a-request", NOW);
            assert_eq!(passes.read(value.as_bytes(), b"a-request", later(PASSED_LIFE_S)), Some(passed));
        }
    }

    #[test]
    fn another_request_another_key_and_another_time_are_refused() {
        let passes = Passes::new(&[1; 32]);
        let value = passes.sign(&someone(), b"a-request", NOW);
        assert_eq!(passes.read(value.as_bytes(), b"another", NOW), None);
        assert_eq!(Passes::new(&[2; 32]).read(value.as_bytes(), b"a-request", NOW), None);
        assert_eq!(passes.read(value.as_bytes(), b"a-request", later(PASSED_LIFE_S + 1)), None);
        assert_eq!(passes.read(value.as_bytes(), b"a-request", later(-PASSED_LIFE_S - 1)), None);
    }

    #[test]
    fn no_bit_of_it_can_be_changed() {
        let passes = Passes::new(&[1; 32]);
        let bytes = URL_SAFE_NO_PAD.decode(passes.sign(&someone(), b"a-request", NOW).as_bytes()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(passes.read(URL_SAFE_NO_PAD.encode(forged).as_bytes(), b"a-request", NOW), None, "bit {bit}");
        }
    }

    #[test]
    fn a_signature_with_the_token_key_itself_is_refused() {
        let payload = payload(&someone(), NOW);
        let mut plain = mac(&[1; 32]);
        plain.update(&payload);
        plain.update(b"a-request");
        let forged = [payload.as_slice(), plain.finalize().into_bytes().as_slice()].concat();
        assert_eq!(Passes::new(&[1; 32]).read(URL_SAFE_NO_PAD.encode(forged).as_bytes(), b"a-request", NOW), None);
    }

    #[test]
    fn a_doubled_header_is_refused() {
        let passes = Passes::new(&[1; 32]);
        let mut headers = HeaderMap::new();
        headers.append("x-request-id", HeaderValue::from_static("a-request"));
        headers.append(PASSED, passes.sign(&someone(), b"a-request", NOW));
        assert_eq!(passes.of(&headers, NOW), Some(someone()));
        headers.append(PASSED, HeaderValue::from_static("x"));
        assert_eq!(passes.of(&headers, NOW), None);
    }
}
