//! Fields: paths, constants, value maps, sentinels, numbers, flags, durations, filters and arrays.

use super::ground::{fit, record, unfit, with};
use rules::Reason;
use serde_json::json;

const START: &str = "play p1 2026-11-21T09:00:00Z";

#[test]
fn a_path_leads_into_objects_arrays_and_names_with_dots() {
    let document =
        with(json!({ "attributes": { "a": "deep.er.a", "b": "list.1", "c": {"path": ["x.y", "z"]}, "d": "list.1.0", "e": "no.such" } }));
    let told = fit(&document, &record(json!({ "deep": {"er": {"a": "A"}}, "list": ["no", "B"], "x.y": {"z": "C"} })));
    assert_eq!(told, [format!("{START} x1 a=\"A\" b=\"B\" c=\"C\"")]);
    let (reason, detail) = unfit(&document, record(json!({ "list": [0, ["D"]] })).as_bytes());
    assert_eq!((reason, detail.as_str()), (Reason::WrongType, "attributes.b: list.1 is an array or object: a single value would be right"));
}

#[test]
fn keys_and_texts_with_escapes_mean_the_same() {
    let document = with(json!({ "item": "아이템", "attributes": { "note": "n\"ote" } }));
    let text =
        r#"{"k\u0069nd":"pl\u0061y","player":"p\u0031","at":"2026-11-21T09:00:00\u005a","\uc544이템":"\ud83d\ude00","n\"ote":"\"\\\/\t"}"#;
    assert_eq!(fit(&document, text), [format!("{START} x1 item=😀 note=\"\\\"\\\\/\\t\"")]);
}

#[test]
fn numbers_serve_as_texts_and_texts_as_numbers() {
    let document = with(json!({ "amount": "n", "attributes": { "i": {"path": "i", "type": "integer"}, "t": "t" } }));
    let told = fit(&document, &record(json!({ "player": 4711, "n": "12", "i": "-3", "t": 1.50 })));
    assert_eq!(told, ["play 4711 2026-11-21T09:00:00Z x12 i=-3 t=\"1.5\""]);
}

#[test]
fn numbers_are_scaled_and_rounded_as_told() {
    let price = |round: &str| {
        let document = with(json!({ "amount": {"path": "price", "times": 100, "round": round} }));
        fit(&document, &record(json!({ "price": "12.345" }))).remove(0)
    };
    assert_eq!(["down", "nearest", "up"].map(price), [1234, 1235, 1235].map(|n| format!("{START} x{n}")));
    let document = with(json!({ "amount": {"path": "price", "times": 100} }));
    assert_eq!(unfit(&document, record(json!({ "price": "12.345" })).as_bytes()).0, Reason::BadNumber);
    assert_eq!(fit(&document, &record(json!({ "price": 12.34 }))), [format!("{START} x1234")]);
}

#[test]
fn a_number_that_is_none_or_negative_is_refused() {
    let document = with(json!({ "amount": "n" }));
    for (value, reason) in [
        (json!("twelve"), Reason::BadNumber),
        (json!(""), Reason::BadNumber),
        (json!(1.5), Reason::BadNumber),
        (json!(1e300), Reason::BadNumber),
        (json!(true), Reason::WrongType),
        (json!([1]), Reason::WrongType),
        (json!(-1), Reason::NegativeAmount),
        (json!("-9223372036854775808"), Reason::NegativeAmount),
        (json!(null), Reason::MissingField),
    ] {
        assert_eq!(unfit(&document, record(json!({ "n": value })).as_bytes()).0, reason, "{value}");
    }
    assert_eq!(unfit(&document, record(json!({})).as_bytes()), (Reason::MissingField, "amount: n is missing".to_owned()));
}

