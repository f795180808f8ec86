//! The campaign document: what a campaign manager writes, and what may be written in it.
//! Refuses unknown fields and whatever the limits do not hold, each with its path; knows nothing of players.

mod condition;
mod filter;
pub mod limits;
mod rewards;
mod shape;
mod validate;
mod words;

pub use condition::{Cap, CapPer, Condition, GoalTree, InARow, Measure, Per, Repeat, Slot, Unit, Weight};
pub use filter::{Filter, Near, Scalar};
pub use rewards::{Budget, Claim, ClaimAfter, ClaimUntil, Reward};
pub use shape::same_shape;
pub use words::{HourMinute, Weekday};

use crate::event::Fault;
use kernel::{GameId, Instant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A campaign: some goals of one game for a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// Its name in paths: 2 to 60 of a-z, 0-9 and inner hyphens.
    pub id: String,
    /// The game whose logs it judges.
    pub game: GameId,
    /// For people.
    pub title: String,
    /// For people, longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it runs; what happened outside does not count.
    pub period: Period,
    /// IANA name of the zone whose days and weeks count, as `Asia/Seoul`.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub zone: String,
    /// When a day begins, on the zone's clock.
    #[serde(default, skip_serializing_if = "HourMinute::is_midnight")]
    pub day_starts_at: HourMinute,
    /// Seconds a record may come after it happened and still count; 600 if not given.
    #[serde(default = "usual_late_s")]
    pub late_s: u32,
    /// Whether a player must opt in first; what happened before that does not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opt_in: bool,
    /// What an event must be to count for any goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligible: Option<Filter>,
    /// Whose progress it is; the player's if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The goals, at least one. Their order is part of the campaign: a version that keeps progress may only add at the end.
    pub goals: Vec<Goal>,
    /// What all grants together may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// From a moment to a moment; the end is no longer part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The first moment.
    pub starts: Instant,
    /// The first moment after it.
    pub ends: Instant,
}

/// Progress of its own for each value of an attribute, as each character of a player.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignScope)]
pub struct Scope {
    /// The attribute: a text, a whole number, or a flag as `true` and `false`; an event without it does not count.
    pub attribute: String,
    /// How many values of one player are followed, 1 to 64; events of further ones do not count.
    #[serde(default = "usual_scopes")]
    pub max: u8,
}

/// Something to reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// Its name within the campaign: 1 to 60 of a-z, 0-9 and inner hyphens.
    pub id: String,
    /// For people.
    pub title: String,
    /// When it is reached.
    pub condition: Condition,
    /// What it brings; none for a goal that only serves another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewards: Vec<Reward>,
    /// Whether the reward comes by itself or is claimed.
    #[serde(default)]
    pub claim: Claim,
    /// Until when it may be claimed; for ever if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_until: Option<ClaimUntil>,
    /// Whether the reward is taken back when the purchase it was earned by is refunded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clawback: bool,
}

impl Campaign {
    /// Reads a document and checks it; every fault that was found, each with its path.
    pub fn parse(json: &str) -> Result<Campaign, Vec<Fault>> {
        if json.len() > limits::DOCUMENT_BYTES_MAX {
            let reason = format!("it has {} bytes: at most {} would be right", json.len(), limits::DOCUMENT_BYTES_MAX);
            return Err(vec![Fault { path: String::new(), reason }]);
        }
        let mut reader = serde_json::Deserializer::from_str(json);
        let campaign: Campaign = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            vec![Fault { path: if path == "." { String::new() } else { path }, reason: error.inner().to_string() }]
        })?;
        reader.end().map_err(|error| vec![Fault { path: String::new(), reason: error.to_string() }])?;
        let faults = campaign.faults();
        if faults.is_empty() { Ok(campaign) } else { Err(faults) }
    }

    /// Everything that is wrong with it; empty if it may run. Whether its attributes exist is for [`crate::Plan::compile`].
    pub fn faults(&self) -> Vec<Fault> {
        validate::campaign(self)
    }

    /// The goal of that name and its place.
    pub fn goal(&self, id: &str) -> Option<(usize, &Goal)> {
        self.goals.iter().enumerate().find(|(_, goal)| goal.id == id)
    }

    /// The published JSON Schema (2020-12) of the document.
    pub fn schema() -> serde_json::Value {
        let mut named = Vec::new();
        <Campaign as ToSchema>::schemas(&mut named);
        named.push((Campaign::name().into_owned(), <Campaign as utoipa::PartialSchema>::schema()));
        let definitions: serde_json::Map<String, serde_json::Value> =
            named.into_iter().filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?))).collect();
        let whole = serde_json::json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Guildhall campaign",
            "$ref": "#/$defs/Campaign",
            "$defs": definitions,
        });
        // The types' own references point into an OpenAPI document.
        let text = whole.to_string().replace("#/components/schemas/", "#/$defs/");
        serde_json::from_str(&text).expect("what was just printed as JSON reads as JSON")
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

fn usual_late_s() -> u32 {
    600
}

fn usual_scopes() -> u8 {
    16
}
