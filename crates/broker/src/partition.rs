//! One partition: its segments, where they end, and the one place where batches get their offsets.
//! Refuses to show a record before it is durable, and to go on after an fsync that failed: what the disk then holds is unknown.

mod open;
#[cfg(test)]
mod tests;
mod turn;

pub(crate) use turn::Turn;

use crate::batch::{Header, RawBatch};
use crate::producers::{Producers, Verdict};
use crate::segment::Segment;
use crate::topics::Stamp;
use crate::{Error, Options, TopicConfig};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Where an append ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: i64,
    /// When the log took it, in milliseconds since 1970; -1 in a topic that keeps its producers' stamps.
    pub appended_ms: i64,
    /// The first offset the partition still holds.
    pub start_offset: i64,
    /// The producer had sent it before: this is where it was put then.
    pub repeated: bool,
}

/// How a partition keeps its data: the topic's own word, else the log's.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) stamp: Stamp,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_age_ms: i64,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) retention_ms: Option<i64>,
    pub(crate) producers_max: usize,
}

impl Settings {
    pub(crate) fn of(config: &TopicConfig, options: &Options) -> Settings {
        Settings {
            stamp: config.stamp,
            segment_bytes: config.segment_bytes.unwrap_or(options.segment_bytes),
            segment_age_ms: options.segment_age_ms,
            retention_bytes: config.retention_bytes.map_or(options.retention_bytes, |bytes| u64::try_from(bytes).ok()),
            retention_ms: config.retention_ms.map_or(options.retention_ms, |age| (age >= 0).then_some(age)),
            producers_max: options.limits.producers_max,
        }
    }
}

/// A partition, shared by its writer and its readers.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) index: u32,
    /// Which writer thread serves it.
    pub(crate) lane: usize,
    folder: PathBuf,
    settings: Settings,
    segments: RwLock<Vec<Arc<Segment>>>,
    end: watch::Sender<i64>,
    active: Mutex<Active>,
    gone: AtomicBool,
}

/// What only the writer touches.
#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    file: Arc<File>,
    /// Bytes of the file with what is staged.
    size: u64,
    /// The offset the next record gets.
    next: i64,
    newest_ms: i64,
    producers: Producers,
    staged: Vec<Staged>,
    failed: Option<Error>,
}

#[derive(Debug)]
struct Staged {
    header: Header,
    head: [u8; crate::batch::HEADER],
    body: Bytes,
    at: u64,
}

impl Partition {
    /// The first offset that is there.
    pub(crate) fn start(&self) -> i64 {
        self.segments.read().first().map_or(0, |segment| segment.base)
    }

    /// The offset after the last durable record.
    pub(crate) fn end(&self) -> i64 {
        *self.end.borrow()
    }

