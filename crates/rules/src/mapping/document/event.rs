//! The events of a document: each has its own fields, and those that stand at the top for all of them.
//! Refuses an event that names no player, kind or time.

use super::super::field::Field;
use super::super::filter::Filter;
use super::super::plan::{ATTRIBUTES_MAX, Attribute, Form, Id, Rule};
use super::super::time::Time;
use super::field::Want;
use super::format::Format;
use super::object::Object;
use super::{Builder, SHARED, shape_of};
use serde_json::Value;
use std::collections::BTreeMap;

const EVENTS_MAX: usize = 64;
/// What campaigns find on every event, whatever its attributes.
const TAKEN: [&str; 3] = ["amount", "item", "kind"];

/// A rule before the places of all attributes are known.
#[derive(Debug)]
pub(super) struct Event {
    level: usize,
    when: Option<Filter>,
    id: Option<Id>,
    kind: Field,
    player: Field,
    at: Time,
    amount: Option<Field>,
    item: Option<Field>,
    attributes: BTreeMap<String, Attribute>,
}

/// An event's values, with those of the top where it has none of its own.
struct Shared<'d> {
    top: Object<'d>,
    own: Option<Object<'d>>,
}

impl<'d> Shared<'d> {
    fn get(&self, key: &str) -> Option<(String, &'d Value)> {
        let own = self.own.iter().find_map(|own| Some((own.at(key), own.get(key)?)));
        own.or_else(|| Some((self.top.at(key), self.top.get(key)?)))
    }

    fn path(&self) -> &str {
        self.own.as_ref().map_or("", Object::path)
    }
}

impl Builder {
    /// The events of a document; one for the document itself where it has no list of them.
    pub(super) fn events(&mut self, top: &Object<'_>, format: &mut Format<'_>) -> Option<Vec<Event>> {
        if top.get("events").is_none() {
            if format.is_text() {
                return self.faults.none("events", "is missing: a list of events, each with its pattern, would be right");
            }
            let shared = Shared { top: top.clone(), own: None };
            let level = self.each(&shared, format)?;
            let when = shared.get("when").and_then(|(path, value)| self.filter(level, &path, value, 0));
            return self.event(&shared, level, when, None).map(|event| vec![event]);
        }
        let mut known = SHARED.to_vec();
        known.push("id");
        known.extend(format.is_text().then_some(["pattern", "contains"]).into_iter().flatten());
        let mut events = Vec::new();
        for (path, value) in top.list("events", EVENTS_MAX, &mut self.faults)? {
            let Some(own) = Object::open(&path, value, &known, &mut self.faults) else { continue };
            let level = match format {
                Format::Text { patterns, .. } => self.pattern(&own, patterns),
                _ => self.each(&Shared { top: top.clone(), own: Some(own.clone()) }, format),
            };
            let Some(level) = level else { continue };
            let when = own.get("when").and_then(|value| self.filter(level, &own.at("when"), value, 0));
            let id = own.get("id").map(|value| (own.at("id"), value));
            let id = id.or_else(|| top.get("id").filter(|_| format.is_text()).map(|value| (top.at("id"), value)));
            let id = id.and_then(|(path, value)| self.id(level, &path, value));
            let shared = Shared { top: top.clone(), own: Some(own) };
            events.extend(self.event(&shared, level, when, id));
        }
        Some(events)
    }

    fn event(&mut self, shared: &Shared<'_>, level: usize, when: Option<Filter>, id: Option<Id>) -> Option<Event> {
        let kind = self.needed(shared, level, "kind", "a constant as {\"const\": \"play\"} or where the kind lies");
        let player = self.needed(shared, level, "player", "where the player's id lies");
        let at = match shared.get("at") {
            Some((path, value)) => self.time("at", level, &path, value, 0),
            None => self.faults.none(&join(shared.path(), "at"), "is missing: where the event's time lies would be right"),
        };
        let amount = shared.get("amount").and_then(|(path, value)| self.field("amount", level, &path, value, Want::Integer, &[]));
        let item = shared.get("item").and_then(|(path, value)| self.field("item", level, &path, value, Want::Text, &[]));
        let attributes = self.event_attributes(shared, level);
        Some(Event { level, when, id, kind: kind?, player: player?, at: at?, amount, item, attributes })
    }

    fn needed(&mut self, shared: &Shared<'_>, level: usize, what: &str, right: &str) -> Option<Field> {
        match shared.get(what) {
            Some((path, value)) => self.field(what, level, &path, value, Want::Text, &[]),
            None => self.faults.none(&join(shared.path(), what), format!("is missing: {right} would be right")),
        }
    }

