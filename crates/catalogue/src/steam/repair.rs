//! Mends what Python and JavaScript write where JSON has no word for it: bare `NaN` and `Infinity`, raw control characters.
//! It is tried only after a strict parser has refused an entry, and mends nothing else.

use std::fmt::Write;

/// The longest first, so that none is taken for the beginning of another.
const WORDS: [&str; 8] = ["-Infinity", "Infinity", "undefined", "-NaN", "NaN", "None", "nan", "-inf"];

/// The entry with such words replaced by `null` outside texts, and control characters escaped inside texts.
/// `None` when there is nothing to mend.
pub(super) fn repair(entry: &str) -> Option<String> {
    let mut out = String::with_capacity(entry.len() + 16);
    let mut mended = false;
    let mut in_text = false;
    let mut rest = entry;
    while let Some(c) = rest.chars().next() {
        let mut used = c.len_utf8();
        match c {
            '"' => {
                in_text = !in_text;
                out.push(c);
            }
            '\\' if in_text => {
                used += rest[used..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..used]);
            }
            c if in_text && c < ' ' => {
                mended = true;
                write!(out, "\\u{:04x}", u32::from(c)).expect("a string takes every write");
            }
            c => match WORDS.iter().find(|word| !in_text && rest.starts_with(**word)) {
                Some(word) => {
                    mended = true;
                    used = word.len();
                    out.push_str("null");
                }
                None => out.push(c),
            },
        }
        rest = &rest[used..];
    }
    mended.then_some(out)
}
