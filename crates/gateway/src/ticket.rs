//! The ticket of a waiting room: a place, signed, for one person in one sale.
//! Refuses what another key signed, what was given to another person, for another room or for another opening.

use crate::policy::RoomTerms;
use crate::room::Held;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const LABEL: &[u8] = b"guildhall ticket of a waiting room, 1";
const PAYLOAD: usize = 1 + 8;
const SIGNATURE: usize = 16;
const EARLY: u8 = 1;
const PLACED: u8 = 2;

/// Signs and reads one room's tickets; every gateway makes the same one from the fleet's key.
pub(crate) struct Tickets {
    keyed: Hmac<Sha256>,
}

impl Tickets {
    pub(crate) fn new(fleet_key: &[u8; 32], room: &RoomTerms) -> Tickets {
        let mut derived = mac(fleet_key);
        derived.update(LABEL);
        derived.update(room.name.as_bytes());
        derived.update(&room.opens.0.to_be_bytes());
        Tickets { keyed: mac(&derived.finalize().into_bytes()) }
    }

    /// Who someone is in this room: 64 bits that nobody else can compute, and that say nothing about them.
    pub(crate) fn person(&self, identity: &[u8]) -> u64 {
        let mut drawn = self.keyed.clone();
        drawn.update(b"person");
        drawn.update(identity);
        let bytes = drawn.finalize().into_bytes();
        u64::from_be_bytes(bytes[..8].try_into().expect("a SHA-256 hash has more than 8 bytes"))
    }

    pub(crate) fn write(&self, person: u64, held: Held) -> String {
        let mut bytes = [0; PAYLOAD + SIGNATURE];
        let (kind, value) = match held {
            Held::Early { people } => (EARLY, people.to_be_bytes()),
            Held::Placed { at_ns } => (PLACED, at_ns.to_be_bytes()),
        };
        bytes[0] = kind;
        bytes[1..PAYLOAD].copy_from_slice(&value);
        let signature = self.over(person, &bytes[..PAYLOAD]).finalize().into_bytes();
        bytes[PAYLOAD..].copy_from_slice(&signature[..SIGNATURE]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn read(&self, person: u64, ticket: &[u8]) -> Option<Held> {
        let bytes = URL_SAFE_NO_PAD.decode(ticket).ok().filter(|bytes| bytes.len() == PAYLOAD + SIGNATURE)?;
        let (payload, signature) = bytes.split_at(PAYLOAD);
        self.over(person, payload).verify_truncated_left(signature).ok()?;
        let value = payload[1..].try_into().ok()?;
        match payload[0] {
            EARLY => Some(Held::Early { people: u64::from_be_bytes(value) }),
            PLACED => Some(Held::Placed { at_ns: i64::from_be_bytes(value) }),
            _ => None,
        }
    }

    fn over(&self, person: u64, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(b"ticket");
        mac.update(&person.to_be_bytes());
        mac.update(payload);
        mac
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Instant;
    use std::time::Duration;

    fn room(name: &str, opens: i64) -> RoomTerms {
        RoomTerms {
            name: name.to_owned(),
            guards: Vec::new(),
            from: Instant(0),
            opens: Instant(opens),
            until: Instant(i64::MAX),
            admit_per_s: 10,
            admitted: Duration::from_secs(60),
        }
    }

    #[test]
    fn two_gateways_with_one_key_read_each_others_tickets() {
        let (here, there) = (Tickets::new(&[1; 32], &room("sale", 5)), Tickets::new(&[1; 32], &room("sale", 5)));
        let person = here.person(b"someone");
        assert_eq!(person, there.person(b"someone"));
        for held in [Held::Early { people: 70_000 }, Held::Placed { at_ns: 1_795_250_096_000_000_000 }] {
            assert_eq!(there.read(person, here.write(person, held).as_bytes()), Some(held));
        }
    }

    #[test]
    fn a_ticket_is_for_one_person_one_room_one_opening_and_one_key() {
        let ours = Tickets::new(&[1; 32], &room("sale", 5));
        let person = ours.person(b"someone");
        let ticket = ours.write(person, Held::Placed { at_ns: 1 });
        assert_eq!(ours.read(ours.person(b"someone else"), ticket.as_bytes()), None);
        for other in
            [Tickets::new(&[1; 32], &room("other", 5)), Tickets::new(&[1; 32], &room("sale", 6)), Tickets::new(&[2; 32], &room("sale", 5))]
        {
            assert_eq!(other.read(person, ticket.as_bytes()), None);
        }
    }

    #[test]
    fn no_bit_of_a_ticket_can_be_changed() {
        let ours = Tickets::new(&[1; 32], &room("sale", 5));
        let bytes = URL_SAFE_NO_PAD.decode(ours.write(7, Held::Placed { at_ns: 1 })).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ours.read(7, URL_SAFE_NO_PAD.encode(forged).as_bytes()), None, "bit {bit}");
        }
    }
}
