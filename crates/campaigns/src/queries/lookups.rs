//! What progress, claims and the stream read of players one by one, and the database is asked for together.
//! On Postgres a plan made while a table was empty would read all of it for each row: `lateral` with a limit leaves no other way
//! than the key (decision 0013).

use crate::checkpoint::{CHUNK_ROWS, StoredState, stored_state};
use crate::commands::claims_rows;
use crate::model::{Claim, Key};
use db::{Column, Error, Lookup, Read, Row, Rows, Statement, row};
use kernel::{ClaimId, GameId, Instant, UserId};

/// Which key of a lookup a row belongs to; `game` and `player` follow.
const AT: (&str, Column) = ("at", Column::Int);

static STATES: Statement = Statement::new(
    "campaigns.read_states",
    "select s.player, s.version, s.state, r.at
     from rows r join player_state s on s.game = r.game and s.player = r.player",
)
.on_postgres(
    "select s.player, s.version, s.state, r.at
     from rows r cross join lateral (
         select p.player, p.version, p.state from player_state p where p.game = r.game and p.player = r.player limit 1
     ) s",
)
.rows(&[AT, ("game", Column::Text), ("player", Column::Text)]);

// The newest of a player's achievements in one campaign; a goal that repeats every day for years has more.
static ACHIEVED: Statement = Statement::new(
    "campaigns.read_achievements",
    "select game, player, number, lineage, goal, period, n, id, state, user_id, granted_at, clawed_back_at, version, achieved_at, recorded_at,
            at
     from (
         select a.game, a.player, a.number, a.lineage, a.goal, a.period, a.n, c.id, c.state, c.user_id, c.granted_at, c.clawed_back_at,
                a.version, a.achieved_at, a.recorded_at, r.at,
                row_number() over (partition by r.at, a.player order by a.lineage desc, a.period desc, a.goal, a.n desc) as place
         from rows r join achievement a on a.game = r.game and a.player = r.player and a.number = r.number
         left join claim c on c.game = a.game and c.player = a.player and c.number = a.number and c.lineage = a.lineage
           and c.goal = a.goal and c.period = a.period and c.n = a.n
     ) newest
     where place <= 200
     order by at, player, goal, period, n",
)
.on_postgres(
    "select a.game, a.player, a.number, a.lineage, a.goal, a.period, a.n, c.id, c.state, c.user_id, c.granted_at, c.clawed_back_at,
            a.version, a.achieved_at, a.recorded_at, r.at
     from rows r
     cross join lateral (
         select * from achievement b
         where b.game = r.game and b.player = r.player and b.number = r.number
         order by b.lineage desc, b.period desc, b.goal, b.n desc
         limit 200
     ) a
     left join lateral (
         select * from claim d
         where d.game = a.game and d.player = a.player and d.number = a.number and d.lineage = a.lineage and d.goal = a.goal
           and d.period = a.period and d.n = a.n
         limit 1
     ) c on true
     order by r.at, a.player, a.goal, a.period, a.n",
)
.rows(&[AT, ("game", Column::Text), ("player", Column::Text), ("number", Column::Int)]);

static LINKED: Statement = Statement::new(
    "campaigns.read_link",
    "select r.at, l.user_id
     from rows r join player_link l on l.game = r.game and l.player = r.player",
)
.on_postgres(
    "select r.at, l.user_id
     from rows r cross join lateral (select k.user_id from player_link k where k.game = r.game and k.player = r.player limit 1) l",
)
.rows(&[AT, ("game", Column::Text), ("player", Column::Text)]);

/// Players' states; a player without a row is not among them.
pub struct States;

/// Players of a game.
pub struct PlayersOf {
    /// The game.
    pub game: GameId,
    /// The game's names for them, each once.
    pub players: Vec<String>,
}

impl Lookup for States {
    type Key = PlayersOf;
    type Found = Vec<StoredState>;

