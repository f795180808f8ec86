//! A topic of Kafka that events are produced to: what is said of one thing lies in one partition, in its order.
//! Refuses to make the topic: how many partitions it has and how long it keeps is for whoever runs Kafka.

use crate::{Outgoing, Sink};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};

/// Produces events to a topic, with the aggregate as key and the JSON of an [`Outgoing`] as value. The header `topic` says what kind of
/// event it is, so that readers may pass over a record without parsing it. After a crash a record may come twice: readers dedupe by `id`.
pub struct KafkaTopic {
    producer: FutureProducer,
    brokers: String,
    topic: String,
}

impl KafkaTopic {
    /// A topic, with the producer of its cluster, which answers within the 30 seconds that a sink has; `brokers` are for people.
    pub fn new(producer: FutureProducer, brokers: &str, topic: &str) -> KafkaTopic {
        KafkaTopic { producer, brokers: brokers.to_owned(), topic: topic.to_owned() }
    }

    fn produce(&self, outgoing: &Outgoing) -> Result<DeliveryFuture, String> {
        let value = serde_json::to_vec(outgoing).expect("an event is plain data");
        let headers = OwnedHeaders::new().insert(Header { key: "topic", value: Some(&outgoing.topic) });
        let record = FutureRecord::to(&self.topic).key(&outgoing.aggregate).payload(&value).headers(headers);
        self.producer.send_result(record).map_err(|(error, _)| error.to_string())
    }
}

impl Sink for KafkaTopic {
    fn name(&self) -> &str {
        "kafka-topic"
    }

    fn target(&self) -> String {
        format!("{}/{}", self.brokers, self.topic)
    }

    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>> {
        async move {
            let places = places(batch);
            let mut answers: Vec<Result<(), String>> = vec![Ok(()); batch.len()];
            // Of each aggregate one at a time: a version that fails must not be passed by a later one.
            for round in 0..places.iter().max().map_or(0, |last| last + 1) {
                let mut under_way = Vec::new();
                for at in (0..batch.len()).filter(|at| places[*at] == round) {
                    let earlier = if round == 0 { Ok(()) } else { answers[at - 1].clone() };
                    match earlier.and_then(|()| self.produce(batch[at])) {
                        Ok(delivery) => under_way.push((at, delivery)),
                        Err(why) => answers[at] = Err(why),
                    }
                }
                for (at, delivery) in under_way {
                    answers[at] = match delivery.await {
                        Ok(Ok(_)) => Ok(()),
                        Ok(Err((error, _))) => Err(error.to_string()),
                        Err(_) => Err("the client of kafka ended".to_owned()),
                    };
                }
            }
            answers
        }
        .boxed()
    }
}

/// Of each row how many of the same aggregate stand before it; rows of one aggregate stand together.
fn places(batch: &[&Outgoing]) -> Vec<usize> {
    let mut places: Vec<usize> = Vec::with_capacity(batch.len());
    for (at, outgoing) in batch.iter().enumerate() {
        let follows = at > 0 && batch[at - 1].aggregate == outgoing.aggregate;
        places.push(if follows { places[at - 1] + 1 } else { 0 });
    }
    places
}
