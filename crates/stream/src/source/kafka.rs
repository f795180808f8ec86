//! Kafka, through librdkafka: a group's member whose partitions each have a queue of their own, and readers beside it.
//! Refuses to let Kafka decide where reading goes on: offsets come from the database, and an offset that is gone is trouble.

mod group;
mod topic_id;

pub(crate) use group::Member;

use super::{PartitionLog, Trouble};
use crate::guard::Bounds;
use crate::record::{Batch, ReadLimit, UNKNOWN_TIME};
use kernel::Instant;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::FutureProducer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// A question to the cluster is waited for so long.
pub(crate) const ASK_MAX: Duration = Duration::from_secs(5);

/// How Kafka is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// `HOST:PORT`, several with commas between them.
    pub brokers: String,
    /// The consumer group: one per deployment, however many processes it has.
    pub group: String,
    /// A member that is not heard of for this long loses its partitions, in milliseconds.
    pub session_timeout_ms: u32,
    /// Further settings of librdkafka, by their names there.
    pub settings: BTreeMap<String, String>,
}

impl KafkaOptions {
    /// Defaults for brokers.
    pub fn new(brokers: impl Into<String>) -> KafkaOptions {
        KafkaOptions { brokers: brokers.into(), group: "guildhall".to_owned(), session_timeout_ms: 10_000, settings: BTreeMap::new() }
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "guildhall");
        config.set("topic.metadata.refresh.interval.ms", "5000");
        config.set("reconnect.backoff.max.ms", "1000");
        config
    }

    /// A producer whose records count as taken when every replica in sync has them, and whose own repeats are recognised. What is not
    /// taken within 20 seconds has failed.
    ///
    /// # Errors
    /// The settings are not what librdkafka takes; nobody is asked yet.
    pub fn producer(&self) -> Result<FutureProducer, Trouble> {
        let mut config = self.client();
        let settings = [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("linger.ms", "5"),
            ("compression.codec", "lz4"),
            // As the Java clients choose, so that a key's records meet in one partition whoever sends them.
            ("partitioner", "murmur2_random"),
            ("delivery.timeout.ms", "20000"),
            ("queue.buffering.max.kbytes", "32768"),
        ];
        for (name, value) in settings {
            config.set(name, value);
        }
        self.further(&mut config);
        config.create().map_err(|e| unreachable(&e))
    }

    fn consumer(&self) -> ClientConfig {
        let mut config = self.client();
        let settings = [
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("allow.auto.create.topics", "false"),
            ("fetch.min.bytes", "1"),
            ("fetch.wait.max.ms", "100"),
            ("fetch.queue.backoff.ms", "2"),
            ("fetch.error.backoff.ms", "100"),
            ("max.partition.fetch.bytes", "1048576"),
            // The client keeps some 300 bytes beside each record: about as many wait in its queue as one read takes.
            ("queued.min.messages", "10000"),
            ("queued.max.messages.kbytes", "6144"),
            ("session.timeout.ms", &self.session_timeout_ms.to_string()),
        ];
        for (name, value) in settings {
            config.set(name, value);
        }
        self.further(&mut config);
        config
    }

    fn further(&self, config: &mut ClientConfig) {
        for (name, value) in &self.settings {
            config.set(name, value);
        }
    }

    fn reader(&self) -> Result<BaseConsumer, Trouble> {
        // Reading by hand wants a group's name as well, though it never joins it.
        let mut config = self.consumer();
        config.set("group.id", format!("{}-readers", self.group));
        config.create().map_err(|e| unreachable(&e))
    }
}

pub(crate) fn unreachable(error: &KafkaError) -> Trouble {
    Trouble::Unreachable(error.to_string())
}

/// The partitions of a topic.
pub(super) fn partitions(options: &KafkaOptions, topic: &str) -> Result<Vec<i32>, Trouble> {
    let metadata = options.reader()?.fetch_metadata(Some(topic), ASK_MAX).map_err(|e| unreachable(&e))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let mut partitions: Vec<i32> =
        found.map(|topic| topic.partitions().iter().map(|partition| partition.id()).collect()).unwrap_or_default();
    partitions.sort_unstable();
    Ok(partitions)
}

/// A partition that is read without being a member of the group.
pub struct Reader {
    options: KafkaOptions,
    consumer: BaseConsumer,
    topic: String,
    partition: i32,
    next: i64,
    end: Option<i64>,
}

impl Reader {
    /// A reader of a partition; it reads once it was told where.
    pub fn open(options: &KafkaOptions, topic: &str, partition: i32) -> Result<Reader, Trouble> {
        let consumer = options.reader()?;
        Ok(Reader { options: options.clone(), consumer, topic: topic.to_owned(), partition, next: 0, end: None })
    }
}

