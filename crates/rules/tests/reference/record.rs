//! A record of one player as tests keep it: owned, printable, and readable from what was printed.
//! Refuses mappings: a case begins with events.

use kernel::Instant;
use rules::{Event, Value};
use serde::{Deserialize, Serialize};

/// The attributes every generated record has, in their order.
pub(crate) const ATTRIBUTES: [&str; 7] = ["mode", "level", "foe_level", "ranked", "server", "score", "slot"];

/// An attribute's value, as JSON writes it; null for a missing one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Attribute {
    Missing,
    Flag(bool),
    Integer(i64),
    Text(String),
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) kind: String,
    pub(crate) at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) appended_at: Option<Instant>,
    pub(crate) amount: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<String>,
    pub(crate) attributes: Vec<Attribute>,
}

impl Attribute {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Attribute::Missing => Value::Missing,
            Attribute::Flag(flag) => Value::Flag(*flag),
            Attribute::Integer(integer) => Value::Integer(*integer),
            Attribute::Text(text) => Value::Text(text),
        }
    }
}

impl Record {
    /// What is compared or counted under that name.
    pub(crate) fn named(&self, name: &str) -> Attribute {
        match name {
            "amount" => Attribute::Integer(self.amount),
            "item" => self.item.clone().map_or(Attribute::Missing, Attribute::Text),
            "kind" => Attribute::Text(self.kind.clone()),
            _ => {
                let slot = ATTRIBUTES.iter().position(|known| *known == name).unwrap_or_else(|| panic!("no attribute {name}"));
                self.attributes[slot].clone()
            }
        }
    }

    /// Hands the record over as the event that rules judge.
    pub(crate) fn with_event<T>(&self, judge: impl FnOnce(&Event<'_>) -> T) -> T {
        let attributes: Vec<Value<'_>> = self.attributes.iter().map(Attribute::value).collect();
        judge(&Event {
            id: self.id,
            player: "p1",
            kind: &self.kind,
            at: self.at,
            amount: self.amount,
            item: self.item.as_deref(),
            attributes: &attributes,
        })
    }
}
