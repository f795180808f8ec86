//! What a recipe is: its definition, its versions, what its callers are told of it.

use accounts::Scope;
use db::visitor::{Kind, Returned};
use kernel::{GameId, Instant, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A parameter of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name: `:name` in the statement, `?name=` in requests. 1 to 30 of a-z, 0-9 and _.
    #[schema(example = "level")]
    pub name: String,
    /// Its type: text, integer, boolean or instant. A boolean is 0 or 1 to the statement, an instant microseconds since 1970.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "integer")]
    pub kind: Kind,
    /// What it means.
    #[serde(default)]
    pub description: String,
    /// What it is where a request leaves it out, written as in a request; none where it may not be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// What an operator registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "description": "Players of a level and above, highest first",
    "sql": "select player, nickname, level from players where level >= :level",
    "parameters": [{ "name": "level", "type": "integer", "description": "the lowest level", "default": "1" }],
    "order": ["-level", "player"], "games": [], "scopes": ["players:read"],
    "time_limit_ms": 1000, "row_limit": 100, "cache_s": 30, "allow_full_scan": true,
}))]
pub struct Definition {
    /// What it answers, in a sentence.
    pub description: String,
    /// One `select` over the views of `GET /v1/recipe-views`, with parameters as `:name`; `:game` and `:now` are always there.
    pub sql: String,
    /// Its parameters, at most 20.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// The games it is for; all when empty.
    #[serde(default)]
    pub games: BTreeSet<GameId>,
    /// Scopes that a key needs for it besides `recipes:run`.
    #[serde(default)]
    pub scopes: BTreeSet<Scope>,
    /// Columns by which its rows are ordered and paged, `-` before one that comes largest first. Together they are different in every
    /// row. Without them it answers one page.
    #[serde(default)]
    pub order: Vec<String>,
    /// It is ended after this long, in milliseconds: 1 to 10,000.
    #[serde(default = "default_time_limit_ms")]
    pub time_limit_ms: u32,
    /// Rows of a page at most: 1 to 1,000.
    #[serde(default = "default_row_limit")]
    pub row_limit: u32,
    /// Its answers are given out again for so many seconds: 0 to 3,600.
    #[serde(default)]
    pub cache_s: u32,
    /// Lets it read large tables from end to end.
    #[serde(default)]
    pub allow_full_scan: bool,
}

fn default_time_limit_ms() -> u32 {
    1_000
}

fn default_row_limit() -> u32 {
    100
}

/// A version as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// What was registered.
    pub definition: Definition,
    /// The columns that the database found.
    pub columns: Vec<Returned>,
}

/// Whether a recipe may be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its newest version runs.
    Active,
    /// It runs no more; a new version brings it back.
    Retired,
}

impl State {
    /// The state as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Retired => "retired",
        }
    }
}

impl std::str::FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = [State::Active, State::Retired].into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is not a state of a recipe"))
    }
}

/// A recipe after it was registered, changed or retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recipe {
    /// Its name.
    #[schema(example = "top-players")]
    pub recipe: String,
    /// Its newest version, from 1.
    pub version: i64,
    /// Whether it may be run.
    pub state: State,
    /// When its first version was registered.
    pub registered_at: Instant,
    /// When it was last changed.
    pub changed_at: Instant,
}

/// A recipe in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Listed {
    /// Its name, version and state.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// What it answers.
    pub description: String,
    /// The games it is for; all when empty.
    pub games: BTreeSet<GameId>,
}

/// One version of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Version {
    /// Its number.
    pub version: i64,
    /// Who registered it.
    pub author: UserId,
    /// When.
    pub at: Instant,
    /// What was registered.
    pub definition: Definition,
    /// The columns it returns.
    #[schema(value_type = Vec<Object>)]
    pub columns: Vec<Returned>,
    /// How it was used in the last 90 days.
    pub usage: Usage,
}

/// How a version was used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, utoipa::ToSchema)]
pub struct Usage {
    /// Calls that were answered.
    pub calls: u64,
    /// Calls that ran into a limit or failed.
    pub failed: u64,
    /// Rows of all answers.
    pub rows: u64,
    /// Half of the answered calls took less, in milliseconds.
    pub p50_ms: f64,
    /// 95 of 100 took less.
    pub p95_ms: f64,
    /// 99 of 100 took less.
    pub p99_ms: f64,
}

/// A recipe with its versions.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Detail {
    /// Its name, version and state.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Its versions, newest first, at most 100.
    pub versions: Vec<Version>,
}

/// A recipe as a game's team sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ForGame {
    /// Its name.
    pub recipe: String,
    /// The version that runs.
    pub version: i64,
    /// What it answers.
    pub description: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Scopes that a key needs for it besides `recipes:run`.
    pub scopes: BTreeSet<Scope>,
    /// The columns it returns.
    pub columns: Vec<String>,
    /// Columns by which its rows are ordered and paged.
    pub order: Vec<String>,
    /// Rows of a page at most.
    pub row_limit: u32,
    /// Its answers are given out again for so many seconds.
    pub cache_s: u32,
}
