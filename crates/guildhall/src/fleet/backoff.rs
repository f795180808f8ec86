//! Decides how long to wait before a process that ended is started again. Pure.

use std::time::Duration;

/// How often a process ended soon after its start, and what follows from it.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    in_a_row: u32,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Backoff {
        Backoff { min: min.min(max), max, in_a_row: 0 }
    }

    /// The pause after an end. A process that lived longer than the longest pause starts over with the shortest one.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        self.in_a_row = if lived > self.max { 0 } else { self.in_a_row.saturating_add(1) };
        let doublings = self.in_a_row.saturating_sub(1).min(20);
        self.min.saturating_mul(1 << doublings).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over_after_a_long_life() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let pauses: Vec<u128> = (0..6).map(|_| backoff.after(Duration::from_millis(5)).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(backoff.after(Duration::from_secs(2)).as_millis(), 100);
        assert_eq!(backoff.after(Duration::from_millis(5)).as_millis(), 100);
        assert_eq!(backoff.after(Duration::from_millis(5)).as_millis(), 200);
    }
}
