//! Looks into a document's objects and gathers what is wrong with them.
//! Knows nothing of mappings.

use crate::Fault;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// Faults that are told; a document with more has one cause.
const FAULTS_MAX: usize = 100;

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
}

impl Faults {
    /// Notes a fault. A value that several events share is told once.
    pub(super) fn add(&mut self, path: &str, reason: impl Into<String>) {
        let fault = Fault { path: path.to_owned(), reason: reason.into() };
        if self.found.len() < FAULTS_MAX && !self.found.contains(&fault) {
            self.found.push(fault);
        }
    }

    /// Notes a fault where a value would have been.
    pub(super) fn none<T>(&mut self, path: &str, reason: impl Into<String>) -> Option<T> {
        self.add(path, reason);
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn told(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.found)
    }
}

/// An object of the document and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Object<'d> {
    path: String,
    map: &'d Map<String, Value>,
}

impl<'d> Object<'d> {
    /// Opens a value as an object that may have these keys.
    pub(super) fn open(path: &str, value: &'d Value, known: &[&str], faults: &mut Faults) -> Option<Object<'d>> {
        let Value::Object(map) = value else { return faults.none(path, format!("{}: an object would be right", shape_of(value))) };
        let object = Object { path: path.to_owned(), map };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            faults.add(&object.at(key), format!("is unknown here: {} would be right", known.join(", ")));
        }
        Some(object)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The path of one of its values.
    pub(super) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'d Value> {
        self.map.get(key)
    }

    /// Those of the keys that it has.
    pub(super) fn present<'k>(&self, keys: &[&'k str]) -> Vec<&'k str> {
        keys.iter().copied().filter(|key| self.map.contains_key(*key)).collect()
    }

    pub(super) fn text(&self, key: &str, faults: &mut Faults) -> Option<&'d str> {
        match self.map.get(key)? {
            Value::String(text) => Some(text),
            other => faults.none(&self.at(key), format!("{}: a text would be right", shape_of(other))),
        }
    }

    pub(super) fn flag(&self, key: &str, faults: &mut Faults) -> Option<bool> {
        match self.map.get(key)? {
            Value::Bool(flag) => Some(*flag),
            other => faults.none(&self.at(key), format!("{}: true or false would be right", shape_of(other))),
        }
    }

    pub(super) fn integer(&self, key: &str, range: RangeInclusive<i64>, faults: &mut Faults) -> Option<i64> {
        let value = self.map.get(key)?;
        match value.as_i64().filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => faults.none(&self.at(key), format!("{}: {} to {} would be right", shape_of(value), range.start(), range.end())),
        }
    }

    /// A list; its values with their paths. A single value stands for a list of one where `single` allows it.
    pub(super) fn list(&self, key: &str, max: usize, faults: &mut Faults) -> Option<Vec<(String, &'d Value)>> {
        let value = self.map.get(key)?;
        let Value::Array(values) = value else {
            return faults.none(&self.at(key), format!("{}: a list would be right", shape_of(value)));
        };
        if values.is_empty() || values.len() > max {
            return faults.none(&self.at(key), format!("{} values: 1 to {max} would be right", values.len()));
        }
        Some(values.iter().enumerate().map(|(n, value)| (format!("{}[{n}]", self.at(key)), value)).collect())
    }

    pub(super) fn texts(&self, key: &str, max: usize, faults: &mut Faults) -> Option<Vec<&'d str>> {
        let mut texts = Vec::new();
        for (path, value) in self.list(key, max, faults)? {
            match value {
                Value::String(text) => texts.push(text.as_str()),
                other => faults.add(&path, format!("{}: a text would be right", shape_of(other))),
            }
        }
        Some(texts)
    }
}

/// A value as a fault shows it: short ones as they are, long ones by what they are.
pub(super) fn shape_of(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.len() > 60 => "a long text".to_owned(),
        other => other.to_string(),
    }
}

/// A single value as records write it.
pub(super) fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
