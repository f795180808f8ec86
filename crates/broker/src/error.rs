//! Everything the log can refuse or fail with, each with what would be right.
//! Refuses to know Kafka's error numbers: `wire` translates.

use crate::batch::Codec;
use std::path::Path;

/// Why the log did not do what it was asked. Cheap to clone: one failed write answers everybody who waited for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No topic of this name.
    #[error("there is no topic {0:?}: create it first")]
    UnknownTopic(String),
    /// The topic has fewer partitions.
    #[error("topic {topic:?} has no partition {partition}: 0 to {last} would be right")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: u32,
        /// The highest partition there is.
        last: u32,
    },
    /// A topic of this name exists.
    #[error("topic {0:?} exists already")]
    TopicExists(String),
    /// A name that cannot be a topic's.
    #[error("{0:?} is not a topic name: 1 to 249 letters, digits, dots, underscores and hyphens would be right")]
    BadName(String),
    /// A count or a setting that cannot be.
    #[error("{0}")]
    BadSetting(String),
    /// A named limit was reached.
    #[error("{what} would be {asked}, and the limit is {limit}")]
    Limit {
        /// What is limited, as the name of its option.
        what: &'static str,
        /// What was asked for.
        asked: u64,
        /// The limit.
        limit: u64,
    },
    /// The offset lies outside the log.
    #[error("offset {offset} of {topic:?}/{partition} lies outside the log, which holds {start} to {end}")]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset asked for.
        offset: i64,
        /// The first offset that is there.
        start: i64,
        /// The offset after the last durable record.
        end: i64,
    },
    /// A batch that is not what the format says.
    #[error("the record batch is broken: {0}")]
    BadBatch(String),
    /// A batch whose checksum does not match its bytes.
    #[error("the record batch's checksum is {found:08x}, its bytes give {computed:08x}: it was damaged on its way")]
    BadChecksum {
        /// As the batch says.
        found: u32,
        /// As its bytes say.
        computed: u32,
    },
    /// The batch is larger than the log takes, packed or unpacked.
    #[error("the record batch has {bytes} bytes, and the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// An older format.
    #[error("record format {0} is not taken: format 2 (Kafka 0.11 and later) would be right")]
    OldFormat(i8),
    /// A compression the log cannot read, so it refuses to keep it.
    #[error("compression {0} is not known: none, gzip, snappy, lz4 or zstd would be right")]
    UnknownCodec(i16),
    /// A batch of a transaction.
    #[error("transactions are not supported: an idempotent producer without a transactional id would be right")]
    Transactional,
    /// The sequence number leaves a gap.
    #[error("sequence {found} of producer {producer} is out of order: {expected} would be right")]
    OutOfOrder {
        /// The producer's id.
        producer: i64,
        /// The sequence it sent.
        found: i32,
        /// The sequence that would continue.
        expected: i32,
    },
    /// An epoch that a newer one has replaced.
    #[error("epoch {found} of producer {producer} was replaced by {current}")]
    Fenced {
        /// The producer's id.
        producer: i64,
        /// The epoch it sent.
        found: i16,
        /// The epoch in force.
        current: i16,
    },
    /// What lies on disk is damaged where it must not be.
    #[error("{place}: {reason}")]
    Corrupt {
        /// File and position.
        place: String,
        /// What was found.
        reason: String,
    },
    /// Another process has the folder.
    #[error("{0} is in use by another process: stop that one, or name another folder")]
    Locked(String),
    /// The disk or the network failed.
    #[error("{what}: {reason}")]
    Io {
        /// What was being done, to which file.
        what: String,
        /// The system's answer.
        reason: String,
    },
    /// The log is shutting down.
    #[error("the log is closed")]
    Closed,
}

impl Error {
    /// An input or output error with what was being done.
    pub(crate) fn io(what: &str, path: &Path, error: &std::io::Error) -> Error {
        Error::Io { what: format!("{what} {}", path.display()), reason: error.to_string() }
    }
}

impl From<Unpack> for Error {
    fn from(unpack: Unpack) -> Error {
        match unpack {
            Unpack::TooLarge(limit) => Error::TooLarge { bytes: limit as u64 + 1, limit: limit as u64 },
            Unpack::Broken(codec, reason) => Error::BadBatch(format!("its {codec} does not unpack: {reason}")),
        }
    }
}

/// Why packed records could not be unpacked.
#[derive(Debug)]
pub(crate) enum Unpack {
    /// More than this many bytes came out.
    TooLarge(usize),
    /// It is not what the codec writes.
    Broken(Codec, String),
}
