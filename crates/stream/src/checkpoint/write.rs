//! Writes what was stepped, but for dead letters and offsets. Refuses nothing: it was decided before.

use crate::players::Snapshot;
use crate::stepper::Gathered;
use campaigns::{GoalCount, LiveGame, Reached, StateWrite};
use db::{Error, Tx};
use std::collections::BTreeMap;

/// Writes states, achievements with their announcements, and the counts of goals under the partition's number.
pub(crate) async fn write(tx: &mut Tx<'_>, live: &LiveGame, part: i64, snapshot: &Snapshot, gathered: &Gathered) -> Result<(), Error> {
    let states: Vec<StateWrite<'_>> = snapshot.rows().map(|(player, loaded, state)| StateWrite { player, loaded, state }).collect();
    campaigns::write_states(tx, &live.game, &states).await?;
    let reached: Vec<Reached<'_>> =
        gathered.reached.iter().map(|one| Reached { player: &one.player, cause: one.cause, achieved: one.achieved }).collect();
    campaigns::add_achievements(tx, live, &reached).await?;
    campaigns::add_matched(tx, &live.game, part, &counts(live, gathered)).await
}

fn counts(live: &LiveGame, gathered: &Gathered) -> Vec<GoalCount> {
    let mut counts: BTreeMap<(u32, u16), GoalCount> = BTreeMap::new();
    let mut add = |number: u32, goal: u16, matched: i64, reached: i64| {
        let lineage = live.registered(number).map_or(0, |registered| registered.lineage);
        let count = counts.entry((number, goal)).or_insert(GoalCount { number, lineage, goal, matched: 0, reached: 0 });
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
