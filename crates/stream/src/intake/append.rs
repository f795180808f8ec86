//! Appends lines to the log that the process uses, each to the partition its player belongs to where the topic is keyed by player.
//! Refuses to answer before the log says that every line is durable.

use crate::options::Options;
use crate::record::{Batch, CUT_MARK, CUT_TO, Record, UNKNOWN_TIME};
use crate::source::{Source, Trouble};
use broker::{Broker, NewRecord};
use futures::future::try_join_all;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::{DeliveryFuture, FutureRecord};
use rdkafka::producer::{FutureProducer, Producer as _};
use rules::{Mapper, Scratch};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// While the producer's queue is full, it is tried again after this long.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Where lines go.
pub(crate) struct Intake {
    to: To,
    /// For lines without a key.
    round: AtomicU32,
    pub(crate) requests: Arc<Semaphore>,
}

enum To {
    Kafka(FutureProducer),
    Embedded(Broker),
}

impl Intake {
    pub(crate) fn new(source: &Source, options: &Options) -> Result<Intake, Trouble> {
        let to = match source {
            Source::Embedded(broker) => To::Embedded(broker.clone()),
            Source::Kafka(kafka) => To::Kafka(kafka.producer()?),
        };
        Ok(Intake { to, round: AtomicU32::new(0), requests: Arc::new(Semaphore::new(options.intake.requests_max.max(1))) })
    }

    /// Appends a batch. `keying`: the mapper of a topic that is keyed by player.
    pub(crate) async fn append(&self, topic: &str, lines: &Batch, keying: Option<&Mapper>) -> Result<(), String> {
        let mut keys = Keys { mapper: keying, scratch: Scratch::default() };
        match &self.to {
            To::Embedded(broker) => self.to_embedded(broker, topic, lines, &mut keys).await,
            To::Kafka(producer) => to_kafka(producer, topic, lines, &mut keys).await,
        }
    }

    async fn to_embedded(&self, broker: &Broker, topic: &str, lines: &Batch, keys: &mut Keys<'_>) -> Result<(), String> {
        let partitions = broker.topic(topic).map_or(0, |topic| topic.partitions);
        if partitions == 0 {
            return Err(format!("there is no topic {topic:?} yet: it is made with the game's first mapping"));
        }
        let kept: Vec<(Option<String>, Vec<u8>)> = lines.iter().map(|line| (keys.of(&line), value(&line))).collect();
        let mut shares: Vec<Vec<NewRecord<'_>>> = (0..partitions).map(|_| Vec::new()).collect();
        for (key, value) in &kept {
            let partition = match key {
                Some(key) => (murmur2(key.as_bytes()) & 0x7fff_ffff) % partitions,
                None => self.round.fetch_add(1, Ordering::Relaxed) % partitions,
            };
            shares[partition as usize].push(NewRecord { key: key.as_deref().map(str::as_bytes), value });
        }
        let appends =
            (0..).zip(&shares).filter(|(_, share)| !share.is_empty()).map(|(partition, share)| broker.append(topic, partition, share));
        try_join_all(appends).await.map(drop).map_err(|error| error.to_string())
    }
}

async fn to_kafka(producer: &FutureProducer, topic: &str, lines: &Batch, keys: &mut Keys<'_>) -> Result<(), String> {
    let mut deliveries: Vec<DeliveryFuture> = Vec::with_capacity(lines.len());
    for line in lines.iter() {
        let (key, value) = (keys.of(&line), value(&line));
        let mut record: FutureRecord<'_, str, [u8]> = FutureRecord::to(topic).payload(&value);
        if let Some(key) = &key {
            record = record.key(key);
        }
        loop {
            match producer.send_result(record) {
                Ok(delivery) => {
                    deliveries.push(delivery);
                    break;
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    tokio::time::sleep(FULL_PAUSE).await;
                }
                Err((error, _)) => return Err(not_taken(topic, &error)),
            }
        }
    }
    for delivery in deliveries {
        match delivery.await {
            Ok(Ok(_)) => {}
            Ok(Err((error, _))) => return Err(not_taken(topic, &error)),
            Err(_) => return Err("the Kafka client ended".to_owned()),
        }
    }
    Ok(())
}

/// The client tells neither which topic it was, nor that one which is not there looks to it like one that does not answer.
fn not_taken(topic: &str, error: &KafkaError) -> String {
    format!(
        "Kafka does not take lines of topic {topic:?} ({error}): the topic has to be there, with partitions of its own, and a broker has to lead them"
    )
}

impl Drop for Intake {
    fn drop(&mut self) {
        if let To::Kafka(producer) = &self.to {
            // Every line was waited for by its request; nothing of worth is left.
            drop(producer.flush(Duration::from_secs(1)));
        }
    }
}

/// What of a line goes to the log: all, or its start with a mark where it is too long for a record.
fn value(line: &Record<'_>) -> Vec<u8> {
    if line.is_cut || line.value.len() > CUT_TO {
        return [&line.value[..line.value.len().min(CUT_TO)], CUT_MARK].concat();
    }
    line.value.to_vec()
}

/// Finds the player a line is about, for its key.
struct Keys<'m> {
    mapper: Option<&'m Mapper>,
    scratch: Scratch,
}

impl Keys<'_> {
    /// The only player of the line; none when it has several or none, or does not fit.
    fn of(&mut self, line: &Record<'_>) -> Option<String> {
        let mapper = self.mapper?;
        if line.is_cut {
            return None;
        }
        let (mut player, mut is_one): (Option<String>, bool) = (None, true);
        let mapped = mapper.map(&mut self.scratch, line.value, UNKNOWN_TIME, &mut |event| match &player {
            None => player = Some(event.player.to_owned()),
            Some(first) => is_one &= first == event.player,
        });
        player.filter(|_| is_one && mapped.is_ok())
    }
}

/// The hash by which Kafka's Java clients choose a key's partition: MurmurHash2 with Kafka's seed.
/// Source: `org.apache.kafka.common.utils.Utils.murmur2`.
pub fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(key.len()).expect("a key is far shorter than four gigabytes");
    let mut hash = 0x9747_b28c ^ length;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().expect("chunks have four bytes")).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_the_java_client_hashes_them() {
        // Kafka's own test vectors (UtilsTest.testMurmur2).
        let known: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key), u32::from_ne_bytes(hash.to_ne_bytes()), "{key:?}");
        }
    }
}
