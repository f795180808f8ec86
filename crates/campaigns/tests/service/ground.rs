//! What these tests stand on: a game with its manager and key, documents, and a checkpoint that reaches goals.

use campaigns::{GoalCount, LiveGame, Reached, StateWrite, WaitingControl};
use db::{Command, Error, Meta, Tx};
use kernel::{GameId, Instant, Outcome, ProductId};
use rules::{Achieved, PlayerState};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use testkit::{Person, World};
use web::Role;

/// A game with people.
pub(crate) struct Ground {
    pub(crate) operator: Person,
    pub(crate) manager: Person,
    /// The game itself, by a key with every scope.
    pub(crate) game: Person,
}

impl Ground {
    pub(crate) async fn lay(world: &World) -> Ground {
        let operator = world.person(&[Role::Operator]).await;
        let manager = world.player().await;
        operator.post("/v1/games", json!({ "id": "kart", "name": "Kart", "zone": "Asia/Seoul" })).await.expect(201);
        operator.put(&format!("/v1/games/kart/members/{}", manager.id), json!({ "role": "campaign_manager" })).await.expect(204);
        let game = key(world, &operator, &["campaigns:read", "claims:read", "claims:write", "players:read"]).await;
        Ground { operator, manager, game }
    }

    pub(crate) async fn register(&self, campaign: &Value) -> Value {
        self.manager.post("/v1/games/kart/campaigns", json!({ "campaign": campaign })).await.expect(201)
    }

    /// Links a player to a fresh account.
    pub(crate) async fn linked(&self, world: &World, player: &str) -> Person {
        let person = world.player().await;
        self.operator.put(&format!("/v1/games/kart/players/{player}/link"), json!({ "link_to": person.id })).await.expect(200);
        person
    }
}

/// A key of the game, as a caller.
pub(crate) async fn key(world: &World, operator: &Person, scopes: &[&str]) -> Person {
    let made = operator.post("/v1/games/kart/keys", json!({ "name": "server", "scopes": scopes })).await.expect(201);
    world.nobody().with_token(made["secret"].as_str().unwrap())
}

/// A campaign that runs for a month, with these goals.
pub(crate) fn campaign(world: &World, id: &str, goals: &Value) -> Value {
    let now = whole_s(world.db().now());
    let day = 24 * kernel::time::HOUR_US;
    json!({
        "id": id, "game": "kart", "title": "A campaign", "zone": "Asia/Seoul",
        "period": { "starts": now.plus_us(-day), "ends": now.plus_us(30 * day) },
        "goals": goals,
    })
}

/// Periods begin and end with a second.
pub(crate) fn whole_s(at: Instant) -> Instant {
    Instant(at.unix_seconds() * kernel::time::SECOND_US)
}

/// A goal of ten plays.
pub(crate) fn goal(id: &str, rewards: &Value) -> Value {
    json!({ "id": id, "title": "Ten plays", "condition": { "measure": "count", "on": ["play"], "target": 10 }, "rewards": rewards })
}

pub(crate) fn points(amount: i64) -> Value {
    json!([{ "points": amount }])
}

/// A player's claims of a goal.
pub(crate) fn claims(campaign: &str, player: &str, goal: &str) -> String {
    format!("/v1/games/kart/campaigns/{campaign}/players/{player}/goals/{goal}/claims")
}

pub(crate) async fn balance(person: &Person) -> i64 {
    person.get("/v1/wallet").await.expect(200)[0]["balance_minor"].as_i64().unwrap_or(0)
}

pub(crate) fn product(id: ProductId) -> Value {
    json!([{ "product": id }])
}

/// What a checkpoint of these tests does.
#[derive(Default)]
pub(crate) struct Step {
    /// Player, goal, n and cause of what is reached.
    pub(crate) reached: Vec<(String, u16, i64, u64)>,
    /// The campaign's number.
    pub(crate) number: u32,
    /// Players whose controls are taken.
    pub(crate) taken: Vec<String>,
}

/// A checkpoint: states, achievements, counts and controls, as the stream writes them.
pub(crate) struct Checkpoint(pub(crate) Arc<LiveGame>);

impl Command for Checkpoint {
    const NAME: &'static str = "test.checkpoint";
    const KEYED: bool = false;
    type Input = Step;
    type Reply = usize;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Step], now: Instant) -> Result<Vec<Outcome<usize>>, Error> {
        let mut outcomes = Vec::new();
        for step in batch {
            outcomes.push(Ok(self.step(tx, step, now).await?));
        }
        Ok(outcomes)
    }
}

impl Checkpoint {
    async fn step(&self, tx: &mut Tx<'_>, step: &Step, now: Instant) -> Result<usize, Error> {
        let (live, game) = (&self.0, &self.0.game);
        let players: BTreeSet<&str> =
            step.reached.iter().map(|(player, ..)| player.as_str()).chain(step.taken.iter().map(String::as_str)).collect();
        let players: Vec<&str> = players.into_iter().collect();
        let loaded: BTreeMap<String, i64> =
            campaigns::load_states(tx, game, &players).await?.into_iter().map(|one| (one.player, one.version)).collect();
        let mut state = Vec::new();
        PlayerState::default().encode(&mut state);
        let writes: Vec<StateWrite<'_>> = players
            .iter()
            .map(|player| StateWrite { game, player, loaded: loaded.get(*player).copied().unwrap_or(0), state: &state })
            .collect();
        campaigns::write_states(tx, &writes).await?;
        let (lineage, version) = live.registered(step.number).map_or((1, 1), |one| (one.lineage, one.version));
        let reached: Vec<Reached<'_>> = step
            .reached
            .iter()
            .map(|(player, goal, n, cause)| Reached {
                live,
                player,
                cause: *cause,
                achieved: Achieved { number: step.number, lineage, version, goal: *goal, period: 0, n: *n, achieved_at: now },
            })
            .collect();
        campaigns::add_achievements(tx, &reached).await?;
        let counts: Vec<GoalCount<'_>> = reached
            .iter()
            .map(|one| one.achieved.goal)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|goal| {
                let times = reached.iter().filter(|one| one.achieved.goal == goal).count() as i64;
                GoalCount { game, part: 0, number: step.number, lineage, goal, matched: 10 * times, reached: times }
            })
            .collect();
        campaigns::add_matched(tx, &counts).await?;
        let taken: Vec<WaitingControl> =
            campaigns::take_controls(tx, game, &step.taken.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        Ok(taken.len())
    }
}

pub(crate) fn kart() -> GameId {
    "kart".parse().unwrap()
}

/// What is in force in the game.
pub(crate) async fn live(world: &World) -> Arc<LiveGame> {
    world.app.campaigns.live().reload(&kart()).await.unwrap().expect("the game has campaigns")
}

/// Lets players reach a goal of a campaign.
pub(crate) async fn reach(world: &World, number: u32, reached: &[(&str, u16, i64)]) {
    let reached = reached.iter().map(|(player, goal, n)| ((*player).to_owned(), *goal, *n, 0)).collect();
    checkpoint(world, Step { reached, number, ..Step::default() }).await;
}

/// Runs a checkpoint; how many controls it took.
pub(crate) async fn checkpoint(world: &World, step: Step) -> usize {
    let queue = world.db().queue(Checkpoint(live(world).await));
    queue.send(Meta::ours("test"), step).await.unwrap()
}
