//! Lines: delimited ones, CSV, and text described by patterns.

use super::ground::{fit, mapping, unfit};
use rules::Reason;
use serde_json::{Value, json};

fn lines(format: Value) -> Value {
    json!({ "format": format, "kind": "type", "player": "who", "at": {"path": "time", "zone": "Asia/Seoul"}, "item": "item", "amount": {"path": "n", "default": 1} })
}

#[test]
fn delimited_lines_have_named_columns() {
    let columns = json!(["time", "type", "who", "item", "n"]);
    let document = lines(json!({"type": "delimited", "delimiter": "|", "columns": columns, "trim": true}));
    assert_eq!(fit(&document, "2026-11-21 18:00:00| play |용사 1|칼|3\r\n"), ["play 용사 1 2026-11-21T09:00:00Z x3 item=칼"]);
    assert_eq!(fit(&document, "2026-11-21 18:00:00|play|a||"), ["play a 2026-11-21T09:00:00Z x1"], "an empty column is missing");
    for (line, reason) in [
        ("2026-11-21 18:00:00|play|a", Reason::WrongColumns),
        ("2026-11-21 18:00:00|play|a|b|1|more", Reason::WrongColumns),
        ("2026-11-21 18:00:00|play||b|1", Reason::MissingField),
        ("2026-11-21 18:00:00|play|a|b|x", Reason::BadNumber),
        ("2026-11-21 18:00:00|play|a\0|b|1", Reason::Nul),
        ("2026-11-21 18:00:00|\"play|a|b|1", Reason::WrongColumns),
    ] {
        assert_eq!(unfit(&document, line.as_bytes()).0, reason, "{line}");
    }
    let told = unfit(&document, "2026-11-21 18:00:00|play|a".as_bytes()).1;
    assert_eq!(told, "3 columns: 5 would be right");
}

#[test]
fn csv_has_quotes_and_perhaps_a_line_of_names() {
    let columns = json!(["time", "who", "type", "item", "n"]);
    let document = lines(json!({"type": "csv", "columns": columns, "columns_min": 3, "more_columns": true, "header": true}));
    assert!(fit(&document, "time,who,type,item,n").is_empty());
    assert!(fit(&document, "\u{feff}time,who,type,item,n\r\n").is_empty());
    let line = "2026-11-21T18:00:00,\"Kim, \"\"K\"\"\",play,\"a\nb\",2,more";
    assert_eq!(fit(&document, line), ["play Kim, \"K\" 2026-11-21T09:00:00Z x2 item=a\nb"]);
    assert_eq!(fit(&document, "2026-11-21T18:00:00,a,play"), ["play a 2026-11-21T09:00:00Z x1"]);
}

#[test]
fn other_delimiters_and_quotes_are_possible() {
    let columns = json!(["time", "type", "who", "item", "n"]);
    let tabs = lines(json!({"type": "delimited", "delimiter": "\t", "quote": null, "columns": columns}));
    assert_eq!(fit(&tabs, "2026-11-21T18:00:00\tplay\t\"a\t-\t7"), ["play \"a 2026-11-21T09:00:00Z x7 item=-"]);
    let marks = lines(json!({"type": "delimited", "delimiter": "::", "quote": "'", "columns": columns}));
    assert_eq!(fit(&marks, "'2026-11-21T18:00:00'::play::it's::'a::''b'::7"), ["play it's 2026-11-21T09:00:00Z x7 item=a::'b"]);
}

#[test]
fn a_lines_own_text_is_there_as_well() {
    let mut document = lines(json!({"type": "delimited", "delimiter": ";", "columns": ["time", "type", "who", "item", "n"]}));
    document["when"] = json!({"path": "$", "contains": ";who;"});
    document["attributes"] = json!({ "line": "$" });
    assert_eq!(
        fit(&document, "2026-11-21T18:00:00;play;who;i;2"),
        ["play who 2026-11-21T09:00:00Z x2 item=i line=\"2026-11-21T18:00:00;play;who;i;2\""]
    );
    assert!(fit(&document, "2026-11-21T18:00:00;play;you;i;2").is_empty());
}

fn text() -> Value {
    json!({
        "format": {"type": "text", "skip": ["^DEBUG "]},
        "at": "at",
        "when": {"path": "$", "ne": "-- MARK --"},
        "events": [
            {"pattern": "^(?<at>\\S+) (?<who>\\w+) killed (?<whom>\\w+)", "contains": " killed ", "kind": {"const": "kill"}, "player": "who",
             "when": {"path": "who", "not_in": ["BOT"]}, "attributes": {"whom": "whom", "line": "@"}},
            {"pattern": "^(?<at>\\S+) (?<who>\\w+) killed (?<whom>\\w+)", "kind": {"const": "death"}, "player": "whom"},
            {"pattern": "^(?<at>\\S+) (?<who>\\w+) found (?<n>\\d+)?(?<what>[a-z]+)", "kind": {"const": "item"}, "player": "who",
             "item": "what", "amount": {"path": "n", "default": 1}}
        ]
    })
}

#[test]
fn every_pattern_that_fits_a_line_makes_its_event() {
    let line = "2026-11-21T09:00:00Z Kim killed Lee";
    assert_eq!(
        fit(&text(), line),
        [format!("kill Kim 2026-11-21T09:00:00Z x1 line={line:?} whom=\"Lee\""), "death Lee 2026-11-21T09:00:00Z x1".to_owned(),]
    );
    assert_eq!(fit(&text(), "2026-11-21T09:00:00Z BOT killed Lee"), ["death Lee 2026-11-21T09:00:00Z x1"]);
    assert_eq!(fit(&text(), "2026-11-21T09:00:00Z Kim found 12apples"), ["item Kim 2026-11-21T09:00:00Z x12 item=apples"]);
    assert_eq!(fit(&text(), "2026-11-21T09:00:00Z Kim found apples"), ["item Kim 2026-11-21T09:00:00Z x1 item=apples"]);
}

#[test]
fn a_line_without_a_pattern_is_unfit_unless_it_is_known() {
    assert!(fit(&text(), "DEBUG anything").is_empty());
    assert!(fit(&text(), "-- MARK --").is_empty());
    let told = unfit(&text(), b"2026-11-21T09:00:00Z Kim slept");
    assert_eq!(told, (Reason::NoPatternMatches, "\"2026-11-21T09:00:00Z Kim slept\" fits no pattern".to_owned()));
    assert_eq!(unfit(&text(), b"soon Kim killed Lee").0, Reason::BadTime);
}

#[test]
fn a_mapping_says_how_its_topic_is_keyed_and_what_is_remembered() {
    let plain = mapping(&json!({ "format": "json", "kind": "k", "player": "p", "at": "t" }));
    assert_eq!((plain.keyed_by_player(), plain.dedupe_max()), (true, 512));
    let other = mapping(&json!({ "format": "json", "kind": "k", "player": "p", "at": "t", "keyed_by": "other", "dedupe_max": 64 }));
    assert_eq!((other.keyed_by_player(), other.dedupe_max()), (false, 64));
}
