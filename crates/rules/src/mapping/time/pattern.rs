//! Time patterns of a mapping's own, in the letters of strftime.
//! Refuses letters it does not know and patterns that leave the day open.

use super::civil::{Civil, Reader};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const MONTHS_SHORT: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const HALVES: [&str; 4] = ["AM", "PM", "오전", "오후"];
const LETTERS: &str = "%Y %y %m %b %B %d %e %H %k %I %l %M %S %f (decimals) %.f (a dot and decimals, or nothing) %p %z %%";

/// A pattern, compiled.
#[derive(Debug)]
pub(in super::super) struct Pattern {
    text: Box<str>,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    Hour,
    HalfHour,
    Half,
    Minute,
    Second,
    Decimals,
    DotDecimals,
    Offset,
}

impl Pattern {
    /// Compiles a pattern.
    pub(in super::super) fn new(text: &str) -> Result<Pattern, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.bytes().next() {
            if first != b'%' {
                pieces.push(Piece::Byte(first));
                // Bytes of a character stay together, as the reader compares them one by one.
                let length = rest.chars().next().map_or(1, char::len_utf8);
                pieces.extend(rest.as_bytes()[1..length].iter().map(|&byte| Piece::Byte(byte)));
                rest = &rest[length..];
                continue;
            }
            let (piece, length) = letter(&rest[1..]).ok_or_else(|| {
                let wrong: String = rest.chars().take(2).collect();
                format!("{wrong:?} is unknown: {LETTERS} would be right")
            })?;
            pieces.push(piece);
            rest = &rest[1 + length..];
        }
        let has = |wanted: &[Piece]| pieces.iter().any(|piece| wanted.contains(piece));
        if !(has(&[Piece::Year, Piece::ShortYear]) && has(&[Piece::Month, Piece::MonthName]) && has(&[Piece::Day])) {
            return Err(format!("{text:?} leaves the day open: year, month and day as in %Y-%m-%d would be right"));
        }
        if has(&[Piece::HalfHour]) != has(&[Piece::Half]) {
            return Err(format!("{text:?} names one of %I and %p: both or neither would be right"));
        }
        Ok(Pattern { text: text.into(), pieces })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads a time that is written so.
    pub(super) fn read(&self, text: &str) -> Option<Civil> {
        let mut reader = Reader::new(text);
        let mut civil = Civil::default();
        let mut half = None;
        for &piece in &self.pieces {
            match piece {
                Piece::Half => half = Some(reader.word(&HALVES)? % 2),
                piece => take(piece, &mut reader, &mut civil)?,
            }
        }
        if let Some(half) = half {
            if !(1..=12).contains(&civil.hour) {
                return None;
            }
            civil.hour = civil.hour % 12 + if half == 1 { 12 } else { 0 };
        }
        reader.is_empty().then_some(civil)
    }
}

/// The piece that a letter after `%` means, and how long it is.
fn letter(after: &str) -> Option<(Piece, usize)> {
    if after.starts_with(".f") {
        return Some((Piece::DotDecimals, 2));
    }
    let piece = match after.bytes().next()? {
        b'Y' => Piece::Year,
        b'y' => Piece::ShortYear,
        b'm' => Piece::Month,
        b'b' | b'B' => Piece::MonthName,
        b'd' | b'e' => Piece::Day,
        b'H' | b'k' => Piece::Hour,
        b'I' | b'l' => Piece::HalfHour,
        b'p' => Piece::Half,
        b'M' => Piece::Minute,
        b'S' => Piece::Second,
        b'f' => Piece::Decimals,
        b'z' => Piece::Offset,
        b'%' => Piece::Byte(b'%'),
        _ => return None,
    };
    Some((piece, 1))
}

fn take(piece: Piece, reader: &mut Reader<'_>, civil: &mut Civil) -> Option<()> {
    let small = |reader: &mut Reader<'_>| {
        reader.skip_spaces();
        reader.number(1, 2)
    };
    match piece {
        Piece::Byte(byte) => return reader.literal(&[byte]).then_some(()),
        Piece::Year => civil.year = i32::try_from(reader.digits(4)?).ok()?,
        // As POSIX has it: 69 to 99 are of the last century.
        Piece::ShortYear => {
            civil.year = i32::try_from(reader.digits(2)?).ok().map(|year| if year < 69 { 2000 + year } else { 1900 + year })?
        }
        Piece::Month => civil.month = small(reader)?,
        Piece::MonthName => {
            let found = reader.word(&MONTHS).or_else(|| reader.word(&MONTHS_SHORT))?;
            civil.month = u32::try_from(found).ok()? + 1;
        }
        Piece::Day => civil.day = small(reader)?,
        Piece::Hour | Piece::HalfHour => civil.hour = small(reader)?,
        Piece::Minute => civil.minute = reader.digits(2)?,
        Piece::Second => civil.second = reader.digits(2)?,
        Piece::Decimals => civil.micros = reader.fraction()?,
        Piece::DotDecimals => {
            if reader.take(b'.') || reader.take(b',') {
                civil.micros = reader.fraction()?;
            }
        }
        Piece::Offset => civil.offset_s = Some(reader.offset()?),
        Piece::Half => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(pattern: &str, text: &str) -> Option<i64> {
        Pattern::new(pattern).unwrap().read(text)?.local_s()
    }

    #[test]
    fn a_pattern_reads_what_is_written_so_and_nothing_else() {
        assert_eq!(seconds("%m/%d/%Y - %H:%M:%S", "11/12/2018 - 19:57:28"), Some(1_542_052_648));
        assert_eq!(seconds("%d %b %y %I:%M:%S %p", "12 Nov 18 07:57:28 PM"), Some(1_542_052_648));
        assert_eq!(seconds("%Y년 %m월 %e일 %p %l시 %M분", "2018년 11월 2일 오전 12시 05분"), Some(1_541_117_100));
        assert_eq!(seconds("%Y%m%d%H%M%S%f", "20181112195728123"), Some(1_542_052_648));
        for text in ["11/12/2018 - 19:57:2", "11/12/2018 - 19:57:280", "13/12/2018 - 19:57:28", "11-12-2018 - 19:57:28", ""] {
            assert_eq!(seconds("%m/%d/%Y - %H:%M:%S", text), None, "{text}");
        }
        assert_eq!(seconds("%Y-%m-%d %I %p", "2018-11-12 13 PM"), None);
    }

    #[test]
    fn a_pattern_that_cannot_tell_the_day_is_refused() {
        for (pattern, told) in
            [("%H:%M", "leaves the day open"), ("%Y-%m-%d %I", "both or neither"), ("%Y-%q", "\"%q\" is unknown"), ("%Y-%m-%d %", "\"%\"")]
        {
            let error = Pattern::new(pattern).unwrap_err();
            assert!(error.contains(told), "{pattern}: {error}");
        }
    }
}
