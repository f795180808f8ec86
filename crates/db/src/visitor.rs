//! Runs a statement that somebody else wrote, for one game: read-only, on listed views of that game's rows, within limits.
//! Refuses tables and system tables, functions that are not listed, a second statement, and whatever writes, waits or goes on for ever.
//!
//! What keeps it within bounds is the engine, not a look at its words: on Postgres a role of the game's own that is logged in as itself
//! and may read the views and nothing else; on SQLite a read-only connection whose authorizer knows the views and nothing else.

mod allowed;
mod plan;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod wrap;

use crate::{Db, Engine, Error, Value};
use kernel::{Code, GameId, Refusal};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

pub use text::Foreign;

/// Connections that are kept open for games that were visited lately.
const IDLE_MAX: usize = 16;
/// A visit waits this long for its turn.
const TURN_MAX: Duration = Duration::from_secs(2);
/// A check may take this long on the engine.
const CHECK_MAX: Duration = Duration::from_secs(5);

/// What foreign statements may read: a view of some tables, filtered by game.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Its name in recipes.
    pub name: &'static str,
    /// What a row is.
    pub says: &'static str,
    /// Its columns, each with what it says.
    pub columns: &'static [(&'static str, &'static str)],
    /// The tables it reads.
    pub tables: &'static [&'static str],
    /// Its text; `{game}` stands for the game whose rows it shows, and each table has that condition.
    pub select: &'static str,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// 0 or 1.
    Boolean,
    /// Microseconds since 1970, as all instants are stored.
    Instant,
}

/// A parameter that a statement may use as `:name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, without the colon.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// True for one that is there for every statement, which need not use it.
    pub offered: bool,
}

/// A column of what a statement returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// Its name.
    pub name: String,
    /// The engine's name of its type; `any` on SQLite, where each value has its own.
    pub kind: String,
}

/// A column by which a statement's rows are ordered and paged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The column's name.
    pub column: String,
    /// Largest first.
    pub descending: bool,
}

/// Something wrong with a foreign statement, where it stands, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line in its text, from 1; none where the fault has no place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The character in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl Fault {
    fn of(what: String) -> Fault {
        Fault { line: None, column: None, what }
    }

    /// A fault at a byte of a text.
    fn at(text: &str, at: usize, what: String) -> Fault {
        let before = &text[..text.floor_char_boundary(at)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Fault { line: Some(line), column: Some(column), what }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {}", self.what),
            _ => f.write_str(&self.what),
        }
    }
}

/// Why a foreign statement was not accepted or did not answer.
#[derive(Debug)]
pub enum Trouble {
    /// The statement is wrong, or failed on the rows it met.
    Faults(Vec<Fault>),
    /// It ran into its time limit.
    TooLong,
    /// Its answer is larger than its limit.
    TooLarge,
    /// The database's or our own fault.
    Error(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Error(error)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Faults(vec![fault])
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The columns it returns.
    pub columns: Vec<Returned>,
    /// Tables it reads from end to end although they hold more rows than the limit.
    pub full_scans: Vec<String>,
}

/// A run of a statement.
#[derive(Debug, Clone)]
pub struct Visit<'a> {
    /// Whose rows it sees.
    pub game: &'a GameId,
    /// The statement.
    pub foreign: &'a Foreign,
    /// Its columns, as its check found them.
    pub columns: &'a [Returned],
    /// A value for each of its parameters, in their order.
    pub values: &'a [Value<'static>],
    /// The order of its rows.
    pub order: &'a [Order],
    /// Values of the order's columns in the last row seen; none for the first page.
    pub after: Option<&'a [Value<'static>]>,
    /// Rows at most.
    pub rows_max: u32,
    /// Bytes of all rows at most, as JSON.
    pub bytes_max: usize,
    /// It is ended after this long.
    pub time_max: Duration,
}

/// What a statement answers: a value for each column, in each row.
pub type Answers = Vec<Vec<serde_json::Value>>;

/// How the password of a game's role on Postgres is found: the same in every process, and nobody else's to know.
pub type Passwords = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Runs foreign statements on a database. Cheap to clone.
#[derive(Clone)]
pub struct Visitors {
    inner: Arc<Inner>,
}

struct Inner {
    host: Host,
    idle: Mutex<Vec<(GameId, Guest)>>,
    turns: Semaphore,
}

/// Where visits are made.
enum Host {
    Sqlite(sqlite::House),
    Postgres(Box<postgres::House>),
}

/// An open connection for one game.
enum Guest {
    Sqlite(Box<sqlite::Guest>),
    Postgres(Box<postgres::Guest>),
}

