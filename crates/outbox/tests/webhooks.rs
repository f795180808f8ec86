//! Webhooks on both engines, with real receivers: what is sent, how it is signed, what failures and crashes leave behind, who may change what.
//! Single rules are tested beside the code that owns them.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the error")]

#[path = "webhooks/crash.rs"]
mod crash;
#[path = "webhooks/delivering.rs"]
mod delivering;
#[path = "webhooks/failing.rs"]
mod failing;
#[path = "webhooks/ground.rs"]
mod ground;
#[path = "webhooks/listening.rs"]
mod listening;
#[path = "webhooks/managing.rs"]
mod managing;
#[path = "webhooks/receiver.rs"]
mod receiver;
#[path = "webhooks/tls.rs"]
mod tls;
