//! Points at which a test may make the process die, as a power cut would.
//! Refuses to exist in release builds: there a point is nothing.

/// Ends the process at once when `GUILDHALL_CRASH_AT=NAME:N` names this point and this is its Nth passing.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("GUILDHALL_CRASH_AT").ok()?;
        let (name, nth) = wanted.rsplit_once(':')?;
        Some((name.to_owned(), nth.parse().ok()?))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);
    if let Some((wanted, nth)) = WANTED.as_ref()
        && wanted == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *nth
    {
        std::process::abort();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) {}
