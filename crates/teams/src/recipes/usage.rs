//! How often recipes ran in this process since that was last written down, and how long.
//! Refuses to grow: a row per version, day and bucket of times.

use super::model::Usage;
use db::statistics::Histogram;
use kernel::Instant;
use kernel::time::DAY_US;
use std::collections::BTreeMap;
use std::time::Duration;

/// Days whose counts are kept.
pub(super) const KEPT_DAYS: i64 = 90;

/// What counts belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The recipe.
    pub name: String,
    /// The version that ran.
    pub version: i64,
    /// Days since 1970, UTC.
    pub day: i64,
    /// True for calls that were not answered.
    pub failed: bool,
    /// The bucket of [`Histogram`] that their time fell into.
    pub bucket: i64,
}

/// Counts that are to be added: key, calls, rows.
pub(super) type Counted = Vec<(Key, i64, i64)>;

/// The counts of this process.
#[derive(Default)]
pub(super) struct Uses {
    waiting: BTreeMap<Key, (i64, i64)>,
}

impl Uses {
    /// Counts a call; `rows` is none where it was not answered.
    pub(super) fn add(&mut self, name: &str, version: i64, now: Instant, took: Duration, rows: Option<usize>) {
        let mut one = Histogram::default();
        one.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let bucket = one.counts().iter().position(|count| *count > 0).unwrap_or_default();
        let key = Key {
            name: name.to_owned(),
            version,
            day: day(now),
            failed: rows.is_none(),
            bucket: i64::try_from(bucket).expect("there are about a hundred buckets"),
        };
        self.put_back(vec![(key, 1, i64::try_from(rows.unwrap_or_default()).unwrap_or(i64::MAX))]);
    }

    pub(super) fn take(&mut self) -> Counted {
        std::mem::take(&mut self.waiting).into_iter().map(|(key, (calls, rows))| (key, calls, rows)).collect()
    }

    pub(super) fn put_back(&mut self, counted: Counted) {
        for (key, calls, rows) in counted {
            let sums = self.waiting.entry(key).or_default();
            *sums = (sums.0.saturating_add(calls), sums.1.saturating_add(rows));
        }
    }
}

/// The day of a moment, since 1970, UTC.
pub(super) fn day(at: Instant) -> i64 {
    at.0.div_euclid(DAY_US)
}

/// What counts of one version come to: whether they failed, bucket, calls, rows.
pub(super) fn usage(counts: &[(bool, i64, i64, i64)]) -> Usage {
    let mut times = Histogram::default().counts().to_vec();
    let mut usage = Usage::default();
    for (failed, bucket, calls, rows) in counts {
        let calls = u64::try_from(*calls).unwrap_or_default();
        if *failed {
            usage.failed += calls;
            continue;
        }
        usage.calls += calls;
        usage.rows += u64::try_from(*rows).unwrap_or_default();
        if let Some(count) = usize::try_from(*bucket).ok().and_then(|at| times.get_mut(at)) {
            *count += calls;
        }
    }
    let times = Histogram::of(times);
    let ms = |share| (times.quantile_us(share) / 10.0).round() / 100.0;
    Usage { p50_ms: ms(0.5), p95_ms: ms(0.95), p99_ms: ms(0.99), ..usage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_and_failed_ones_have_no_part_in_the_times() {
        let (mut uses, now) = (Uses::default(), Instant(3 * DAY_US + 7));
        for _ in 0..98 {
            uses.add("top", 1, now, Duration::from_micros(1_000), Some(2));
        }
        uses.add("top", 1, now, Duration::from_micros(50_000), Some(2));
        uses.add("top", 1, now, Duration::from_secs(2), None);
        let counted = uses.take();
        assert_eq!(counted.len(), 3);
        assert!(counted.iter().all(|(key, ..)| key.day == 3));
        assert!(uses.take().is_empty());
        uses.put_back(counted.clone());
        assert_eq!(uses.take(), counted);
        let of: Vec<_> = counted.iter().map(|(key, calls, rows)| (key.failed, key.bucket, *calls, *rows)).collect();
        let usage = usage(&of);
        assert_eq!((usage.calls, usage.failed, usage.rows), (99, 1, 198));
        assert!((0.8..1.3).contains(&usage.p50_ms) && (40.0..60.0).contains(&usage.p99_ms), "{usage:?}");
    }
}
