//! Reads a mapping's document into a plan and tells every fault of it, each with its path and what would be right.
//! Refuses unknown keys, so that a slip of the pen is not taken for a wish.

mod event;
mod field;
mod filter;
mod format;
mod object;
mod profile;
mod time;

use super::plan::{Form, Id, Plan, next_number};
use super::shape::{Path, Shape, Source};
use super::slot::Slot;
use crate::Fault;
use jiff::tz::TimeZone;
use object::{Faults, Object, shape_of};
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of a document.
const DOCUMENT_MAX: usize = 1 << 20;
/// Bytes of a record unless the mapping says less: the stream keeps no more of one.
const RECORD_BYTES: i64 = 1 << 20;
/// Ids remembered per player, at most.
const DEDUPE_IDS_MAX: i64 = 65_536;

/// What every event has unless it says otherwise itself.
const SHARED: [&str; 8] = ["each", "when", "kind", "player", "at", "amount", "item", "attributes"];
const TOP: [&str; 8] = ["about", "format", "keyed_by", "dedupe_max", "record_max", "zone", "profile", "events"];

/// A plan in the making.
struct Builder {
    faults: Faults,
    shape: Shape,
    /// Names have dots: they are free, as JSON's are.
    dotted: bool,
    texts: Vec<Box<str>>,
    zones: Vec<(String, TimeZone)>,
    /// Number of the zone of local times that name none.
    zone: Option<usize>,
    /// The attributes' names and types.
    attributes: BTreeMap<String, Form>,
}

/// Reads a document.
pub(super) fn read(json: &str) -> Result<Plan, Vec<Fault>> {
    let fault = |reason: String| vec![Fault { path: String::new(), reason }];
    if json.len() > DOCUMENT_MAX {
        return Err(fault(format!("{} bytes: at most {DOCUMENT_MAX} would be right", json.len())));
    }
    let document: Value = serde_json::from_str(json).map_err(|e| fault(format!("it is not JSON: {e}")))?;
    let mut faults = Faults::default();
    let known: Vec<&str> = TOP.into_iter().chain(SHARED).chain(["id"]).collect();
    let Some(top) = Object::open("", &document, &known, &mut faults) else { return Err(faults.told()) };
    let mut builder = Builder {
        faults,
        shape: Shape::json(),
        dotted: true,
        texts: Vec::new(),
        zones: Vec::new(),
        zone: None,
        attributes: BTreeMap::new(),
    };
    let plan = builder.plan(&top);
    match plan {
        Some(plan) if builder.faults.is_empty() => Ok(plan),
        _ => Err(builder.faults.told()),
    }
}

impl Builder {
    /// None only where faults were told.
    fn plan(&mut self, top: &Object<'_>) -> Option<Plan> {
        let keyed_by_player = match top.text("keyed_by", &mut self.faults) {
            None | Some("player") => true,
            Some("other") => false,
            Some(other) => {
                self.faults.add(&top.at("keyed_by"), format!("{other:?} is unknown: player or other would be right"));
                false
            }
        };
        let dedupe_max = top.integer("dedupe_max", 1..=DEDUPE_IDS_MAX, &mut self.faults).unwrap_or(512);
        let record_max = top.integer("record_max", 64..=RECORD_BYTES, &mut self.faults).unwrap_or(RECORD_BYTES);
        if let Some(name) = top.text("zone", &mut self.faults) {
            self.zone = self.zone_number(&top.at("zone"), name);
        }
        top.text("about", &mut self.faults);
        let mut format = self.format(top)?;
        let when = top.get("when").filter(|_| top.get("events").is_some());
        let when = when.and_then(|value| self.filter(0, &top.at("when"), value, 0));
        let id = if format.is_text() { None } else { top.get("id").and_then(|value| self.id(0, &top.at("id"), value)) };
        let events = self.events(top, &mut format)?;
        let attributes: Vec<String> = self.attributes.keys().cloned().collect();
        let profile = top.get("profile").and_then(|value| self.profile(&top.at("profile"), value));
        let rules = self.rules(events, &attributes);
        Some(Plan {
            number: next_number(),
            record_max: usize::try_from(record_max).ok()?,
            format: format.finish(&mut self.faults)?,
            when,
            id,
            rules,
            texts: std::mem::take(&mut self.texts),
            zones: self.zones.iter().map(|(_, zone)| zone.clone()).collect(),
            attributes,
            profile,
            keyed_by_player,
            dedupe_max: usize::try_from(dedupe_max).ok()?,
            shape: std::mem::replace(&mut self.shape, Shape::json()),
        })
    }

    /// The source of a path, which is a text or a list of names.
    fn source(&mut self, level: usize, path: &str, value: &Value) -> Option<Source> {
        let read = self.path(path, value)?;
        match self.shape.source(level, &read) {
            Ok(source) => Some(source),
            Err(reason) => self.faults.none(path, reason),
        }
    }

    fn path(&mut self, path: &str, value: &Value) -> Option<Path> {
        let read = match value {
            Value::String(text) => Path::dotted(text, self.dotted),
            Value::Array(steps) if self.dotted && steps.iter().all(Value::is_string) => {
                Path::listed(steps.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            }
            other => Err(format!("{} is no path: a text would be right", shape_of(other))),
        };
        match read {
            Ok(read) => Some(read),
            Err(reason) => self.faults.none(path, reason),
        }
    }

    /// The parts of an id: one path or a list of them.
    fn id(&mut self, level: usize, path: &str, value: &Value) -> Option<Id> {
        let parts: Vec<Source> = match value {
            Value::Array(parts) if !parts.is_empty() => {
                let parts = parts.iter().enumerate().map(|(n, part)| self.source(level, &format!("{path}[{n}]"), part));
                parts.collect::<Option<_>>()?
            }
            value => vec![self.source(level, path, value)?],
        };
        let up = parts.iter().map(|part| part.up).min().unwrap_or(0);
        Some(Id { parts, up })
    }

    fn zone_number(&mut self, path: &str, name: &str) -> Option<usize> {
        if let Some(known) = self.zones.iter().position(|(zone, _)| zone == name) {
            return Some(known);
        }
        match crate::zone(name) {
            Some(zone) => {
                self.zones.push((name.to_owned(), zone));
                Some(self.zones.len() - 1)
            }
            None => self.faults.none(path, format!("{name:?} is no time zone: an IANA name as Asia/Seoul would be right")),
        }
    }

    /// A text of the mapping's own.
    fn own_text(&mut self, text: &str) -> Slot {
        let known = self.texts.iter().position(|own| **own == *text);
        let number = known.unwrap_or_else(|| {
            self.texts.push(text.into());
            self.texts.len() - 1
        });
        Slot::constant(number)
    }
}
