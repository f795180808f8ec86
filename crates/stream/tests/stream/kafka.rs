//! The stream over real Kafka: members come and go, and every record counts once.

use crate::ground::{GAME, Ground, KEYED, accounts, campaign, folded, now, outcome, plays, read, small, until};
use campaigns::Live;
use db::{Db, Options as DbOptions};
use kernel::Instant;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::time::Duration;
use stream::record::{Batch, ReadLimit};
use stream::{KafkaOptions, Options, Source, Stream};

const PARTITIONS: i32 = 4;

fn brokers() -> Option<String> {
    std::env::var("GUILDHALL_TEST_KAFKA").ok().filter(|brokers| !brokers.is_empty())
}

/// A name no other run uses.
fn fresh(ground: &Ground) -> String {
    let unique = ground.url.rsplit('/').next().unwrap().replace(|char: char| !char.is_ascii_alphanumeric(), "-");
    format!("{unique}-{}-{:x}", std::process::id(), ground.db.now().0)
}

async fn create(brokers: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let topic = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    admin.create_topics([&topic], &AdminOptions::new()).await.unwrap()[0].clone().unwrap();
}

async fn produce(brokers: &str, topic: &str, records: &[(String, String)]) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .create()
        .unwrap();
    let stamp = now().0 / 1_000;
    let sent: Vec<_> = records
        .iter()
        .map(|(key, value)| producer.send_result(FutureRecord::to(topic).key(key).payload(value).timestamp(stamp)).unwrap())
        .collect();
    for one in sent {
        one.await.unwrap().unwrap();
    }
}

async fn start(ground: &Ground, brokers: &str, unique: &str) -> (Stream, Db) {
    // A handle of its own, as another process has.
    let db = Db::open(DbOptions::new(&ground.url)).await.unwrap();
    let (accounts, _) = accounts(&db);
    let mut kafka = KafkaOptions::new(brokers);
    kafka.group = unique.to_owned();
    kafka.session_timeout_ms = 6_000;
    let options = Options { topic_prefix: format!("{unique}."), limits: small(), ..Options::default() };
    (Stream::start(&db, &Live::new(&db), &accounts, Source::Kafka(kafka), options).await.unwrap(), db)
}

fn records(brokers: &str, topic: &str) -> Vec<(Instant, Vec<u8>)> {
    let source = Source::Kafka(KafkaOptions::new(brokers));
    let mut all = Vec::new();
    for partition in source.partitions(topic).unwrap() {
        let mut log = source.open(topic, partition).unwrap();
        let bounds = log.bounds().unwrap();
        assert_ne!(bounds.topic_id, [0; 16], "the broker tells the topic's id");
        log.seek(bounds.first).unwrap();
        let mut next = bounds.first;
        while next < bounds.end {
            let mut batch = Batch::default();
            log.read(&mut batch, &ReadLimit { records: 1_000, bytes: 1 << 20 }, Duration::from_secs(5)).unwrap();
            next = batch.last().expect("there are more").offset + 1;
            all.extend(batch.iter().map(|record| (record.appended_at, record.value.to_vec())));
        }
    }
    all
}

async fn members_come_and_go(ground: Ground) {
    let Some(brokers) = brokers() else { return eprintln!("left out: GUILDHALL_TEST_KAFKA is not set") };
    let unique = fresh(&ground);
    let topic = format!("{unique}.{GAME}");
    create(&brokers, &topic).await;
    let campaigns = [campaign(10)];
    ground.register(KEYED, &campaigns).await;
    let plays = plays(150, 20);
    let parts: Vec<&[(String, String)]> = plays.chunks(plays.len() / 4 + 1).collect();

    let (one, one_db) = start(&ground, &brokers, &unique).await;
    produce(&brokers, &topic, parts[0]).await;
    until("the first part is read", async || read(&ground.db).await >= 300).await;
    let (other, other_db) = start(&ground, &brokers, &unique).await;
    produce(&brokers, &topic, parts[1]).await;
    until("a second member has partitions", async || other.partitions() > 0).await;
    produce(&brokers, &topic, parts[2]).await;
    one.stop().await;
    one_db.close().await;
    produce(&brokers, &topic, parts[3]).await;
    let all = i64::try_from(plays.len()).unwrap();
    until("all records are read", async || read(&ground.db).await == all).await;
    other.stop().await;
    other_db.close().await;

    let (of_brokers, of_topic) = (brokers.clone(), topic.clone());
    let records = tokio::task::spawn_blocking(move || records(&of_brokers, &of_topic)).await.unwrap();
    assert_eq!(records.len(), plays.len());
    assert_eq!(outcome(&ground.db, KEYED, &campaigns).await, folded(KEYED, &campaigns, &records));
    ground.close().await;
}

fn on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

#[test]
fn members_of_a_group_come_and_go_and_every_record_counts_once_on_sqlite() {
    on(async {
        // One process on the file at a time is the rule for servers; two handles of one process are two writers that wait for each other.
        members_come_and_go(Ground::sqlite().await).await;
    });
}

#[test]
fn members_of_a_group_come_and_go_and_every_record_counts_once_on_postgres() {
    on(async {
        let Some(ground) = Ground::postgres("members").await else { return eprintln!("left out: GUILDHALL_TEST_POSTGRES is not set") };
        members_come_and_go(ground).await;
    });
}
