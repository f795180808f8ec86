//! How many requests may be sent again: a share of those that came, and a few more. Pure.
//! Refuses the storm in which every failure of a service that can do no more is answered by more work for it.

use crate::Retries;

/// Thousandths of a retry that a minute's rest may save up: no more than ten seconds of the allowance that is always there,
/// and as much again as came with requests.
const SAVED_S: u64 = 10;
const THOUSAND: u64 = 1_000;

/// The budget of one service, at one gateway.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    per_request_milli: u64,
    per_s_milli: u64,
    saved_milli: u64,
    at_ms: u64,
}

impl Budget {
    pub(crate) fn new(policy: &Retries) -> Budget {
        let per_s_milli = u64::from(policy.budget_per_s_min) * THOUSAND;
        Budget { per_request_milli: u64::from(policy.budget_percent) * 10, per_s_milli, saved_milli: per_s_milli, at_ms: 0 }
    }

    /// A request came.
    pub(crate) fn came(&mut self) {
        self.add(self.per_request_milli);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn take(&mut self, now_ms: u64) -> bool {
        let passed_ms = now_ms.saturating_sub(self.at_ms).min(SAVED_S * THOUSAND);
        self.at_ms = self.at_ms.max(now_ms);
        self.add(self.per_s_milli * passed_ms / THOUSAND);
        let Some(left) = self.saved_milli.checked_sub(THOUSAND) else { return false };
        self.saved_milli = left;
        true
    }

    fn add(&mut self, milli: u64) {
        let most = (self.per_s_milli + self.per_request_milli) * SAVED_S;
        self.saved_milli = (self.saved_milli + milli).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn retries(budget_percent: u32, budget_per_s_min: u32) -> Retries {
        Retries { tries: 2, budget_percent, budget_per_s_min, body_kept_bytes: 0 }
    }

    #[test]
    fn without_an_allowance_nothing_is_sent_again() {
        let mut budget = Budget::new(&retries(0, 0));
        budget.came();
        assert!(!budget.take(1_000_000));
    }

    proptest! {
        /// Every request fails, and would be sent again without end.
        #[test]
        fn retries_stay_within_the_share(percent in 0_u32..=100, per_s in 0_u32..=50, requests in 100_u64..5_000, gap_ms in 0_u64..20) {
            let mut budget = Budget::new(&retries(percent, per_s));
            let mut taken = 0_u64;
            for n in 0..requests {
                budget.came();
                while budget.take(n * gap_ms) {
                    taken += 1;
                }
            }
            let seconds = requests * gap_ms / 1_000 + 2;
            let most = requests * u64::from(percent) / 100 + seconds * u64::from(per_s) + 1;
            prop_assert!(taken <= most, "{} of {}", taken, most);
        }
    }
}
