//! The log inside this process, read without a detour through the network.
//! Refuses other logs' partitions; which worker may write is decided by the database, as with any log.

use super::{PartitionLog, Trouble};
use crate::guard::Bounds;
use crate::record::{Batch, ReadLimit};
use broker::{Broker, Error};
use kernel::Instant;
use std::time::Duration;
use tokio::runtime::Handle;

/// A partition of the embedded log.
pub struct Reader {
    broker: Broker,
    runtime: Handle,
    topic: String,
    partition: u32,
    next: i64,
    end: Option<i64>,
    noted: i64,
}

/// The group under which the log's own tools see how far the stream is.
const GROUP: &str = "guildhall";

/// The partitions of a topic.
pub(super) fn partitions(broker: &Broker, topic: &str) -> Vec<i32> {
    let count = broker.topic(topic).map_or(0, |topic| topic.partitions);
    (0..i32::try_from(count).unwrap_or(i32::MAX)).collect()
}

impl Reader {
    /// A reader of a partition; must be made, and used, within a runtime's reach.
    pub fn open(broker: &Broker, topic: &str, partition: i32) -> Result<Reader, Trouble> {
        let number = u32::try_from(partition).map_err(|_| Trouble::NoSuch(format!("{partition} is not the number of a partition")))?;
        broker.offsets(topic, number).map_err(trouble)?;
        let (broker, topic) = (broker.clone(), topic.to_owned());
        Ok(Reader { broker, runtime: Handle::current(), topic, partition: number, next: 0, end: None, noted: 0 })
    }
}

impl PartitionLog for Reader {
    fn bounds(&mut self) -> Result<Bounds, Trouble> {
        let topic = self.broker.topic(&self.topic).ok_or_else(|| Trouble::NoSuch(format!("there is no topic {:?}", self.topic)))?;
        let offsets = self.broker.offsets(&self.topic, self.partition).map_err(trouble)?;
        Ok(Bounds { topic_id: *topic.id.as_bytes(), first: offsets.start, end: offsets.end })
    }

    fn offset_at(&mut self, at: Instant) -> Result<Option<i64>, Trouble> {
        self.runtime.block_on(self.broker.offset_at(&self.topic, self.partition, at)).map_err(trouble)
    }

    fn seek(&mut self, offset: i64) -> Result<(), Trouble> {
        self.next = offset;
        Ok(())
    }

    fn read(&mut self, batch: &mut Batch, limit: &ReadLimit, wait: Duration) -> Result<(), Trouble> {
        let room = limit.bytes.saturating_sub(batch.bytes()).max(1);
        let (broker, topic, partition, next) = (&self.broker, self.topic.as_str(), self.partition, self.next);
        let chunk = self.runtime.block_on(async {
            if !wait.is_zero() {
                // Nothing within the time is no trouble: there is nothing to read then.
                match tokio::time::timeout(wait, broker.wait(topic, partition, next)).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Ok(None),
                }
            }
            broker.read(topic, partition, next, room).await.map(Some)
        });
        let Some(chunk) = chunk.map_err(trouble)? else { return Ok(()) };
        self.end = Some(chunk.end_offset());
        for record in chunk.records() {
            let record = record.map_err(trouble)?;
            batch.push(record.offset, record.appended_at, record.key.unwrap_or_default(), record.value.unwrap_or_default());
            self.next = record.offset + 1;
            if batch.len() >= limit.records {
                return Ok(());
            }
        }
        self.next = self.next.max(chunk.next_offset());
        Ok(())
    }

    fn end(&self) -> Option<i64> {
        self.end
    }

    fn note(&mut self, next: i64) {
        // A hint for tools, so a coarse one does: each tells the log's own files.
        if next - self.noted < 10_000 && next != self.end.unwrap_or(-1) || next == self.noted {
            return;
        }
        self.noted = next;
        let (broker, topic, partition) = (self.broker.clone(), self.topic.clone(), self.partition);
        self.runtime.spawn(async move {
            if let Err(error) = broker.commit(GROUP, &topic, partition, next).await {
                tracing::debug!(%error, "the embedded log did not note an offset");
            }
        });
    }
}

pub(crate) fn trouble(error: Error) -> Trouble {
    match &error {
        Error::OffsetOutOfRange { .. } => Trouble::OutOfRange(error.to_string()),
        Error::UnknownTopic(_) | Error::UnknownPartition { .. } => Trouble::NoSuch(error.to_string()),
        Error::Corrupt { .. } | Error::BadBatch(_) | Error::BadChecksum { .. } => Trouble::Damaged(error.to_string()),
        _ => Trouble::Unreachable(error.to_string()),
    }
}
