//! Reads catalogue files in the shape of the public Steam games set: one JSON object `{"<app id>": {…}, …}`, plain, gzip or zstd.
//! No database and no HTTP; it streams, and a file of any size costs a few megabytes of memory.
//!
//! ```text
//! file → hash → decompress → split into entries   (one thread, inside `Reader`)
//!                                └─ `Chunk`s ─→ `Chunk::games()`   (any number of the caller's threads)
//! ```
//!
//! An app id that occurs again is read again, in file order: the last one wins when the caller writes in that order.
//! Within one chunk an app id occurs at most once, so a chunk can be written by one set-based statement.

mod chunk;
mod date;
mod entities;
mod fields;
mod game;
mod json;
mod price;
mod problem;
mod reader;
mod repair;
mod scan;
mod source;
mod split;
mod text;
mod value;

pub use chunk::{Chunk, Progress};
pub use game::{Fingerprint, Platforms, SteamGame};
pub use price::{PRICE_MINOR_MAX, PriceProblem};
pub use problem::{BadEntry, Reason};
pub use reader::{Reader, Summary};
pub use source::Format;
pub use text::{LongText, NAME_BYTES_MAX};
pub use value::{MEDIA_MAX, TEXTS_MAX};

/// What a file may ask of the reader. Everything beyond is reported, never loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of JSON read before the entries found are handed on.
    pub chunk_bytes: usize,
    /// A longer entry is a [`BadEntry`] and is passed over without being kept.
    pub entry_max_bytes: u64,
    /// Bytes between two entries: a comma, an app id, white space.
    pub gap_max_bytes: u64,
    /// Objects and lists inside each other, the whole file being the first.
    pub depth_max: u32,
    /// Entries in a file, bad ones included; one more ends the reading.
    pub entries_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { chunk_bytes: 1 << 20, entry_max_bytes: 4 << 20, gap_max_bytes: 64 << 10, depth_max: 64, entries_max: 1_000_000 }
    }
}

/// Why a file cannot be read on. Positions are bytes from the start of the JSON text, after decompression.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path cannot be opened.
    #[error("cannot open `{path}`: {source}")]
    Open {
        /// The path as given.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Reading or decompressing failed midway.
    #[error("reading failed at byte {position}: {source}")]
    Read {
        /// How much JSON had been read.
        position: u64,
        /// What the system or the decompressor said.
        source: std::io::Error,
    },
    /// The file ends before the object is closed.
    #[error("the file is cut off at byte {position}: expected {expected}")]
    Truncated {
        /// The length of what is there.
        position: u64,
        /// What should have come next.
        expected: &'static str,
    },
    /// The text between the entries is not that of one JSON object.
    #[error("byte {position}: expected {expected}, found {found}")]
    Broken {
        /// Where.
        position: u64,
        /// What would be right.
        expected: &'static str,
        /// The first characters of what is there.
        found: String,
    },
    /// The file has more entries than the limit.
    #[error("more than {max} entries at byte {position}; split the file or raise the limit")]
    TooManyEntries {
        /// Where the entry too many begins.
        position: u64,
        /// [`Limits::entries_max`].
        max: u64,
    },
}
