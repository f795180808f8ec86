//! Splits a delimited line into its columns.
//! Refuses another number of columns than the mapping names, and quotes that do not end where a column does.

use super::slot::{Kind, Rows, Slot};
use super::unfit::{Fit, Reason, Unfit};
use memchr::memmem::Finder;

/// How lines are written.
#[derive(Debug)]
pub(super) struct Delimited {
    delimiter: Finder<'static>,
    quote: Option<u8>,
    /// The columns' names where a line of them is no record, as files begin with.
    header: Option<Vec<String>>,
    columns_min: usize,
    columns: usize,
    more_columns: bool,
    trim: bool,
}

/// What a mapping says of its lines.
#[derive(Debug)]
pub(super) struct Written<'d> {
    pub(super) delimiter: &'d str,
    pub(super) quote: Option<u8>,
    pub(super) has_header: bool,
    pub(super) columns: &'d [String],
    pub(super) columns_min: usize,
    pub(super) more_columns: bool,
    pub(super) trim: bool,
}

impl Delimited {
    pub(super) fn new(written: &Written<'_>) -> Delimited {
        Delimited {
            delimiter: Finder::new(written.delimiter).into_owned(),
            quote: written.quote,
            header: written.has_header.then(|| written.columns.to_vec()),
            columns_min: written.columns_min,
            columns: written.columns.len(),
            more_columns: written.more_columns,
            trim: written.trim,
        }
    }

    pub(super) fn is_header(&self, line: &str) -> bool {
        let Some(names) = &self.header else { return false };
        let quote = |c: char| self.quote == u8::try_from(c).ok();
        let mut told = 0;
        let delimiter = std::str::from_utf8(self.delimiter.needle()).unwrap_or_default();
        // The first name that differs ends it, so a record costs one comparison.
        let fits = line.strip_prefix('\u{feff}').unwrap_or(line).split(delimiter).all(|column| {
            told += 1;
            names.get(told - 1).is_some_and(|name| column.trim().trim_matches(quote) == name)
        });
        fits && told >= self.columns_min
    }

    /// Notes the wanted columns in the record's row. `wanted` has the slot of each column, or none.
    pub(super) fn split(&self, line: &str, wanted: &[Option<usize>], rows: &mut Rows, kept: &mut String) -> Fit<()> {
        let (mut at, mut columns) = (0, 0);
        loop {
            let (value, end) = self.column(line, at, kept)?;
            if let Some(&Some(slot)) = wanted.get(columns) {
                rows.set(0, slot, value);
            }
            columns += 1;
            if end == line.len() {
                break;
            }
            at = end + self.delimiter.needle().len();
        }
        if columns < self.columns_min || (columns > self.columns && !self.more_columns) {
            return Err(Unfit::new(Reason::WrongColumns, format!("{columns} columns: {} would be right", self.right_columns())));
        }
        Ok(())
    }

    fn right_columns(&self) -> String {
        match (self.columns_min, self.columns) {
            (min, _) if self.more_columns => format!("{min} or more"),
            (min, columns) if min < columns => format!("{min} to {columns}"),
            (_, columns) => columns.to_string(),
        }
    }

    /// The column that starts at `at`, and where it ends. An empty one without quotes is missing.
    fn column(&self, line: &str, at: usize, kept: &mut String) -> Fit<(Slot, usize)> {
        if self.quote.is_some() && line.as_bytes().get(at).copied() == self.quote {
            return self.quoted(line, at, kept);
        }
        let end = self.end(line, at);
        let column = &line[at..end];
        let (start, length) = if self.trim {
            let trimmed = column.trim_start();
            (end - trimmed.len(), trimmed.trim_end().len())
        } else {
            (at, column.len())
        };
        let kind = if length == 0 { Kind::Missing } else { Kind::Text };
        Ok((Slot::new(kind, start, start + length), end))
    }

    fn end(&self, line: &str, at: usize) -> usize {
        match self.delimiter.needle() {
            [one] => memchr::memchr(*one, &line.as_bytes()[at..]),
            _ => self.delimiter.find(&line.as_bytes()[at..]),
        }
        .map_or(line.len(), |found| at + found)
    }