#[test]
fn a_value_map_renames_and_types_values() {
    let document = with(json!({
        "kind": {"path": "유형", "map": {"접속": "login", "전투": "play", "채팅": null}},
        "attributes": {
            "result": {"path": "result", "map": {"1": "win", "2": "lose"}, "else": "draw"},
            "won": {"path": "result", "map": {"1": true, "2": false}, "else": false},
            "stars": {"path": "result", "map": {"1": 3, "2": 1}, "else": null}
        }
    }));
    assert_eq!(fit(&document, &record(json!({ "유형": "전투", "result": 1 }))), [format!("{START} x1 result=\"win\" stars=3 won=true")]);
    assert_eq!(fit(&document, &record(json!({ "유형": "전투", "result": "3" }))), [format!("{START} x1 result=\"draw\" won=false")]);
    assert!(fit(&document, &record(json!({ "유형": "채팅" }))).is_empty(), "a kind that means none makes no event");
    let told = unfit(&document, record(json!({ "유형": "강화" })).as_bytes());
    assert_eq!(told, (Reason::UnknownValue, "kind: \"강화\" is not in its map".to_owned()));
}

#[test]
fn sentinels_mean_none_wherever_they_stand() {
    let document = with(json!({
        "player": {"path": "player", "none": ["0", "guest"]},
        "item": {"path": "item", "none": [0, ""]},
        "amount": {"path": "n", "none": [-1]},
        "attributes": { "rank": {"path": "rank", "type": "integer", "none": [99, ""]} }
    }));
    assert_eq!(fit(&document, &record(json!({ "item": 0, "n": 2, "rank": "99" }))), [format!("{START} x2")]);
    assert_eq!(fit(&document, &record(json!({ "item": 7, "n": "2", "rank": "2" }))), [format!("{START} x2 item=7 rank=2")]);
    assert!(fit(&document, &record(json!({ "player": 0, "n": 1 }))).is_empty(), "nobody did it");
    assert!(fit(&document, &record(json!({ "n": "-1" }))).is_empty(), "nothing was done");
}

#[test]
fn a_field_takes_another_where_it_is_missing_or_none() {
    let document = with(json!({
        "player": {"path": "account", "none": [""], "or": {"path": "character", "or": "guest"}},
        "amount": {"path": "n", "none": [-1], "default": 5},
        "attributes": { "mode": {"path": "mode", "or": "type", "default": "solo"} }
    }));
    assert_eq!(
        fit(&document, &record(json!({ "account": "", "character": "c", "n": -1, "type": "duo" }))),
        ["play c 2026-11-21T09:00:00Z x5 mode=\"duo\""]
    );
    assert_eq!(fit(&document, &record(json!({ "guest": "g" }))), ["play g 2026-11-21T09:00:00Z x5 mode=\"solo\""]);
}

#[test]
fn each_field_that_stands_in_for_another_has_its_own_way_to_be_whole() {
    let document = with(
        json!({ "amount": {"path": "cents", "or": {"path": "dollars", "times": 100, "round": "up", "or": {"path": "euros", "times": 110}}} }),
    );
    for (value, amount) in [(json!({ "cents": 7 }), 7), (json!({ "dollars": 3.501 }), 351), (json!({ "euros": "2" }), 220)] {
        assert_eq!(fit(&document, &record(value)), [format!("{START} x{amount}")]);
    }
    assert_eq!(unfit(&document, record(json!({ "cents": 1.5 })).as_bytes()).0, Reason::BadNumber);
}

#[test]
fn what_means_none_stays_none_where_nothing_stands_in_for_it() {
    let document =
        with(json!({ "player": {"path": "account", "none": [0], "or": "guest"}, "at": {"path": "at", "none": ["never"], "or": "then"} }));
    assert!(fit(&document, &record(json!({ "account": 0 }))).is_empty());
    assert!(fit(&document, &record(json!({ "account": "a", "at": "never" }))).is_empty());
    assert_eq!(fit(&document, &record(json!({ "account": 0, "guest": "g" }))).len(), 1);
    assert_eq!(unfit(&document, record(json!({})).as_bytes()).0, Reason::MissingField);
}

#[test]
fn flags_are_read_as_games_write_them() {
    let document = with(json!({ "attributes": { "won": {"path": "won", "type": "flag"}, "far": {"test": {"path": "km", "gt": 9.5}} } }));
    for (value, flag) in [
        (json!(true), true),
        (json!("1"), true),
        (json!(1), true),
        (json!("true"), true),
        (json!(""), false),
        (json!("0"), false),
        (json!(false), false),
    ] {
        assert_eq!(fit(&document, &record(json!({ "won": value }))), [format!("{START} x1 far=false won={flag}")]);
    }
    assert_eq!(fit(&document, &record(json!({ "km": 9.51 }))), [format!("{START} x1 far=true")]);
    assert_eq!(unfit(&document, record(json!({ "won": "yes" })).as_bytes()).0, Reason::WrongType);
}

