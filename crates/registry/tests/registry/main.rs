//! The registry on both engines: what its callers see, what its users know, and Eureka's protocol with its real client.
//! Leaves single decisions to the unit tests.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod eureka;
mod ground;
mod http;
mod joins;
mod leases;
mod spring;
