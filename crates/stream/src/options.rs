//! What may be set of a stream, with its limits. Refuses nothing by itself: the configuration checks what people write.

use crate::pace::Pace;
use std::time::Duration;

/// How a process streams.
#[derive(Debug, Clone)]
pub struct Options {
    /// A game's topic is this and the game's id.
    pub topic_prefix: String,
    /// Partitions of a topic that the process makes in the embedded log.
    pub partitions: u32,
    /// What lies between two checkpoints, and what is kept in memory.
    pub limits: Limits,
    /// What one request may bring.
    pub intake: IntakeLimits,
    /// What one look into the log may take.
    pub reading: ReadingLimits,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            topic_prefix: "logs.".to_owned(),
            partitions: 4,
            limits: Limits::default(),
            intake: IntakeLimits::default(),
            reading: ReadingLimits::default(),
        }
    }
}

impl Options {
    /// The topic of a game.
    pub fn topic(&self, game: &kernel::GameId) -> String {
        format!("{}{game}", self.topic_prefix)
    }
}

/// The bounds of a worker.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Progress is written this long after its first record while a partition keeps up, in milliseconds.
    pub checkpoint_due_ms: u64,
    /// An achievement is written this soon, in milliseconds.
    pub achieved_due_ms: u64,
    /// An offset of records that changed nothing is written this late, in milliseconds.
    pub idle_due_ms: u64,
    /// While a partition is far behind, progress waits this long, in milliseconds.
    pub behind_due_ms: u64,
    /// Changed players of a partition at which a checkpoint starts at once.
    pub checkpoint_players_max: usize,
    /// Records that one checkpoint of a topic takes which is not keyed by player.
    pub checkpoint_records_max: usize,
    /// Players whose states the process keeps between batches, over all partitions.
    pub cache_max_players: usize,
    /// Records that one read takes.
    pub read_records: usize,
    /// Bytes that one read takes.
    pub read_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            checkpoint_due_ms: 50,
            achieved_due_ms: 10,
            idle_due_ms: 1_000,
            behind_due_ms: 4_000,
            checkpoint_players_max: 50_000,
            checkpoint_records_max: 50_000,
            cache_max_players: 250_000,
            read_records: 20_000,
            read_bytes: 2 << 20,
        }
    }
}

/// Bytes of records between two checkpoints of a topic keyed by player: what is stepped again after a failure.
const STEPPED_BYTES_MAX: usize = 1 << 30;
/// Bytes of records that wait in memory for the checkpoint of a topic that is not.
const WAITING_BYTES_MAX: usize = 4 << 20;

impl Limits {
    /// The pace of a worker that may keep `share` players. `usual`: changed players of a checkpoint while the partition keeps up.
    pub(crate) fn pace(&self, share: usize, keyed: bool, usual: usize) -> Pace {
        let (players_max, bytes_max) = match keyed {
            true => (self.checkpoint_players_max.min(share).max(1), STEPPED_BYTES_MAX),
            false => (self.checkpoint_records_max.max(1), WAITING_BYTES_MAX),
        };
        Pace {
            due: Duration::from_millis(self.checkpoint_due_ms),
            achieved_due: Duration::from_millis(self.achieved_due_ms),
            idle_due: Duration::from_millis(self.idle_due_ms),
            behind_due: Duration::from_millis(self.behind_due_ms),
            players_max: players_max.min(usual),
            behind_players_max: players_max,
            bytes_max,
            steps_ahead: !keyed,
        }
    }
}

/// The bounds of a request that brings logs.
#[derive(Debug, Clone)]
pub struct IntakeLimits {
    /// Bytes of a body once it is unpacked.
    pub body_max: u64,
    /// Bytes that wait for the log to make them durable, per request.
    pub waiting_bytes_max: usize,
    /// Requests that bring logs at the same time.
    pub requests_max: usize,
}

impl Default for IntakeLimits {
    fn default() -> IntakeLimits {
        IntakeLimits { body_max: 256 << 20, waiting_bytes_max: 4 << 20, requests_max: 32 }
    }
}

/// The bounds of a look into the log.
#[derive(Debug, Clone)]
pub struct ReadingLimits {
    /// How long one look may take, in milliseconds.
    pub time_max_ms: u64,
    /// Records that one look reads.
    pub records_max: u64,
    /// Players that a backtest follows.
    pub players_max: usize,
    /// Events that an explanation tells, the latest ones.
    pub events_max: usize,
    /// Looks at the same time.
    pub looks_max: usize,
}

impl Default for ReadingLimits {
    fn default() -> ReadingLimits {
        ReadingLimits { time_max_ms: 20_000, records_max: 50_000_000, players_max: 1_000_000, events_max: 1_000, looks_max: 2 }
    }
}
