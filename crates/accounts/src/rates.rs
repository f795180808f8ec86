//! How many requests an API key may send: so many a second, and a burst of them at once; told on every answer.
//! Refuses what comes beyond. Each process counts for itself, so a fleet of three lets three times as many through.

use crate::limits::DbClock;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use axum::middleware::Next;
use axum::response::Response;
use db::Db;
use governor::clock::{Clock as _, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use kernel::{Code, KeyId, Refusal};
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use web::KEY_PREFIX;

static LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
static REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// How many requests each key may send; nothing where keys are not limited.
pub(crate) struct Rates {
    counting: Option<Counting>,
}

struct Counting {
    // Only keys that exist are counted, so there are as many slots as keys.
    limiter: RateLimiter<KeyId, HashMapStateStore<KeyId>, DbClock, StateInformationMiddleware>,
    clock: DbClock,
    per_second: u32,
    burst: u32,
}

/// Where a key stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    limit: u32,
    remaining: u32,
    /// Seconds until the whole burst can be sent again.
    reset_s: u64,
}

impl Rates {
    /// `per_second` requests, and `burst` at once; 0 a second does not limit.
    pub(crate) fn new(db: &Db, per_second: u32, burst: u32) -> Rates {
        let counting = NonZeroU32::new(per_second).map(|rate| {
            let clock = DbClock(db.clone());
            let burst = NonZeroU32::new(burst).unwrap_or(rate);
            let quota = Quota::per_second(rate).allow_burst(burst);
            let limiter = RateLimiter::hashmap_with_clock(quota, clock.clone()).with_middleware::<StateInformationMiddleware>();
            Counting { limiter, clock, per_second, burst: burst.get() }
        });
        Rates { counting }
    }

    /// Counts a request of a key.
    pub(crate) fn count(&self, key: KeyId) -> (Option<Standing>, Result<(), Refusal>) {
        let Some(counting) = &self.counting else { return (None, Ok(())) };
        match counting.limiter.check_key(&key) {
            Ok(state) => (Some(counting.standing(state.remaining_burst_capacity())), Ok(())),
            Err(until) => {
                let wait: Duration = until.earliest_possible().duration_since(counting.clock.now()).into();
                (Some(counting.standing(0)), Err(counting.refusal(wait)))
            }
        }
    }
}

impl Counting {
    fn standing(&self, remaining: u32) -> Standing {
        let used = u64::from(self.burst.saturating_sub(remaining));
        Standing { limit: self.burst, remaining, reset_s: used.div_ceil(u64::from(self.per_second)) }
    }

    fn refusal(&self, wait: Duration) -> Refusal {
        let seconds = wait.as_secs() + 1;
        let told =
            format!("the key may send {} requests a second and {} at once: wait {seconds} s before the next", self.per_second, self.burst);
        Refusal::new(Code::RateLimited, told).with_facts(serde_json::json!({ "retry_after_s": seconds }))
    }
}

/// Where a request's handler leaves how its key stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(pub(crate) Arc<OnceLock<Standing>>);

/// The layer that tells callers with API keys how they stand: `RateLimit-Limit`, `-Remaining` and `-Reset`
/// (draft-ietf-httpapi-ratelimit-headers-07), where the limit is the burst.
pub async fn rate_headers(mut request: Request, next: Next) -> Response {
    if !carries_key(request.headers()) {
        return next.run(request).await;
    }
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let mut response = next.run(request).await;
    if let Some(standing) = slot.0.get() {
        let headers = response.headers_mut();
        headers.insert(LIMIT.clone(), HeaderValue::from(standing.limit));
        headers.insert(REMAINING.clone(), HeaderValue::from(standing.remaining));
        headers.insert(RESET.clone(), HeaderValue::from(standing.reset_s));
    }
    response
}

/// The API key of a request.
pub(crate) fn key_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?.trim();
    Some(bearer).filter(|bearer| bearer.starts_with(KEY_PREFIX))
}

fn carries_key(headers: &HeaderMap) -> bool {
    key_of(headers).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn database() -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().unwrap();
        let options = db::Options::new(format!("sqlite:{}", dir.path().join("t.db").display()));
        db::migrate(&options).await.unwrap();
        (dir, Db::open(options).await.unwrap())
    }

    #[tokio::test]
    async fn a_burst_goes_through_and_then_as_many_as_a_second_allows() {
        let (_dir, db) = database().await;
        let (rates, key) = (Rates::new(&db, 2, 5), KeyId::new());
        for remaining in (0..5).rev() {
            let (standing, outcome) = rates.count(key);
            outcome.unwrap();
            let standing = standing.unwrap();
            assert_eq!((standing.limit, standing.remaining), (5, remaining));
        }
        let (standing, outcome) = rates.count(key);
        let refusal = outcome.unwrap_err();
        assert_eq!(refusal.code, Code::RateLimited);
        assert_eq!(refusal.facts.unwrap()["retry_after_s"], 1);
        assert_eq!(standing.unwrap(), Standing { limit: 5, remaining: 0, reset_s: 3 });
        assert!(rates.count(KeyId::new()).1.is_ok(), "another key has its own");
        db.clock().advance_us(500_000);
        rates.count(key).1.unwrap();
        rates.count(key).1.unwrap_err();
    }

    #[tokio::test]
    async fn no_rate_is_no_limit() {
        let (_dir, db) = database().await;
        let (rates, key) = (Rates::new(&db, 0, 0), KeyId::new());
        assert!((0..1_000).all(|_| rates.count(key) == (None, Ok(()))));
    }
}
