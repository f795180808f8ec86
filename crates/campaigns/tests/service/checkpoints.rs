//! What the stream calls: states by compare-and-swap, achievements once, counters that tell of changes.

use crate::ground::*;
use campaigns::{StateWrite, current_version, load_states, write_states};
use db::{Command, Error, Meta, Tx};
use kernel::{Instant, Outcome};
use serde_json::json;
use testkit::both_engines;

/// Writes one player's state over a version; the answer is what is stored then.
struct Write;

impl Command for Write {
    const NAME: &'static str = "test.write_state";
    const KEYED: bool = false;
    type Input = (i64, Vec<u8>);
    type Reply = (i64, i64, Vec<u8>);

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Self::Input], _: Instant) -> Result<Vec<Outcome<Self::Reply>>, Error> {
        let mut outcomes = Vec::new();
        for (loaded, state) in batch {
            let others = [b"other".as_slice(), b""];
            let found = load_states(tx, &kart(), &["q1", "q2"]).await?;
            let of = |player: &str| found.iter().find(|one| one.player == player).map_or(0, |one| one.version);
            let writes = [
                StateWrite { player: "q1", loaded: of("q1"), state: others[0] },
                StateWrite { player: "p1", loaded: *loaded, state },
                StateWrite { player: "q2", loaded: of("q2"), state: b"more" },
            ];
            write_states(tx, &kart(), &writes).await?;
            let stored = load_states(tx, &kart(), &["p1", "nobody"]).await?.pop().unwrap();
            outcomes.push(Ok((current_version(tx, &kart()).await?, stored.version, stored.state)));
        }
        Ok(outcomes)
    }
}

both_engines! {
    async fn a_state_is_written_where_its_version_is_the_one_that_was_loaded(world: &World) {
        let ground = Ground::lay(world).await;
        ground.register(&campaign(world, "ten-plays", &json!([goal("ten", &points(100))]))).await;
        let writes = world.db().queue(Write);
        assert_eq!(writes.send(Meta::ours("test"), (0, b"one".to_vec())).await.unwrap(), (1, 1, b"one".to_vec()));
        assert_eq!(writes.send(Meta::ours("test"), (1, vec![0, 255, 7])).await.unwrap(), (1, 2, vec![0, 255, 7]));
        for stale in [0, 1, 3] {
            let lost = writes.send(Meta::ours("test"), (stale, b"lost".to_vec())).await;
            assert!(matches!(lost, Err(Error::Again(_))), "{lost:?}");
        }
        let stored = writes.send(Meta::ours("test"), (2, b"three".to_vec())).await.unwrap();
        assert_eq!(stored, (1, 3, b"three".to_vec()), "what was stale wrote nothing, neither of this player nor of others");
    }

    async fn an_achievement_is_there_once_however_often_it_is_reached(world: &World) {
        let ground = Ground::lay(world).await;
        ground.register(&campaign(world, "ten-plays", &json!([goal("ten", &points(100))]))).await;
        reach(world, 1, &[("p1", 0, 1)]).await;
        reach(world, 1, &[("p1", 0, 1), ("p2", 0, 1)]).await;
        let seen = ground.game.get("/v1/games/kart/players/p1/achievements").await.expect(200);
        assert_eq!(seen["items"].as_array().unwrap().len(), 1);
        assert_eq!(live(world).await.campaign_version, 1);
    }
}
