//! Measures the log: produce with acks=all and fsync, and consume, both through Kafka's protocol with librdkafka, and consume in process.
//! Refuses to measure anything that is not durable. `cargo bench -p broker --bench throughput [-- RECORDS [FOLDER]]`.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss)]

use broker::{Broker, NewRecord, Options, Server};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PARTITIONS: u32 = 4;
const RECORD_BYTES: usize = 172;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let records: u64 = arguments.next().map_or(2_000_000, |count| count.parse().unwrap());
    let kept = tempfile::tempdir().unwrap();
    let folder = arguments.next().map_or_else(|| kept.path().to_owned(), PathBuf::from).join("throughput");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (log, address) = runtime.block_on(async {
        let log = Broker::open(&folder, Options::default()).await.unwrap();
        log.create_topic("bench", PARTITIONS).await.unwrap();
        log.create_topic("process", PARTITIONS).await.unwrap();
        let server = Server::bind(log.clone(), "127.0.0.1:0").await.unwrap();
        let address = server.address().to_string();
        tokio::spawn(server.run(std::future::pending()));
        (log, address)
    });
    println!("{records} records of {RECORD_BYTES} bytes, {PARTITIONS} partitions, {}", folder.display());
    show("produced, acks=all with fsync, through the protocol", records, || produce(&address, records));
    show("produced, acks=all with fsync, lz4, through the protocol", records, || produce_packed(&address, records));
    show("consumed through the protocol", records, || consume(&address, records));
    show("appended with fsync, in process", records, || runtime.block_on(append(&log, records)));
    show("consumed in process", records, || runtime.block_on(read(&log, "process", records)));
    println!("resident {} MB at its peak, with the clients in it", peak_mb());
    runtime.block_on(log.close());
    let started = Instant::now();
    drop(log);
    drop(runtime);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { Broker::open(&folder, Options::default()).await.unwrap() });
    println!("closed and opened again in {:?}", started.elapsed());
    std::fs::remove_dir_all(&folder).unwrap();
}

fn show(what: &str, records: u64, work: impl FnOnce()) {
    let (started, cpu) = (Instant::now(), cpu_s());
    work();
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_s() - cpu);
    println!("{what}: {:.0} records/s, {seconds:.2} s, {cpu:.2} CPU s with the client", records as f64 / seconds);
}

fn value(n: u64) -> Vec<u8> {
    let mut value =
        format!("{{\"id\":{n},\"player\":\"player {}\",\"type\":\"play\",\"at\":\"2026-11-21T09:00:00Z\",\"mode\":\"ranked\"", n % 200_000)
            .into_bytes();
    value.resize(RECORD_BYTES - 1, b' ');
    value.push(b'}');
    value
}

fn produce(address: &str, records: u64) {
    send(address, records, "none", "bench");
}

fn produce_packed(address: &str, records: u64) {
    send(address, records, "lz4", "process");
}

fn send(address: &str, records: u64, codec: &str, topic: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", codec)
        .set("linger.ms", "5")
        .set("batch.num.messages", "10000")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .unwrap();
    for n in 0..records {
        let value = value(n);
        let partition = i32::try_from(n / 500 % u64::from(PARTITIONS)).unwrap();
        let mut record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(&value);
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(rdkafka::types::RDKafkaErrorCode::QueueFull));
            producer.poll(Duration::from_millis(1));
            record = back;
        }
        if n % 1_000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(PATIENCE).unwrap();
}

fn consume(address: &str, records: u64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("fetch.message.max.bytes", "4194304")
        .set("check.crcs", "false")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..i32::try_from(PARTITIONS).unwrap() {
        all.add_partition_offset("bench", partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut seen, until) = (0, Instant::now() + PATIENCE);
    while seen < records {
        assert!(Instant::now() < until, "{seen} of {records} came");
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            assert_eq!(message.unwrap().payload().unwrap().len(), RECORD_BYTES);
            seen += 1;
        }
    }
}

/// A writer per partition, each with batches of 1,000.
async fn append(log: &Broker, records: u64) {
    log.delete_topic("process").await.unwrap();
    log.create_topic("process", PARTITIONS).await.unwrap();
    let writer = |partition: u32| {
        let log = log.clone();
        tokio::spawn(async move {
            let share = records / u64::from(PARTITIONS);
            for begin in (0..share).step_by(1_000) {
                let values: Vec<_> = (begin..(begin + 1_000).min(share)).map(value).collect();
                let records: Vec<_> = values.iter().map(|value| NewRecord { key: None, value }).collect();
                log.append("process", partition, &records).await.unwrap();
            }
        })
    };
    for task in (0..PARTITIONS).map(writer).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn read(log: &Broker, topic: &'static str, records: u64) {
    let reader = |partition: u32| {
        let log = log.clone();
        tokio::spawn(async move {
            let (mut next, mut bytes) = (0, 0);
            while next < log.offsets(topic, partition).unwrap().end {
                let chunk = log.read(topic, partition, next, 1 << 20).await.unwrap();
                bytes += chunk.records().map(|record| record.unwrap().value.unwrap().len()).sum::<usize>();
                next = chunk.next_offset();
            }
            bytes
        })
    };
    let mut bytes = 0;
    for task in (0..PARTITIONS).map(reader).collect::<Vec<_>>() {
        bytes += task.await.unwrap();
    }
    assert_eq!(bytes as u64, records / u64::from(PARTITIONS) * u64::from(PARTITIONS) * RECORD_BYTES as u64);
}

/// CPU seconds of this process so far.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