    async fn run<'a>(&'a self, reading: &'a mut Read, keys: &'a [PlayersOf]) -> Result<Vec<Vec<StoredState>>, Error> {
        let named: Vec<(i64, &GameId, &String)> =
            (0_i64..).zip(keys).flat_map(|(at, of)| of.players.iter().map(move |player| (at, &of.game, player))).collect();
        let mut found: Vec<Vec<StoredState>> = keys.iter().map(|key| Vec::with_capacity(key.players.len())).collect();
        for chunk in named.chunks(CHUNK_ROWS) {
            let rows = Rows::of(chunk, |(at, game, player)| row![*at, game.as_str(), *player]);
            for (at, state) in reading.load(&STATES, rows, |row| Ok((place(row, 3)?, stored_state(row)?))).await? {
                found[at].push(state);
            }
        }
        Ok(found)
    }
}

/// An achievement with its claim, as they are read.
#[derive(Debug)]
pub(crate) struct Achieved {
    pub(crate) key: Key,
    pub(crate) claim: Option<Claim>,
    pub(crate) version: i64,
    pub(crate) achieved_at: Instant,
    pub(crate) recorded_at: Instant,
}

/// The newest 200 achievements of each player in a campaign, player by player.
pub(crate) struct Newest;

impl Lookup for Newest {
    /// Each may name 100 players with 200 achievements.
    const KEYS_MAX: usize = 16;
    /// Players of a game, and the campaign's number.
    type Key = (PlayersOf, u32);
    type Found = Vec<Achieved>;

    async fn run<'a>(&'a self, reading: &'a mut Read, keys: &'a [(PlayersOf, u32)]) -> Result<Vec<Vec<Achieved>>, Error> {
        let named = (0_i64..).zip(keys).flat_map(|(at, (of, number))| of.players.iter().map(move |player| (at, of, player, *number)));
        let rows = Rows::of(named, |(at, of, player, number)| row![at, of.game.as_str(), player, number]);
        let mut achieved = reading.load(&ACHIEVED, rows, |row| Ok((place(row, 15)?, read(row)?))).await?;
        add_rewards(reading, achieved.iter_mut().map(|(_, one)| one)).await?;
        let mut found: Vec<Vec<Achieved>> = keys.iter().map(|_| Vec::new()).collect();
        achieved.into_iter().for_each(|(at, one)| found[at].push(one));
        Ok(found)
    }
}

/// The accounts that play as players.
pub(crate) struct Linked;

impl Lookup for Linked {
    type Key = (GameId, String);
    type Found = Option<UserId>;

    async fn run<'a>(&'a self, reading: &'a mut Read, keys: &'a [(GameId, String)]) -> Result<Vec<Option<UserId>>, Error> {
        let rows = Rows::of((0_i64..).zip(keys), |(at, (game, player))| row![at, game.as_str(), player]);
        let mut found = vec![None; keys.len()];
        for (at, user) in reading.load(&LINKED, rows, |row| Ok((place(row, 0)?, row.id(1)?))).await? {
            found[at] = Some(user);
        }
        Ok(found)
    }
}

fn place(row: &Row<'_>, column: usize) -> Result<usize, Error> {
    claims_rows::small(row, column)
}

/// An achievement and its claim, without the claim's rewards.
pub(super) fn read(row: &Row<'_>) -> Result<Achieved, Error> {
    let claim = match row.id_opt::<ClaimId>(7)? {
        Some(_) => Some(claims_rows::claim(row)?),
        None => None,
    };
    Ok(Achieved { key: claims_rows::key(row)?, claim, version: row.int(12)?, achieved_at: row.instant(13)?, recorded_at: row.instant(14)? })
}

/// Adds what claims granted.
pub(super) async fn add_rewards(reading: &mut Read, achieved: impl Iterator<Item = &mut Achieved>) -> Result<(), Error> {
    let mut claims: Vec<&mut Claim> = achieved.filter_map(|one| one.claim.as_mut()).collect();
    let rows = Rows::of(&claims, |claim| row![claim.id]);
    let rewards = claims_rows::by_claim(reading.load(&claims_rows::REWARDS, rows, claims_rows::reward).await?);
    for claim in &mut claims {
        // One asked for twice is there twice.
        claim.rewards = rewards.get(&claim.id).cloned().unwrap_or_default();
    }
    Ok(())
}
