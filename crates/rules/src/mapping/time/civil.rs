//! Calendar times as logs write them, before a zone makes moments of them.
//! Refuses days that no calendar has.

/// A time on a calendar and a clock, perhaps with its distance from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Civil {
    pub(super) year: i32,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) micros: u32,
    /// Seconds east of UTC, where the text says so.
    pub(super) offset_s: Option<i32>,
}

impl Civil {
    /// Seconds from 1970 on this calendar and clock, whatever their zone; none for a time that does not exist.
    /// A leap second counts as the one before it.
    pub(super) fn local_s(&self) -> Option<i64> {
        let days = self.days()?;
        if self.hour > 23 || self.minute > 59 || self.second > 60 {
            return None;
        }
        let second = self.second.min(59);
        Some(days * 86_400 + i64::from(self.hour * 3_600 + self.minute * 60 + second))
    }

    /// Days from 1970, by Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that a leap day is their last.
    fn days(&self) -> Option<i64> {
        if !(1..=12).contains(&self.month) || self.day == 0 || self.day > days_of(self.year, self.month) {
            return None;
        }
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month_from_march = i64::from((self.month + 9) % 12);
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(era * 146_097 + day_of_era - 719_468)
    }
}

fn days_of(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads numbers and signs off the front of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'t> {
    bytes: &'t [u8],
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Reader<'t> {
        Reader { bytes: text.as_bytes() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn peek(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    /// Takes this byte if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.bytes.first() == Some(&byte);
        if is_next {
            self.bytes = &self.bytes[1..];
        }
        is_next
    }

    /// Takes one of the words, without regard to ASCII case; its place in the list.
    pub(super) fn word(&mut self, words: &[&str]) -> Option<usize> {
        let is_next = |word: &&str| self.bytes.get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()));
        let found = words.iter().position(is_next)?;
        self.bytes = &self.bytes[words[found].len()..];
        Some(found)
    }

    /// A number of exactly so many digits.
    pub(super) fn digits(&mut self, count: usize) -> Option<u32> {
        self.number(count, count)
    }

    /// A number of `min` to `max` (at most 9) digits.
    pub(super) fn number(&mut self, min: usize, max: usize) -> Option<u32> {
        let count = self.bytes.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count();
        if count < min {
            return None;
        }
        let (digits, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        Some(digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    }

    /// All digits that follow, at least one, as a fraction of a second in microseconds; those beyond are cut off.
    pub(super) fn fraction(&mut self) -> Option<u32> {
        let count = self.bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        let (digits, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        let micros = digits.iter().take(6).fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        Some(micros * 10_u32.pow(u32::try_from(6 - count.min(6)).unwrap_or(0)))
    }

    /// A distance from UTC: `Z`, `UTC`, `+09`, `+09:00` or `+0900`; in seconds.
    pub(super) fn offset(&mut self) -> Option<i32> {
        if self.word(&["Z", "UTC", "GMT"]).is_some() {
            return Some(0);
        }
        let sign = match self.peek() {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.bytes = &self.bytes[1..];
        let hours = self.digits(2)?;
        let minutes = if self.take(b':') { self.digits(2)? } else { self.digits(2).unwrap_or(0) };
        let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
        (hours <= 18 && minutes <= 59).then_some(sign * seconds)
    }

    /// The rest, untouched.
    pub(super) fn literal(&mut self, text: &[u8]) -> bool {
        let is_next = self.bytes.starts_with(text);
        if is_next {
            self.bytes = &self.bytes[text.len()..];
        }
        is_next
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.take(b' ') {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for days in (-800_000..200_000).step_by(7) {
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days));
            let Ok(date) = date else { continue };
            let civil = Civil {
                year: date.year().into(),
                month: u32::from(date.month().unsigned_abs()),
                day: u32::from(date.day().unsigned_abs()),
                ..Civil::default()
            };
            assert_eq!(civil.days(), Some(days), "{date}");
        }
        let no_such = [(2023, 2, 29), (1900, 2, 29), (2024, 4, 31), (2024, 13, 1), (2024, 0, 1), (2024, 1, 0)];
        for (year, month, day) in no_such {
            assert_eq!(Civil { year, month, day, ..Civil::default() }.days(), None, "{year}-{month}-{day}");
        }
    }
}