/// What is told of a name that is no view.
fn not_a_view(name: &str, views: &[View]) -> String {
    let names: Vec<&str> = views.iter().map(|view| view.name).collect();
    format!("{name} is not for recipes: one of the views {} would be right", names.join(", "))
}

impl Guest {
    fn is_stale(&self) -> bool {
        matches!(self, Guest::Postgres(guest) if guest.stale)
    }

    async fn run(&mut self, visit: &Visit<'_>) -> Result<Answers, Trouble> {
        match self {
            Guest::Sqlite(guest) => crate::sqlite::aside(|| guest.run(visit)),
            Guest::Postgres(guest) => guest.run(visit).await,
        }
    }
}

impl Visitors {
    /// Visits on a database that read these views; at most so many at a time in this process.
    ///
    /// # Errors
    /// The database's URL cannot be read.
    pub fn new(db: &Db, views: &'static [View], at_once: usize, passwords: Passwords) -> Result<Visitors, Error> {
        let host = match db.engine() {
            Engine::Sqlite => Host::Sqlite(sqlite::House::of(db.url(), views)?),
            Engine::Postgres => Host::Postgres(Box::new(postgres::House::of(db.url(), views, passwords)?)),
        };
        Ok(Visitors { inner: Arc::new(Inner { host, idle: Mutex::default(), turns: Semaphore::new(at_once.max(1)) }) })
    }

    /// Checks a statement as the game would run it: that it is one statement, only reads, names only views and listed functions, and which
    /// tables of more than `rows_max` rows it reads from end to end.
    ///
    /// # Errors
    /// What is wrong with it, each with its place; or the database fails.
    pub async fn check(&self, game: &GameId, foreign: &Foreign, order: &[Order], rows_max: u64) -> Result<Checked, Trouble> {
        let _turn = self.turn().await?;
        if let Host::Postgres(house) = &self.inner.host {
            house.look(foreign).await?;
        }
        let mut guest = self.guest(game).await?;
        let (columns, full) = match &mut guest {
            Guest::Sqlite(guest) => crate::sqlite::aside(|| guest.check(foreign, order))?,
            Guest::Postgres(guest) => guest.check(foreign, order).await?,
        };
        self.give_back(game, guest);
        let mut full_scans = Vec::new();
        for table in full {
            let counted = match &self.inner.host {
                Host::Sqlite(house) => house.holds_more(&table, rows_max)?,
                Host::Postgres(house) => house.holds_more(&table, rows_max).await?,
            };
            if counted {
                full_scans.push(table);
            }
        }
        Ok(Checked { columns, full_scans })
    }

    /// Runs a statement for a game.
    ///
    /// # Errors
    /// It failed, or ran into a limit; or the database fails.
    pub async fn run(&self, visit: &Visit<'_>) -> Result<Answers, Trouble> {
        let _turn = self.turn().await?;
        let mut guest = self.guest(visit.game).await?;
        let found = guest.run(visit).await;
        // A connection that failed is not trusted with another visit.
        match found {
            Ok(found) => {
                self.give_back(visit.game, guest);
                Ok(found)
            }
            Err(_) if guest.is_stale() => {
                self.forget(visit.game, guest);
                let mut guest = self.guest(visit.game).await?;
                let found = guest.run(visit).await?;
                self.give_back(visit.game, guest);
                Ok(found)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// The server was restarted, or another version of the program has made its views since: the next visit begins from the start.
    fn forget(&self, game: &GameId, stale: Guest) {
        drop(stale);
        self.inner.idle.lock().retain(|(of, _)| of != game);
        if let Host::Postgres(house) = &self.inner.host {
            house.forget(game);
        }
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Error> {
        let turn = tokio::time::timeout(TURN_MAX, self.inner.turns.acquire()).await;
        let busy = || Refusal::new(Code::Overloaded, "too many recipes are running: try again shortly");
        turn.map_err(|_| busy().into()).map(|permit| permit.expect("the semaphore is never closed"))
    }

    async fn guest(&self, game: &GameId) -> Result<Guest, Error> {
        let idle = {
            let mut idle = self.inner.idle.lock();
            idle.iter().rposition(|(of, _)| of == game).map(|at| idle.remove(at).1)
        };
        match (idle, &self.inner.host) {
            (Some(guest), _) => Ok(guest),
            (None, Host::Sqlite(house)) => house.open(game).map(|guest| Guest::Sqlite(Box::new(guest))),
            (None, Host::Postgres(house)) => house.open(game).await.map(|guest| Guest::Postgres(Box::new(guest))),
        }
    }

    fn give_back(&self, game: &GameId, guest: Guest) {
        let mut idle = self.inner.idle.lock();
        if idle.len() >= IDLE_MAX {
            // The one that was given back longest ago.
            idle.remove(0);
        }
        idle.push((game.clone(), guest));
    }
}
