//! What a checkpoint of the stream reads and writes inside its own transaction: player state, achievements, controls, counts.
//! Refuses to take locks: state is written where its version is the one that was loaded, and another count runs the batch again.

use crate::live::LiveGame;
use db::{Announcement, Column, Db, Error, Row, Rows, Statement, Tx, announce, row};
use kernel::{GameId, Instant, Refusal, Uuid};
use rules::{Achieved, Control};
use std::collections::BTreeMap;

/// Rows one statement of a checkpoint takes.
pub const CHUNK_ROWS: usize = 5_000;
/// Players with waiting controls that one look finds.
const WAITING_MAX: usize = 1_000;

static CURRENT: Statement = Statement::new("campaigns.current_version", "select campaign_version from game_campaigns where game = $1");

static LOAD_STATES: Statement = Statement::new(
    "campaigns.load_states",
    "select s.player, s.version, s.state
     from rows r join player_state s on s.game = $2 and s.player = r.player",
)
.rows(&[("player", Column::Text)]);

// Someone else may have written the player's first state meanwhile: the count differs and the batch runs again.
static INSERT_STATES: Statement = Statement::new(
    "campaigns.insert_states",
    "insert into player_state (game, player, version, state, changed_at)
     select $3, player, 1, substr($2, cast(start as integer), cast(length as integer)), $4
     from rows
     where true
     order by player
     on conflict (game, player) do nothing",
)
.rows(&[("player", Column::Text), ("start", Column::Int), ("length", Column::Int)]);

// As above, of a state that was there: its version has moved. The game stands in each row, so that SQLite goes from the rows to the states.
static UPDATE_STATES: Statement = Statement::new(
    "campaigns.update_states",
    "update player_state
     set version = player_state.version + 1, state = substr($2, cast(r.start as integer), cast(r.length as integer)), changed_at = $3
     from rows r
     where player_state.game = r.game and player_state.player = r.player and player_state.version = r.version",
)
.rows(&[("game", Column::Text), ("player", Column::Text), ("start", Column::Int), ("length", Column::Int), ("version", Column::Int)]);

// An operator may have lowered a progress that had reached the goal: reaching it again is the same achievement.
static ADD_ACHIEVEMENTS: Statement = Statement::new(
    "campaigns.add_achievements",
    "insert into achievement (game, player, number, lineage, goal, period, n, version, cause, achieved_at, recorded_at, auto_at)
     select $2, player, number, lineage, goal, period, n, version, cause, achieved_at, $3, auto_at
     from rows
     where true
     order by player, number, lineage, goal, period, n
     on conflict (game, player, number, lineage, goal, period, n) do nothing",
)
.rows(&[
    ("player", Column::Text),
    ("number", Column::Int),
    ("lineage", Column::Int),
    ("goal", Column::Int),
    ("period", Column::Int),
    ("n", Column::Int),
    ("version", Column::Int),
    ("cause", Column::Int),
    ("achieved_at", Column::Int),
    ("auto_at", Column::Int),
]);

static LOAD_CONTROLS: Statement = Statement::new(
    "campaigns.load_controls",
    "select c.player, c.id, c.kind, c.number, c.goal, c.period, c.amount, c.at
     from rows r join control c on c.game = $2 and c.player = r.player
     order by c.player, c.id",
)
.rows(&[("player", Column::Text)]);

// Another process may have applied it meanwhile: the count differs and the batch runs again.
static DELETE_CONTROLS: Statement =
    Statement::new("campaigns.delete_controls", "delete from control where game = $2 and (player, id) in (select player, id from rows)")
        .rows(&[("player", Column::Text), ("id", Column::Bytes)]);

static WAITING: Statement =
    Statement::new("campaigns.waiting_controls", "select distinct game, player from control order by game, player limit $1");

static ADD_MATCHED: Statement = Statement::new(
    "campaigns.add_matched",
    "insert into goal_matched (game, number, lineage, goal, part, matched, reached)
     select $2, number, lineage, goal, $3, matched, reached
     from rows
     where true
     order by number, lineage, goal
     on conflict (game, number, lineage, goal, part)
     do update set matched = goal_matched.matched + excluded.matched, reached = goal_matched.reached + excluded.reached",
)
.rows(&[("number", Column::Int), ("lineage", Column::Int), ("goal", Column::Int), ("matched", Column::Int), ("reached", Column::Int)]);

/// A player's state as it lies in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredState {
    /// The game's name for the player.
    pub player: String,
    /// To be given back with the write.
    pub version: i64,
    /// What [`rules::PlayerState::decode`] reads.
    pub state: Vec<u8>,
}

