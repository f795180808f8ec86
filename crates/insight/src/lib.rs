//! Why the database is slow: statements, plans, index advice, and what else is wrong with it.
//! Refuses to change anything by itself, and to keep values of parameters.
//!
//! An examination goes one way: the workload (`workload.rs`) is read as SQL (`reading.rs`), rows are sampled for typical parameters
//! (`sample.rs`), indexes are thought of (`candidates.rs`), the engine judges them (`judge.rs`), the fewest that help are chosen
//! (`advise.rs`), and the whole is put together (`examine.rs`). `docs/insight.md` shows what comes out.

mod advise;
mod candidates;
mod examine;
mod findings;
mod judge;
mod keep;
mod measure;
mod plan;
mod print;
mod reading;
mod report;
mod routes;
mod sample;
mod schema;
mod sql;
pub mod workload;

pub use candidates::Candidate;
pub use examine::{Depth, Examination, apply, examine};
pub use keep::KEPT_MINUTES;
pub use measure::Measured;
pub use plan::{Plan, Step};
pub use print::Look;
pub use report::{Advice, Applied, Change, Finding, Report, Served, StatementReport, WritePrice};
pub use workload::{Item, SlowCall};

use db::{Access, Db, Error, Inspector};
use kernel::Instant;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// An examination over HTTP is good for so long; the next request after that makes another.
const FRESH: Duration = Duration::from_secs(60);
/// A question of an examination that takes longer is given up.
const QUESTION_MAX: Duration = Duration::from_secs(20);
/// The workload is what ran in so many minutes.
const LAST_MINUTES: i64 = 60;

/// When the database was examined, and what was found.
type Examined = (std::time::Instant, Arc<Report>);

/// Statistics of this process and examinations of its database. Cheap to clone.
#[derive(Clone)]
pub struct Insight {
    db: Db,
    url: Arc<str>,
    keeper: keep::Keeper,
    examined: Arc<Mutex<Option<Examined>>>,
}

impl Insight {
    /// Starts the service on a database; `url` is where examinations reach it.
    pub fn new(db: &Db, url: &str) -> Insight {
        Insight { db: db.clone(), url: url.into(), keeper: keep::Keeper::new(db), examined: Arc::default() }
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }

    /// Writes what statements cost in this process, for whoever examines the database. A job does it every few seconds.
    ///
    /// # Errors
    /// The database fails; the next time writes it all.
    pub async fn keep(&self) -> Result<(), Error> {
        self.keeper.write().await
    }

    /// Examines the database, or tells what was found within the last minute.
    ///
    /// # Errors
    /// The database fails.
    pub async fn report(&self) -> Result<Arc<Report>, Error> {
        let mut examined = self.examined.lock().await;
        if let Some((at, report)) = examined.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            tracing::debug!(age_s = at.elapsed().as_secs(), "an examination is told again");
            return Ok(report.clone());
        }
        self.keep().await?;
        let mut database = Inspector::open(&self.url, Access::Read, Some(QUESTION_MAX)).await?;
        let (items, repeated) = workload_of(&mut database, self.db.now(), LAST_MINUTES).await?;
        let report = Arc::new(examine(&mut database, items, &repeated, Depth::ALL).await?.report);
        *examined = Some((std::time::Instant::now(), report.clone()));
        Ok(report)
    }
}

/// What a database tells about its own workload: what our processes wrote down, and what its server counts.
///
/// # Errors
/// The database fails.
pub async fn workload_of(
    database: &mut Inspector,
    now: Instant,
    minutes: i64,
) -> Result<(Vec<Item>, Vec<db::statistics::Repeated>), Error> {
    let mut items = workload::of_tables(database, now, minutes).await?;
    let more = workload::of_server(database, &items).await?;
    items.extend(more);
    Ok((items, workload::repeats_of_tables(database).await?))
}
