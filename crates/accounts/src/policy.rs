//! The numbers that accounts go by: lifetimes, the cost of a password hash, limits on attempts.
//! Refuses to read configuration: the binary hands them over.

/// The policy. The life of an access token is the business of [`web::Tokens`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Life of a refresh token, in seconds; each refresh starts it anew.
    pub refresh_token_s: i64,
    /// Memory of one password hash, in KiB.
    pub argon2_memory_kib: u32,
    /// Passes of one password hash over its memory.
    pub argon2_iterations: u32,
    /// Password hashes worked on at once.
    pub argon2_concurrency: u32,
    /// Attempts per account and minute.
    pub login_attempts_per_account_per_min: u32,
    /// Attempts per network address and minute.
    pub login_attempts_per_address_per_min: u32,
    /// Requests an API key may send in a second; 0 does not limit.
    pub key_requests_per_s: u32,
    /// Requests it may send at once.
    pub key_burst: u32,
    /// Life of a token that resets a password, in seconds.
    pub reset_token_s: i64,
    /// Life of a token that confirms an address, in seconds.
    pub confirm_token_s: i64,
    /// Where players reach the server, named in mail.
    pub public_url: String,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            refresh_token_s: 2_592_000,
            argon2_memory_kib: 19_456,
            argon2_iterations: 2,
            argon2_concurrency: 1,
            login_attempts_per_account_per_min: 5,
            login_attempts_per_address_per_min: 60,
            key_requests_per_s: 500,
            key_burst: 1_000,
            reset_token_s: 3_600,
            confirm_token_s: 172_800,
            public_url: String::new(),
        }
    }
}
