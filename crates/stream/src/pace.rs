//! When a checkpoint is due. Pure: times are handed in.
//! Refuses to start one while another is under way, and to let more pile up than the limits say.

use std::time::Duration;

/// The limits of what lies between two checkpoints of a partition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Progress is written this long after its first record, while the partition keeps up.
    pub due: Duration,
    /// An achievement is waited for: it is written this soon.
    pub achieved_due: Duration,
    /// A mere offset, of records that changed nothing, is written this late.
    pub idle_due: Duration,
    /// While the partition is far behind, progress waits this long, so that a player's many records become one row.
    pub behind_due: Duration,
    /// Changed players at which a checkpoint starts at once while the partition keeps up.
    pub players_max: usize,
    /// Changed players at which one starts at once while it is far behind; not below `players_max`.
    pub behind_players_max: usize,
    /// Bytes of records since the last checkpoint at which one starts at once.
    pub bytes_max: usize,
    /// What is full before it is due is stepped only, and written with what comes until then.
    pub steps_ahead: bool,
}

/// What has gathered since the last checkpoint was started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pending {
    /// Since the first record that is not written yet, or is not being written; none when there is none.
    pub age: Option<Duration>,
    /// Players whose state changed.
    pub changed: usize,
    /// Bytes of the records.
    pub bytes: usize,
    /// Somebody reached a goal, or a control row waits.
    pub achieved: bool,
    /// Something besides the offset is to be written.
    pub worth_writing: bool,
    /// How far the partition is behind its log: 0 while it keeps up, 1 when there is more than it could read soon.
    pub behind: f64,
}

/// What a partition does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read on, waiting at most this long for a record.
    Read(Duration),
    /// Start a checkpoint now.
    Checkpoint,
    /// Have the records stepped now; what they change is written later.
    Step,
    /// Wait for the checkpoint that is under way: no more may pile up behind it.
    Hold,
}

/// A look at whether there is something else to do, when nothing is pending.
const IDLE_LOOK: Duration = Duration::from_millis(100);
/// A look at whether the checkpoint that is under way has ended.
const ENDING_LOOK: Duration = Duration::from_millis(2);

impl Pace {
    /// What to do with what is pending. `under_way`: a checkpoint is being written.
    pub fn next(&self, pending: &Pending, under_way: bool) -> Next {
        let full = pending.changed >= self.room(pending) || pending.bytes >= self.bytes_max;
        match (pending.age, under_way) {
            (Some(_), true) if full => Next::Hold,
            (None, true) | (Some(_), true) => Next::Read(ENDING_LOOK),
            (None, false) => Next::Read(IDLE_LOOK),
            (Some(age), false) => match self.due(pending).checked_sub(age) {
                Some(left) if !left.is_zero() && full && self.steps_ahead => Next::Step,
                Some(left) if !left.is_zero() && !full => Next::Read(left.min(IDLE_LOOK)),
                _ => Next::Checkpoint,
            },
        }
    }

    /// How many changed players one checkpoint may have.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of `further`, which is a usize")]
    pub fn room(&self, pending: &Pending) -> usize {
        let further = self.behind_players_max.saturating_sub(self.players_max);
        self.players_max + (further as f64 * pending.behind.clamp(0.0, 1.0)) as usize
    }

