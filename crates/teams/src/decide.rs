//! Decisions of the team API. Pure: no clock, no database, no randomness.

pub mod banners;
pub mod cash;
pub mod grants;
pub mod players;
