//! Reading logs beside the stream: from the day before what is looked for to where they end now, within limits of time and records.
//! Refuses to write anything, and more looks at a time than the limit.

use crate::options::ReadingLimits;
use crate::partitions::Place;
use crate::record::{Batch, ReadLimit, Record, UNKNOWN_TIME};
use crate::source::files::Lines;
use crate::source::{PartitionLog, Source, Trouble};
use kernel::time::DAY_US;
use kernel::{Code, Instant, Refusal};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Records of one read.
const READ: ReadLimit = ReadLimit { records: 10_000, bytes: 2 << 20 };
/// Offsets may be missing at the end of a log: nothing for so long is its end.
const END_WAIT: Duration = Duration::from_secs(2);

/// Which records to look at.
#[derive(Debug, Clone)]
pub enum From {
    /// A topic of the process's log.
    Topic(String),
    /// A file of lines.
    File(PathBuf),
}

/// How much was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Extent {
    /// Records read.
    pub records: u64,
    /// False when a limit ended the look before the log did.
    pub complete: bool,
    /// The limit that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// When the log took the first and the last record that was read, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_at: Option<Instant>,
    /// As above, the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Instant>,
}

/// Bounds how many look at a time.
pub(crate) struct Looks {
    permits: Arc<Semaphore>,
    at_once: usize,
}

impl Looks {
    pub(crate) fn new(limits: &ReadingLimits) -> Looks {
        Looks { permits: Arc::new(Semaphore::new(limits.looks_max.max(1))), at_once: limits.looks_max.max(1) }
    }

    /// A place among those who look.
    ///
    /// # Errors
    /// `overloaded`: all are taken.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let told = || format!("{} looks into the log are under way already: try again when one has ended", self.at_once);
        self.permits.clone().try_acquire_owned().map_err(|_| Refusal::new(Code::Overloaded, told()))
    }
}

/// What a look does with a record; an answer ends the look and says which limit it was.
pub(crate) type Each<'e> = dyn FnMut(&Place, &Record<'_>) -> Option<&'static str> + 'e;

/// A log may have taken a record this long before it says it happened: clocks differ.
const EARLY_MAX_US: i64 = DAY_US;

/// Looks at all records of what happened since a moment, and at older ones as they come. Partitions are merged by when the log took the records where `merged`; else one is read after the other.
/// Blocks. To be called within a runtime's reach.
pub(crate) fn look(
    source: Option<&Source>,
    from: &From,
    limits: &ReadingLimits,
    since: Instant,
    merged: bool,
    each: &mut Each<'_>,
) -> Result<Extent, Trouble> {
    let until = Moment::now() + Duration::from_millis(limits.time_max_ms);
    let mut look = Look { extent: Extent { complete: true, ..Extent::default() }, until, records_max: limits.records_max, each };
    match (from, source) {
        (From::File(path), _) => {
            let mut part = Part::new(Place::new(&path.display().to_string(), 0), Box::new(Lines::open(path)?), i64::MAX);
            look.part(&mut part)?;
        }
        (From::Topic(topic), Some(source)) => {
            let partitions = source.partitions(topic)?;
            if partitions.is_empty() {
                return Err(Trouble::NoSuch(format!("there is no topic {topic:?}")));
            }
            let since = since.plus_us(-EARLY_MAX_US);
            if merged {
                let open = |partition: &i32| Part::open(source, topic, *partition, since);
                let parts: Result<Vec<Part>, Trouble> = partitions.iter().map(open).collect();
                look.merged(parts?)?;
            } else {
                for partition in partitions {
                    look.part(&mut Part::open(source, topic, partition, since)?)?;
                }
            }
        }
        (From::Topic(topic), None) => return Err(Trouble::NoSuch(format!("topic {topic:?} is in no log: name one"))),
    }
    Ok(look.extent)
}

/// A partition being read.
struct Part {
    place: Place,
    log: Box<dyn PartitionLog>,
    batch: Batch,
    at: usize,
    next: i64,
    end: i64,
}

