//! Games, their teams and their API keys: the words for them, and the check of a key with its short-lived cache.
//! Refuses to keep a key: only its hash is stored, and it is shown once.

use db::{Db, Error, Statement, row};
use kernel::{Code, GameId, Instant, KeyId, Refusal, UserId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Moment};

/// What somebody is in a game's team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GameRole {
    /// Changes the game's campaigns, team and keys.
    CampaignManager,
    /// Reads what the team reads.
    TeamMember,
}

impl GameRole {
    /// The role as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            GameRole::CampaignManager => "campaign_manager",
            GameRole::TeamMember => "team_member",
        }
    }
}

impl FromStr for GameRole {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [GameRole::CampaignManager, GameRole::TeamMember];
        all.into_iter().find(|role| role.as_str() == text).ok_or_else(|| format!("{text:?} is not a role in a team"))
    }
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident => $text:literal;)+) => {
        /// What an API key may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum Scope {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl Scope {
            /// All scopes, in the table's order.
            pub const ALL: &'static [Scope] = &[$(Scope::$name),+];

            /// The scope as it stands in requests and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Scope::$name => $text),+ }
            }
        }
    };
}

scopes! {
    /// Reads player profiles.
    PlayersRead => "players:read";
    /// Adds and changes player profiles.
    PlayersWrite => "players:write";
    /// Reads currency balances.
    CurrenciesRead => "currencies:read";
    /// Changes currency balances.
    CurrenciesWrite => "currencies:write";
    /// Reads banners.
    BannersRead => "banners:read";
    /// Adds and changes banners.
    BannersWrite => "banners:write";
    /// Reads campaigns and progress.
    CampaignsRead => "campaigns:read";
    /// Reads claims and fulfilments.
    ClaimsRead => "claims:read";
    /// Claims for players and acknowledges fulfilments.
    ClaimsWrite => "claims:write";
    /// Runs recipes.
    RecipesRun => "recipes:run";
    /// Sends logs.
    LogsWrite => "logs:write";
}

impl FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        let found = Scope::ALL.iter().find(|scope| scope.as_str() == text);
        found.copied().ok_or_else(|| format!("{text:?} is not a scope: one of {} would be right", names.join(", ")))
    }
}

/// Scopes as they are stored: names with a space between them.
pub(crate) fn scopes_text(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// Scopes as they were stored; one that this version does not know is left out, so that it grants nothing.
pub(crate) fn scopes_of(text: &str) -> BTreeSet<Scope> {
    text.split(' ').filter_map(|name| name.parse().ok()).collect()
}

/// A game.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Game {
    /// Its id in paths.
    pub id: GameId,
    /// Its name.
    pub name: String,
    /// Its IANA time zone, in which its days begin.
    #[schema(example = "Asia/Seoul")]
    pub zone: String,
    /// When it was registered.
    pub created_at: Instant,
}

/// Somebody in a game's team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Member {
    /// The account.
    pub user: UserId,
    /// What it is in the team.
    pub role: GameRole,
    /// Since when.
    pub since: Instant,
}

/// An API key, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GameKey {
    /// Its id.
    pub key: KeyId,
    /// What its game calls it.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was revoked; none while it works.
    pub revoked_at: Option<Instant>,
    /// Until when the secret from before the last rotation works beside the new one; none when it was never rotated.
    pub previous_works_until: Option<Instant>,
}

/// Who calls with an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// The game the key is bound to.
    pub game: GameId,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The key.
    pub key: KeyId,
}

impl KeyInfo {
    /// Refuses a key of another game, or without the scope.
    pub fn require(&self, game: &GameId, scope: Scope) -> Result<(), Refusal> {
        if self.game != *game {
            return Err(Refusal::not_found("game", game));
        }
        if !self.scopes.contains(&scope) {
            return Err(Refusal::new(Code::Forbidden, format!("this needs the scope {}, which the key does not have", scope.as_str())));
        }
        Ok(())
    }
}

