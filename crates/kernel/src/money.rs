//! Money: whole minor units with their currency, and only checked arithmetic.
//! Refuses floats, and refuses to add what is of two currencies.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A currency's code: 3 to 12 of A-Z, as `USD` (ISO 4217) or `POINTS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    len: u8,
    letters: [u8; 12],
}

impl Currency {
    /// US dollars, the catalogue's default; minor unit: cent.
    pub const USD: Currency = Currency::known("USD");
    /// The store's points by default; they have no smaller unit.
    pub const POINTS: Currency = Currency::known("POINTS");

    #[expect(clippy::cast_possible_truncation, reason = "codes have at most twelve letters, and a longer one does not fit the array")]
    const fn known(code: &str) -> Currency {
        let bytes = code.as_bytes();
        let mut letters = [0; 12];
        let mut i = 0;
        while i < bytes.len() {
            letters[i] = bytes[i];
            i += 1;
        }
        Currency { len: bytes.len() as u8, letters }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.letters[..usize::from(self.len)]).expect("only A-Z are ever stored")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if (3..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase()) {
            Ok(Currency::known(text))
        } else {
            Err(format!("{text:?} is not a currency: 3 to 12 of A-Z as USD or POINTS would be right"))
        }
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in minor units of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Money {
    /// Minor units: cents of `USD`, whole points of `POINTS`.
    pub minor: i64,
    /// The currency the minor units are of.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.minor, self.currency)
    }
}

/// The whole quotient of two positive numbers, halves rounded up. None when it does not fit.
pub fn div_half_up(numerator: i128, denominator: i128) -> Option<i64> {
    if numerator < 0 || denominator <= 0 {
        return None;
    }
    i64::try_from(numerator.checked_mul(2)?.checked_add(denominator)? / denominator.checked_mul(2)?).ok()
}

/// A price after `percent` off, in the same minor units, halves rounded up. Percent above 100 counts as 100.
pub fn percent_off(minor: i64, percent: u8) -> i64 {
    let rest = 100 - i128::from(percent.min(100));
    div_half_up(i128::from(minor.max(0)) * rest, 100).expect("a share of an i64 fits an i64")
}

/// What a price in US cents costs in points, halves rounded up; None when it overflows.
/// The rate is points per whole dollar, 1300 in the system this follows.
pub fn cents_to_points(cents: i64, points_per_usd: i64) -> Option<i64> {
    div_half_up(i128::from(cents) * i128::from(points_per_usd), 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_is_taken_off_and_halves_round_up() {
        assert_eq!(percent_off(1999, 75), 500, "499.75 rounds to 500");
        assert_eq!(percent_off(1, 50), 1, "half a cent rounds up");
        assert_eq!(percent_off(999, 100), 0);
        assert_eq!(percent_off(i64::MAX, 0), i64::MAX);
    }

    #[test]
    fn dollars_become_points_at_the_rate() {
        assert_eq!(cents_to_points(599, 1300), Some(7787));
        assert_eq!(cents_to_points(1, 1350), Some(14), "13.5 rounds up");
        assert_eq!(cents_to_points(i64::MAX, 1300), None);
    }

    #[test]
    fn a_currency_is_capital_letters() {
        assert_eq!("POINTS".parse(), Ok(Currency::POINTS));
        assert!("points".parse::<Currency>().unwrap_err().contains("A-Z"));
    }
}
