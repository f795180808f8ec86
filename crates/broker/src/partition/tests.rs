//! What becomes of a partition when the disk refuses.

use super::*;
use crate::NewRecord;
use crate::batch::encode;

fn partition(folder: &std::path::Path) -> Partition {
    let settings = Settings::of(&TopicConfig::default(), &Options::default());
    Partition::open(folder.to_owned(), "t".into(), 0, 0, settings).unwrap()
}

fn append(partition: &Partition, value: &[u8]) -> Result<Appended, Error> {
    let mut turn = Turn::begin(partition);
    turn.add(&encode(&[NewRecord { key: None, value }], 0, 1 << 20).unwrap(), 5);
    turn.write().ok();
    turn.sync();
    turn.end().pop().unwrap()
}

fn values(partition: &Partition) -> usize {
    let (raw, end) = partition.read(0, 1 << 20).unwrap();
    crate::Chunk::new(&raw, 0, end, 1 << 20, &crate::Limits::default()).unwrap().len()
}

/// Lets the partition write into one of the system's devices instead of its file.
fn write_into(partition: &Partition, device: &str) {
    partition.active.lock().file = Arc::new(File::options().write(true).open(device).unwrap());
}

#[test]
fn an_fsync_that_fails_is_told_shows_nothing_and_ends_the_appends() {
    let folder = tempfile::tempdir().unwrap();
    let log = partition(folder.path());
    append(&log, b"good").unwrap();
    // It takes every byte and cannot be synced.
    write_into(&log, "/dev/null");
    assert!(matches!(append(&log, b"bad"), Err(Error::Io { what, .. }) if what.starts_with("syncing")));
    assert!(matches!(append(&log, b"after"), Err(Error::Io { .. })), "what the disk holds is not known any more");
    assert_eq!((log.end(), values(&log)), (1, 1));
    drop(log);
    assert_eq!(append(&partition(folder.path()), b"next").unwrap().base_offset, 1);
}

#[test]
fn a_full_disk_is_told_and_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = partition(folder.path());
    append(&log, b"good").unwrap();
    write_into(&log, "/dev/full");
    assert!(matches!(append(&log, b"bad"), Err(Error::Io { what, .. }) if what.starts_with("writing")));
    assert_eq!((log.end(), values(&log)), (1, 1));
}

#[test]
fn an_append_whose_earlier_batches_are_lost_while_room_is_made_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { segment_bytes: 120, ..Settings::of(&TopicConfig::default(), &Options::default()) };
    let log = Partition::open(folder.path().to_owned(), "t".into(), 0, 0, settings).unwrap();
    write_into(&log, "/dev/full");
    let mut turn = Turn::begin(&log);
    let batches: Vec<_> =
        [b"one", b"two"].iter().flat_map(|value| encode(&[NewRecord { key: None, value: *value }], 0, 1 << 20).unwrap()).collect();
    turn.add(&batches, 5);
    turn.write().ok();
    turn.sync();
    assert!(matches!(turn.end().as_slice(), [Err(Error::Io { what, .. })] if what.starts_with("writing")));
    assert_eq!((log.end(), values(&log)), (0, 0));
}

#[test]
fn what_was_written_of_a_failed_append_is_cut_off_and_the_next_one_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = partition(folder.path());
    append(&log, b"good").unwrap();
    let mut turn = Turn::begin(&log);
    turn.add(&encode(&[NewRecord { key: None, value: b"half" }], 0, 1 << 20).unwrap(), 5);
    turn.write().ok();
    log.back_out(&mut turn.active).unwrap();
    drop(turn);
    assert_eq!(append(&log, b"next").unwrap().base_offset, 1);
    assert_eq!(values(&log), 2);
    drop(log);
    assert_eq!(values(&partition(folder.path())), 2, "nothing of it is found again");
}
