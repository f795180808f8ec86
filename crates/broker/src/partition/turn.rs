//! One turn of the writer on one partition: place every batch that waits, write them at once, fsync once, then show them.
//! Refuses to call anything durable before the fsync came back.

use super::{Active, Appended, Partition, Staged};
use crate::Error;
use crate::batch::RawBatch;
use parking_lot::MutexGuard;
use std::fs::File;
use std::io::{IoSlice, Write};

/// A turn under way; the partition's active segment is ours until it ends.
pub(crate) struct Turn<'a> {
    partition: &'a Partition,
    pub(super) active: MutexGuard<'a, Active>,
    outcomes: Vec<Result<Appended, Error>>,
    /// Outcomes before this one are durable.
    solid: usize,
}

impl<'a> Turn<'a> {
    pub(crate) fn begin(partition: &'a Partition) -> Turn<'a> {
        Turn { partition, active: partition.active.lock(), outcomes: Vec::new(), solid: 0 }
    }

    /// Places the batches of one append. Its outcome is the first batch's.
    pub(crate) fn add(&mut self, batches: &[RawBatch], now_ms: i64) {
        let mut first = None;
        let mut outcome = self.ready();
        for batch in batches {
            if outcome.is_ok() {
                let appended = self.make_room(batch).and_then(|()| self.partition.stage(&mut self.active, batch, now_ms));
                outcome = appended.map(|appended| _ = first.get_or_insert(appended));
            }
        }
        let nothing = || Err(Error::BadBatch("there is no record in it".to_owned()));
        self.outcomes.push(outcome.and_then(|()| first.map_or_else(nothing, Ok)));
    }

    /// Writes what is placed, without waiting for the disk; whose append failed by it is told so.
    ///
    /// # Errors
    /// The disk takes no more: nothing that was placed is there any more.
    pub(crate) fn write(&mut self) -> Result<(), Error> {
        if self.active.staged.is_empty() {
            return Ok(());
        }
        if let Err(error) = write_all(&self.active.file, &self.active.staged) {
            let error = Error::io("writing", &self.active.segment.path, &error);
            let partition = self.partition;
            if let Err(worse) = partition.back_out(&mut self.active) {
                self.active.failed = Some(worse);
            }
            self.fail(&error);
            return Err(error);
        }
        Ok(())
    }

    /// Waits for the disk and shows what was placed.
    pub(crate) fn sync(&mut self) {
        if self.active.staged.is_empty() {
            self.solid = self.outcomes.len();
            return;
        }
        if let Err(error) = self.active.file.sync_data() {
            // The system may have dropped the pages it could not write: a second fsync would say yes and mean nothing.
            let error = Error::io("syncing", &self.active.segment.path, &error);
            tracing::error!(topic = %self.partition.topic, partition = self.partition.index, %error, "a partition takes nothing more until a restart");
            self.active.failed = Some(error.clone());
            self.active.staged.clear();
            self.fail(&error);
            return;
        }
        let Active { staged, segment, .. } = &mut *self.active;
        for Staged { header, at, .. } in staged.drain(..) {
            segment.publish(&header, at);
        }
        self.partition.end.send_replace(self.active.next);
        self.solid = self.outcomes.len();
    }

    /// What became of each append, in their order.
    pub(crate) fn end(self) -> Vec<Result<Appended, Error>> {
        self.outcomes
    }

    fn ready(&self) -> Result<(), Error> {
        match &self.active.failed {
            Some(error) => Err(error.clone()),
            None if self.partition.is_gone() => Err(Error::UnknownTopic(self.partition.topic.to_string())),
            None => Ok(()),
        }
    }

    /// Closes the segment first when the batch does not fit any more.
    fn make_room(&mut self, batch: &RawBatch) -> Result<(), Error> {
        if self.active.size > 0 && self.active.size + batch.header.length as u64 > self.partition.settings.segment_bytes {
            // Earlier batches of the append that asks for room may have been among what could not be written.
            self.write()?;
            self.sync();
            self.ready()?;
            self.partition.roll(&mut self.active)?;
        }
        Ok(())
    }

    fn fail(&mut self, error: &Error) {
        for outcome in &mut self.outcomes[self.solid..] {
            if outcome.is_ok() {
                *outcome = Err(error.clone());
            }
        }
        self.solid = self.outcomes.len();
    }
}

fn write_all(mut file: &File, staged: &[Staged]) -> std::io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = staged.iter().flat_map(|batch| [IoSlice::new(&batch.head), IoSlice::new(&batch.body)]).collect();
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
