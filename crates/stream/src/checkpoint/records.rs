//! Steps the records of a topic that is not keyed by player, within the checkpoint's own transaction: any partition may touch a player.
//! Refuses to trust states that it kept unless all partitions of the topic stand where its last checkpoint left them.

use super::{Body, Ended, Work, survives, unreadable};
use crate::guard::Kept;
use crate::partitions::Place;
use crate::players::{Players, Snapshot};
use crate::stepper::{From, Gathered, Stepper};
use db::{Error, Tx};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Players of topics as this process's last checkpoints left them. While nobody else reads a topic they need not be loaded again.
/// Others that write states, as controls do, move their versions: the checkpoint that meets one is run again, without these.
#[derive(Default)]
pub(crate) struct Cache {
    topics: Mutex<BTreeMap<Arc<str>, Left>>,
}

struct Left {
    players: Players,
    /// The topic's partitions after the checkpoint: they stand so if it was committed, and if nobody wrote one since.
    stood: BTreeMap<Place, Kept>,
}

impl Cache {
    /// Takes the players of a topic whose partitions are locked. Who fails does not give them back.
    fn take(&self, topic: &str, stand: &BTreeMap<Place, Kept>) -> Players {
        let left = self.topics.lock().remove(topic);
        left.filter(|left| left.stood == *stand).map(|left| left.players).unwrap_or_default()
    }

    /// Keeps the players of a checkpoint that is about to be committed.
    fn leave(&self, topic: &Arc<str>, players: Players, stood: BTreeMap<Place, Kept>) {
        self.topics.lock().insert(topic.clone(), Left { players, stood });
    }
}

/// What came of the records of one topic's partitions.
pub(crate) struct Stepped {
    topic: Arc<str>,
    stand: BTreeMap<Place, Kept>,
    players: Players,
    players_max: usize,
    pub(crate) snapshot: Snapshot,
    /// In the order of the works.
    pub(crate) gathered: Vec<Gathered>,
}

impl Stepped {
    /// Keeps the players for the next checkpoint of the topic; their states and offsets are written, but for the commit.
    pub(crate) fn leave(mut self, works: &[&Work], cache: &Cache) {
        self.players.written();
        self.players.shrink_to(self.players_max);
        for work in works {
            if let Some(kept) = self.stand.get_mut(&work.place) {
                kept.next = work.span.to;
            }
        }
        cache.leave(&self.topic, self.players, self.stand);
    }
}

/// Steps the records of partitions of one topic, all of whose partitions are locked, over their players as they are now.
pub(crate) async fn step(
    tx: &mut Tx<'_>,
    works: &[&Work],
    kept: &BTreeMap<Place, Kept>,
    cache: &Cache,
) -> Result<Result<Stepped, Ended>, Error> {
    let live = &works[0].live;
    let topic = works[0].place.topic.clone();
    let stand: BTreeMap<Place, Kept> =
        kept.iter().filter(|(place, _)| place.topic == topic).map(|(place, kept)| (place.clone(), *kept)).collect();
    let Some(mut stepper) = Stepper::over(live, cache.take(&topic, &stand)) else { return Ok(Err(Ended::PlanMoved)) };
    let mut halves = Vec::with_capacity(works.len());
    for work in works {
        let Body::Records { batch, poisoned } = &work.body else { continue };
        let from = From { topic: &topic, partition: work.place.partition, poisoned };
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
        gathered.push(stepper.set_aside().gathered);
    }
    let snapshot = stepper.players.take_changed();
    for of_part in &mut gathered {
        of_part.tally.reached = of_part.reached.len() as u64;
    }
    if let Some(first) = gathered.first_mut() {
        first.tally.players = snapshot.len() as u64;
    }
    let players_max = works[0].cache_share.saturating_mul(stand.len().max(1));
    Ok(Ok(Stepped { topic, stand, players: stepper.players, players_max, snapshot, gathered }))
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
mod tests {
    use super::*;

    fn stand(next: i64, epoch: i64) -> BTreeMap<Place, Kept> {
        let kept = |next| Kept { topic_id: [1; 16], epoch, next };
        BTreeMap::from([(Place::new("t", 0), kept(next)), (Place::new("t", 1), kept(7))])
    }

    fn left(next: i64) -> Cache {
        let (cache, mut players) = (Cache::default(), Players::default());
        players.find("ann");
        players.admit(std::iter::empty()).unwrap();
        cache.leave(&"t".into(), players, stand(next, 3));
        cache
    }

    #[test]
    fn players_are_kept_while_the_partitions_stand_as_the_checkpoint_left_them() {
        assert_eq!(left(20).take("t", &stand(20, 3)).len(), 1);
    }

    #[test]
    fn players_of_a_checkpoint_that_was_rolled_back_or_followed_by_anothers_are_loaded_again() {
        for (what, stands) in [("rolled back", stand(10, 3)), ("read on by others", stand(30, 3)), ("taken by others", stand(20, 4))] {
            assert_eq!(left(20).take("t", &stands).len(), 0, "{what}");
        }
        let more = BTreeMap::from([(Place::new("t", 2), Kept { topic_id: [1; 16], epoch: 1, next: 0 })]);
        assert_eq!(left(20).take("t", &stand(20, 3).into_iter().chain(more).collect()).len(), 0, "a partition was added");
    }

    #[test]
    fn players_of_a_checkpoint_that_failed_are_not_there_for_the_next_one() {
        let cache = left(20);
        drop(cache.take("t", &stand(20, 3)));
        assert_eq!(cache.take("t", &stand(20, 3)).len(), 0);
    }
}
