//! How a worker takes its partition, and goes on from the last checkpoint after whatever broke off.
//! Refuses to guess what was committed: where the answer is not known the partition is claimed anew, which waits for the old transaction.

use super::{Break, Phase, Worker};
use crate::letters::{PANICKED, REFUSED};
use crate::partitions::{Claimed, Want};
use crate::worker::pending::Gathering;
use db::{Error, Meta};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A partition that somebody else took is asked for again after this long, if the group still says it is ours.
const LOST_PAUSE: Duration = Duration::from_secs(3);
/// What a person must decide is looked at again this often.
const ALARM_PAUSE: Duration = Duration::from_secs(2);
/// The first pause of a series of failures; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why a worker goes on from the last checkpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Again {
    why: String,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// At once: what is in the database is known.
    Step,
    /// At once, under the plan of the database.
    Reload,
    /// Without this record.
    Poisoned(i64),
    /// With fewer records at a time, until the one that the database refuses stands alone.
    Fewer,
    /// After a claim, at once.
    Claim,
    /// After a pause and a claim.
    Pause,
}

impl Again {
    fn new(why: impl Into<String>, what: What) -> Again {
        Again { why: why.into(), what }
    }

    /// The game's campaigns changed under what was stepped.
    pub(super) fn plan() -> Again {
        Again::new("the campaigns changed", What::Step)
    }

    /// The database says that the game's campaigns changed.
    pub(super) fn plan_moved() -> Again {
        Again::new("the campaigns changed", What::Reload)
    }

    /// Somebody else wrote a state that was stepped.
    pub(super) fn state_moved() -> Again {
        Again::new("a player's state was written by others", What::Step)
    }

    /// The database stands elsewhere.
    pub(super) fn elsewhere() -> Again {
        Again::new("the offset in the database is not the one that was left there", What::Claim)
    }

    pub(super) fn poisoned(offset: i64) -> Again {
        Again::new(format!("the record at offset {offset} makes the program fail"), What::Poisoned(offset))
    }

    pub(super) fn unreachable(why: String) -> Again {
        Again::new(why, What::Pause)
    }

    /// A checkpoint failed: what the database cannot store is some record's fault, all else is not.
    pub(super) fn of(error: &Error) -> Again {
        let what = match error {
            Error::Data { .. } | Error::Panicked(_) => What::Fewer,
            _ => What::Pause,
        };
        Again::new(error.to_string(), what)
    }
}

/// How far the records are trusted: after one that the database refused, only so many are stepped at a time.
#[derive(Debug, Default)]
pub(super) struct Trust {
    records_max: Option<usize>,
    poisoned: BTreeMap<i64, &'static str>,
}

/// Where distrust begins.
const DISTRUST: usize = 1_024;

impl Trust {
    pub(super) fn records_max(&self) -> Option<usize> {
        self.records_max
    }

    pub(super) fn poisoned(&self) -> &BTreeMap<i64, &'static str> {
        &self.poisoned
    }

    pub(super) fn must_write(&self, records: usize) -> bool {
        self.records_max.is_some_and(|max| records >= max)
    }

    /// A checkpoint was written: trust comes back.
    pub(super) fn written(&mut self, next: i64) {
        self.records_max = self.records_max.map(|max| max * 2).filter(|max| *max <= DISTRUST);
        self.poisoned.retain(|offset, _| *offset >= next);
    }

    /// The database refused a checkpoint whose last record is this.
    fn refused(&mut self, last: i64) {
        match self.records_max {
            Some(1) => drop(self.poisoned.insert(last, REFUSED)),
            Some(max) => self.records_max = Some(max / 2),
            None => self.records_max = Some(DISTRUST),
        }
    }
}

impl Worker {
    pub(super) fn restart_until_stopped(&mut self) {
        let mut claim = true;
        let mut failures = 0u32;
        while !self.line.is_stopping() {
            let stood = self.committed;
            let broken = match self.begin(claim) {
                Ok(()) => self.follow(),
                Err(broken) => broken,
            };
            let Some(broken) = self.settle(broken) else { return self.leave() };
            if self.committed != stood {
                failures = 0;
            }
            claim = match broken {
                Break::Stop => return self.finish(),
                Break::Lost => self.lost(),
                Break::Alarm { name, told } => self.alarm(name, told),
                Break::Again(again) => self.again(&again, &mut failures),
            };
        }
        // It broke off before: what was read since the last checkpoint is not whole any more.
        self.leave();
    }

    /// Takes the partition where that is needed, and goes to where the database stands.
    fn begin(&mut self, claim: bool) -> Result<(), Break> {
        self.batch.clear();
        self.gathering = Gathering::default();
        if let Some(stepper) = &mut self.stepper {
            stepper.drop_unwritten();
        }
        if claim {
            self.claim()?;
        }
        (self.stepped, self.position, self.unwritten) = (self.committed, self.committed, None);
        self.log.seek(self.committed).map_err(super::trouble)
    }

