//! The workers of a process: one per partition that it was given.
//! Refuses two workers of one partition in one process.

use crate::measures::delay;
use crate::partitions::Place;
use crate::source::PartitionLog;
use crate::worker::{Line, Phase, Shared, Worker};
use kernel::GameId;
use metrics::Gauge;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A worker that is told to stop is waited for this long; one that takes longer writes nothing once the partition is taken by another.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Partitions that have a worker in this process.
pub(crate) type Held = RwLock<BTreeSet<Place>>;

struct Running {
    game: GameId,
    line: Arc<Line>,
    delay: Gauge,
}

/// The workers.
pub(crate) struct Workers {
    pub(crate) shared: Arc<Shared>,
    running: Mutex<BTreeMap<Place, Running>>,
}

impl Workers {
    pub(crate) fn new(shared: Shared) -> Workers {
        Workers { shared: Arc::new(shared), running: Mutex::default() }
    }

    /// Starts a worker on a partition, unless one is at work.
    pub(crate) fn start(&self, place: &Place, game: &GameId, log: Box<dyn PartitionLog>) {
        let mut running = self.running.lock();
        if running.get(place).is_some_and(|worker| worker.line.phase() != Phase::Ended) {
            return;
        }
        let line = Arc::new(Line::default());
        let worker = Worker::new(self.shared.clone(), place.clone(), game.clone(), log, line.clone());
        let name = format!("stream {place}");
        match std::thread::Builder::new().name(name).spawn(move || worker.run()) {
            Ok(_detached) => drop(running.insert(place.clone(), Running { game: game.clone(), line, delay: delay(place) })),
            Err(error) => tracing::error!(%place, %error, "no thread for a partition"),
        }
        self.shared.held.write().insert(place.clone());
    }

    /// True while a worker is on the partition.
    pub(crate) fn has(&self, place: &Place) -> bool {
        self.running.lock().contains_key(place)
    }

    /// Stops workers: each writes what it has, then ends. Blocks until they did, or for a while.
    pub(crate) fn stop(&self, places: &[Place]) {
        let stopping: Vec<Running> = {
            let mut running = self.running.lock();
            let stopping = places.iter().filter_map(|place| running.remove(place)).collect();
            self.shared.held.write().retain(|place| !places.contains(place));
            stopping
        };
        stopping.iter().for_each(|worker| worker.line.stop());
        let until = std::time::Instant::now() + STOP_MAX;
        for worker in stopping {
            if !worker.line.wait_ended(until.saturating_duration_since(std::time::Instant::now())) {
                tracing::warn!(game = %worker.game, "a worker did not end in time");
            }
        }
    }

    /// Stops all workers.
    pub(crate) fn stop_all(&self) {
        let places: Vec<Place> = self.running.lock().keys().cloned().collect();
        self.stop(&places);
    }

    /// Tells the workers of a game whose states are about to change.
    pub(crate) fn evict(&self, game: &GameId, players: &[String]) {
        for worker in self.running.lock().values().filter(|worker| worker.game == *game) {
            worker.line.evict(players);
        }
    }

    /// Tells of each partition for how long its oldest record waits, whatever its worker waits for.
    pub(crate) fn tell_delays(&self) {
        let now = self.shared.db.now();
        for worker in self.running.lock().values() {
            worker.delay.set(worker.line.waits_s(now));
        }
    }

    /// How many partitions have a worker here.
    pub(crate) fn count(&self) -> usize {
        self.running.lock().len()
    }

    /// Partitions that stand still, and why.
    pub(crate) fn alarms(&self) -> Vec<String> {
        let running = self.running.lock();
        let alarm = |(place, worker): (&Place, &Running)| match worker.line.phase() {
            Phase::Alarm(name, told) => Some(format!("{place}: {name}: {told}")),
            _ => None,
        };
        running.iter().filter_map(alarm).collect()
    }

    /// What the worker of a partition is about, if this process has it.
    pub(crate) fn phase(&self, place: &Place) -> Option<Phase> {
        self.running.lock().get(place).map(|worker| worker.line.phase())
    }
}
