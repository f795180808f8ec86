//! What time it is. Refuses to be asked inside a decision: decisions are handed `now`.

use kernel::Instant;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of the machine, which tests may move forward.
#[derive(Debug, Default)]
pub struct Clock {
    ahead_us: AtomicI64,
}

impl Clock {
    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else asks")]
    pub fn now(&self) -> Instant {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.shift(Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Moves time forward for everyone who asks this clock.
    pub fn advance_us(&self, us: i64) {
        self.ahead_us.fetch_add(us, Ordering::SeqCst);
    }

    pub(crate) fn shift(&self, instant: Instant) -> Instant {
        instant.plus_us(self.ahead_us.load(Ordering::Relaxed))
    }
}
