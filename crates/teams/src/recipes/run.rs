//! Runs a recipe for a game: its parameters, the database, a page, and answers kept for as long as the recipe says.
//! Refuses recipes of other games as if they were unknown, and pages that would leave rows out.

use super::Recipes;
use super::page::{self, Asked, Format};
use super::queries::{Current, is_for};
use accounts::{Caller, Scope};
use db::Error;
use db::visitor::{Trouble, Visit};
use kernel::{Code, Cursor, GameId, Refusal};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

/// Bytes of one answer at most.
const ANSWER_MAX: usize = 4 << 20;

/// A page as it is sent.
#[derive(Debug)]
pub struct Answer {
    /// The body.
    pub body: Vec<u8>,
    /// Its type.
    pub media_type: &'static str,
    /// Its ETag, with quotes.
    pub etag: String,
    /// For how long it may be kept, in seconds.
    pub max_age_s: u32,
    /// Where it goes on.
    pub next: Option<Cursor>,
}

/// Answers of recipes with `cache_s`.
pub(super) struct Kept {
    answers: Cache<String, (Moment, Arc<Answer>), ByBytes>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<String, (Moment, Arc<Answer>)> for ByBytes {
    fn weight(&self, key: &String, (_, answer): &(Moment, Arc<Answer>)) -> u64 {
        (key.len() + answer.body.len() + 256) as u64
    }
}

impl Kept {
    pub(super) fn new(bytes: u64) -> Kept {
        Kept { answers: Cache::with_weighter(1_000, bytes, ByBytes) }
    }

    fn get(&self, key: &str, longest_s: u32) -> Option<Arc<Answer>> {
        let (made, answer) = self.answers.get(key)?;
        (made.elapsed() < Duration::from_secs(u64::from(longest_s))).then_some(answer)
    }
}

impl Recipes {
    /// Runs a recipe for a game. `query` is the request's, `accept` its header.
    ///
    /// # Errors
    /// The caller may not, the recipe is not for the game, the parameters are wrong, it ran into a limit, or the database fails.
    pub async fn run(
        &self,
        caller: &Caller,
        game: &GameId,
        name: &str,
        query: &[(String, String)],
        accept: Option<&str>,
    ) -> Result<Arc<Answer>, Error> {
        self.may_run(caller, game).await?;
        let current = self.current(name).await?;
        if !is_for(&current.definition, game) {
            return Err(Refusal::not_found("recipe", name).into());
        }
        for scope in &current.definition.scopes {
            caller.require_scope(game, *scope)?;
        }
        let asked = page::asked(&current.definition, query, accept)?;
        let fingerprint = page::fingerprint(name, current.version, game.as_str(), &asked.values);
        let cursor = asked.cursor.as_ref().map_or("", |cursor| cursor.0.as_str());
        let key = format!("{fingerprint} {name} {} {game} {} {:?} {cursor} {:?}", current.version, asked.size, asked.format, asked.values);
        if let Some(answer) = self.inner.kept.get(&key, current.definition.cache_s) {
            return Ok(answer);
        }
        let made = Moment::now();
        let answer = Arc::new(self.read(game, name, &current, &asked, &fingerprint).await?);
        if current.definition.cache_s > 0 {
            self.inner.kept.answers.insert(key, (made, answer.clone()));
        }
        Ok(answer)
    }

    /// The team, operators, and keys of the game with `recipes:run`.
    pub(super) async fn may_run(&self, caller: &Caller, game: &GameId) -> Result<(), Error> {
        if let Caller::Person(_) = caller {
            self.inner.accounts.game(game).await?;
        }
        self.inner.accounts.require_team_or_key(caller, game, Scope::RecipesRun).await
    }

