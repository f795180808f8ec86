//! Accounts on both engines, without HTTP: each test runs on SQLite, and on Postgres where `GUILDHALL_TEST_POSTGRES` names one.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the error, in its helpers too")]

#[path = "service/bench.rs"]
mod bench;
#[path = "service/erasing.rs"]
mod erasing;
#[path = "service/ground.rs"]
mod ground;
#[path = "service/rotating.rs"]
mod rotating;
#[path = "service/sessions.rs"]
mod sessions;
#[path = "service/signing_up.rs"]
mod signing_up;
#[path = "service/staff.rs"]
mod staff;
#[path = "service/teams.rs"]
mod teams;
