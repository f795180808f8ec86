//! Loads the states of players that a partition meets. A command, so that it sees what the commands before it wrote and uses the writers' plans.
//! Refuses to lock: a checkpoint writes a state only where its version is the one that was loaded.

use campaigns::StoredState;
use db::{Command, Error, Tx};
use kernel::{GameId, Instant, Outcome};
use serde::{Deserialize, Serialize};

/// Players of a game.
pub(crate) struct Wanted {
    pub(crate) game: GameId,
    pub(crate) players: Vec<String>,
}

/// A state as it lies in the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) player: String,
    pub(crate) version: i64,
    pub(crate) state: Vec<u8>,
}

/// Loads states; a player without a row is not among them.
pub(crate) struct Load;

impl Command for Load {
    const NAME: &'static str = "stream.load";
    const KEYED: bool = false;
    type Input = Wanted;
    type Reply = Vec<Loaded>;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Wanted], _: Instant) -> Result<Vec<Outcome<Vec<Loaded>>>, Error> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for wanted in batch {
            let players: Vec<&str> = wanted.players.iter().map(String::as_str).collect();
            let found = campaigns::load_states(tx, &wanted.game, &players).await?;
            let loaded = |StoredState { player, version, state }| Loaded { player, version, state };
            outcomes.push(Ok(found.into_iter().map(loaded).collect()));
        }
        Ok(outcomes)
    }
}
