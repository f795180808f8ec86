//! Writes numbers and times as text, without a detour through formatting.
//! Knows years of four digits only.

use kernel::Instant;
use kernel::time::SECOND_US;

pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// A number in decimal digits.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let (mut left, mut at) = (number, digits.len());
    loop {
        at -= 1;
        digits[at] = digit(left % 10);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The last digits of a number, with zeros before it.
pub(super) fn padded<const WIDTH: usize>(out: &mut Vec<u8>, number: u64) {
    let mut digits = [b'0'; WIDTH];
    let mut left = number;
    for place in digits.iter_mut().rev() {
        *place = digit(left % 10);
        left /= 10;
    }
    out.extend_from_slice(&digits);
}

/// A number in sixteen hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 16];
    for (place, nibble) in digits.iter_mut().zip((0..16).rev()) {
        *place = b"0123456789abcdef"[usize::try_from((number >> (nibble * 4)) & 15).unwrap_or(0)];
    }
    out.extend_from_slice(&digits);
}

/// Date and time as `2026-11-21T09:00:00`, seconds east of UTC, with any separator between.
pub(super) fn time(out: &mut Vec<u8>, at: Instant, offset_s: i64, separator: u8) {
    let local_s = at.unix_seconds() + offset_s;
    let (days, second) = (local_s.div_euclid(86_400), local_s.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let two = |out: &mut Vec<u8>, value: i64, before: u8| {
        let value = value.unsigned_abs();
        out.extend_from_slice(&[before, digit(value / 10 % 10), digit(value % 10)]);
    };
    padded::<4>(out, year.unsigned_abs());
    two(out, month, b'-');
    two(out, day, b'-');
    two(out, second / 3_600, separator);
    two(out, second / 60 % 60, b':');
    two(out, second % 60, b':');
}

/// The milliseconds of a time, as `.123`.
pub(super) fn millis(out: &mut Vec<u8>, at: Instant) {
    out.push(b'.');
    padded::<3>(out, at.0.rem_euclid(SECOND_US).unsigned_abs() / 1_000);
}

fn digit(value: u64) -> u8 {
    b'0' + u8::try_from(value).unwrap_or(0)
}

/// Year, month and day of days from 1970, by Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
fn date(days: i64) -> (i64, i64, i64) {
    let from_march = days + 719_468;
    let (era, day_of_era) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}