    fn claim(&mut self) -> Result<(), Break> {
        let log = self.log.bounds().map_err(super::trouble)?;
        let want = Want { place: self.place.clone(), game: self.game.clone(), log, mine: self.epoch };
        let claims = self.shared.claims.send(Meta::ours("stream.claim"), want);
        match self.shared.runtime.block_on(claims).map_err(|error| Break::Again(Again::unreachable(error.to_string())))? {
            Claimed::Ours { epoch, next } => {
                // States kept under the epoch before may have been written by whoever had the partition meanwhile.
                if self.epoch.is_none_or(|mine| mine + 1 != epoch) {
                    self.stepper = None;
                }
                self.epoch = Some(epoch);
                (self.committed, self.has_written) = (next, false);
                self.measures.alarm(None);
                tracing::info!(place = %self.place, epoch, next, "a partition was taken");
                Ok(())
            }
            Claimed::Lost => Err(Break::Lost),
            Claimed::Alarm { name, told } => Err(Break::Alarm { name, told }),
        }
    }

    /// Waits for the checkpoint that is under way: where the next one begins depends on it. None when it was told to stop and that
    /// checkpoint failed: what was stepped behind it begins in the middle, and its offset would pass over what is not written.
    fn settle(&mut self, broken: Break) -> Option<Break> {
        match (self.collect(true), broken) {
            (Ok(()), broken) | (Err(Break::Again(_)), broken @ (Break::Lost | Break::Alarm { .. })) => Some(broken),
            (Err(_), Break::Stop) => None,
            (Err(of_checkpoint), _) => Some(of_checkpoint),
        }
    }

    /// Ends without writing: whoever comes next steps the records again.
    fn leave(&self) {
        tracing::info!(place = %self.place, from = self.committed, "a partition is left at its last checkpoint");
    }

    /// Writes what was stepped before the end.
    fn finish(&mut self) {
        if !(self.gathering.is_empty() && self.unwritten.is_none()) {
            self.start_checkpoint(true);
        }
        if let Err(Break::Again(again)) = self.collect(true) {
            tracing::info!(place = %self.place, why = again.why, "the last records of a partition are left to who reads it next");
        }
    }

    fn lost(&mut self) -> bool {
        tracing::info!(place = %self.place, "another worker took the partition");
        self.line.set(Phase::Lost);
        self.epoch = None;
        self.stepper = None;
        self.line.pause(LOST_PAUSE);
        true
    }

    fn alarm(&mut self, name: String, told: String) -> bool {
        let phase = Phase::Alarm(name.clone(), told.clone());
        if self.line.phase() != phase {
            tracing::error!(place = %self.place, alarm = name, told, "a partition stands still until somebody decides where it goes on");
        }
        self.measures.alarm(Some(&name));
        self.line.set(phase);
        // A person's decision raises the epoch, so the claim after it is one of somebody new.
        self.epoch = None;
        self.stepper = None;
        self.line.pause(ALARM_PAUSE);
        true
    }

    fn again(&mut self, again: &Again, failures: &mut u32) -> bool {
        self.measures.stepped_again();
        match again.what {
            What::Step => {
                self.careful_until = Some(Instant::now() + super::CAREFUL);
                false
            }
            What::Claim => {
                self.careful_until = Some(Instant::now() + super::CAREFUL);
                true
            }
            What::Reload => {
                if let Err(error) = self.shared.runtime.block_on(self.shared.live.reload(&self.game)) {
                    self.pause(&error.to_string(), failures);
                }
                false
            }
            What::Poisoned(offset) => {
                tracing::error!(place = %self.place, offset, "a record made the program fail; it becomes a dead letter");
                self.trust.poisoned.insert(offset, PANICKED);
                self.stepper = None;
                false
            }
            What::Fewer => {
                tracing::warn!(place = %self.place, why = again.why, "the database refused a checkpoint; fewer records are tried");
                self.trust.refused(self.last_to - 1);
                false
            }
            What::Pause => {
                self.pause(&again.why, failures);
                true
            }
        }
    }

    fn pause(&mut self, why: &str, failures: &mut u32) {
        tracing::warn!(place = %self.place, why, "a partition waits");
        self.line.set(Phase::Waiting(why.to_owned()));
        let pause = PAUSE.saturating_mul(1 << (*failures).min(10)).min(PAUSE_MAX);
        *failures += 1;
        self.line.pause(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_that_the_database_refuses_is_found_by_halving() {
        let culprit = 700;
        let (mut trust, mut next) = (Trust::default(), 0);
        let mut tries = 0;
        while next <= 5_000 {
            tries += 1;
            let to = next + i64::try_from(trust.records_max().unwrap_or(5_000)).unwrap();
            let refused = (next..to).contains(&culprit) && !trust.poisoned().contains_key(&culprit);
            if refused {
                trust.refused(to - 1);
            } else {
                next = to;
                trust.written(next);
            }
        }
        assert!(tries < 60, "{tries}");
        assert!(trust.poisoned().is_empty(), "what is written is forgotten");
        assert_eq!(trust.records_max(), None, "trust comes back");
    }

    #[test]
    fn only_what_the_database_cannot_store_is_blamed_on_records() {
        let gone = Error::Gone("cut".to_owned());
        assert_eq!(Again::of(&gone).what, What::Pause);
        let broken = Error::Broken("no such table".to_owned());
        assert_eq!(Again::of(&broken).what, What::Pause);
    }
}
