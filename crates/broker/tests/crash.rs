//! What a crash may do to the log, and may not: processes killed while they append, and tails torn at every byte.
//! Refuses to trust the log's own word: what was acknowledged is counted outside of it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use broker::{Broker, NewRecord, Options};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FOLDER: &str = "GUILDHALL_TEST_CRASH_FOLDER";
const WRITERS: u32 = 6;
const PARTITIONS: u32 = 3;

fn options() -> Options {
    Options { segment_bytes: 64 << 10, ..Options::default() }
}

/// Appends without end and tells each acknowledged record on its output: writer, number, partition, offset.
async fn append_until_killed(folder: &Path, round: usize) {
    let log = Broker::open(folder, options()).await.unwrap();
    if log.topic("t").is_none() {
        log.create_topic("t", PARTITIONS).await.unwrap();
    }
    let writer = |writer: u32| {
        let log = log.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let text: Vec<String> = (0..=number % 5).map(|place| format!("{round}/{writer}/{number}/{place}")).collect();
                let records: Vec<_> = text.iter().map(|text| NewRecord { key: None, value: text.as_bytes() }).collect();
                let offset = log.append("t", writer % PARTITIONS, &records).await.unwrap();
                for (text, offset) in text.iter().zip(offset..) {
                    println!("ack {text} {} {offset}", writer % PARTITIONS);
                }
            }
        })
    };
    for task in (0..WRITERS).map(writer).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_appears_twice_when_the_process_is_killed() {
    let run = |work: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work)
    };
    if let Ok(folder) = std::env::var(FOLDER) {
        let (folder, round) = folder.rsplit_once('#').unwrap();
        let (folder, round) = (PathBuf::from(folder), round.parse().unwrap());
        return run(Box::pin(async move { append_until_killed(&folder, round).await }));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<String, (u32, i64)> = HashMap::new();
    for round in 0..5 {
        let name = "nothing_acknowledged_is_lost_and_nothing_appears_twice_when_the_process_is_killed";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(FOLDER, format!("{}#{round}", folder.path().display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            // The last line may be cut off by the kill.
            let parts: Vec<_> = line.split(' ').collect();
            if let ["ack", text, partition, offset] = parts[..] {
                acknowledged.insert(text.to_owned(), (partition.parse().unwrap(), offset.parse().unwrap_or(-1)));
                seen += 1;
            }
            if seen == 700 + round * 313 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= 700, "the child stopped by itself after {seen}");
    }
    let path = folder.path().to_owned();
    run(Box::pin(async move { compare(&path, &acknowledged).await }));
}

async fn compare(folder: &Path, acknowledged: &HashMap<String, (u32, i64)>) {
    let log = Broker::open(folder, options()).await.unwrap();
    let mut found: HashMap<String, (u32, i64)> = HashMap::new();
    for partition in 0..PARTITIONS {
        let mut next = 0;
        while next < log.offsets("t", partition).unwrap().end {
            let chunk = log.read("t", partition, next, 1 << 20).await.unwrap();
            for record in chunk.records() {
                let record = record.unwrap();
                assert_eq!(record.offset, next, "offsets have no gaps");
                next += 1;
                let text = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                assert_eq!(found.insert(text.clone(), (partition, record.offset)), None, "{text} is there twice");
            }
        }
    }
    // A cut last line may have lost digits of its offset: its text is whole, and it must be there.
    let wrong = |(text, place): &(&String, &(u32, i64))| found.get(*text) != Some(*place);
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(wrong)
        .filter(|(text, (_, offset))| found.get(*text).is_none_or(|(_, is)| !is.to_string().starts_with(&offset.to_string())))
        .collect();
    assert!(lost.is_empty(), "{} of {} acknowledged records are not where they were: {:?}", lost.len(), acknowledged.len(), lost.first());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The newest segment of the one partition of the one topic.
fn newest_segment(folder: &Path) -> PathBuf {
    let topic = std::fs::read_dir(folder.join("topics")).unwrap().next().unwrap().unwrap().path();
    let entries = std::fs::read_dir(topic.join("0")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|ending| ending == "log")).max().unwrap()
}

async fn values(log: &Broker) -> Vec<String> {
    let offsets = log.offsets("t", 0).unwrap();
    let (mut next, mut values) = (offsets.start, Vec::new());
    while next < offsets.end {
        let chunk = log.read("t", 0, next, 1 << 20).await.unwrap();
        values.extend(chunk.records().map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap()));
        next = chunk.next_offset();
    }
    values
}

async fn log_of_three_batches(folder: &Path) -> (u64, u64) {
    let log = Broker::open(folder, options()).await.unwrap();
    log.create_topic("t", 1).await.unwrap();
    let append = async |text: &str| log.append("t", 0, &[NewRecord { key: Some(b"k"), value: text.as_bytes() }]).await.unwrap();
    append("one").await;
    append("two").await;
    let before = std::fs::metadata(newest_segment(folder)).unwrap().len();
    append("three").await;
    log.close().await;
    (before, std::fs::metadata(newest_segment(folder)).unwrap().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_torn_at_any_byte_costs_the_last_batch_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (before, size) = log_of_three_batches(&folder.path().join("whole")).await;
    for cut in before..size {
        let torn = folder.path().join(format!("cut {cut}"));
        copy(&folder.path().join("whole"), &torn);
        std::fs::File::options().write(true).open(newest_segment(&torn)).unwrap().set_len(cut).unwrap();
        let log = Broker::open(&torn, options()).await.unwrap();
        assert_eq!(values(&log).await, ["one", "two"], "cut at {cut}");
        assert_eq!(log.append("t", 0, &[NewRecord { key: None, value: b"four" }]).await, Ok(2));
        assert_eq!(values(&log).await, ["one", "two", "four"], "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_byte_in_the_last_batch_is_found_and_what_is_cut_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (before, size) = log_of_three_batches(&folder.path().join("whole")).await;
    // The leader's epoch at bytes 12 to 15 is not covered by the checksum, and nobody reads it.
    for place in (0..size - before).filter(|place| !(12..16).contains(place)) {
        let torn = folder.path().join(format!("place {place}"));
        copy(&folder.path().join("whole"), &torn);
        let segment = newest_segment(&torn);
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[usize::try_from(before + place).unwrap()] ^= 0x55;
        std::fs::write(&segment, &bytes).unwrap();
        let log = Broker::open(&torn, options()).await.unwrap();
        assert_eq!(values(&log).await, ["one", "two"], "damaged at {place}");
        assert_eq!(std::fs::read(segment.with_extension("torn")).unwrap(), bytes[usize::try_from(before).unwrap()..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_a_closed_segment_stops_the_start_instead_of_losing_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let log = Broker::open(folder.path(), options()).await.unwrap();
    log.create_topic("t", 1).await.unwrap();
    let value = vec![b'v'; 20_000];
    for _ in 0..10 {
        log.append("t", 0, &[NewRecord { key: None, value: &value }]).await.unwrap();
    }
    log.close().await;
    drop(log);
    let first = newest_segment(folder.path()).with_file_name("00000000000000000000.log");
    let size = std::fs::metadata(&first).unwrap().len();
    std::fs::File::options().write(true).open(&first).unwrap().set_len(size - 1).unwrap();
    let error = loop {
        match Broker::open(folder.path(), options()).await {
            Err(broker::Error::Locked(_)) => tokio::task::yield_now().await,
            opened => break opened.map(|_| ()).unwrap_err(),
        }
    };
    assert!(matches!(&error, broker::Error::Corrupt { place, .. } if place.contains("00000000000000000000.log")), "{error}");
}
