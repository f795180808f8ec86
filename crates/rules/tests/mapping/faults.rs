//! Faults of mapping documents: each is told with its path and what would be right.

use super::ground::with;
use rules::Mapping;
use serde_json::{Value, json};

fn faults(document: &Value) -> Vec<String> {
    match Mapping::parse(&document.to_string()) {
        Ok(_) => panic!("it is right: {document:#}"),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// The mapping has this one fault, whose path is this and whose reason has that.
#[track_caller]
fn fault(document: &Value, path: &str, reason: &str) {
    let told = faults(document);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with(&format!("{path}: ")) && told[0].contains(reason), "{told:#?}");
}

#[test]
fn all_faults_are_told_at_once() {
    let told =
        faults(&json!({ "format": "json", "playr": "x", "kind": {"const": 5}, "at": {"path": "t", "as": "second"}, "keyed_by": "game" }));
    let paths: Vec<&str> = told.iter().map(|told| told.split(": ").next().unwrap()).collect();
    assert_eq!(paths, ["playr", "keyed_by", "kind.const", "player", "at.as"], "{told:#?}");
}

#[test]
fn what_is_no_document_is_told_as_such() {
    assert!(Mapping::parse("{").unwrap_err()[0].reason.contains("it is not JSON"));
    assert!(Mapping::parse("[]").unwrap_err()[0].reason.contains("an object would be right"));
    assert!(Mapping::parse(&" ".repeat(2 << 20)).unwrap_err()[0].reason.contains("at most"));
    fault(&json!({ "kind": "k", "player": "p", "at": "t" }), "format", "json, csv, delimited or text");
    fault(&with(json!({ "format": "xml" })), "format", "json, csv, delimited or text");
    fault(&with(json!({ "format": {"type": "json", "delimiter": ","} })), "format.delimiter", "is unknown here");
}

#[test]
fn a_slip_of_the_pen_is_told_with_its_path() {
    for (more, path, reason) in [
        (json!({ "events": [{}, {"amuont": "n"}] }), "events[1].amuont", "is unknown here"),
        (json!({ "amount": {"path": "n", "tims": 5} }), "amount.tims", "is unknown here"),
        (json!({ "item": {"path": "n", "times": 5} }), "item.times", "is unknown here"),
        (json!({ "item": {"path": "n", "const": "x"} }), "item", "2 of path, const, test and from"),
        (json!({ "item": {} }), "item", "0 of path, const, test and from"),
        (json!({ "item": "a..b" }), "item", "has an empty name"),
        (json!({ "item": "" }), "item", "has an empty name"),
        (json!({ "item": "^.a" }), "item", "leads above the record"),
        (json!({ "item": 5 }), "item", "5 is no path"),
        (json!({ "item": {"path": "a", "none": "x"} }), "item.none", "a list would be right"),
        (json!({ "item": {"path": "a", "none": [null]} }), "item.none[0]", "a single value"),
        (json!({ "item": {"path": "a", "else": "x"} }), "item.else", "default would be right"),
        (json!({ "item": {"const": "a", "none": ["a"]} }), "item.none", "does nothing without a path"),
        (json!({ "item": {"path": "a", "map": {"1": 1}} }), "item.map.1", "a text or null would be right"),
        (json!({ "item": {"path": "a", "map": {}} }), "item.map", "an object of 1 to 10000 values"),
        (json!({ "item": {"const": "a\u{0}"} }), "item.const", "without NUL"),
        (json!({ "item": {"test": {"path": "a", "eq": 1}} }), "item.test", "a test is a flag"),
        (json!({ "amount": {"from": "a", "to": "b", "unit": "weeks"} }), "amount.unit", "minutes, hours or days"),
        (json!({ "amount": {"from": "a", "unit": "days"} }), "amount.to", "is missing"),
        (json!({ "amount": {"path": "a", "round": "off"} }), "amount.round", "down, up or nearest"),
        (json!({ "amount": {"path": "a", "times": 0} }), "amount.times", "1 to 1000000000"),
        (json!({ "amount": {"path": "a", "unit": "days"} }), "amount.unit", "does nothing without from"),
        (json!({ "amount": {"const": 3, "times": 100} }), "amount.times", "does nothing without a path"),
        (json!({ "amount": {"from": "a", "to": "b", "unit": "days", "times": 2} }), "amount.times", "does nothing without a path"),
        (json!({ "amount": {"path": "a", "map": {"1": 1}, "round": "up"} }), "amount.round", "does nothing beside a map"),
        (json!({ "attributes": {"kind": "a"} }), "attributes.kind", "another would be right"),
        (json!({ "attributes": ["a"] }), "attributes", "an object of names and fields"),
        (json!({ "attributes": {"a": {"path": "a", "type": "float"}} }), "attributes.a.type", "text, integer or flag"),
        (json!({ "attributes": {"a": {"path": "a", "required": 1}} }), "attributes.a.required", "true or false"),
        (json!({ "dedupe_max": 0 }), "dedupe_max", "1 to 65536"),
        (json!({ "record_max": "1 MB" }), "record_max", "64 to 1048576"),
        (json!({ "zone": "Asia/Soul" }), "zone", "an IANA name"),
        (json!({ "each": [] }), "each", "a path to an array"),
        (json!({ "each": "$.a" }), "each", "a path below the element before"),
        (json!({ "events": [] }), "events", "1 to 64"),
        (json!({ "id": ["a", 5] }), "id[1]", "5 is no path"),
    ] {
        fault(&with(more), path, reason);
    }
}

#[test]
fn faults_of_times_are_told() {
    for (time, path, reason) in [
        (json!({"path": "t", "pattern": "%H:%M"}), "at.pattern", "leaves the day open"),
        (json!({"path": "t", "pattern": "%Y-%m-%d", "as": "iso"}), "at.as", "one of them"),
        (json!({"path": "t", "as": "minutes"}), "at.as", "iso, seconds"),
        (json!({"path": "t", "zone": "KST"}), "at.zone", "an IANA name"),
        (json!({"path": "t", "as": "seconds", "zone": "Asia/Seoul"}), "at.zone", "which is UTC"),
        (json!({"path": "t", "plus": {"path": "d"}}), "at.plus.unit", "is missing"),
        (json!({"path": "t", "plus": {"path": "d", "unit": "days"}, "minus": {"path": "d", "unit": "days"}}), "at.minus", "one of them"),
        (json!({"path": "t", "offset": {"path": "d", "unit": "milliseconds"}}), "at.offset.unit", "seconds, minutes or hours"),
        (json!({"appended": false}), "at", "would be right"),
        (json!({"appended": true, "zone": "UTC"}), "at.zone", "does nothing with appended"),
        (json!({"path": "t", "or": {"pat": "x"}}), "at.or.pat", "is unknown here"),
    ] {
        let told = faults(&with(json!({ "at": time })));
        assert!(told[0].starts_with(&format!("{path}: ")) && told[0].contains(reason), "{told:#?}");
    }
}

#[test]
fn faults_of_filters_are_told() {
    for (filter, path, reason) in [
        (json!("x"), "when", "an object would be right"),
        (json!({"path": "a"}), "when", "a path with one of eq"),
        (json!({"eq": 1}), "when", "a path with one of eq"),
        (json!({"path": "a", "eq": null}), "when.eq", "or exists"),
        (json!({"path": "a", "in": []}), "when.in", "1 to 1000"),
        (json!({"path": "a", "in": [[1]]}), "when.in[0]", "a single value"),
        (json!({"path": "a", "lt": "5"}), "when.lt", "a number"),
        (json!({"path": "a", "matches": "("}), "when.matches", "no regular expression"),
        (json!({"path": "a", "contains": ""}), "when.contains", "fits everything"),
        (json!({"all": [{"path": "a", "equal": 1}]}), "when.all[0].equal", "is unknown here"),
        (json!({"all": [], "any": []}), "when", "a path with one of eq"),
    ] {
        let told = faults(&with(json!({ "when": filter })));
        assert!(told[0].starts_with(&format!("{path}: ")) && told[0].contains(reason), "{told:#?}");
    }
}

#[test]
fn faults_of_lines_are_told() {
    let lines = |format: Value, player: &str| json!({ "format": format, "kind": "k", "player": player, "at": "t" });
    for (document, path, reason) in [
        (lines(json!({"type": "delimited", "columns": ["k"]}), "k"), "format.delimiter", "1 to 8 bytes"),
        (lines(json!({"type": "csv", "delimiter": ";", "columns": ["k"]}), "k"), "format.delimiter", "csv has commas"),
        (lines(json!("csv"), "k"), "format.columns", "names in their order"),
        (lines(json!({"type": "csv", "columns": ["k", "t", "k"]}), "k"), "format.columns[2]", "a name of its own"),
        (lines(json!({"type": "csv", "columns": ["k", "t"], "quote": ","}), "k"), "format.quote", "one ASCII character"),
        (lines(json!({"type": "csv", "columns": ["k", "t", "p"], "columns_min": 4}), "p"), "format.columns_min", "1 to 3"),
        (lines(json!({"type": "csv", "columns": ["k", "t", "p"]}), "who"), "player", "one of k, t, p would be right"),
        (lines(json!("text"), "p"), "events", "each with its pattern"),
        (json!({ "format": "text", "events": [{"kind": "k", "player": "p", "at": "t"}] }), "events[0].pattern", "is missing"),
        (json!({ "format": "text", "events": [{"pattern": "(?<p>"}] }), "events[0].pattern", "no regular expression"),
        (
            json!({ "format": {"type": "text", "skip": ["a", "*"]}, "events": [{"pattern": "(?<k>.)(?<p>.)(?<t>.)", "kind": "k", "player": "p", "at": "t"}] }),
            "format.skip[1]",
            "no regular expression",
        ),
        (
            json!({ "format": "text", "events": [{"pattern": "(?<k>.)(?<t>.)", "kind": "k", "player": "p", "at": "t"}] }),
            "events[0].player",
            "one of k, t would be right",
        ),
    ] {
        let told = faults(&document);
        assert!(told[0].starts_with(&format!("{path}: ")) && told[0].contains(reason), "{told:#?}");
    }
    let csv = lines(json!({"type": "csv", "columns": ["k", "t", "p"]}), "p");
    let mut each = csv.clone();
    each["each"] = json!("p");
    fault(&each, "each", "only JSON has arrays");
    assert!(Mapping::parse(&csv.to_string()).is_ok());
}

#[test]
fn an_attribute_has_one_type_in_all_events() {
    let document = with(json!({ "events": [{"attributes": {"a": "x"}}, {"attributes": {"a": {"path": "y", "type": "integer"}}}] }));
    fault(&document, "events[1].attributes.a", "is an integer here and a text in another event");
}

#[test]
fn documents_have_limits() {
    let many =
        |count: usize| -> Value { (0..count).map(|n| (format!("a{n}"), json!(format!("f{n}")))).collect::<serde_json::Map<_, _>>().into() };
    assert!(Mapping::parse(&with(json!({ "attributes": many(32) })).to_string()).is_ok());
    assert!(faults(&with(json!({ "attributes": many(33) })))[0].contains("more than 32 names"));
    let deep = (0..20).fold(json!({"path": "a", "eq": 1}), |inner, _| json!({ "not": inner }));
    assert!(faults(&with(json!({ "when": deep })))[0].contains("more than 16 tests"));
    let bombs = json!({ "format": "text", "events": [{"pattern": "(?<p>(a{1000}){1000})", "kind": "p", "player": "p", "at": "p"}] });
    assert!(faults(&bombs)[0].contains("no regular expression"), "{:?}", faults(&bombs));
}

#[test]
fn a_fault_of_what_all_events_share_is_told_once() {
    fault(&with(json!({ "item": "a..b", "events": [{}, {}, {}] })), "item", "has an empty name");
}

#[test]
fn a_profile_is_told_by_attributes_of_its_fields_types() {
    let with = |profile: Value| {
        with(json!({ "format": "json", "attributes": { "nick": "nick", "level": {"path": "lv", "type": "integer"} }, "profile": profile }))
    };
    assert!(Mapping::parse(&with(json!({ "nickname": "nick", "level": "level" })).to_string()).unwrap().profile().is_some());
    assert!(Mapping::parse(&with(json!({})).to_string()).unwrap().profile().is_some(), "when players were seen is kept");
    fault(&with(json!({ "nickname": "name" })), "profile.nickname", "\"name\" is no attribute of an event");
    fault(&with(json!({ "nickname": "level" })), "profile.nickname", "an attribute of type text would be right");
    fault(&with(json!({ "level": "nick" })), "profile.level", "an attribute of type integer would be right");
    fault(&with(json!({ "lvl": "level" })), "profile.lvl", "is unknown here");
    fault(&with(json!("level")), "profile", "an object would be right");
}
