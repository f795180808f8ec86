//! Decisions about accounts. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked every account, session and token named here.

pub mod credentials;
pub mod govern;
pub mod sessions;
pub mod teams;

use kernel::{Code, Refusal};

/// What somebody without a live session is told, whatever the reason: the reasons are nobody else's business.
pub(crate) fn sign_in_again() -> Refusal {
    Refusal::new(Code::Unauthenticated, "the refresh token is unknown, used up or expired: log in for a new session")
}
