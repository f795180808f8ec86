//! Pure decisions: no clock, no database, no randomness. The caller has loaded and locked every row named here.

pub mod claims;
pub mod clawback;
pub mod manage;
