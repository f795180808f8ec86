//! The threads that write: whatever waits is written together and shares one fsync.
//! Refuses work after the log is closed; what it took before, it finishes.

use crate::batch::RawBatch;
use crate::options::Clock;
use crate::partition::{Partition, Turn};
use crate::{Appended, Error};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// How an append ends.
pub(crate) type Outcome = Result<Appended, Error>;

struct Job {
    partition: Arc<Partition>,
    batches: Vec<RawBatch>,
    done: oneshot::Sender<Outcome>,
    /// Its share of the memory for what is under way, given back when it is written.
    _share: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    closed: bool,
}

#[derive(Default)]
struct Lane {
    queue: Mutex<Queue>,
    ready: Condvar,
}

/// The writer threads. Appends to one partition always go to the same one, in the order they came.
pub(crate) struct Writers {
    lanes: Vec<Arc<Lane>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Writers {
    pub(crate) fn start(count: usize, clock: &Clock) -> Result<Writers, Error> {
        let lanes: Vec<_> = (0..count).map(|_| Arc::new(Lane::default())).collect();
        let mut threads = Vec::new();
        for lane in &lanes {
            let (lane, clock) = (lane.clone(), clock.clone());
            let thread = std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || run(&lane, &clock));
            threads.push(thread.map_err(|error| Error::Io { what: "starting a writer".to_owned(), reason: error.to_string() })?);
        }
        Ok(Writers { lanes, threads: Mutex::new(threads) })
    }

    /// Queues an append; the answer comes when it is durable. What it may queue is bounded by the share its caller holds.
    pub(crate) fn submit(
        &self,
        partition: &Arc<Partition>,
        batches: Vec<RawBatch>,
        share: Option<OwnedSemaphorePermit>,
    ) -> oneshot::Receiver<Outcome> {
        let (done, outcome) = oneshot::channel();
        let lane = &self.lanes[partition.lane % self.lanes.len()];
        let mut queue = lane.queue.lock();
        if queue.closed {
            _ = done.send(Err(Error::Closed));
        } else {
            queue.jobs.push(Job { partition: partition.clone(), batches, done, _share: share });
            drop(queue);
            lane.ready.notify_one();
        }
        outcome
    }

    /// Finishes what waits and ends the threads. Blocks for as long as the last fsync takes.
    pub(crate) fn close(&self) {
        for lane in &self.lanes {
            lane.queue.lock().closed = true;
            lane.ready.notify_one();
        }
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.join().is_err() {
                tracing::error!("a writer of the log ended in a panic");
            }
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(lane: &Lane, clock: &Clock) {
    loop {
        let mut jobs = {
            let mut queue = lane.queue.lock();
            while queue.jobs.is_empty() && !queue.closed {
                lane.ready.wait(&mut queue);
            }
            if queue.jobs.is_empty() {
                return;
            }
            std::mem::take(&mut queue.jobs)
        };
        // Stable: the appends of one partition keep their order.
        jobs.sort_by_key(|job| Arc::as_ptr(&job.partition).addr());
        let outcomes = turn(&jobs, clock.now_ms());
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            // A caller that went away needs no answer.
            _ = job.done.send(outcome);
        }
    }
}

/// Writes all partitions before it waits for any: the file system's journal then serves most of them with the first fsync.
fn turn(jobs: &[Job], now_ms: i64) -> Vec<Outcome> {
    let mut turns = Vec::new();
    for group in jobs.chunk_by(|one, other| Arc::ptr_eq(&one.partition, &other.partition)) {
        let mut turn = Turn::begin(&group[0].partition);
        group.iter().for_each(|job| turn.add(&job.batches, now_ms));
        // Whose append it was is told by its outcome.
        turn.write().ok();
        turns.push(turn);
    }
    turns.iter_mut().for_each(Turn::sync);
    turns.into_iter().flat_map(Turn::end).collect()
}
