//! How a game's records are written: JSON, delimited lines, or text that patterns describe.
//! Refuses what would split a line in two ways.

use super::super::delimited::{Delimited, Written};
use super::super::plan;
use super::super::shape::Shape;
use super::super::text::{Pattern, Patterns, regex, regexes};
use super::object::{Faults, Object};
use super::{Builder, shape_of};
use memchr::memmem;
use serde_json::Value;

const COLUMNS_MAX: usize = 1_000;
const SKIP_MAX: usize = 100;
const LINES: [&str; 8] = ["type", "delimiter", "quote", "columns", "columns_min", "more_columns", "trim", "header"];
const KINDS: &str = "json, csv, delimited or text";

/// The format, and for text the patterns as the events name them.
#[derive(Debug)]
pub(super) enum Format<'d> {
    Json,
    Lines(Box<Delimited>),
    Text { patterns: Vec<Pattern>, skip: Vec<&'d str>, skip_path: String },
}

impl Format<'_> {
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Format::Text { .. })
    }

    pub(super) fn finish(self, faults: &mut Faults) -> Option<plan::Format> {
        match self {
            Format::Json => Some(plan::Format::Json),
            Format::Lines(lines) => Some(plan::Format::Delimited(lines)),
            Format::Text { patterns, skip, skip_path } => match regexes(&skip) {
                Ok(skip) => Some(plan::Format::Text(Patterns { patterns, skip })),
                Err(reason) => faults.none(&skip_path, reason),
            },
        }
    }
}

impl Builder {
    pub(super) fn format<'d>(&mut self, top: &Object<'d>) -> Option<Format<'d>> {
        let path = top.at("format");
        let Some(value) = top.get("format") else { return self.faults.none(&path, format!("is missing: {KINDS} would be right")) };
        let kind = match value {
            Value::String(kind) => kind.as_str(),
            Value::Object(map) => map.get("type").and_then(Value::as_str).unwrap_or_default(),
            other => return self.faults.none(&path, format!("{}: {KINDS} would be right", shape_of(other))),
        };
        let known: &[&str] = match kind {
            "json" => &["type"],
            "text" => &["type", "skip"],
            "csv" | "delimited" => &LINES,
            other => return self.faults.none(&path, format!("{other:?} is no format: {KINDS} would be right")),
        };
        let empty = Value::Object(serde_json::Map::new());
        let is_text = kind == "text";
        if kind == "json" {
            if value.is_object() {
                Object::open(&path, value, known, &mut self.faults)?;
            }
            return Some(Format::Json);
        }
        if is_text {
            self.dotted = false;
            self.shape = Shape::lines(Vec::new());
            if !value.is_object() {
                return Some(Format::Text { patterns: Vec::new(), skip: Vec::new(), skip_path: path });
            }
            let object = Object::open(&path, value, known, &mut self.faults)?;
            return Some(self.text(&object));
        }
        let value = if value.is_object() { value } else { &empty };
        let object = Object::open(&path, value, known, &mut self.faults)?;
        self.lines(&object, kind == "csv").map(|lines| Format::Lines(Box::new(lines)))
    }

    fn text<'d>(&mut self, object: &Object<'d>) -> Format<'d> {
        let skip = object.texts("skip", SKIP_MAX, &mut self.faults).unwrap_or_default();
        for (n, pattern) in skip.iter().enumerate() {
            if let Err(reason) = regex(pattern) {
                self.faults.add(&format!("{}[{n}]", object.at("skip")), reason);
            }
        }
        Format::Text { patterns: Vec::new(), skip, skip_path: object.at("skip") }
    }

    fn lines(&mut self, object: &Object<'_>, is_csv: bool) -> Option<Delimited> {
        let delimiter = match (object.text("delimiter", &mut self.faults), is_csv) {
            (Some(_), true) => return self.faults.none(&object.at("delimiter"), "csv has commas: type delimited would be right"),
            (None, true) => ",",
            (Some(text), false) if (1..=8).contains(&text.len()) && !text.contains(['\n', '\r', '\0']) => text,
            (_, false) => return self.faults.none(&object.at("delimiter"), "1 to 8 bytes without a line's end, as \"|\", would be right"),
        };
        let quote = match object.get("quote") {
            None => Some(b'"'),
            Some(Value::Null) => None,
            Some(Value::String(text)) if text.len() == 1 && !delimiter.contains(text.as_str()) => text.bytes().next(),
            Some(other) => {
                let reason = format!("{}: one ASCII character that the delimiter has not, or null, would be right", shape_of(other));
                return self.faults.none(&object.at("quote"), reason);
            }
        };
        let Some(columns) = object.texts("columns", COLUMNS_MAX, &mut self.faults) else {
            return self.faults.none(&object.at("columns"), "the columns' names in their order would be right");
        };
        let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
        for (n, name) in columns.iter().enumerate() {
            if name.is_empty() || matches!(name.as_str(), "$" | "@") || columns[..n].contains(name) {
                self.faults.add(&format!("{}[{n}]", object.at("columns")), format!("{name:?}: a name of its own would be right"));
            }
        }
        let count = i64::try_from(columns.len()).ok()?;
        let columns_min = object.integer("columns_min", 1..=count, &mut self.faults).unwrap_or(count);
        let written = Written {
            delimiter,
            quote,
            has_header: object.flag("header", &mut self.faults).unwrap_or(false),
            columns: &columns,
            columns_min: usize::try_from(columns_min).ok()?,
            more_columns: object.flag("more_columns", &mut self.faults).unwrap_or(false),
            trim: object.flag("trim", &mut self.faults).unwrap_or(false),
        };
        let lines = Delimited::new(&written);
        self.dotted = false;
        self.shape = Shape::lines(columns);
        Some(lines)
    }

    /// The level of an event's pattern.
    pub(super) fn pattern(&mut self, event: &Object<'_>, patterns: &mut Vec<Pattern>) -> Option<usize> {
        let path = event.at("pattern");
        let text = match event.get("pattern") {
            None => return self.faults.none(&path, "is missing: a regular expression with named groups would be right"),
            Some(_) => event.text("pattern", &mut self.faults)?,
        };
        let compiled = match regex(text) {
            Ok(compiled) => compiled,
            Err(reason) => return self.faults.none(&path, reason),
        };
        let contains = event.text("contains", &mut self.faults);
        if let Some(piece) = contains
            && (piece.is_empty() || memmem::find(piece.as_bytes(), b"\n").is_some())
        {
            return self.faults.none(&event.at("contains"), format!("{piece:?}: a piece that each such line has would be right"));
        }
        let level = self.shape.groups(Pattern::names(&compiled));
        patterns.push(Pattern::new(compiled, contains, level));
        Some(level)
    }
}
