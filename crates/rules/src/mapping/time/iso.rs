//! Times by ISO 8601 and RFC 3339, and the looser ways in which logs write the same.
//! Refuses weeks, ordinal days and anything that follows the time.

use super::civil::{Civil, Reader};

/// What a mistaken text is told.
pub(super) const RIGHT: &str = "2026-11-21T09:00:00Z, with or without decimals and offset,";

/// Reads `2026-11-21`, `2026-11-21T09:00`, `2026-11-21 09:00:00,123456789 +0900`, `20261121T090000Z` and what lies between.
pub(super) fn read(text: &str) -> Option<Civil> {
    let mut reader = Reader::new(text);
    let mut civil = Civil { year: i32::try_from(reader.digits(4)?).ok()?, ..Civil::default() };
    let dashed = reader.take(b'-');
    civil.month = reader.digits(2)?;
    if dashed && !reader.take(b'-') {
        return None;
    }
    civil.day = reader.digits(2)?;
    if reader.is_empty() {
        return Some(civil);
    }
    if !(reader.take(b'T') || reader.take(b' ') || reader.take(b't')) {
        return None;
    }
    clock(&mut reader, &mut civil)?;
    if !reader.is_empty() {
        reader.take(b' ');
        civil.offset_s = Some(reader.offset()?);
    }
    reader.is_empty().then_some(civil)
}

fn clock(reader: &mut Reader<'_>, civil: &mut Civil) -> Option<()> {
    civil.hour = reader.digits(2)?;
    let colons = reader.take(b':');
    civil.minute = reader.digits(2)?;
    let has_seconds = if colons { reader.take(b':') } else { reader.peek().is_ascii_digit() };
    if has_seconds {
        civil.second = reader.digits(2)?;
        if reader.take(b'.') || reader.take(b',') {
            civil.micros = reader.fraction()?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ways_to_write_a_time_mean_the_same() {
        let texts = [
            "2018-11-12T19:57:28.500Z",
            "2018-11-12T19:57:28.5+00:00",
            "2018-11-12 19:57:28,500000000 UTC",
            "20181112T195728.5Z",
            "2018-11-12t19:57:28.5000009z",
            "2018-11-12 19:57:28.5 +0000",
        ];
        for text in texts {
            let civil = read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((civil.local_s(), civil.micros, civil.offset_s), (Some(1_542_052_648), 500_000, Some(0)), "{text}");
        }
        assert_eq!(read("2018-11-12T19:57").and_then(|civil| civil.offset_s), None);
        assert_eq!(read("2018-11-12T19:57:28-09:30").and_then(|civil| civil.offset_s), Some(-34_200));
    }

    #[test]
    fn anything_else_is_refused() {
        let texts = [
            "",
            "2018",
            "2018-11",
            "2018-1-1",
            "2018-11-12T",
            "2018-11-12T19",
            "2018-11-12T19:57:28.",
            "2018-11-12T19:57:28Zx",
            "2018-11-12X19:57",
            "2018-11-1219:57",
            "2018-1112",
            "+2018-11-12",
            "2018-11-12T19:57:28+9",
            "2018-11-12T19:57:28+99:00",
            "２０18-11-12",
        ];
        for text in texts {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
