//! Times in buckets that grow with the time: four to each doubling, so that a quantile is right to a tenth.
//! Refuses exact times: what is kept of a call is the bucket it fell into.

use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets of a histogram: microseconds up to two minutes; what takes longer falls into the last.
pub const BUCKETS: usize = 104;

/// The buckets, as they are counted.
pub(super) struct Buckets([AtomicU64; BUCKETS]);

impl Default for Buckets {
    fn default() -> Buckets {
        Buckets([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Buckets {
    pub(super) fn add(&self, us: u64) {
        self.0[bucket(us)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Histogram {
        Histogram(self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect())
    }
}

/// How many calls took how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram(Vec<u64>);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram(vec![0; BUCKETS])
    }
}

impl Histogram {
    /// Counts per bucket; missing ones are zero, further ones are dropped.
    pub fn of(mut counts: Vec<u64>) -> Histogram {
        counts.resize(BUCKETS, 0);
        Histogram(counts)
    }

    /// Counts per bucket, [`BUCKETS`] of them.
    pub fn counts(&self) -> &[u64] {
        &self.0
    }

    /// Calls altogether.
    pub fn calls(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Histogram) {
        self.0.iter_mut().zip(&other.0).for_each(|(count, more)| *count += more);
    }

    /// What was counted since an earlier reading.
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        Histogram(self.0.iter().zip(&earlier.0).map(|(now, then)| now.saturating_sub(*then)).collect())
    }

    /// Counts a time in microseconds.
    pub fn record(&mut self, us: u64) {
        self.0[bucket(us)] += 1;
    }

    /// The time in microseconds that this share of the calls stayed under, as 0.99; zero without calls.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let wanted = share.clamp(0.0, 1.0) * self.calls() as f64;
        let mut counted = 0.0;
        for (at, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if counted + count >= wanted {
                // Calls are taken as spread evenly over their bucket.
                let (from, to) = (start(at) as f64, start(at + 1) as f64);
                return from + (to - from) * ((wanted - counted) / count).clamp(0.0, 1.0);
            }
            counted += count;
        }
        0.0
    }
}

fn bucket(us: u64) -> usize {
    if us < 4 {
        return usize::try_from(us).expect("below four");
    }
    let octave = us.ilog2();
    let quarter = (us >> (octave - 2)) & 3;
    let at = (octave as usize - 1) * 4 + usize::try_from(quarter).expect("two bits");
    at.min(BUCKETS - 1)
}

/// The first microsecond of a bucket.
fn start(at: usize) -> u64 {
    if at < 4 {
        return at as u64;
    }
    (4 + at as u64 % 4) << (at / 4 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_the_bucket_that_begins_at_or_before_it() {
        for us in (0..5_000).chain((0..26).map(|power| (1 << power) + 1)) {
            let at = bucket(us);
            assert!(start(at) <= us && us < start(at + 1), "{us} fell into {at}: {}..{}", start(at), start(at + 1));
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_right_to_an_eighth() {
        let mut histogram = Histogram::default();
        (1..=10_000).for_each(|us| histogram.record(us));
        for (share, right) in [(0.5, 5_000.0), (0.95, 9_500.0), (0.99, 9_900.0)] {
            let told = histogram.quantile_us(share);
            assert!((told - right).abs() < right / 8.0, "{share}: {told} is far from {right}");
        }
        assert_eq!(Histogram::default().quantile_us(0.5), 0.0);
    }
}
