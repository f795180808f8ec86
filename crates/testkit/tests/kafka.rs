//! The real Kafka of tests: the shared one answers, and one of a test's own survives being killed.
//! Leaves what the store does with it to the store's tests.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::time::Duration;
use testkit::kafka::{self, Broker};

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

async fn end_of(address: String, topic: &'static str) -> (i64, i64) {
    let ask = move || {
        let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &address).create().expect("a client");
        consumer.fetch_watermarks(topic, 0, ANSWERS_WITHIN).expect("the broker answers")
    };
    tokio::task::spawn_blocking(ask).await.expect("no panic")
}

#[tokio::test]
async fn a_broker_that_is_killed_has_its_records_when_it_is_started_again() {
    let Some(mut broker) = Broker::start().await else {
        eprintln!("left out: {} is not set", kafka::JARS_VARIABLE);
        return;
    };
    kafka::create_topic(&broker.address(), "kept", 1).await;
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", broker.address()).set("acks", "all").create().expect("a client");
    for number in 0..100 {
        let value = number.to_string();
        producer.send(FutureRecord::<(), _>::to("kept").payload(&value), ANSWERS_WITHIN).await.expect("a record is taken");
    }
    broker.kill().await;
    broker.start_again().await;
    assert_eq!(end_of(broker.address(), "kept").await, (0, 100));
    broker.stop().await;
}

#[tokio::test]
async fn a_topic_on_the_shared_broker_is_there_at_once() {
    let Some(address) = kafka::from_environment() else {
        eprintln!("left out: {} is not set", kafka::VARIABLE);
        return;
    };
    let topic: &'static str = testkit::postgres::fresh_name("topic").leak();
    kafka::create_topic(&address, topic, 3).await;
    assert_eq!(end_of(address, topic).await, (0, 0));
}
