//! The stream on both engines, over the embedded log and over real Kafka: every record counts once, whatever happens.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test, which is right")]

mod both;
mod crash;
mod following;
mod ground;
mod hostile;
mod http;
mod kafka;
mod looks;
mod profiles;
mod trouble;
