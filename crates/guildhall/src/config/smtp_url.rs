//! The mail server's address, which may hold a password.
//! Refuses to show it: every way of printing hides the user's name, the password and the parameters.

use super::database_url::masked;
use serde::{Serialize, Serializer};
use std::fmt;

/// A mail server's address; printing it hides what may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl(String);

impl SmtpUrl {
    /// The address from its text: empty, `smtp://…` or `smtps://…`.
    pub fn parse(text: &str) -> Option<SmtpUrl> {
        let place = text.strip_prefix("smtps://").or_else(|| text.strip_prefix("smtp://"));
        (text.is_empty() || place.is_some_and(|place| !place.is_empty())).then(|| SmtpUrl(text.to_owned()))
    }

    /// The whole address with its password, for the one who connects; none where mail goes into a folder.
    pub fn reveal(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(self.0.as_str())
    }
}

impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&masked(&self.0), f)
    }
}

impl Serialize for SmtpUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_an_address_hides_its_password() {
        let url = SmtpUrl::parse("smtps://ann:hunter2@mail.example?tls=required").unwrap();
        let printed = format!("{url} {url:?} {}", serde_json::to_string(&url).unwrap());
        assert!(!printed.contains("hunter2") && printed.contains("mail.example"), "{printed}");
        assert!(SmtpUrl::parse("http://mail.example").is_none());
        assert_eq!(SmtpUrl::parse("").unwrap().reveal(), None);
    }
}
