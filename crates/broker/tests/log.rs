//! The log as the rest of the process uses it. Refuses nothing of the network: that is `protocol.rs`.

#![allow(clippy::unwrap_used)]

use broker::{Appended, Broker, Clock, Error, Limits, NewRecord, Options, TopicConfig, encode};
use bytes::{Bytes, BytesMut};
use kernel::Instant;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const MIB: usize = 1 << 20;

/// A clock the test moves; milliseconds.
fn clock(at_ms: i64) -> (Arc<AtomicI64>, Clock) {
    let now = Arc::new(AtomicI64::new(at_ms));
    let read = now.clone();
    (now, Clock::new(move || Instant(read.load(Ordering::SeqCst) * 1_000)))
}

fn record(value: &str) -> NewRecord<'_> {
    NewRecord { key: None, value: value.as_bytes() }
}

/// Every record of a partition: offset, stamp in milliseconds, value.
async fn all(log: &Broker, topic: &str, partition: u32, max_bytes: usize) -> Vec<(i64, i64, String)> {
    let mut found = Vec::new();
    let mut next = log.offsets(topic, partition).unwrap().start;
    loop {
        let chunk = log.read(topic, partition, next, max_bytes).await.unwrap();
        if chunk.is_empty() {
            return found;
        }
        for record in chunk.records() {
            let record = record.unwrap();
            found.push((record.offset, record.appended_at.0 / 1_000, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
        next = chunk.next_offset();
    }
}

fn files(folder: &Path, ending: &str) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| {
            if entry.path().is_dir() { files(&entry.path(), ending) } else { usize::from(entry.path().to_string_lossy().ends_with(ending)) }
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_appended_is_read_in_order_with_its_stamp_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (now, clock) = clock(1_000);
    let options = Options { clock, segment_bytes: 4096, ..Options::default() };
    let log = Broker::open(folder.path(), options.clone()).await.unwrap();
    let topic = log.create_topic("plays", 2).await.unwrap();
    let mut expected = Vec::new();
    for n in 0..200i64 {
        now.store(1_000 + n, Ordering::SeqCst);
        let (one, two) = (format!("{n} {}", "x".repeat(80)), format!("{n} again"));
        let first = log.append("plays", 1, &[record(&one), record(&two)]).await.unwrap();
        assert_eq!(first, n * 2);
        expected.push((n * 2, 1_000 + n, one));
        expected.push((n * 2 + 1, 1_000 + n, two));
    }
    assert_eq!(all(&log, "plays", 1, 500).await, expected);
    drop(log);

    let log = Broker::open(folder.path(), options).await.unwrap();
    assert_eq!(log.topics(), [topic]);
    assert_eq!(all(&log, "plays", 1, MIB).await, expected);
    assert_eq!(all(&log, "plays", 0, MIB).await, []);
    assert!(files(folder.path(), ".log") > 8, "a segment of 4 KiB holds about 40 of these");
    assert_eq!(log.append("plays", 1, &[record("more")]).await, Ok(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_may_begin_at_any_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = Broker::open(folder.path(), Options { segment_bytes: 64 << 10, ..Options::default() }).await.unwrap();
    log.create_topic("t", 1).await.unwrap();
    let large = "y".repeat(30_000);
    for n in 0..20i64 {
        let text: Vec<String> = (0..7).map(|place| format!("{}", n * 8 + place)).collect();
        let mut records: Vec<_> = text.iter().map(|text| record(text)).collect();
        records.push(record(&large));
        log.append("t", 0, &records).await.unwrap();
    }
    for offset in 0..160 {
        for max_bytes in [1, 100_000] {
            let chunk = log.read("t", 0, offset, max_bytes).await.unwrap();
            let first = chunk.records().next().unwrap().unwrap();
            let value = if offset % 8 == 7 { large.clone() } else { offset.to_string() };
            assert_eq!((first.offset, first.value), (offset, Some(value.as_bytes())));
            assert_eq!(chunk.records().count(), chunk.len());
            assert!(chunk.next_offset() > offset && chunk.end_offset() == 160);
        }
    }
    assert!(log.read("t", 0, 160, 1).await.unwrap().is_empty());
    let outside = Error::OffsetOutOfRange { topic: "t".into(), partition: 0, offset: 161, start: 0, end: 160 };
    assert_eq!(log.read("t", 0, 161, 1).await.unwrap_err(), outside);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_woken_by_the_append_and_by_the_topics_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = Broker::open(folder.path(), Options::default()).await.unwrap();
    log.create_topic("t", 1).await.unwrap();
    let waiting = log.clone();
    let waiter = tokio::spawn(async move { waiting.wait("t", 0, 0).await });
    log.append("t", 0, &[record("a"), record("b")]).await.unwrap();
    assert_eq!(waiter.await.unwrap(), Ok(2));
    let waiting = log.clone();
    let waiter = tokio::spawn(async move { waiting.wait("t", 0, 2).await });
    log.delete_topic("t").await.unwrap();
    assert_eq!(waiter.await.unwrap(), Err(Error::UnknownTopic("t".into())));
    assert_eq!(log.append("t", 0, &[record("c")]).await, Err(Error::UnknownTopic("t".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_created_again_begins_empty_under_another_id() {
    let folder = tempfile::tempdir().unwrap();
    let log = Broker::open(folder.path(), Options::default()).await.unwrap();
    let old = log.create_topic("t", 1).await.unwrap();
    log.append("t", 0, &[record("old")]).await.unwrap();
    log.commit("g", "t", 0, 1).await.unwrap();
    assert_eq!(log.create_topic("t", 1).await, Err(Error::TopicExists("t".into())));
    log.delete_topic("t").await.unwrap();
    assert_eq!(files(&folder.path().join("topics"), ".log"), 0);
    let new = log.create_topic("t", 3).await.unwrap();
    assert_ne!(new.id, old.id);
    assert_eq!(all(&log, "t", 0, MIB).await, []);
    assert_eq!(log.committed("g", "t", 0), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_removes_whole_segments_by_age_and_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let (now, clock) = clock(0);
    let options = Options { clock, segment_bytes: 4096, segment_age_ms: 5_000, retention_ms: Some(10_000), ..Options::default() };
    let log = Broker::open(folder.path(), options).await.unwrap();
    log.create_topic("aged", 1).await.unwrap();
    let config = TopicConfig { retention_bytes: Some(8_000), retention_ms: Some(-1), ..TopicConfig::default() };
    log.create_topic_with("sized", 1, config).await.unwrap();
    let value = "z".repeat(900);
    for n in 0..40 {
        now.store(n * 500, Ordering::SeqCst);
        log.append("aged", 0, &[record(&value)]).await.unwrap();
        log.append("sized", 0, &[record(&value)]).await.unwrap();
    }
    assert!(log.retain().await.unwrap() > 0);
    let aged = log.offsets("aged", 0).unwrap();
    assert!((16..=19).contains(&aged.start), "at 19.5 s what is older than 9.5 s goes, but for what shares a segment: {aged:?}");
    let sized = log.offsets("sized", 0).unwrap();
    assert!((26..=32).contains(&sized.start), "8,000 bytes are about 8 records, in segments of 4: {sized:?}");
    assert!(matches!(log.read("aged", 0, aged.start - 1, 1).await, Err(Error::OffsetOutOfRange { .. })));
    assert_eq!(all(&log, "aged", 0, MIB).await.first().map(|(offset, ..)| *offset), Some(aged.start));

    now.store(100_000, Ordering::SeqCst);
    log.retain().await.unwrap();
    assert_eq!(log.offsets("aged", 0).map(|offsets| (offsets.start, offsets.end)), Ok((40, 40)), "a quiet partition ends up empty");
    assert_eq!(log.append("aged", 0, &[record("next")]).await, Ok(40));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offset_at_a_moment_is_that_of_the_first_batch_not_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (now, clock) = clock(0);
    let log = Broker::open(folder.path(), Options { clock, segment_bytes: 4096, retention_ms: None, ..Options::default() }).await.unwrap();
    log.create_topic("t", 1).await.unwrap();
    for n in 0..100 {
        now.store(n * 10, Ordering::SeqCst);
        log.append("t", 0, &[record(&"w".repeat(300))]).await.unwrap();
    }
    // A clock that was set back does not set stamps back.
    now.store(5, Ordering::SeqCst);
    log.append("t", 0, &[record("late")]).await.unwrap();
    assert_eq!(all(&log, "t", 0, MIB).await[100].1, 990);
    for at_ms in 0..=990 {
        assert_eq!(log.offset_at("t", 0, Instant(at_ms * 1_000)).await, Ok(Some((at_ms + 9) / 10)), "{at_ms}");
    }
    assert_eq!(log.offset_at("t", 0, Instant(20_001)).await, Ok(Some(3)), "a microsecond later is later");
    assert_eq!(log.offset_at("t", 0, Instant(991_000)).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_belongs_to_one_log_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = Broker::open(folder.path(), Options::default()).await.unwrap();
    assert!(matches!(Broker::open(folder.path(), Options::default()).await, Err(Error::Locked(_))));
    drop(log);
    // The housekeeping may hold it for the blink of a retention run.
    while let Err(error) = Broker::open(folder.path(), Options::default()).await {
        assert!(matches!(error, Error::Locked(_)), "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_offsets_survive_a_restart_and_their_log_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let log = Broker::open(folder.path(), Options { retention_every_ms: 3_600_000, ..Options::default() }).await.unwrap();
    log.create_topic("t", 4).await.unwrap();
    let tasks = (0..8).map(|group| {
        let log = log.clone();
        tokio::spawn(async move {
            for offset in 0..500 {
                log.commit(&format!("group {group}"), "t", group % 4, offset).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    log.close().await;
    assert_eq!(log.commit("group 0", "t", 0, 1).await, Err(Error::Closed));
    drop(log);
    let log = loop {
        match Broker::open(folder.path(), Options::default()).await {
            Err(Error::Locked(_)) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    for group in 0..8 {
        assert_eq!(log.committed(&format!("group {group}"), "t", group % 4).map(|committed| committed.offset), Some(499));
    }
    assert_eq!(log.committed("nobody", "t", 0), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_impossible_names_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { topics_max: 2, partitions_max: 5, ..Limits::default() };
    let log = Broker::open(folder.path(), Options { limits, ..Options::default() }).await.unwrap();
    for name in ["", "..", "a/b", "a b", "ü", &"n".repeat(250)] {
        assert_eq!(log.create_topic(name, 1).await, Err(Error::BadName(name.chars().take(249).collect())));
    }
    assert!(matches!(log.create_topic("t", 0).await, Err(Error::BadSetting(_))));
    assert_eq!(log.create_topic("t", 6).await, Err(Error::Limit { what: "partitions_max", asked: 6, limit: 5 }));
    log.create_topic("t", 3).await.unwrap();
    log.create_topic("u", 2).await.unwrap();
    assert_eq!(log.create_topic("v", 1).await, Err(Error::Limit { what: "topics_max", asked: 3, limit: 2 }));
    assert_eq!(log.append("t", 3, &[record("a")]).await, Err(Error::UnknownPartition { topic: "t".into(), partition: 3, last: 2 }));
    assert_eq!(log.append("w", 0, &[record("a")]).await, Err(Error::UnknownTopic("w".into())));
    let huge = "h".repeat(2 * MIB);
    assert!(matches!(log.append("t", 0, &[record(&huge)]).await, Err(Error::TooLarge { .. })));
    assert!(matches!(log.append("t", 0, &[]).await, Err(Error::BadBatch(_))));
    let options = Options { limits: Limits { batch_max: 64 * MIB, ..Limits::default() }, ..Options::default() };
    assert!(matches!(Broker::open(folder.path().join("other"), options).await, Err(Error::BadSetting(_))));
}

/// A batch as a producer makes it, with its id and sequence, its records packed by `pack`.
fn batch(producer: i64, sequence: i32, attributes: i16, records: &[NewRecord<'_>], pack: impl Fn(&[u8]) -> Vec<u8>) -> Bytes {
    let batches = encode(records, 77, MIB).unwrap();
    let (count, body) = (i32::try_from(records.len()).unwrap(), pack(&batches[0].packed()));
    let mut checked = BytesMut::new();
    checked.extend_from_slice(&attributes.to_be_bytes());
    checked.extend_from_slice(&(count - 1).to_be_bytes());
    checked.extend_from_slice(&77i64.to_be_bytes());
    checked.extend_from_slice(&77i64.to_be_bytes());
    checked.extend_from_slice(&producer.to_be_bytes());
    checked.extend_from_slice(&0i16.to_be_bytes());
    checked.extend_from_slice(&sequence.to_be_bytes());
    checked.extend_from_slice(&count.to_be_bytes());
    checked.extend_from_slice(&body);
    let mut batch = BytesMut::new();
    batch.extend_from_slice(&0i64.to_be_bytes());
    batch.extend_from_slice(&i32::try_from(checked.len() + 9).unwrap().to_be_bytes());
    batch.extend_from_slice(&0i32.to_be_bytes());
    batch.extend_from_slice(&[2]);
    batch.extend_from_slice(&crc32c::crc32c(&checked).to_be_bytes());
    batch.extend_from_slice(&checked);
    batch.freeze()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_batch_is_answered_with_its_first_offset_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = Broker::open(folder.path(), Options::default()).await.unwrap();
    log.create_topic("t", 1).await.unwrap();
    let plain = |sequence| batch(5, sequence, 0, &[record("a"), record("b")], <[u8]>::to_vec);
    let first = log.append_batch("t", 0, plain(0)).await.unwrap();
    log.append("t", 0, &[record("between")]).await.unwrap();
    log.append_batch("t", 0, plain(2)).await.unwrap();
    assert_eq!(log.append_batch("t", 0, plain(0)).await, Ok(Appended { repeated: true, ..first }));
    assert_eq!(log.append_batch("t", 0, plain(7)).await, Err(Error::OutOfOrder { producer: 5, found: 7, expected: 4 }));
    log.close().await;
    drop(log);
    let log = loop {
        match Broker::open(folder.path(), Options::default()).await {
            Err(Error::Locked(_)) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    let again = log.append_batch("t", 0, plain(2)).await.unwrap();
    assert_eq!((again.base_offset, again.repeated), (3, true));
    assert_eq!(log.append_batch("t", 0, plain(4)).await.unwrap().base_offset, 5);
    assert_eq!(all(&log, "t", 0, MIB).await.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_batches_are_kept_as_they_came_and_read_unpacked() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let log = Broker::open(folder.path(), Options::default()).await.unwrap();
    log.create_topic("t", 1).await.unwrap();
    let texts: Vec<String> = (0..50).map(|n| format!("record {n} {}", "same ".repeat(20))).collect();
    let records: Vec<_> = texts.iter().map(|text| record(text)).collect();
    let gzip = |plain: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let bare = |plain: &[u8]| snap::raw::Encoder::new().compress_vec(plain).unwrap();
    let framed = |plain: &[u8]| {
        let mut out = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
        for part in plain.chunks(1_000) {
            let packed = bare(part);
            out.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_be_bytes());
            out.extend_from_slice(&packed);
        }
        out
    };
    let lz4 = |plain: &[u8]| {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |plain: &[u8]| zstd::stream::encode_all(plain, 3).unwrap();
    let mut size = 0;
    for packed in [
        batch(-1, -1, 1, &records, gzip),
        batch(-1, -1, 2, &records, bare),
        batch(-1, -1, 2, &records, framed),
        batch(-1, -1, 3, &records, lz4),
        batch(-1, -1, 4, &records, zstd),
    ] {
        assert!(packed.len() < 3_000, "it is packed: {}", packed.len());
        size += packed.len() as u64;
        log.append_batch("t", 0, packed).await.unwrap();
    }
    let found = all(&log, "t", 0, MIB).await;
    assert_eq!(found.len(), 250);
    assert!(
        found.iter().enumerate().all(|(place, (offset, _, text))| *offset == i64::try_from(place).unwrap() && *text == texts[place % 50])
    );
    let kept = walk(&folder.path().join("topics"));
    assert_eq!(kept, size);
}

fn walk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries.map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_could_not_be_read_later_are_refused_at_the_door() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { batch_unpacked_max: MIB, ..Limits::default() };
    let log = Broker::open(folder.path(), Options { limits, ..Options::default() }).await.unwrap();
    log.create_topic("t", 1).await.unwrap();
    let good = batch(-1, -1, 0, &[record("a"), record("b")], <[u8]>::to_vec);
    let send = |bytes: Bytes| log.append_batch("t", 0, bytes);
    // The bytes before belong to the log, which writes them anew.
    for place in 16..good.len() {
        let mut damaged = BytesMut::from(&good[..]);
        damaged[place] ^= 0x40;
        assert!(send(damaged.freeze()).await.is_err(), "byte {place}");
        assert!(send(good.slice(..place)).await.is_err(), "cut at {place}");
    }
    assert_eq!(send(batch(-1, -1, 5, &[record("a")], <[u8]>::to_vec)).await, Err(Error::UnknownCodec(5)));
    assert_eq!(send(batch(-1, -1, 16, &[record("a")], <[u8]>::to_vec)).await, Err(Error::Transactional));
    assert!(matches!(send(batch(-1, -1, 1, &[record("a")], |_| vec![1, 2, 3])).await, Err(Error::BadBatch(_))));
    let bomb = |_: &[u8]| zstd::stream::encode_all(&vec![0; 100 * MIB][..], 3).unwrap();
    assert!(matches!(send(batch(-1, -1, 4, &[record("a")], bomb)).await, Err(Error::TooLarge { .. })));
    assert!(matches!(send(batch(-1, -1, 0, &[record("a")], |plain| [plain, b"more"].concat())).await, Err(Error::BadBatch(_))));
    assert_eq!(log.offsets("t", 0).unwrap().end, 0);
    assert_eq!(send(good).await.unwrap().base_offset, 0);
}
