//! Gathers what was given by file, environment and flags, with the place of each value.
//! Judges no value: which keys there are and what they may be is for `keys`.

use super::mistakes::{Mistake, Mistakes, Origin};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const PREFIX: &str = "GUILDHALL_";

/// Variables with our prefix that are not settings: the secrets, the place of the configuration file, and what tests read.
const NOT_SETTINGS: [&str; 12] = [
    "GUILDHALL_CONFIG",
    "GUILDHALL_CRASH_AT",
    "GUILDHALL_FLEET_KEEPER",
    "GUILDHALL_FULL",
    "GUILDHALL_KILLS",
    "GUILDHALL_LOAD_TOKEN",
    "GUILDHALL_SEED",
    "GUILDHALL_TOKEN_KEY",
    "GUILDHALL_PERSONAL_KEY",
    "GUILDHALL_SERVER",
    "GUILDHALL_THROUGH",
    "GUILDHALL_TOKEN",
];
/// Kubernetes tells every container about a service named `guildhall` by variables that begin like this.
const NOT_SETTINGS_BEGIN: [&str; 3] = ["GUILDHALL_TEST_", "GUILDHALL_SERVICE_", "GUILDHALL_PORT"];

/// A setting given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The key, as `server.listen`.
    pub key: String,
    /// The value as typed.
    pub value: String,
    /// The flag as the person wrote it, as `--listen`, to name it in a mistake.
    pub flag: String,
}

/// A value as it was given, before it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A string of the file.
    Text(String),
    /// A whole number of the file.
    Whole(i64),
    /// Anything else of the file, as it stands there: true and false, and what no key takes.
    Other(String),
    /// From a variable or a flag, where everything is text.
    Typed(String),
}

/// One value given for a key.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) key: String,
    pub(super) value: Raw,
    pub(super) origin: Origin,
}

/// The process's variables that begin with `GUILDHALL_`. Bytes that are no text are replaced, and the value is then refused by its key.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(PREFIX))
}

pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// The settings among the variables. The key stays the variable's own name; the reader knows which key that is.
pub(super) fn variables(env: impl Iterator<Item = (String, String)>) -> Vec<Given> {
    let is_setting = |name: &str| {
        name.starts_with(PREFIX) && !NOT_SETTINGS.contains(&name) && !NOT_SETTINGS_BEGIN.iter().any(|start| name.starts_with(start))
    };
    let mut given: Vec<Given> = env
        .filter(|(name, _)| is_setting(name))
        .map(|(name, value)| Given { key: name.clone(), value: Raw::Typed(value), origin: Origin::Variable(name) })
        .collect();
    given.sort_by(|a, b| a.key.cmp(&b.key));
    given
}

pub(super) fn flags(flags: &[Override]) -> Vec<Given> {
    let given =
        |flag: &Override| Given { key: flag.key.clone(), value: Raw::Typed(flag.value.clone()), origin: Origin::Flag(flag.flag.clone()) };
    flags.iter().map(given).collect()
}

/// The file's values. What is not TOML is a mistake; the rest of the file is still read, so that one typing error hides no other.
pub(super) fn file(path: &Path, mistakes: &mut Mistakes) -> Vec<Given> {
    let whole_file =
        |line, advice: String| Mistake { key: String::new(), value: None, origin: Origin::File(path.to_owned(), line), advice };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            mistakes.0.push(whole_file(0, format!("it cannot be read: {error}")));
            return Vec::new();
        }
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    let mut broken = Vec::new();
    for error in errors {
        let line = line_of(&text, error.span().map_or(0, |span| span.start));
        // The message only: the error's own report quotes the line, which may hold a password.
        if !broken.contains(&line) {
            mistakes.0.push(whole_file(line, format!("this is not TOML: {}; text stands in \"quotes\"", error.message())));
            broken.push(line);
        }
    }
    let mut given = Vec::new();
    let walk = Walk { path, text: &text };
    walk.table("", table.get_ref(), &mut given);
    given.retain(|found| !matches!(&found.origin, Origin::File(_, line) if broken.contains(line)));
    given
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Walk<'_> {
    /// Sections are tables one level deep; what lies deeper is handed over as the value it is not.
    fn table(&self, section: &str, table: &DeTable<'_>, given: &mut Vec<Given>) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let origin = Origin::File(self.path.to_owned(), line_of(self.text, key.span().start));
            match value.get_ref() {
                DeValue::Table(inner) if section.is_empty() && !inner.is_empty() => self.table(key.get_ref(), inner, given),
                _ if section.is_empty() => given.push(Given { key: key.get_ref().to_string(), value: self.raw(value), origin }),
                _ => given.push(Given { key: format!("{section}.{}", key.get_ref()), value: self.raw(value), origin }),
            }
        }
    }

    fn raw(&self, value: &Spanned<DeValue<'_>>) -> Raw {
        match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Raw::Whole(number),
                Err(_) => Raw::Other(number.to_string()),
            },
            DeValue::Table(_) => Raw::Other("a section".to_owned()),
            _ => {
                let literal = self.text.get(value.span()).unwrap_or_default();
                Raw::Other(literal.lines().next().unwrap_or_default().chars().take(60).collect())
            }
        }
    }
}
