//! Campaigns through the crate's public face: events in, effects out.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that unwraps fails with the place and the error")]

mod campaigns {
    mod calendar;
    mod controls;
    mod documents;
    mod guarantees;
    mod play;
    mod samples;
}
