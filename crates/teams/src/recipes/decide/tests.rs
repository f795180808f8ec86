//! Definitions, parameters and changes, decided without a database.

use super::*;
use proptest::prelude::*;

fn definition() -> Definition {
    serde_json::from_value(json!({
        "description": "players", "sql": "select player, level from players where level >= :level",
        "parameters": [{ "name": "level", "type": "integer", "default": "1" }], "order": ["-level", "player"],
    }))
    .unwrap()
}

fn told(definition: &Definition) -> Vec<String> {
    faults(definition).into_iter().map(|fault| format!("{}: {}", fault.path, fault.reason)).collect()
}

#[test]
fn a_good_definition_has_no_faults_and_its_defaults() {
    let good = definition();
    assert_eq!(told(&good), [""; 0]);
    assert_eq!((good.time_limit_ms, good.row_limit, good.cache_s, good.allow_full_scan), (1_000, 100, 0, false));
    assert_eq!(foreign(&good).unwrap().parameters().len(), 1, "what is offered and not used takes no argument");
}

#[test]
fn faults_name_their_place_and_what_would_be_right() {
    let mut bad = definition();
    bad.time_limit_ms = 60_000;
    bad.row_limit = 0;
    bad.description = String::new();
    bad.parameters[0].name = "cursor".to_owned();
    bad.order = vec!["-level".to_owned(), "level".to_owned()];
    let told = told(&bad);
    assert_eq!(told[0], "time_limit_ms: 60000 is outside 1 to 10000");
    for (at, path) in
        ["row_limit:", "description:", "parameters[0].name: \"cursor\" is taken", "order[1]: \"level\" stands twice"].iter().enumerate()
    {
        assert!(told[at + 1].starts_with(path), "{told:?}");
    }
    let mut bad = definition();
    bad.parameters[0].default = Some("ten".to_owned());
    assert!(self::told(&bad)[0].starts_with("parameters[0].default: level=\"ten\" is no integer"), "{:?}", self::told(&bad));
    bad.parameters[0].name = "Level".to_owned();
    assert!(self::told(&bad)[0].contains("is not a name"));
}

#[test]
fn columns_have_names_of_their_own_and_order_is_by_what_comes_back_as_it_was() {
    let of = |names: &[(&str, &str)]| -> Vec<Returned> {
        names.iter().map(|(name, kind)| Returned { name: (*name).to_owned(), kind: (*kind).to_owned() }).collect()
    };
    assert_eq!(column_faults(&definition(), &of(&[("player", "TEXT"), ("level", "INT8")])), []);
    let wrong = column_faults(&definition(), &of(&[("player", "TEXT"), ("level", "NUMERIC"), ("player", "TEXT"), ("?column?", "INT4")]));
    let told: Vec<&str> = wrong.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(told, ["sql", "sql", "order[0]"], "{wrong:?}");
    assert!(column_faults(&definition(), &of(&[("player", "TEXT")]))[0].reason.contains("no column"));
}

#[test]
fn a_name_is_short_and_plain() {
    for name in ["top-players", "a1"] {
        check_name(name).unwrap();
    }
    for name in ["a", "-a", "a-", "Top", "a b", "ä1", &"a".repeat(41)] {
        assert!(check_name(name).unwrap_err().detail.contains("is not a name"), "{name}");
    }
}

#[test]
fn a_parameter_is_of_its_type() {
    let of = |kind| Parameter { name: "p".to_owned(), kind, description: String::new(), default: None };
    assert_eq!(value(&of(Kind::Integer), "-7").unwrap(), Value::Int(-7));
    assert_eq!(value(&of(Kind::Boolean), "true").unwrap(), Value::Int(1));
    assert_eq!(value(&of(Kind::Boolean), "0").unwrap(), Value::Int(0));
    assert_eq!(value(&of(Kind::Instant), "1970-01-01T00:00:01Z").unwrap(), Value::Int(1_000_000));
    assert_eq!(value(&of(Kind::Text), "' or 1 = 1 --").unwrap(), Value::Text("' or 1 = 1 --".into()));
    for (kind, text) in
        [(Kind::Integer, "7; drop"), (Kind::Integer, "9223372036854775808"), (Kind::Boolean, "yes"), (Kind::Instant, "today")]
    {
        assert_eq!(value(&of(kind), text).unwrap_err().code, Code::BadQuery, "{text}");
    }
    assert_eq!(value(&of(Kind::Text), "a\0").unwrap_err().code, Code::BadText);
    assert_eq!(value(&of(Kind::Text), &"x".repeat(TEXT_MAX + 1)).unwrap_err().code, Code::BadQuery);
}

#[test]
fn a_recipe_is_registered_once_replaced_and_retired_once() {
    let now = Instant(5);
    let first = change("top", None, &Change::Register, now).unwrap();
    assert_eq!((first.version, first.state, first.registered_at), (1, State::Active, now));
    assert_eq!(change("top", Some(first), &Change::Register, now).unwrap_err().code, Code::AlreadyExists);
    let retired = change("top", Some(first), &Change::Retire, now).unwrap();
    assert_eq!((retired.version, retired.state), (1, State::Retired));
    assert_eq!(change("top", Some(retired), &Change::Retire, now).unwrap_err().code, Code::WrongState);
    let second = change("top", Some(retired), &Change::Replace, Instant(9)).unwrap();
    assert_eq!((second.version, second.state, second.registered_at), (2, State::Active, now), "a new version brings it back");
    assert_eq!(change("top", None, &Change::Retire, now).unwrap_err().code, Code::NotFound);
}

proptest! {
    #[test]
    fn any_definition_is_judged_without_a_panic(name in ".{0,8}", sql in ".{0,40}", order in ".{0,6}", default in proptest::option::of(".{0,6}")) {
        let definition = Definition { sql, order: vec![order], ..definition() };
        let definition = Definition {
            parameters: vec![Parameter { name, kind: Kind::Integer, description: String::new(), default }],
            ..definition
        };
        let _ = (faults(&definition), foreign(&definition));
    }
}
