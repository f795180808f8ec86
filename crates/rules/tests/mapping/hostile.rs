//! Hostile records: cut, nested, huge, half a character; and JSON compared with another reader's judgement.

use super::ground::{NOW, lines, mapping, record, unfit, with};
use proptest::prelude::*;
use rules::{Mapper, Mapping, Reason, Scratch, preset, presets};
use serde_json::json;
use std::sync::LazyLock;

fn any_json() -> Mapping {
    mapping(&json!({ "format": "json", "when": {"path": "a", "eq": "never"}, "kind": "k.d.e", "player": "list.0", "at": "t",
        "events": [{"each": "list"}, {"each": ["rows", "cells"]}, {"each": ["rows", ["x", "y"]]}] }))
}

#[test]
fn a_record_that_is_not_one_whole_value_is_refused() {
    let document = with(json!({}));
    let right = record(json!({}));
    for cut in 1..right.len() {
        assert_eq!(unfit(&document, &right.as_bytes()[..cut]).0, Reason::NotJson, "{}", &right[..cut]);
    }
    for more in ["x", "}", ",", "{}", "\u{0}", " 1", "//"] {
        assert_eq!(unfit(&document, format!("{right}{more}").as_bytes()).0, Reason::NotJson, "{more:?}");
    }
    let told = unfit(&document, br#"{"kind":"play",}"#).1;
    assert_eq!(told, "not JSON from byte 15 on: \"}\"");
    assert_eq!(unfit(&document, br#"{"kind":"pl"#).1, "not JSON from byte 8 on: \"\\\"pl\"");
}

#[test]
fn half_a_character_is_not_utf_8() {
    let mut bytes = record(json!({ "player": "가" })).into_bytes();
    let at = bytes.iter().position(|byte| *byte >= 0x80).unwrap();
    bytes.remove(at);
    assert_eq!(unfit(&with(json!({})), &bytes), (Reason::NotUtf8, format!("byte {at} is not UTF-8")));
}

#[test]
fn nesting_is_limited_wherever_it_stands() {
    let document = with(json!({ "attributes": {"a": "deep"} }));
    for (open, close) in [("[", "]"), ("{\"deep\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(unfit(&document, nested(65).as_bytes()).0, Reason::TooDeep);
        assert_ne!(unfit(&document, nested(64).as_bytes()).0, Reason::TooDeep);
        assert_eq!(unfit(&document, open.repeat(100_000).as_bytes()).0, Reason::TooDeep);
    }
}

#[test]
fn a_huge_record_is_refused_before_it_is_looked_at() {
    let huge = vec![b'['; 100 << 20];
    assert_eq!(unfit(&with(json!({})), &huge).0, Reason::TooLarge);
    let small = with(json!({ "record_max": 64 }));
    assert_eq!(
        unfit(&small, record(json!({ "item": "sword" })).as_bytes()),
        (Reason::TooLarge, "72 bytes: at most 64 would be right".to_owned())
    );
}

#[test]
fn arrays_and_events_are_limited() {
    let document =
        json!({ "format": "json", "each": "p", "kind": {"const": "k"}, "player": "@", "at": "$.t", "when": {"path": "@", "gt": 0} });
    let text = |wanted: usize, others: usize| {
        let players: Vec<u64> = (1..=wanted as u64).chain(std::iter::repeat_n(0, others)).collect();
        json!({ "t": "2026-11-21T09:00:00Z", "p": players }).to_string()
    };
    assert_eq!(lines(&mapping(&document), text(1000, 3000).as_bytes()).unwrap().len(), 1000);
    assert_eq!(unfit(&document, text(1001, 0).as_bytes()).0, Reason::TooManyEvents);
    assert_eq!(unfit(&document, text(1, 4000).as_bytes()).0, Reason::TooManyEvents);
}

#[test]
fn a_scratch_forgets_the_record_and_the_mapping_before() {
    let (one, two) = (mapping(&with(json!({ "item": "i", "attributes": {"a": "a"} }))), any_json());
    let mut scratch = Scratch::default();
    for _ in 0..3 {
        let mut seen = Vec::new();
        let full = record(json!({ "i": "\u{1}sword", "a": "x" }));
        one.compile().map(&mut scratch, full.as_bytes(), NOW, &mut |event| seen.push(event.item.map(str::to_owned))).unwrap();
        let _ = two.compile().map(&mut scratch, br#"{"rows":[{"cells":[1],"x":[]}],"list":[]}"#, NOW, &mut |_| ());
        one.compile().map(&mut scratch, record(json!({})).as_bytes(), NOW, &mut |event| seen.push(event.item.map(str::to_owned))).unwrap();
        assert_eq!(seen, [Some("\u{1}sword".to_owned()), None]);
    }
}

/// The shipped mappings, in the order of their names.
static SHIPPED: LazyLock<Vec<Mapper>> =
    LazyLock::new(|| presets().iter().map(|name| Mapping::parse(preset(name).unwrap()).unwrap().compile()).collect());
static ANY_JSON: LazyLock<Mapper> = LazyLock::new(|| any_json().compile());

/// JSON and what looks like it.
fn nearly_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| json!(n).to_string()),
        "\\PC{0,20}".prop_map(|text| json!(text).to_string()),
        "[\\\\u0-9a-fdD\"/bnt]{0,14}".prop_map(|text| format!("\"{text}\"")),
        "[-+0-9.eE]{1,8}",
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key =
            prop_oneof![Just("list"), Just("rows"), Just("cells"), Just("x"), Just("k"), Just("d"), Just("t"), Just("\\u0061"), Just("a")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|values| format!("[{}]", values.join(", "))),
            prop::collection::vec((key, inner), 0..6).prop_map(|entries| {
                let entries: Vec<String> = entries.iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for mapper in SHIPPED.iter() {
            let _ = mapper.map(&mut Scratch::default(), &bytes, NOW, &mut |_| ());
            prop_assert!(Mapping::parse(&String::from_utf8_lossy(&bytes)).is_err());
        }
    }

    #[test]
    fn a_changed_record_is_mapped_or_refused(at in 0_usize..400, byte in any::<u8>(), cut in 0_usize..400) {
        let text = r#"{"type":"match","match_id":"m\u00e9","date_match":"2026-11-21T09:00:00.000Z","match_type":"폭파미션","minutes":11,"players":[{"ouid":"a","match_result":"1","kill":1.2e1,"death":3,"level":41,"rival_level":44}]}"#;
        let mut bytes = text.as_bytes().to_vec();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut.saturating_sub(200) % length);
        let mapped = SHIPPED[5].map(&mut Scratch::default(), &bytes, NOW, &mut |_| ());
        let is_json = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
        prop_assert!(is_json || mapped.is_err(), "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn json_is_judged_as_another_reader_judges_it(text in nearly_json(), cut in 0_usize..200) {
        let cut = (0..=cut.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        for text in [text.as_str(), &text[..cut]] {
            let ours = ANY_JSON.map(&mut Scratch::default(), text.as_bytes(), NOW, &mut |_| ());
            let is_ours = text.is_empty() || !ours.is_err_and(|unfit| unfit.reason == Reason::NotJson);
            let theirs = serde_json::from_str::<serde_json::Value>(text);
            // A number that fits no float ends the other reader's look at the rest.
            if theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range")) {
                continue;
            }
            let is_theirs = text.is_empty() || theirs.is_ok();
            prop_assert_eq!(is_ours, is_theirs, "{}", text);
        }
    }
}
