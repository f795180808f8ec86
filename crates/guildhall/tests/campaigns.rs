//! Reward campaigns from end to end, with real processes: logs of four games through Kafka and through the embedded log, campaigns
//! changed while they flow, processes and brokers that die, claims in a crowd, hostile records.
//! Leaves single rules to `rules`, and what one process does to `stream` and `campaigns`.
//!
//! `GUILDHALL_FULL=1` makes the run among crashes 5,000,000 records long instead of 100,000. `GUILDHALL_SEED` repeats a run's choices.

#![expect(clippy::print_stdout, reason = "a run tells its figures, and its seed where it has one")]

#[path = "campaigns/chaos.rs"]
mod chaos;
#[path = "campaigns/claims.rs"]
mod claims;
#[path = "campaigns/flows.rs"]
mod flows;
#[path = "campaigns/hostile.rs"]
mod hostile;
#[path = "campaigns/hub.rs"]
mod hub;
#[path = "campaigns/live.rs"]
mod live;
#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/server.rs"]
mod server;
#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/store.rs"]
mod store;

use std::future::Future;

fn run<F: Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a test gets its threads").block_on(test);
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}: a whole number would be right")))
}

fn is_full() -> bool {
    std::env::var_os("GUILDHALL_FULL").is_some()
}
