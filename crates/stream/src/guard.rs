//! Whose partition it is and where it goes on. Pure decisions over what the database and the log say.
//! Refuses to guess: an offset outside the log, or a log that was made anew, stops the partition until a person decides.

use std::fmt;

/// What the database says of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The topic it was read from; all zero when the log gives its topics no ids.
    pub topic_id: [u8; 16],
    /// Raised each time somebody takes the partition.
    pub epoch: i64,
    /// The first offset that is not in the database's progress yet.
    pub next: i64,
}

/// What the log says of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The topic's id; all zero when the log gives none.
    pub topic_id: [u8; 16],
    /// The oldest offset that is still there.
    pub first: i64,
    /// The offset the next record will get.
    pub end: i64,
}

/// Why a partition stands still until a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// The topic was deleted and made again.
    OtherTopic {
        /// The id it had.
        was: [u8; 16],
        /// The id it has.
        is: [u8; 16],
    },
    /// The log has dropped records that were not read yet.
    BeforeLog {
        /// Where reading would go on.
        next: i64,
        /// Where the log begins.
        first: i64,
    },
    /// The log is shorter than what was read of it.
    BeyondLog {
        /// Where reading would go on.
        next: i64,
        /// Where the log ends.
        end: i64,
    },
}

impl Alarm {
    /// The name that metrics carry.
    pub fn as_str(&self) -> &'static str {
        match self {
            Alarm::OtherTopic { .. } => "other_topic",
            Alarm::BeforeLog { .. } => "before_log",
            Alarm::BeyondLog { .. } => "beyond_log",
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alarm::OtherTopic { was, is } => {
                write!(f, "the topic was made anew: its id was {} and is {}", hex::encode(was), hex::encode(is))
            }
            Alarm::BeforeLog { next, first } => write!(f, "offset {next} is gone: the log begins at {first}"),
            Alarm::BeyondLog { next, end } => write!(f, "offset {next} is not there: the log ends at {end}"),
        }
    }
}

/// Where a partition goes on: where the database says, or at the oldest record of a log that was never read.
///
/// # Errors
/// The log is not the one that was read.
pub fn start(kept: Option<&Kept>, log: &Bounds) -> Result<i64, Alarm> {
    let Some(kept) = kept else { return Ok(log.first) };
    let nameless = [0; 16];
    if kept.topic_id != log.topic_id && kept.topic_id != nameless && log.topic_id != nameless {
        return Err(Alarm::OtherTopic { was: kept.topic_id, is: log.topic_id });
    }
    match kept.next {
        next if next < log.first => Err(Alarm::BeforeLog { next, first: log.first }),
        next if next > log.end => Err(Alarm::BeyondLog { next, end: log.end }),
        next => Ok(next),
    }
}

/// What a checkpoint claims: who writes, and which records it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The writer's epoch.
    pub epoch: i64,
    /// The first offset it holds.
    pub from: i64,
    /// The first offset it does not hold.
    pub to: i64,
}

/// Whether a checkpoint may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on where the database stands.
    Write,
    /// The partition is somebody else's by now.
    Lost,
    /// It is ours, but the database stands elsewhere: an earlier checkpoint did not commit, or this one did already.
    Elsewhere,
}

/// Judges a checkpoint by the partition's locked row.
pub fn checkpoint(kept: Option<&Kept>, span: &Span) -> Verdict {
    match kept {
        Some(kept) if kept.epoch != span.epoch => Verdict::Lost,
        Some(kept) if kept.next == span.from && span.to >= span.from => Verdict::Write,
        Some(_) => Verdict::Elsewhere,
        None => Verdict::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(epoch: i64, next: i64) -> Kept {
        Kept { topic_id: [1; 16], epoch, next }
    }

    fn log(first: i64, end: i64) -> Bounds {
        Bounds { topic_id: [1; 16], first, end }
    }

    #[test]
    fn a_log_that_was_never_read_is_read_from_its_oldest_record() {
        assert_eq!(start(None, &log(40, 90)), Ok(40));
    }

    #[test]
    fn another_log_stops_the_partition() {
        assert_eq!(start(Some(&kept(1, 10)), &log(20, 90)), Err(Alarm::BeforeLog { next: 10, first: 20 }));
        assert_eq!(start(Some(&kept(1, 91)), &log(20, 90)), Err(Alarm::BeyondLog { next: 91, end: 90 }));
        let anew = Bounds { topic_id: [2; 16], ..log(0, 90) };
        assert!(matches!(start(Some(&kept(1, 10)), &anew), Err(Alarm::OtherTopic { .. })));
        let nameless = Bounds { topic_id: [0; 16], ..log(0, 90) };
        assert_eq!(start(Some(&kept(1, 10)), &nameless), Ok(10), "a log without ids is taken by its offsets");
    }

    proptest! {
        #[test]
        fn reading_goes_on_exactly_where_the_database_says_or_not_at_all(next in 0..100i64, first in 0..100i64, length in 0..100i64) {
            let log = log(first, first + length);
            match start(Some(&kept(3, next)), &log) {
                Ok(at) => prop_assert!(at == next && (log.first..=log.end).contains(&next)),
                Err(_) => prop_assert!(next < log.first || next > log.end),
            }
        }

        #[test]
        fn of_two_writers_with_the_same_records_one_writes(mine in 0..4i64, theirs in 0..4i64, now in 0..4i64, from in 0..5i64, to in 5..9i64) {
            prop_assume!(mine != theirs);
            let mut row = kept(now, from);
            let mut written = 0;
            for epoch in [mine, theirs, mine, theirs] {
                let span = Span { epoch, from, to };
                if checkpoint(Some(&row), &span) == Verdict::Write {
                    row.next = span.to;
                    written += 1;
                }
            }
            prop_assert!(written <= 1);
            prop_assert_eq!(written == 1, now == mine || now == theirs);
        }
    }
}
