//! Generated campaign documents: every operator with every reset, in zones with odd clocks, at every kind of lateness.
//! Refuses to know whether a document is right: the parser says so.

use super::random::Random;
use serde_json::{Map, Value, json};

/// What a case is chiefly about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operator {
    Count,
    Sum,
    Max,
    Distinct,
    Collect,
    Days,
    Streak,
    SlidingCount,
    SlidingSum,
    AnyRow,
    Blocks,
    After,
    Fed,
    AllOf,
    AnyOf,
}

pub(crate) const OPERATORS: [Operator; 15] = [
    Operator::Count,
    Operator::Sum,
    Operator::Max,
    Operator::Distinct,
    Operator::Collect,
    Operator::Days,
    Operator::Streak,
    Operator::SlidingCount,
    Operator::SlidingSum,
    Operator::AnyRow,
    Operator::Blocks,
    Operator::After,
    Operator::Fed,
    Operator::AllOf,
    Operator::AnyOf,
];

/// When progress begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reset {
    Never,
    Day,
    Week,
    Days,
    Hour,
    Length,
    Slots,
}

pub(crate) const RESETS: [Reset; 7] = [Reset::Never, Reset::Day, Reset::Week, Reset::Days, Reset::Hour, Reset::Length, Reset::Slots];

/// Zones, each with a moment around which campaigns are laid: its clock jumps there.
pub(crate) const ZONES: [(&str, &str); 12] = [
    ("UTC", "2026-03-01T00:00:00Z"),
    ("Asia/Seoul", "2026-01-05T15:00:00Z"),
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    // Half an hour of summer time.
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    // Midnight does not exist, or comes twice.
    ("Africa/Cairo", "2026-04-23T22:00:00Z"),
    ("Africa/Cairo", "2026-10-29T21:00:00Z"),
    ("America/Santiago", "2026-09-06T04:00:00Z"),
    ("Asia/Kathmandu", "2026-06-14T18:15:00Z"),
];

/// Builds one campaign. Its start and end are Unix microseconds.
pub(crate) struct Draft {
    pub(crate) operator: Operator,
    pub(crate) reset: Reset,
    pub(crate) zone: &'static str,
    pub(crate) starts: i64,
    pub(crate) ends: i64,
    pub(crate) late_s: i64,
}

fn time(at: i64) -> Value {
    json!(kernel::Instant(at).to_string())
}

fn minute(random: &mut Random) -> String {
    let hour = if random.percent(50) { random.between(0, 5) } else { random.between(0, 23) };
    let minute = if random.percent(60) { 0 } else { random.between(0, 59) };
    format!("{hour:02}:{minute:02}")
}

impl Draft {
    pub(crate) fn document(&self, random: &mut Random) -> Value {
        let mut document = Map::new();
        document.insert("id".into(), json!("case"));
        document.insert("game".into(), json!("kartrider"));
        document.insert("title".into(), json!("Case"));
        document.insert("period".into(), json!({"starts": time(self.starts), "ends": time(self.ends)}));
        document.insert("zone".into(), json!(self.zone));
        document.insert("late_s".into(), json!(self.late_s));
        if random.percent(50) {
            document.insert("day_starts_at".into(), json!(minute(random)));
        }
        if random.percent(15) {
            document.insert("opt_in".into(), json!(true));
        }
        if random.percent(15) {
            document.insert("eligible".into(), filter(random, 1));
        }
        if random.percent(20) {
            let attribute = *random.pick(&["server", "mode", "slot", "ranked"]);
            document.insert("scope".into(), json!({"attribute": attribute, "max": 8}));
        }
        let goals = self.goals(random);
        let goals: Vec<Value> = (0..).zip(goals).map(|(number, condition)| goal(number, condition)).collect();
        document.insert("goals".into(), Value::Array(goals));
        Value::Object(document)
    }

