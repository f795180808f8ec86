//! Keeps the copy in memory up with the database: all of it at the start, then whatever has a newer version.
//! Refuses to miss a change: versions are given out under a lock that is held until the commit, so they appear in order.

use crate::commands::sale;
use crate::model::{Interner, Platforms, Product};
use crate::{Catalogue, index};
use db::{Db, Error, Row, Statement, row};
use kernel::{Money, ProductId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

static CHANGED: Statement = Statement::new(
    "catalogue.changed_products",
    "select id, source, source_id, name, price_minor, price_currency, sale_percent, sale_starts_at, sale_ends_at, limited, released, platforms,
            popularity, developers, publishers, genres, version
     from product
     where version > $1",
);

/// After changes that took long to take in, refreshes wait so many times as long, so that an import elsewhere does not take a core here.
const REST_TIMES: u32 = 9;
/// What takes less than this needs no rest.
const LONG: Duration = Duration::from_millis(50);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(3);

/// Where the copy stands. Refreshes take turns.
#[derive(Default)]
pub(crate) struct Feed {
    turn: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    seen: i64,
    rest_until: Option<Instant>,
}

impl Catalogue {
    /// Reads what changed since the last time; for a loop that calls it a few times a second. After many changes it waits before it reads again.
    ///
    /// # Errors
    /// The database does not answer; the copy stays as it is.
    pub async fn refresh(&self) -> Result<(), Error> {
        loop {
            let mut progress = self.shared.feed.turn.lock().await;
            let Some(until) = progress.rest_until.filter(|until| *until > Instant::now()) else {
                let started = Instant::now();
                self.read_changes(&mut progress).await?;
                let took = started.elapsed();
                progress.rest_until = (took > LONG).then(|| Instant::now() + (took * REST_TIMES).min(REST_MAX));
                self.shared.snapshot.load().prepare(self.db.now());
                return Ok(());
            };
            // Not while the turn is held: who changed something does not wait for the rest.
            drop(progress);
            tokio::time::sleep_until(until.into()).await;
        }
    }

    /// Reads what changed, so that whoever made a change finds it. A failure is logged: the poll will come round to it.
    pub(crate) async fn catch_up(&self, version: i64) {
        let mut progress = self.shared.feed.turn.lock().await;
        if progress.seen >= version {
            return;
        }
        if let Err(error) = self.read_changes(&mut progress).await {
            tracing::warn!(%error, "a change of the catalogue was committed and cannot be read back yet");
        }
    }

    async fn read_changes(&self, progress: &mut Progress) -> Result<(), Error> {
        let (changed, seen) = changes(&self.db, progress.seen).await?;
        if changed.is_empty() {
            return Ok(());
        }
        let before = self.shared.snapshot.load_full();
        // Building takes tens of milliseconds for a full catalogue: not on a thread that answers requests.
        let now = self.db.now();
        let made = tokio::task::spawn_blocking(move || {
            let next = if before.is_empty() { index::Catalogue::build(changed) } else { before.apply(changed) };
            next.prepare(now);
            next
        });
        let next = made.await.map_err(|e| Error::Panicked(format!("building the catalogue: {e}")))?;
        metrics::gauge!("guildhall_catalogue_products").set(next.len() as f64);
        metrics::gauge!("guildhall_catalogue_version").set(seen as f64);
        self.shared.snapshot.store(Arc::new(next));
        progress.seen = seen;
        Ok(())
    }
}

/// Products with a version above `seen`, and the highest version among them.
async fn changes(db: &Db, seen: i64) -> Result<(Vec<Product>, i64), Error> {
    let mut interner = Interner::default();
    let products = db.fetch(&CHANGED, &row![seen], |row| product(row, &mut interner)).await?;
    let seen = products.iter().map(|product| product.version).max().unwrap_or(seen);
    Ok((products, seen))
}

fn product(row: &Row, interner: &mut Interner) -> Result<Product, Error> {
    let mut labels = |column: usize| {
        let text = row.text(column)?;
        let names: Vec<std::borrow::Cow<'_, str>> = serde_json::from_str(&text)
            .map_err(|e| Error::Broken(format!("column {column} holds {text:?}: {e}: a JSON list of texts would be right")))?;
        Ok::<_, Error>(interner.labels(names.iter().map(|name| &**name)))
    };
    let steam = row.text(1)? == crate::STEAM;
    Ok(Product {
        developers: labels(13)?,
        publishers: labels(14)?,
        genres: labels(15)?,
        id: ProductId(row.int(0)?),
        steam_id: if steam { u32::try_from(row.int(2)?).ok() } else { None },
        name: row.text(3)?.into(),
        price: Money { minor: row.int(4)?, currency: row.parsed(5)? },
        sale: sale(row, 6)?,
        limited: row.flag(9)?,
        released: row.text_opt(10)?.and_then(|day| day.parse().ok()),
        platforms: Platforms::from_bits(u8::try_from(row.int(11)?).unwrap_or(0)),
        popularity: row.int(12)?,
        version: row.int(16)?,
    })
}
