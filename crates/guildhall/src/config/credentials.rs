//! A name with its password, as `NAME:PASSWORD`.
//! Refuses to show the password in any way of printing.

use serde::{Serialize, Serializer};
use std::fmt;

/// A name and a password, or neither.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials(Option<(String, String)>);

impl Credentials {
    /// From `NAME:PASSWORD`, or from nothing.
    pub fn parse(text: &str) -> Option<Credentials> {
        if text.is_empty() {
            return Some(Credentials(None));
        }
        let (name, password) = text.split_once(':')?;
        let fits = |part: &str| !part.is_empty() && part.len() <= 200 && !part.chars().any(char::is_control);
        (fits(name) && fits(password)).then(|| Credentials(Some((name.to_owned(), password.to_owned()))))
    }

    /// The name and the password, for whoever compares them.
    pub fn reveal(&self) -> Option<(&str, &str)> {
        self.0.as_ref().map(|(name, password)| (name.as_str(), password.as_str()))
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((name, _)) => write!(f, "{name}:***"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Credentials {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed() {
        let one = Credentials::parse("eureka:hunter:2").unwrap();
        assert_eq!(one.reveal(), Some(("eureka", "hunter:2")));
        assert_eq!((format!("{one}"), format!("{one:?}")), ("eureka:***".to_owned(), "eureka:***".to_owned()));
        assert_eq!(serde_json::to_value(&one).unwrap(), "eureka:***");
        assert_eq!(Credentials::parse("eureka"), None);
    }
}
