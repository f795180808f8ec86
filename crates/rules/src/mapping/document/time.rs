//! The times of a document: how each is written, its zone or offset, and what is added.
//! Refuses zones that do not exist and patterns that cannot tell the day.

use super::super::shape::Source;
use super::super::time::{Form, Pattern, Time};
use super::Builder;
use super::object::{Object, shape_of};
use serde_json::Value;

const KNOWN: [&str; 10] = ["path", "appended", "as", "pattern", "zone", "offset", "plus", "minus", "none", "or"];
const FORMS: &str = "iso, seconds, milliseconds, microseconds or nanoseconds";
pub(super) const UNITS: &str = "microseconds, milliseconds, seconds, minutes, hours or days";
/// Times that stand in for each other.
const OR_MAX: usize = 8;

/// The microseconds of a unit.
pub(super) fn unit_us(unit: &str) -> Option<i64> {
    Some(match unit {
        "microseconds" => 1,
        "milliseconds" => 1_000,
        "seconds" => 1_000_000,
        "minutes" => 60_000_000,
        "hours" => 3_600_000_000,
        "days" => 86_400_000_000,
        _ => return None,
    })
}

impl Builder {
    /// A time, which is a path (then by ISO 8601) or an object.
    pub(super) fn time(&mut self, what: &str, level: usize, path: &str, value: &Value, depth: usize) -> Option<Time> {
        let plain =
            Time { what: what.into(), from: None, none: Vec::new(), form: Form::Iso, zone: self.zone, offset: None, plus: None, or: None };
        if !value.is_object() {
            return Some(Time { from: Some(self.source(level, path, value)?), ..plain });
        }
        let object = Object::open(path, value, &KNOWN, &mut self.faults)?;
        match (object.get("path"), object.get("appended")) {
            (Some(from), None) => {
                let from = self.source(level, &object.at("path"), from);
                let form = self.form(&object);
                let zone = match object.text("zone", &mut self.faults) {
                    Some(name) => self.zone_number(&object.at("zone"), name),
                    None => self.zone,
                };
                let offset = self.offset(level, &object);
                let plus = self.plus(level, &object);
                let none = self.none(&object);
                let or = match object.get("or") {
                    Some(_) if depth == OR_MAX => {
                        return self.faults.none(&object.at("or"), format!("more than {OR_MAX} times stand in for each other"));
                    }
                    Some(value) => self.time(what, level, &object.at("or"), value, depth + 1).map(Box::new),
                    None => None,
                };
                Some(Time { from: Some(from?), none, form: form?, zone, offset, plus, or, ..plain })
            }
            (None, Some(Value::Bool(true))) => {
                for key in object.present(&["as", "pattern", "zone", "offset", "plus", "minus", "none", "or"]) {
                    self.faults.add(&object.at(key), "does nothing with appended: leaving it out would be right");
                }
                Some(plain)
            }
            _ => self.faults.none(path, "a path, or \"appended\": true, would be right"),
        }
    }

    fn form(&mut self, object: &Object<'_>) -> Option<Form> {
        if object.get("pattern").is_some() {
            if object.get("as").is_some() {
                return self.faults.none(&object.at("as"), "stands beside a pattern: one of them would be right");
            }
            return match Pattern::new(object.text("pattern", &mut self.faults)?) {
                Ok(pattern) => Some(Form::Pattern(pattern)),
                Err(reason) => self.faults.none(&object.at("pattern"), reason),
            };
        }
        if object.get("as").is_none() {
            return Some(Form::Iso);
        }
        let form = match object.text("as", &mut self.faults)? {
            "iso" => return Some(Form::Iso),
            "seconds" => Form::Epoch(1_000_000, 1),
            "milliseconds" => Form::Epoch(1_000, 1),
            "microseconds" => Form::Epoch(1, 1),
            "nanoseconds" => Form::Epoch(1, 1_000),
            other => return self.faults.none(&object.at("as"), format!("{other:?}: {FORMS} would be right, or a pattern beside it")),
        };
        for key in object.present(&["zone", "offset"]) {
            self.faults.add(&object.at(key), "does nothing with a time since 1970, which is UTC: leaving it out would be right");
        }
        Some(form)
    }

    /// Where the distance from UTC lies; a number there counts minutes unless a unit says otherwise.
    fn offset(&mut self, level: usize, object: &Object<'_>) -> Option<(Source, i64)> {
        let value = object.get("offset")?;
        if !value.is_object() {
            return Some((self.source(level, &object.at("offset"), value)?, 60));
        }
        let (source, unit_us) = self.path_and_unit(level, &object.at("offset"), value)?;
        if unit_us % 1_000_000 != 0 {
            return self.faults.none(&format!("{}.unit", object.at("offset")), "seconds, minutes or hours would be right");
        }
        Some((source, unit_us / 1_000_000))
    }

    fn plus(&mut self, level: usize, object: &Object<'_>) -> Option<(Source, i64)> {
        match object.present(&["plus", "minus"]).as_slice() {
            [] => None,
            [key] => {
                let (source, unit_us) = self.path_and_unit(level, &object.at(key), object.get(key)?)?;
                Some((source, if *key == "minus" { -unit_us } else { unit_us }))
            }
            _ => self.faults.none(&object.at("minus"), "stands beside plus: one of them would be right"),
        }
    }

    fn path_and_unit(&mut self, level: usize, path: &str, value: &Value) -> Option<(Source, i64)> {
        let object = Object::open(path, value, &["path", "unit"], &mut self.faults)?;
        let source = match object.get("path") {
            Some(value) => self.source(level, &object.at("path"), value),
            None => self.faults.none(&object.at("path"), "is missing: where the number lies would be right"),
        };
        let unit = match object.get("unit") {
            Some(Value::String(unit)) => unit_us(unit),
            _ => None,
        };
        let Some(unit) = unit else {
            let wrong = object.get("unit").map_or_else(|| "is missing".to_owned(), shape_of);
            return self.faults.none(&object.at("unit"), format!("{wrong}: {UNITS} would be right"));
        };
        Some((source?, unit))
    }
}
