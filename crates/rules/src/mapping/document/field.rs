//! The fields of a document's events: paths, constants, tests and durations, with what means none and what values are called.
//! Refuses options that would do nothing where they stand.

use super::super::field::{Between, Constant, Field, From, Map};
use super::super::number::{Numeric, Round};
use super::Builder;
use super::object::{Object, shape_of, written};
use super::time::unit_us;
use serde_json::Value;

const SOURCES: [&str; 4] = ["path", "const", "test", "from"];
const ALWAYS: [&str; 10] = ["path", "const", "test", "from", "to", "unit", "none", "map", "else", "or"];
const NONE_MAX: usize = 100;
const MAP_MAX: usize = 10_000;
const TEXT_MAX: usize = 256;
/// Fields that stand in for each other.
const OR_MAX: usize = 8;

/// The type that a field has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Text,
    Integer,
    Flag,
}

impl Want {
    fn right(self) -> &'static str {
        match self {
            Want::Text => "a text",
            Want::Integer => "a whole number",
            Want::Flag => "true or false",
        }
    }
}

impl Builder {
    /// A field, which is a path or an object. `what` is its name in details; `more` are keys that it may have besides.
    pub(super) fn field(&mut self, what: &str, level: usize, path: &str, value: &Value, want: Want, more: &[&str]) -> Option<Field> {
        self.field_within(what, level, path, value, want, more, 0)
    }

    #[expect(clippy::too_many_arguments, reason = "the depth beside what every field needs")]
    fn field_within(
        &mut self,
        what: &str,
        level: usize,
        path: &str,
        value: &Value,
        want: Want,
        more: &[&str],
        depth: usize,
    ) -> Option<Field> {
        if !value.is_object() {
            let from = From::Path(self.source(level, path, value)?);
            return Some(plain(what, from));
        }
        let mut known = ALWAYS.to_vec();
        known.push("default");
        known.extend(more);
        if want == Want::Integer {
            known.extend(["times", "round"]);
        }
        let object = Object::open(path, value, &known, &mut self.faults)?;
        let from = self.from(what, level, &object, want)?;
        let none = self.none(&object);
        let map = self.map(&object, want);
        let idle: &[&str] = match &from {
            From::Path(_) => &[],
            From::Between(_) => &["none", "map", "times"],
            From::Constant(_) | From::Test(_) => &["none", "map", "times", "round"],
        };
        for key in object.present(idle) {
            self.faults.add(&object.at(key), "does nothing without a path: leaving it out would be right");
        }
        if map.is_some() {
            for key in object.present(&["times", "round"]) {
                self.faults.add(&object.at(key), "does nothing beside a map, which says what each value is: leaving it out would be right");
            }
        }
        let numeric = self.numeric(&object, want);
        let default = object.get("default").and_then(|value| {
            let constant = self.constant(&object.at("default"), value, want)?;
            Some(Box::new(plain(what, From::Constant(constant))))
        });
        let or = match object.get("or") {
            Some(_) if depth == OR_MAX => {
                return self.faults.none(&object.at("or"), format!("more than {OR_MAX} fields stand in for each other"));
            }
            Some(value) => self.field_within(what, level, &object.at("or"), value, want, &[], depth + 1).map(Box::new),
            None => None,
        };
        let or = match or {
            Some(mut or) => {
                last(&mut or).or = default;
                Some(or)
            }
            None => default,
        };
        Some(Field { what: what.into(), from, none, map, numeric, or })
    }

    fn from(&mut self, what: &str, level: usize, object: &Object<'_>, want: Want) -> Option<From> {
        let sources = object.present(&SOURCES);
        let [source] = sources.as_slice() else {
            let reason = format!("{} of path, const, test and from: one of them would be right", sources.len());
            return self.faults.none(object.path(), reason);
        };
        let (path, value) = (object.at(source), object.get(source)?);
        if *source != "from" {
            for key in object.present(&["to", "unit"]) {
                self.faults.add(&object.at(key), "does nothing without from: leaving it out would be right");
            }
        }
        match *source {
            "path" => Some(From::Path(self.source(level, &path, value)?)),
            "const" => Some(From::Constant(self.constant(&path, value, want)?)),
            "test" if want == Want::Flag => Some(From::Test(Box::new(self.filter(level, &path, value, 0)?))),
            "test" => self.faults.none(&path, format!("a test is a flag: {} would be right", want.right())),
            _ if want == Want::Integer => self.between(what, level, object).map(|between| From::Between(Box::new(between))),
            _ => self.faults.none(&path, format!("a duration is a number: {} would be right", want.right())),
        }
    }

