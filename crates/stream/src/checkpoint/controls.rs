//! Applies what people asked to be done to players' states: opting in, corrections, starting over, forgetting.
//! Refuses to let two processes apply one control: the rows go with the states' write.

use crate::checkpoint::{Part, write};
use crate::guard::Kept;
use crate::letters;
use crate::partitions::Place;
use crate::players::{Found, Players};
use crate::stepper::{Gathered, take_effects};
use campaigns::LiveGame;
use db::{Command, Error, Rank, Statement, Tx, crash, row};
use kernel::{GameId, Instant, Outcome};
use rules::{Control, Effects};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The part of [`goal_matched`](campaigns::add_matched) that is no partition's.
const NO_PARTITION: i64 = -1;

/// Players for whom controls wait.
pub(crate) struct Waiting {
    pub(crate) live: Arc<LiveGame>,
    pub(crate) players: Vec<String>,
}

/// How applying ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Applied {
    /// So many controls were applied.
    Controls(usize),
    /// The game's campaigns changed: try again under the new plan.
    PlanMoved,
    /// The state of one of the players cannot be read by this program; none was changed.
    Unreadable,
}

static LOCK_GAME: Statement = Statement::new(
    "stream.lock_partitions_of_game",
    "select p.topic, p.partition, p.topic_id, p.epoch, p.next
     from log_partition p
     where p.game = $1
     order by p.topic, p.partition {for update of p}",
)
.locks(Rank::Other);

/// Locks a game's partitions: whoever steps records within a transaction waits.
pub(crate) async fn lock_game(tx: &mut Tx<'_>, game: &GameId) -> Result<Vec<(Place, Kept)>, Error> {
    tx.fetch(&LOCK_GAME, &row![game.as_str()], |row| {
        let place = Place { topic: row.text(0)?.into(), partition: crate::partitions::number(row.int(1)?)? };
        Ok((place, Kept { topic_id: row.id(2)?, epoch: row.int(3)?, next: row.int(4)? }))
    })
    .await
}

/// Applies controls.
pub(crate) struct Apply;

impl Command for Apply {
    const NAME: &'static str = "stream.apply_controls";
    const KEYED: bool = false;
    type Input = Waiting;
    type Reply = Applied;

    fn lane(&self, _: &Waiting) -> Option<u64> {
        Some(0)
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Waiting], _: Instant) -> Result<Vec<Outcome<Applied>>, Error> {
        crash::point("stream.before_controls");
        // Games are locked in order, whatever the order of the inputs.
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by_key(|at| &batch[*at].live.game);
        let mut outcomes = vec![Ok(Applied::Controls(0)); batch.len()];
        for at in order {
            outcomes[at] = Ok(apply(tx, batch[at]).await?);
        }
        crash::point("stream.controls_applied");
        Ok(outcomes)
    }
}

async fn apply(tx: &mut Tx<'_>, waiting: &Waiting) -> Result<Applied, Error> {
    let live = &waiting.live;
    lock_game(tx, &live.game).await?;
    if campaigns::current_version(tx, &live.game).await? != live.campaign_version {
        return Ok(Applied::PlanMoved);
    }
    let players: BTreeSet<&str> = waiting.players.iter().map(String::as_str).collect();
    let players: Vec<&str> = players.into_iter().collect();
    let loaded = campaigns::load_states(tx, &live.game, &players).await?;
    let mut states = Players::default();
    for player in &players {
        states.find(player);
    }
    if states.admit(loaded.iter().map(|one| (one.player.as_str(), one.version, one.state.as_slice()))).is_err() {
        return Ok(Applied::Unreadable);
    }
    let taken = campaigns::take_controls(tx, &live.game, &players).await?;
    let (mut effects, mut gathered) = (Effects::default(), Gathered::default());
    for one in &taken {
        let Found::Here(at) = states.find(&one.player) else { continue };
        if rules::control(&live.plan, states.state(at), &one.control, one.at, &mut effects) {
            states.mark_changed(at);
        }
        take_effects(live, &one.player, 0, &mut effects, &mut gathered);
    }
    let part = Part { live, number: NO_PARTITION, gathered: &gathered };
    write(tx, &[(&live.game, &states.take_changed())], &[part]).await?;
    let erased: Vec<&str> = taken.iter().filter(|one| one.control == Control::Erase).map(|one| one.player.as_str()).collect();
    letters::store::scrub(tx, &live.game, &erased).await?;
    Ok(Applied::Controls(taken.len()))
}