    async fn read(&self, game: &GameId, name: &str, current: &Current, asked: &Asked, fingerprint: &str) -> Result<Answer, Error> {
        let after = asked.cursor.as_ref().map(|cursor| page::read_cursor(current, cursor, fingerprint)).transpose()?;
        let started = Moment::now();
        let now = self.inner.db.now();
        let found = self
            .inner
            .visitors
            .run(&Visit {
                game,
                foreign: &current.foreign,
                columns: &current.columns,
                values: &page::arguments(current, asked, game.as_str(), now),
                order: &current.order,
                after: after.as_deref(),
                rows_max: asked.size + 1,
                bytes_max: ANSWER_MAX,
                time_max: Duration::from_millis(u64::from(current.definition.time_limit_ms)),
            })
            .await;
        let rows = found.as_ref().ok().map(|rows| rows.len().min(asked.size as usize));
        self.note(name, current, started.elapsed(), rows);
        let mut rows = found.map_err(|trouble| told(name, current, trouble))?;
        let next = cut(name, current, &mut rows, asked.size as usize, fingerprint)?;
        let (body, media_type) = match asked.format {
            Format::Json => (page::json(name, current.version, &current.columns, &rows, next.as_ref()), "application/json"),
            Format::Csv => (page::csv(&current.columns, &rows), "text/csv; charset=utf-8"),
        };
        // The cursor is no part of a body of CSV, and of the answer all the same.
        let hash = Sha256::new().chain_update(&body).chain_update(next.as_ref().map_or("", |next| next.0.as_str())).finalize();
        Ok(Answer { etag: format!("\"{}\"", hex::encode(&hash[..16])), body, media_type, max_age_s: current.definition.cache_s, next })
    }

    fn note(&self, name: &str, current: &Current, took: Duration, rows: Option<usize>) {
        current.meter.ran(took, rows.unwrap_or_default() as u64, || {
            current
                .definition
                .parameters
                .iter()
                .map(|one| format!(":{} {}", one.name, super::decide::kind_name(one.kind)))
                .collect::<Vec<_>>()
                .join(", ")
        });
        self.inner.uses.lock().add(name, current.version, self.inner.db.now(), took, rows);
    }
}

/// Leaves a page of the rows, and tells where the next one begins.
fn cut(name: &str, current: &Current, rows: &mut Vec<Vec<Json>>, size: usize, fingerprint: &str) -> Result<Option<Cursor>, Refusal> {
    if rows.len() <= size {
        return Ok(None);
    }
    let fault = |told: String| Err(Refusal::new(Code::WrongState, told));
    if current.order.is_empty() {
        return fault(format!(
            "recipe {name} has more than {size} rows and no order to page them by: its next version needs \"order\", or fewer rows"
        ));
    }
    let spare = rows.pop().unwrap_or_default();
    let last = rows.last().expect("a page has at least one row");
    if page::keys(current, &spare) == page::keys(current, last) {
        return fault(format!(
            "two rows of recipe {name} are alike in every column of its order, and a page would leave one out: its next version needs a further column in \"order\""
        ));
    }
    match page::cursor_after(current, last, fingerprint) {
        Some(cursor) => Ok(Some(cursor)),
        None => fault(format!(
            "recipe {name} orders by a column that is null or no whole number or text in a row: `coalesce` or `cast` in its next version would be right"
        )),
    }
}

/// What trouble of a run is told as.
fn told(name: &str, current: &Current, trouble: Trouble) -> Error {
    match trouble {
        Trouble::TooLong => {
            let limit = current.definition.time_limit_ms;
            Refusal::new(Code::TimedOut, format!("recipe {name} was ended at its limit of {limit} ms: narrower parameters would be right"))
                .into()
        }
        Trouble::TooLarge => Refusal::new(
            Code::BadQuery,
            format!("the answer of recipe {name} is larger than {ANSWER_MAX} bytes: a smaller size would be right"),
        )
        .into(),
        Trouble::Faults(faults) => {
            let fault = faults.first().map_or_else(String::new, ToString::to_string);
            Refusal::new(Code::WrongState, format!("recipe {name} failed on the rows it met: {fault}")).into()
        }
        Trouble::Error(error) => error,
    }
}
