//! Whether an instance gets requests: by what it answers to them, and by what it answers when it is asked. Pure; time is an argument.
//! Refuses to decide alone: it asks to be taken out, and the service's other instances decide whether they can do without it.

use crate::{Ejection, Probes};

/// How an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Gets requests.
    Up,
    /// Was taken out for its answers; one request at a time finds out whether it may come back.
    Trial,
    /// Was taken out for its answers.
    Out,
    /// Does not answer that it is ready.
    Down,
}

impl Standing {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Standing::Up => "up",
            Standing::Trial => "trial",
            Standing::Out => "out",
            Standing::Down => "down",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    Closed,
    Open { until_ms: u64 },
    Half { asked: bool, good: u32 },
}

/// What is remembered of one instance.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    circuit: Circuit,
    in_a_row: u32,
    window_from_ms: u64,
    requests: u32,
    failed: u32,
    /// Times it was taken out without having been good for long in between.
    times: u32,
    back_at_ms: u64,
    down: bool,
    probes_in_a_row: u32,
}

impl Health {
    /// One that nothing is known of: it registered, so it is taken to be well.
    pub(crate) fn new() -> Health {
        Health {
            circuit: Circuit::Closed,
            in_a_row: 0,
            window_from_ms: 0,
            requests: 0,
            failed: 0,
            times: 0,
            back_at_ms: 0,
            down: false,
            probes_in_a_row: 0,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        match (self.down, self.circuit) {
            (true, _) => Standing::Down,
            (false, Circuit::Closed) => Standing::Up,
            (false, Circuit::Half { .. }) => Standing::Trial,
            (false, Circuit::Open { .. }) => Standing::Out,
        }
    }

    /// True when it was taken out for its answers, whether it is being tried again or not.
    pub(crate) fn is_out(&self) -> bool {
        self.circuit != Circuit::Closed
    }

    /// Takes in what it did with a request. True when it should be taken out, if the others can do without it.
    pub(crate) fn answered(&mut self, good: bool, now_ms: u64, policy: &Ejection) -> bool {
        if let Circuit::Half { good: so_far, .. } = self.circuit {
            self.tried(good, so_far, now_ms, policy);
            return false;
        }
        if now_ms.saturating_sub(self.window_from_ms) >= millis(policy.window) {
            (self.window_from_ms, self.requests, self.failed) = (now_ms, 0, 0);
        }
        self.requests = self.requests.saturating_add(1);
        self.in_a_row = if good { 0 } else { self.in_a_row + 1 };
        self.failed += u32::from(!good);
        let too_often = self.requests >= policy.requests_min
            && u64::from(self.failed) * 100 >= u64::from(self.requests) * u64::from(policy.failed_percent);
        !good && self.circuit == Circuit::Closed && (self.in_a_row >= policy.in_a_row || too_often)
    }

    /// Requests of the window so far, which a judgement on its latency needs.
    pub(crate) fn requests(&self) -> u32 {
        self.requests
    }

    fn tried(&mut self, good: bool, so_far: u32, now_ms: u64, policy: &Ejection) {
        if !good {
            self.eject(now_ms, policy);
        } else if so_far + 1 < policy.trials {
            self.circuit = Circuit::Half { asked: false, good: so_far + 1 };
        } else {
            self.circuit = Circuit::Closed;
            self.back_at_ms = now_ms;
            (self.in_a_row, self.requests, self.failed, self.window_from_ms) = (0, 0, 0, now_ms);
        }
    }

    /// Takes it out: longer each time, unless it was good for as long as the longest ejection.
    pub(crate) fn eject(&mut self, now_ms: u64, policy: &Ejection) {
        if self.circuit == Circuit::Closed && now_ms.saturating_sub(self.back_at_ms) >= millis(policy.longest) {
            self.times = 0;
        }
        let longer = millis(policy.first).saturating_mul(1 << self.times.min(20));
        self.times = self.times.saturating_add(1);
        self.circuit = Circuit::Open { until_ms: now_ms.saturating_add(longer.min(millis(policy.longest))) };
        (self.in_a_row, self.requests, self.failed) = (0, 0, 0);
    }

    /// Time passes: whoever was out for long enough is tried. True when that begins now.
    pub(crate) fn tick(&mut self, now_ms: u64) -> bool {
        let due = matches!(self.circuit, Circuit::Open { until_ms } if until_ms <= now_ms);
        if due {
            self.circuit = Circuit::Half { asked: false, good: 0 };
        }
        due
    }

    /// Asks for the one request that may be sent to find out whether it is well.
    pub(crate) fn try_it(&mut self) -> bool {
        match self.circuit {
            Circuit::Half { asked: false, good } if !self.down => {
                self.circuit = Circuit::Half { asked: true, good };
                true
            }
            _ => false,
        }
    }

    /// The request under trial ended without saying anything about it, as when the caller left.
    pub(crate) fn untried(&mut self) {
        if let Circuit::Half { good, .. } = self.circuit {
            self.circuit = Circuit::Half { asked: false, good };
        }
    }

    /// Takes in the answer to an active check. True when its standing changed.
    pub(crate) fn probed(&mut self, good: bool, policy: &Probes) -> bool {
        if good != self.down {
            self.probes_in_a_row = 0;
            return false;
        }
        self.probes_in_a_row += 1;
        if self.probes_in_a_row < if good { policy.rise } else { policy.fall } {
            return false;
        }
        self.probes_in_a_row = 0;
        self.down = !good;
        true
    }
}

/// True when one more may be taken out of a service with so many instances.
pub(crate) fn may_eject(instances: usize, out: usize, policy: &Ejection) -> bool {
    (out + 1) * 100 <= instances * policy.share_max_percent as usize
}

/// The latency, in microseconds, above which an instance is an outlier beside the others; none while there are no others.
/// `sorted` are the latencies of all of them, its own among them.
pub(crate) fn slow_limit_us(sorted: &[f64], own: f64, policy: &Ejection) -> Option<f64> {
    let others = sorted.len().checked_sub(1).filter(|others| *others > 0)?;
    let middle = others / 2;
    // Without its own, what lies behind it moves up by one.
    let median = if own <= sorted[middle] { sorted[middle + 1] } else { sorted[middle] };
    Some((median * f64::from(policy.slower_factor)).max(policy.slower_than.as_secs_f64() * 1e6))
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> Ejection {
        Ejection::default()
    }

    fn ejected(now_ms: u64) -> Health {
        let mut health = Health::new();
        for _ in 0..policy().in_a_row - 1 {
            assert!(!health.answered(false, now_ms, &policy()));
        }
        assert!(health.answered(false, now_ms, &policy()));
        health.eject(now_ms, &policy());
        health
    }

    #[test]
    fn five_failures_in_a_row_take_it_out_and_three_good_trials_bring_it_back() {
        let mut health = ejected(1_000);
        assert_eq!(health.standing(), Standing::Out);
        assert!(!health.tick(5_999) && health.tick(6_000));
        for _ in 0..policy().trials {
            assert_eq!(health.standing(), Standing::Trial);
            assert!(health.try_it() && !health.try_it(), "one at a time");
            health.answered(true, 6_100, &policy());
        }
        assert_eq!(health.standing(), Standing::Up);
    }

    #[test]
    fn a_failed_trial_doubles_the_time_and_long_good_conduct_forgets_it() {
        let mut health = ejected(0);
        health.tick(5_000);
        assert!(health.try_it());
        health.answered(false, 5_000, &policy());
        assert!(!health.tick(14_999) && health.tick(15_000));
        for _ in 0..policy().trials {
            assert!(health.try_it());
            health.answered(true, 15_000, &policy());
        }
        health.eject(15_000 + 60_000, &policy());
        assert!(health.tick(15_000 + 60_000 + 5_000), "the first time again");
    }

    #[test]
    fn a_trial_whose_caller_left_is_given_to_the_next() {
        let mut health = ejected(0);
        health.tick(5_000);
        assert!(health.try_it());
        health.untried();
        assert!(health.try_it());
    }

    #[test]
    fn every_other_failure_takes_it_out_although_none_follows_another() {
        let mut health = Health::new();
        let asked = (0..40).position(|n| health.answered(n % 2 == 0, 0, &policy()));
        assert_eq!(asked, Some(19));
    }

    #[test]
    fn probes_take_it_down_and_bring_it_back() {
        let probes = Probes::default();
        let mut health = Health::new();
        assert!(!health.probed(false, &probes) && !health.probed(true, &probes) && !health.probed(false, &probes));
        assert!(health.probed(false, &probes));
        assert_eq!(health.standing(), Standing::Down);
        assert!(!health.probed(true, &probes) && health.probed(true, &probes));
        assert_eq!(health.standing(), Standing::Up);
    }

    #[test]
    fn an_outlier_is_slower_than_the_median_of_the_others_by_the_factor() {
        assert_eq!(slow_limit_us(&[1_000.0], 1_000.0, &policy()), None);
        assert_eq!(slow_limit_us(&[1_000.0, 90_000.0], 90_000.0, &policy()), Some(250_000.0));
        assert_eq!(slow_limit_us(&[90_000.0, 120_000.0], 90_000.0, &policy()), Some(600_000.0), "the faster of two is no outlier");
        assert_eq!(slow_limit_us(&[90_000.0, 100_000.0, 120_000.0, 800_000.0], 800_000.0, &policy()), Some(500_000.0));
    }

    proptest! {
        #[test]
        fn the_median_is_that_of_the_others(latencies in proptest::collection::vec(60_000.0_f64..1e6, 2..40), nth: proptest::sample::Index) {
            let own = *nth.get(&latencies);
            let mut sorted = latencies.clone();
            sorted.sort_by(f64::total_cmp);
            let mut others = latencies;
            others.remove(others.iter().position(|latency| *latency == own).expect("it is one of them"));
            others.sort_by(f64::total_cmp);
            prop_assert_eq!(slow_limit_us(&sorted, own, &policy()), Some((others[others.len() / 2] * 5.0).max(250_000.0)));
        }

        #[test]
        fn never_more_than_the_share_is_out(instances in 0_usize..1_200, share in 0_u32..=99) {
            let policy = Ejection { share_max_percent: share, ..policy() };
            let mut out = 0;
            while may_eject(instances, out, &policy) {
                out += 1;
            }
            prop_assert!(out * 100 <= instances * share as usize);
            prop_assert!(instances == 0 || out < instances);
        }

        /// Whatever happens, an instance that is well from some time on is in again after the longest ejection and its trials.
        #[test]
        fn whoever_is_well_comes_back(history in proptest::collection::vec((any::<bool>(), 0_u64..3_000), 0..300)) {
            let policy = policy();
            let mut health = Health::new();
            let mut now = 0;
            let answer = |health: &mut Health, good: bool, now: u64| {
                health.tick(now);
                let gets = match health.standing() {
                    Standing::Up => true,
                    Standing::Trial => health.try_it(),
                    Standing::Out | Standing::Down => false,
                };
                if gets && health.answered(good, now, &policy) {
                    health.eject(now, &policy);
                }
            };
            for (good, apart) in history {
                now += apart;
                answer(&mut health, good, now);
            }
            now += millis(policy.longest);
            for _ in 0..policy.trials {
                answer(&mut health, true, now);
            }
            prop_assert_eq!(health.standing(), Standing::Up);
        }
    }
}
