//! The mail server's address, which may hold a password.
//! Refuses to show it: every way of printing hides the user's name, the password and the parameters.

use super::database_url::{masked, prints_masked};

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

prints_masked!(SmtpUrl);

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
