//! Requests per time: per address, per user, per API key; each of them a bucket that fills again (GCRA, by the crate governor).
//! Refuses to remember more of them than the policy allows: when it is full, who is within their limits is forgotten,
//! and while too few are, newcomers share one bucket.

use crate::policy::{Limits, Rate};
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::peers::now_ms;
use kernel::UserId;

/// Who is over a limit that is full is not looked for more often than this: it walks over all of them.
const FORGET_EVERY_MS: u64 = 1_000;

/// The three limits.
pub(crate) struct Limiters {
    address: Option<Limiter<IpAddr>>,
    user: Option<Limiter<UserId>>,
    key: Option<Limiter<u64>>,
}

impl Limiters {
    pub(crate) fn new(policy: &Limits) -> Limiters {
        Limiters {
            address: Limiter::new(policy.address, policy.remembered_max),
            user: Limiter::new(policy.user, policy.remembered_max),
            key: Limiter::new(policy.key, policy.remembered_max),
        }
    }

    /// How long this address has to wait, if it has to.
    pub(crate) fn address(&self, address: IpAddr) -> Option<Duration> {
        self.address.as_ref()?.wait(&crate::address::counted(address))
    }

    /// How long this user has to wait.
    pub(crate) fn user(&self, user: UserId) -> Option<Duration> {
        self.user.as_ref()?.wait(&user)
    }

    /// How long this API key has to wait; it is known by its hash.
    pub(crate) fn key(&self, key: u64) -> Option<Duration> {
        self.key.as_ref()?.wait(&key)
    }
}

struct Limiter<K: Hash + Eq + Clone> {
    known: RateLimiter<K, DashMapStateStore<K>, DefaultClock>,
    newcomers: governor::DefaultDirectRateLimiter,
    remembered_max: usize,
    remembered: AtomicU64,
    forgot_at_ms: AtomicU64,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(rate: Rate, remembered_max: usize) -> Option<Limiter<K>> {
        let quota = Quota::per_second(NonZeroU32::new(rate.per_s)?).allow_burst(NonZeroU32::new(rate.burst.max(1))?);
        Some(Limiter {
            known: RateLimiter::dashmap(quota),
            newcomers: RateLimiter::direct(quota),
            remembered_max,
            remembered: AtomicU64::new(0),
            forgot_at_ms: AtomicU64::new(0),
            clock: DefaultClock::default(),
        })
    }

    fn wait(&self, key: &K) -> Option<Duration> {
        let verdict = if self.has_room() { self.known.check_key(key) } else { self.newcomers.check() };
        verdict.err().map(|until| until.wait_time_from(self.clock.now()))
    }

    /// True when one more may be remembered. Counting them walks over the map's shards, so it is done every so many requests.
    fn has_room(&self) -> bool {
        const COUNT_EVERY: u64 = 1_024;
        let n = self.remembered.fetch_add(1, Ordering::Relaxed);
        let every = COUNT_EVERY.min(self.remembered_max as u64 / 16 + 1);
        if !n.is_multiple_of(every) && self.forgot_at_ms.load(Ordering::Relaxed) == 0 {
            return true;
        }
        if self.known.len() < self.remembered_max {
            self.forgot_at_ms.store(0, Ordering::Relaxed);
            return true;
        }
        let (now, last) = (now_ms().max(1), self.forgot_at_ms.load(Ordering::Relaxed));
        if now.saturating_sub(last) >= FORGET_EVERY_MS || last == 0 {
            self.forgot_at_ms.store(now, Ordering::Relaxed);
            self.known.retain_recent();
        }
        self.known.len() < self.remembered_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_s: u32, burst: u32, remembered_max: usize) -> Limits {
        let rate = Rate { per_s, burst };
        Limits { address: rate, user: rate, key: rate, remembered_max }
    }

    #[test]
    fn a_burst_passes_and_then_the_caller_waits_while_others_pass() {
        let limiters = Limiters::new(&limits(1, 5, 100));
        assert!((0..5).all(|_| limiters.key(7).is_none()));
        let wait = limiters.key(7).expect("the sixth waits");
        assert!(wait <= Duration::from_secs(1));
        assert!(limiters.key(8).is_none());
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let limiters = Limiters::new(&Limits::none());
        assert!((0..100_000).all(|_| limiters.key(7).is_none()));
    }

    #[test]
    fn a_million_addresses_are_not_remembered() {
        let limiters = Limiters::new(&limits(1, 1, 1_000));
        let passed = (0..1_000_000_u32).filter(|n| limiters.address(IpAddr::from(n.to_be_bytes())).is_none()).count();
        let known = limiters.address.as_ref().expect("it has a limit").known.len();
        assert!(known <= 1_000 + 64, "{known}");
        assert!(passed < 200_000, "{passed} newcomers passed although they share a bucket");
    }

    #[test]
    fn neighbours_of_one_64_share_a_bucket() {
        let limiters = Limiters::new(&limits(1, 2, 100));
        let neighbour = |n: u32| limiters.address(format!("2001:db8::{n:x}").parse().unwrap());
        assert!(neighbour(1).is_none() && neighbour(2).is_none() && neighbour(3).is_some());
    }
}