// A key is found by its secret, or by the one it had before it was rotated.
static FIND: Statement = Statement::new(
    "accounts.find_key",
    "select k.id, k.game, k.scopes, 0 from game_key k where k.hash = $1 and k.revoked_at is null
     union all
     select k.id, k.game, k.scopes, p.works_until
     from game_key_previous p join game_key k on k.id = p.key_id
     where p.hash = $1 and k.revoked_at is null",
);

/// A key that was looked up is not looked up again for this long; a revoked one works this long in other processes.
const CACHED: Duration = Duration::from_secs(1);
/// Looked-up keys kept, known and unknown.
const CACHED_MAX: usize = 10_000;

/// Keys that were just looked up, by their hashes.
#[derive(Default)]
pub(crate) struct Keys {
    cached: Mutex<HashMap<[u8; 32], LookedUp>>,
    forgotten: AtomicU64,
}

/// When a key was looked up, what it is, and until when it works where it was rotated.
type LookedUp = (Moment, Option<(KeyInfo, Option<Instant>)>);

impl Keys {
    pub(crate) async fn verify(&self, db: &Db, key: &str) -> Result<KeyInfo, Error> {
        let hash = crate::crypto::hash(key.as_bytes());
        let cached = self.cached.lock().get(&hash).filter(|(at, _)| at.elapsed() < CACHED).map(|(_, found)| found.clone());
        let found = match cached {
            Some(found) => found,
            None => self.look_up(db, hash).await?,
        };
        let (info, until) = found.ok_or_else(unknown)?;
        if until.is_some_and(|until| until <= db.now()) {
            return Err(rotated());
        }
        Ok(info)
    }

    async fn look_up(&self, db: &Db, hash: [u8; 32]) -> Result<Option<(KeyInfo, Option<Instant>)>, Error> {
        let asked = Moment::now();
        let forgotten = self.forgotten.load(Ordering::Acquire);
        let map = |row: &db::Row| {
            let info = KeyInfo { key: row.id(0)?, game: row.parsed(1)?, scopes: scopes_of(&row.text(2)?) };
            Ok((info, Some(row.instant(3)?).filter(|until| until.0 != 0)))
        };
        let found = db.fetch(&FIND, &row![&hash], map).await?.pop();
        let mut cached = self.cached.lock();
        if cached.len() >= CACHED_MAX {
            cached.retain(|_, (at, _)| at.elapsed() < CACHED);
        }
        // What was read before a key was revoked is not kept after it.
        if cached.len() < CACHED_MAX && forgotten == self.forgotten.load(Ordering::Acquire) {
            cached.insert(hash, (asked, found.clone()));
        }
        Ok(found)
    }

    /// Forgets everything, so that a key revoked here stops at once.
    pub(crate) fn forget(&self) {
        let mut cached = self.cached.lock();
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        cached.clear();
    }
}

fn rotated() -> Error {
    Refusal::new(Code::Unauthenticated, "the API key was rotated and this secret of it has stopped working: the new one would be right")
        .into()
}

fn unknown() -> Error {
    Refusal::new(Code::Unauthenticated, "the API key is unknown or revoked: a key of GET /v1/games/{game}/keys would be right").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_as_they_were_written_and_unknown_ones_grant_nothing() {
        let all: BTreeSet<Scope> = Scope::ALL.iter().copied().collect();
        assert_eq!(scopes_of(&scopes_text(&all)), all);
        assert_eq!(scopes_of("players:read moon:write"), [Scope::PlayersRead].into());
        assert!(scopes_of("").is_empty());
    }

    #[test]
    fn a_key_is_bound_to_its_game_and_scopes() {
        let key = KeyInfo { game: "kart".parse().unwrap(), scopes: [Scope::PlayersRead].into(), key: KeyId::new() };
        assert!(key.require(&"kart".parse().unwrap(), Scope::PlayersRead).is_ok());
        assert_eq!(key.require(&"maple".parse().unwrap(), Scope::PlayersRead).unwrap_err().code, Code::NotFound);
        assert_eq!(key.require(&"kart".parse().unwrap(), Scope::ClaimsWrite).unwrap_err().code, Code::Forbidden);
    }
}
