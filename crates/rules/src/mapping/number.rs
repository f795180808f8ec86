//! Decimal numbers as logs write them, read into whole ones without a detour through floats.
//! Refuses what is no number, what does not fit 64 bits, and fractions unless the mapping says how to round.

/// What becomes of a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// It is no whole number then.
    Exact,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// To the nearer one, halves up.
    Nearest,
}

/// How a number becomes a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numeric {
    /// Multiplied by this first: cents of a price, microseconds of seconds.
    pub(super) times: i64,
    pub(super) round: Round,
}

impl Numeric {
    /// Whole numbers as they are.
    pub(super) const PLAIN: Numeric = Numeric { times: 1, round: Round::Exact };
}

/// Longest text that is read as a number; no 64-bit number needs more.
const TEXT_MAX: usize = 48;
/// Digits that fit 64 bits whatever they are.
const DIGITS_SAFE: usize = 18;

/// The whole number that a text means.
pub(super) fn whole(text: &str, how: Numeric) -> Option<i64> {
    if let Some(number) = plain(text.as_bytes()) {
        return number.checked_mul(how.times);
    }
    let scaled = Decimal::read(text)?.times(how.times)?;
    i64::try_from(scaled.round(how.round)?).ok()
}

/// A text as millionths, rounded down, to compare numbers by.
pub(super) fn millionths(text: &str) -> Option<i128> {
    Decimal::read(text)?.times(1_000_000)?.round(Round::Down)
}

/// The usual case: a few digits, perhaps a minus.
fn plain(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > DIGITS_SAFE {
        return None;
    }
    let mut number = 0_i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(if negative { -number } else { number })
}

/// `digits` times ten to the power of `power`.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    digits: i128,
    power: i32,
}

impl Decimal {
    fn read(text: &str) -> Option<Decimal> {
        let bytes = text.as_bytes();
        if bytes.len() > TEXT_MAX {
            return None;
        }
        let (negative, rest) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (number, power) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&rest[..at], i32::try_from(plain(rest[at + 1..].strip_prefix(b"+").unwrap_or(&rest[at + 1..]))?).ok()?),
            None => (rest, 0),
        };
        let (before, after) = match number.iter().position(|&byte| byte == b'.') {
            Some(at) => (&number[..at], &number[at + 1..]),
            None => (number, &[][..]),
        };
        if before.is_empty() || (after.is_empty() && before.len() != number.len()) {
            return None;
        }
        let mut digits = 0_i128;
        for &byte in before.iter().chain(after) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            digits = digits.checked_mul(10)?.checked_add(i128::from(digit))?;
        }
        let power = power.checked_sub(i32::try_from(after.len()).ok()?)?;
        Some(Decimal { digits: if negative { -digits } else { digits }, power })
    }

    fn times(self, by: i64) -> Option<Decimal> {
        Some(Decimal { digits: self.digits.checked_mul(i128::from(by))?, ..self })
    }

    fn round(self, round: Round) -> Option<i128> {
        if self.digits == 0 {
            return Some(0);
        }
        if self.power >= 0 {
            return self.digits.checked_mul(10_i128.checked_pow(self.power.unsigned_abs())?);
        }
        // A divisor beyond 128 bits leaves less than any fraction that was written.
        let Some(unit) = 10_i128.checked_pow(self.power.unsigned_abs()) else {
            return match round {
                Round::Exact => None,
                Round::Down => Some(if self.digits < 0 { -1 } else { 0 }),
                Round::Up => Some(i128::from(self.digits > 0)),
                Round::Nearest => Some(0),
            };
        };
        let (down, left) = (self.digits.div_euclid(unit), self.digits.rem_euclid(unit));
        match round {
            _ if left == 0 => Some(down),
            Round::Exact => None,
            Round::Down => Some(down),
            Round::Up => Some(down + 1),
            Round::Nearest => Some(if left >= unit - left { down + 1 } else { down }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(text: &str, times: i64, round: Round) -> Option<i64> {
        whole(text, Numeric { times, round })
    }

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        for (text, number) in
            [("0", 0), ("-7", -7), ("+7", 7), ("1e3", 1000), ("1.50e1", 15), ("9223372036854775807", i64::MAX), ("12.0", 12)]
        {
            assert_eq!(whole(text, Numeric::PLAIN), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_is_refused() {
        let texts = [
            "",
            "-",
            "1.",
            ".5",
            "1.5",
            "0x1f",
            "1e",
            "e5",
            "1e400",
            "1_000",
            " 1",
            "9223372036854775808",
            "NaN",
            "inf",
            "١",
            "--1",
            "1e9999999999",
        ];
        for text in texts.into_iter().chain([&*"9".repeat(60)]) {
            assert_eq!(whole(text, Numeric::PLAIN), None, "{text}");
        }
    }

    #[test]
    fn fractions_are_rounded_as_told() {
        assert_eq!(rounded("12.34", 100, Round::Exact), Some(1234));
        assert_eq!(rounded("12.345", 100, Round::Exact), None);
        assert_eq!([Round::Down, Round::Nearest, Round::Up].map(|round| rounded("2.5", 1, round)), [Some(2), Some(3), Some(3)]);
        assert_eq!([Round::Down, Round::Nearest, Round::Up].map(|round| rounded("-2.5", 1, round)), [Some(-3), Some(-2), Some(-2)]);
        assert_eq!([Round::Down, Round::Nearest, Round::Up].map(|round| rounded("1e-45", 1, round)), [Some(0), Some(0), Some(1)]);
    }
}
