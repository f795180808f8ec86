//! The embedded log: append-only segments with group fsync, read in process and by Kafka's own clients on a TCP port.
//! Refuses replication, transactions, TLS and passwords: it is one node, for one machine, on loopback unless told otherwise.
//!
//! ```no_run
//! # async fn example() -> Result<(), broker::Error> {
//! let log = broker::Broker::open("data/log", broker::Options::default()).await?;
//! log.create_topic("kartrider", 4).await?;
//! let first = log.append("kartrider", 0, &[broker::NewRecord { key: None, value: b"{}" }]).await?; // answered when durable
//! log.wait("kartrider", 0, first).await?;
//! let chunk = log.read("kartrider", 0, first, 1 << 20).await?;
//! for record in chunk.records() {
//!     let record = record?;
//!     println!("{} {} {:?}", record.offset, record.appended_at, record.value);
//! }
//! # Ok(())
//! # }
//! ```

mod batch;
mod broker;
mod chunk;
mod committed;
mod compression;
mod error;
mod folder;
mod group;
mod options;
mod partition;
mod producers;
mod record;
mod segment;
mod server;
mod topics;
mod wire;
mod writer;

pub use batch::{Codec, NewRecord, RawBatch, encode};
pub use broker::{Broker, Offsets};
pub use chunk::Chunk;
pub use committed::Committed;
pub use error::Error;
pub use options::{Clock, Limits, Options};
pub use partition::Appended;
pub use record::Record;
pub use server::Server;
pub use topics::{Stamp, Topic, TopicConfig};
