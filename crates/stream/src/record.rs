//! Records as sources hand them over: many in one piece of memory that is used again and again.
//! Refuses to keep more of a record than [`RECORD_MAX`] bytes; what is longer is marked as cut, and is never mapped.

use kernel::Instant;
use std::ops::Range;

/// Bytes of a record that are kept; no log that we know takes longer ones unless told to.
pub const RECORD_MAX: usize = 1 << 20;

/// Bytes of a line that is too long for a record which go to the log, with [`CUT_MARK`] behind them: Kafka takes a mebibyte at most,
/// its own frame included, unless it is told otherwise.
pub const CUT_TO: usize = RECORD_MAX - (1 << 16);

/// Ends a record of which only the start was sent to the log. No text holds these bytes: they are not UTF-8.
pub const CUT_MARK: &[u8] = b"\xff\xfecut";

/// When the log took a record, where nobody knows: files do not say.
pub const UNKNOWN_TIME: Instant = Instant(i64::MAX);

/// One record of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in its partition; lines of a file are numbered from 0.
    pub offset: i64,
    /// When the log took it; [`UNKNOWN_TIME`] where nobody knows.
    pub appended_at: Instant,
    /// What it is keyed by; empty where it has no key.
    pub key: &'a [u8],
    /// The record itself.
    pub value: &'a [u8],
    /// True when it was longer than [`RECORD_MAX`] and only its start is here.
    pub is_cut: bool,
}

impl Record<'_> {
    /// When the log took it, if somebody knows.
    pub fn appended(&self) -> Option<Instant> {
        (self.appended_at != UNKNOWN_TIME).then_some(self.appended_at)
    }
}

/// Records that were read together.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    offset: i64,
    appended_at: Instant,
    key: Range<usize>,
    value: Range<usize>,
    is_cut: bool,
}

impl Batch {
    /// Adds a record.
    pub fn push(&mut self, offset: i64, appended_at: Instant, key: &[u8], value: &[u8]) {
        self.push_cut(offset, appended_at, key, value, false);
    }

    /// Adds a record of which the source may have left out the end.
    pub fn push_cut(&mut self, offset: i64, appended_at: Instant, key: &[u8], value: &[u8], was_cut: bool) {
        let is_cut = was_cut || value.len() > RECORD_MAX || value.ends_with(CUT_MARK);
        let key = self.keep(&key[..key.len().min(RECORD_MAX)]);
        let value = self.keep(&value[..value.len().min(RECORD_MAX)]);
        self.entries.push(Entry { offset, appended_at, key, value, is_cut });
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// The records in the order they were read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.entries.iter().map(|entry| self.record(entry))
    }

    /// One record by its place in the batch.
    pub fn get(&self, at: usize) -> Record<'_> {
        self.record(&self.entries[at])
    }

    fn record<'a>(&'a self, entry: &Entry) -> Record<'a> {
        Record {
            offset: entry.offset,
            appended_at: entry.appended_at,
            key: &self.bytes[entry.key.clone()],
            value: &self.bytes[entry.value.clone()],
            is_cut: entry.is_cut,
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all records.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Where its last record lies, and when the log took that one.
    pub fn last(&self) -> Option<Record<'_>> {
        self.entries.last().map(|entry| self.record(entry))
    }

    /// Forgets the records. Memory is kept for the next ones, unless a few large records had made it grow far beyond what is usual.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
    }

    /// Takes over the records of another batch, behind its own.
    pub fn append(&mut self, other: &Batch) {
        for record in other.iter() {
            self.push_cut(record.offset, record.appended_at, record.key, record.value, record.is_cut);
        }
    }
}

/// Memory that an empty batch keeps.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// How much one read takes at most.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimit {
    /// Records.
    pub records: usize,
    /// Bytes; the record that crosses it is still taken.
    pub bytes: usize,
}

impl ReadLimit {
    /// True when the batch holds as much as one read may take.
    pub fn is_reached(&self, batch: &Batch) -> bool {
        batch.len() >= self.records || batch.bytes() >= self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_hands_its_records_back_and_can_be_used_again() {
        let mut batch = Batch::default();
        for round in 0..3 {
            batch.push(round, Instant(7), b"ann", b"{}");
            batch.push(round + 1, UNKNOWN_TIME, b"", b"line");
            let read: Vec<(i64, &[u8], &[u8])> = batch.iter().map(|record| (record.offset, record.key, record.value)).collect();
            assert_eq!(read, [(round, &b"ann"[..], &b"{}"[..]), (round + 1, b"", b"line")]);
            assert_eq!(batch.get(0).appended(), Some(Instant(7)));
            assert_eq!(batch.get(1).appended(), None);
            batch.clear();
            assert!(batch.is_empty() && batch.bytes() == 0);
        }
    }

    #[test]
    fn a_huge_record_is_cut_and_its_memory_given_back() {
        let mut batch = Batch::default();
        let huge = vec![b'x'; 9 * RECORD_MAX];
        for offset in 0..8 {
            batch.push(offset, Instant(0), b"", &huge);
        }
        assert!(batch.iter().all(|record| record.is_cut && record.value.len() == RECORD_MAX));
        batch.clear();
        assert!(batch.bytes.capacity() <= KEPT_BYTES_MAX);
    }
}
