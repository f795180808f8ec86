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

static CURRENT: Statement = Statement::new(
    "campaigns.current_versions",
    "select c.game, c.campaign_version
     from rows r join game_campaigns c on c.game = r.game",
)
.rows(&[("game", Column::Text)]);

// On Postgres a plan that was made while the table was empty would read all of it for each row; `lateral` with a limit leaves no
// other way than the key (decision 0013).
static LOAD_STATES: Statement = Statement::new(
    "campaigns.load_states",
    "select s.player, s.version, s.state
     from rows r join player_state s on s.game = r.game and s.player = r.player",
)
.on_postgres(
    "select s.player, s.version, s.state
     from rows r cross join lateral (
         select p.player, p.version, p.state from player_state p where p.game = r.game and p.player = r.player limit 1
     ) s",
)
.rows(&[("game", Column::Text), ("player", Column::Text)]);

// Someone else may have written the player's first state meanwhile: the count differs and the batch runs again.
static INSERT_STATES: Statement = Statement::new(
    "campaigns.insert_states",
    "insert into player_state (game, player, version, state, changed_at)
     select game, player, 1, substr($2, cast(start as integer), cast(length as integer)), $3
     from rows
     where true
     order by game, player
     on conflict (game, player) do nothing",
)
.rows(&[("game", Column::Text), ("player", Column::Text), ("start", Column::Int), ("length", Column::Int)]);

// As above, of a state that was there: its version has moved. On Postgres the row is found as it is loaded; one that is written
// meanwhile has another place then, and counts as moved.
static UPDATE_STATES: Statement = Statement::new(
    "campaigns.update_states",
    "update player_state
     set version = player_state.version + 1, state = substr($2, cast(r.start as integer), cast(r.length as integer)), changed_at = $3
     from rows r
     where player_state.game = r.game and player_state.player = r.player and player_state.version = r.version",
)
.on_postgres(
    "update player_state
     set version = player_state.version + 1, state = substr($2, cast(r.start as integer), cast(r.length as integer)), changed_at = $3
     from rows r cross join lateral (
         select p.ctid as place from player_state p where p.game = r.game and p.player = r.player limit 1
     ) t
     where player_state.ctid = t.place and player_state.version = r.version",
)
.rows(&[("game", Column::Text), ("player", Column::Text), ("start", Column::Int), ("length", Column::Int), ("version", Column::Int)]);

// An operator may have lowered a progress that had reached the goal: reaching it again is the same achievement.
static ADD_ACHIEVEMENTS: Statement = Statement::new(
    "campaigns.add_achievements",
    "insert into achievement (game, player, number, lineage, goal, period, n, version, cause, achieved_at, recorded_at, auto_at)
     select game, player, number, lineage, goal, period, n, version, cause, achieved_at, $2, auto_at
     from rows
     where true
     order by game, player, number, lineage, goal, period, n
     on conflict (game, player, number, lineage, goal, period, n) do nothing",
)
.rows(&[
    ("game", Column::Text),
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
     select game, number, lineage, goal, part, matched, reached
     from rows
     where true
     order by game, number, lineage, goal, part
     on conflict (game, number, lineage, goal, part)
     do update set matched = goal_matched.matched + excluded.matched, reached = goal_matched.reached + excluded.reached",
)
.rows(&[
    ("game", Column::Text),
    ("number", Column::Int),
    ("lineage", Column::Int),
    ("goal", Column::Int),
    ("part", Column::Int),
    ("matched", Column::Int),
    ("reached", Column::Int),
]);

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
    /// The game.
    pub game: &'a GameId,
    /// The game's name for the player.
    pub player: &'a str,
    /// The version that was loaded; 0 when there was no row. Once written it is one higher.
    pub loaded: i64,
    /// What [`rules::PlayerState::encode`] wrote.
    pub state: &'a [u8],
}

/// A goal that a player reached.
#[derive(Clone, Copy)]
pub struct Reached<'a> {
    /// What was in force in the game.
    pub live: &'a LiveGame,
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
pub struct GoalCount<'a> {
    /// The game.
    pub game: &'a GameId,
    /// The log's partition, so that writers of different partitions do not wait for each other.
    pub part: i64,
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
    Ok(current_versions(tx, [game]).await?.remove(game).unwrap_or(0))
}

