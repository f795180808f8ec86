//! Reads of recipes: the one that runs, lists, versions with their use.
//! Refuses to run what it read more than a second ago.

use super::Recipes;
use super::decide::{self, check_name};
use super::model::{Definition, Detail, ForGame, Listed, Recipe, State, Stored, Version};
use super::usage;
use db::statistics::{Meter, meter};
use db::visitor::{Foreign, Order, Returned};
use db::{Error, Row, Statement, row};
use kernel::{Code, Cursor, GameId, Page, Refusal, page};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

/// What was read is run for so long; a recipe that another process retired runs this long here.
const FRESH: Duration = Duration::from_secs(1);
/// Recipes that are remembered.
const KNOWN_MAX: usize = 1_000;
/// Recipes of one game that are listed and described.
const OF_GAME_MAX: i64 = 1_000;

static CURRENT: Statement = Statement::new(
    "recipes.current",
    "select p.version, v.document
     from recipe p join recipe_version v on v.name = p.name and v.version = p.version
     where p.name = $1 and p.state = 'active'",
);

static LIST: Statement = Statement::new(
    "recipes.list",
    "select p.name, p.version, p.state, p.registered_at, p.changed_at, v.document
     from recipe p join recipe_version v on v.name = p.name and v.version = p.version
     where p.name > $1
     order by p.name
     limit $2",
);

static ACTIVE: Statement = Statement::new(
    "recipes.active",
    "select p.name, p.version, v.document
     from recipe p join recipe_version v on v.name = p.name and v.version = p.version
     where p.state = 'active'
     order by p.name
     limit $1",
);

static ONE: Statement = Statement::new("recipes.one", "select name, version, state, registered_at, changed_at from recipe where name = $1");

static VERSIONS: Statement = Statement::new(
    "recipes.versions",
    "select version, author, at, document from recipe_version where name = $1 order by version desc limit 100",
);

static USES: Statement = Statement::new(
    "recipes.uses",
    "select version, failed, bucket, cast(sum(calls) as bigint), cast(sum(answered) as bigint)
     from recipe_use
     where name = $1
     group by version, failed, bucket
     order by version, failed, bucket",
);

/// A recipe as it runs.
pub(super) struct Current {
    pub(super) version: i64,
    pub(super) definition: Definition,
    pub(super) columns: Vec<Returned>,
    pub(super) foreign: Foreign,
    pub(super) order: Vec<Order>,
    pub(super) meter: Arc<Meter>,
}

/// Recipes that were read a moment ago, those that are not there too.
#[derive(Default)]
pub(super) struct Known {
    read: Mutex<HashMap<String, Read>>,
}

/// When a recipe was read, and what it was.
type Read = (Moment, Option<Arc<Current>>);

impl Known {
    pub(super) fn forget(&self) {
        self.read.lock().clear();
    }
}