    fn goals(&self, random: &mut Random) -> Vec<Value> {
        match self.operator {
            Operator::After => {
                let then = *random.pick(&[Operator::Count, Operator::Sum]);
                let mut second = self.condition(then, random, &["play", "win", "login"]);
                second.insert("after".into(), json!("g0"));
                let mut first = self.condition(*random.pick(&[Operator::Count, Operator::Sum]), random, &["login", "play"]);
                for field in ["per", "day_starts_at"] {
                    first.remove(field);
                    second.get(field).cloned().map(|value| first.insert(field.into(), value));
                }
                vec![Value::Object(first), Value::Object(second)]
            }
            Operator::Fed => {
                let inner = Draft { reset: if random.percent(60) { Reset::Day } else { *random.pick(&RESETS) }, ..*self };
                let first = inner.condition(*random.pick(&OPERATORS[..11]), random, &["play", "win"]);
                let then = *random.pick(&[Operator::Count, Operator::Days, Operator::Streak, Operator::Count]);
                let mut second = self.condition(then, random, &["play"]);
                second.insert("on_goal".into(), json!("g0"));
                for field in ["on", "where", "during"] {
                    second.remove(field);
                }
                second.remove("day_starts_at");
                first.get("day_starts_at").cloned().map(|start| second.insert("day_starts_at".into(), start));
                vec![Value::Object(first), Value::Object(second)]
            }
            Operator::AllOf | Operator::AnyOf => self.joined(random),
            operator => {
                let mut goals = vec![Value::Object(self.condition(operator, random, &["play", "win", "login", "item"]))];
                if random.percent(20) {
                    goals.insert(0, Value::Object(self.condition(*random.pick(&OPERATORS[..11]), random, &["play", "win"])));
                }
                goals
            }
        }
    }

    /// Two or three goals and one that joins them. The leaves of a joined goal with a reset have that reset.
    fn joined(&self, random: &mut Random) -> Vec<Value> {
        let own_resets = self.reset == Reset::Never || random.percent(50);
        let per = (!own_resets).then(|| per(self.reset, random)).flatten();
        let mut goals = Vec::new();
        let mut leaves = Vec::new();
        for number in 0..random.between(2, 3) {
            let reset = if own_resets { *random.pick(&RESETS) } else { Reset::Never };
            let inner = Draft { reset, ..*self };
            let mut condition = inner.condition(*random.pick(&OPERATORS[..11]), random, &["play", "win", "login"]);
            if let Some(per) = &per {
                condition.insert("per".into(), per.clone());
                condition.remove("day_starts_at");
            }
            let most = condition.get("tiers").and_then(Value::as_array).map_or(1, Vec::len);
            let mut leaf = json!({"goal": format!("g{number}")});
            if most > 1 && random.percent(50) {
                leaf["n"] = json!(random.between(1, i64::try_from(most).expect("few")));
            }
            leaves.push(leaf);
            goals.push(Value::Object(condition));
        }
        let (outer, inner) = if self.operator == Operator::AllOf { ("all_of", "any_of") } else { ("any_of", "all_of") };
        if leaves.len() == 3 && random.percent(60) {
            let nested = json!({inner: leaves.split_off(1)});
            leaves.push(nested);
        }
        let mut joined = json!({outer: leaves});
        if joined[outer].as_array().is_some_and(|leaves| leaves.len() == 3) && random.percent(50) {
            let rest = joined[outer].as_array_mut().expect("it is a list").split_off(1);
            joined[inner] = json!(rest);
        }
        if let Some(per) = per {
            joined["per"] = per;
        }
        goals.push(joined);
        goals
    }

