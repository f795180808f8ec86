//! What a goal brings, how it is claimed and what it may cost. Refuses to grant anything: that is the campaigns' service.

use kernel::{Instant, ProductId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A reward: exactly one of `points`, `product`, `item`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reward {
    /// Only for this tier (from 1); for every achievement of the goal if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<i64>,
    /// Points for the player's wallet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<i64>,
    /// A product for the player's library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// Something of the game's own, delivered by its team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// How many of the item; 1 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
}

impl Reward {
    /// Whether it belongs to the n-th achievement of its goal.
    pub fn is_for(&self, n: i64) -> bool {
        self.tier.is_none_or(|tier| tier == n)
    }
}

/// How a reward reaches its player.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// By itself, soon after the goal was reached.
    Auto,
    /// When it is claimed.
    #[default]
    Claim,
}

/// The end of a claim: `at`, or `after` with `hours`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimUntil {
    /// At this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Instant>,
    /// After this …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<ClaimAfter>,
    /// … and so many hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
}

/// What a claim's time counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimAfter {
    /// The campaign's end.
    Campaign,
    /// The end of the period in which the goal was reached.
    Period,
    /// The moment the goal was reached.
    Achieved,
}

/// What all grants of a campaign together may cost, taken in the order of grants; each is without bound if not given.
/// A day is the campaign's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Points in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points_total: Option<i64>,
    /// Points a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points_per_day: Option<i64>,
    /// Claims granted in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants_total: Option<i64>,
    /// Claims granted a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants_per_day: Option<i64>,
}

impl ClaimUntil {
    /// The first moment at which it is too late, for a goal reached at `achieved` in a period that ends at `period_ends`.
    pub fn deadline(&self, campaign_ends: Instant, period_ends: Instant, achieved: Instant) -> Option<Instant> {
        let from = match self.after {
            None => return self.at,
            Some(ClaimAfter::Campaign) => campaign_ends,
            Some(ClaimAfter::Period) => period_ends,
            Some(ClaimAfter::Achieved) => achieved,
        };
        Some(from.plus_us(i64::from(self.hours.unwrap_or(0)) * kernel::time::HOUR_US))
    }
}
