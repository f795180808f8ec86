//! How large, how long and how many: every size, age and limit of the log, at its default.
//! Refuses settings that contradict each other, before anything is opened.

use crate::Error;
use kernel::Instant;
use std::fmt;
use std::sync::Arc;

const MIB: usize = 1 << 20;

/// Tells the time; tests hand in one they can move.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    /// A clock that asks `now` each time.
    pub fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now))
    }

    /// This moment in milliseconds since 1970, as Kafka keeps time.
    pub(crate) fn now_ms(&self) -> i64 {
        (self.0)().0.div_euclid(1_000)
    }
}

impl Default for Clock {
    #[expect(clippy::disallowed_methods, reason = "a log stamps what it appends; whoever needs another clock hands one in")]
    fn default() -> Clock {
        Clock::new(|| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
        })
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How the log keeps its data. Sizes in bytes, times in milliseconds.
#[derive(Debug, Clone)]
pub struct Options {
    /// A segment is closed when the next batch would make it larger than this.
    pub segment_bytes: u64,
    /// A segment is closed when its first record is older than this, so that age can remove it.
    pub segment_age_ms: i64,
    /// A partition larger than this loses its oldest closed segments; none: it grows.
    pub retention_bytes: Option<u64>,
    /// Segments whose newest record is older than this go; none: they stay.
    pub retention_ms: Option<i64>,
    /// How often retention looks.
    pub retention_every_ms: u64,
    /// Committed offsets of a group without members go when none was written for this long.
    pub offsets_retention_ms: i64,
    /// Partitions of a topic whose creator does not say.
    pub partitions_default: u32,
    /// Whether a client that produces to or asks for an unknown topic creates it.
    pub auto_create_topics: bool,
    /// A new group waits this long for more members before its first assignment.
    pub rebalance_delay_ms: u64,
    /// Host and port that clients are told to connect to; none: the address they came to.
    pub advertised: Option<(String, u16)>,
    /// Threads that write and fsync; partitions are spread over them.
    pub writers: usize,
    /// The named limits.
    pub limits: Limits,
    /// The clock that stamps appends and judges age.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: 64 * MIB as u64,
            segment_age_ms: 6 * 3_600_000,
            retention_bytes: None,
            retention_ms: Some(72 * 3_600_000),
            retention_every_ms: 30_000,
            offsets_retention_ms: 7 * 24 * 3_600_000,
            partitions_default: 4,
            auto_create_topics: false,
            rebalance_delay_ms: 100,
            advertised: None,
            writers: 2,
            limits: Limits::default(),
            clock: Clock::default(),
        }
    }
}

/// What bounds memory and work, whoever is on the other side. Past a limit a caller is refused, never queued without end.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one request; a longer one closes its connection.
    pub frame_max: usize,
    /// Connections at once; a further one is closed at once.
    pub connections_max: usize,
    /// A connection that neither sends nor takes a byte for this long is closed, in milliseconds.
    pub idle_max_ms: u64,
    /// Requests of one connection that may wait for their answers.
    pub pipeline_max: usize,
    /// Bytes of requests and appends that are being worked on, all together.
    pub inflight_bytes_max: usize,
    /// Bytes of fetched records that wait to be sent, all together.
    pub reply_bytes_max: usize,
    /// Bytes of records in one fetch, whatever the client asks.
    pub fetch_bytes_max: usize,
    /// A fetch waits at most this long for data, in milliseconds.
    pub fetch_wait_max_ms: u64,
    /// Bytes of one record batch as it is kept.
    pub batch_max: usize,
    /// Bytes of one record batch unpacked.
    pub batch_unpacked_max: usize,
    /// Array elements in one request.
    pub elements_max: usize,
    /// Topics.
    pub topics_max: usize,
    /// Partitions of all topics: each keeps a file open.
    pub partitions_max: usize,
    /// Producers whose sequences a partition remembers; the one silent for longest goes.
    pub producers_max: usize,
    /// Consumer groups.
    pub groups_max: usize,
    /// Members of one group.
    pub group_members_max: usize,
    /// Bytes of one member's subscription, or of the assignment it is given.
    pub member_bytes_max: usize,
    /// Bytes of the note beside a committed offset.
    pub offset_note_max: usize,
    /// Committed offsets of all groups.
    pub offsets_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_max: 32 * MIB,
            connections_max: 256,
            idle_max_ms: 600_000,
            pipeline_max: 16,
            inflight_bytes_max: 64 * MIB,
            reply_bytes_max: 64 * MIB,
            fetch_bytes_max: 8 * MIB,
            fetch_wait_max_ms: 30_000,
            batch_max: MIB + 4096,
            batch_unpacked_max: 16 * MIB,
            elements_max: 20_000,
            topics_max: 200,
            partitions_max: 500,
            producers_max: 1_000,
            groups_max: 200,
            group_members_max: 200,
            member_bytes_max: 256 << 10,
            offset_note_max: 4096,
            offsets_max: 100_000,
        }
    }
}

impl Options {
    /// What is wrong with these settings, named by their option.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let limits = &self.limits;
        let wrong = |text: String| Err(Error::BadSetting(text));
        if self.segment_bytes < 4096 || self.segment_bytes > 1 << 31 {
            return wrong(format!("segment_bytes {} is out of range: 4096 to 2147483648 would be right", self.segment_bytes));
        }
        if limits.batch_max < 1024 || limits.batch_max > limits.frame_max {
            return wrong(format!("batch_max {} is out of range: 1024 to frame_max {} would be right", limits.batch_max, limits.frame_max));
        }
        if limits.frame_max > limits.inflight_bytes_max || limits.inflight_bytes_max >= 1 << 31 {
            return wrong(format!("inflight_bytes_max {} must hold a frame_max of {}", limits.inflight_bytes_max, limits.frame_max));
        }
        if limits.fetch_bytes_max < limits.batch_max || limits.fetch_bytes_max > limits.reply_bytes_max || limits.reply_bytes_max >= 1 << 31
        {
            return wrong(format!(
                "fetch_bytes_max {} must lie between batch_max {} and reply_bytes_max {}",
                limits.fetch_bytes_max, limits.batch_max, limits.reply_bytes_max
            ));
        }
        let counts = [
            ("writers", self.writers),
            ("connections_max", limits.connections_max),
            ("pipeline_max", limits.pipeline_max),
            ("partitions_default", self.partitions_default as usize),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => wrong(format!("{name} is 0: at least 1 would be right")),
            None => Ok(()),
        }
    }
}
