//! The gateway before real servers: what it lets through, what it takes out, what it withstands.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the error, in its helpers too")]

mod ground;
mod health;
mod hostile;
mod identity;
mod limits;
mod process;
mod retries;
mod routing;
mod streams;
mod tls;
mod upstream;
mod waiting;
