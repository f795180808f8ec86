//! Events in a real Kafka: everything that was committed, in the order of each thing, also when the broker was away.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use testkit::kafka::{self, Broker};
use testkit::{Config, World};

const TOPIC: &str = "guildhall.events";
const PARTITIONS: i32 = 3;
const COMES_WITHIN: Duration = Duration::from_secs(60);

struct Read {
    partition: i32,
    key: String,
    header: String,
    event: Value,
}

/// Reads until so many different events of these kinds were seen.
fn read(brokers: &str, wanted: &[(&str, usize)]) -> Vec<Read> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", "test").create().unwrap();
    let mut from = TopicPartitionList::new();
    (0..PARTITIONS).for_each(|partition| from.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap());
    consumer.assign(&from).unwrap();
    let (begun, mut found) = (Instant::now(), Vec::<Read>::new());
    while let Some((kind, count)) = wanted.iter().find(|(kind, count)| distinct(&found, kind) < *count) {
        assert!(begun.elapsed() < COMES_WITHIN, "{} of {count} {kind} came", distinct(&found, kind));
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) else { continue };
        let header = message.headers().unwrap().get(0);
        found.push(Read {
            partition: message.partition(),
            key: String::from_utf8(message.key().unwrap().to_vec()).unwrap(),
            header: String::from_utf8(header.value.unwrap().to_vec()).unwrap(),
            event: serde_json::from_slice(message.payload().unwrap()).unwrap(),
        });
    }
    found
}

fn distinct(found: &[Read], kind: &str) -> usize {
    found.iter().filter(|read| read.header == kind).map(|read| read.event["id"].to_string()).collect::<BTreeSet<_>>().len()
}

/// A charge, and a payment of a new product so often.
async fn buys(world: &World, count: usize) {
    let player = world.player().await;
    world.charge(&player, 1_000_000).await;
    for number in 0..count {
        let product = world.product(&format!("Castle {number}"), 100).await;
        player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
    }
}

#[test]
fn what_was_committed_is_in_the_topic_in_its_order_although_the_broker_was_killed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(mut broker) = Broker::start().await else {
            return eprintln!("left out: {} is not set", kafka::JARS_VARIABLE);
        };
        let address = broker.address();
        kafka::create_topic(&address, TOPIC, PARTITIONS).await;
        let with_topic = |config: &mut Config| {
            config.kafka.brokers = address.clone();
            config.outbox.kafka_topic = TOPIC.to_owned();
        };
        let world = World::start(with_topic, None).await;
        world.app.start_jobs();
        buys(&world, 5).await;
        broker.kill().await;
        buys(&world, 5).await;
        broker.start_again().await;

        // Of each of two players one charge and five payments of a product each.
        let wanted = [("wallet.changed", 2), ("product.changed", 10), ("payment.paid", 10)];
        let brokers = address.clone();
        let found = tokio::task::spawn_blocking(move || read(&brokers, &wanted)).await.unwrap();
        let (mut homes, mut newest) = (BTreeMap::new(), BTreeMap::<String, i64>::new());
        for read in &found {
            assert_eq!((&read.event["aggregate"], &read.event["topic"]), (&json!(read.key), &json!(read.header)));
            assert_eq!(*homes.entry(read.key.clone()).or_insert(read.partition), read.partition, "{} has one partition", read.key);
            let version = read.event["version"].as_i64().unwrap();
            let before = newest.insert(read.key.clone(), version).unwrap_or(i64::MIN);
            assert!(version >= before, "{} came back to version {version} after {before}", read.key);
        }
        world.check().await;
        world.stop().await;
        broker.stop().await;
    });
}
