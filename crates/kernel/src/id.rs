//! Ids as types, so that a payment's id cannot be passed where an order's is meant.
//! Refuses to make ids that two processes could both make: all but products are UUID version 7 (RFC 9562).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
pub use uuid::Uuid;

/// A text that is not the id it should be; says what one looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadId(String);

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for BadId {}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id; ids made later sort later, to the millisecond.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The sixteen bytes that are stored.
            pub fn bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Uuid::parse_str(text).map(Self).map_err(|_| {
                    BadId(format!("{text:?} is not an id: 36 characters as 01890a5d-ac96-774b-bcce-b302099a8057 would be right"))
                })
            }
        }

        impl From<[u8; 16]> for $name {
            fn from(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }
    )+};
}

uuid_ids! {
    /// A person's account.
    UserId,
    /// A signed-in session of an account.
    SessionId,
    /// An order.
    OrderId,
    /// A payment of an order.
    PaymentId,
    /// One refund of a payment, whole or in part.
    RefundId,
    /// A hold on limited stock.
    HoldId,
    /// An API key of a game.
    KeyId,
    /// What a player was granted for a goal.
    ClaimId,
    /// An item that a game team hands out.
    FulfilmentId,
    /// An endpoint that a game's events are sent to.
    WebhookId,
    /// One event on its way to one webhook.
    DeliveryId,
    /// A currency granted to many players of a game.
    GrantId,
    /// A banner of a game.
    BannerId,
}

/// A product of the catalogue: a positive number, given in order by the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProductId(pub i64);

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ProductId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        match text.parse() {
            Ok(number) if number > 0 => Ok(Self(number)),
            _ => Err(BadId(format!("{text:?} is not a product id: a positive whole number would be right"))),
        }
    }
}

/// A game that sends logs and has a team: 2 to 40 of a-z, 0-9 and -, chosen by whoever registers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct GameId(String);

impl GameId {
    /// The id as it stands in paths.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for GameId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let fits = (2..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId(format!("{text:?} is not a game id: 2 to 40 of a-z, 0-9 and inner hyphens would be right")))
        }
    }
}

impl<'de> Deserialize<'de> for GameId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_later_sort_later() {
        let ids: Vec<OrderId> = (0..1000).map(|_| OrderId::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn a_text_that_is_no_id_says_what_would_be_right() {
        assert!("7".parse::<OrderId>().unwrap_err().to_string().contains("\"7\" is not an id"));
        assert!("-1".parse::<ProductId>().unwrap_err().to_string().contains("positive whole number"));
        assert!("Kart Rider".parse::<GameId>().is_err());
        assert_eq!("kartrider".parse::<GameId>().unwrap().as_str(), "kartrider");
    }
}
