//! Writes what was stepped and seen, but for dead letters and offsets: one row set per table, however many partitions it comes from.
//! Refuses nothing: it was decided before.

use crate::players::Snapshot;
use crate::stepper::Gathered;
use campaigns::{GoalCount, LiveGame, Reached, StateWrite};
use db::{Error, Tx};
use kernel::GameId;
use rules::Seen;
use std::collections::BTreeMap;

/// What happened to the records of one partition.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// What was in force in its game.
    pub(crate) live: &'a LiveGame,
    /// The number under which its goals are counted: the partition's.
    pub(crate) number: i64,
    pub(crate) gathered: &'a Gathered,
}

/// Writes profiles of players, states of players, each of whom is in one of the snapshots, achievements with their announcements, and the
/// counts of goals.
pub(crate) async fn write(tx: &mut Tx<'_>, snapshots: &[(&GameId, &Snapshot)], parts: &[Part<'_>]) -> Result<(), Error> {
    teams::keep_seen(tx, &seen(parts)).await?;
    let states = snapshots
        .iter()
        .flat_map(|&(game, snapshot)| snapshot.rows().map(move |(player, loaded, state)| StateWrite { game, player, loaded, state }));
    campaigns::write_states(tx, &states.collect::<Vec<_>>()).await?;
    let reached = parts.iter().flat_map(|&Part { live, gathered, .. }| {
        gathered.reached.iter().map(move |one| Reached { live, player: &one.player, cause: one.cause, achieved: one.achieved })
    });
    let reached: Vec<Reached<'_>> = reached.collect();
    campaigns::add_achievements(tx, &reached).await?;
    campaigns::add_matched(tx, &parts.iter().flat_map(counts).collect::<Vec<_>>()).await
}

/// What was told of players, by any of the partitions.
fn seen<'a>(parts: &[Part<'a>]) -> BTreeMap<(&'a GameId, &'a str), Seen> {
    let mut all: BTreeMap<(&GameId, &str), Seen> = BTreeMap::new();
    for &Part { live, gathered, .. } in parts {
        for (player, seen) in &gathered.seen {
            all.entry((&live.game, player)).or_default().take(seen.clone());
        }
    }
    all
}

fn counts<'a>(part: &Part<'a>) -> Vec<GoalCount<'a>> {
    let Part { live, number: of, gathered } = *part;
    let mut counts: BTreeMap<(u32, u16), GoalCount<'_>> = BTreeMap::new();
    let mut add = |number: u32, goal: u16, matched: i64, reached: i64| {
        let lineage = live.registered(number).map_or(0, |registered| registered.lineage);
        let none = GoalCount { game: &live.game, part: of, number, lineage, goal, matched: 0, reached: 0 };
        let count = counts.entry((number, goal)).or_insert(none);
        count.matched = count.matched.saturating_add(matched);
        count.reached = count.reached.saturating_add(reached);
    };
    for (goal, matched) in live.plan.goals().iter().zip(&gathered.matched).filter(|(_, matched)| **matched > 0) {
        add(goal.number, goal.goal, i64::try_from(*matched).unwrap_or(i64::MAX), 0);
    }
    for one in &gathered.reached {
        add(one.achieved.number, one.achieved.goal, 0, 1);
    }
    counts.into_values().collect()
}
