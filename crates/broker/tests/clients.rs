//! Ordinary clients, unmodified: kcat, librdkafka and the Java client produce, consume, commit, rebalance and administer.
//! Refuses to pass for want of a client: what is not installed is named, and with CI=true it fails.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use broker::{Broker, Options, Server};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(60);
const JARS: &str = "GUILDHALL_TEST_KAFKA_JARS";

/// A log, its address and its folder.
struct Served {
    log: Broker,
    address: String,
    folder: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    async fn start() -> Served {
        let options = Options { rebalance_delay_ms: 20, ..Options::default() };
        let folder = tempfile::tempdir().unwrap();
        let log = Broker::open(folder.path(), options).await.unwrap();
        let server = Server::bind(log.clone(), "127.0.0.1:0").await.unwrap();
        let address = server.address().to_string();
        let task = tokio::spawn(server.run(std::future::pending()));
        Served { log, address, folder, task }
    }

    /// Bytes of all segments of all topics.
    fn bytes(&self) -> u64 {
        size(&self.folder.path().join("topics"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Says what is missing; in CI nothing may be.
fn left_out(test: &str, missing: &str) {
    assert!(!is_ci(), "{test} needs {missing}, and with CI=true nothing is left out");
    eprintln!("{test} is left out: it needs {missing}");
}

async fn kcat(served: &Served, arguments: &[&str], input: &str) -> Option<String> {
    use tokio::io::AsyncWriteExt;
    let child = Command::new("kcat")
        .args(["-b", &served.address])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("kcat: {error}"),
    };
    let mut stdin = child.stdin.take().unwrap();
    // A kcat that ends before it has read everything says why on its own.
    _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("kcat ends in time").unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "kcat {arguments:?}: {told}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_produces_and_consumes_with_every_codec() {
    let served = Served::start().await;
    served.log.create_topic("plays", 2).await.unwrap();
    let lines: Vec<String> = (0..2_000).map(|n| format!("{{\"n\":{n},\"text\":\"some text that repeats\"}}")).collect();
    let input = lines.join("\n") + "\n";
    let mut count = 0;
    // Debian builds its librdkafka without zstd: the Java client tries that one.
    for codec in ["none", "gzip", "snappy", "lz4"] {
        let before = served.bytes();
        let produced = kcat(&served, &["-P", "-t", "plays", "-p", "1", "-z", codec, "-X", "acks=all", "-X", "linger.ms=50"], &input).await;
        if produced.is_none() {
            return left_out("kcat_produces_and_consumes_with_every_codec", "kcat");
        }
        let grown = served.bytes() - before;
        assert_eq!(codec == "none", grown > input.len() as u64, "{codec}: {grown} bytes for {}", input.len());
        count += lines.len();
        let consumed = kcat(&served, &["-C", "-t", "plays", "-p", "1", "-o", "beginning", "-e", "-q"], "").await.unwrap();
        let expected: Vec<&str> = lines.iter().cycle().take(count).map(String::as_str).collect();
        assert!(consumed.lines().eq(expected.into_iter()), "{codec}");
    }
    // In process the same records come unpacked.
    let (mut next, mut seen) = (0, 0);
    while next < i64::try_from(count).unwrap() {
        let chunk = served.log.read("plays", 1, next, 1 << 20).await.unwrap();
        for record in chunk.records() {
            assert_eq!(record.unwrap().value.unwrap(), lines[seen % lines.len()].as_bytes());
            seen += 1;
        }
        next = chunk.next_offset();
    }
    assert_eq!(seen, count);
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_lists_the_topics_and_joins_a_group() {
    let served = Served::start().await;
    served.log.create_topic("plays", 3).await.unwrap();
    let Some(listed) = kcat(&served, &["-L"], "").await else {
        return left_out("kcat_lists_the_topics_and_joins_a_group", "kcat");
    };
    assert!(listed.contains("topic \"plays\" with 3 partitions"), "{listed}");
    kcat(&served, &["-P", "-t", "plays", "-K", ":"], "a:1\nb:2\nc:3\nd:4\n").await.unwrap();
    let consumed = kcat(&served, &["-G", "readers", "-X", "auto.offset.reset=earliest", "-c", "4", "-q", "plays"], "").await.unwrap();
    assert_eq!(consumed.lines().collect::<BTreeSet<_>>(), BTreeSet::from(["1", "2", "3", "4"]));
}

fn config(served: &Served) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &served.address);
    config
}

async fn produce(served: &Served, topic: &str, numbers: std::ops::Range<u32>, codec: &str) {
    let producer: FutureProducer = config(served).set("enable.idempotence", "true").set("compression.type", codec).create().unwrap();
    let sends = numbers.map(|n| {
        let producer = producer.clone();
        async move {
            let (key, value) = (format!("{n}"), format!("value {n}"));
            producer.send(FutureRecord::to(topic).key(&key).payload(&value), PATIENCE).await.unwrap();
        }
    });
    futures::future::join_all(sends).await;
}

fn number(message: &impl Message) -> u32 {
    std::str::from_utf8(message.key().unwrap()).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_produces_idempotently_and_reads_back_with_every_codec() {
    let served = Served::start().await;
    served.log.create_topic("t", 3).await.unwrap();
    for (turn, codec) in (0..).zip(["none", "gzip", "snappy", "lz4"]) {
        produce(&served, "t", turn * 1_000..(turn + 1) * 1_000, codec).await;
    }
    let consumer: StreamConsumer = config(&served).set("group.id", "g").set("auto.offset.reset", "earliest").create().unwrap();
    consumer.subscribe(&["t"]).unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 4_000 {
        let message = tokio::time::timeout(PATIENCE, consumer.recv()).await.expect("records come").unwrap();
        assert!(seen.insert(number(&message)), "{} came twice", number(&message));
        assert!(message.timestamp().to_millis().unwrap() > 1_600_000_000_000);
    }
    assert_eq!(seen, (0..4_000).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_commits_and_goes_on_where_it_left() {
    let served = Served::start().await;
    served.log.create_topic("t", 1).await.unwrap();
    produce(&served, "t", 0..100, "none").await;
    let consumer = || -> StreamConsumer {
        config(&served).set("group.id", "g").set("enable.auto.commit", "false").set("auto.offset.reset", "earliest").create().unwrap()
    };
    let first = consumer();
    first.subscribe(&["t"]).unwrap();
    for _ in 0..40 {
        let message = tokio::time::timeout(PATIENCE, first.recv()).await.unwrap().unwrap();
        first.commit_message(&message, CommitMode::Sync).unwrap();
    }
    drop(first);
    assert_eq!(served.log.committed("g", "t", 0).unwrap().offset, 40);
    let second = consumer();
    second.subscribe(&["t"]).unwrap();
    let message = tokio::time::timeout(PATIENCE, second.recv()).await.unwrap().unwrap();
    assert_eq!(message.offset(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_leaves_gives_its_partitions_to_the_others() {
    for strategy in ["range", "cooperative-sticky"] {
        let served = Served::start().await;
        served.log.create_topic("t", 4).await.unwrap();
        let consumer = || -> BaseConsumer {
            let mut config = config(&served);
            config.set("group.id", "g").set("auto.offset.reset", "earliest").set("partition.assignment.strategy", strategy);
            config.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "200").create().unwrap()
        };
        let (one, two) = (consumer(), consumer());
        one.subscribe(&["t"]).unwrap();
        two.subscribe(&["t"]).unwrap();
        let assigned = move |consumer: &BaseConsumer| {
            assert!(consumer.poll(Duration::from_millis(20)).is_none_or(|polled| polled.is_ok()));
            consumer.assignment().unwrap().count()
        };
        let waited = tokio::task::spawn_blocking(move || {
            let until = std::time::Instant::now() + PATIENCE;
            while (assigned(&one), assigned(&two)) != (2, 2) {
                assert!(std::time::Instant::now() < until, "each gets two partitions");
            }
            drop(two);
            while assigned(&one) != 4 {
                assert!(std::time::Instant::now() < until, "the one that is left gets all");
            }
        });
        waited.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_administers_and_looks_up_times() {
    let served = Served::start().await;
    let admin: AdminClient<_> = config(&served).create().unwrap();
    let wait = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let topics = [
        NewTopic::new("made", 2, TopicReplication::Fixed(1)).set("retention.ms", "1000"),
        NewTopic::new("made", 2, TopicReplication::Fixed(3)),
    ];
    admin.create_topics(&topics[..1], &wait).await.unwrap()[0].as_ref().unwrap();
    admin.create_topics(&topics[1..], &wait).await.unwrap()[0].as_ref().unwrap_err();
    assert_eq!(served.log.topic("made").unwrap().config.retention_ms, Some(1000));
    produce(&served, "made", 0..50, "none").await;
    let consumer: BaseConsumer = config(&served).set("group.id", "g").create().unwrap();
    let (found, ends) = tokio::task::spawn_blocking(move || {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset("made", 0, Offset::Offset(1_000)).unwrap();
        (consumer.offsets_for_times(wanted, PATIENCE).unwrap(), consumer.fetch_watermarks("made", 0, PATIENCE).unwrap())
    })
    .await
    .unwrap();
    assert_eq!(found.elements()[0].offset(), Offset::Offset(0));
    assert_eq!(ends, (0, served.log.offsets("made", 0).unwrap().end));
    admin.delete_topics(&["made"], &wait).await.unwrap()[0].as_ref().unwrap();
    assert_eq!(served.log.topics(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_java_client_produces_consumes_and_administers() {
    let Some(jars) = std::env::var(JARS).ok().filter(|jars| !jars.is_empty()) else {
        return left_out("the_java_client_produces_consumes_and_administers", &format!("{JARS}, the folder of Kafka's jars"));
    };
    let served = Served::start().await;
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java/Client.java");
    let run = Command::new("java").args(["-cp", &format!("{jars}/*"), program, &served.address]).kill_on_drop(true).output();
    let output = match tokio::time::timeout(PATIENCE * 3, run).await.expect("the Java client ends in time") {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return left_out("the_java_client_produces_consumes_and_administers", "java");
        }
        Err(error) => panic!("java: {error}"),
    };
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");
    assert_eq!(told.lines().last(), Some("all is well"), "{told}\n{errors}");
    assert_eq!(served.log.committed("java", "java", 0).map(|committed| committed.offset), Some(2_500));
}
