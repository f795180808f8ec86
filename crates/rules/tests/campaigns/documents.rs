//! Documents that are wrong: refused with the path and the reason; and the schema that says what is right.

use rules::{Campaign, Plan};

use super::play::{campaign, goal, registered};

fn faults(goal: &str, head: &str) -> Vec<String> {
    let json = format!(
        r#"{{"id": "may", "game": "kartrider", "title": "May", "period": {{"starts": "2026-05-01T00:00:00Z", "ends": "2026-06-01T00:00:00Z"}},
            {head} "goals": [{{"id": "g", "title": "g", "condition": {goal}}}, {{"id": "h", "title": "h", "condition": {{"measure": "count", "on": ["play"], "target": 2}}}}]}}"#
    );
    match Campaign::parse(&json) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.to_string()).collect(),
    }
}

#[test]
fn what_does_not_go_together_is_told_with_its_path() {
    for (condition, path) in [
        (r#"{"measure": "count", "on": ["play"], "target": 0}"#, "goals[0].condition.target: 0 is out of bounds"),
        (r#"{"measure": "count", "on": ["play"]}"#, "goals[0].condition: it has 0 of target, tiers and repeat"),
        (r#"{"measure": "count", "on": ["play"], "tiers": [3, 3]}"#, "goals[0].condition.tiers[1]: 3 is out of bounds: 4"),
        (r#"{"measure": "count", "target": 1}"#, "goals[0].condition: either `on`"),
        (
            r#"{"measure": "streak", "on": ["play"], "within_s": 60, "target": 1}"#,
            "goals[0].condition.within_s: it does not go with the measure streak",
        ),
        (
            r#"{"measure": "count", "on": ["play"], "per": {"unit": "days"}, "target": 1}"#,
            "goals[0].condition.per.days: 0 is out of bounds",
        ),
        (r#"{"measure": "sum", "on": ["play"], "cap": {"most": 5, "per": "period"}, "target": 9}"#, "goals[0].condition.cap.most: 5 keeps"),
        (
            r#"{"measure": "count", "on": ["play"], "where": {"attribute": "mode"}, "target": 1}"#,
            "goals[0].condition.where: \"mode\" is compared with nothing",
        ),
        (
            r#"{"measure": "count", "on": ["play"], "after": "x", "target": 1}"#,
            "goals[0].condition.after: there is no goal \"x\": one of g, h",
        ),
        (
            r#"{"measure": "count", "on": ["play"], "per": {"unit": "day"}, "after": "h", "target": 1}"#,
            "goals[0].condition.after: the goal it comes after has other periods",
        ),
        (r#"{"all_of": [{"goal": "g"}]}"#, "goals[0].condition.all_of[0].goal: the goal \"g\" refers to itself"),
        (r#"{"all_of": [{"goal": "h", "n": 2}]}"#, "goals[0].condition.all_of[0].n: 2 is out of bounds: 1 to 1"),
        (
            r#"{"measure": "count", "on": ["play"], "in_a_row": {"of": 2, "hit": {"attribute": "won", "is": true}}, "target": 3}"#,
            "goals[0].condition: 3 hits do not fit into 2",
        ),
        (r#"{"measure": "count", "on": ["play"], "target": 1, "colour": "red"}"#, "goals[0].condition"),
        (r#"{"measure": "count", "on": ["play"], "target": "ten"}"#, "goals[0].condition.target: invalid type"),
    ] {
        let found = faults(condition, "");
        assert!(found.iter().any(|fault| fault.starts_with(path)), "{condition}: {found:?} has no {path}");
    }
    for (head, path) in [
        (r#""zone": "Asia/Soul","#, "zone: there is no zone \"Asia/Soul\""),
        (r#""late_s": 9999999,"#, "late_s: 9999999 is out of bounds"),
        (r#""day_starts_at": "25:00","#, "day_starts_at: \"25:00\" is not a time of day"),
        (r#""budget": {"points_total": -1},"#, "budget.points_total: -1 is out of bounds"),
    ] {
        let found = faults(r#"{"measure": "count", "on": ["play"], "target": 1}"#, head);
        assert!(found.iter().any(|fault| fault.starts_with(path)), "{head}: {found:?} has no {path}");
    }
    assert!(faults(r#"{"measure": "count", "on": ["play"], "target": 1}"#, "").is_empty());
}

#[test]
fn goals_that_go_round_are_refused() {
    let goals = format!(
        "{}, {}",
        r#"{"id": "a", "title": "a", "condition": {"all_of": [{"goal": "b"}]}}"#,
        r#"{"id": "b", "title": "b", "condition": {"any_of": [{"goal": "a"}]}}"#
    );
    let json = format!(
        r#"{{"id": "may", "game": "kartrider", "title": "May", "period": {{"starts": "2026-05-01T00:00:00Z", "ends": "2026-06-01T00:00:00Z"}}, "goals": [{goals}]}}"#
    );
    let faults = Campaign::parse(&json).unwrap_err();
    assert!(faults.iter().all(|fault| fault.reason.contains("circle")) && faults.len() == 2, "{faults:?}");
}

#[test]
fn an_attribute_no_mapping_has_is_told_with_those_it_has() {
    let campaign =
        campaign("", &goal("g", r#""measure": "count", "on": ["play"], "where": {"all": [{"attribute": "mood", "is": 1}]}, "target": 1"#));
    let faults = Plan::compile(&[registered(campaign)], &["mode".to_owned()]).unwrap_err();
    assert_eq!(faults[0].path, "may.goals[0].condition.where.all[0].attribute");
    assert!(faults[0].reason.contains("\"mood\"") && faults[0].reason.contains("[mode]"), "{}", faults[0]);
}

#[test]
fn a_document_reads_back_as_it_was_written() {
    for (name, json) in rules::samples() {
        let campaign = Campaign::parse(json).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        let again = serde_json::to_string(&campaign).unwrap();
        assert_eq!(Campaign::parse(&again).unwrap(), campaign, "{name}");
        let (given, written): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(json).unwrap(), serde_json::from_str(&again).unwrap());
        assert!(given["goals"].as_array().unwrap().len() == written["goals"].as_array().unwrap().len());
    }
}

#[test]
fn the_schema_names_every_type_it_refers_to() {
    let schema = Campaign::schema();
    let text = schema.to_string();
    let mut rest = text.as_str();
    let mut references = 0;
    while let Some(at) = rest.find("#/$defs/") {
        rest = &rest[at + 8..];
        let name = &rest[..rest.find('"').unwrap()];
        assert!(schema["$defs"].get(name).is_some(), "{name}");
        references += 1;
    }
    assert!(references > 15 && !text.contains("components"), "{references}");
    assert!(schema["$defs"]["Condition"]["properties"]["where"].is_object());
}
