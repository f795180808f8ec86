//! Time as the database keeps it: whole microseconds since 1970 in UTC.
//! Refuses to know what time it is: whoever decides is handed `now`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Microseconds of 24 hours.
pub const DAY_US: i64 = 24 * HOUR_US;
/// Microseconds of an hour.
pub const HOUR_US: i64 = 3_600_000_000;
/// Microseconds of a second.
pub const SECOND_US: i64 = 1_000_000;

/// A moment in UTC, to the microsecond; shown as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

impl Instant {
    /// This moment and some microseconds, held within what an instant can be.
    pub fn plus_us(self, us: i64) -> Instant {
        Instant(self.0.saturating_add(us))
    }

    /// Microseconds from `earlier` to this moment; negative when it is not earlier.
    pub fn since_us(self, earlier: Instant) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds since 1970, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(SECOND_US)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(stamp) => write!(f, "{stamp:.6}"),
            Err(_) => write!(f, "{} us", self.0),
        }
    }
}

impl FromStr for Instant {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let stamp: jiff::Timestamp =
            text.parse().map_err(|_| format!("{text:?} is not a time: RFC 3339 as 2026-11-21T09:00:00Z would be right"))?;
        Ok(Instant(stamp.as_microsecond()))
    }
}

impl Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_back_as_it_was_written() {
        let instant = Instant(1_795_250_096_123_456);
        assert_eq!(instant.to_string().parse(), Ok(instant));
        assert!("yesterday".parse::<Instant>().unwrap_err().contains("RFC 3339"));
    }
}
