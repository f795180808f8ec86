//! Sends log records as games do: by Kafka's protocol to Kafka or to the embedded log's port, or over HTTP.
//! Refuses to report a record as sent that the log has not confirmed.

use kernel::Instant;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The log has this long to take what was sent, so that a broker that is started again is waited for.
const TAKEN_WITHIN: Duration = Duration::from_secs(300);
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// A record on its way to a topic.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The topic.
    pub topic: &'a str,
    /// What it is keyed by.
    pub key: &'a [u8],
    /// The record itself.
    pub value: &'a [u8],
    /// The producer's time, in milliseconds; the moment it is sent if not given.
    pub at_ms: Option<i64>,
}

/// A producer of Kafka's own making, which keeps the order of a key and sends nothing twice. Call it from a thread that may block.
pub struct KafkaSender {
    producer: BaseProducer<Counting>,
}

/// Counts what the broker confirmed and what it did not take.
#[derive(Default)]
struct Counting {
    taken: AtomicU64,
    lost: AtomicU64,
}

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() { &self.taken } else { &self.lost };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl KafkaSender {
    /// A producer that gathers records for at most `linger_ms` before it sends them.
    ///
    /// # Errors
    /// The brokers are no list of HOST:PORT.
    pub fn new(brokers: &str, linger_ms: u32) -> Result<KafkaSender, String> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", linger_ms.to_string())
            // As the Java clients and our own intake choose, so that a player's records meet in one partition.
            .set("partitioner", "murmur2_random")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "200000")
            .set("queue.buffering.max.kbytes", "131072")
            .set("message.timeout.ms", TAKEN_WITHIN.as_millis().to_string())
            .create_with_context(Counting::default());
        producer.map(|producer| KafkaSender { producer }).map_err(|e| format!("kafka {brokers}: {e}"))
    }

    /// Hands a record over; waits while too many are under way.
    ///
    /// # Errors
    /// The topic or the record is refused.
    pub fn send(&self, record: Outgoing<'_>) -> Result<(), String> {
        let mut next = BaseRecord::to(record.topic).key(record.key).payload(record.value);
        next.timestamp = record.at_ms;
        while let Err((error, back)) = self.producer.send(next) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(format!("topic {}: {error}", record.topic));
            }
            self.producer.poll(Duration::from_millis(10));
            next = back;
        }
        Ok(())
    }

    /// Lets confirmations in without waiting; to be called now and then.
    pub fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Records the log has confirmed so far.
    pub fn taken(&self) -> u64 {
        self.producer.context().taken.load(Ordering::Relaxed)
    }

    /// Waits until everything is confirmed; answers how many records were.
    ///
    /// # Errors
    /// Records were not taken in time.
    pub fn finish(&self) -> Result<u64, String> {
        self.producer.flush(TAKEN_WITHIN).map_err(|e| format!("the log did not take what was sent: {e}"))?;
        match self.producer.context().lost.load(Ordering::Relaxed) {
            0 => Ok(self.taken()),
            lost => Err(format!("the log did not take {lost} records")),
        }
    }
}

/// The time on this machine's clock, for records that happen now.
#[expect(clippy::disallowed_methods, reason = "a load test sends what happens now, and judges nothing by it")]
pub fn now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Holds a thread of its own until a moment, for records that are sent at a rate.
#[expect(clippy::disallowed_methods, reason = "the thread belongs to the sender and runs no tasks")]
pub fn wait_until(due: std::time::Instant) {
    std::thread::sleep(due.saturating_duration_since(std::time::Instant::now()));
}

/// Makes topics; one that is there already stays as it is.
///
/// # Errors
/// The brokers do not answer, or refuse a topic.
pub async fn create_topics(brokers: &str, topics: &[String], partitions: i32) -> Result<(), String> {
    let told = |error: KafkaError| format!("kafka {brokers}: {error}");
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(told)?;
    let wanted: Vec<NewTopic<'_>> = topics.iter().map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(1))).collect();
    let made = admin.create_topics(&wanted, &AdminOptions::new().operation_timeout(Some(ANSWERS_WITHIN))).await.map_err(told)?;
    let refused = made.into_iter().find_map(|one| one.err().filter(|(_, code)| *code != RDKafkaErrorCode::TopicAlreadyExists));
    refused.map_or(Ok(()), |(topic, code)| Err(format!("kafka {brokers} did not make topic {topic}: {code}")))
}

/// Drops topics of a load test; those that are gone already are fine.
///
/// # Errors
/// The brokers do not answer.
pub async fn delete_topics(brokers: &str, topics: &[String]) -> Result<(), String> {
    let told = |error: KafkaError| format!("kafka {brokers}: {error}");
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(told)?;
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    admin.delete_topics(&names, &AdminOptions::new().operation_timeout(Some(ANSWERS_WITHIN))).await.map(drop).map_err(told)
}
