//! Batched writes of campaigns: what managers change, what players claim, what game teams hand over, who is linked to whom.

pub mod claims;
pub(crate) mod claims_rows;
pub(crate) mod claims_write;
pub mod clawback;
pub mod controls;
pub mod fulfilments;
pub mod links;
pub mod manage;
