//! The data of webhooks: topics, endpoints and deliveries as callers see them, and what listeners are told.
//! Refuses to hold a secret: those are shown once and live sealed in their own table.

use kernel::{DeliveryId, GameId, Instant, Uuid, WebhookId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::str::FromStr;

macro_rules! topics {
    ($($(#[$doc:meta])* $name:ident => $text:literal;)+) => {
        /// What a webhook may hear of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum Topic {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl Topic {
            /// All topics, in the table's order.
            pub const ALL: &'static [Topic] = &[$(Topic::$name),+];

            /// The topic as it stands in announcements, requests and the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Topic::$name => $text),+ }
            }
        }
    };
}

topics! {
    /// A reward that the game's team delivers itself has been granted.
    FulfilmentCreated => "fulfilment.created";
    /// A reward that the game's team has delivered is to be taken back: what earned it was refunded.
    FulfilmentClawedBack => "fulfilment.clawed_back";
    /// A player has reached a goal.
    AchievementReached => "achievement.reached";
    /// A player's claim was granted.
    ClaimGranted => "claim.granted";
}

/// The topic of test events; nobody subscribes to it.
pub const TEST_TOPIC: &str = "webhook.test";

impl Topic {
    /// True where somebody is owed what it tells: that no webhook wants it is told to listeners then, and never passed over.
    pub(crate) fn is_owed(self) -> bool {
        self == Topic::FulfilmentCreated
    }
}

impl FromStr for Topic {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = Topic::ALL.iter().map(|topic| topic.as_str()).collect();
        let found = Topic::ALL.iter().find(|topic| topic.as_str() == text);
        found.copied().ok_or_else(|| format!("{text:?} is not a topic: one of {} would be right", names.join(", ")))
    }
}

/// Topics as they are stored: names with a space between them.
pub(crate) fn topics_text(topics: &BTreeSet<Topic>) -> String {
    topics.iter().map(|topic| topic.as_str()).collect::<Vec<_>>().join(" ")
}

/// Topics as they were stored; one that this version does not know is left out.
pub(crate) fn topics_of(text: &str) -> BTreeSet<Topic> {
    text.split(' ').filter_map(|name| name.parse().ok()).collect()
}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident => $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$case_doc])* $case,)+
        }

        impl $name {
            pub(crate) fn as_str(self) -> &'static str {
                match self { $($name::$case => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok($name::$case),)+
                    _ => Err(format!("{text:?} is no state of it")),
                }
            }
        }
    )+};
}

states! {
    /// Whether a webhook is sent to.
    WebhookState {
        /// It is sent to.
        Enabled => "enabled",
        /// Nothing new is sent to it, and what waited was parked; its team enables it again.
        Disabled => "disabled",
        /// It is gone, and will be forgotten with its last delivery.
        Deleted => "deleted",
    }
    /// Where a delivery stands.
    DeliveryState {
        /// It is sent when its time comes, or is under way.
        Due => "due",
        /// It waits behind an earlier one of its aggregate.
        Held => "held",
        /// It was answered with a 2xx.
        Delivered => "delivered",
        /// It is not tried any more: it failed too often, or its webhook was disabled. It can be redelivered.
        Parked => "parked",
    }
}

impl DeliveryState {
    pub(crate) fn waits(self) -> bool {
        matches!(self, DeliveryState::Due | DeliveryState::Held)
    }
}

/// An endpoint that a game's events are sent to, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Webhook {
    /// Its id.
    pub webhook: WebhookId,
    /// Where events are sent.
    #[schema(example = "https://game.example/hooks/guildhall")]
    pub url: String,
    /// What it hears of.
    pub topics: BTreeSet<Topic>,
    /// What its game calls it.
    pub description: String,
    /// Deliveries that each process has under way to it at once.
    pub concurrency: i64,
    /// Whether it is sent to.
    pub state: WebhookState,
    /// Why it is disabled; empty while it is enabled.
    pub reason: String,
    /// Deliveries that are due or held.
    pub waiting: i64,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub changed_at: Instant,
}

/// One event on its way to one webhook, without the event itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Delivery {
    /// Its id, for redelivering it.
    pub delivery: DeliveryId,
    /// The event's id, sent as `webhook-id` on every attempt.
    #[schema(value_type = String, format = "uuid")]
    pub event: Uuid,
    /// What kind of event.
    pub topic: String,
    /// What it is about.
    pub aggregate: String,
    /// Its version within that.
    pub version: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried since it was made or redelivered.
    pub attempts: i64,
    /// The status of the last answer; none where nothing answered.
    pub status: Option<i64>,
    /// The start of the last answer, or why there was none.
    pub told: String,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last tried.
    pub tried_at: Option<Instant>,
    /// When it is tried next; while it is under way, when that is given up.
    pub next_attempt_at: Option<Instant>,
    /// When it last got a 2xx.
    pub delivered_at: Option<Instant>,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its receiver answered with a 2xx.
    Delivered,
    /// It is not tried any more.
    Parked,
    /// No webhook of its game wants it.
    Unheard,
}

/// An event whose way has ended, as listeners hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The game.
    pub game: GameId,
    /// What kind of event.
    pub topic: String,
    /// What it is about, as `fulfilment/0190…`.
    pub aggregate: String,
    /// Its version within that.
    pub version: i64,
    /// The event's id.
    pub event: Uuid,
    /// How it ended.
    pub ending: Ending,
}
