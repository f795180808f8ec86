//! Moves what was committed from SQLite's log into its file, on a thread of its own, so that no commit waits for it.
//! Refuses to hold a writer up: it copies what it may without a lock and leaves the rest for its next round.

use crate::Error;
use crate::sqlite::{File, Sqlite};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The log is looked at this often.
const EVERY: Duration = Duration::from_millis(100);

/// The thread; it ends when this is dropped.
pub(crate) struct Checkpointer {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts it; `commits` counts the turns of the writer, so that an idle database is left alone.
    pub(crate) fn start(file: &File, commits: Arc<AtomicU64>) -> Result<Checkpointer, Error> {
        let mut connection = file.open_writer()?;
        let stop: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("checkpointer".to_owned())
            .spawn(move || run(&mut connection, &stopped, &commits))
            .map_err(|e| Error::Gone(format!("no thread for checkpoints: {e}")))?;
        Ok(Checkpointer { stop, thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_one();
        if let Some(thread) = self.thread.take() {
            // It panicked or it ended; either way nothing is lost, since the writer checkpoints a log that has grown.
            drop(thread.join());
        }
    }
}

fn run(connection: &mut Sqlite, stop: &(Mutex<bool>, Condvar), commits: &AtomicU64) {
    let mut seen = 0;
    loop {
        {
            let mut stopped = stop.0.lock();
            if !*stopped {
                stop.1.wait_for(&mut stopped, EVERY);
            }
            if *stopped {
                return;
            }
        }
        let now = commits.load(Ordering::Relaxed);
        if now == seen {
            continue;
        }
        seen = now;
        if let Err(error) = connection.plain("pragma wal_checkpoint(passive)") {
            tracing::debug!(%error, "a checkpoint was left for the next round");
        }
    }
}
