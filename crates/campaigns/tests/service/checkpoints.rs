//! What the stream calls: states by compare-and-swap, achievements once, counters that tell of changes.

use crate::ground::*;
use campaigns::{StateWrite, current_version, load_states, write_states};
use db::{Command, Engine, Error, Meta, Statement, Tx};
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
                StateWrite { game: &kart(), player: "q1", loaded: of("q1"), state: others[0] },
                StateWrite { game: &kart(), player: "p1", loaded: *loaded, state },
                StateWrite { game: &kart(), player: "q2", loaded: of("q2"), state: b"more" },
            ];
            write_states(tx, &writes).await?;
            let stored = load_states(tx, &kart(), &["p1", "nobody"]).await?.pop().unwrap();
            outcomes.push(Ok((current_version(tx, &kart()).await?, stored.version, stored.state)));
        }
        Ok(outcomes)
    }
}

/// Loads and writes a player whom nobody has until the engine keeps its plans, then fills the game and loads and writes some of it.
/// The answer is how many states were read, and how many rows of the table the engine looked at for that.
struct Look;

const FILL: usize = 3_000;
const SOME: usize = 5;

static LOOKED: Statement = Statement::new("test.looked", "select 0").on_postgres(
    "select cast(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as bigint)
     from pg_stat_xact_user_tables where relname = 'player_state'",
);

impl Command for Look {
    const NAME: &'static str = "test.look";
    const KEYED: bool = false;
    type Input = ();
    type Reply = (usize, i64);

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a ()], _: Instant) -> Result<Vec<Outcome<Self::Reply>>, Error> {
        let game = kart();
        let state = |player, loaded| StateWrite { game: &game, player, loaded, state: b"state" };
        for _ in 0..8 {
            assert!(load_states(tx, &game, &["nobody"]).await?.is_empty());
            let written = write_states(tx, &[state("nobody", 1)]).await;
            assert!(matches!(written, Err(Error::Again(_))), "{written:?}");
        }
        let players: Vec<String> = (0..FILL).map(|n| format!("p{n}")).collect();
        write_states(tx, &players.iter().map(|player| state(player, 0)).collect::<Vec<_>>()).await?;
        let before = tx.fetch(&LOOKED, &[], |row| row.int(0)).await?[0];
        let some: Vec<&str> = players.iter().take(SOME).map(String::as_str).collect();
        let loaded = load_states(tx, &game, &some).await?.len();
        write_states(tx, &some.iter().map(|player| state(player, 1)).collect::<Vec<_>>()).await?;
        let looked = tx.fetch(&LOOKED, &[], |row| row.int(0)).await?[0] - before;
        Ok(batch.iter().map(|()| Ok((loaded, looked))).collect())
    }
}

both_engines! {
    async fn states_are_found_by_their_keys_whatever_table_the_plan_was_made_for(world: &World) {
        world.db().plain("analyze player_state").await.unwrap();
        let (loaded, looked) = world.db().queue(Look).send(Meta::ours("test"), ()).await.unwrap();
        assert_eq!(loaded, SOME);
        if world.engine() == Engine::Postgres {
            assert!((1..=3 * SOME as i64).contains(&looked), "{looked} rows were looked at for {SOME}");
        }
    }

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
