//! What is wrong with a configuration, and how it is told: key, origin, value, and what would be right.
//! Refuses to stop at the first mistake.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the configuration file, counted from 1; 0 when the file as a whole is meant.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line, as it was written.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("by default"),
            Origin::File(path, 0) => write!(f, "file {}", path.display()),
            Origin::File(path, line) => write!(f, "file {}, line {line}", path.display()),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key as `section.key`; empty when the file as a whole is meant.
    pub key: String,
    /// The value as it may be shown; none where showing it could give a secret away.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// What is wrong, or what would be right.
    pub advice: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.value, self.key.is_empty()) {
            (_, true) => write!(f, "{}", self.origin)?,
            (None, false) => write!(f, "{} ({})", self.key, self.origin)?,
            (Some(value), false) => write!(f, "{} = {value} ({})", self.key, self.origin)?,
        }
        write!(f, "\n    {}", self.advice)
    }
}

/// All mistakes of a configuration; printed as one report for the person who has to mend it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a mistake:")?,
            count => write!(f, "the configuration has {count} mistakes:")?,
        }
        for mistake in &self.0 {
            write!(f, "\n\n  {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The known key a mistyped one most likely meant, if one is near enough to be worth naming.
pub(super) fn nearest<'k>(typed: &str, known: &[&'k str]) -> Option<&'k str> {
    let reach = (typed.len() / 4).max(2);
    let cost = |key: &str| {
        let bare = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
        // A right key in the wrong section is a likely slip, a little less likely than a mistyped letter.
        edits(typed, key).min(edits(&bare(typed), &bare(key)) + 1)
    };
    known.iter().map(|key| (cost(key), *key)).min_by_key(|(cost, _)| *cost).filter(|(cost, _)| *cost <= reach).map(|(_, key)| key)
}

/// Letters to insert, drop or replace to get from one text to the other (Levenshtein's distance).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in to.iter().enumerate() {
            let replaced = corner + usize::from(letter != *other);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named_and_a_far_one_is_not() {
        let known = ["server.listen", "db.readers", "db.writers"];
        assert_eq!(nearest("server.lisen", &known), Some("server.listen"));
        assert_eq!(nearest("db.writters", &known), Some("db.writers"));
        assert_eq!(nearest("readers", &known), Some("db.readers"), "no section");
        assert_eq!(nearest("server.readers", &known), Some("db.readers"), "another section");
        assert_eq!(nearest("colour", &known), None);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
    }
}
