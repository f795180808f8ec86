//! Steps the records of a topic that is not keyed by player, within the checkpoint's own transaction: any partition may touch a player.
//! Refuses to trust what it kept unless all partitions of the topic stand where its last checkpoint left them.
//!
//! While a backlog is read, and this process has all partitions of the topic, most turns only step: what they change is kept with the
//! players and written by a later turn, so that a player's many records become one row. Whatever goes wrong meanwhile drops what was
//! kept; the workers notice, because the partitions no longer stand where they left them, and begin again at the last checkpoint.

use super::{Body, Done, Ended, Whole, WholePart, Work, survives, unreadable};
use crate::guard::{Kept, Span};
use crate::partitions::Place;
use crate::players::{Players, Snapshot};
use crate::stepper::{From, Gathered, Stepper};
use crate::workers::Held;
use campaigns::LiveGame;
use db::{Error, Tx};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What this process's last turns left of topics. While nobody else reads a topic its players need not be loaded again.
/// Others that write states, as controls do, move their versions: the checkpoint that meets one is run again, without these.
#[derive(Default)]
pub(crate) struct Cache {
    topics: Mutex<BTreeMap<Arc<str>, Left>>,
}

/// What is kept of a topic.
#[derive(Default)]
pub(crate) struct Left {
    players: Players,
    /// The topic's partitions after the last checkpoint: they stand so if it was committed, and if nobody wrote one since.
    stood: BTreeMap<Place, Kept>,
    /// What was stepped since, and under which version of the campaigns.
    ahead: BTreeMap<Place, Ahead>,
    version: i64,
}

/// What was stepped of a partition and is not written.
struct Ahead {
    /// The first offset that was not stepped.
    next: i64,
    gathered: Gathered,
}

impl Left {
    /// Whether these turns go on where it ended.
    fn goes_on(&self, works: &[&Work]) -> bool {
        let follows = |work: &&Work| {
            let Some(stood) = self.stood.get(&work.place) else { return false };
            let next = self.ahead.get(&work.place).map_or(stood.next, |ahead| ahead.next);
            work.span.epoch == stood.epoch && work.span.from == next && work.live.campaign_version == self.version
        };
        self.ahead.is_empty() || works.iter().all(follows)
    }
}

impl Cache {
    /// Takes what is kept of a topic whose partitions are locked. Who fails does not give it back.
    fn take(&self, topic: &str, stand: BTreeMap<Place, Kept>, works: &[&Work]) -> Left {
        let left = self.topics.lock().remove(topic);
        match left.filter(|left| left.stood == stand && left.goes_on(works)) {
            Some(left) => left,
            None => Left { stood: stand, ..Left::default() },
        }
    }
}

/// What is kept of each topic whose records are in the batch.
pub(crate) fn take(batch: &[&Work], kept: &BTreeMap<Place, Kept>, cache: &Cache) -> BTreeMap<Arc<str>, Left> {
    let mut topics: BTreeMap<Arc<str>, Vec<&Work>> = BTreeMap::new();
    for work in batch.iter().filter(|work| matches!(work.body, Body::Records { .. })) {
        topics.entry(work.place.topic.clone()).or_default().push(work);
    }
    let taken = |(topic, works): (Arc<str>, Vec<&Work>)| {
        let stand = kept.iter().filter(|(place, _)| place.topic == topic).map(|(place, kept)| (place.clone(), *kept)).collect();
        let left = cache.take(&topic, stand, &works);
        (topic, left)
    };
    topics.into_iter().map(taken).collect()
}

/// Where partitions stand with what was stepped of them and is not written.
pub(crate) fn overlaid(kept: &BTreeMap<Place, Kept>, topics: &BTreeMap<Arc<str>, Left>) -> BTreeMap<Place, Kept> {
    let mut stands = kept.clone();
    for (place, ahead) in topics.values().flat_map(|left| &left.ahead) {
        if let Some(stand) = stands.get_mut(place) {
            stand.next = ahead.next;
        }
    }
    stands
}

/// What came of the records of one topic's partitions.
pub(crate) struct Stepped {
    live: Arc<LiveGame>,
    left: Left,
    players_max: usize,
    /// What is to be written now; none when that is left to a later turn.
    pub(crate) snapshot: Option<Snapshot>,
    /// What happened in this turn, in the order of its works.
    pub(crate) done: Vec<Done>,
}

