//! Changes of recipes, each a version and a line of the audit log, and the counts of their use.
//! Refuses a definition that was not checked: whoever sends one has had the database look at it.

use super::decide::{self, Change, Standing, invalid, of_sql};
use super::model::{Definition, Recipe, Stored};
use super::{Recipes, usage};
use db::visitor::Trouble;
use db::{Act, Column, Command, Error, Meta, Rank, Rows, Statement, Tx, row};
use kernel::{Code, GameId, Instant, Outcome, Refusal, UserId};
use std::collections::{BTreeMap, BTreeSet};

static LOCK: Statement = Statement::new(
    "recipes.lock",
    "select p.name, p.version, p.state, p.registered_at
     from rows r join recipe p on p.name = r.name
     order by p.name {for update of p}",
)
.rows(&[("name", Column::Text)])
.locks(Rank::Other);

static PUT: Statement = Statement::new(
    "recipes.put",
    "insert into recipe (name, version, state, registered_at, changed_at)
     select name, version, state, registered_at, changed_at
     from rows
     where true
     order by name
     on conflict (name) do update set version = excluded.version, state = excluded.state, changed_at = excluded.changed_at",
)
.rows(&[
    ("name", Column::Text),
    ("version", Column::Int),
    ("state", Column::Text),
    ("registered_at", Column::Int),
    ("changed_at", Column::Int),
]);

// Two who register a name at once: the second breaks the primary key, and its turn runs again with the first one's row.
static ADD_VERSIONS: Statement = Statement::new(
    "recipes.add_versions",
    "insert into recipe_version (name, version, document, author, at)
     select name, version, document, author, at
     from rows",
)
.rows(&[("name", Column::Text), ("version", Column::Int), ("document", Column::Text), ("author", Column::Bytes), ("at", Column::Int)]);

/// A change that is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who asks; an operator.
    pub actor: UserId,
    /// Which recipe.
    pub name: String,
    /// What.
    pub change: Change,
    /// The version that comes with it, checked.
    pub version: Option<Stored>,
}

/// The command that changes recipes.
pub struct Manage;

impl Command for Manage {
    const NAME: &'static str = "recipes.manage";
    type Input = Ask;
    type Reply = Recipe;

    fn privileged(&self, input: &Ask, reply: &Recipe) -> Option<Act> {
        let act = match input.change {
            Change::Register => "recipe.registered",
            Change::Replace => "recipe.changed",
            Change::Retire => "recipe.retired",
        };
        let of = |stored: &Stored| serde_json::json!({ "version": reply.version, "games": stored.definition.games, "scopes": stored.definition.scopes });
        let detail = input.version.as_ref().map_or_else(|| serde_json::json!({ "version": reply.version }), of);
        Some(Act { act, subject: format!("recipe/{}", input.name), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Ask], now: Instant) -> Result<Vec<Outcome<Recipe>>, Error> {
        let names: BTreeSet<&str> = batch.iter().map(|ask| ask.name.as_str()).collect();
        let standing = |row: &db::Row<'_>| {
            Ok((row.text(0)?, Standing { version: row.int(1)?, state: row.parsed(2)?, registered_at: row.instant(3)? }))
        };
        let mut rows: BTreeMap<String, Standing> =
            tx.load(&LOCK, Rows::of(&names, |name| row![*name]), standing).await?.into_iter().collect();
        let (mut outcomes, mut versions, mut touched) = (Vec::with_capacity(batch.len()), Rows::new(), BTreeSet::new());
        for ask in batch {
            let changed = decide::change(&ask.name, rows.get(&ask.name).copied(), &ask.change, now);
            if let Ok(after) = &changed {
                rows.insert(ask.name.clone(), *after);
                touched.insert(ask.name.as_str());
                if let Some(stored) = &ask.version {
                    let document = serde_json::to_string(stored).expect("a definition is plain data");
                    versions.push(&row![&ask.name, after.version, document, ask.actor, now]);
                }
            }
            outcomes.push(changed.map(|after| shown(&ask.name, after, now)));
        }
        let put = Rows::of(&touched, |name| {
            let after = rows[*name];
            row![*name, after.version, after.state.as_str(), after.registered_at, now]
        });
        tx.write(&PUT, put).await?;
        tx.write(&ADD_VERSIONS, versions).await?;
        Ok(outcomes)
    }
}

fn shown(name: &str, standing: Standing, now: Instant) -> Recipe {
    let Standing { version, state, registered_at } = standing;
    Recipe { recipe: name.to_owned(), version, state, registered_at, changed_at: now }
}

impl Recipes {
    /// Checks a definition and registers it: as a new recipe, or as the next version of one.
    ///
    /// # Errors
    /// The definition is not right, with every fault and its place; the name is taken or unknown; or the database fails.
    pub async fn register(&self, meta: Meta, actor: UserId, name: &str, definition: Definition, next: bool) -> Result<Recipe, Error> {
        decide::check_name(name)?;
        let stored = self.checked(definition).await?;
        let change = if next { Change::Replace } else { Change::Register };
        let ask = Ask { actor, name: name.to_owned(), change, version: Some(stored) };
        self.change(meta, ask).await
    }