/// A player's state to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateWrite<'a> {
    /// The game's name for the player.
    pub player: &'a str,
    /// The version that was loaded; 0 when there was no row. Once written it is one higher.
    pub loaded: i64,
    /// What [`rules::PlayerState::encode`] wrote.
    pub state: &'a [u8],
}

/// A goal that a player reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached<'a> {
    /// The game's name for the player.
    pub player: &'a str,
    /// The id of the event that reached it; 0 for none, as after a correction.
    pub cause: u64,
    /// What was reached.
    pub achieved: Achieved,
}

/// Something to be done to a player's state.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingControl {
    /// The game's name for the player.
    pub player: String,
    /// What.
    pub control: Control,
    /// When it was asked for.
    pub at: Instant,
}

/// How often one goal was matched and reached since the last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoalCount {
    /// The campaign's number.
    pub number: u32,
    /// Its lineage.
    pub lineage: u32,
    /// The goal's place in the document.
    pub goal: u16,
    /// Events that counted.
    pub matched: i64,
    /// Achievements.
    pub reached: i64,
}

/// The game's counter as this transaction sees it: a checkpoint whose plan is of another version steps again. 0 for a game without campaigns.
pub async fn current_version(tx: &mut Tx<'_>, game: &GameId) -> Result<i64, Error> {
    Ok(tx.fetch(&CURRENT, &row![game.as_str()], |row| row.int(0)).await?.pop().unwrap_or(0))
}

/// The states of these players; one without a row is not among them. Each player is named once.
pub async fn load_states(tx: &mut Tx<'_>, game: &GameId, players: &[&str]) -> Result<Vec<StoredState>, Error> {
    let mut states = Vec::with_capacity(players.len());
    for chunk in players.chunks(CHUNK_ROWS) {
        let rows = Rows::of(chunk, |player| row![*player]);
        states.extend(tx.load_with(&LOAD_STATES, rows, &row![game.as_str()], stored_state).await?);
    }
    Ok(states)
}

pub(crate) fn stored_state(row: &Row<'_>) -> Result<StoredState, Error> {
    Ok(StoredState { player: row.text(0)?, version: row.int(1)?, state: row.bytes(2)? })
}

/// Writes states where their versions are those that were loaded.
///
/// # Errors
/// A version has moved: the whole batch runs again, with states loaded anew.
pub async fn write_states(tx: &mut Tx<'_>, game: &GameId, writes: &[StateWrite<'_>]) -> Result<(), Error> {
    let now = tx.now();
    for chunk in writes.chunks(CHUNK_ROWS) {
        // The states travel as one run of bytes, of which each row names its part.
        let mut bytes = Vec::with_capacity(chunk.iter().map(|write| write.state.len()).sum());
        let (mut new, mut old) = (Rows::new(), Rows::new());
        for write in chunk {
            let (start, length) = (place(bytes.len()) + 1, place(write.state.len()));
            bytes.extend_from_slice(write.state);
            match write.loaded {
                0 => new.push(&row![write.player, start, length]),
                loaded => old.push(&row![game.as_str(), write.player, start, length, loaded]),
            }
        }
        tx.write_with(&INSERT_STATES, new, &row![&bytes, game.as_str(), now]).await?;
        tx.write_with(&UPDATE_STATES, old, &row![&bytes, now]).await?;
    }
    Ok(())
}

fn place(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("a chunk of states is far smaller than an i64")
}

