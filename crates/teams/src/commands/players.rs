//! Profiles that teams send: up to 100 at once, taken over in one transaction with whatever else waits; and what a stream reads of players
//! in logs, within the stream's own transaction.
//! Refuses to lose one of two that come at the same moment: rows that somebody else made meanwhile run the turn again.

use crate::Teams;
use crate::answers::Answers;
use crate::decide::players::{self, Key, Known, Profiles, Told, folded};
use crate::model::{Profile, ProfileChange, Upserted};
use crate::queries::players::profile;
use db::{Act, Column, Command, Error, Meta, Rank, Rows, Statement, Tx, row};
use kernel::{Code, GameId, Instant, Outcome, Refusal};
use rules::Seen;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Players of one request.
pub const PLAYERS_MAX: usize = 100;
/// Players that one statement takes of what logs tell.
const CHUNK_ROWS: usize = 5_000;

static LOAD: Statement = Statement::new(
    "teams.load_profiles",
    "select p.player, p.nickname, p.level, p.server, p.last_seen_at, p.playtime_minutes, p.first_seen_at, p.changed_at, p.game,
            p.nickname_at, p.level_at, p.server_at, p.playtime_at
     from rows r join player_profile p on p.game = r.game and p.player = r.player
     order by p.game, p.player {for update of p}",
)
.rows(&[("game", Column::Text), ("player", Column::Text)])
.locks(Rank::Other);

const COLUMNS: &[(&str, Column)] = &[
    ("game", Column::Text),
    ("player", Column::Text),
    ("nickname", Column::Text),
    ("nickname_key", Column::Text),
    ("level", Column::Int),
    ("server", Column::Text),
    ("last_seen_at", Column::Int),
    ("playtime_minutes", Column::Int),
    ("first_seen_at", Column::Int),
    ("changed_at", Column::Int),
    ("nickname_at", Column::Int),
    ("level_at", Column::Int),
    ("server_at", Column::Int),
    ("playtime_at", Column::Int),
];

// Somebody else may have added the player meanwhile: the count differs and the turn runs again.
static ADD: Statement = Statement::new(
    "teams.add_profiles",
    "insert into player_profile (game, player, nickname, nickname_key, level, server, last_seen_at, playtime_minutes, first_seen_at, changed_at,
         nickname_at, level_at, server_at, playtime_at)
     select game, player, nickname, nickname_key, level, server, last_seen_at, playtime_minutes, first_seen_at, changed_at,
         nickname_at, level_at, server_at, playtime_at
     from rows
     where true
     order by game, player
     on conflict (game, player) do nothing",
)
.rows(COLUMNS);

static CHANGE: Statement = Statement::new(
    "teams.change_profiles",
    "update player_profile
     set nickname = r.nickname, nickname_key = r.nickname_key, level = r.level, server = r.server, last_seen_at = r.last_seen_at,
         playtime_minutes = r.playtime_minutes, changed_at = r.changed_at,
         nickname_at = r.nickname_at, level_at = r.level_at, server_at = r.server_at, playtime_at = r.playtime_at
     from rows r
     where player_profile.game = r.game and player_profile.player = r.player",
)
.rows(COLUMNS);

/// Profiles of a game that are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Which game.
    pub game: GameId,
    /// Whose, and what is known of them.
    pub changes: Vec<ProfileChange>,
}

/// The command that takes profiles over.
pub struct Upsert {
    pub(crate) answers: Arc<Answers<Profile>>,
}

impl Command for Upsert {
    const NAME: &'static str = "teams.upsert_players";
    type Input = Sent;
    type Reply = Upserted;