/// As [`current_version`], of several games; one without campaigns is not among them.
pub async fn current_versions<'g>(tx: &mut Tx<'_>, games: impl IntoIterator<Item = &'g GameId>) -> Result<BTreeMap<GameId, i64>, Error> {
    let rows = Rows::of(games, |game| row![game.as_str()]);
    Ok(tx.load(&CURRENT, rows, |row| Ok((row.parsed(0)?, row.int(1)?))).await?.into_iter().collect())
}

/// The states of these players; one without a row is not among them. Each player is named once.
pub async fn load_states(tx: &mut Tx<'_>, game: &GameId, players: &[&str]) -> Result<Vec<StoredState>, Error> {
    let mut states = Vec::with_capacity(players.len());
    for chunk in players.chunks(CHUNK_ROWS) {
        let rows = Rows::of(chunk, |player| row![game.as_str(), *player]);
        states.extend(tx.load(&LOAD_STATES, rows, stored_state).await?);
    }
    Ok(states)
}

pub(crate) fn stored_state(row: &Row<'_>) -> Result<StoredState, Error> {
    Ok(StoredState { player: row.text(0)?, version: row.int(1)?, state: row.bytes(2)? })
}

/// Writes states, of one game or several, where their versions are those that were loaded.
///
/// # Errors
/// A version has moved, or a player is named twice: the whole batch runs again, with states loaded anew.
pub async fn write_states(tx: &mut Tx<'_>, writes: &[StateWrite<'_>]) -> Result<(), Error> {
    let now = tx.now();
    for chunk in writes.chunks(CHUNK_ROWS) {
        // The states travel as one run of bytes, of which each row names its part.
        let size = |new: bool| chunk.iter().filter(|write| (write.loaded == 0) == new).map(|write| write.state.len()).sum();
        let (mut new, mut new_bytes) = (Rows::new(), Vec::with_capacity(size(true)));
        let (mut old, mut old_bytes) = (Rows::new(), Vec::with_capacity(size(false)));
        for write in chunk {
            let bytes = if write.loaded == 0 { &mut new_bytes } else { &mut old_bytes };
            let (game, start, length) = (write.game.as_str(), place(bytes.len()) + 1, place(write.state.len()));
            bytes.extend_from_slice(write.state);
            match write.loaded {
                0 => new.push(&row![game, write.player, start, length]),
                loaded => old.push(&row![game, write.player, start, length, loaded]),
            }
        }
        tx.write_with(&INSERT_STATES, new, &row![&new_bytes, now]).await?;
        tx.write_with(&UPDATE_STATES, old, &row![&old_bytes, now]).await?;
    }
    Ok(())
}

fn place(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("a chunk of states is far smaller than an i64")
}

/// Writes achievements, and announces them to who subscribed. One that is there already stays as it is.
pub async fn add_achievements(tx: &mut Tx<'_>, reached: &[Reached<'_>]) -> Result<(), Error> {
    let now = tx.now();
    for chunk in reached.chunks(CHUNK_ROWS) {
        let rows = Rows::of(chunk, |one| {
            let a = &one.achieved;
            let auto_at = one.live.claims_itself(a).then_some(now);
            // Only a refund asks for the cause, and an index has each that is there.
            let cause = if one.live.claws_back(a) { i64::from_ne_bytes(one.cause.to_ne_bytes()) } else { 0 };
            let game = one.live.game.as_str();
            row![game, one.player, a.number, a.lineage, a.goal, a.period, a.n, a.version, cause, a.achieved_at, auto_at]
        });
        tx.write_some_with(&ADD_ACHIEVEMENTS, rows, &row![now]).await?;
    }
    if tx.is_subscribed(REACHED_TOPIC) {
        announce(tx, &reached.iter().filter_map(announcement).collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// The topic of goals that were reached.
pub const REACHED_TOPIC: &str = "achievement.reached";

fn announcement(one: &Reached<'_>) -> Option<Announcement> {
    let (live, a) = (one.live, &one.achieved);
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

/// Adds to the counts of goals; each goal is named once for each part.
pub async fn add_matched(tx: &mut Tx<'_>, counts: &[GoalCount<'_>]) -> Result<(), Error> {
    let rows = Rows::of(counts, |count| {
        row![count.game.as_str(), count.number, count.lineage, count.goal, count.part, count.matched, count.reached]
    });
    tx.write(&ADD_MATCHED, rows).await
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