    fn quoted(&self, line: &str, at: usize, kept: &mut String) -> Fit<(Slot, usize)> {
        let quote = self.quote.unwrap_or(b'"');
        let (bytes, kept_from) = (line.as_bytes(), kept.len());
        let (mut start, mut is_kept) = (at + 1, false);
        loop {
            let found = bytes.get(start..).and_then(|rest| memchr::memchr(quote, rest));
            let Some(close) = found.map(|found| start + found) else {
                return Err(Unfit::new(Reason::WrongColumns, format!("the quote at byte {at} does not end")));
            };
            if bytes.get(close + 1) == Some(&quote) {
                // A doubled quote stands for one.
                kept.push_str(&line[start..=close]);
                (start, is_kept) = (close + 2, true);
                continue;
            }
            let end = close + 1;
            if end != line.len() && !bytes[end..].starts_with(self.delimiter.needle()) {
                return Err(Unfit::new(
                    Reason::WrongColumns,
                    format!("text follows the quote at byte {close}: a delimiter would be right"),
                ));
            }
            if is_kept {
                kept.push_str(&line[start..close]);
                return Ok((Slot::new(Kind::Kept, kept_from, kept.len()), end));
            }
            return Ok((Slot::new(Kind::Text, start, close), end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::slot::Scratch;

    fn split(delimiter: &str, line: &str) -> Result<Vec<Option<String>>, Reason> {
        let columns: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let written = Written {
            delimiter,
            quote: Some(b'"'),
            has_header: true,
            columns: &columns,
            columns_min: 2,
            more_columns: false,
            trim: delimiter == ";",
        };
        let mut scratch = Scratch::default();
        scratch.begin([3].into_iter());
        Delimited::new(&written)
            .split(line, &[Some(0), Some(1), Some(2)], &mut scratch.levels[0], &mut scratch.kept)
            .map_err(|unfit| unfit.reason)?;
        let shown = |slot: Slot| {
            let of = |text: &str| text[slot.start()..slot.end()].to_owned();
            match slot.kind() {
                Kind::Text => Some(of(line)),
                Kind::Kept => Some(of(&scratch.kept)),
                _ => None,
            }
        };
        Ok((0..3).map(|slot| shown(scratch.levels[0].get(0, slot))).collect())
    }

    fn texts(texts: &[&str]) -> Result<Vec<Option<String>>, Reason> {
        Ok((0..3).map(|n| texts.get(n).filter(|text| **text != "-").map(|text| (*text).to_owned())).collect())
    }

    #[test]
    fn columns_are_split_at_any_delimiter_and_quotes_are_taken_off() {
        assert_eq!(split("|", "로그인|p1|x"), texts(&["로그인", "p1", "x"]));
        assert_eq!(split(",", "\"a,b\",\"say \"\"hi\"\"\",\"\""), texts(&["a,b", "say \"hi\"", ""]));
        assert_eq!(split("||", "a|b||c||"), texts(&["a|b", "c", "-"]));
        assert_eq!(split(";", " a ;\u{3000}b;   "), texts(&["a", "b", "-"]));
        assert_eq!(split("\t", "a\t\tc"), texts(&["a", "-", "c"]));
        assert_eq!(split(",", "a,b"), texts(&["a", "b"]), "the third may lack");
    }

    #[test]
    fn a_line_of_names_is_known_with_quotes_and_blanks_and_without_the_last_ones() {
        let columns: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let written = Written {
            delimiter: ",",
            quote: Some(b'"'),
            has_header: true,
            columns: &columns,
            columns_min: 2,
            more_columns: false,
            trim: false,
        };
        let lines = Delimited::new(&written);
        for header in ["a,b,c", "\u{feff}a,b,c", "\"a\",\"b\",\"c\"", "a, b ,c", "a,b"] {
            assert!(lines.is_header(header), "{header}");
        }
        for record in ["a", "a,b,d", "a,b,c,d", "1,b,c", ""] {
            assert!(!lines.is_header(record), "{record}");
        }
    }

    #[test]
    fn another_number_of_columns_and_open_quotes_are_refused() {
        for line in ["a", "", "a,b,c,d", "\"a,b", "\"a\"b,c", "a,\"", "a,\"b\"\""] {
            assert_eq!(split(",", line), Err(Reason::WrongColumns), "{line}");
        }
    }
}
