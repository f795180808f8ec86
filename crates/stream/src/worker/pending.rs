//! What a worker has read since the last checkpoint was started, as the pace wants to know it.
//! Pure but for the time of the first record.

use crate::pace::Pending;
use crate::stepper::Stepper;
use std::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Gathering {
    since: Option<Instant>,
    pub(super) records: usize,
    bytes: usize,
}

impl Gathering {
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    pub(super) fn add(&mut self, records: usize, bytes: usize) {
        self.since.get_or_insert_with(Instant::now);
        self.records += records;
        self.bytes += bytes;
    }

    /// With a stepper its players are counted; without, each record is taken for a changed player.
    pub(super) fn pending(&self, stepper: Option<&Stepper>, behind: f64) -> Pending {
        let age = self.since.map(|since| since.elapsed());
        let Some(stepper) = stepper else {
            return Pending { age, changed: self.records, bytes: self.bytes, achieved: false, worth_writing: true, behind };
        };
        Pending {
            age,
            changed: stepper.players.changed(),
            bytes: self.bytes,
            achieved: !stepper.gathered.reached.is_empty(),
            worth_writing: stepper.players.changed() > 0 || !stepper.gathered.letters.is_empty(),
            behind,
        }
    }
}
