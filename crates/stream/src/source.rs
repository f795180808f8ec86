//! Where records come from: one partition of a log, read in batches, whatever log it is.
//! Refuses to skip or reset: an offset that is not there is trouble for the reader to tell.

pub mod embedded;
pub mod files;
pub mod kafka;

use crate::guard::Bounds;
use crate::record::{Batch, ReadLimit};
use kernel::Instant;
use std::fmt;
use std::time::Duration;

pub use kafka::KafkaOptions;

/// What a reader of a log can meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The offset is not in the log.
    OutOfRange(String),
    /// There is no such topic or partition.
    NoSuch(String),
    /// It does not answer now: trying again may help.
    Unreachable(String),
    /// What was read is damaged.
    Damaged(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::OutOfRange(told) | Trouble::NoSuch(told) | Trouble::Unreachable(told) | Trouble::Damaged(told) => f.write_str(told),
        }
    }
}
impl std::error::Error for Trouble {}

/// One partition of a log. Its calls block: they belong on a thread of their own.
pub trait PartitionLog: Send {
    /// Which offsets it holds, and which topic it is.
    fn bounds(&mut self) -> Result<Bounds, Trouble>;

    /// The first offset from which on no record is missed that the log took at that time or later; none where all are older, or where it keeps no times.
    fn offset_at(&mut self, _at: Instant) -> Result<Option<i64>, Trouble> {
        Ok(None)
    }

    /// Reads on from an offset.
    fn seek(&mut self, offset: i64) -> Result<(), Trouble>;

    /// Adds the next records to a batch, as many as are there up to the limit; waits at most so long for the first.
    fn read(&mut self, batch: &mut Batch, limit: &ReadLimit, wait: Duration) -> Result<(), Trouble>;

    /// The offset after the log's last record, as last heard of.
    fn end(&self) -> Option<i64>;

    /// Tells the log how far its records are in the database, for the eyes of its own tools.
    fn note(&mut self, _next: i64) {}
}

/// Which log the process uses.
#[derive(Clone)]
pub enum Source {
    /// Kafka, or what speaks its protocol.
    Kafka(KafkaOptions),
    /// The log inside this process.
    Embedded(broker::Broker),
}

impl Source {
    /// The partitions of a topic; none when there is no such topic. Blocks.
    pub fn partitions(&self, topic: &str) -> Result<Vec<i32>, Trouble> {
        match self {
            Source::Kafka(options) => kafka::partitions(options, topic),
            Source::Embedded(broker) => Ok(embedded::partitions(broker, topic)),
        }
    }

    /// A partition to read besides the stream, without claiming it. Blocks. To be called, and used, within a runtime's reach.
    pub fn open(&self, topic: &str, partition: i32) -> Result<Box<dyn PartitionLog>, Trouble> {
        match self {
            Source::Kafka(options) => Ok(Box::new(kafka::Reader::open(options, topic, partition)?)),
            Source::Embedded(broker) => Ok(Box::new(embedded::Reader::open(broker, topic, partition)?)),
        }
    }
}
