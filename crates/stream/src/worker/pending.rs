//! What a worker has read since the last checkpoint was started, as the pace wants to know it.
//! Pure but for the time of the first record.

use crate::pace::Pending;
use crate::stepper::Stepper;
use kernel::Instant as Moment;
use std::time::Instant;

/// The first record of some.
#[derive(Debug, Clone, Copy)]
pub(super) struct First {
    /// When it was read.
    pub(super) since: Instant,
    /// When the log took it, if it says so.
    pub(super) appended: Option<Moment>,
}

#[derive(Debug, Default)]
pub(super) struct Gathering {
    since: Option<Instant>,
    appended: Option<Moment>,
    pub(super) records: usize,
    bytes: usize,
}

impl Gathering {
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    pub(super) fn add(&mut self, records: usize, bytes: usize, appended: Option<Moment>) {
        if self.since.is_none() {
            (self.since, self.appended) = (Some(Instant::now()), appended);
        }
        self.records += records;
        self.bytes += bytes;
    }

    /// The first of them; none when there is none.
    pub(super) fn first(&self) -> Option<First> {
        self.since.map(|since| First { since, appended: self.appended })
    }

    /// With a stepper its players are counted; without, each record is taken for a changed player. `unwritten`: what was stepped before
    /// them and is not written.
    pub(super) fn pending(&self, stepper: Option<&Stepper>, unwritten: Option<First>, behind: f64) -> Pending {
        let age = unwritten.or(self.first()).map(|first| first.since.elapsed());
        let Some(stepper) = stepper else {
            return Pending { age, changed: self.records, bytes: self.bytes, achieved: false, worth_writing: true, behind };
        };
        Pending {
            age,
            changed: stepper.players.changed().max(stepper.gathered.seen.len()),
            bytes: self.bytes,
            achieved: !stepper.gathered.reached.is_empty(),
            worth_writing: stepper.players.changed() > 0 || !stepper.gathered.letters.is_empty() || !stepper.gathered.seen.is_empty(),
            behind,
        }
    }
}