    fn privileged(&self, input: &Sent, reply: &Upserted) -> Option<Act> {
        let detail = serde_json::json!({ "added": reply.added, "changed": reply.changed, "same": reply.same });
        Some(Act { act: "players.upserted", subject: format!("game/{}", input.game), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Sent], now: Instant) -> Result<Vec<Outcome<Upserted>>, Error> {
        let named = batch.iter().flat_map(|sent| sent.changes.iter().map(|change| (sent.game.as_str(), change.player.as_str())));
        let mut profiles = load(tx, &named.collect()).await?;
        let outcomes = batch.iter().map(|sent| Ok(players::upsert(&mut profiles, &sent.game, &sent.changes, now))).collect();
        write(tx, &profiles).await?;
        Ok(outcomes)
    }

    fn committed(&self, input: &Sent, _: &Outcome<Upserted>) {
        for change in &input.changes {
            self.answers.written(&crate::player_key(&input.game, &change.player));
        }
    }
}

/// Keeps profiles up to date from what a stream read, in its transaction. What is older than what is known changes nothing, so the same
/// records come to the same profiles in whatever pieces they are read.
///
/// # Errors
/// Somebody else made one of the profiles meanwhile: the turn is to run again.
pub async fn keep_seen(tx: &mut Tx<'_>, seen: &BTreeMap<(&GameId, &str), Seen>) -> Result<(), Error> {
    let now = tx.now();
    let all: Vec<_> = seen.iter().collect();
    for chunk in all.chunks(CHUNK_ROWS) {
        let mut profiles = load(tx, &chunk.iter().map(|((game, player), _)| (game.as_str(), *player)).collect()).await?;
        for ((game, player), seen) in chunk {
            players::seen(&mut profiles, ((*game).clone(), (*player).to_owned()), seen, now);
        }
        write(tx, &profiles).await?;
    }
    Ok(())
}

async fn load(tx: &mut Tx<'_>, named: &BTreeSet<(&str, &str)>) -> Result<Profiles, Error> {
    let keyed = |row: &db::Row<'_>| {
        let told = Told {
            nickname: row.instant_opt(9)?,
            level: row.instant_opt(10)?,
            server: row.instant_opt(11)?,
            playtime: row.instant_opt(12)?,
        };
        Ok(((row.parsed::<GameId>(8)?, row.text(0)?), Known { profile: profile(row)?, told }))
    };
    let found = tx.load(&LOAD, Rows::of(named, |(game, player)| row![*game, *player]), keyed).await?;
    Ok(Profiles { held: found.into_iter().collect(), ..Profiles::default() })
}

async fn write(tx: &mut Tx<'_>, profiles: &Profiles) -> Result<(), Error> {
    let changed: BTreeSet<Key> = profiles.changed.difference(&profiles.added).cloned().collect();
    tx.write(&ADD, rows(profiles, &profiles.added)).await?;
    tx.write(&CHANGE, rows(profiles, &changed)).await
}

fn rows(profiles: &Profiles, keys: &BTreeSet<Key>) -> Rows {
    Rows::of(keys, |key| {
        let Known { profile, told } = &profiles.held[key];
        let nickname = profile.nickname.as_deref();
        row![
            key.0.as_str(),
            profile.player.as_str(),
            nickname,
            nickname.map(folded),
            profile.level,
            profile.server.as_deref(),
            profile.last_seen_at,
            profile.playtime_minutes,
            profile.first_seen_at,
            profile.changed_at,
            told.nickname,
            told.level,
            told.server,
            told.playtime,
        ]
    })
}

impl Teams {
    /// Takes over what is known of 1 to [`PLAYERS_MAX`] players. Sending the same again changes nothing.
    ///
    /// # Errors
    /// There are none or too many of them, or one of them holds what cannot be kept; then none is taken over.
    pub async fn upsert_players(&self, meta: Meta, game: GameId, changes: Vec<ProfileChange>) -> Result<Upserted, Error> {
        check_count(changes.len())?;
        changes.iter().try_for_each(players::check)?;
        // A turn takes hundreds of requests, and each of these is a hundred rows: only so many go in at once.
        let _permit = self.inner.bulk.acquire().await.map_err(|_| Error::Gone("the service has stopped".to_owned()))?;
        self.inner.upserts.send(meta, Sent { game, changes }).await
    }
}

/// Refuses requests about nobody, and about too many.
pub(crate) fn check_count(count: usize) -> Result<(), Refusal> {
    if (1..=PLAYERS_MAX).contains(&count) {
        return Ok(());
    }
    Err(Refusal::new(Code::BadBody, format!("players names {count} of them: 1 to {PLAYERS_MAX} would be right")))
}
