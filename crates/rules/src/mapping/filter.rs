//! Tests on a record's values: which records a mapping wants, and flags made of them.
//! Compares values as they are written, so that 1 and "1" are the same; numbers by their value where a test says less or more.

use super::number::millionths;
use super::record::{Place, Record};
use super::shape::Source;
use super::slot::Kind;
use memchr::memmem::Finder;
use regex::Regex;

/// A test of a record.
#[derive(Debug)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Value(Source, Test),
}

/// A test of one value.
#[derive(Debug)]
pub(super) enum Test {
    In(Vec<Box<str>>),
    Exists,
    /// In millionths; both ends belong to it.
    Within(i128, i128),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Contains(Box<Finder<'static>>),
    Matches(Box<Regex>),
}

impl Filter {
    pub(super) fn holds(&self, record: &Record<'_>, place: Place) -> bool {
        match self {
            Filter::All(filters) => filters.iter().all(|filter| filter.holds(record, place)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.holds(record, place)),
            Filter::Not(filter) => !filter.holds(record, place),
            Filter::Value(source, test) => {
                let slot = record.slot(place, source);
                match slot.kind() {
                    Kind::Missing | Kind::Null => false,
                    Kind::Nested => matches!(test, Test::Exists),
                    _ => test.holds(record.written(slot)),
                }
            }
        }
    }
}

impl Test {
    fn holds(&self, written: &str) -> bool {
        match self {
            Test::In(values) => values.iter().any(|value| **value == *written),
            Test::Exists => true,
            Test::Within(low, high) => millionths(written).is_some_and(|number| (*low..=*high).contains(&number)),
            Test::StartsWith(start) => written.starts_with(&**start),
            Test::EndsWith(end) => written.ends_with(&**end),
            Test::Contains(piece) => piece.find(written.as_bytes()).is_some(),
            Test::Matches(regex) => regex.is_match(written),
        }
    }
}
