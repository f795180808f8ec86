//! Reads counts, flags, bands and lists in all the ways writers of the set put them down.
//! A value of another type counts as missing: none of these fields is worth losing a game for.

use std::borrow::Cow;

use super::problem::Reason;
use super::{json, text};

/// Genres, studios, categories or tags of one game.
pub const TEXTS_MAX: usize = 256;
/// Pictures, films or languages of one game.
pub const MEDIA_MAX: usize = 1_000;

/// Members under which a list's item carries its text when it is an object, as the shop's own API writes it.
const TEXT_MEMBERS: [&str; 6] = ["description", "name", "path_full", "max", "mp4", "url"];

/// A count: a number whose fraction is dropped, or a text such as `1,234` or `17+`. Negative and missing ones are 0.
pub(super) fn count(raw: Option<&str>) -> i64 {
    let Some(raw) = raw else { return 0 };
    let decoded = json::text(raw);
    let text = decoded.as_deref().unwrap_or(raw).trim();
    if text.contains(['e', 'E']) {
        return 0;
    }
    digits(text).map_or(0, |(value, _)| value)
}

/// A whole percentage from 0 to 100; anything else is 0.
pub(super) fn percent(raw: Option<&str>) -> u8 {
    u8::try_from(count(raw)).ok().filter(|value| *value <= 100).unwrap_or(0)
}

/// An age in years, at most 99.
pub(super) fn age(raw: Option<&str>) -> u8 {
    u8::try_from(count(raw).min(99)).unwrap_or(0)
}

/// `true`, `1`, `"true"`, `"yes"`.
pub(super) fn flag(raw: Option<&str>) -> bool {
    let Some(raw) = raw else { return false };
    let text = json::inner(raw).unwrap_or(raw);
    ["true", "1", "yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes))
}

/// `"20000 - 50000"`, `"20,000 .. 50,000"` or one number for both.
pub(super) fn band(raw: Option<&str>) -> (i64, i64) {
    let Some(raw) = raw else { return (0, 0) };
    let decoded = json::text(raw);
    let text = decoded.as_deref().unwrap_or(raw).trim();
    let Some((low, rest)) = digits(text) else { return (0, 0) };
    let second = rest.find(|c: char| c.is_ascii_digit()).and_then(|at| digits(&rest[at..]));
    let separated = rest.trim_start().starts_with(['-', '–']) || rest.contains("..");
    match second {
        Some((high, _)) if separated => (low.min(high), low.max(high)),
        _ => (low, low),
    }
}

/// The number at the start of a text, commas between its digits passed over, and what follows it.
fn digits(text: &str) -> Option<(i64, &str)> {
    let mut value: Option<i64> = None;
    let mut end = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                let digit = i64::from(byte - b'0');
                value = Some(value.unwrap_or(0).saturating_mul(10).saturating_add(digit));
                end = at + 1;
            }
            b',' if value.is_some() => {}
            _ => break,
        }
    }
    value.map(|value| (value, &text[end..]))
}

/// A text of one line; a number counts as its digits.
pub(super) fn line(raw: Option<&str>) -> Cow<'_, str> {
    raw.and_then(scalar).map_or(Cow::Borrowed(""), text::line)
}

/// An address; empty when it is no text.
pub(super) fn address(raw: Option<&str>) -> Cow<'_, str> {
    raw.and_then(json::text).map_or(Cow::Borrowed(""), text::address)
}

fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    json::text(raw).or_else(|| raw.starts_with(|c: char| c.is_ascii_digit() || c == '-').then_some(Cow::Borrowed(raw)))
}

/// How a list that is one text is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// `"Action,Indie"` are two: genres hold no commas.
    Split,
    /// `"Valve, Ltd."` is one: names of companies do.
    Keep,
}

/// Short texts: trimmed, empty ones dropped, each once whatever its case, the first spelling kept.
pub(super) fn texts<'a>(field: &'static str, raw: Option<&'a str>, whole: Whole) -> Result<Vec<Cow<'a, str>>, Reason> {
    let mut list: Vec<Cow<'a, str>> = Vec::new();
    let mut add = |text: Cow<'a, str>| {
        if text.is_empty() || list.iter().any(|known| same(known, &text)) {
            return Ok(());
        }
        if list.len() == TEXTS_MAX {
            return Err(Reason::TooMany { field, max: TEXTS_MAX });
        }
        list.push(text);
        Ok(())
    };
    let Some(raw) = raw else { return Ok(list) };
    match json::text(raw) {
        Some(text) if whole == Whole::Split => {
            for part in text.split([',', ';']) {
                add(Cow::Owned(text::line(Cow::Borrowed(part)).into_owned()))?;
            }
        }
        Some(text) => add(text::line(text))?,
        None => {
            for item in json::items(raw) {
                add(item_text(item).map_or(Cow::Borrowed(""), text::line))?;
            }
        }
    }
    Ok(list)
}

/// Addresses and languages, as they come; empty ones dropped.
pub(super) fn media<'a>(field: &'static str, raw: Option<&'a str>) -> Result<Vec<Cow<'a, str>>, Reason> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let mut list = Vec::new();
    for item in json::items(raw) {
        let text = item_text(item).map_or(Cow::Borrowed(""), text::address);
        if text.is_empty() {
            continue;
        }
        if list.len() == MEDIA_MAX {
            return Err(Reason::TooMany { field, max: MEDIA_MAX });
        }
        list.push(text);
    }
    Ok(list)
}

/// Tags with their votes: an object, or a list of names without votes.
pub(super) fn tags<'a>(raw: Option<&'a str>) -> Result<Vec<(Cow<'a, str>, i64)>, Reason> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let mut list: Vec<(Cow<'a, str>, i64)> = Vec::new();
    let named = json::members(raw).map(|(key, votes)| (key, count(Some(votes))));
    for (item, votes) in named.chain(json::items(raw).map(|item| (item, 0))) {
        let tag = item_text(item).map_or(Cow::Borrowed(""), text::line);
        if tag.is_empty() || list.iter().any(|(known, _)| same(known, &tag)) {
            continue;
        }
        if list.len() == TEXTS_MAX {
            return Err(Reason::TooMany { field: "tags", max: TEXTS_MAX });
        }
        list.push((tag, votes));
    }
    Ok(list)
}

fn item_text(item: &str) -> Option<Cow<'_, str>> {
    scalar(item).or_else(|| TEXT_MEMBERS.iter().find_map(|name| json::text(json::member(item, name)?)))
}

fn same(a: &str, b: &str) -> bool {
    if a.is_ascii() || b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}
