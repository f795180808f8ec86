//! The same records in any order within the lateness end the same; repeats count once; what is forgotten is not missed.

use super::play::{Play, at, campaign, goal, registered};
use kernel::Instant;
use rules::{CampaignProgress, Event, PlayerState, StateError, Value, Verdict};
use std::collections::BTreeSet;

const DAY_US: i64 = 86_400_000_000;

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from((self.0 >> 11) % end).unwrap()
    }
}

#[derive(Clone)]
struct Record {
    id: u64,
    at: i64,
    appended: Option<i64>,
    kind: &'static str,
    amount: i64,
    item: &'static str,
    won: bool,
}

/// A campaign with a goal of every kind whose outcome no order may change, over the change of Berlin's clock.
fn every_kind() -> rules::Campaign {
    let head = r#""period": {"starts": "2026-10-01T00:00:00Z", "ends": "2026-11-20T00:00:00Z"}, "zone": "Europe/Berlin", "late_s": 86400"#;
    let goals = [
        goal(
            "count",
            r#""measure": "count", "on": ["play"], "where": {"attribute": "won", "is": true}, "repeat": {"every": 7, "up_to": 30}"#,
        ),
        goal("sum", r#""measure": "sum", "on": ["play"], "cap": {"most": 60, "per": "day"}, "tiers": [200, 900, 1500]"#),
        goal(
            "daily",
            r#""measure": "sum", "on": ["play"], "per": {"unit": "day"}, "cap": {"most": 90, "per": "period"}, "tiers": [30, 90]"#,
        ),
        goal("distinct", r#""measure": "distinct", "on": ["item"], "per": {"unit": "week", "weekday": "thursday"}, "target": 3"#),
        goal("collect", r#""measure": "collect", "on": ["item"], "items": ["a", "b", "c", "d"], "tiers": [2, 4]"#),
        goal("max", r#""measure": "max", "on": ["play"], "per": {"unit": "days", "days": 3}, "tiers": [20, 35]"#),
        goal(
            "days",
            r#""measure": "days", "on": ["login"], "per": {"unit": "week"}, "weight": {"weekdays": {"sunday": 2}}, "tiers": [3, 5]"#,
        ),
        goal("streak", r#""measure": "streak", "on": ["login"], "repeat": {"every": 3, "up_to": 9}"#),
        goal("window", r#""measure": "count", "on": ["play"], "within_s": 21600, "per": {"unit": "week"}, "tiers": [3, 4, 6]"#),
        goal("hour", r#""measure": "count", "on": ["play", "item"], "per": {"unit": "hour"}, "target": 2"#),
        goal("coins", r#""measure": "sum", "on": ["item"], "per": {"unit": "day"}, "target": 40"#),
        goal("after", r#""measure": "sum", "on": ["play"], "per": {"unit": "day"}, "after": "coins", "tiers": [10, 40]"#),
        goal("fed", r#""measure": "streak", "on_goal": "daily", "tiers": [2, 4]"#),
        goal("joined", r#""all_of": [{"goal": "collect", "n": 2}, {"any_of": [{"goal": "streak"}, {"goal": "max"}]}]"#),
        goal("joined-daily", r#""per": {"unit": "day"}, "any_of": [{"goal": "after"}, {"goal": "daily", "n": 2}]"#),
    ];
    campaign(head, &goals.join(", "))
}

fn records(random: &mut Random, count: i64) -> Vec<Record> {
    let first = at("2026-10-02T00:00:00Z").0;
    let mut records: Vec<Record> = (0..count)
        .map(|id| Record {
            id: u64::try_from(id + 1).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15),
            at: first + random.below(40 * 86_400) * 1_000_000,
            appended: None,
            kind: ["play", "play", "login", "item"][usize::try_from(random.below(4)).unwrap()],
            amount: random.below(40),
            item: ["a", "b", "c", "d", "e"][usize::try_from(random.below(5)).unwrap()],
            won: random.below(2) == 0,
        })
        .collect();
    records.sort_unstable_by_key(|record| record.at);
    records
}

/// Appended within a day after they happened, a tenth of them twice; in the order of the log.
fn disordered(records: &[Record], random: &mut Random) -> Vec<Record> {
    let mut log = Vec::new();
    for record in records {
        let repeats = 1 + i64::from(random.below(10) == 0);
        log.extend((0..repeats).map(|_| Record { appended: Some(record.at + random.below(86_401) * 1_000_000), ..record.clone() }));
    }
    log.sort_by_key(|record| record.appended);
    log
}

type Outcome = (BTreeSet<(u16, i64, i64)>, CampaignProgress, usize);

fn run(campaign: &rules::Campaign, log: &[Record]) -> Outcome {
    let mut play = Play::of(&[registered(campaign.clone())]);
    let mut seen = BTreeSet::new();
    for record in log {
        let values = play.values(&[("won", Value::Flag(record.won))]);
        let event = Event {
            id: record.id,
            player: "p",
            kind: record.kind,
            at: Instant(record.at),
            amount: record.amount,
            item: Some(record.item),
            attributes: &values,
        };
        let verdict = play.step(&event, record.appended.map(Instant));
        let expected = if seen.insert(record.id) { Verdict::Counted } else { Verdict::Duplicate };
        assert_eq!(verdict, expected, "at {}", Instant(record.at));
    }
    let reached: Vec<_> = play.reached.iter().map(|reached| (reached.goal, reached.period, reached.n)).collect();
    let unique: BTreeSet<_> = reached.iter().copied().collect();
    assert_eq!(unique.len(), reached.len(), "nothing is reached twice");
    let mut bytes = Vec::new();
    play.state.encode(&mut bytes);
    (unique, play.progress("2026-11-11T12:00:00Z"), bytes.len())
}

fn at_once(records: &[Record]) -> Vec<Record> {
    records.iter().map(|record| Record { appended: Some(record.at), ..record.clone() }).collect()
}

#[test]
fn any_order_within_the_lateness_ends_the_same() {
    let campaign = every_kind();
    let mut covered = BTreeSet::new();
    for seed in 1..=25 {
        let mut random = Random(seed << 32 | 0x9e37);
        let count = 40 + 5 * random.below(60);
        let records = records(&mut random, count);
        let in_order = run(&campaign, &at_once(&records));
        for _ in 0..3 {
            let log = disordered(&records, &mut random);
            let (reached, progress, _) = run(&campaign, &log);
            assert_eq!(reached, in_order.0, "seed {seed}");
            assert_eq!(progress, in_order.1, "seed {seed}");
        }
        covered.extend(in_order.0.iter().map(|reached| reached.0));
    }
    assert_eq!(covered.len(), campaign.goals.len(), "every goal is reached in some run: {covered:?}");
}

#[test]
fn what_is_forgotten_is_not_missed() {
    let campaign = every_kind();
    for seed in 1..=8 {
        let mut random = Random(seed << 32 | 0x9e37);
        let records = records(&mut random, 400);
        // A file is never late, so nothing of it is forgotten.
        let (reached, progress, all_bytes) = run(&campaign, &records);
        let (same_reached, same_progress, bytes) = run(&campaign, &at_once(&records));
        assert_eq!((same_reached, same_progress), (reached, progress), "seed {seed}");
        assert!(bytes * 3 < all_bytes && bytes < 1_500, "{bytes} bytes are kept of {all_bytes}");
    }
}

#[test]
fn what_came_in_the_order_of_time_is_reached_in_every_order() {
    let wins = |blocks| {
        format!(
            r#""measure": "count", "on": ["play"], "per": {{"unit": "week"}}, "in_a_row": {{"of": 5, "blocks": {blocks}, "hit": {{"attribute": "won", "is": true}}}}, "tiers": [3, 4]"#
        )
    };
    let head = r#""period": {"starts": "2026-10-01T00:00:00Z", "ends": "2026-11-20T00:00:00Z"}, "late_s": 86400"#;
    let campaign = campaign(head, &[goal("any", &wins(false)), goal("block", &wins(true))].join(", "));
    let mut reached = 0;
    for seed in 1..=40 {
        let mut random = Random(seed << 32 | 0x9e37);
        let count = 40 + random.below(80);
        let records: Vec<Record> = records(&mut random, count).into_iter().filter(|record| record.kind == "play").collect();
        let in_order = run(&campaign, &at_once(&records)).0;
        let disordered = run(&campaign, &disordered(&records, &mut random)).0;
        assert!(disordered.is_superset(&in_order), "seed {seed}: {in_order:?} {disordered:?}");
        reached += in_order.len();
    }
    assert!(reached > 40, "{reached}");
}

#[test]
fn a_full_memory_of_ids_closes_what_is_older() {
    let mut play = Play::of(&[registered(campaign("", &goal("g", r#""measure": "count", "on": ["play"], "target": 1000"#)))]);
    play.plan = play.plan.with_dedupe_max(3);
    let values = play.values(&[]);
    let mut step = |id: u64, second: i64| {
        let event = Event {
            id,
            player: "p",
            kind: "play",
            at: at("2026-05-02T00:00:00Z").plus_us(second * 1_000_000),
            amount: 1,
            item: None,
            attributes: &values,
        };
        play.step(&event, Some(event.at))
    };
    assert_eq!(
        [step(1, 10), step(2, 20), step(3, 30), step(1, 10)],
        [Verdict::Counted, Verdict::Counted, Verdict::Counted, Verdict::Duplicate]
    );
    assert_eq!(step(4, 40), Verdict::Counted);
    assert_eq!(step(1, 10), Verdict::TooLate, "its id was forgotten, so it may not count again");
    assert_eq!(step(5, 15), Verdict::Counted, "and is forgotten at once, being the oldest");
    assert_eq!([step(5, 15), step(6, 5)], [Verdict::TooLate, Verdict::TooLate]);
    assert_eq!(step(7, 25), Verdict::Counted);
}

#[test]
fn a_record_later_than_its_campaign_allows_does_not_count() {
    let head = r#""late_s": 60"#;
    let mut play = Play::of(&[registered(campaign(head, &goal("g", r#""measure": "count", "on": ["play"], "target": 2"#)))]);
    let values = play.values(&[]);
    let event = |id| Event { id, player: "p", kind: "play", at: at("2026-05-02T00:00:00Z"), amount: 1, item: None, attributes: &values };
    assert_eq!(play.step(&event(1), Some(event(1).at.plus_us(60_000_001))), Verdict::TooLate);
    assert_eq!(play.step(&event(2), Some(event(2).at.plus_us(60_000_000))), Verdict::Counted);
    assert_eq!(play.step(&event(3), None), Verdict::Counted, "a file has no lateness");
    assert_eq!(play.steps(), [(0, 1)]);
    // Another partition may lag by a day, not more.
    let ahead = Event { at: event(4).at.plus_us(DAY_US + 60_000_000), ..event(4) };
    assert_eq!(play.step(&ahead, Some(ahead.at)), Verdict::Counted);
    assert_eq!(play.step(&event(5), Some(event(5).at)), Verdict::TooLate);
    let just = Event { at: event(6).at.plus_us(1), ..event(6) };
    assert_eq!(play.step(&just, Some(just.at)), Verdict::Counted);
}

#[test]
fn broken_and_newer_states_are_refused() {
    let mut random = Random(77);
    let mut play = Play::of(&[registered(every_kind())]);
    for record in records(&mut random, 60) {
        let values = play.values(&[("won", Value::Flag(record.won))]);
        let event = Event {
            id: record.id,
            player: "p",
            kind: record.kind,
            at: Instant(record.at),
            amount: record.amount,
            item: Some(record.item),
            attributes: &values,
        };
        play.step(&event, None);
    }
    let mut bytes = Vec::new();
    play.state.encode(&mut bytes);
    for length in 1..bytes.len() {
        assert_eq!(PlayerState::decode(&bytes[..length]), Err(StateError::Broken), "{length} of {} bytes", bytes.len());
    }
    let mut random_byte = Random(5);
    for place in 0..bytes.len() {
        // Whatever was changed, reading ends without a panic.
        let mut changed = bytes.clone();
        changed[place] ^= u8::try_from(1 + random_byte.below(255)).unwrap();
        let _ = PlayerState::decode(&changed);
    }
    bytes[0] = 2;
    assert_eq!(PlayerState::decode(&bytes), Err(StateError::Newer(2)));
    assert_eq!(PlayerState::decode(&[]), Ok(PlayerState::default()));
}
