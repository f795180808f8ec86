//! Measures the step: five campaigns of one game over 5,000,000 events of 200,000 players in the order of time, state look-up
//! included; then what a state costs to encode, decode and copy, and its size. Refuses logs and mappings: those are the stream's.
//! `cargo bench -p rules --bench step [-- EVENTS PLAYERS]`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss
)]

use kernel::Instant as Moment;
use rules::{Campaign, Effects, Event, Plan, PlayerState, Registered, Value, Verdict, step};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const STARTS: &str = "2026-05-01T00:00:00Z";
const DAYS: i64 = 14;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let events = numbers.first().copied().unwrap_or(5_000_000);
    let players = numbers.get(1).copied().unwrap_or(200_000);
    let names: Vec<String> = (0..players).map(|player| format!("player-{player:07}")).collect();
    let plan = plan();
    let before_kb = rss_kb();
    let log = log(events, players);
    println!("{events} events of {players} players, {} goals, log of {} MB", plan.goals().len(), (rss_kb() - before_kb) / 1024);

    let (states, reached) = run(&plan, &log, &names);
    println!("{reached} achievements");
    stored(&states);
    overlay(&plan, &log, &states, &names);
    trees(&plan);
}

fn goal(id: &str, condition: &str) -> String {
    format!(r#"{{"id": "{id}", "title": "{id}", "condition": {{{condition}}}}}"#)
}

/// Count 10 plays, streak of 3 days, collect 5, 5 wins in any hour, both of two.
fn plan() -> Plan {
    let play = goal("play", r#""measure": "count", "on": ["play"], "target": 10"#);
    let streak = goal("streak", r#""measure": "streak", "on": ["login"], "target": 3"#);
    let collect = goal("collect", r#""measure": "collect", "on": ["item"], "items": ["a", "b", "c", "d", "e"], "target": 5"#);
    let wins =
        goal("wins", r#""measure": "count", "on": ["play"], "where": {"attribute": "won", "is": true}, "within_s": 3600, "target": 5"#);
    let both = goal("both", r#""all_of": [{"goal": "play"}, {"goal": "streak"}]"#);
    let goals = [play.clone(), streak.clone(), collect, wins, [play, streak, both].join(", ")];
    let registered: Vec<Registered> = (1..)
        .zip(goals)
        .map(|(number, goals)| {
            let json = format!(
                r#"{{"id": "campaign-{number}", "game": "kartrider", "title": "c", "zone": "Asia/Seoul",
                    "period": {{"starts": "{STARTS}", "ends": "2026-06-01T00:00:00Z"}}, "goals": [{goals}]}}"#
            );
            Registered { number, lineage: 1, version: 1, stopped_at: None, campaign: Campaign::parse(&json).unwrap() }
        })
        .collect();
    Plan::compile(&registered, &["mode".to_owned(), "won".to_owned(), "level".to_owned()]).unwrap()
}

/// States by name, found by the hash that the stream finds them by.
type States<'a> = HashMap<&'a str, PlayerState, BuildHasherDefault<Named>>;

#[derive(Default)]
struct Named(u64);

impl Hasher for Named {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The end of a text, which its hash needs no mark of.
    fn write_u8(&mut self, _: u8) {}
}

struct Row {
    id: u64,
    at: i64,
    player: u32,
    kind: u8,
    item: u8,
    won: bool,
}

const KINDS: [&str; 10] = ["play", "play", "play", "play", "login", "item", "mission", "chat", "shop", "position"];
const ITEMS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn log(events: usize, players: usize) -> Vec<Row> {
    let first = STARTS.parse::<Moment>().unwrap().0;
    let every = DAYS * 86_400_000_000 / events as i64;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let row = |at: usize| Row {
        id: random.next(),
        at: first + at as i64 * every,
        player: (random.next() % players as u64) as u32,
        kind: (random.next() % 10) as u8,
        item: (random.next() % 8) as u8,
        won: random.next() & 1 == 0,
    };
    (0..events).map(row).collect()
}

fn with_event<T>(row: &Row, name: &str, judge: impl FnOnce(&Event<'_>) -> T) -> T {
    let attributes = [Value::Text("ranked"), Value::Flag(row.won), Value::Integer(30)];
    judge(&Event {
        id: row.id,
        player: name,
        kind: KINDS[usize::from(row.kind)],
        at: Moment(row.at),
        amount: 3,
        item: Some(ITEMS[usize::from(row.item)]),
        attributes: &attributes,
    })
}

fn run<'a>(plan: &Plan, log: &[Row], names: &'a [String]) -> (States<'a>, usize) {
    let before_kb = rss_kb();
    let mut states = States::with_capacity_and_hasher(names.len(), BuildHasherDefault::default());
    let mut effects = Effects::default();
    let (mut reached, mut counted) = (0, 0);
    let started = Instant::now();
    for (at, row) in log.iter().enumerate() {
        // As the stream does it: the states of the next events are looked over together.
        if at % 32 == 0 {
            let next = &log[at..log.len().min(at + 32)];
            let names = next.iter().map(|row| names[row.player as usize].as_str());
            std::hint::black_box(names.filter_map(|name| states.get(name)).fold(0, |sum, state| sum ^ state.look_over()));
        }
        let name = names[row.player as usize].as_str();
        let state = states.entry(name).or_default();
        let verdict = with_event(row, name, |event| step(plan, state, event, Some(event.at.plus_us(1_000_000)), &mut effects));
        counted += usize::from(verdict == Verdict::Counted);
        reached += effects.achieved.len();
        effects.clear();
    }
    let taken = started.elapsed();
    println!(
        "step with look-up: {:.0} events/s, {:.0} ns each; {counted} counted; {} MB more resident",
        log.len() as f64 / taken.as_secs_f64(),
        taken.as_nanos() as f64 / log.len() as f64,
        (rss_kb() - before_kb) / 1024
    );
    (states, reached)
}

fn stored(states: &States<'_>) {
    let count = states.len() as f64;
    let memory: usize = states.values().map(PlayerState::size).sum();
    let mut bytes = Vec::new();
    let mut ends = Vec::with_capacity(states.len());
    let started = Instant::now();
    for state in states.values() {
        state.encode(&mut bytes);
        ends.push(bytes.len());
    }
    let encoded = started.elapsed();
    println!(
        "encode: {:.0} ns, {:.0} bytes a state; in memory {:.0} bytes",
        encoded.as_nanos() as f64 / count,
        bytes.len() as f64 / count,
        memory as f64 / count
    );
    let started = Instant::now();
    let mut from = 0;
    let mut decoded = Vec::with_capacity(states.len());
    for end in ends {
        decoded.push(PlayerState::decode(&bytes[from..end]).unwrap());
        from = end;
    }
    println!("decode: {:.0} ns", started.elapsed().as_nanos() as f64 / count);
    assert!(states.values().zip(&decoded).all(|(state, decoded)| state == decoded));
    let started = Instant::now();
    let copies: Vec<PlayerState> = states.values().cloned().collect();
    println!("copy: {:.0} ns", started.elapsed().as_nanos() as f64 / count);
    drop(copies);
}

/// As a stream does it: each batch copies the states it touches, steps them, and merges them back.
fn overlay(plan: &Plan, log: &[Row], states: &States<'_>, names: &[String]) {
    let mut cache = states.clone();
    let mut effects = Effects::default();
    let log = &log[..log.len() / 5];
    let started = Instant::now();
    for batch in log.chunks(10_000) {
        let mut touched = States::default();
        for row in batch {
            let (name, state) = cache.get_key_value(names[row.player as usize].as_str()).unwrap();
            let state = touched.entry(name).or_insert_with(|| state.clone());
            // A day later than the log's end, under other ids.
            let row = Row { id: !row.id, at: row.at + DAYS * 86_400_000_000, ..*row };
            with_event(&row, name, |event| step(plan, state, event, Some(event.at), &mut effects));
        }
        cache.extend(touched);
        effects.clear();
    }
    println!("overlay, batches of 10,000: {:.0} events/s", log.len() as f64 / started.elapsed().as_secs_f64());
}

/// The cost of a kind that no campaign counts, and of one event that every campaign refuses by its filter.
fn trees(plan: &Plan) {
    let mut state = PlayerState::default();
    let mut effects = Effects::default();
    let row = Row { id: 1, at: STARTS.parse::<Moment>().unwrap().0, player: 0, kind: 7, item: 0, won: false };
    let rounds = 10_000_000;
    let started = Instant::now();
    let unwanted = (0..rounds).filter(|_| {
        with_event(&row, "p", |event| step(plan, &mut state, std::hint::black_box(event), None, &mut effects)) == Verdict::Unwanted
    });
    let unwanted = unwanted.count();
    assert_eq!(unwanted, rounds);
    println!("unwanted kind: {:.1} ns", started.elapsed().as_nanos() as f64 / rounds as f64);
}

/// Kilobytes resident, from Linux; 0 elsewhere.
fn rss_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
