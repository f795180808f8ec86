//! A filter as it is written: a small tree of tests. Refuses expressions, functions and anything that could run long.

use super::{Slot, Weekday};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A test of an event. One of `all`, `any`, `not`, `attribute` (with one or more comparisons, which must all hold), `hours`, `weekdays`.
/// A missing attribute fails every comparison but `present: false` and `is_not`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// All of these hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub all: Vec<Filter>,
    /// Any of these holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub any: Vec<Filter>,
    /// This does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub not: Option<Box<Filter>>,
    /// What is compared: an attribute of the mapping, `amount`, `item` or `kind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// It is this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<Scalar>,
    /// It is not this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_not: Option<Scalar>,
    /// It is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<Scalar>,
    /// It is a number, this or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<i64>,
    /// It is a number, this or less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<i64>,
    /// It is a text that begins so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begins_with: Option<String>,
    /// The event has it (`true`) or has it not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// It equals this attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// It is a number greater than this attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greater_than: Option<String>,
    /// It is a number within so much of another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<Near>,
    /// It happened in these hours of the zone's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Slot>,
    /// It happened on these weekdays of the zone's calendar.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<Weekday>,
}

/// Two numbers that are not far apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Near {
    /// The other attribute.
    pub attribute: String,
    /// The largest difference, either way.
    pub within: i64,
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a whole number, a text, true or false would be right")]
pub enum Scalar {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}
