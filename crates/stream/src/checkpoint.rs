//! The checkpoint: players' states, achievements, dead letters, counts and offsets of all partitions that wait, in one transaction
//! and with one row set per table.
//! Refuses to write for who lost the partition, for a plan that moved, and over a state that somebody else wrote meanwhile.

pub(crate) mod controls;
mod records;
mod write;

pub(crate) use write::{Part, write};

use crate::guard::{self, Span, Verdict};
use crate::letters::{self, Letters};
use crate::partitions::{self, ALL, Place};
use crate::players::Snapshot;
use crate::record::Batch;
use crate::stepper::{Gathered, Stepper, Tally};
use crate::workers::Held;
use campaigns::LiveGame;
use db::{Command, Error, Tx, crash};
use kernel::{Code, GameId, Instant, Outcome, Refusal};
use parking_lot::Mutex;
use records::Cache;
use rules::StateError;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// One partition's checkpoint.
pub(crate) struct Work {
    pub(crate) place: Place,
    pub(crate) live: Arc<LiveGame>,
    pub(crate) span: Span,
    pub(crate) body: Body,
    /// It is to be written. Records of a topic that is not keyed by player may be stepped only, and what that changes be written with
    /// the topic's next checkpoint.
    pub(crate) write: bool,
    /// Changed players that may wait to be written, for each partition.
    pub(crate) players_max: usize,
    /// Players that may be kept for each partition.
    pub(crate) cache_share: usize,
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
    /// It is stepped; the topic's next checkpoint writes it.
    Stepped(Done),
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
    pub(super) fn of(gathered: &Gathered) -> Done {
        let letters = gathered.letters.counts.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        Done { tally: gathered.tally, matched: gathered.matched.clone(), letters }
    }
}

/// The code of the refusal that tells of a state which somebody else wrote meanwhile.
pub(crate) const STATE_MOVED: Code = Code::WrongState;

/// Writes checkpoints.
pub(crate) struct Checkpoint {
    /// Topics in the order in which they were first written: they take the lanes in turn.
    topics: Mutex<Vec<Arc<str>>>,
    cache: Cache,
    held: Arc<Held>,
}

impl Checkpoint {
    /// `held`: the partitions that have a worker in this process.
    pub(crate) fn new(held: Arc<Held>) -> Checkpoint {
        Checkpoint { topics: Mutex::default(), cache: Cache::default(), held }
    }
}

impl Command for Checkpoint {
    const NAME: &'static str = "stream.checkpoint";
    const KEYED: bool = false;
    type Input = Work;
    type Reply = Ended;

    /// What waits of one topic goes together, with what waits of others in its lane.
    fn lane(&self, work: &Work) -> Option<u64> {
        let mut topics = self.topics.lock();
        let known = topics.iter().position(|topic| *topic == work.place.topic);
        let at = known.unwrap_or_else(|| {
            topics.push(work.place.topic.clone());
            topics.len() - 1
        });
        Some(at as u64)
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Work], _: Instant) -> Result<Vec<Outcome<Ended>>, Error> {
        crash::point("stream.before_checkpoint");
        let kept = partitions::lock(tx, batch.iter().map(|work| work.locks())).await?;
        let mut ended = vec![Ended::Lost; batch.len()];
        let mut topics = records::take(batch, &kept, &self.cache);
        let stands = records::overlaid(&kept, &topics);
        let writable = judge(tx, batch, &stands, &mut ended).await?;
        let mut whole = Whole::default();
        // The states of a cache were loaded long ago: running the same batch again would meet the same versions.
        let mut is_final = false;
        for at in &writable {
            if let Body::Stepped { snapshot, gathered } = &batch[*at].body {
                let Work { place, live, span, .. } = batch[*at];
                whole.snapshots.push((&live.game, snapshot));
                whole.parts.push(WholePart { place, live, span: *span, gathered });
                ended[*at] = Ended::Written(Done::of(gathered));
                is_final = true;
            }
        }
        let mut stepped = Vec::new();
        for (topic, left) in &mut topics {
            let works: Vec<(usize, &Work)> =
                writable.iter().map(|at| (*at, batch[*at])).filter(|(_, work)| work.is_of_records(topic)).collect();
            if works.is_empty() {
                continue;
            }
            let of_topic: Vec<&Work> = works.iter().map(|(_, work)| *work).collect();
            match records::step(tx, &of_topic, std::mem::take(left), &self.held).await? {
                Ok(one) => {
                    let of = if one.snapshot.is_some() { Ended::Written } else { Ended::Stepped };
                    works.iter().zip(&one.done).for_each(|((at, _), done)| ended[*at] = of(done.clone()));
                    stepped.push(one);
                }
                Err(one) => works.iter().for_each(|(at, _)| ended[*at] = one.clone()),
            }
        }
        for one in &stepped {
            one.add_to(&mut whole);
        }
        whole.write(tx).await.map_err(|error| match error {
            Error::Again(why) if is_final => Error::Refused(Refusal::new(STATE_MOVED, why)),
            other => other,
        })?;
        drop(whole);
        stepped.into_iter().for_each(|one| one.leave(&self.cache));
        crash::point("stream.checkpoint_written");
        Ok(ended.into_iter().map(Ok).collect())
    }
}