    fn condition(&self, operator: Operator, random: &mut Random, kinds: &[&str]) -> Map<String, Value> {
        let mut condition = Map::new();
        let mut on: Vec<&str> = kinds.iter().copied().filter(|_| random.percent(50)).collect();
        if on.is_empty() {
            on.extend(kinds.first());
        }
        if operator == Operator::Collect || operator == Operator::Distinct {
            on = vec!["item", "play"];
        }
        condition.insert("on".into(), json!(on));
        let put = |condition: &mut Map<String, Value>, name: &str, value: Value| drop(condition.insert(name.into(), value));
        if random.percent(30) {
            put(&mut condition, "where", filter(random, 0));
        }
        if random.percent(12) {
            let third = (self.ends - self.starts) / 3;
            put(&mut condition, "during", json!({"starts": time(self.starts + third / 2), "ends": time(self.ends - third)}));
        }
        let whole_days = matches!(self.reset, Reset::Never | Reset::Day | Reset::Week | Reset::Days);
        if operator != Operator::Streak && (whole_days || operator != Operator::Days) {
            per(self.reset, random).map(|per| condition.insert("per".into(), per));
        }
        if random.percent(15) {
            put(&mut condition, "day_starts_at", json!(minute(random)));
        }
        let weighty = matches!(operator, Operator::Count | Operator::Sum | Operator::SlidingCount | Operator::SlidingSum);
        if (weighty && random.percent(30)) || (operator == Operator::Days && random.percent(25)) {
            put(&mut condition, "weight", weight(random, operator == Operator::Days));
        }
        for (name, value) in measure(operator, random) {
            put(&mut condition, name, value);
        }
        let (low, high) = match operator {
            Operator::Sum | Operator::SlidingSum => (5, 40),
            Operator::Max => (20, 9_000),
            Operator::AnyRow | Operator::Blocks | Operator::Collect => (1, 2),
            _ => (1, 5),
        };
        let window = matches!(operator, Operator::SlidingCount | Operator::SlidingSum | Operator::AnyRow | Operator::Blocks);
        match random.below(if window { 2 } else { 3 }) {
            0 => put(&mut condition, "target", json!(random.between(low, high))),
            1 => {
                let first = random.between(low, high);
                let second = first + random.between(1, high);
                put(&mut condition, "tiers", json!([first, second, second + random.between(1, high)]));
            }
            _ => put(&mut condition, "repeat", json!({"every": random.between(low, high), "up_to": random.between(1, 4)})),
        }
        if matches!(operator, Operator::Count | Operator::Sum) && random.percent(35) {
            let per_day = whole_days && self.reset != Reset::Day && random.percent(60);
            let (from, word) = if per_day { (1, "day") } else { (top(&condition), "period") };
            put(&mut condition, "cap", json!({"most": from + random.between(0, high), "per": word}));
        }
        condition
    }
}

/// The amount at which a condition has nothing more to reach.
fn top(condition: &Map<String, Value>) -> i64 {
    let number = |value: Option<&Value>| value.and_then(Value::as_i64);
    let tiers = || number(condition.get("tiers").and_then(Value::as_array).and_then(|tiers| tiers.last()));
    let repeat = || Some(number(condition.get("repeat")?.get("every"))? * number(condition.get("repeat")?.get("up_to"))?);
    number(condition.get("target")).or_else(tiers).or_else(repeat).expect("it has one of the three")
}

fn goal(number: usize, condition: Value) -> Value {
    json!({"id": format!("g{number}"), "title": "Goal", "condition": condition})
}

fn measure(operator: Operator, random: &mut Random) -> Vec<(&'static str, Value)> {
    let value = |random: &mut Random, name: &str| random.percent(40).then(|| ("value", json!(name)));
    match operator {
        Operator::Count => vec![("measure", json!("count"))],
        Operator::Sum => [("measure", json!("sum"))].into_iter().chain(value(random, "level")).collect(),
        Operator::Max => [("measure", json!("max"))].into_iter().chain(value(random, "score")).collect(),
        Operator::Distinct => {
            let name = *random.pick(&["server", "mode", "level"]);
            [("measure", json!("distinct"))].into_iter().chain(value(random, name)).collect()
        }
        Operator::Collect => {
            let items: Vec<String> = (0..random.between(4, 8)).map(|number| format!("i{number}")).collect();
            vec![("measure", json!("collect")), ("items", json!(items))]
        }
        Operator::Days => vec![("measure", json!("days"))],
        Operator::Streak => vec![("measure", json!("streak"))],
        Operator::SlidingCount | Operator::SlidingSum => {
            let seconds = *random.pick(&[1, 60, 600, 3_600, 7_200, 86_400]);
            let what = if operator == Operator::SlidingCount { "count" } else { "sum" };
            vec![("measure", json!(what)), ("within_s", json!(seconds))]
        }
        _ => {
            let mut row = json!({"of": random.between(2, 6), "hit": {"attribute": "ranked", "is": true}});
            if operator == Operator::Blocks {
                row["blocks"] = json!(true);
            }
            vec![("measure", json!("count")), ("in_a_row", row)]
        }
    }
}