    /// The attributes at the top and the event's own, which come before those of the same name.
    fn event_attributes(&mut self, shared: &Shared<'_>, level: usize) -> BTreeMap<String, Attribute> {
        let mut attributes = BTreeMap::new();
        for object in [Some(&shared.top), shared.own.as_ref()].into_iter().flatten() {
            let Some(Value::Object(map)) = object.get("attributes") else {
                if let Some(value) = object.get("attributes") {
                    self.faults.add(&object.at("attributes"), format!("{}: an object of names and fields would be right", shape_of(value)));
                }
                continue;
            };
            for (name, value) in map {
                let path = format!("{}.{name}", object.at("attributes"));
                if name.is_empty() || name.len() > 64 {
                    self.faults.add(&path, "a name of 1 to 64 bytes would be right");
                    continue;
                }
                if TAKEN.contains(&name.as_str()) {
                    let reason = format!("campaigns mean the event's own {name} by this name: another would be right");
                    self.faults.add(&path, reason);
                    continue;
                }
                let is_replaced = shared.own.as_ref().is_some_and(|own| own.get("attributes").is_some_and(|own| own.get(name).is_some()));
                if is_replaced && object.path().is_empty() {
                    continue;
                }
                if let Some(attribute) = self.attribute(name, level, &path, value) {
                    attributes.insert(name.clone(), attribute);
                }
            }
        }
        attributes
    }

    fn attribute(&mut self, name: &str, level: usize, path: &str, value: &Value) -> Option<Attribute> {
        let want = self.want(path, value)?;
        let field = self.field(&format!("attributes.{name}"), level, path, value, want, &["type", "required"])?;
        let form = match want {
            Want::Text => Form::Text,
            Want::Integer => Form::Integer,
            Want::Flag => Form::Flag,
        };
        let is_required = match value.get("required") {
            None => false,
            Some(Value::Bool(required)) => *required,
            Some(other) => return self.faults.none(&join(path, "required"), format!("{}: true or false would be right", shape_of(other))),
        };
        let known = *self.attributes.entry(name.to_owned()).or_insert(form);
        if std::mem::discriminant(&known) != std::mem::discriminant(&form) {
            let reason = format!("is {} here and {} in another event: one type would be right", told(form), told(known));
            return self.faults.none(path, reason);
        }
        if self.attributes.len() > ATTRIBUTES_MAX {
            return self.faults.none("attributes", format!("more than {ATTRIBUTES_MAX} names: fewer would be right"));
        }
        Some(Attribute { field, form, is_required })
    }

    /// The level of an event's rows: the record, or the elements of the arrays that `each` names.
    fn each(&mut self, shared: &Shared<'_>, format: &Format<'_>) -> Option<usize> {
        let Some((path, value)) = shared.get("each") else { return Some(0) };
        if !matches!(format, Format::Json) {
            return self.faults.none(&path, "only JSON has arrays: an event without it would be right");
        }
        let steps = match value {
            Value::Array(steps) if !steps.is_empty() => steps.iter().enumerate().map(|(n, step)| (format!("{path}[{n}]"), step)).collect(),
            Value::String(_) => vec![(path, value)],
            other => return self.faults.none(&path, format!("{}: a path to an array, or a list of them, would be right", shape_of(other))),
        };
        let mut level = 0;
        for (path, step) in steps {
            let side_by_side = match step {
                Value::Array(values) if !values.is_empty() => values.iter().collect(),
                single => vec![single],
            };
            let mut paths = Vec::new();
            for value in side_by_side {
                let read = self.path(&path, value)?;
                if !read.is_plain() {
                    return self.faults.none(&path, format!("{}: a path below the element before would be right", shape_of(value)));
                }
                paths.push(read.steps);
            }
            level = match self.shape.each(level, &paths, step.is_array()) {
                Ok(level) => level,
                Err(reason) => return self.faults.none(&path, reason),
            };
        }
        Some(level)
    }

    /// The rules by level, each with all attributes in their order.
    pub(super) fn rules(&mut self, events: Vec<Event>, attributes: &[String]) -> Vec<Vec<Rule>> {
        let mut rules: Vec<Vec<Rule>> = self.shape.levels.iter().map(|_| Vec::new()).collect();
        for mut event in events {
            rules[event.level].push(Rule {
                when: event.when,
                id: event.id,
                kind: event.kind,
                player: event.player,
                at: event.at,
                amount: event.amount,
                item: event.item,
                attributes: attributes.iter().map(|name| event.attributes.remove(name)).collect(),
            });
        }
        rules
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn told(form: Form) -> &'static str {
    match form {
        Form::Text => "a text",
        Form::Integer => "an integer",
        Form::Flag => "a flag",
    }
}
