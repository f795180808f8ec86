//! What is kept of a topic is trusted only where everything stands as it was left.

use super::*;
use std::sync::LazyLock;

static LIVE: LazyLock<Arc<LiveGame>> = LazyLock::new(|| live(1));

fn live(campaign_version: i64) -> Arc<LiveGame> {
    let game = "kart".parse().unwrap();
    let plan = rules::Plan::default();
    Arc::new(LiveGame { game, campaign_version, mapping_version: 1, mapping: None, mapper: None, campaigns: Vec::new(), plan })
}

fn stand(next: i64, epoch: i64) -> BTreeMap<Place, Kept> {
    let kept = |next| Kept { topic_id: [1; 16], epoch, next };
    BTreeMap::from([(Place::new("t", 0), kept(next)), (Place::new("t", 1), kept(7))])
}

fn work(live: &Arc<LiveGame>, partition: i32, from: i64) -> Work {
    Work {
        place: Place::new("t", partition),
        live: live.clone(),
        span: Span { epoch: 3, from, to: from + 5 },
        body: Body::Records { batch: crate::record::Batch::default(), poisoned: BTreeMap::new() },
        write: false,
        players_max: 10,
        cache_share: 10,
    }
}

fn players() -> Players {
    let mut players = Players::default();
    players.find("ann");
    players.admit(std::iter::empty()).unwrap();
    players
}

/// A cache after a checkpoint that left partition 0 at 20.
fn written() -> Cache {
    let cache = Cache::default();
    let left = Left { players: players(), stood: stand(20, 3), version: 1, ..Left::default() };
    Stepped { live: LIVE.clone(), left, players_max: 10, snapshot: None, done: Vec::new() }.leave(&cache);
    cache
}

/// The same, with partition 0 stepped on to 25.
fn ahead() -> Cache {
    let cache = written();
    let mut left = cache.take("t", stand(20, 3), &[]);
    left.step_ahead(&work(&LIVE, 0, 20), Gathered::default());
    Stepped { live: LIVE.clone(), left, players_max: 10, snapshot: None, done: Vec::new() }.leave(&cache);
    cache
}

#[test]
fn players_are_kept_while_the_partitions_stand_as_the_checkpoint_left_them() {
    assert_eq!(written().take("t", stand(20, 3), &[&work(&LIVE, 0, 20)]).players.len(), 1);
}

#[test]
fn players_of_a_checkpoint_that_was_rolled_back_or_followed_by_anothers_are_loaded_again() {
    for (what, stands) in [("rolled back", stand(10, 3)), ("read on by others", stand(30, 3)), ("taken by others", stand(20, 4))] {
        assert_eq!(written().take("t", stands, &[]).players.len(), 0, "{what}");
    }
    let more = BTreeMap::from([(Place::new("t", 2), Kept { topic_id: [1; 16], epoch: 1, next: 0 })]);
    assert_eq!(written().take("t", stand(20, 3).into_iter().chain(more).collect(), &[]).players.len(), 0, "a partition was added");
}

#[test]
fn players_of_a_checkpoint_that_failed_are_not_there_for_the_next_one() {
    let cache = written();
    drop(cache.take("t", stand(20, 3), &[]));
    assert_eq!(cache.take("t", stand(20, 3), &[]).players.len(), 0);
}

#[test]
fn what_was_stepped_ahead_is_gone_on_with_by_any_partition_and_written_with_it() {
    for next in [work(&LIVE, 0, 25), work(&LIVE, 1, 7)] {
        let mut left = ahead().take("t", stand(20, 3), &[&next]);
        assert_eq!(left.ahead[&Place::new("t", 0)].next, 25);
        left.step_ahead(&next, Gathered::default());
        let snapshot = Some(left.players.take_changed());
        let stepped = Stepped { live: LIVE.clone(), left, players_max: 10, snapshot, done: Vec::new() };
        let mut whole = Whole::default();
        stepped.add_to(&mut whole);
        let spans: Vec<(i32, i64, i64)> = whole.parts.iter().map(|one| (one.place.partition, one.span.from, one.span.to)).collect();
        let expected = if next.place.partition == 0 { vec![(0, 20, 30)] } else { vec![(0, 20, 25), (1, 7, 12)] };
        assert_eq!(spans, expected, "what is written begins where the database stands");
    }
}

#[test]
fn what_was_stepped_ahead_is_dropped_by_whoever_does_not_go_on_from_it() {
    let again = work(&LIVE, 0, 20);
    let replanned = work(&live(2), 0, 25);
    for (what, next) in [("begins again", again), ("under another plan", replanned)] {
        let left = ahead().take("t", stand(20, 3), &[&next]);
        assert!(left.ahead.is_empty() && left.players.len() == 0, "{what}");
        let topics = BTreeMap::from([("t".into(), left)]);
        assert_eq!(overlaid(&stand(20, 3), &topics), stand(20, 3), "{what}: the others are told that they stand elsewhere");
    }
}

#[test]
fn partitions_stand_where_they_were_stepped_to() {
    let topics = BTreeMap::from([("t".into(), ahead().take("t", stand(20, 3), &[&work(&LIVE, 0, 25)]))]);
    assert_eq!(overlaid(&stand(20, 3), &topics), stand(25, 3));
}