/// The works that may be written, by their places in the batch; what becomes of the others is said in `ended`.
async fn judge(tx: &mut Tx<'_>, batch: &[&Work], kept: &BTreeMap<Place, guard::Kept>, ended: &mut [Ended]) -> Result<Vec<usize>, Error> {
    let mut writable = Vec::with_capacity(batch.len());
    for (at, work) in batch.iter().enumerate() {
        match guard::checkpoint(kept.get(&work.place), &work.span) {
            Verdict::Write => writable.push(at),
            Verdict::Lost => ended[at] = Ended::Lost,
            Verdict::Elsewhere => ended[at] = Ended::Elsewhere,
        }
    }
    let games: BTreeSet<&GameId> = writable.iter().map(|at| &batch[*at].live.game).collect();
    let versions = campaigns::current_versions(tx, games).await?;
    writable.retain(|at| {
        let live = &batch[*at].live;
        let stands = versions.get(&live.game).copied().unwrap_or(0) == live.campaign_version;
        if !stands {
            ended[*at] = Ended::PlanMoved;
        }
        stands
    });
    Ok(writable)
}

/// All that one transaction writes.
#[derive(Default)]
struct Whole<'w> {
    snapshots: Vec<(&'w GameId, &'w Snapshot)>,
    parts: Vec<WholePart<'w>>,
}

/// What happened to the records of one partition.
struct WholePart<'w> {
    place: &'w Place,
    live: &'w LiveGame,
    span: Span,
    gathered: &'w Gathered,
}

impl Whole<'_> {
    async fn write(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        if self.parts.is_empty() {
            return Ok(());
        }
        write(tx, &self.snapshots, &self.parts.iter().map(Part::of).collect::<Vec<_>>()).await?;
        let mut letters: BTreeMap<&GameId, Vec<(&Place, &Letters)>> = BTreeMap::new();
        for part in self.parts.iter().filter(|part| !part.gathered.letters.is_empty()) {
            letters.entry(&part.live.game).or_default().push((part.place, &part.gathered.letters));
        }
        for (game, of_partitions) in letters {
            letters::store::write(tx, game, &of_partitions).await?;
        }
        let spans: Vec<(&Place, Span)> = self.parts.iter().map(|part| (part.place, part.span)).collect();
        partitions::advance(tx, &spans).await?;
        tx.flush().await
    }
}

impl<'a> Part<'a> {
    fn of(part: &WholePart<'a>) -> Part<'a> {
        Part { live: part.live, number: i64::from(part.place.partition), gathered: part.gathered }
    }
}

impl Work {
    fn is_of_records(&self, topic: &str) -> bool {
        matches!(self.body, Body::Records { .. }) && *self.place.topic == *topic
    }

    /// Any partition may touch the players of its records: all partitions of the topic take turns.
    fn locks(&self) -> Place {
        match self.body {
            Body::Stepped { .. } => self.place.clone(),
            Body::Records { .. } => Place { topic: self.place.topic.clone(), partition: ALL },
        }
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
