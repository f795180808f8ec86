//! A page of a recipe: what a request asks for, the cursor to the next page, and the answer as JSON or CSV. Pure.
//! Refuses cursors that another recipe, version or set of parameters gave out.

use super::decide;
use super::model::Definition;
use super::queries::Current;
use db::Value;
use db::visitor::Returned;
use kernel::{Code, Cursor, Instant, Refusal};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// By the definition's parameters, in their order.
    pub(super) values: Vec<Value<'static>>,
    pub(super) cursor: Option<Cursor>,
    pub(super) size: u32,
    pub(super) format: Format,
}

/// Reads a request's query; `accept` is its header.
pub(super) fn asked(definition: &Definition, query: &[(String, String)], accept: Option<&str>) -> Result<Asked, Refusal> {
    let wrong = |told: String| Refusal::new(Code::BadQuery, told);
    for (at, (name, _)) in query.iter().enumerate() {
        if !["cursor", "size", "format"].contains(&name.as_str()) && !definition.parameters.iter().any(|parameter| parameter.name == *name)
        {
            let known: Vec<&str> =
                definition.parameters.iter().map(|parameter| parameter.name.as_str()).chain(["size", "cursor", "format"]).collect();
            return Err(wrong(format!("{name:?} is no parameter of this recipe: one of {} would be right", known.join(", "))));
        }
        if query[..at].iter().any(|(other, _)| other == name) {
            return Err(wrong(format!("{name:?} stands twice")));
        }
    }
    let given = |name: &str| query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    let mut values = Vec::with_capacity(definition.parameters.len());
    for parameter in &definition.parameters {
        let text = given(&parameter.name).or(parameter.default.as_deref());
        let missing = || {
            wrong(format!(
                "{} is missing: {}=… of type {} would be right",
                parameter.name,
                parameter.name,
                decide::kind_name(parameter.kind)
            ))
        };
        values.push(decide::value(parameter, text.ok_or_else(missing)?)?);
    }
    let most = definition.row_limit;
    let size = match given("size").map(str::parse::<u32>) {
        None => most,
        Some(Ok(size)) if (1..=most).contains(&size) => size,
        Some(_) => return Err(wrong(format!("size {:?} is outside 1 to {most}", given("size").unwrap_or_default()))),
    };
    let format = match given("format") {
        Some("csv") => Format::Csv,
        Some("json") => Format::Json,
        Some(other) => return Err(wrong(format!("format {other:?} is none: json or csv would be right"))),
        None if accept.is_some_and(wants_csv) => Format::Csv,
        None => Format::Json,
    };
    Ok(Asked { values, cursor: given("cursor").map(|cursor| Cursor(cursor.to_owned())), size, format })
}

/// Whether `text/csv` stands in an Accept header before anything that JSON would do for.
fn wants_csv(accept: &str) -> bool {
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kinds.into_iter().find(|kind| ["text/csv", "application/json", "*/*", "application/*"].contains(kind)) == Some("text/csv")
}

/// The arguments of the statement: what it uses of its parameters and of what is offered to all.
pub(super) fn arguments(current: &Current, asked: &Asked, game: &str, now: Instant) -> Vec<Value<'static>> {
    let one = |name: &str| match current.definition.parameters.iter().position(|parameter| parameter.name == name) {
        Some(at) => asked.values[at].clone(),
        None if name == "game" => Value::Text(game.to_owned().into()),
        None => Value::Int(now.0),
    };
    current.foreign.parameters().iter().map(|parameter| one(&parameter.name)).collect()
}

/// What tells the pages of one question from those of another.
pub(super) fn fingerprint(recipe: &str, version: i64, game: &str, values: &[Value<'static>]) -> String {
    hex::encode(&Sha256::digest(format!("{recipe}\n{version}\n{game}\n{values:?}"))[..8])
}

/// The cursor after a row: the values of the order's columns. None where one of them is null.
pub(super) fn cursor_after(current: &Current, row: &[Json], fingerprint: &str) -> Option<Cursor> {
    let keys = keys(current, row);
    if keys.iter().any(|key| !(key.is_i64() || key.is_string())) {
        return None;
    }
    Some(Cursor(hex::encode(serde_json::to_vec(&(fingerprint, keys)).expect("numbers and texts are JSON"))))
}

/// The values of the order's columns in a row.
pub(super) fn keys<'r>(current: &Current, row: &'r [Json]) -> Vec<&'r Json> {
    let at = |name: &str| current.columns.iter().position(|column| column.name == name).expect("it was checked when it was registered");
    current.order.iter().map(|order| &row[at(&order.column)]).collect()
}

/// The values that a cursor was made of.
pub(super) fn read_cursor(current: &Current, cursor: &Cursor, fingerprint: &str) -> Result<Vec<Value<'static>>, Refusal> {
    let refused = || {
        let told =
            "the cursor was not given out for this version of the recipe with these parameters: pass `next` of the page before, or none";
        Refusal::new(Code::BadCursor, told)
    };
    let bytes = hex::decode(&cursor.0).map_err(|_| refused())?;
    let (of, keys): (String, Vec<Json>) = serde_json::from_slice(&bytes).map_err(|_| refused())?;
    if of != fingerprint || keys.is_empty() || keys.len() != current.order.len() {
        return Err(refused());
    }
    let value = |key: &Json| match key {
        Json::Number(number) => number.as_i64().map(Value::Int),
        Json::String(text) => Some(Value::Text(text.clone().into())),
        _ => None,
    };
    keys.iter().map(|key| value(key).ok_or_else(refused)).collect()
}

/// A page in JSON; columns stand in the statement's order.
pub(super) fn json(recipe: &str, version: i64, columns: &[Returned], rows: &[Vec<Json>], next: Option<&Cursor>) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Page<'a> {
        recipe: &'a str,
        version: i64,
        items: Vec<Item<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<&'a Cursor>,
    }
    let items = rows.iter().map(|cells| Item { columns, cells }).collect();
    serde_json::to_vec(&Page { recipe, version, items, next }).expect("cells are JSON")
}

struct Item<'a> {
    columns: &'a [Returned],
    cells: &'a [Json],
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for (column, cell) in self.columns.iter().zip(self.cells) {
            map.serialize_entry(&column.name, cell)?;
        }
        map.end()
    }
}

/// A page in CSV as RFC 4180 has it: a line of names, CRLF, quotes where a cell needs them.
pub(super) fn csv(columns: &[Returned], rows: &[Vec<Json>]) -> Vec<u8> {
    let mut text = String::new();
    line(&mut text, columns.iter().map(|column| column.name.clone()));
    for row in rows {
        line(&mut text, row.iter().map(cell));
    }
    text.into_bytes()
}

fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            text.push(',');
        }
        if cell.contains([',', '"', '\r', '\n']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&cell);
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests;
