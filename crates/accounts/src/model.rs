//! What accounts are made of: states, roles' holders, sessions, and what callers are shown of them.
//! Refuses to hold a secret in anything that can be printed or kept.

use kernel::{Code, Instant, Refusal, SessionId, UserId, text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use unicode_normalization::UnicodeNormalization as _;
use web::{Role, Roles};

/// What an account may do at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It may sign in and act.
    Active,
    /// An operator stopped it.
    Blocked,
    /// Its person asked to be forgotten; nothing personal is left.
    Erased,
}

impl State {
    /// The state as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Blocked => "blocked",
            State::Erased => "erased",
        }
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [State::Active, State::Blocked, State::Erased];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| format!("{text:?} is not a state of an account"))
    }
}

/// Your own account, as you see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Profile {
    /// The account.
    pub user: UserId,
    /// Where mail goes.
    pub email: String,
    /// When the address was confirmed; none until then.
    pub email_confirmed_at: Option<Instant>,
    /// The name shown.
    pub name: String,
    /// Telephone number, if one was given.
    pub phone: Option<String>,
    /// What the account may do.
    pub roles: Vec<Role>,
    /// When it was made.
    pub created_at: Instant,
    /// When the profile last changed.
    pub changed_at: Instant,
}

/// An account as operators see it: no secrets, and of the address only enough to recognise it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Account {
    /// The account.
    pub user: UserId,
    /// Active, blocked or erased.
    pub state: State,
    /// What it may do.
    pub roles: Vec<Role>,
    /// When it was made.
    pub created_at: Instant,
    /// The name shown; none once erased.
    pub name: Option<String>,
    /// The address with its local part hidden, as `j***@example.com`; none once erased.
    pub email_hint: Option<String>,
    /// When the address was confirmed.
    pub email_confirmed_at: Option<Instant>,
}

/// One of your sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionView {
    /// The session.
    pub session: SessionId,
    /// When it was signed in.
    pub created_at: Instant,
    /// When it was last refreshed.
    pub refreshed_at: Instant,
    /// When it ends unless it is refreshed.
    pub expires_at: Instant,
    /// When it was ended; none while it lives.
    pub ended_at: Option<Instant>,
}

/// What a login or a refresh gives. Holds secrets: it is shown once and not kept.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Signed {
    /// The account.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// What the account may do.
    pub roles: Vec<Role>,
    /// Send it as `Authorization: Bearer TOKEN`.
    pub access_token: String,
    /// Seconds the access token lives.
    pub access_expires_in_s: i64,
    /// Gives the next pair of tokens, once.
    pub refresh_token: String,
    /// When the refresh token expires.
    pub refresh_expires_at: Instant,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed {{ user: {}, session: {}, tokens: hidden }}", self.user, self.session)
    }
}

/// An account to make. Its password is already hashed, so that many accounts may share the work of one hash.
#[derive(Clone)]
pub struct NewAccount {
    /// The account's id.
    pub user: UserId,
    /// Address; compared without regard to case.
    pub email: String,
    /// The name shown.
    pub name: String,
    /// Telephone number.
    pub phone: Option<String>,
    /// Made by [`Accounts::hash_password`](crate::Accounts::hash_password).
    pub password_hash: String,
    /// What it may do.
    pub roles: Roles,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewAccount {{ user: {}, roles: {:?}, personal: hidden }}", self.user, self.roles)
    }
}

/// The longest password, in characters: longer ones only cost time.
pub const PASSWORD_MAX: usize = 200;
/// The shortest password, in characters (NIST SP 800-63B, 3.1.1.2 with a single factor would be 15; 8 is its floor).
pub const PASSWORD_MIN: usize = 8;

/// Checks a password that is to be set.
pub fn check_password(password: &str) -> Result<(), Refusal> {
    text::check("password", password, PASSWORD_MIN, PASSWORD_MAX)
}

/// Checks a name.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    text::check_shown("name", name, 1, 100)
}

/// Checks a telephone number: digits with the signs people write between them.
pub fn check_phone(phone: &str) -> Result<(), Refusal> {
    text::check("phone", phone, 4, 30)?;
    let fits = phone.chars().all(|c| c.is_ascii_digit() || "+-() .".contains(c)) && phone.chars().any(|c| c.is_ascii_digit());
    if fits { Ok(()) } else { Err(Refusal::new(Code::BadText, "phone is not a telephone number: as +82 2-1234-5678 would be right")) }
}

/// Checks an address and gives it as it is compared: without blanks around it, in lower case, its accents in one form (NFC).
/// The detail does not repeat the address, which may end in a log.
pub fn normal_email(email: &str) -> Result<String, Refusal> {
    let email = email.trim();
    text::check("email", email, 3, 254)?;
    let bad = || Refusal::new(Code::BadText, "email is not an address: as name@example.com would be right");
    let (local, domain) = email.rsplit_once('@').ok_or_else(bad)?;
    let fits = !local.is_empty()
        && !local.contains('@')
        && !domain.is_empty()
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !email.chars().any(|c| c.is_whitespace() || text::is_hidden(c) || "<>,;\"".contains(c));
    if fits { Ok(email.nfc().flat_map(char::to_lowercase).nfc().collect()) } else { Err(bad()) }
}

/// `jane@example.com` as `j***@example.com`.
pub fn email_hint(email: &str) -> String {
    let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    format!("{}***@{domain}", local.chars().next().unwrap_or('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_without_case_and_a_bad_one_is_not_repeated() {
        assert_eq!(normal_email(" Jane.Doe@Example.COM ").unwrap(), "jane.doe@example.com");
        for bad in ["jane", "@elsewhere.test", "jane@", "a b@example.com", "a@b@c.com", "jane@example.com\r\nBcc: x@y.z", "j@.com"] {
            let refusal = normal_email(bad).unwrap_err();
            assert!(!refusal.detail.contains(bad), "{}", refusal.detail);
        }
        assert_eq!(email_hint("jane@example.com"), "j***@example.com");
    }

    #[test]
    fn what_shows_secrets_when_printed_shows_none() {
        let signed = Signed {
            user: UserId::new(),
            session: SessionId::new(),
            roles: Vec::new(),
            access_token: "access-secret".to_owned(),
            access_expires_in_s: 900,
            refresh_token: "refresh-secret".to_owned(),
            refresh_expires_at: Instant(0),
        };
        assert!(!format!("{signed:?}").contains("secret"));
    }

    #[test]
    fn a_phone_number_has_digits_and_a_name_has_letters() {
        assert!(check_phone("+82 2-1234-5678").is_ok());
        assert!(check_phone("----").is_err());
        assert!(check_name("   ").is_err());
        assert!(check_name("이름").is_ok());
    }
}
