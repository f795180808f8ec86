//! Walks over JSON values that a parser has already accepted, borrowing their raw text.
//! It checks nothing: on text that is not JSON it answers nonsense, but does not panic.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// The items of a list; nothing when it is no list.
pub(super) fn items(raw: &str) -> impl Iterator<Item = &str> {
    let mut walk = Walk::inside(raw, b'[');
    std::iter::from_fn(move || walk.value())
}

/// The members of an object, keys still in quotes; nothing when it is no object.
pub(super) fn members(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut walk = Walk::inside(raw, b'{');
    std::iter::from_fn(move || Some((walk.value()?, walk.value()?)))
}

/// The value of a member of an object.
pub(super) fn member<'j>(raw: &'j str, key: &str) -> Option<&'j str> {
    members(raw).find(|(quoted, _)| inner(quoted) == Some(key)).map(|(_, value)| value)
}

/// What stands between the quotes, escapes and all; `None` when the value is no text.
pub(super) fn inner(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"')
}

/// The text that a JSON text stands for; `None` when the value is something else.
pub(super) fn text(raw: &str) -> Option<Cow<'_, str>> {
    inner(raw).map(unescape)
}

/// Halves of surrogate pairs that stand alone become U+FFFD, as no text can hold them.
pub(super) fn unescape(inner: &str) -> Cow<'_, str> {
    let Some(first) = memchr(b'\\', inner.as_bytes()) else { return Cow::Borrowed(inner) };
    let mut text = String::with_capacity(inner.len());
    text.push_str(&inner[..first]);
    let mut rest = &inner[first..];
    while let Some(escape) = rest.strip_prefix('\\') {
        let (c, used) = escaped_char(escape);
        text.push(c);
        let after = escape.get(used..).unwrap_or_default();
        let next = memchr(b'\\', after.as_bytes()).unwrap_or(after.len());
        text.push_str(&after[..next]);
        rest = &after[next..];
    }
    Cow::Owned(text)
}

/// The character behind a backslash, and how many bytes of `escape` stand for it.
fn escaped_char(escape: &str) -> (char, usize) {
    match escape.as_bytes().first() {
        Some(b'n') => ('\n', 1),
        Some(b't') => ('\t', 1),
        Some(b'r') => ('\r', 1),
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'u') => unicode_escape(escape),
        Some(_) => escape.chars().next().map_or((char::REPLACEMENT_CHARACTER, 0), |c| (c, c.len_utf8())),
        None => (char::REPLACEMENT_CHARACTER, 0),
    }
}

fn unicode_escape(escape: &str) -> (char, usize) {
    let unit = |at: usize| escape.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let Some(first) = unit(1) else { return (char::REPLACEMENT_CHARACTER, 1) };
    if (0xD800..0xDC00).contains(&first)
        && escape.get(5..7) == Some("\\u")
        && let Some(second @ 0xDC00..0xE000) = unit(7)
    {
        let pair = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER), 11);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 5)
}

struct Walk<'j> {
    text: &'j str,
    at: usize,
}

impl<'j> Walk<'j> {
    fn inside(raw: &'j str, bracket: u8) -> Self {
        let at = if raw.as_bytes().first() == Some(&bracket) { 1 } else { raw.len() };
        Self { text: raw, at }
    }

    /// The next value; separators before it are passed over.
    fn value(&mut self) -> Option<&'j str> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at)?, b' ' | b'\n' | b'\r' | b'\t' | b',' | b':') {
            self.at += 1;
        }
        let start = self.at;
        self.at = value_end(bytes, start);
        if self.at == start { None } else { self.text.get(start..self.at) }
    }
}

fn value_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    let mut depth = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => (at, depth) = (at + 1, depth - 1),
            b' ' | b'\n' | b'\r' | b'\t' | b',' | b':' if depth == 0 => return at,
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}