impl Part {
    fn new(place: Place, log: Box<dyn PartitionLog>, end: i64) -> Part {
        Part { place, log, batch: Batch::default(), at: 0, next: 0, end }
    }

    fn open(source: &Source, topic: &str, partition: i32, since: Instant) -> Result<Part, Trouble> {
        let mut log = source.open(topic, partition)?;
        let bounds = log.bounds()?;
        let mut first = bounds.first;
        if bounds.first < bounds.end {
            // A log that says all its records are older is read whole: its clock tells nothing of what they hold.
            first = log.offset_at(since)?.unwrap_or(first).max(first);
            log.seek(first)?;
        }
        Ok(Part { next: first, ..Part::new(Place::new(topic, partition), log, bounds.end) })
    }

    /// True when a record is at hand; false at the end.
    fn fill(&mut self) -> Result<bool, Trouble> {
        if self.at < self.batch.len() {
            return Ok(true);
        }
        if self.next >= self.end {
            return Ok(false);
        }
        self.batch.clear();
        self.at = 0;
        self.log.read(&mut self.batch, &READ, END_WAIT)?;
        let Some(last) = self.batch.last() else { return Ok(false) };
        self.next = last.offset + 1;
        Ok(true)
    }

    /// Whether a log that has an end gave nothing before it.
    fn is_short(&self) -> bool {
        self.at >= self.batch.len() && self.next < self.end && self.end < i64::MAX
    }
}

struct Look<'e, 'f> {
    extent: Extent,
    until: Moment,
    records_max: u64,
    each: &'e mut Each<'f>,
}

impl Look<'_, '_> {
    /// All records of one partition; false when a limit ended it.
    fn part(&mut self, part: &mut Part) -> Result<bool, Trouble> {
        while self.extent.complete && part.fill()? {
            while part.at < part.batch.len() && self.one(part) {}
        }
        self.note_short(part);
        Ok(self.extent.complete)
    }

    /// The earliest record of all partitions, again and again.
    fn merged(&mut self, mut parts: Vec<Part>) -> Result<(), Trouble> {
        loop {
            let mut first: Option<(Instant, usize)> = None;
            for (i, part) in parts.iter_mut().enumerate() {
                if part.fill()? {
                    let at = part.batch.get(part.at).appended_at;
                    first = Some(first.map_or((at, i), |first| first.min((at, i))));
                }
            }
            match first {
                Some((_, part)) if self.one(&mut parts[part]) => {}
                _ => {
                    parts.iter().for_each(|part| self.note_short(part));
                    return Ok(());
                }
            }
        }
    }

    /// A log that gave nothing before its end was not looked at whole.
    fn note_short(&mut self, part: &Part) {
        if self.extent.complete && part.is_short() {
            self.extent.complete = false;
            self.extent.ended_by = Some(format!("{} did not answer at offset {}", part.place, part.next));
        }
    }

    /// Looks at one record; false when a limit ends the look.
    fn one(&mut self, part: &mut Part) -> bool {
        let record = part.batch.get(part.at);
        if record.offset >= part.end {
            part.at = part.batch.len();
            return true;
        }
        let extent = &mut self.extent;
        let limit = match (self.each)(&part.place, &record) {
            Some(limit) => Some(limit),
            None if extent.records + 1 >= self.records_max => Some("records_max"),
            None if extent.records.is_multiple_of(1_024) && Moment::now() > self.until => Some("time_max_ms"),
            None => None,
        };
        extent.records += 1;
        if record.appended_at != UNKNOWN_TIME {
            extent.first_at = Some(extent.first_at.map_or(record.appended_at, |first| first.min(record.appended_at)));
            extent.last_at = Some(extent.last_at.map_or(record.appended_at, |last| last.max(record.appended_at)));
        }
        part.at += 1;
        if let Some(limit) = limit {
            extent.complete = false;
            extent.ended_by = Some(limit.to_owned());
        }
        limit.is_none()
    }
}
