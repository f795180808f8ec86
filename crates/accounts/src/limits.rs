//! How often somebody may try: per account and per network address, a minute's worth at once and then evenly.
//! Refuses to grow: who tries is hashed into a fixed number of slots, with keys nobody outside can know.

use crate::Policy;
use governor::clock::{Clock, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use kernel::{Code, Refusal};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

/// Slots of one limit; about 6 MB when every one of them was used. Two who share one share its limit.
const SLOTS: u64 = 1 << 18;

/// The limits on attempts.
pub(crate) struct Limits {
    account: Limit,
    address: Limit,
}

struct Limit {
    rates: RateLimiter<u32, HashMapStateStore<u32>, DbClock, NoOpMiddleware<Duration>>,
    clock: DbClock,
    hashing: RandomState,
    of: &'static str,
}

/// The clock of the database handle, which tests move.
#[derive(Clone)]
pub(crate) struct DbClock(pub(crate) db::Db);

impl Clock for DbClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now().0).unwrap_or_default())
    }
}

impl Limits {
    pub(crate) fn new(db: &db::Db, policy: &Policy) -> Limits {
        Limits {
            account: Limit::new(db, policy.login_attempts_per_account_per_min, "this account"),
            address: Limit::new(db, policy.login_attempts_per_address_per_min, "this network address"),
        }
    }

    /// Counts an attempt from an address; requests without one come from within and are not counted.
    pub(crate) fn from(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        address.map_or(Ok(()), |address| self.address.attempt(&network(address)))
    }

    /// Counts an attempt on an account, by the hash of its e-mail address, whether it exists or not.
    pub(crate) fn on(&self, account: &[u8]) -> Result<(), Refusal> {
        self.account.attempt(account)
    }
}

impl Limit {
    fn new(db: &db::Db, per_minute: u32, of: &'static str) -> Limit {
        let clock = DbClock(db.clone());
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Limit { rates: RateLimiter::hashmap_with_clock(quota, clock.clone()), clock, hashing: RandomState::new(), of }
    }

    fn attempt(&self, who: &(impl Hash + ?Sized)) -> Result<(), Refusal> {
        let slot = u32::try_from(self.hashing.hash_one(who) % SLOTS).expect("there are fewer slots than a u32 counts");
        self.rates.check_key(&slot).map_err(|until| {
            let wait: Duration = until.earliest_possible().duration_since(self.clock.now()).into();
            let seconds = wait.as_secs() + 1;
            let told = format!("too many attempts on or from {}: wait {seconds} s before the next", self.of);
            Refusal::new(Code::TooManyAttempts, told).with_facts(serde_json::json!({ "retry_after_s": seconds }))
        })
    }
}

/// A household or a host has a whole /64 of IPv6 (RFC 6177): counting single addresses there would count nothing.
fn network(address: IpAddr) -> [u8; 16] {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            octets
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn database() -> (tempfile::TempDir, db::Db) {
        let dir = tempfile::tempdir().unwrap();
        let options = db::Options::new(format!("sqlite:{}", dir.path().join("t.db").display()));
        db::migrate(&options).await.unwrap();
        (dir, db::Db::open(options).await.unwrap())
    }

    #[tokio::test]
    async fn a_minute_holds_its_attempts_and_the_next_ones_come_evenly() {
        let (_dir, db) = database().await;
        let limits = Limits::new(&db, &Policy { login_attempts_per_account_per_min: 6, ..Policy::default() });
        for _ in 0..6 {
            limits.on(b"jane").unwrap();
        }
        let refusal = limits.on(b"jane").unwrap_err();
        assert_eq!(refusal.code, Code::TooManyAttempts);
        let wait = refusal.facts.unwrap()["retry_after_s"].as_i64().unwrap();
        assert!((1..=11).contains(&wait), "{wait}");
        limits.on(b"john").unwrap();
        db.clock().advance_us(10_100_000);
        limits.on(b"jane").unwrap();
        assert!(limits.on(b"jane").is_err());
    }

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_share_a_limit() {
        let (_dir, db) = database().await;
        let limits = Limits::new(&db, &Policy { login_attempts_per_address_per_min: 1, ..Policy::default() });
        limits.from(Some("2001:db8::1".parse().unwrap())).unwrap();
        assert!(limits.from(Some("2001:db8::2".parse().unwrap())).is_err());
        limits.from(Some("192.0.2.1".parse().unwrap())).unwrap();
        assert!(limits.from(Some("::ffff:192.0.2.1".parse().unwrap())).is_err(), "the same host by another name");
        limits.from(None).unwrap();
        limits.from(None).unwrap();
    }

    #[tokio::test]
    async fn a_limit_stays_within_its_slots() {
        let (_dir, db) = database().await;
        let limit = Limit::new(&db, 5, "test");
        for n in 0..SLOTS * 2 {
            let _ = limit.attempt(&n);
        }
        assert!(limit.rates.len() as u64 <= SLOTS);
    }
}
