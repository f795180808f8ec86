//! Event ids: what keeps them and what changes them.

use super::ground::{NOW, mapping, record, with};
use rules::Scratch;
use serde_json::{Value, json};
use std::collections::HashSet;

fn ids(document: &Value, text: &str) -> Vec<u64> {
    let mut ids = Vec::new();
    mapping(document).compile().map(&mut Scratch::default(), text.as_bytes(), NOW, &mut |event| ids.push(event.id)).unwrap();
    ids
}

#[test]
fn a_records_own_id_is_all_that_counts() {
    let document = with(json!({ "id": "log" }));
    let first = ids(&document, &record(json!({ "log": "x1", "n": 1 })));
    assert_eq!(first, ids(&document, &record(json!({ "n": 2, "log": "x1" }))), "whatever else it says");
    assert_eq!(
        first,
        ids(&with(json!({ "id": "log", "amount": "n", "attributes": {"a": "n"} })), &record(json!({ "log": "x1", "n": 1 }))),
        "nor a new mapping"
    );
    assert_ne!(first, ids(&document, &record(json!({ "log": "x2", "n": 1 }))));
    assert_eq!(ids(&document, &record(json!({ "log": 7 }))), ids(&document, &record(json!({ "log": "7" }))));
}

#[test]
fn a_record_without_an_id_is_its_own() {
    let first = ids(&with(json!({})), &record(json!({ "n": 1 })));
    assert_eq!(first, ids(&with(json!({ "amount": "n" })), &format!("{}\r\n", record(json!({ "n": 1 })))));
    assert_ne!(first, ids(&with(json!({})), &record(json!({ "n": 2 }))));
}

#[test]
fn an_id_may_have_several_parts_and_their_order_counts() {
    let document = with(json!({ "id": ["a", "b"] }));
    let first = ids(&document, &record(json!({ "a": "1", "b": "23" })));
    assert_ne!(first, ids(&document, &record(json!({ "a": "12", "b": "3" }))));
    assert_ne!(first, ids(&document, &record(json!({ "a": "23", "b": "1" }))));
}

#[test]
fn the_events_of_a_record_are_told_apart_and_stay_themselves_when_rules_come_and_go() {
    let text = record(json!({ "id": "m", "players": [{"p": "a"}, {"p": "b"}, {"p": "c", "bot": true}] }));
    let play = json!({"each": "players", "player": "p", "at": "$.at", "kind": {"const": "play"}});
    let win = json!({"each": "players", "player": "p", "at": "$.at", "kind": {"const": "win"}});
    let all = ids(&with(json!({ "id": "id", "events": [play, win, play] })), &text);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 9, "a kind that is made twice counts twice");
    let plays = ids(&with(json!({ "id": "id", "events": [play] })), &text);
    assert_eq!(plays, [all[0], all[3], all[6]]);
    let mut people = play.clone();
    people["when"] = json!({"path": "bot", "ne": true});
    assert_eq!(ids(&with(json!({ "id": "id", "events": [win, people] })), &text)[1..4], [plays[0], all[4], plays[1]]);
}

#[test]
fn an_elements_own_id_holds_wherever_the_element_stands() {
    let document = with(json!({ "each": "rows", "events": [{"id": "n", "player": "p", "at": "$.at", "kind": "$.kind"}] }));
    let one = ids(&document, &record(json!({ "rows": [{"n": 1, "p": "a"}, {"n": 2, "p": "b"}] })));
    let two = ids(&document, &record(json!({ "rows": [{"n": 2, "p": "b"}, {"n": 3, "p": "c"}] })));
    assert_eq!(one[1], two[0]);
    assert_eq!(one.iter().chain(&two).collect::<HashSet<_>>().len(), 3);
}

#[test]
fn rows_below_the_one_that_the_id_names_are_told_apart_by_their_place() {
    let document = |each: Value| json!({ "format": "json", "events": [{"each": each, "id": "^.n", "kind": {"const": "item"}, "player": "^.n", "at": "$.at", "item": "@"}] });
    let text = r#"{"at":"2026-11-21T09:00:00Z","rows":[{"n":"a","s0":5,"s1":5,"l":[5,5]}]}"#;
    for each in [json!(["rows", ["s0", "s1"]]), json!(["rows", "l"])] {
        let ids = ids(&document(each.clone()), text);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 2, "{each}");
    }
}

#[test]
fn ids_that_lack_or_are_too_long_are_refused() {
    let document = with(json!({ "id": "log" }));
    for (more, reason) in [
        (json!({}), "missing_field"),
        (json!({ "log": "" }), "missing_field"),
        (json!({ "log": [] }), "wrong_type"),
        (json!({ "log": "x".repeat(257) }), "id_too_long"),
        (json!({ "log": "\0" }), "nul"),
    ] {
        let told = mapping(&document).compile().map(&mut Scratch::default(), record(more).as_bytes(), NOW, &mut |_| ()).unwrap_err();
        assert_eq!(told.reason.as_str(), reason);
    }
}