    /// How old the first pending record may become.
    pub fn due(&self, pending: &Pending) -> Duration {
        if !pending.worth_writing {
            return self.idle_due.max(self.due);
        }
        let keeping_up = if pending.achieved { self.achieved_due.min(self.due) } else { self.due };
        keeping_up + self.behind_due.saturating_sub(keeping_up).mul_f64(pending.behind.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACE: Pace = Pace {
        due: Duration::from_millis(50),
        achieved_due: Duration::from_millis(10),
        idle_due: Duration::from_secs(1),
        behind_due: Duration::from_secs(5),
        players_max: 1000,
        behind_players_max: 1500,
        bytes_max: 1 << 20,
        steps_ahead: false,
    };
    const AHEAD: Pace = Pace { steps_ahead: true, ..PACE };

    fn pending() -> impl Strategy<Value = Pending> {
        (proptest::option::of(0..10_000u64), 0..2000usize, 0..2_000_000usize, any::<[bool; 2]>(), 0.0..=1.0).prop_map(
            |(age, changed, bytes, [achieved, worth_writing], behind)| Pending {
                age: age.map(Duration::from_millis),
                changed,
                bytes,
                achieved,
                worth_writing,
                behind,
            },
        )
    }

    proptest! {
        #[test]
        fn none_starts_while_one_is_under_way(pending in pending()) {
            for pace in [PACE, AHEAD] {
                prop_assert!(!matches!(pace.next(&pending, true), Next::Checkpoint | Next::Step));
            }
        }

        #[test]
        fn what_is_full_is_never_added_to(pending in pending(), under_way: bool) {
            let full = pending.changed >= PACE.behind_players_max || pending.bytes >= PACE.bytes_max;
            if pending.age.is_some() && full {
                prop_assert_eq!(PACE.next(&pending, under_way), if under_way { Next::Hold } else { Next::Checkpoint });
                prop_assert!(!matches!(AHEAD.next(&pending, under_way), Next::Read(_)));
            }
        }

        #[test]
        fn what_is_due_is_written_and_not_only_stepped(pending in pending()) {
            if pending.age.is_some_and(|age| age >= AHEAD.due(&pending)) {
                prop_assert_eq!(AHEAD.next(&pending, false), Next::Checkpoint);
            } else {
                prop_assert_ne!(AHEAD.next(&pending, false), Next::Checkpoint);
            }
        }

        #[test]
        fn a_checkpoint_has_more_room_the_further_behind_the_partition_is(mut pending in pending(), further in 0.0..=1.0) {
            let room = PACE.room(&pending);
            pending.behind = f64::max(pending.behind, further);
            prop_assert!((PACE.players_max..=PACE.behind_players_max).contains(&room));
            prop_assert!(PACE.room(&pending) >= room);
        }

        #[test]
        fn nothing_waits_longer_than_the_longest_due(pending in pending()) {
            prop_assert!(PACE.due(&pending) <= PACE.behind_due);
            if pending.age.is_some_and(|age| age >= PACE.behind_due) {
                prop_assert_eq!(PACE.next(&pending, false), Next::Checkpoint);
            }
        }

        #[test]
        fn nothing_is_written_when_nothing_was_read(mut pending in pending(), under_way: bool) {
            pending.age = None;
            prop_assert!(matches!(PACE.next(&pending, under_way), Next::Read(_)));
        }

        #[test]
        fn being_further_behind_never_makes_checkpoints_more_frequent(mut pending in pending(), further in 0.0..=1.0) {
            let due = PACE.due(&pending);
            pending.behind = f64::max(pending.behind, further);
            prop_assert!(PACE.due(&pending) >= due);
        }
    }

    #[test]
    fn an_achievement_is_written_sooner_than_progress_and_progress_sooner_than_an_offset() {
        let age = Some(Duration::from_millis(20));
        let offset = Pending { age, ..Pending::default() };
        let progress = Pending { worth_writing: true, ..offset };
        let achieved = Pending { achieved: true, ..progress };
        assert_eq!(PACE.next(&offset, false), Next::Read(Duration::from_millis(100)));
        assert_eq!(PACE.next(&progress, false), Next::Read(Duration::from_millis(30)));
        assert_eq!(PACE.next(&achieved, false), Next::Checkpoint);
    }

    #[test]
    fn what_a_backlog_changes_is_written_every_few_seconds() {
        let behind = |age| Pending { age: Some(age), worth_writing: true, achieved: true, behind: 1.0, ..Pending::default() };
        assert!(matches!(PACE.next(&behind(Duration::from_secs(4)), false), Next::Read(_)));
        assert_eq!(PACE.next(&behind(PACE.behind_due), false), Next::Checkpoint);
    }
}
