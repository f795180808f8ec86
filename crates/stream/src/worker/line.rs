//! The line between a worker and the rest of the process: what it is told, and what it tells.
//! Refuses to grow: players to forget are told by name and taken at once.

use kernel::Instant;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// What a worker is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It takes the partition.
    Claiming,
    /// It reads.
    Reading,
    /// The game has no mapping: records wait.
    NoMapping,
    /// Something is not reachable; it tries again.
    Waiting(String),
    /// Another worker has the partition.
    Lost,
    /// It stands still until a person decides; the alarm's name and what it says.
    Alarm(String, String),
    /// It is no more.
    Ended,
}

#[derive(Debug)]
pub(crate) struct Line {
    stopping: AtomicBool,
    woken: Condvar,
    phase: Mutex<Phase>,
    evictions: Mutex<Vec<String>>,
    /// When the log took the oldest record that was read and is not in the database, in microseconds; [`NOTHING_WAITS`] for none.
    waits_since: AtomicI64,
}

const NOTHING_WAITS: i64 = i64::MAX;

impl Default for Line {
    fn default() -> Line {
        Line {
            stopping: AtomicBool::new(false),
            woken: Condvar::new(),
            phase: Mutex::new(Phase::Claiming),
            evictions: Mutex::default(),
            waits_since: AtomicI64::new(NOTHING_WAITS),
        }
    }
}

impl Line {
    /// Tells the worker to write what it has and end.
    pub(crate) fn stop(&self) {
        let _phase = self.phase.lock();
        self.stopping.store(true, Ordering::SeqCst);
        self.woken.notify_all();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Waits for so long, or until it is to stop.
    pub(crate) fn pause(&self, time: Duration) {
        let mut phase = self.phase.lock();
        if !self.is_stopping() {
            let _ = self.woken.wait_for(&mut phase, time);
        }
    }

    /// Waits until the worker is no more; false when it still is after so long.
    pub(crate) fn wait_ended(&self, at_most: Duration) -> bool {
        let mut phase = self.phase.lock();
        let until = std::time::Instant::now() + at_most;
        while *phase != Phase::Ended {
            if self.woken.wait_until(&mut phase, until).timed_out() {
                return *phase == Phase::Ended;
            }
        }
        true
    }

    pub(crate) fn set(&self, phase: Phase) {
        let mut held = self.phase.lock();
        if *held != phase {
            *held = phase;
            self.woken.notify_all();
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.lock().clone()
    }

    /// Notes when the log took the oldest record that was read and is not in the database yet.
    pub(crate) fn note_waiting(&self, since: Option<Instant>) {
        self.waits_since.store(since.map_or(NOTHING_WAITS, |since| since.0), Ordering::Relaxed);
    }

    /// For how long the oldest record waits that was read and is not in the database, in seconds; 0 when none does.
    pub(crate) fn waits_s(&self, now: Instant) -> f64 {
        match self.waits_since.load(Ordering::Relaxed) {
            NOTHING_WAITS => 0.0,
            since => now.since_us(Instant(since)).max(0) as f64 / 1e6,
        }
    }

    /// Players whose states others will change.
    pub(crate) fn evict(&self, players: &[String]) {
        self.evictions.lock().extend_from_slice(players);
    }

    pub(crate) fn take_evictions(&self) -> Vec<String> {
        std::mem::take(&mut *self.evictions.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_grows_older_until_it_is_written() {
        let line = Line::default();
        assert_eq!(line.waits_s(Instant(9_000_000)), 0.0);
        line.note_waiting(Some(Instant(2_000_000)));
        assert_eq!([line.waits_s(Instant(3_000_000)), line.waits_s(Instant(9_500_000))], [1.0, 7.5]);
        line.note_waiting(None);
        assert_eq!(line.waits_s(Instant(9_500_000)), 0.0);
    }
}
