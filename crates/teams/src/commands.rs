//! Batched writes of the team API; each kind has its own file with the methods that send it.

pub mod banners;
mod cash_rows;
pub mod currencies;
pub mod grants;
pub mod players;
