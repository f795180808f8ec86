//! Maps a record and shows its events as lines of text.
//! Knows no mapping.

use kernel::Instant;
use rules::{Event, Mapper, Mapping, Reason, Scratch, Unfit, Value};

/// When records are appended unless a test says otherwise: 2026-11-21T12:00:00Z.
pub(super) const NOW: Instant = Instant(1_795_262_400_000_000);

pub(super) fn mapping(document: &serde_json::Value) -> Mapping {
    Mapping::parse(&document.to_string()).unwrap_or_else(|faults| {
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}\nin {document:#}", told.join("\n"))
    })
}

/// Each event as `kind player time xAMOUNT item=… name=value …`; attributes that are missing are left out.
pub(super) fn lines(mapping: &Mapping, record: &[u8]) -> Result<Vec<String>, Unfit> {
    lines_with(mapping, &mapping.compile(), &mut Scratch::default(), record)
}

pub(super) fn lines_with(mapping: &Mapping, mapper: &Mapper, scratch: &mut Scratch, record: &[u8]) -> Result<Vec<String>, Unfit> {
    let mut lines = Vec::new();
    let count = mapper.map(scratch, record, NOW, &mut |event| lines.push(line(mapping, event)))?;
    assert_eq!(count, lines.len());
    Ok(lines)
}

fn line(mapping: &Mapping, event: &Event<'_>) -> String {
    let mut line = format!("{} {} {} x{}", event.kind, event.player, event.at.to_string().replace(".000000Z", "Z"), event.amount);
    if let Some(item) = event.item {
        line += &format!(" item={item}");
    }
    assert_eq!(event.attributes.len(), mapping.attributes().len());
    for (name, value) in mapping.attributes().iter().zip(event.attributes) {
        match value {
            Value::Missing => (),
            Value::Integer(number) => line += &format!(" {name}={number}"),
            Value::Text(text) => line += &format!(" {name}={text:?}"),
            Value::Flag(flag) => line += &format!(" {name}={flag}"),
        }
    }
    line
}

/// The lines of a record that fits.
pub(super) fn fit(document: &serde_json::Value, record: &str) -> Vec<String> {
    lines(&mapping(document), record.as_bytes()).unwrap_or_else(|unfit| panic!("{unfit}\n{record}\nin {document:#}"))
}

/// Why a record does not fit.
pub(super) fn unfit(document: &serde_json::Value, record: &[u8]) -> (Reason, String) {
    match lines(&mapping(document), record) {
        Ok(lines) => panic!("it fits: {lines:?}"),
        Err(unfit) => (unfit.reason, unfit.detail),
    }
}

/// A mapping of `player`, `at` and `kind` with these keys besides, or instead.
pub(super) fn with(more: serde_json::Value) -> serde_json::Value {
    let mut document = serde_json::json!({ "format": "json", "kind": "kind", "player": "player", "at": "at" });
    for (key, value) in more.as_object().unwrap() {
        document[key] = value.clone();
    }
    document
}

/// A record of `player`, `at` and `kind` with these keys besides, or instead.
pub(super) fn record(more: serde_json::Value) -> String {
    let mut record = serde_json::json!({ "kind": "play", "player": "p1", "at": "2026-11-21T09:00:00Z" });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record.to_string()
}