impl Stepped {
    /// What is to be written of it.
    pub(super) fn add_to<'w>(&'w self, whole: &mut Whole<'w>) {
        let Some(snapshot) = &self.snapshot else { return };
        whole.snapshots.push((&self.live.game, snapshot));
        let part = |(place, ahead): (&'w Place, &'w Ahead)| {
            let stood = self.left.stood.get(place)?;
            let span = Span { epoch: stood.epoch, from: stood.next, to: ahead.next };
            Some(WholePart { place, live: &self.live, span, gathered: &ahead.gathered })
        };
        whole.parts.extend(self.left.ahead.iter().filter_map(part));
    }

    /// Keeps the players, and what is not written, for the next turn of the topic; what is written is so but for the commit.
    pub(super) fn leave(mut self, cache: &Cache) {
        let Some(topic) = self.left.stood.keys().next().map(|place| place.topic.clone()) else { return };
        if self.snapshot.is_some() {
            for (place, ahead) in std::mem::take(&mut self.left.ahead) {
                if let Some(stood) = self.left.stood.get_mut(&place) {
                    stood.next = ahead.next;
                }
            }
            self.left.players.written();
            self.left.players.shrink_to(self.players_max);
        }
        cache.topics.lock().insert(topic, self.left);
    }
}

/// Steps the records of partitions of one topic, all of whose partitions are locked, over what is kept of it.
pub(super) async fn step(tx: &mut Tx<'_>, works: &[&Work], mut left: Left, held: &Held) -> Result<Result<Stepped, Ended>, Error> {
    let live = &works[0].live;
    let Some(mut stepper) = Stepper::over(live, std::mem::take(&mut left.players)) else { return Ok(Err(Ended::PlanMoved)) };
    let mut halves = Vec::with_capacity(works.len());
    for work in works {
        let Body::Records { batch, poisoned } = &work.body else { continue };
        let from = From { topic: &work.place.topic, partition: work.place.partition, poisoned };
        if !beside(|| survives(&mut stepper, |stepper| stepper.scan(batch, &from))) {
            return alone(works, Ended::Poisoned(stepper.at_offset));
        }
        halves.push(stepper.set_aside());
    }
    let wanted = stepper.players.wanted();
    if let Some(half) = halves.first_mut() {
        half.gathered.tally.loaded += wanted.len() as u64;
    }
    let loaded = campaigns::load_states(tx, &live.game, &wanted).await?;
    if let Err(error) = stepper.players.admit(loaded.iter().map(|one| (one.player.as_str(), one.version, one.state.as_slice()))) {
        return alone(works, unreadable(&error));
    }
    let mut gathered = Vec::with_capacity(works.len());
    for (work, half) in works.iter().zip(halves) {
        let Body::Records { batch, .. } = &work.body else { continue };
        stepper.resume(half);
        if !beside(|| survives(&mut stepper, |stepper| stepper.finish(batch))) {
            return alone(works, Ended::Poisoned(stepper.at_offset));
        }
        let mut of_part = stepper.set_aside().gathered;
        of_part.tally.reached = of_part.reached.len() as u64;
        gathered.push(of_part);
    }
    left.players = stepper.players;
    let partitions = left.stood.len().max(1);
    let is_full = left.players.changed() >= works[0].players_max.saturating_mul(partitions);
    // Another process that reads the topic loads states from the database, where those of this turn are to be.
    let is_shared = !left.stood.keys().all(|place| held.read().contains(place));
    let write = is_full || is_shared || works.iter().any(|work| work.write);
    let snapshot = write.then(|| left.players.take_changed());
    if let (Some(first), Some(snapshot)) = (gathered.first_mut(), &snapshot) {
        first.tally.players = snapshot.len() as u64;
    }
    let done = gathered.iter().map(Done::of).collect();
    works.iter().zip(gathered).for_each(|(work, of_part)| left.step_ahead(work, of_part));
    Ok(Ok(Stepped { live: live.clone(), left, players_max: works[0].cache_share.saturating_mul(partitions), snapshot, done }))
}

impl Left {
    fn step_ahead(&mut self, work: &Work, gathered: Gathered) {
        self.version = work.live.campaign_version;
        let ahead = self.ahead.entry(work.place.clone()).or_insert_with(|| Ahead { next: work.span.from, gathered: Gathered::default() });
        ahead.next = work.span.to;
        ahead.gathered.append(gathered);
    }
}

/// Stepping takes long where there are many records: whoever else has work on this thread goes on beside it.
#[expect(clippy::disallowed_methods, reason = "writers run on a runtime of db's own, which has several threads")]
fn beside<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// What ends the work of one partition must not end its neighbours': the batch is halved until that one stands alone.
fn alone(works: &[&Work], ended: Ended) -> Result<Result<Stepped, Ended>, Error> {
    match works.len() {
        1 => Ok(Err(ended)),
        many => Err(Error::Panicked(format!("one of {many} partitions of {} cannot be stepped: {ended:?}", works[0].place.topic))),
    }
}

#[cfg(test)]
mod tests;