#[test]
fn a_required_attribute_has_to_be_there() {
    let document = with(json!({ "attributes": { "level": {"path": "level", "type": "integer", "required": true} } }));
    assert_eq!(fit(&document, &record(json!({ "level": 3 }))), [format!("{START} x1 level=3")]);
    assert_eq!(unfit(&document, record(json!({})).as_bytes()), (Reason::MissingField, "attributes.level: level is missing".to_owned()));
}

#[test]
fn an_amount_may_be_the_time_between_two_times() {
    let minutes = |round: &str, to: &str| {
        let document = with(json!({ "amount": {"from": "at", "to": "end", "unit": "minutes", "round": round} }));
        fit(&document, &record(json!({ "end": to }))).remove(0)
    };
    assert_eq!(minutes("down", "2026-11-21T09:12:59Z"), format!("{START} x12"));
    assert_eq!(minutes("up", "2026-11-21T09:12:01Z"), format!("{START} x13"));
    assert_eq!(minutes("nearest", "2026-11-21T18:12:30+09:00"), format!("{START} x13"));
    let document = with(json!({ "amount": {"from": "at", "to": "end", "unit": "minutes"} }));
    assert_eq!(unfit(&document, record(json!({ "end": "2026-11-21T08:00:00Z" })).as_bytes()).0, Reason::NegativeAmount);
    assert_eq!(unfit(&document, record(json!({})).as_bytes()).0, Reason::MissingField);
}

#[test]
fn a_filter_holds_by_text_number_presence_and_links() {
    let value = json!({ "a": "abc", "n": "10", "f": true, "z": null, "deep": {"x": 1} });
    for (filter, holds) in [
        (json!({"path": "a", "eq": "abc"}), true),
        (json!({"path": "a", "ne": "abc"}), false),
        (json!({"path": "n", "eq": 10}), true),
        (json!({"path": "n", "in": [9, "10"]}), true),
        (json!({"path": "n", "not_in": ["10"]}), false),
        (json!({"path": "f", "eq": true}), true),
        (json!({"path": "z", "exists": true}), false),
        (json!({"path": "z", "exists": false}), true),
        (json!({"path": "deep", "exists": true}), true),
        (json!({"path": "none", "ne": "x"}), true),
        (json!({"path": "none", "eq": "x"}), false),
        (json!({"path": "n", "gt": 9.999}), true),
        (json!({"path": "n", "ge": 10, "le": 10}), true),
        (json!({"path": "n", "lt": 10}), false),
        (json!({"path": "a", "lt": 10}), false),
        (json!({"path": "a", "starts_with": "ab", "ends_with": "bc", "contains": "b"}), true),
        (json!({"path": "a", "matches": "^a.c$"}), true),
        (json!({"path": "a", "matches": "^b"}), false),
        (json!({"all": [{"path": "a", "eq": "abc"}, {"not": {"path": "f", "eq": false}}]}), true),
        (json!({"any": [{"path": "a", "eq": "x"}, {"path": "deep.x", "eq": 1}]}), true),
    ] {
        let document = with(json!({ "when": filter }));
        assert_eq!(fit(&document, &record(value.clone())).len(), usize::from(holds), "{filter}");
    }
}

