//! The condition of a goal as it is written. Refuses to judge: the plan does, from what is compiled here.

use super::{Filter, HourMinute, Period, Weekday};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// When a goal is reached: a `measure` of events (or of another goal), or `all_of` / `any_of` other goals.
/// What does not go together is refused with its path.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// What is measured; none for `all_of` and `any_of`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// Kinds of events that count, as `["play"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// Count another goal's achievements instead of events (a goal feeds a goal); each is dated by the start of its period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_goal: Option<String>,
    /// Which of these events count; all if not given.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Only what happened in this time, within the campaign's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub during: Option<Period>,
    /// What is summed, compared or told apart: `amount` (sum, max), `item` (distinct, collect) or an attribute; those if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The items of a collection, 1 to 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// Multiplies what an event (for `days`: a day) counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// At most so much counts per day or period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap>,
    /// Progress begins anew in each of these; the whole campaign is one period if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<Per>,
    /// When this goal's days begin; the campaign's `day_starts_at` if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_starts_at: Option<HourMinute>,
    /// Sliding window: reached when any so many seconds hold the target. A window has its first moment and not its last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_s: Option<u32>,
    /// Count window: so many hits of so many events in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_a_row: Option<InARow>,
    /// Counts only from the moment on at which this goal was reached in the same period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Reached once, at so much. One of `target`, `tiers`, `repeat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<i64>,
    /// Reached at each of these, rising.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<i64>,
    /// Reached again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// Reached when all of these are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all_of: Vec<GoalTree>,
    /// Reached when any of these is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<GoalTree>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// How many events.
    Count,
    /// The sum of `value`.
    Sum,
    /// The largest `value`.
    Max,
    /// How many different `value`s.
    Distinct,
    /// How many of `items`, each once.
    Collect,
    /// On how many days.
    Days,
    /// On how many days running; a day without an event starts over.
    Streak,
}

/// A period of its own for progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Per {
    /// Its unit.
    pub unit: Unit,
    /// `week`: the day it begins; Monday if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekday: Option<Weekday>,
    /// `days`: how many days it has, counted from the campaign's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u16>,
    /// `length`: how many seconds it has, counted from the campaign's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// `slots`: the hours of the day; what happens outside does not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// Only the first so many periods count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
}

impl Per {
    /// Each day.
    pub fn day() -> Per {
        Per { unit: Unit::Day, weekday: None, days: None, seconds: None, slots: Vec::new(), rounds: None }
    }
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// An hour of the day, counted from the day's start.
    Hour,
    /// A day of the zone, from `day_starts_at`.
    Day,
    /// Seven such days, from `weekday`.
    Week,
    /// So many such days.
    Days,
    /// So many seconds.
    Length,
    /// Hours of the day.
    Slots,
}

/// Hours of the day on the zone's clock; over midnight if `until` is not later than `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The first minute.
    pub from: HourMinute,
    /// The first minute after it.
    pub until: HourMinute,
}

/// What something counts. Weekday and attribute multiply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Weight {
    /// By the weekday of its day, as `{"saturday": 2, "sunday": 2}`; 1 for others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weekdays: BTreeMap<Weekday, i64>,
    /// By this attribute: its number, or what `values` says of its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// What each text of the attribute weighs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, i64>,
    /// What weighs that is not named or missing; 1 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<i64>,
}

/// At most so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// How much counts at most.
    pub most: i64,
    /// In what.
    pub per: CapPer,
}

/// What a cap holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CapPer {
    /// Each day.
    Day,
    /// Each period of the goal.
    Period,
}

/// So many hits among so many events in a row; `target` says how many hits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InARow {
    /// How many events make a window.
    pub of: u16,
    /// Blocks that follow one another; any window if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocks: bool,
    /// Which of the events is a hit.
    pub hit: Filter,
}

/// Every so much, so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// For each so much.
    pub every: i64,
    /// At most so often in a period.
    pub up_to: i64,
}

/// Other goals, joined. Exactly one of `goal`, `all_of`, `any_of`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GoalTree {
    /// A goal of this campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// With `goal`: the tier or repeat that is meant, from 1; the first if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<i64>,
    /// All of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub all_of: Vec<GoalTree>,
    /// Any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub any_of: Vec<GoalTree>,
}