    /// Bytes of all its segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.read().iter().map(|segment| segment.size()).sum()
    }

    /// Follows the end as it moves.
    pub(crate) fn watch(&self) -> watch::Receiver<i64> {
        self.end.subscribe()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The topic was deleted: whoever waits or appends is told.
    pub(crate) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
        self.end.send_modify(|_| ());
    }

    /// Raw batches from the one that holds `offset` on; nothing at the end of the log.
    pub(crate) fn read(&self, offset: i64, max_bytes: usize) -> Result<(Bytes, i64), Error> {
        let end = self.end();
        let segment = {
            let segments = self.segments.read();
            let start = segments.first().map_or(0, |segment| segment.base);
            if self.is_gone() {
                return Err(Error::UnknownTopic(self.topic.to_string()));
            }
            if offset < start || offset > end {
                return Err(Error::OffsetOutOfRange { topic: self.topic.to_string(), partition: self.index, offset, start, end });
            }
            if offset == end {
                return Ok((Bytes::new(), end));
            }
            segments[segments.partition_point(|segment| segment.base <= offset) - 1].clone()
        };
        match segment.read(offset, max_bytes) {
            Ok(bytes) => Ok((bytes, end)),
            // Retention took the segment after it was chosen.
            Err(_) if offset < self.start() => self.read(offset, max_bytes),
            Err(error) => Err(error),
        }
    }

    /// The first batch whose newest stamp is not before `at_ms`.
    pub(crate) fn batch_at(&self, at_ms: i64) -> Result<Option<Header>, Error> {
        let segments = self.segments.read().clone();
        for segment in segments {
            if segment.newest_ms() >= at_ms {
                return segment.batch_at(at_ms);
            }
        }
        Ok(None)
    }

    /// The newest stamp and the offset of the batch that bears it.
    pub(crate) fn newest(&self) -> Result<Option<Header>, Error> {
        let newest = self.segments.read().iter().map(|segment| segment.newest_ms()).max();
        newest.filter(|at_ms| *at_ms > i64::MIN).map_or(Ok(None), |at_ms| self.batch_at(at_ms))
    }

    /// Closes the active segment when age asks for it and removes what is too old or too much. Returns how many segments went.
    pub(crate) fn retain(&self, now_ms: i64) -> Result<usize, Error> {
        {
            let mut active = self.active.lock();
            let segment = &active.segment;
            let aged = segment.oldest_ms().is_some_and(|oldest| now_ms - oldest > self.settings.segment_age_ms);
            let outdated = segment.size() > 0 && self.settings.retention_ms.is_some_and(|age| now_ms - segment.newest_ms() > age);
            if (aged || outdated) && active.failed.is_none() {
                self.roll(&mut active)?;
            }
        }
        let mut removed = 0;
        while let Some(segment) = self.first_to_remove(now_ms) {
            self.remove_first(&segment)?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Begins a new segment, so that everything before can be removed with [`Partition::remove_before`].
    pub(crate) fn roll_now(&self) -> Result<i64, Error> {
        let mut active = self.active.lock();
        self.roll(&mut active)?;
        Ok(active.segment.base)
    }

    /// Removes the segments that end before `base`, which begins one.
    pub(crate) fn remove_before(&self, base: i64) -> Result<(), Error> {
        loop {
            let first = self.segments.read().first().filter(|segment| segment.base < base).cloned();
            match first {
                Some(segment) => self.remove_first(&segment)?,
                None => return Ok(()),
            }
        }
    }

    fn first_to_remove(&self, now_ms: i64) -> Option<Arc<Segment>> {
        let segments = self.segments.read();
        let [first, _, ..] = &segments[..] else { return None };
        let old = self.settings.retention_ms.is_some_and(|age| now_ms - first.newest_ms() > age);
        let rest: u64 = segments[1..].iter().map(|segment| segment.size()).sum();
        let much = self.settings.retention_bytes.is_some_and(|bytes| rest >= bytes);
        (old || much).then(|| first.clone())
    }

    fn remove_first(&self, segment: &Arc<Segment>) -> Result<(), Error> {
        let mut segments = self.segments.write();
        if segments.first().is_some_and(|first| Arc::ptr_eq(first, segment)) && segments.len() > 1 {
            segments.remove(0);
            drop(segments);
            let _ = std::fs::remove_file(segment.path.with_extension("torn"));
            std::fs::remove_file(&segment.path).map_err(|error| Error::io("removing", &segment.path, &error))?;
        }
        Ok(())
    }

    /// Gives a batch its offset, or says where its repeat lies.
    fn stage(&self, active: &mut Active, batch: &RawBatch, now_ms: i64) -> Result<Appended, Error> {
        let start_offset = self.start();
        if let Verdict::Repeat { offset, at_ms } = active.producers.judge(&batch.header)? {
            let appended_ms = if self.settings.stamp == Stamp::Log { at_ms } else { -1 };
            return Ok(Appended { base_offset: offset, appended_ms, start_offset, repeated: true });
        }
        // Stamps never go back, whatever the clock does, so that a search by time finds the first.
        let log_ms = (self.settings.stamp == Stamp::Log).then_some(now_ms.max(active.newest_ms));
        let (header, head) = batch.place(active.next, log_ms);
        let at = active.size;
        active.newest_ms = active.newest_ms.max(header.max_time);
        active.producers.note(&header);
        active.next = header.last_offset() + 1;
        active.size += header.length as u64;
        active.staged.push(Staged { header, head, body: batch.body.clone(), at });
        Ok(Appended { base_offset: header.base_offset, appended_ms: log_ms.unwrap_or(-1), start_offset, repeated: false })
    }
}