impl Recipes {
    /// The version of a recipe that runs.
    pub(super) async fn current(&self, name: &str) -> Result<Arc<Current>, Error> {
        check_name(name).map_err(|_| Refusal::not_found("recipe", name))?;
        let missing = || Refusal::not_found("recipe", name).into();
        if let Some((at, known)) = self.inner.known.read.lock().get(name)
            && at.elapsed() < FRESH
        {
            return known.clone().ok_or_else(missing);
        }
        let asked = Moment::now();
        let found = self.inner.db.fetch(&CURRENT, &row![name], |row| Ok((row.int(0)?, stored(&row.text(1)?)?))).await?.pop();
        let current = found.map(|(version, stored)| as_it_runs(name, version, stored)).transpose()?.map(Arc::new);
        let mut known = self.inner.known.read.lock();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, (at, _)| at.elapsed() < FRESH);
        }
        if known.len() < KNOWN_MAX {
            known.insert(name.to_owned(), (asked, current.clone()));
        }
        current.ok_or_else(missing)
    }

    /// All recipes by name, for operators.
    ///
    /// # Errors
    /// The cursor or the size is wrong, or the database fails.
    pub async fn list(&self, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Listed>, Error> {
        let size = page::size(size)?;
        if let Some(Cursor(unknown)) = after.filter(|cursor| check_name(&cursor.0).is_err()) {
            let told = format!("cursor {unknown:?} was not given out by this list: pass `next` of the page before, or none");
            return Err(Refusal::new(Code::BadCursor, told).into());
        }
        let after = after.map_or("", |cursor| cursor.0.as_str());
        let map = |row: &Row<'_>| {
            let Definition { description, games, .. } = stored(&row.text(5)?)?.definition;
            Ok(Listed { recipe: recipe(row)?, description, games })
        };
        let listed = self.inner.db.fetch(&LIST, &row![after, size + 1], map).await?;
        Ok(Page::cut(listed, size, |listed| Cursor(listed.recipe.recipe.clone())))
    }

    /// A recipe with its versions and their use.
    ///
    /// # Errors
    /// It is unknown, or the database fails.
    pub async fn detail(&self, name: &str) -> Result<Detail, Error> {
        self.write_uses().await?;
        let mut read = self.inner.db.read().await?;
        let found = read.fetch(&ONE, &row![name], recipe).await?.pop();
        let recipe = found.ok_or_else(|| Refusal::not_found("recipe", name))?;
        let mut uses: BTreeMap<i64, Vec<(bool, i64, i64, i64)>> = BTreeMap::new();
        let counts = read.fetch(&USES, &row![name], |row| Ok((row.int(0)?, (row.flag(1)?, row.int(2)?, row.int(3)?, row.int(4)?)))).await?;
        counts.into_iter().for_each(|(version, count)| uses.entry(version).or_default().push(count));
        let versions = read
            .fetch(&VERSIONS, &row![name], |row| {
                let (version, Stored { definition, columns }) = (row.int(0)?, stored(&row.text(3)?)?);
                let usage = usage::usage(uses.get(&version).map_or(&[], Vec::as_slice));
                Ok(Version { version, author: row.id(1)?, at: row.instant(2)?, definition, columns, usage })
            })
            .await?;
        Ok(Detail { recipe, versions })
    }

    /// The recipes that a game may run.
    ///
    /// # Errors
    /// The database fails.
    pub async fn of_game(&self, game: &GameId) -> Result<Vec<ForGame>, Error> {
        let active = self.active().await?;
        Ok(active.into_iter().filter(|(_, definition)| is_for(definition, game)).map(|(shown, _)| shown).collect())
    }

    /// Every recipe that runs, with its definition.
    pub(super) async fn active(&self) -> Result<Vec<(ForGame, Definition)>, Error> {
        self.inner
            .db
            .fetch(&ACTIVE, &row![OF_GAME_MAX], |row| {
                let Stored { definition, columns } = stored(&row.text(2)?)?;
                let shown = ForGame {
                    recipe: row.text(0)?,
                    version: row.int(1)?,
                    description: definition.description.clone(),
                    parameters: definition.parameters.clone(),
                    scopes: definition.scopes.clone(),
                    columns: columns.into_iter().map(|column| column.name).collect(),
                    order: definition.order.clone(),
                    row_limit: definition.row_limit,
                    cache_s: definition.cache_s,
                };
                Ok((shown, definition))
            })
            .await
    }
}

/// Whether a recipe is for a game.
pub(super) fn is_for(definition: &Definition, game: &GameId) -> bool {
    definition.games.is_empty() || definition.games.contains(game)
}

fn recipe(row: &Row<'_>) -> Result<Recipe, Error> {
    let state: State = row.parsed(2)?;
    Ok(Recipe { recipe: row.text(0)?, version: row.int(1)?, state, registered_at: row.instant(3)?, changed_at: row.instant(4)? })
}

fn stored(document: &str) -> Result<Stored, Error> {
    serde_json::from_str(document).map_err(|e| Error::Broken(format!("a stored recipe cannot be read: {e}")))
}

fn as_it_runs(name: &str, version: i64, stored: Stored) -> Result<Current, Error> {
    let Stored { definition, columns } = stored;
    let foreign =
        decide::foreign(&definition).map_err(|_| Error::Broken(format!("the stored statement of recipe {name} cannot be read")))?;
    let meter = meter(&format!("recipe:{name}"), foreign.text());
    Ok(Current { version, order: decide::order(&definition), meter, definition, columns, foreign })
}
