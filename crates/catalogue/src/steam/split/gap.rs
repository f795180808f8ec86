//! Reads the text between two entries of the file's object: commas, keys, and members whose value is no object.
//! It never sees a bracket outside a string.

use std::fmt;

use super::super::problem::shorten;

/// What follows the gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The bracket that opens an entry.
    Entry,
    /// The bracket that closes the object.
    Object,
}

/// The key of a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    AppId(u32),
    /// As it stands in the file, shortened.
    Other(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AppId(app_id) => app_id.fmt(f),
            Self::Other(text) => text.fmt(f),
        }
    }
}

#[derive(Debug)]
pub(super) struct Gap {
    /// The key of the entry that follows; none before the object's end.
    pub(super) key: Option<Key>,
    /// Keys of members such as `"10": null`.
    pub(super) without_object: Vec<Key>,
}

#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// `first` says that no member came before, so that no comma is due.
pub(super) fn read(text: &[u8], mut first: bool, end: End) -> Result<Gap, Wrong> {
    let mut cursor = Cursor { text, at: 0 };
    let mut without_object = Vec::new();
    loop {
        cursor.skip_spaces();
        if cursor.at_end() && (end == End::Object || first) {
            return Ok(Gap { key: None, without_object });
        }
        if !first {
            cursor.expect(b',', "a comma between entries")?;
            cursor.skip_spaces();
        }
        let key = cursor.key()?;
        cursor.skip_spaces();
        cursor.expect(b':', "a colon after the app id")?;
        cursor.skip_spaces();
        if cursor.at_end() && end == End::Entry {
            return Ok(Gap { key: Some(key), without_object });
        }
        cursor.skip_scalar()?;
        without_object.push(key);
        first = false;
    }
}

struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    fn at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn skip_spaces(&mut self) {
        while self.text.get(self.at).is_some_and(|byte| is_space(*byte)) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Wrong> {
        if self.text.get(self.at) != Some(&byte) {
            return Err(Wrong { at: self.at, expected });
        }
        self.at += 1;
        Ok(())
    }

    fn key(&mut self) -> Result<Key, Wrong> {
        let start = self.at + 1;
        self.skip_string("an app id in quotes")?;
        let inner = &self.text[start..self.at - 1];
        Ok(app_id(inner).map_or_else(|| Key::Other(shorten(&String::from_utf8_lossy(inner), 64)), Key::AppId))
    }

    fn skip_string(&mut self, expected: &'static str) -> Result<(), Wrong> {
        let start = self.at;
        self.expect(b'"', expected)?;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return Ok(());
            }
        }
        Err(Wrong { at: start, expected: "a closing quote" })
    }

    /// A text, a number or a word such as `null`; which one does not matter, none of them is an entry.
    fn skip_scalar(&mut self) -> Result<(), Wrong> {
        if self.text.get(self.at) == Some(&b'"') {
            return self.skip_string("a text");
        }
        let start = self.at;
        while self.text.get(self.at).is_some_and(|byte| !is_space(*byte) && !matches!(byte, b',' | b'"' | b':')) {
            self.at += 1;
        }
        if self.at == start { Err(Wrong { at: start, expected: "an entry such as {\"name\": …}" }) } else { Ok(()) }
    }
}

/// Digits only: a sign or a space would make two keys of one app.
fn app_id(key: &[u8]) -> Option<u32> {
    if key.is_empty() || !key.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(key).ok()?.parse().ok()
}