/// Writes achievements, and announces them to who subscribed. One that is there already stays as it is.
pub async fn add_achievements(tx: &mut Tx<'_>, live: &LiveGame, reached: &[Reached<'_>]) -> Result<(), Error> {
    let now = tx.now();
    let game = live.game.as_str();
    for chunk in reached.chunks(CHUNK_ROWS) {
        let rows = Rows::of(chunk, |one| {
            let a = &one.achieved;
            let auto_at = live.claims_itself(a).then_some(now);
            let cause = i64::from_ne_bytes(one.cause.to_ne_bytes());
            row![one.player, a.number, a.lineage, a.goal, a.period, a.n, a.version, cause, a.achieved_at, auto_at]
        });
        tx.write_some_with(&ADD_ACHIEVEMENTS, rows, &row![game, now]).await?;
    }
    if tx.is_subscribed(REACHED_TOPIC) {
        announce(tx, &reached.iter().filter_map(|one| announcement(live, one)).collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// The topic of goals that were reached.
pub const REACHED_TOPIC: &str = "achievement.reached";

fn announcement(live: &LiveGame, one: &Reached<'_>) -> Option<Announcement> {
    let a = &one.achieved;
    let campaign = &live.registered(a.number)?.campaign;
    let goal = campaign.goals.get(usize::from(a.goal))?;
    Some(Announcement {
        topic: REACHED_TOPIC,
        aggregate: format!("achievement/{}/{}/{}/{}/{}/{}/{}", live.game, one.player, campaign.id, a.lineage, goal.id, a.period, a.n),
        version: 1,
        payload: serde_json::json!({
            "game": live.game, "player": one.player, "campaign": campaign.id, "goal": goal.id,
            "period": a.period, "n": a.n, "version": a.version, "achieved_at": a.achieved_at,
        }),
    })
}

/// Takes the controls that wait for these players, oldest first per player. They are gone when the transaction commits.
pub async fn take_controls(tx: &mut Tx<'_>, game: &GameId, players: &[&str]) -> Result<Vec<WaitingControl>, Error> {
    let mut taken = Vec::new();
    for chunk in players.chunks(CHUNK_ROWS) {
        let rows = Rows::of(chunk, |player| row![*player]);
        let found = tx.load_with(&LOAD_CONTROLS, rows, &row![game.as_str()], |row| Ok((row.id::<[u8; 16]>(1)?, waiting(row)?))).await?;
        let gone = Rows::of(&found, |(id, control)| row![control.player.as_str(), id.to_vec()]);
        tx.write_with(&DELETE_CONTROLS, gone, &row![game.as_str()]).await?;
        taken.extend(found.into_iter().map(|(_, control)| control));
    }
    Ok(taken)
}

pub(crate) fn waiting(row: &Row<'_>) -> Result<WaitingControl, Error> {
    let fits = |column: usize| -> Result<u32, Error> {
        u32::try_from(row.int(column)?).map_err(|_| Error::Broken(format!("column {column} of a control is out of range")))
    };
    let number = fits(3)?;
    let goal = u16::try_from(fits(4)?).map_err(|_| Error::Broken("the goal of a control is out of range".to_owned()))?;
    let control = match row.text(2)?.as_str() {
        "opt_in" => Control::OptIn { number },
        "correct" => Control::Correct { number, goal, period: row.int(5)?, by: row.int(6)? },
        "restart" => Control::Restart { number },
        "erase" => Control::Erase,
        other => return Err(Error::Broken(format!("{other:?} is not a control"))),
    };
    Ok(WaitingControl { player: row.text(0)?, control, at: row.instant(7)? })
}

/// Players for whom controls wait, by game; those without records of their own are found by this alone.
///
/// # Errors
/// The database fails.
pub async fn waiting_controls(db: &Db) -> Result<BTreeMap<GameId, Vec<String>>, Error> {
    let found = db.fetch(&WAITING, &row![i64::try_from(WAITING_MAX).unwrap_or(i64::MAX)], |row| Ok((row.parsed(0)?, row.text(1)?))).await?;
    let mut waiting: BTreeMap<GameId, Vec<String>> = BTreeMap::new();
    found.into_iter().for_each(|(game, player)| waiting.entry(game).or_default().push(player));
    Ok(waiting)
}

/// Adds to the counts of goals. `part` is the log's partition, so that writers of different partitions do not wait for each other.
pub async fn add_matched(tx: &mut Tx<'_>, game: &GameId, part: i64, counts: &[GoalCount]) -> Result<(), Error> {
    let rows = Rows::of(counts, |count| row![count.number, count.lineage, count.goal, count.matched, count.reached]);
    tx.write_with(&ADD_MATCHED, rows, &row![game.as_str(), part]).await
}

/// Refuses a player's name that no record could carry.
pub(crate) fn check_player(player: &str) -> Result<(), Refusal> {
    kernel::text::check("player", player, 1, PLAYER_MAX)
}

/// The longest name of a player, in characters.
pub const PLAYER_MAX: usize = 200;

/// An id for a new control row.
pub(crate) fn control_id() -> Uuid {
    Uuid::now_v7()
}

/// The columns of a control to write: kind, number, goal, period, amount.
pub(crate) fn control_columns(control: &Control) -> (&'static str, u32, u16, i64, i64) {
    match control {
        Control::OptIn { number } => ("opt_in", *number, 0, 0, 0),
        Control::Correct { number, goal, period, by } => ("correct", *number, *goal, *period, *by),
        Control::Restart { number } => ("restart", *number, 0, 0, 0),
        Control::Erase => ("erase", 0, 0, 0, 0),
    }
}
