//! Cleans the texts of a game: short ones into plain text, long ones into one canonical JSON form.
//! Markup in long texts is not touched.

use std::borrow::Cow;

use memchr::memchr_iter;

use super::{entities, json};

/// A name that is longer is refused: no real one comes near.
pub const NAME_BYTES_MAX: usize = 1024;

/// A long text, kept as it stands between the quotes of a JSON text, in its shortest form: only `"`, `\` and the control
/// characters line feed, carriage return, tab, backspace and form feed are escaped, other control characters are gone.
/// It can go into another JSON document without being read, and equal texts are equal whoever wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LongText<'a>(Cow<'a, str>);

impl<'a> LongText<'a> {
    /// `inner` is what stands between the quotes of a valid JSON text.
    pub(super) fn from_json(inner: &'a str) -> Self {
        if is_canonical(inner) { Self(Cow::Borrowed(inner)) } else { Self(Cow::Owned(canonical(&json::unescape(inner)))) }
    }

    /// The JSON form, without the quotes around it.
    pub fn json(&self) -> &str {
        &self.0
    }

    /// The text itself.
    pub fn to_text(&self) -> Cow<'_, str> {
        json::unescape(&self.0)
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_owned(self) -> LongText<'static> {
        LongText(Cow::Owned(self.0.into_owned()))
    }
}

fn is_canonical(inner: &str) -> bool {
    let bytes = inner.as_bytes();
    let mut escaped = usize::MAX;
    memchr_iter(b'\\', bytes).all(|at| {
        if at == escaped {
            return true;
        }
        escaped = at + 1;
        matches!(bytes.get(escaped), Some(b'"' | b'\\' | b'n' | b'r' | b't' | b'b' | b'f'))
    }) && !bytes.contains(&0x7F)
}

fn canonical(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A text of one line: entities decoded, white space around it and control characters gone.
/// The C1 controls 128 to 159 become what they mean in Windows-1252, as `Rocksmith\u{99}` stands for `Rocksmith™`.
pub(super) fn line(text: Cow<'_, str>) -> Cow<'_, str> {
    if is_clean(text.as_bytes()) {
        return trim(text);
    }
    let decoded = entities::decode(text);
    let mut out = String::with_capacity(decoded.len());
    for c in decoded.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() => out.extend(entities::windows_1252(c)),
            c => out.push(c),
        }
    }
    trim(Cow::Owned(out))
}

/// An address: white space around it and control characters gone, nothing decoded.
pub(super) fn address(text: Cow<'_, str>) -> Cow<'_, str> {
    // A fold looks at every byte, which the compiler turns into wide instructions; stopping early would not be faster.
    if text.bytes().fold(false, |found, byte| found | byte.is_ascii_control()) {
        return trim(Cow::Owned(text.chars().filter(|c| !c.is_control()).collect()));
    }
    trim(text)
}

/// Nothing that would be decoded or dropped. 0xC2 leads the C1 controls.
fn is_clean(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |clean, &byte| clean & (byte >= 0x20) & (byte != b'&') & (byte != 0x7F) & (byte != 0xC2))
}

fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