    fn between(&mut self, what: &str, level: usize, object: &Object<'_>) -> Option<Between> {
        let from = object.get("from").and_then(|value| self.time(&format!("{what}.from"), level, &object.at("from"), value, 0));
        let to = match object.get("to") {
            Some(value) => self.time(&format!("{what}.to"), level, &object.at("to"), value, 0),
            None => self.faults.none(&object.at("to"), "is missing: the time at which it ends would be right"),
        };
        let unit = object.text("unit", &mut self.faults);
        let unit_us = match unit.map(|unit| (unit, unit_us(unit))) {
            Some((_, Some(unit_us))) => Some(unit_us),
            Some((unit, None)) => self.faults.none(&object.at("unit"), format!("{unit:?}: {} would be right", super::time::UNITS)),
            None => self.faults.none(&object.at("unit"), format!("is missing: {} would be right", super::time::UNITS)),
        };
        let round = self.round(object).unwrap_or(Round::Down);
        Some(Between { from: from?, to: to?, unit_us: unit_us?, round })
    }

    /// How the numbers of an integer field become whole.
    fn numeric(&mut self, object: &Object<'_>, want: Want) -> Numeric {
        if want != Want::Integer {
            return Numeric::PLAIN;
        }
        let times = object.integer("times", 1..=1_000_000_000, &mut self.faults).unwrap_or(1);
        Numeric { times, round: self.round(object).unwrap_or(Round::Exact) }
    }

    fn round(&mut self, object: &Object<'_>) -> Option<Round> {
        match object.text("round", &mut self.faults)? {
            "down" => Some(Round::Down),
            "up" => Some(Round::Up),
            "nearest" => Some(Round::Nearest),
            other => self.faults.none(&object.at("round"), format!("{other:?}: down, up or nearest would be right")),
        }
    }

    /// Values that mean none.
    pub(super) fn none(&mut self, object: &Object<'_>) -> Vec<Box<str>> {
        let mut none = Vec::new();
        if object.get("none").is_none() {
            return none;
        }
        for (path, value) in object.list("none", NONE_MAX, &mut self.faults).unwrap_or_default() {
            match written(value) {
                Some(text) => none.push(text.into()),
                None => self.faults.add(&path, format!("{}: a single value as \"\", 0 or false would be right", shape_of(value))),
            }
        }
        none
    }

    fn map(&mut self, object: &Object<'_>, want: Want) -> Option<Map> {
        let Some(value) = object.get("map") else {
            if object.get("else").is_some() {
                self.faults.add(&object.at("else"), "does nothing without map: default would be right");
            }
            return None;
        };
        let path = object.at("map");
        let Some(map) = value.as_object().filter(|map| !map.is_empty() && map.len() <= MAP_MAX) else {
            return self
                .faults
                .none(&path, format!("{}: an object of 1 to {MAP_MAX} values and their names would be right", shape_of(value)));
        };
        let mut entries: Vec<(Box<str>, Constant)> = Vec::new();
        for (name, value) in map {
            if let Some(constant) = self.constant(&format!("{path}.{name}"), value, want) {
                entries.push((name.as_str().into(), constant));
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let otherwise = object.get("else").and_then(|value| self.constant(&object.at("else"), value, want));
        Some(Map { entries, otherwise })
    }

    fn constant(&mut self, path: &str, value: &Value, want: Want) -> Option<Constant> {
        match (value, want) {
            (Value::Null, _) => Some(Constant::None),
            (Value::String(text), Want::Text) if text.is_empty() || text.len() > TEXT_MAX || text.contains('\0') => {
                self.faults.none(path, format!("1 to {TEXT_MAX} bytes without NUL would be right"))
            }
            (Value::String(text), Want::Text) => Some(Constant::Text(self.own_text(text))),
            (Value::Number(number), Want::Integer) if number.is_i64() => number.as_i64().map(Constant::Integer),
            (Value::Bool(flag), Want::Flag) => Some(Constant::Flag(*flag)),
            (other, want) => self.faults.none(path, format!("{}: {} or null would be right", shape_of(other), want.right())),
        }
    }

    /// The type of an attribute: as it says, else by what it is made of, else text.
    pub(super) fn want(&mut self, path: &str, value: &Value) -> Option<Want> {
        let Some(map) = value.as_object() else { return Some(Want::Text) };
        match map.get("type") {
            Some(Value::String(kind)) if kind == "text" => return Some(Want::Text),
            Some(Value::String(kind)) if kind == "integer" => return Some(Want::Integer),
            Some(Value::String(kind)) if kind == "flag" => return Some(Want::Flag),
            Some(other) => {
                return self.faults.none(&format!("{path}.type"), format!("{}: text, integer or flag would be right", shape_of(other)));
            }
            None => (),
        }
        if map.contains_key("test") {
            return Some(Want::Flag);
        }
        if map.contains_key("from") {
            return Some(Want::Integer);
        }
        let values = map.get("map").and_then(Value::as_object).into_iter().flat_map(|map| map.values());
        let example = map.get("const").into_iter().chain(values).find(|value| !value.is_null());
        Some(match example {
            Some(Value::Bool(_)) => Want::Flag,
            Some(Value::Number(_)) => Want::Integer,
            _ => Want::Text,
        })
    }
}

/// A field with nothing beside where its value comes from.
fn plain(what: &str, from: From) -> Field {
    Field { what: what.into(), from, none: Vec::new(), map: None, numeric: Numeric::PLAIN, or: None }
}

fn last(field: &mut Field) -> &mut Field {
    match field.or {
        Some(ref mut or) => last(or),
        None => field,
    }
}