impl PartitionLog for Reader {
    fn bounds(&mut self) -> Result<Bounds, Trouble> {
        let bounds = bounds(&self.options, &self.consumer, &self.topic, self.partition)?;
        self.end = Some(bounds.end);
        Ok(bounds)
    }

    fn offset_at(&mut self, at: Instant) -> Result<Option<i64>, Trouble> {
        let mut asked = TopicPartitionList::new();
        let at_ms = Offset::Offset(at.0.div_euclid(1_000));
        asked.add_partition_offset(&self.topic, self.partition, at_ms).map_err(|e| unreachable(&e))?;
        let found = self.consumer.offsets_for_times(asked, ASK_MAX).map_err(|e| unreachable(&e))?;
        let found = found.find_partition(&self.topic, self.partition).map(|partition| partition.offset());
        Ok(if let Some(Offset::Offset(offset)) = found { Some(offset) } else { None })
    }

    fn seek(&mut self, offset: i64) -> Result<(), Trouble> {
        let mut at = TopicPartitionList::new();
        at.add_partition_offset(&self.topic, self.partition, Offset::Offset(offset)).map_err(|e| unreachable(&e))?;
        self.consumer.assign(&at).map_err(|e| unreachable(&e))?;
        self.next = offset;
        Ok(())
    }

    fn read(&mut self, batch: &mut Batch, limit: &ReadLimit, wait: Duration) -> Result<(), Trouble> {
        read(|wait| self.consumer.poll(wait), batch, limit, wait, &mut self.next, i64::MAX).map(drop)
    }

    fn end(&self) -> Option<i64> {
        self.end
    }
}

/// What the log says of a partition.
fn bounds<C: rdkafka::consumer::ConsumerContext>(
    options: &KafkaOptions,
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Result<Bounds, Trouble> {
    let (first, end) = consumer.fetch_watermarks(topic, partition, ASK_MAX).map_err(|e| match e.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownPartition) => {
            Trouble::NoSuch(format!("there is no partition {partition} of topic {topic:?}"))
        }
        _ => unreachable(&e),
    })?;
    let topic_id = topic_id::ask(&options.brokers, topic).unwrap_or_default();
    Ok(Bounds { topic_id, first, end })
}

/// Offsets that a log may lack between two records without anybody wondering: markers of transactions take some.
const GAP_MAX: i64 = 100;

/// Takes what a queue holds; waits for the first record only. A record that comes more than so many offsets after the one that is due
/// is not taken, and its offset is answered; from the second record on [`GAP_MAX`] of them are fine.
fn read<'m>(
    poll: impl Fn(Duration) -> Option<KafkaResult<BorrowedMessage<'m>>>,
    batch: &mut Batch,
    limit: &ReadLimit,
    wait: Duration,
    next: &mut i64,
    gap_max: i64,
) -> Result<Option<i64>, Trouble> {
    let until = std::time::Instant::now() + wait;
    let (mut wait, mut gap_max) = (wait, gap_max);
    while !limit.is_reached(batch) {
        match poll(wait) {
            None => return Ok(None),
            Some(Ok(message)) => {
                // Fetched before reading was told to go on elsewhere.
                if message.offset() < *next {
                    continue;
                }
                if message.offset() - *next > gap_max {
                    return Ok(Some(message.offset()));
                }
                gap_max = gap_max.max(GAP_MAX);
                *next = message.offset() + 1;
                let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
                batch.push(message.offset(), appended_at(message.timestamp()), key, value);
                wait = Duration::ZERO;
            }
            Some(Err(error)) => {
                pass_over(&error)?;
                // Trouble that passes is not the end of what there is: a record is waited for as long as was asked for.
                wait = wait.min(until.saturating_duration_since(std::time::Instant::now()));
            }
        }
    }
    Ok(None)
}

/// The client mends most troubles by itself; these it cannot.
fn pass_over(error: &KafkaError) -> Result<(), Trouble> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::NoOffset) => {
            Err(Trouble::OutOfRange(format!("the offset is not in the log: {error}")))
        }
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownPartition) => {
            Err(Trouble::NoSuch(error.to_string()))
        }
        Some(RDKafkaErrorCode::BadMessage | RDKafkaErrorCode::BadCompression) => Err(Trouble::Damaged(error.to_string())),
        _ => {
            tracing::debug!(%error, "the Kafka client met trouble and goes on");
            Ok(())
        }
    }
}

/// A topic that stamps by its log says when it took a record; one that keeps its producers' stamps says what they say.
fn appended_at(stamp: Timestamp) -> Instant {
    match stamp {
        Timestamp::NotAvailable => UNKNOWN_TIME,
        Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms) => Instant(ms.saturating_mul(1_000)),
    }
}
