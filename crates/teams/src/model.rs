//! The team API's data: profiles, currencies and grants; banners have a file of their own.

pub mod banners;
pub mod csv;

use kernel::{Currency, GrantId, Instant, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The longest name of a player, in characters.
pub const PLAYER_MAX: usize = 200;

/// A player of a game, as the game's team knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PlayerProfile)]
pub struct Profile {
    /// The game's name for the player.
    #[schema(example = "p1")]
    pub player: String,
    /// What other players call them.
    #[schema(example = "Dao")]
    pub nickname: Option<String>,
    /// Their level.
    pub level: Option<i64>,
    /// The server they play on.
    #[schema(example = "seoul-3")]
    pub server: Option<String>,
    /// When they last played.
    pub last_seen_at: Option<Instant>,
    /// Minutes they have played in all.
    pub playtime_minutes: i64,
    /// The account that plays as them.
    pub account: Option<UserId>,
    /// When the profile was made.
    pub first_seen_at: Instant,
    /// When it was changed last.
    pub changed_at: Instant,
}

/// What is known of a player now; what is left out stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlayerChange)]
pub struct ProfileChange {
    /// The game's name for the player, 1 to 200 characters.
    #[schema(example = "p1")]
    pub player: String,
    /// What other players call them, 1 to 60 characters.
    #[serde(default)]
    #[schema(example = "Dao")]
    pub nickname: Option<String>,
    /// Their level, 0 or more.
    #[serde(default)]
    pub level: Option<i64>,
    /// The server they play on, 1 to 60 characters.
    #[serde(default)]
    #[schema(example = "seoul-3")]
    pub server: Option<String>,
    /// When they last played; an earlier moment than is known changes nothing.
    #[serde(default)]
    pub last_seen_at: Option<Instant>,
    /// Minutes they have played in all.
    #[serde(default)]
    pub playtime_minutes: Option<i64>,
}

/// What became of profiles that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Upserted {
    /// Players that were not known before.
    pub added: u32,
    /// Players of whom something changed.
    pub changed: u32,
    /// Players of whom all was known already.
    pub same: u32,
}

/// A currency of a game.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GameCurrency {
    /// Its code.
    #[schema(example = "LUCCI")]
    pub currency: Currency,
    /// Its name.
    #[schema(example = "Lucci")]
    pub name: String,
    /// When it was defined.
    pub created_at: Instant,
}

/// Where a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// Players are put on its list.
    Open,
    /// Its players get the currency, in the list's order.
    Running,
    /// Every player of the list was seen to.
    Done,
    /// It was stopped; who had the currency keeps it.
    Cancelled,
}

impl GrantState {
    /// The state as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            GrantState::Open => "open",
            GrantState::Running => "running",
            GrantState::Done => "done",
            GrantState::Cancelled => "cancelled",
        }
    }
}

impl FromStr for GrantState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [GrantState::Open, GrantState::Running, GrantState::Done, GrantState::Cancelled];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| format!("{text:?} is not a state of a grant"))
    }
}

/// A currency granted to many players.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Grant {
    /// Its id.
    pub grant: GrantId,
    /// The currency.
    #[schema(example = "LUCCI")]
    pub currency: Currency,
    /// Why, in each player's history.
    #[schema(example = "season 7 opening")]
    pub reason: String,
    /// Where it stands.
    pub state: GrantState,
    /// Players on its list.
    pub total: i64,
    /// Players that were seen to.
    pub done: i64,
    /// Of them, those who could not get it.
    pub refused: i64,
    /// Who made it: `account:ID` or `key:ID`.
    pub created_by: String,
    /// When it was made.
    pub created_at: Instant,
    /// When it was changed last.
    pub changed_at: Instant,
}

/// A player on a grant's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Grantee {
    /// The place in the list, from 1.
    pub place: i64,
    /// The game's name for the player.
    #[schema(example = "p1")]
    pub player: String,
    /// Minor units that they get.
    pub amount_minor: i64,
    /// Where it stands.
    pub outcome: GranteeState,
    /// Why it was refused.
    pub refused: Option<String>,
}

/// Where a player of a grant's list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GranteeState {
    /// Not seen to yet.
    Waiting,
    /// They have it.
    Granted,
    /// They could not get it.
    Refused,
}

/// A player to be put on a grant's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GrantListed)]
pub struct Listed {
    /// The game's name for the player, 1 to 200 characters.
    #[schema(example = "p1")]
    pub player: String,
    /// Minor units that they get, 1 or more.
    #[schema(example = 500)]
    pub amount_minor: i64,
}

/// What became of a piece of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Added {
    /// Players that were put on the list.
    pub added: i64,
    /// Players that were on it already, with the same amount.
    pub known: i64,
    /// Players on the list now.
    pub total: i64,
}

/// An object with named fields: the decoder would take a list as the fields in their order, and then names would guard nothing.
pub(crate) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<T, D::Error> {
    named(Map::deserialize(from)?)
}

/// A list of such objects.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    Vec::<Map<String, Value>>::deserialize(from)?.into_iter().map(named).collect()
}

/// Such objects by name.
fn objects_by_name<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<BTreeMap<String, T>, D::Error> {
    BTreeMap::<String, Map<String, Value>>::deserialize(from)?.into_iter().map(|(name, fields)| Ok((name, named(fields)?))).collect()
}

fn named<T: DeserializeOwned, E: serde::de::Error>(fields: Map<String, Value>) -> Result<T, E> {
    T::deserialize(Value::Object(fields)).map_err(E::custom)
}
