//! The checkpoint: players' states, achievements, dead letters, counts and the offset, in one transaction.
//! Refuses to write for who lost the partition, for a plan that moved, and over a state that somebody else wrote meanwhile.

pub(crate) mod controls;
pub(crate) mod load;
mod write;

pub(crate) use write::write;

use crate::guard::{self, Span, Verdict};
use crate::letters::{self, Letters};
use crate::partitions::{self, ALL, Place};
use crate::players::Snapshot;
use crate::record::Batch;
use crate::stepper::{From, Gathered, Stepper, Tally};
use campaigns::LiveGame;
use db::{Command, Error, Tx, crash};
use kernel::{Code, GameId, Instant, Outcome, Refusal};
use rules::StateError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// One partition's checkpoint.
pub(crate) struct Work {
    pub(crate) place: Place,
    pub(crate) live: Arc<LiveGame>,
    pub(crate) span: Span,
    pub(crate) body: Body,
}

/// What it holds.
pub(crate) enum Body {
    /// States that were stepped over a cache; written where nobody else wrote them.
    Stepped {
        /// The states.
        snapshot: Snapshot,
        /// What else happened.
        gathered: Gathered,
    },
    /// Records whose players any partition may touch: they are stepped within the transaction.
    Records {
        /// The records.
        batch: Batch,
        /// Offsets of records that make the program fail.
        poisoned: BTreeMap<i64, &'static str>,
    },
}

/// How a checkpoint ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ended {
    /// It is written.
    Written(Done),
    /// The partition is somebody else's.
    Lost,
    /// The database does not stand where the checkpoint begins.
    Elsewhere,
    /// The game's campaigns or mapping changed: step again.
    PlanMoved,
    /// This record made the program fail.
    Poisoned(i64),
    /// A player's state cannot be read; by this program at least, where it names the newer one's version.
    Unreadable(Option<u8>),
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) tally: Tally,
    /// Events that counted, by the plan's goals.
    pub(crate) matched: Vec<u64>,
    /// Dead letters by reason.
    pub(crate) letters: BTreeMap<String, u64>,
}

impl Done {
    fn of(gathered: &Gathered) -> Done {
        let letters = gathered.letters.counts.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        Done { tally: gathered.tally, matched: gathered.matched.clone(), letters }
    }
}

/// The code of the refusal that tells of a state which somebody else wrote meanwhile.
pub(crate) const STATE_MOVED: Code = Code::WrongState;

/// Writes checkpoints.
pub(crate) struct Checkpoint;

impl Command for Checkpoint {
    const NAME: &'static str = "stream.checkpoint";
    const KEYED: bool = false;
    type Input = Work;
    type Reply = Ended;

    fn lane(&self, work: &Work) -> Option<u64> {
        // Records of one topic are stepped one after another anyway; states of different partitions are written side by side.
        let of = match work.body {
            Body::Records { .. } => work.place.topic.to_string(),
            Body::Stepped { .. } => work.place.to_string(),
        };
        Some(xxhash_rust::xxh3::xxh3_64(of.as_bytes()))
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Work], _: Instant) -> Result<Vec<Outcome<Ended>>, Error> {
        crash::point("stream.before_checkpoint");
        let kept = partitions::lock(tx, batch.iter().map(|work| work.locks())).await?;
        let mut ended: BTreeMap<usize, Ended> = BTreeMap::new();
        let mut games: BTreeMap<&GameId, Vec<usize>> = BTreeMap::new();
        for (at, work) in batch.iter().enumerate() {
            match guard::checkpoint(kept.get(&work.place), &work.span) {
                Verdict::Write => games.entry(&work.live.game).or_default().push(at),
                Verdict::Lost => drop(ended.insert(at, Ended::Lost)),
                Verdict::Elsewhere => drop(ended.insert(at, Ended::Elsewhere)),
            }
        }
        for (game, works) in games {
            let version = campaigns::current_version(tx, game).await?;
            let mut letters: Vec<(&Place, Letters)> = Vec::new();
            for at in works {
                let work = batch[at];
                let outcome = if work.live.campaign_version != version { Ended::PlanMoved } else { work.write(tx, &mut letters).await? };
                ended.insert(at, outcome);
            }
            let of_partitions: Vec<(&Place, &Letters)> = letters.iter().map(|(place, letters)| (*place, letters)).collect();
            letters::store::write(tx, game, &of_partitions).await?;
        }
        let written = |at: &usize| matches!(ended[at], Ended::Written(_));
        let spans: Vec<(&Place, Span)> = (0..batch.len()).filter(written).map(|at| (&batch[at].place, batch[at].span)).collect();
        partitions::advance(tx, &spans).await?;
        crash::point("stream.checkpoint_written");
        Ok(ended.into_values().map(Ok).collect())
    }
}

