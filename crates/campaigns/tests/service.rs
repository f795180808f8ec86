//! Campaigns over HTTP and as the stream calls them, on both engines.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "service/checkpoints.rs"]
mod checkpoints;
#[path = "service/claiming.rs"]
mod claiming;
#[path = "service/clawbacks.rs"]
mod clawbacks;
#[path = "service/fulfilling.rs"]
mod fulfilling;
#[path = "service/ground.rs"]
mod ground;
#[path = "service/linking.rs"]
mod linking;
#[path = "service/managing.rs"]
mod managing;
#[path = "service/mapping.rs"]
mod mapping;