#[test]
fn a_record_that_no_event_wants_is_no_fault_whatever_else_it_lacks() {
    let document = with(json!({ "when": {"path": "kind", "in": ["play"]} }));
    assert!(fit(&document, r#"{"kind":"chat"}"#).is_empty());
    assert!(fit(&document, "").is_empty() && fit(&document, "\r\n").is_empty(), "an empty line is no record");
}

#[test]
fn a_record_becomes_an_event_for_each_rule_that_wants_it() {
    let document = with(json!({
        "events": [
            {},
            {"kind": {"const": "win"}, "when": {"path": "won", "eq": true}},
            {"kind": {"const": "kill"}, "amount": "kills", "when": {"path": "kills", "gt": 0}}
        ]
    }));
    assert_eq!(
        fit(&document, &record(json!({ "won": true, "kills": 3 }))),
        [format!("{START} x1"), "win p1 2026-11-21T09:00:00Z x1".to_owned(), "kill p1 2026-11-21T09:00:00Z x3".to_owned()]
    );
    assert_eq!(fit(&document, &record(json!({ "won": false, "kills": 0 }))), [format!("{START} x1")]);
}

#[test]
fn an_array_becomes_an_event_for_each_element_with_fields_of_both() {
    let document = json!({
        "format": "json", "each": "match.players", "kind": {"const": "play"}, "player": "id", "at": "$.match.at",
        "when": {"path": "bot", "ne": true},
        "attributes": { "map": "$.map", "mode": "^.match.mode", "first": "^.match.players.0.id", "best": {"path": "scores.1", "type": "integer"} }
    });
    let text = r#"{"match":{"players":[{"id":"a","scores":[1,2]},{"id":"b","bot":true},{"id":"c"}],"mode":"duo","at":"2026-11-21T09:00:00Z"},"map":"m"}"#;
    assert_eq!(
        fit(&document, text),
        [
            "play a 2026-11-21T09:00:00Z x1 best=2 first=\"a\" map=\"m\" mode=\"duo\"",
            "play c 2026-11-21T09:00:00Z x1 first=\"a\" map=\"m\" mode=\"duo\"",
        ]
    );
    assert!(fit(&document, r#"{"match":{"players":[]}}"#).is_empty());
    assert!(fit(&document, r#"{"match":{"players":"none"}}"#).is_empty());
}

#[test]
fn arrays_within_arrays_and_values_side_by_side_are_elements_too() {
    let document = json!({
        "format": "json", "each": ["matches", "players", ["slot0", "slot1"]], "kind": {"const": "item"}, "player": "^.id", "at": "^^.at",
        "item": {"path": "@", "none": [0]}, "attributes": { "shard": "$.shard" }
    });
    let text = r#"{"matches":[{"at":"2026-11-21T09:00:00Z","players":[{"slot1":7,"id":"a","slot0":5},{"id":"b","slot0":0}]},
                   {"players":[{"id":"c","slot1":"x"}],"at":"2026-11-21T10:00:00Z"}],"shard":"s"}"#;
    assert_eq!(
        fit(&document, text),
        [
            "item a 2026-11-21T09:00:00Z x1 item=7 shard=\"s\"",
            "item a 2026-11-21T09:00:00Z x1 item=5 shard=\"s\"",
            "item b 2026-11-21T09:00:00Z x1 shard=\"s\"",
            "item c 2026-11-21T10:00:00Z x1 item=x shard=\"s\"",
        ]
    );
}

#[test]
fn one_element_that_does_not_fit_makes_the_whole_record_unfit() {
    let document = json!({ "format": "json", "each": "players", "kind": {"const": "play"}, "player": "id", "at": "$.at" });
    let text = br#"{"at":"2026-11-21T09:00:00Z","players":[{"id":"a"},{"name":"b"}]}"#;
    assert_eq!(unfit(&document, text), (Reason::MissingField, "player: id is missing".to_owned()));
}

#[test]
fn texts_are_limited_and_hold_no_nul() {
    let document = with(json!({ "item": "item", "attributes": { "a": "a" } }));
    for (value, reason) in [
        (json!({ "player": "p".repeat(129) }), Reason::IdTooLong),
        (json!({ "kind": "k".repeat(65) }), Reason::TextTooLong),
        (json!({ "item": "i".repeat(257) }), Reason::TextTooLong),
        (json!({ "a": "가".repeat(86) }), Reason::TextTooLong),
        (json!({ "player": "p\0" }), Reason::Nul),
        (json!({ "a": "\0" }), Reason::Nul),
        (json!({ "player": "" }), Reason::MissingField),
        (json!({ "kind": "" }), Reason::MissingField),
    ] {
        assert_eq!(unfit(&document, record(value.clone()).as_bytes()).0, reason, "{value}");
    }
    let longest = json!({ "player": "p".repeat(128), "kind": "k".repeat(64), "item": "i".repeat(256), "a": "a".repeat(256) });
    assert_eq!(fit(&document, &record(longest)).len(), 1);
}