impl Work {
    /// Any partition may touch the players of its records: all partitions of the topic take turns.
    fn locks(&self) -> Place {
        match self.body {
            Body::Stepped { .. } => self.place.clone(),
            Body::Records { .. } => Place { topic: self.place.topic.clone(), partition: ALL },
        }
    }

    async fn write<'w>(&'w self, tx: &mut Tx<'_>, letters: &mut Vec<(&'w Place, Letters)>) -> Result<Ended, Error> {
        let (snapshot, gathered) = match &self.body {
            Body::Stepped { snapshot, gathered } => {
                // The states were loaded long ago: running the same batch again would meet the same versions.
                let mut written = write(tx, &self.live, i64::from(self.place.partition), snapshot, gathered).await;
                if written.is_ok() {
                    written = tx.flush().await;
                }
                written.map_err(|error| match error {
                    Error::Again(why) => Error::Refused(Refusal::new(STATE_MOVED, why)),
                    other => other,
                })?;
                letters.push((&self.place, gathered.letters.clone()));
                return Ok(Ended::Written(Done::of(gathered)));
            }
            Body::Records { batch, poisoned } => match self.step(tx, batch, poisoned).await? {
                Ok(stepped) => stepped,
                Err(ended) => return Ok(ended),
            },
        };
        write(tx, &self.live, i64::from(self.place.partition), &snapshot, &gathered).await?;
        let done = Done::of(&gathered);
        letters.push((&self.place, gathered.letters));
        Ok(Ended::Written(done))
    }

    /// Steps records over states as they are in this transaction.
    async fn step(
        &self,
        tx: &mut Tx<'_>,
        batch: &Batch,
        poisoned: &BTreeMap<i64, &'static str>,
    ) -> Result<Result<(Snapshot, Gathered), Ended>, Error> {
        let Some(mut stepper) = Stepper::new(&self.live) else { return Ok(Err(Ended::PlanMoved)) };
        let from = From { topic: &self.place.topic, partition: self.place.partition, poisoned };
        if !survives(&mut stepper, |stepper| stepper.scan(batch, &from)) {
            return Ok(Err(Ended::Poisoned(stepper.at_offset)));
        }
        let loaded = campaigns::load_states(tx, &self.live.game, &stepper.players.wanted()).await?;
        if let Err(error) = stepper.players.admit(loaded.iter().map(|one| (one.player.as_str(), one.version, one.state.as_slice()))) {
            return Ok(Err(unreadable(&error)));
        }
        if !survives(&mut stepper, |stepper| stepper.finish(batch)) {
            return Ok(Err(Ended::Poisoned(stepper.at_offset)));
        }
        Ok(Ok(stepper.take()))
    }
}

/// False when the program failed; the stepper's memory is good for nothing then but its last offset.
pub(crate) fn survives(stepper: &mut Stepper, work: impl FnOnce(&mut Stepper)) -> bool {
    catch_unwind(AssertUnwindSafe(|| work(stepper))).is_ok()
}

pub(crate) fn unreadable(error: &StateError) -> Ended {
    Ended::Unreadable(match error {
        StateError::Newer(version) => Some(*version),
        StateError::Broken => None,
    })
}
