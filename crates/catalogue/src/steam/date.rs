//! Reads release dates as the shop, its API and other scrapers write them.
//! What is no date stays a text: `Coming soon` and `When it's done` are fine.

use std::borrow::Cow;

use jiff::civil::Date;

use super::{json, value};

/// Games outside these years are misread numbers.
const YEARS: std::ops::RangeInclusive<i16> = 1950..=2199;
const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
/// No date has more words and numbers than this.
const PARTS_MAX: usize = 6;

/// When a game came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Release<'a> {
    pub(super) date: Option<Date>,
    pub(super) text: Cow<'a, str>,
    pub(super) coming_soon: bool,
}

/// Takes a text, a year as a number, or an object of `date` and `coming_soon`.
pub(super) fn read(raw: Option<&str>) -> Release<'_> {
    let Some(raw) = raw else { return Release::default() };
    let (written, coming_soon) = match raw.starts_with('{') {
        true => (json::member(raw, "date"), value::flag(json::member(raw, "coming_soon"))),
        false => (Some(raw), false),
    };
    let text = value::line(written);
    Release { date: parse(&text), text, coming_soon }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year(i16),
    Month(i8),
    /// A day or, between hyphens, a month.
    Small(i8),
}

/// A month without a day is its first day, a year without a month its first.
fn parse(text: &str) -> Option<Date> {
    use Part::{Month, Small, Year};
    let day_part = clock_dropped(text);
    let parts = parts(day_part)?;
    // 09/12/2019 is December in one country and September in another.
    let (year, month, day) = match *parts.as_slice() {
        [Year(year)] => (year, 1, 1),
        [Year(year), Small(month)] | [Month(month), Year(year)] | [Year(year), Month(month)] => (year, month, 1),
        [Year(year), Small(month), Small(day)] => (year, month, day),
        [Month(month), Small(day), Year(year)] | [Small(day), Month(month), Year(year)] | [Year(year), Month(month), Small(day)] => {
            (year, month, day)
        }
        _ => return None,
    };
    YEARS.contains(&year).then(|| Date::new(year, month, day).ok()).flatten()
}

/// `2009-11-16T00:00:00Z` and `2009-11-16 00:00:00` are dates with a time of day that means nothing.
fn clock_dropped(text: &str) -> &str {
    match text.split_at_checked(10) {
        Some((date, clock)) if clock.starts_with(['T', ' ']) && clock.contains(':') && date.is_ascii() => date,
        _ => text,
    }
}

/// The words and numbers of a date; `None` as soon as one fits no date.
fn parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::with_capacity(3);
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let same_kind = |c: char| c.is_ascii_digit() == first.is_ascii_digit() && c.is_alphanumeric() == first.is_alphanumeric();
        let end = rest.find(|c| !same_kind(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if first.is_ascii_digit() {
            parts.push(number(word)?);
        } else if first.is_alphanumeric() {
            parts.extend(month(word, parts.last())?);
        } else if !word.chars().all(|c| matches!(c, ' ' | ',' | '.' | '/' | '-' | '\u{a0}')) {
            return None;
        }
        if parts.len() > PARTS_MAX {
            return None;
        }
    }
    Some(parts)
}

fn number(digits: &str) -> Option<Part> {
    match digits.len() {
        1 | 2 => digits.parse().ok().map(Part::Small),
        4 => digits.parse().ok().map(Part::Year),
        _ => None,
    }
}

/// `Some(None)` for words that add nothing: the endings of `21st`, and what follows numbers in Chinese, Japanese and Korean.
fn month(word: &str, before: Option<&Part>) -> Option<Option<Part>> {
    let lower = word.to_lowercase();
    if before.is_some() && matches!(lower.as_str(), "st" | "nd" | "rd" | "th" | "年" | "月" | "日" | "년" | "월" | "일") {
        return Some(None);
    }
    let short = if lower == "sept" { "sep" } else { lower.as_str() };
    let at = MONTHS.iter().position(|name| *name == lower || (short.len() == 3 && name.starts_with(short)))?;
    i8::try_from(at + 1).ok().map(|month| Some(Part::Month(month)))
}
