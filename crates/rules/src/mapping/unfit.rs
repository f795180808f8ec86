//! Why a record did not become events: a stable reason that metrics and dead letters count by, and what was wrong with this one.
//! Holds none of the record but a short piece of the value that was wrong.

use std::fmt;

/// Bytes of an offending value that a detail shows.
const SHOWN_MAX: usize = 60;

/// A record that does not fit its mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What to count it by.
    pub reason: Reason,
    /// The field, the value and what would be right; at most a few hundred bytes.
    pub detail: String,
}

/// What reading a piece of a record gives. Boxed, so that what fits travels in registers.
pub(super) type Fit<T> = Result<T, Box<Unfit>>;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a record does not fit. The names of [`Reason::as_str`] stay as they are for ever: dead letters and dashboards hold them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// All of them, for metrics that start at 0.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// The record has more bytes than the mapping's `record_max`.
    TooLarge = "too_large",
    /// The record is not UTF-8.
    NotUtf8 = "not_utf8",
    /// The record is not one whole JSON value.
    NotJson = "not_json",
    /// Arrays and objects lie in each other deeper than 64.
    TooDeep = "too_deep",
    /// A delimited line has another number of columns, or a quote that does not end.
    WrongColumns = "wrong_columns",
    /// No pattern of the mapping describes this line.
    NoPatternMatches = "no_pattern_matches",
    /// A field that an event needs is not there.
    MissingField = "missing_field",
    /// A field holds an array or object, or a flag where a number or time belongs.
    WrongType = "wrong_type",
    /// A text or number is no whole number, or too large for one.
    BadNumber = "bad_number",
    /// The amount is below 0.
    NegativeAmount = "negative_amount",
    /// The time is not written as the mapping says, or no such day exists.
    BadTime = "bad_time",
    /// The time lies before 1970 or after 2199.
    TimeOutOfRange = "time_out_of_range",
    /// The event is more than 10 minutes later than its record was appended.
    InTheFuture = "in_the_future",
    /// A value that the field's `map` does not name.
    UnknownValue = "unknown_value",
    /// A text holds NUL, which cannot be stored.
    Nul = "nul",
    /// A player's or a record's own id has more bytes than may be kept.
    IdTooLong = "id_too_long",
    /// A kind, item or attribute has more bytes than may be kept.
    TextTooLong = "text_too_long",
    /// The record makes more than 1,000 events or its arrays have more than 4,000 elements.
    TooManyEvents = "too_many_events",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

impl std::error::Error for Unfit {}

impl Unfit {
    #[cold]
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Box<Unfit> {
        Box::new(Unfit { reason, detail: detail.into() })
    }
}

/// A value as a detail shows it: quoted, control characters escaped, cut to a few dozen bytes.
pub(super) fn shown(value: &str) -> String {
    if value.len() <= SHOWN_MAX {
        return format!("{value:?}");
    }
    let end = (0..=SHOWN_MAX).rev().find(|&at| value.is_char_boundary(at)).unwrap_or(0);
    format!("{:?}… ({} bytes)", &value[..end], value.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let names: HashSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())));
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let told = shown(&"가".repeat(100));
        assert!(told.contains("300 bytes") && told.len() < 100, "{told}");
    }
}
