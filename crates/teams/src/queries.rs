//! Reads of the team API; each kind has its own file.

pub mod banners;
pub mod currencies;
pub mod grants;
pub mod players;
