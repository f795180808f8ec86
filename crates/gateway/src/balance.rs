//! Which of a service's instances gets a request: the better of two drawn by lot. Pure.
//! Refuses to look at all of them: two are enough to spread load well, and nobody is everyone's favourite.
//!
//! Mitzenmacher, "The power of two choices in randomized load balancing" (2001); latency as a moving average as in Finagle.

use std::time::Duration;

/// What is known of a candidate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests under way.
    pub(crate) in_flight: usize,
    /// The moving average of its latency, in microseconds.
    pub(crate) latency_us: f64,
    /// Its share against the others' shares.
    pub(crate) weight: u32,
}

impl Load {
    /// How long a request sent there would take, roughly; smaller is better.
    #[expect(clippy::cast_precision_loss, reason = "a score needs no more digits than a float has")]
    fn score(&self) -> f64 {
        (self.in_flight as f64 + 1.0) * self.latency_us.max(1.0) / f64::from(self.weight.max(1))
    }
}

/// Two places of a list of `len`, distinct where there are two, drawn by 64 random bits.
pub(crate) fn two(len: usize, random: u64) -> (usize, usize) {
    let below = |bits: u64, end: usize| usize::try_from(((bits & 0xFFFF_FFFF) * end as u64) >> 32).expect("below a length");
    let first = below(random, len);
    if len < 2 {
        return (first, first);
    }
    let second = below(random >> 32, len - 1);
    (first, if second >= first { second + 1 } else { second })
}

/// True when the first of two is the better.
pub(crate) fn is_better(a: Load, b: Load) -> bool {
    a.score() <= b.score()
}

/// How fast a moving average follows: what was seen this long ago still counts for a third.
const MEMORY: Duration = Duration::from_secs(5);
/// What one slower answer counts at least, so that an instance that slows down is noticed at once.
const RISE: f64 = 0.2;

/// The average after one more answer, `apart` after the one before.
pub(crate) fn averaged(average_us: f64, latency_us: f64, apart: Duration) -> f64 {
    let forgotten = 1.0 - (-apart.as_secs_f64() / MEMORY.as_secs_f64()).exp();
    let share = if latency_us > average_us { forgotten.max(RISE) } else { forgotten.max(0.02) };
    average_us + (latency_us - average_us) * share
}

/// What an instance that was asked nothing is forgiven: after this long a third of its average is left.
const FORGIVES: Duration = Duration::from_secs(2);

/// An average as it is judged by when nobody has asked for so long: who was slow would else never be asked again, and never be found quick.
pub(crate) fn faded(average_us: f64, idle: Duration) -> f64 {
    average_us * (-idle.as_secs_f64() / FORGIVES.as_secs_f64()).exp()
}

#[cfg(test)]
mod fleet;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(in_flight: usize, latency_us: f64, weight: u32) -> Load {
        Load { in_flight, latency_us, weight }
    }

    #[test]
    fn the_idler_the_faster_and_the_heavier_is_better() {
        assert!(is_better(load(1, 100.0, 100), load(2, 100.0, 100)));
        assert!(is_better(load(3, 100.0, 100), load(3, 200.0, 100)));
        assert!(is_better(load(3, 100.0, 200), load(3, 100.0, 100)));
    }

    #[test]
    fn an_average_follows_slowness_faster_than_its_end() {
        let apart = Duration::from_micros(10);
        let mut average = 1_000.0;
        for _ in 0..10 {
            average = averaged(average, 100_000.0, apart);
        }
        assert!(average > 80_000.0, "{average}");
        let slowed = average;
        average = averaged(average, 1_000.0, apart);
        assert!(average > slowed * 0.9 && average < slowed, "{average}");
    }

    #[test]
    fn an_instance_that_was_slow_is_tried_again_once_it_idles() {
        let slow = |idle_s| load(0, faded(1_000_000.0, Duration::from_secs(idle_s)), 100);
        let quick = load(0, 2_000.0, 100);
        assert!(!is_better(slow(0), quick) && !is_better(slow(10), quick));
        assert!(is_better(slow(15), quick));
    }

    /// Requests sent one at a time to instances that take as long as they take: who gets how many.
    fn spread(instances: &[(u32, u64)], seed: u64) -> Vec<usize> {
        let mut random = kernel::Random::new(seed);
        let mut busy: Vec<Vec<u64>> = vec![Vec::new(); instances.len()];
        let mut given = vec![0; instances.len()];
        for now in (0..40_000_u64).map(|n| n * 50) {
            for ends in &mut busy {
                ends.retain(|end| *end > now);
            }
            let of = |at: usize| load(busy[at].len(), instances[at].1 as f64, instances[at].0);
            let (a, b) = two(instances.len(), random.next());
            let chosen = if is_better(of(a), of(b)) { a } else { b };
            busy[chosen].push(now + instances[chosen].1);
            given[chosen] += 1;
        }
        given
    }

    #[test]
    fn equal_instances_get_equal_shares_and_a_slow_one_gets_fewer() {
        let even = spread(&[(100, 1_000); 10], 7);
        assert!(even.iter().all(|n| (3_000..5_000).contains(n)), "{even:?}");
        let slow = spread(&[(100, 1_000), (100, 1_000), (100, 10_000)], 7);
        assert!(slow[2] * 4 < slow[0], "{slow:?}");
    }

    #[test]
    fn a_thousand_instances_are_all_used_and_none_is_drowned() {
        let given = spread(&[(100, 30_000); 1_000], 11);
        let most = given.iter().max().unwrap();
        assert!(given.iter().all(|n| *n > 0) && *most < 40 * 4, "{most}");
    }

    #[test]
    fn more_weight_gets_more() {
        let given = spread(&[(100, 2_000), (300, 2_000), (100, 2_000), (300, 2_000)], 3);
        assert!(given[1] > given[0] * 3 / 2 && given[3] > given[2] * 3 / 2, "{given:?}");
    }

    proptest! {
        #[test]
        fn two_places_lie_in_the_list_and_differ(len in 1_usize..2_000, random: u64) {
            let (a, b) = two(len, random);
            prop_assert!(a < len && b < len);
            prop_assert!(len == 1 || a != b);
        }

        #[test]
        fn an_average_stays_between_what_was_seen(start in 1.0_f64..1e9, seen in 1.0_f64..1e9, apart_ms in 0_u64..100_000) {
            let next = averaged(start, seen, Duration::from_millis(apart_ms));
            prop_assert!(next >= start.min(seen) - 1.0 && next <= start.max(seen) + 1.0);
        }
    }
}