    /// Lets a recipe run no more.
    ///
    /// # Errors
    /// It is unknown or retired; or the database fails.
    pub async fn retire(&self, meta: Meta, actor: UserId, name: &str) -> Result<Recipe, Error> {
        self.change(meta, Ask { actor, name: name.to_owned(), change: Change::Retire, version: None }).await
    }

    async fn change(&self, meta: Meta, ask: Ask) -> Result<Recipe, Error> {
        let changed = self.inner.changes.send(meta, ask).await;
        self.inner.known.forget();
        changed
    }

    /// The definition with what the database found out about it.
    async fn checked(&self, definition: Definition) -> Result<Stored, Error> {
        let mut faults = decide::faults(&definition);
        let foreign = match decide::foreign(&definition) {
            Ok(foreign) if faults.is_empty() => foreign,
            Ok(_) => return Err(invalid(&faults).into()),
            Err(more) => {
                faults.extend(more);
                return Err(invalid(&faults).into());
            }
        };
        let game = self.a_game(&definition).await?;
        let looked = match self.inner.visitors.check(&game, &foreign, &[], self.inner.scan_rows_max).await {
            Ok(looked) => looked,
            Err(trouble) => return Err(refused(trouble)),
        };
        let faults = decide::column_faults(&definition, &looked.columns);
        if !faults.is_empty() {
            return Err(invalid(&faults).into());
        }
        // In its order, and page by page, it may read less.
        let paged = self.inner.visitors.check(&game, &foreign, &decide::order(&definition), self.inner.scan_rows_max).await;
        let looked = paged.map_err(refused)?;
        if let (Some(table), false) = (looked.full_scans.first(), definition.allow_full_scan) {
            let more = self.inner.scan_rows_max;
            let reason = format!(
                "the plan reads all of {table}, which holds more than {more} rows: a condition on an indexed column, as the player, or \
                 \"allow_full_scan\": true would be right"
            );
            return Err(invalid(&[decide::Fault { path: "sql".to_owned(), reason }]).into());
        }
        Ok(Stored { definition, columns: looked.columns })
    }

    /// A game on which it can be tried; all that it names have to be there.
    async fn a_game(&self, definition: &Definition) -> Result<GameId, Error> {
        for game in &definition.games {
            self.inner.accounts.game(game).await?;
        }
        if let Some(first) = definition.games.first() {
            return Ok(first.clone());
        }
        let games = self.inner.accounts.games(None, Some(1)).await?;
        let first = games.items.into_iter().next();
        first
            .map(|game| game.id)
            .ok_or_else(|| Refusal::new(Code::WrongState, "there is no game yet to check the recipe with: register one first").into())
    }
}

/// What the trouble of a check is told as.
fn refused(trouble: Trouble) -> Error {
    let sql = |reason: &str| invalid(&[decide::Fault { path: "sql".to_owned(), reason: reason.to_owned() }]).into();
    match trouble {
        Trouble::Faults(faults) => invalid(&faults.iter().map(of_sql).collect::<Vec<_>>()).into(),
        Trouble::TooLong => sql("the database did not plan it in time: a simpler statement would be right"),
        Trouble::TooLarge => sql("the database ran out of room while it planned it: a simpler statement would be right"),
        Trouble::Error(error) => error,
    }
}

static ADD_USES: Statement = Statement::new(
    "recipes.add_uses",
    "insert into recipe_use (name, version, day, failed, bucket, calls, answered)
     select name, version, day, failed, bucket, calls, answered
     from rows
     where true
     order by name, version, day, failed, bucket
     on conflict (name, version, day, failed, bucket)
     do update set calls = recipe_use.calls + excluded.calls, answered = recipe_use.answered + excluded.answered",
)
.rows(&[
    ("name", Column::Text),
    ("version", Column::Int),
    ("day", Column::Int),
    ("failed", Column::Int),
    ("bucket", Column::Int),
    ("calls", Column::Int),
    ("answered", Column::Int),
]);

static FORGET_USES: Statement = Statement::new("recipes.forget_uses", "delete from recipe_use where day < $1");

/// The command that adds what a process counted.
pub struct Count;

impl Command for Count {
    const NAME: &'static str = "recipes.count";
    const KEYED: bool = false;
    type Input = usage::Counted;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a usage::Counted], now: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let mut added: BTreeMap<&usage::Key, (i64, i64)> = BTreeMap::new();
        for (key, calls, rows) in batch.iter().flat_map(|counted| counted.iter()) {
            let sums = added.entry(key).or_default();
            *sums = (sums.0.saturating_add(*calls), sums.1.saturating_add(*rows));
        }
        let rows =
            Rows::of(added, |(key, (calls, answered))| row![&key.name, key.version, key.day, key.failed, key.bucket, calls, answered]);
        tx.write(&ADD_USES, rows).await?;
        tx.execute(&FORGET_USES, &row![usage::day(now) - usage::KEPT_DAYS]).await?;
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

impl Recipes {
    /// Writes what this process counted since the last time; to be called every few seconds, and before it ends.
    ///
    /// # Errors
    /// The database fails: what was counted is kept for the next time.
    pub async fn write_uses(&self) -> Result<(), Error> {
        let counted = self.inner.uses.lock().take();
        if counted.is_empty() {
            return Ok(());
        }
        let written = self.inner.counts.send(Meta::ours("recipes.count"), counted.clone()).await;
        if written.is_err() {
            self.inner.uses.lock().put_back(counted);
        }
        written
    }
}
