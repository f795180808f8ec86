//! Reads a price in US dollars into cents, exactly: the digits are read as written, no float is involved.
//! Prices in other currencies are refused rather than taken for dollars.

use std::fmt;

use super::json;
use super::problem::{Reason, shorten};

/// The highest price accepted, in cents.
pub const PRICE_MINOR_MAX: i64 = 99_999_999;

/// What is wrong with a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceProblem {
    /// No number can be read from it.
    NotANumber,
    /// Below zero.
    Negative,
    /// Above [`PRICE_MINOR_MAX`].
    TooHigh,
    /// Not US dollars.
    OtherCurrency,
}

impl fmt::Display for PriceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => f.write_str("is not a number"),
            Self::Negative => f.write_str("is negative"),
            Self::TooHigh => write!(f, "is above {}.{:02}", PRICE_MINOR_MAX / 100, PRICE_MINOR_MAX % 100),
            Self::OtherCurrency => f.write_str("is in another currency"),
        }
    }
}

const DOLLAR_SIGNS: [&str; 4] = ["us$", "usd", "u$s", "$"];
const OTHER_CURRENCIES: [&str; 12] = ["€", "£", "¥", "₩", "₽", "₹", "eur", "gbp", "jpy", "krw", "rub", "cny"];
const FREE: [&str; 4] = ["free", "free to play", "free-to-play", "free to start"];

/// Cents of a JSON number or text. More than two decimals are rounded half up, as floats write 19.99 as 19.990000000000002.
pub(super) fn read(raw: Option<&str>) -> Result<i64, Reason> {
    let raw = raw.filter(|raw| *raw != "null").ok_or(Reason::PriceMissing)?;
    let refuse = |problem| Reason::Price { given: shorten(raw, 40), problem };
    match json::text(raw) {
        None if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => cents(raw).map_err(refuse),
        None => Err(refuse(PriceProblem::NotANumber)),
        Some(text) => match text.trim().to_ascii_lowercase().as_str() {
            "" | "nan" | "none" | "null" | "n/a" => Err(Reason::PriceMissing),
            free if FREE.contains(&free) => Ok(0),
            dollars => written(dollars).map_err(refuse),
        },
    }
}

/// `$1,299.50`, `19.99 usd`, `19,99`.
fn written(text: &str) -> Result<i64, PriceProblem> {
    if OTHER_CURRENCIES.iter().any(|sign| text.contains(sign)) {
        return Err(PriceProblem::OtherCurrency);
    }
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let bare = DOLLAR_SIGNS.iter().find_map(|sign| text.strip_prefix(sign).or_else(|| text.strip_suffix(sign)));
    let amount = bare.unwrap_or(text).trim();
    let value = cents(&with_point(amount)?)?;
    if negative && value != 0 { Err(PriceProblem::Negative) } else { Ok(value) }
}

/// Commas in groups of three digits are dropped; a single one before one or two digits at the end is the decimal comma.
fn with_point(amount: &str) -> Result<String, PriceProblem> {
    let (whole, fraction) = amount.split_once('.').map_or((amount, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match (rest.as_slice(), fraction) {
        ([], _) => Ok(amount.to_owned()),
        ([decimals], None) if matches!(decimals.len(), 1 | 2) && is_number(decimals) => Ok(format!("{first}.{decimals}")),
        (groups, _) if groups.iter().all(|group| group.len() == 3 && is_number(group)) && matches!(first.len(), 1..=3) => {
            Ok(amount.replace(',', ""))
        }
        _ => Err(PriceProblem::NotANumber),
    }
}

/// Cents of a decimal number with an optional sign, fraction and exponent.
fn cents(number: &str) -> Result<i64, PriceProblem> {
    let (negative, number) = number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || !digits().all(|byte| byte.is_ascii_digit()) {
        return Err(PriceProblem::NotANumber);
    }
    let exponent: i64 = exponent.parse().map_err(|_| PriceProblem::NotANumber)?;
    // Digits before this place count as whole cents; the one at it decides the rounding.
    let cents_end = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent).saturating_add(2);
    let value = leading(digits(), cents_end)?;
    if negative && value != 0 { Err(PriceProblem::Negative) } else { Ok(value) }
}

/// The number made of the first `end` digits, rounded half up by the next one.
fn leading(digits: impl Iterator<Item = u8>, end: i64) -> Result<i64, PriceProblem> {
    let mut value = 0_i64;
    let mut place = 0_i64;
    for digit in digits.map(|byte| i64::from(byte - b'0')) {
        if place < end {
            value = value * 10 + digit;
        } else if place == end && digit >= 5 {
            value += 1;
        }
        place += 1;
        if value > PRICE_MINOR_MAX {
            return Err(PriceProblem::TooHigh);
        }
    }
    while place < end && value != 0 {
        value *= 10;
        place += 1;
        if value > PRICE_MINOR_MAX {
            return Err(PriceProblem::TooHigh);
        }
    }
    Ok(value)
}
