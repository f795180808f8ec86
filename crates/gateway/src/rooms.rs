//! The waiting rooms of this gateway: which requests they guard, and what a person who has to wait is answered.
//! Refuses nobody who is not part of a sale's crowd: what no room guards at this moment passes untouched.

use crate::measure::OfRoom;
use crate::policy::{Guard, RoomTerms};
use crate::reply::{self, Reply};
use crate::room::{Held, Room, SECOND_NS, Terms, Turn};
use crate::table;
use crate::ticket::Tickets;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use kernel::{Code, Instant, Refusal};
use parking_lot::Mutex;
use serde::Deserialize;

/// The header that carries a ticket, both ways.
pub const TICKET: HeaderName = HeaderName::from_static("guildhall-ticket");

/// A client is not told to wait longer than this before it asks again, in seconds.
const AGAIN_MAX_S: i64 = 3_600;

/// All rooms.
pub(crate) struct Rooms {
    rooms: Vec<Open>,
}

/// One room.
pub(crate) struct Open {
    terms: RoomTerms,
    tickets: Tickets,
    room: Mutex<Room>,
    measure: OfRoom,
}

/// Whether a request may go on.
pub(crate) enum Verdict {
    /// It may; the answer carries this ticket, with which its sender may act for a while.
    Admitted(HeaderValue),
    /// It may not yet.
    Wait(Box<Reply>),
}

impl Rooms {
    pub(crate) fn new(terms: &[RoomTerms], fleet_key: &[u8; 32]) -> Rooms {
        let open = |terms: &RoomTerms| Open {
            tickets: Tickets::new(fleet_key, terms),
            room: Mutex::new(Room::new(Terms {
                opens_ns: nanos(terms.opens),
                admit_per_s: terms.admit_per_s,
                admitted_ns: i64::try_from(terms.admitted.as_nanos()).unwrap_or(i64::MAX),
            })),
            measure: OfRoom::new(&terms.name),
            terms: terms.clone(),
        };
        Rooms { rooms: terms.iter().map(open).collect() }
    }

    /// The room that guards a request now, and whether its body has to be read to know.
    pub(crate) fn guarding(&self, method: &Method, path: &str) -> Option<(&Open, &Guard)> {
        if self.rooms.is_empty() {
            return None;
        }
        let now = now();
        let open = self.rooms.iter().filter(|room| (room.terms.from..room.terms.until).contains(&now));
        let guards = |guard: &&Guard| guard.method.eq_ignore_ascii_case(method.as_str()) && table::matches(&guard.path, path);
        open.into_iter().find_map(|room| room.terms.guards.iter().find(guards).map(|guard| (room, guard)))
    }
}

impl Open {
    /// Asks for a person, known by who they are.
    pub(crate) fn ask(&self, identity: &[u8], ticket: Option<&HeaderValue>, gateways: u32) -> Verdict {
        let person = self.tickets.person(identity);
        let held = ticket.and_then(|ticket| self.tickets.read(person, ticket.as_bytes()));
        let now_ns = nanos(now());
        let mut room = self.room.lock();
        let turn = room.ask(person, held, now_ns, gateways);
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        self.measure.waiting.set(room.waiting(now_ns, gateways) as f64);
        drop(room);
        let write = |held: Held| HeaderValue::try_from(self.tickets.write(person, held)).expect("base64 makes a header value");
        match turn {
            Turn::Admitted { at_ns } => {
                self.measure.admitted.increment(1);
                Verdict::Admitted(write(Held::Placed { at_ns }))
            }
            Turn::Early { people, again_ns } => self.wait(&write(Held::Early { people }), again_ns - now_ns, None),
            Turn::Wait { at_ns, ahead } => self.wait(&write(Held::Placed { at_ns }), at_ns - now_ns, Some(ahead)),
        }
    }

    fn wait(&self, ticket: &HeaderValue, wait_ns: i64, ahead: Option<u64>) -> Verdict {
        self.measure.told_to_wait.increment(1);
        let wait_s = (wait_ns + SECOND_NS - 1) / SECOND_NS;
        let told = match ahead {
            Some(ahead) => {
                format!("{ahead} people are before you in {}: come again in {wait_s} s with the header {TICKET}", self.terms.name)
            }
            None => format!(
                "{} opens at {}: places are drawn by lot; come again in {wait_s} s with the header {TICKET}",
                self.terms.name, self.terms.opens
            ),
        };
        let facts = serde_json::json!({
            "room": self.terms.name,
            "opens_at": self.terms.opens,
            "ticket": ticket.to_str().unwrap_or_default(),
            "ahead": ahead,
            "wait_s": wait_s,
            "retry_after_s": wait_s.clamp(1, AGAIN_MAX_S),
        });
        let mut reply = reply::refuse(Refusal::new(Code::InLine, told).with_facts(facts));
        reply.headers_mut().insert(TICKET, ticket.clone());
        Verdict::Wait(Box::new(reply))
    }
}

/// True when a request with this body is guarded: it names one of the products, or cannot be read.
pub(crate) fn concerns(guard: &Guard, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        products: Vec<serde_json::Value>,
        product: Option<serde_json::Value>,
    }
    if guard.products.is_empty() {
        return true;
    }
    let Ok(named) = serde_json::from_slice::<Named>(body) else { return true };
    let wanted = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => guard.products.iter().any(|product| product.to_string() == *text),
        other => guard.products.iter().any(|product| other.as_i64() == Some(product.0)),
    };
    named.products.iter().chain(&named.product).any(wanted)
}

fn nanos(instant: Instant) -> i64 {
    instant.0.saturating_mul(1_000)
}

#[expect(
    clippy::disallowed_methods,
    reason = "gateways agree by the machines' clocks; there is no database here whose time they could ask"
)]
fn now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::ProductId;

    #[test]
    fn a_body_concerns_a_room_when_it_names_one_of_its_products_or_cannot_be_read() {
        let guard =
            Guard { method: "POST".to_owned(), path: "/v1/payments/buy".to_owned(), products: vec!["4711".parse::<ProductId>().unwrap()] };
        for body in [r#"{"products":[1,4711]}"#, r#"{"product":"4711"}"#, r#"{"products":["4711"]}"#, "not json", r#"{"products":4711}"#] {
            assert!(concerns(&guard, body.as_bytes()), "{body}");
        }
        assert!(!concerns(&guard, br#"{"products":[1,2]}"#));
        assert!(concerns(&Guard { products: Vec::new(), ..guard }, b"{}"));
    }
}
