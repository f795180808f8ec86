//! The database's address, which may hold a password.
//! Refuses to show it: every way of printing hides the user's name, the password and the parameters.

use std::path::{Path, PathBuf};

/// A database's address; printing it hides what may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The address from its text: empty, `sqlite:PATH`, `postgres://…` or `postgresql://…`.
    pub fn parse(text: &str) -> Option<DatabaseUrl> {
        let postgres = ["postgres://", "postgresql://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        let sqlite = text.strip_prefix("sqlite:").is_some_and(|path| !path.trim_start_matches('/').is_empty());
        (text.is_empty() || postgres || sqlite).then(|| DatabaseUrl(text.to_owned()))
    }

    /// The embedded database of a data folder.
    pub(super) fn embedded(dir: &Path) -> DatabaseUrl {
        DatabaseUrl(format!("sqlite:{}", dir.join("guildhall.db").display()))
    }

    /// The whole address with its password, for the one who connects.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether no address is given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The file of an SQLite database; none on Postgres.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let path = self.0.strip_prefix("sqlite:")?;
        Some(path.strip_prefix("//").unwrap_or(path).into())
    }
}

/// An address with what may be secret replaced: all before the last `@`, and all after a `?`.
pub(super) fn masked(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let (rest, user) = rest.rsplit_once('@').map_or((rest, ""), |(_, place)| (place, "***@"));
    let (rest, parameters) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?***"));
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{user}{rest}{parameters}")
}

/// Every way of printing shows the masked address.
macro_rules! prints_masked {
    ($address:ident) => {
        impl std::fmt::Display for $address {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&masked(&self.0))
            }
        }

        impl std::fmt::Debug for $address {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&masked(&self.0), f)
            }
        }

        impl serde::Serialize for $address {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
pub(super) use prints_masked;

prints_masked!(DatabaseUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_an_address_hides_its_password() {
        for text in
            ["postgres://ann:hunter2@db.example/guild", "postgres://db.example/guild?password=hunter2", "postgres://a:p@hunter2@db.example"]
        {
            let url = DatabaseUrl::parse(text).unwrap();
            let printed = format!("{url} {url:?} {}", serde_json::to_string(&url).unwrap());
            assert!(!printed.contains("hunter2"), "{printed}");
            assert!(printed.contains("db.example"), "{printed}");
            assert_eq!(url.reveal(), text);
        }
        assert_eq!(masked("ann:hunter2@db.example"), "***@db.example", "also what has no scheme");
    }

    #[test]
    fn only_the_two_engines_are_addresses() {
        for wrong in ["mysql://db/guild", "guildhall.db", "sqlite:", "sqlite://", "postgres://"] {
            assert!(DatabaseUrl::parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(DatabaseUrl::parse("sqlite:///var/g.db").unwrap().sqlite_file(), Some("/var/g.db".into()));
        assert_eq!(DatabaseUrl::parse("sqlite:g.db").unwrap().sqlite_file(), Some("g.db".into()));
        assert_eq!(DatabaseUrl::parse("postgresql://db/g").unwrap().sqlite_file(), None);
    }
}
