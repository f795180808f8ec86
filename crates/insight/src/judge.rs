//! Asks the engine what a statement would cost if certain indexes were there.
//! Refuses to make them: Postgres imagines them (hypopg), SQLite is asked on an empty copy with the real statistics.

mod postgres;
mod sqlite;

use crate::candidates::Candidate;
use crate::plan::Plan;
use crate::reading::Reading;
use crate::sample::Samples;
use crate::schema::Schema;
use db::{Engine, Error, Inspector};

/// A statement that plans are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Its name.
    pub name: String,
    /// Its text, with numbered parameters.
    pub text: String,
    /// What it asks of its tables.
    pub reading: Reading,
    /// Sets of typical literals for its parameters.
    pub parameters: Vec<Vec<String>>,
}

/// What the engine says of a statement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    /// The cost, in units that mean something only beside one another.
    pub cost: f64,
    /// The places of the candidates that the plan uses, among those that were given.
    pub uses: Vec<usize>,
}

/// What judges candidates on one database.
pub(crate) enum Judge {
    /// By hypothetical indexes.
    Postgres(postgres::Hypothetical),
    /// By plans of an empty copy.
    Sqlite(Box<sqlite::Copy>),
}

impl Judge {
    /// Makes ready.
    ///
    /// # Errors
    /// The engine cannot judge, and the message says what it lacks and how that is got.
    pub(crate) async fn new(database: &mut Inspector, schema: &Schema, samples: &Samples) -> Result<Judge, String> {
        match database.engine() {
            Engine::Postgres => postgres::Hypothetical::find(database).await.map(Judge::Postgres),
            Engine::Sqlite => {
                let copy = sqlite::Copy::make(database, schema, samples).await.map_err(|e| e.to_string())?;
                Ok(Judge::Sqlite(Box::new(copy)))
            }
        }
    }

    /// What the statement costs if these indexes are there besides the real ones.
    ///
    /// # Errors
    /// The engine refuses the statement or a candidate.
    pub(crate) async fn cost(&mut self, database: &mut Inspector, asked: &Asked, with: &[&Candidate]) -> Result<Verdict, Error> {
        match self {
            Judge::Postgres(hypothetical) => hypothetical.cost(database, asked, with).await,
            Judge::Sqlite(copy) => copy.cost(asked, with).await,
        }
    }

    /// Bytes that the index would take.
    pub(crate) async fn size(&mut self, database: &mut Inspector, schema: &Schema, samples: &Samples, candidate: &Candidate) -> u64 {
        let measured = match self {
            Judge::Postgres(hypothetical) => hypothetical.size(database, candidate).await,
            Judge::Sqlite(_) => None,
        };
        measured.unwrap_or_else(|| estimated(schema, samples, candidate))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rows are not negative and far from the limit")]
fn estimated(schema: &Schema, samples: &Samples, candidate: &Candidate) -> u64 {
    let Some(table) = schema.table(&candidate.table) else { return 0 };
    let share = sqlite::share_of_predicate(samples, candidate);
    (table.rows * share) as u64 * candidate.entry_bytes(table)
}

/// The plan as it is now, with typical parameters.
///
/// # Errors
/// The engine cannot plan the statement; the message is the engine's.
pub(crate) async fn plan(database: &mut Inspector, asked: &Asked, schema: &Schema) -> Result<Plan, Error> {
    match database.engine() {
        Engine::Postgres => postgres::plan(database, asked, schema).await,
        Engine::Sqlite => {
            // Parameters stay unbound: the plan is the one for any value.
            let rows = database.query(&format!("explain query plan {}", asked.text)).await?;
            Ok(Plan::of_sqlite(&rows, &asked.reading, schema))
        }
    }
}

/// The text that runs a statement's rows without changing any, with literals in place; what a preparation is on Postgres.
pub(crate) struct Runnable {
    pub(crate) prepare: Option<String>,
    pub(crate) runs: Vec<String>,
}

/// How the statement is run for measuring; nothing when it cannot be run without changing something.
pub(crate) fn runnable(engine: Engine, asked: &Asked) -> Option<Runnable> {
    let text = asked.reading.harmless.as_ref()?;
    Some(match engine {
        // SQLite reads the original where it can: its own words need no rendering.
        Engine::Sqlite => {
            let text = if asked.reading.verb == crate::reading::Verb::Select { &asked.text } else { text };
            Runnable { prepare: None, runs: asked.parameters.iter().map(|literals| crate::sql::filled(text, literals)).collect() }
        }
        Engine::Postgres => {
            let runs = asked.parameters.iter().map(|literals| postgres::execute("measured", text, literals)).collect();
            Runnable { prepare: Some(format!("deallocate all; prepare measured as {text}")), runs }
        }
    })
}
