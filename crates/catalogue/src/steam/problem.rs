//! Says what is wrong with a single entry, in words that name the value and what would be right.
//! Problems of the whole file are `steam::Error`.

use std::fmt;

use super::price::PriceProblem;

/// An entry that gives no game. The rest of the file is not affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEntry {
    /// The key as it stands in the file, shortened to 64 bytes.
    pub app_id: String,
    /// What is wrong and what would be right.
    pub reason: Reason,
}

impl BadEntry {
    pub(super) fn new(key: &str, reason: Reason) -> Self {
        Self { app_id: shorten(key, 64), reason }
    }
}

impl fmt::Display for BadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "app `{}`: {}", self.app_id, self.reason)
    }
}

impl std::error::Error for BadEntry {}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The key is no Steam app id.
    #[error("the key is not an app id; expected digits up to 4294967295")]
    NotAnAppId,
    /// The value is a list, a text, a number or null.
    #[error("the value is not an object; expected {{\"name\": …, \"price\": …}}")]
    NotAnObject,
    /// Longer than `Limits::entry_max_bytes`; nothing of it was kept.
    #[error("the entry has {bytes} bytes; at most {max} are read")]
    TooLarge {
        /// Bytes of the entry.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// Nested deeper than `Limits::depth_max`.
    #[error("objects and lists are nested deeper than {max}")]
    TooDeep {
        /// The limit.
        max: u32,
    },
    /// Bytes that are no UTF-8.
    #[error("byte {at} of the entry is not UTF-8; save the file as UTF-8")]
    NotUtf8 {
        /// The first such byte, counted from the entry's opening brace.
        at: usize,
    },
    /// Not JSON, even after bare `NaN` and control characters were mended.
    #[error("not valid JSON: {detail}")]
    Malformed {
        /// The parser's words; lines and columns count from the entry's opening brace.
        detail: String,
    },
    /// No name, or one without a visible character.
    #[error("the name is missing; expected a text such as \"name\": \"Half-Life\"")]
    NameMissing,
    /// The name is longer than the store keeps.
    #[error("the name has {bytes} bytes; at most {max} are kept")]
    NameTooLong {
        /// Bytes of the cleaned name.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// No price, or an empty one.
    #[error("the price is missing; expected US dollars such as \"price\": 19.99, or 0 for a free game")]
    PriceMissing,
    /// A price that cannot be sold at.
    #[error("the price `{given}` {problem}; expected US dollars such as 19.99, or 0 for a free game")]
    Price {
        /// As it stands in the file, shortened.
        given: String,
        /// What is wrong with it.
        problem: PriceProblem,
    },
    /// A list longer than any real game has.
    #[error("`{field}` has more than {max} items")]
    TooMany {
        /// The field's name in the file.
        field: &'static str,
        /// The limit.
        max: usize,
    },
}

/// At most `max` bytes of a text from outside, cut between characters, without control characters.
pub(super) fn shorten(text: &str, max: usize) -> String {
    let kept = &text[..text.floor_char_boundary(max)];
    kept.chars().filter(|c| !c.is_control()).collect()
}
