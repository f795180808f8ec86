//! Keeps the view up with the database, and lets those wait who want to know of the next change.
//! Refuses to miss a change: versions are given out under a lock that is held until the commit, so they appear in order.

use crate::decide::Record;
use crate::model::{Changes, Status};
use crate::view::View;
use crate::{Registry, rows};
use arc_swap::ArcSwapOption;
use db::{Db, Error, Statement, row};
use kernel::{Code, Refusal};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};

// The feed's row and the instances come from one statement, so they are of one moment.
static CHANGED: Statement = Statement::new(
    "registry.changed_instances",
    "select f.version, f.forgotten, f.swept_at, f.resumed_at, f.evicted,
            i.id, i.services, i.address, i.secure, i.build, i.weight, i.metadata, i.document, i.status, i.forced_status,
            i.registered_at, i.changed_at, i.version
     from registry f left join instance i on i.version > $1
     where f.one = 1",
);

/// Nobody waits longer than this for a change.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Where the view stands.
pub(crate) struct Feed {
    view: ArcSwapOption<View>,
    turn: Mutex<()>,
    moved: watch::Sender<i64>,
}

impl Default for Feed {
    fn default() -> Self {
        Feed { view: ArcSwapOption::empty(), turn: Mutex::default(), moved: watch::Sender::new(0) }
    }
}

impl Registry {
    /// Reads what changed since the last time; for a loop that calls it a few times a second.
    ///
    /// # Errors
    /// The database does not answer; the view stays as it is.
    pub async fn refresh(&self) -> Result<(), Error> {
        let _turn = self.feed.turn.lock().await;
        let before = self.feed.view.load_full();
        let (feed, changed) = changes(&self.db, before.as_ref().map_or(-1, |view| view.version)).await?;
        let next = match before {
            Some(before) if feed.version == before.version && feed.forgotten == before.forgotten => return Ok(()),
            Some(before) if feed.version >= before.version => before.after(&feed, changed),
            // Nothing was known, or another database lies under us, as one that was restored from a backup.
            _ => {
                let (feed, all) = changes(&self.db, -1).await?;
                View::of(&feed, all)
            }
        };
        let version = next.version;
        tell(&next);
        self.feed.view.store(Some(Arc::new(next)));
        self.feed.moved.send_replace(version);
        Ok(())
    }

    /// Everyone who is there, as this process last read it.
    ///
    /// # Errors
    /// Nothing was read yet and the database does not answer.
    pub async fn snapshot(&self) -> Result<Changes, Error> {
        Ok(self.view().await?.changes(0))
    }

    /// What changed after a version, at once if something did; otherwise as soon as something does, or empty after `wait`.
    ///
    /// # Errors
    /// Nothing was read yet and the database does not answer.
    pub async fn changes_after(&self, seen: i64, wait: Duration) -> Result<Changes, Error> {
        let mut moved = self.feed.moved.subscribe();
        let view = self.view().await?;
        if view.version != seen {
            return Ok(view.changes(seen));
        }
        // Whether it moved or nothing came in time: what there is then is told.
        drop(tokio::time::timeout(wait.min(WAIT_MAX), moved.wait_for(|version| *version != seen)).await);
        Ok(self.view().await?.changes(seen))
    }

    /// Answers everyone who waits for a change, for a process that is about to stop.
    pub fn let_go(&self) {
        self.feed.moved.send_replace(-1);
    }

    pub(crate) async fn view(&self) -> Result<Arc<View>, Error> {
        if let Some(view) = self.feed.view.load_full() {
            return Ok(view);
        }
        self.refresh().await?;
        let none = || Refusal::new(Code::Unavailable, "the registry has not read its instances yet: try again shortly");
        self.feed.view.load_full().ok_or_else(|| none().into())
    }
}

/// How many instances there are of each status, for whoever watches this process.
fn tell(view: &View) {
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Gone) {
        let count = view.present().filter(|record| record.effective() == status).count();
        metrics::gauge!("guildhall_registry_instances", "status" => status.as_str()).set(count as f64);
    }
}

async fn changes(db: &Db, seen: i64) -> Result<(crate::decide::Feed, Vec<Record>), Error> {
    let mut feed = None;
    let found = db
        .fetch(&CHANGED, &row![seen], |row| {
            feed = Some(rows::feed(row)?);
            row.text_opt(5)?.map(|_| rows::record(row, 5)).transpose()
        })
        .await?;
    let feed = feed.ok_or_else(|| Error::Broken("registry has no row: the migration writes it".to_owned()))?;
    Ok((feed, found.into_iter().flatten().collect()))
}
