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
    /// While the partition is far behind, progress waits up to this long, so that a player's many records become one row.
    pub behind_due: Duration,
    /// Changed players at which a checkpoint starts at once while the partition keeps up.
    pub players_max: usize,
    /// Changed players at which one starts at once while it is far behind; not below `players_max`.
    pub behind_players_max: usize,
    /// Bytes of records since the last checkpoint at which one starts at once.
    pub bytes_max: usize,
}

/// A share of the time of a partition that is behind goes into writing: one part in so many.
const WRITING_SHARE: u32 = 4;

/// What has gathered since the last checkpoint was started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pending {
    /// Since the first record that is not written yet; none when there is none.
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
    /// Wait for the checkpoint that is under way: no more may pile up behind it.
    Hold,
}

/// A look at whether there is something else to do, when nothing is pending.
const IDLE_LOOK: Duration = Duration::from_millis(100);
/// A look at whether the checkpoint that is under way has ended.
const ENDING_LOOK: Duration = Duration::from_millis(2);

impl Pace {
    /// What to do with what is pending. `under_way`: a checkpoint is being written; `last_took`: how long the last one did.
    pub fn next(&self, pending: &Pending, under_way: bool, last_took: Duration) -> Next {
        let full = pending.changed >= self.room(pending) || pending.bytes >= self.bytes_max;
        match (pending.age, under_way) {
            (Some(_), true) if full => Next::Hold,
            (Some(_), false) if full => Next::Checkpoint,
            (None, true) | (Some(_), true) => Next::Read(ENDING_LOOK),
            (None, false) => Next::Read(IDLE_LOOK),
            (Some(age), false) => match self.due(pending, last_took).checked_sub(age) {
                Some(left) if !left.is_zero() => Next::Read(left.min(IDLE_LOOK)),
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
    pub fn due(&self, pending: &Pending, last_took: Duration) -> Duration {
        if !pending.worth_writing {
            return self.idle_due.max(self.due);
        }
        let keeping_up = if pending.achieved { self.achieved_due.min(self.due) } else { self.due };
        let far_behind = (last_took * (WRITING_SHARE - 1)).clamp(keeping_up, self.behind_due.max(keeping_up));
        keeping_up + (far_behind - keeping_up).mul_f64(pending.behind.clamp(0.0, 1.0))
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
    };

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
        fn none_starts_while_one_is_under_way(pending in pending(), took in 0..20_000u64) {
            prop_assert_ne!(PACE.next(&pending, true, Duration::from_millis(took)), Next::Checkpoint);
        }

        #[test]
        fn what_is_full_is_never_added_to(pending in pending(), under_way: bool, took in 0..20_000u64) {
            let full = pending.changed >= PACE.behind_players_max || pending.bytes >= PACE.bytes_max;
            let next = PACE.next(&pending, under_way, Duration::from_millis(took));
            if pending.age.is_some() && full {
                prop_assert_eq!(next, if under_way { Next::Hold } else { Next::Checkpoint });
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
        fn nothing_waits_longer_than_the_longest_due(pending in pending(), took in 0..20_000u64) {
            let took = Duration::from_millis(took);
            prop_assert!(PACE.due(&pending, took) <= PACE.behind_due);
            if pending.age.is_some_and(|age| age >= PACE.behind_due) {
                prop_assert_eq!(PACE.next(&pending, false, took), Next::Checkpoint);
            }
        }

        #[test]
        fn nothing_is_written_when_nothing_was_read(mut pending in pending(), under_way: bool) {
            pending.age = None;
            prop_assert!(matches!(PACE.next(&pending, under_way, Duration::ZERO), Next::Read(_)));
        }

        #[test]
        fn being_further_behind_never_makes_checkpoints_more_frequent(mut pending in pending(), further in 0.0..=1.0, took in 0..20_000u64) {
            let took = Duration::from_millis(took);
            let due = PACE.due(&pending, took);
            pending.behind = f64::max(pending.behind, further);
            prop_assert!(PACE.due(&pending, took) >= due);
        }

        #[test]
        fn slow_checkpoints_delay_nothing_while_the_partition_keeps_up(mut pending in pending(), took in 0..20_000u64) {
            pending.behind = 0.0;
            prop_assert_eq!(PACE.due(&pending, Duration::from_millis(took)), PACE.due(&pending, Duration::ZERO));
        }
    }

    #[test]
    fn an_achievement_is_written_sooner_than_progress_and_progress_sooner_than_an_offset() {
        let age = Some(Duration::from_millis(20));
        let offset = Pending { age, ..Pending::default() };
        let progress = Pending { worth_writing: true, ..offset };
        let achieved = Pending { achieved: true, ..progress };
        assert_eq!(PACE.next(&offset, false, Duration::ZERO), Next::Read(Duration::from_millis(100)));
        assert_eq!(PACE.next(&progress, false, Duration::ZERO), Next::Read(Duration::from_millis(30)));
        assert_eq!(PACE.next(&achieved, false, Duration::ZERO), Next::Checkpoint);
    }

    #[test]
    fn slow_checkpoints_of_a_partition_that_is_behind_are_spread_out() {
        let behind = Pending { age: Some(Duration::from_millis(500)), worth_writing: true, behind: 1.0, ..Pending::default() };
        assert_eq!(PACE.next(&behind, false, Duration::from_millis(100)), Next::Checkpoint);
        assert!(matches!(PACE.next(&behind, false, Duration::from_secs(1)), Next::Read(_)));
    }
}
