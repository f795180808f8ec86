//! The smallest pieces of JSON: strings, their escapes, numbers.
//! Works on text that is known to be UTF-8; refuses control characters, half surrogates and numbers JSON does not have.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The place after a string that starts at `at` with its quote, and whether it holds escapes.
/// Escapes are stepped over here and checked by [`unescape`] or [`check_escapes`].
pub(super) fn string(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let mut here = at + 1;
    let mut escaped = false;
    loop {
        here = special(bytes, here)?;
        match bytes[here] {
            b'"' => return Some((here + 1, escaped)),
            b'\\' => {
                escaped = true;
                here += 2;
            }
            _ => return None,
        }
    }
}

/// The next quote, backslash or control character.
fn special(bytes: &[u8], mut at: usize) -> Option<usize> {
    // Eight bytes at a time: a byte's high bit is set where it is one of the three; below the first such byte nothing borrows.
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5C);
        let found =
            (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash) | (word.wrapping_sub(ONES * 0x20) & !word);
        let found = found & HIGHS;
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20).map(|place| at + place)
}

/// The place after a number that starts at `at`.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let digits = |mut at: usize| {
        while byte(at).is_ascii_digit() {
            at += 1;
        }
        at
    };
    let mut here = at + usize::from(byte(at) == b'-');
    let whole = digits(here);
    if whole == here || (byte(here) == b'0' && whole > here + 1) {
        return None;
    }
    here = whole;
    if byte(here) == b'.' {
        let end = digits(here + 1);
        if end == here + 1 {
            return None;
        }
        here = end;
    }
    if matches!(byte(here), b'e' | b'E') {
        let start = here + 1 + usize::from(matches!(byte(here + 1), b'+' | b'-'));
        let end = digits(start);
        if end == start {
            return None;
        }
        here = end;
    }
    Some(here)
}

/// Appends what a string with escapes means.
pub(super) fn unescape(inner: &str, out: &mut String) -> Option<()> {
    pieces(inner, |piece| match piece {
        Piece::Plain(text) => out.push_str(text),
        Piece::Char(character) => out.push(character),
    })
}

/// Checks a string's escapes without keeping it.
pub(super) fn check_escapes(inner: &str) -> Option<()> {
    pieces(inner, |_| ())
}

enum Piece<'t> {
    Plain(&'t str),
    Char(char),
}

fn pieces(inner: &str, mut each: impl FnMut(Piece<'_>)) -> Option<()> {
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        each(Piece::Plain(&rest[..at]));
        let (character, length) = escape(&rest.as_bytes()[at..])?;
        each(Piece::Char(character));
        rest = &rest[at + length..];
    }
    each(Piece::Plain(rest));
    Some(())
}

/// What an escape means, and its length.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let plain = match bytes.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(bytes),
        _ => return None,
    };
    Some((plain, 2))
}

/// `\u` with four hex digits; two of them where the first is half of a pair.
fn unicode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = hex(bytes.get(2..6)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = match bytes.get(6..12)? {
        [b'\\', b'u', digits @ ..] => hex(digits)?,
        _ => return None,
    };
    let is_pair = (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&second);
    let character = is_pair.then(|| char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)))??;
    Some((character, 12))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, &digit| Some(number * 16 + char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strings_end_is_found_at_every_distance() {
        for length in 0..40 {
            for special in ["", "\\\"", "\\u00e9", "한"] {
                let text = format!("\"{}{special}{}\"x", "a".repeat(length), "b".repeat(length / 2));
                assert_eq!(string(text.as_bytes(), 0), Some((text.len() - 1, special.starts_with('\\'))), "{text}");
                assert_eq!(string(&text.as_bytes()[..text.len() - 2], 0), None, "{text} cut");
            }
            let control = format!("\"{}\u{1f}\"", "a".repeat(length));
            assert_eq!(string(control.as_bytes(), 0), None, "a control character after {length}");
        }
    }

    #[test]
    fn half_a_pair_is_no_character() {
        let mut out = String::new();
        assert_eq!(unescape("\\ud83d\\ude00\\u0000", &mut out), Some(()));
        assert_eq!(out, "😀\0");
        for wrong in ["\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\u0041", "\\u12g4", "\\x", "\\"] {
            assert_eq!(check_escapes(wrong), None, "{wrong}");
        }
    }
}
