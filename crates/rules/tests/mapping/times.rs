//! Times: every way of writing them, zones across daylight-saving changes, offsets, what is added, and their limits.

use super::ground::{NOW, fit, mapping, record, unfit, with};
use kernel::Instant;
use rules::{Reason, Scratch};
use serde_json::{Value, json};

fn at(time: Value, more: Value) -> String {
    let line = fit(&with(json!({ "at": time })), &record(more)).remove(0);
    line.split(' ').nth(2).unwrap().to_owned()
}

#[test]
fn times_are_read_in_every_way_of_writing_them() {
    for (spec, value, right) in [
        (json!("t"), json!("2026-11-21T09:00:00.123456789Z"), "2026-11-21T09:00:00.123456Z"),
        (json!("t"), json!("2026-11-21 18:00:00,5+09:00"), "2026-11-21T09:00:00.500000Z"),
        (json!("t"), json!("2026-11-21T09:00:00"), "2026-11-21T09:00:00Z"),
        (json!("t"), json!("2026-11-21"), "2026-11-21T00:00:00Z"),
        (json!({"path": "t", "as": "seconds"}), json!(1_764_977_774), "2025-12-05T23:36:14Z"),
        (json!({"path": "t", "as": "seconds"}), json!("1764977774.25"), "2025-12-05T23:36:14.250000Z"),
        (json!({"path": "t", "as": "milliseconds"}), json!(1_764_977_774_250_i64), "2025-12-05T23:36:14.250000Z"),
        (json!({"path": "t", "as": "microseconds"}), json!("1764977774250001"), "2025-12-05T23:36:14.250001Z"),
        (json!({"path": "t", "as": "nanoseconds"}), json!(1_764_977_774_250_001_999_i64), "2025-12-05T23:36:14.250001Z"),
        (json!({"path": "t", "pattern": "%m/%d/%Y - %H:%M:%S"}), json!("11/12/2018 - 19:57:28"), "2018-11-12T19:57:28Z"),
        (json!({"path": "t", "pattern": "%Y%m%d%H%M%S%z"}), json!("20181112195728+0900"), "2018-11-12T10:57:28Z"),
        (json!({"path": "t", "zone": "Asia/Seoul"}), json!("2026-11-21T18:00:00"), "2026-11-21T09:00:00Z"),
        (json!({"path": "t", "zone": "Asia/Seoul"}), json!("2026-11-21T09:00:00Z"), "2026-11-21T09:00:00Z"),
    ] {
        assert_eq!(at(spec.clone(), json!({ "t": value })), right, "{spec} {value}");
    }
}

#[test]
fn a_local_time_is_right_on_both_sides_of_a_daylight_saving_change() {
    let berlin = json!({"path": "t", "zone": "Europe/Berlin"});
    for (local, right) in [
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"), // Skipped: moved on by the hour that lacks.
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"), // Twice: the first.
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
        ("2026-07-01T12:00:00", "2026-07-01T10:00:00Z"),
        ("2026-01-01T12:00:00", "2026-01-01T11:00:00Z"),
    ] {
        assert_eq!(at(berlin.clone(), json!({ "t": local })), right, "{local}");
    }
}

#[test]
fn the_offset_may_lie_in_another_field() {
    for (spec, offset, right) in [
        (json!("tz"), json!("+09:00"), "2026-11-21T00:00:00Z"),
        (json!("tz"), json!("+0900"), "2026-11-21T00:00:00Z"),
        (json!("tz"), json!("Z"), "2026-11-21T09:00:00Z"),
        (json!("tz"), json!(-150), "2026-11-21T11:30:00Z"),
        (json!({"path": "tz", "unit": "hours"}), json!("9"), "2026-11-21T00:00:00Z"),
        (json!({"path": "tz", "unit": "seconds"}), json!(3600), "2026-11-21T08:00:00Z"),
    ] {
        assert_eq!(at(json!({"path": "t", "offset": spec}), json!({ "t": "2026-11-21T09:00:00", "tz": offset })), right, "{offset}");
    }
    let document = with(json!({ "at": {"path": "at", "offset": "tz"} }));
    assert_eq!(fit(&document, &record(json!({}))).len(), 1, "the text's own offset goes first");
    for (more, reason) in [
        (json!({ "at": "2026-11-21T09:00:00" }), Reason::MissingField),
        (json!({ "at": "2026-11-21T09:00:00", "tz": "KST" }), Reason::BadTime),
        (json!({ "at": "2026-11-21T09:00:00", "tz": 5000 }), Reason::BadTime),
    ] {
        assert_eq!(unfit(&document, record(more.clone()).as_bytes()).0, reason, "{more}");
    }
}