fn per(reset: Reset, random: &mut Random) -> Option<Value> {
    let mut per = match reset {
        Reset::Never => return None,
        Reset::Day => json!({"unit": "day"}),
        Reset::Week if random.percent(40) => json!({"unit": "week"}),
        Reset::Week => json!({"unit": "week", "weekday": random.pick(&["thursday", "sunday", "saturday", "tuesday"])}),
        Reset::Days => json!({"unit": "days", "days": random.between(1, 5)}),
        Reset::Hour => json!({"unit": "hour"}),
        Reset::Length => json!({"unit": "length", "seconds": random.pick(&[60, 3_600, 5_000, 86_400, 250_000])}),
        Reset::Slots => {
            let evening = format!("{:02}:{:02}", random.between(18, 23), random.between(0, 59));
            let morning = format!("{:02}:{:02}", random.between(0, 2), random.between(0, 59));
            let noon = format!("{:02}:30", random.between(9, 16));
            json!({"unit": "slots", "slots": [{"from": "03:30", "until": "08:00"}, {"from": noon, "until": "17:59"}, {"from": evening, "until": morning}]})
        }
    };
    if random.percent(25) {
        per["rounds"] = json!(random.between(1, 4));
    }
    Some(per)
}

fn weight(random: &mut Random, weekdays_only: bool) -> Value {
    let mut weight = json!({});
    if weekdays_only || random.percent(60) {
        weight["weekdays"] = json!({"saturday": random.between(1, 3), "sunday": random.between(0, 3)});
    }
    if !weekdays_only && random.percent(60) {
        let by_text = random.percent(60);
        weight["attribute"] = json!(if by_text { "mode" } else { "level" });
        if by_text {
            weight["values"] = json!({"ranked": 2, "casual": 0});
        }
        if random.percent(40) {
            weight["otherwise"] = json!(random.between(0, 2));
        }
    }
    weight
}

fn filter(random: &mut Random, depth: usize) -> Value {
    let kinds = if depth < 2 { 15 } else { 12 };
    match random.below(kinds) {
        0 => json!({"attribute": "mode", "is": "ranked"}),
        1 => json!({"attribute": "mode", "is_not": "casual"}),
        2 => json!({"attribute": "ranked", "is": true}),
        3 => json!({"attribute": "mode", "one_of": ["ranked", "team", 7]}),
        4 => json!({"attribute": "level", "at_least": random.between(1, 30), "at_most": random.between(30, 60)}),
        5 => json!({"attribute": "item", "begins_with": "i"}),
        6 => json!({"attribute": "foe_level", "present": random.percent(50)}),
        7 => json!({"attribute": "level", "near": {"attribute": "foe_level", "within": random.between(0, 20)}}),
        8 => json!({"attribute": "level", "greater_than": "foe_level"}),
        9 => json!({"attribute": "level", "same_as": "foe_level"}),
        10 => json!({"hours": {"from": minute(random), "until": minute(random)}}),
        11 => json!({"weekdays": ["saturday", "monday", random.pick(&["sunday", "wednesday"])]}),
        12 => json!({"all": [filter(random, depth + 1), filter(random, depth + 1)]}),
        13 => json!({"any": [filter(random, depth + 1), filter(random, depth + 1)]}),
        _ => json!({"not": filter(random, depth + 1)}),
    }
}
