//! Decides new passwords and confirmed addresses: by the old password, or by a token that was mailed.
//! Refuses a token twice, and a password that rests on one that was changed meanwhile.

use kernel::{Code, Instant, Outcome, Refusal, UserId};
use std::collections::BTreeMap;

/// What a mailed token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Sets a new password.
    Reset,
    /// Confirms an address.
    Confirm,
}

impl Purpose {
    /// The purpose as it is stored, and as mail templates are called.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Reset => "reset",
            Purpose::Confirm => "confirm",
        }
    }
}

impl std::str::FromStr for Purpose {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Purpose::Reset, Purpose::Confirm];
        all.into_iter().find(|purpose| purpose.as_str() == text).ok_or_else(|| format!("{text:?} is not a purpose of a mailed token"))
    }
}

/// A mailed token that still works, unless it has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailToken {
    /// The token's hash.
    pub hash: [u8; 32],
    /// When it stops working.
    pub expires_at: Instant,
}

/// An account's credentials while a batch is decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Rises with each new password.
    pub password_version: i64,
    /// Tokens that were mailed, at most one per purpose.
    pub tokens: BTreeMap<Purpose, MailToken>,
}

/// The credentials of the active accounts a batch touches.
pub type All = BTreeMap<UserId, Credentials>;

/// Why somebody may set a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// They knew the password of this version.
    Old(i64),
    /// They have the token with this hash.
    Mailed([u8; 32]),
}

/// Sets a new password; a mailed reset token is used up by it, whoever it was for.
pub fn set_password(all: &mut All, user: UserId, proof: Proof, now: Instant) -> Outcome<()> {
    let credentials = all.get_mut(&user);
    match (proof, credentials) {
        (Proof::Old(version), Some(credentials)) if credentials.password_version == version => renew(credentials),
        (Proof::Old(_), _) => return Err(changed_meanwhile()),
        (Proof::Mailed(hash), Some(credentials)) if works(credentials, Purpose::Reset, &hash, now) => renew(credentials),
        (Proof::Mailed(_), _) => return Err(bad_token()),
    }
    Ok(())
}

/// Confirms an address by its token.
pub fn confirm(all: &mut All, user: UserId, hash: &[u8; 32], now: Instant) -> Outcome<()> {
    let credentials = all.get_mut(&user).filter(|credentials| works(credentials, Purpose::Confirm, hash, now));
    credentials.ok_or_else(bad_token)?.tokens.remove(&Purpose::Confirm);
    Ok(())
}

/// The password was another one when it was checked.
pub fn changed_meanwhile() -> Refusal {
    Refusal::new(Code::WrongCredentials, "the password was changed meanwhile: use the new one")
}

/// The token is not one that works.
pub fn bad_token() -> Refusal {
    Refusal::new(Code::NotFound, "the token is unknown, used up or expired: ask for a new mail")
}

fn renew(credentials: &mut Credentials) {
    credentials.password_version += 1;
    credentials.tokens.remove(&Purpose::Reset);
}

fn works(credentials: &Credentials, purpose: Purpose, hash: &[u8; 32], now: Instant) -> bool {
    credentials.tokens.get(&purpose).is_some_and(|token| token.hash == *hash && token.expires_at > now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(user: UserId) -> All {
        let token = |n| MailToken { hash: [n; 32], expires_at: Instant(100) };
        [(user, Credentials { password_version: 1, tokens: [(Purpose::Reset, token(1)), (Purpose::Confirm, token(2))].into() })].into()
    }

    proptest! {
        #[test]
        fn a_version_and_a_token_each_work_once(steps in prop::collection::vec((0..4_u8, 0..5_i64), 1..30)) {
            let user = UserId::new();
            let mut all = one(user);
            let (mut version, mut reset, mut confirm_left) = (1, true, true);
            for (what, n) in steps {
                let (done, expected) = match what {
                    0 => (set_password(&mut all, user, Proof::Old(n), Instant(1)).is_ok(), n == version),
                    1 => (set_password(&mut all, user, Proof::Mailed([1; 32]), Instant(1)).is_ok(), reset),
                    2 => (set_password(&mut all, user, Proof::Mailed([2; 32]), Instant(1)).is_ok(), false),
                    _ => (confirm(&mut all, user, &[2; 32], Instant(1)).is_ok(), confirm_left),
                };
                prop_assert_eq!(done, expected);
                if done && what < 2 {
                    version += 1;
                    reset = false;
                }
                confirm_left &= !(done && what == 3);
                prop_assert_eq!(all[&user].password_version, version);
            }
        }
    }

    #[test]
    fn an_expired_token_does_nothing_and_a_stranger_has_none() {
        let user = UserId::new();
        let mut all = one(user);
        assert!(set_password(&mut all, user, Proof::Mailed([1; 32]), Instant(100)).is_err());
        assert!(confirm(&mut all, user, &[2; 32], Instant(100)).is_err());
        assert!(set_password(&mut all, UserId::new(), Proof::Mailed([1; 32]), Instant(1)).is_err());
        assert_eq!(all, one(user));
    }
}