#[test]
fn a_time_may_be_another_and_so_long_after_or_before() {
    let plus = |key: &str| json!({"path": "t", "as": "seconds", key: {"path": "d", "unit": "minutes"}});
    assert_eq!(at(plus("plus"), json!({ "t": 1_764_977_774, "d": 2 })), "2025-12-05T23:38:14Z");
    assert_eq!(at(plus("minus"), json!({ "t": 1_764_977_774, "d": "0.5" })), "2025-12-05T23:35:44Z");
    assert_eq!(
        unfit(&with(json!({ "at": plus("plus") })), record(json!({ "t": 1 })).as_bytes()),
        (Reason::MissingField, "at: d is missing".to_owned())
    );
}

#[test]
fn a_time_takes_another_where_it_is_missing_or_the_append() {
    let spec = json!({"path": "end", "none": [""], "or": {"path": "start", "or": {"appended": true}}});
    assert_eq!(at(spec.clone(), json!({ "end": "", "start": "2026-11-21T08:00:00Z" })), "2026-11-21T08:00:00Z");
    assert_eq!(at(spec, json!({})), "2026-11-21T12:00:00Z");
    let none = with(json!({ "at": {"path": "end", "none": ["-"]} }));
    assert!(fit(&none, &record(json!({ "end": "-" }))).is_empty(), "it has not happened");
    assert_eq!(unfit(&none, record(json!({})).as_bytes()), (Reason::MissingField, "at: end is missing".to_owned()));
}

#[test]
fn a_time_that_no_event_can_have_is_refused() {
    let document = with(json!({ "at": {"path": "t", "or": {"path": "s", "as": "seconds"}} }));
    for (more, reason) in [
        (json!({ "t": "yesterday" }), Reason::BadTime),
        (json!({ "t": "" }), Reason::BadTime),
        (json!({ "t": "2026-02-30T00:00:00Z" }), Reason::BadTime),
        (json!({ "t": "2026-11-21T25:00:00Z" }), Reason::BadTime),
        (json!({ "t": true }), Reason::WrongType),
        (json!({ "t": {} }), Reason::WrongType),
        (json!({ "s": "x" }), Reason::BadTime),
        (json!({ "s": 1e30 }), Reason::BadTime),
        (json!({ "s": -1 }), Reason::TimeOutOfRange),
        (json!({ "t": "1969-12-31T23:59:59Z" }), Reason::TimeOutOfRange),
        (json!({ "t": "9999-12-31T23:59:59Z" }), Reason::TimeOutOfRange),
        (json!({ "t": "2026-11-21T12:10:01Z" }), Reason::InTheFuture),
    ] {
        assert_eq!(unfit(&document, record(more.clone()).as_bytes()).0, reason, "{more}");
    }
    assert_eq!(fit(&document, &record(json!({ "t": "2026-11-21T12:10:00Z" }))).len(), 1, "ten minutes may pass");
}

#[test]
fn nothing_is_in_the_future_of_a_record_without_an_append() {
    let mapping = mapping(&with(json!({})));
    let text = record(json!({ "at": "2199-12-31T00:00:00Z" }));
    let map = |appended_at: Instant| mapping.compile().map(&mut Scratch::default(), text.as_bytes(), appended_at, &mut |_| ());
    assert_eq!(map(Instant(i64::MAX)), Ok(1));
    assert_eq!(map(NOW).unwrap_err().reason, Reason::InTheFuture);
}

#[test]
fn zones_that_change_from_record_to_record_stay_right() {
    let document = with(json!({ "events": [
        {"when": {"path": "z", "eq": 1}, "at": {"path": "t", "zone": "America/New_York"}},
        {"when": {"path": "z", "eq": 2}, "at": {"path": "t", "zone": "Australia/Lord_Howe"}}
    ] }));
    let (mapping, mut scratch) = (mapping(&document), Scratch::default());
    let mapper = mapping.compile();
    for day in 1..=360_i64 {
        for (z, name) in [(1, "America/New_York"), (2, "Australia/Lord_Howe")] {
            let civil = jiff::civil::date(2025, 1, 1).at(2, 15, 0, 0).checked_add(jiff::Span::new().days(day)).unwrap();
            let right = civil.in_tz(name).unwrap().timestamp().as_microsecond();
            let text = record(json!({ "z": z, "t": civil.to_string() }));
            let mut seen = None;
            mapper.map(&mut scratch, text.as_bytes(), NOW, &mut |event| seen = Some(event.at.0)).unwrap();
            assert_eq!(seen, Some(right), "{name} {civil}");
        }
    }
}
