//! A writer: takes the batches that wait, runs them in one transaction, commits, answers.
//! Refuses to answer before the commit, and to let one bad input fail its neighbours.

use crate::engine::Connection;
use crate::pool::{Pool, Pooled};
use crate::queue::{AnyBatch, AnyLane, Surroundings};
use crate::{Engine, Error, crash};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A turn that meets other transactions is run again this often before its batch is halved.
const TRIES_MAX: u32 = 8;
/// Connections that fail are opened again for this long before callers are told.
const RECONNECT_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Writer {
    pub(crate) pool: Arc<Pool>,
    pub(crate) around: Arc<Surroundings>,
    pub(crate) lanes: Lanes,
    pub(crate) arrived: Arc<Notify>,
    pub(crate) batch_max: usize,
    /// Batches of one turn at most.
    pub(crate) batches_max: usize,
    pub(crate) stopping: Arc<std::sync::atomic::AtomicBool>,
}

/// The lanes a writer serves; on SQLite the list grows while services are put together.
pub(crate) type Lanes = Arc<parking_lot::RwLock<Vec<Arc<dyn AnyLane>>>>;

type Batches = Vec<Box<dyn AnyBatch>>;

impl Writer {
    /// Serves its lanes until it is told to stop and nothing waits any more.
    pub(crate) async fn run(self) {
        loop {
            let batches = self.take();
            if batches.is_empty() {
                if self.stopping.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
                self.arrived.notified().await;
                continue;
            }
            self.turn(batches).await;
        }
    }

    fn take(&self) -> Batches {
        self.lanes.read().iter().filter_map(|lane| lane.take(self.batch_max)).take(self.batches_max).collect()
    }

    /// Runs batches until each of their inputs is answered.
    async fn turn(&self, batches: Batches) {
        let mut todo: Vec<(Batches, u32)> = vec![(batches, 0)];
        let mut lent: Option<Pooled> = None;
        while let Some((mut batches, tries)) = todo.pop() {
            let mut connection = match lent.take() {
                Some(connection) => connection,
                None => match self.pool.get_patiently(RECONNECT_MAX).await {
                    Ok(connection) => connection,
                    Err(error) => {
                        tracing::error!(%error, "commands fail: the database is not reachable");
                        batches.into_iter().for_each(|batch| batch.fail(&|| Error::Gone(error.to_string())));
                        continue;
                    }
                },
            };
            let started = std::time::Instant::now();
            let ended = attempt(&mut connection, &mut batches, &self.around).await;
            metrics::histogram!("guildhall_turn_seconds").record(started.elapsed());
            match ended {
                Ok(failed) => {
                    self.after_commit(batches, failed, &mut todo);
                    lent = Some(connection);
                }
                Err((culprit, error)) => {
                    if matches!(error, Error::Unknown(_)) {
                        batches.iter_mut().for_each(|batch| batch.doubt());
                    }
                    if matches!(error, Error::Gone(_) | Error::Unknown(_)) || connection.plain("rollback").await.is_err() {
                        connection.discard();
                    } else {
                        lent = Some(connection);
                    }
                    retry(batches, culprit, tries, error, &mut todo).await;
                }
            }
        }
    }

    /// Batches that were committed are answered; those that stood aside are halved and tried again.
    fn after_commit(&self, batches: Batches, mut failed: Vec<(usize, Error)>, todo: &mut Vec<(Batches, u32)>) {
        for (i, batch) in batches.into_iter().enumerate() {
            match failed.iter().position(|(at, _)| *at == i) {
                None => batch.answer(),
                Some(at) => set_aside(batch, failed.swap_remove(at).1, todo),
            }
        }
    }
}

/// One transaction over all batches. On SQLite each batch has a savepoint and one that breaks a constraint stands aside;
/// returns those with their errors. Any other error ends the transaction, with the batch it came from.
async fn attempt(connection: &mut Connection, batches: &mut Batches, around: &Surroundings) -> Result<Vec<(usize, Error)>, (usize, Error)> {
    let sqlite = connection.engine() == Engine::Sqlite;
    connection.plain(if sqlite { "begin immediate" } else { "begin" }).await.map_err(|e| (0, e))?;
    let savepoints = sqlite && batches.len() > 1;
    let mut failed = Vec::new();
    for (i, batch) in batches.iter_mut().enumerate() {
        if savepoints {
            connection.plain("savepoint batch").await.map_err(|e| (i, e))?;
        }
        match batch.attempt(connection, around).await {
            Ok(()) => {}
            Err(error @ (Error::Data { .. } | Error::Panicked(_) | Error::Broken(_))) if savepoints => {
                connection.plain("rollback to savepoint batch").await.map_err(|e| (i, e))?;
                failed.push((i, error));
            }
            Err(error) => return Err((i, error)),
        }
        if savepoints {
            connection.plain("release savepoint batch").await.map_err(|e| (i, e))?;
        }
    }
    crash::point("db.before_commit");
    connection.plain("commit").await.map_err(|error| match error {
        Error::Gone(why) => (0, Error::Unknown(why)),
        other => (0, other),
    })?;
    crash::point("db.after_commit");
    Ok(failed)
}

/// Decides what happens to batches whose transaction did not commit.
async fn retry(mut batches: Batches, culprit: usize, tries: u32, error: Error, todo: &mut Vec<(Batches, u32)>) {
    let transient = matches!(error, Error::Again(_) | Error::Gone(_) | Error::Unknown(_));
    if transient && tries < TRIES_MAX {
        tracing::debug!(%error, tries, "a turn is run again");
        metrics::counter!("guildhall_turns_repeated_total", "why" => error.kind()).increment(1);
        tokio::time::sleep(Duration::from_millis(u64::from(tries) * 2)).await;
        for batch in &mut batches {
            batch.look_first();
        }
        todo.push((batches, tries + 1));
        return;
    }
    if matches!(error, Error::Full(_) | Error::Gone(_) | Error::Unknown(_)) {
        // No input is at fault: halving would find none.
        tracing::error!(%error, "commands fail");
        batches.into_iter().for_each(|batch| batch.fail(&|| error.repeated()));
        return;
    }
    let culprit = batches.swap_remove(culprit.min(batches.len() - 1));
    if !batches.is_empty() {
        todo.push((batches, 0));
    }
    set_aside(culprit, error, todo);
}

/// Halves a batch that cannot be written, or answers the input that stands alone.
fn set_aside(mut batch: Box<dyn AnyBatch>, error: Error, todo: &mut Vec<(Batches, u32)>) {
    if batch.len() > 1 {
        tracing::warn!(command = batch.name(), inputs = batch.len(), %error, "a batch is halved to find the input that fails");
        let (first, second) = batch.halve();
        todo.push((vec![second], 0));
        todo.push((vec![first], 0));
        return;
    }
    if batch.look_first() {
        // What was done before under its key may be why it cannot be done.
        todo.push((vec![batch], 0));
        return;
    }
    // A refusal of everything is an answer like any other: its caller knows what it means.
    if matches!(error, Error::Refused(_)) {
        tracing::debug!(command = batch.name(), %error, "a command is refused");
    } else {
        tracing::error!(command = batch.name(), %error, "a command failed");
    }
    batch.fail(&|| error.repeated());
}
