//! Small words of the document: a time of day and a weekday. Refuses seconds: no day begins at 04:00:30.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A time of day, `"00:00"` to `"23:59"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HourMinute {
    /// Minutes since midnight.
    pub minutes: u16,
}

impl HourMinute {
    /// Whether it is 00:00.
    pub fn is_midnight(&self) -> bool {
        self.minutes == 0
    }
}

impl PartialSchema for HourMinute {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([01][0-9]|2[0-3]):[0-5][0-9]$"));
        RefOr::T(Schema::Object(text.description(Some("A time of day, to the minute")).examples(["04:00"]).build()))
    }
}
impl ToSchema for HourMinute {}

impl fmt::Display for HourMinute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl FromStr for HourMinute {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |at: usize| text.get(at..at + 2).filter(|two| two.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<u16>().ok();
        match (digits(0), text.as_bytes().get(2), digits(3), text.len()) {
            (Some(hour), Some(b':'), Some(minute), 5) if hour < 24 && minute < 60 => Ok(HourMinute { minutes: hour * 60 + minute }),
            _ => Err(format!("{text:?} is not a time of day: \"04:00\" would be right")),
        }
    }
}

impl Serialize for HourMinute {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HourMinute {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// 0 for Monday to 6 for Sunday.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The weekday of a day counted from 1970-01-01, which was a Thursday; 0 for Monday.
    pub fn index_of(day: i64) -> usize {
        usize::try_from((day + 3).rem_euclid(7)).expect("a remainder of 7 is small")
    }
}
