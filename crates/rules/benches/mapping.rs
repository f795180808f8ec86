//! Measures the mapping of records: each shipped mapping on a record of its game, and how long a record takes that is not wanted or broken.
//! Refuses a log: one record over and over. `cargo bench -p rules --bench mapping [-- NAME]`; best of 2,000 short rounds.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use kernel::Instant as Moment;
use rules::{Mapper, Mapping, Scratch, preset};
use std::hint::black_box;
use std::time::Instant;

/// Records of a round: so few that a round is over before another process has its turn.
const ROUND: u32 = 1_000;
const ROUNDS: usize = 2_000;

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let (kart, track) = ("ab".repeat(32), "cd".repeat(32));
    let eight = r#"{"event_id":"r-00000000000042","event_type":"race_finish","user_id":"u0001234","ts":1795251600000,"server":"kr1","payload":{"mode":"ranked","rank":2,"score":9120,"started_at":1795251410000}}"#;
    let kartrider = format!(
        r#"{{"logId":"k-00000042","type":"play","accountNo":"1000001","kart":"{kart}","trackId":"{track}","gameMode":"ranked","matchRank":"1","matchWin":"1","playerLevel":"44","startTime":"2026-11-21T08:56:00","endTime":"2026-11-21T09:00:00.5"}}"#
    );
    let player = r#"{"ouid":"0123456789abcdef","match_result":"1","kill":12,"death":3,"level":41,"rival_level":44}"#;
    let players = [player; 10].join(",");
    let sudden = format!(
        r#"{{"type":"match","match_id":"m00000042","date_match":"2026-11-21T09:00:00.000Z","match_type":"폭파미션","minutes":11,"players":[{players}]}}"#
    );
    let kill = r#"L 11/12/2018 - 19:57:58: "Jon<9><STEAM_1:1:0101011><CT>" [1399 120 1614] killed "Orin<8><BOT><TERRORIST>" [1514 516 1678] with "hkp2000""#;
    let other = r#"L 11/12/2018 - 19:58:16: "Martin<7><BOT><CT>" dropped "hkp2000""#;
    let records: [(&str, &str, &str); 9] = [
        ("kartrush", "a race", eight),
        ("kartrush", "not wanted", &eight.replace("race_finish", "chat_send")),
        ("kartrush", "cut short", &eight[..eight.len() - 9]),
        ("kartrider", "a race with two ids of 64 bytes", &kartrider),
        ("baram", "a hunt", "2026-11-21 18:00:00|사냥|용사000123|연|57|도깨비|3|12|000000000077"),
        ("suddenattack", "a match of ten", &sudden),
        ("source_server", "a kill", kill),
        ("source_server", "not wanted", other),
        ("source_server", "of no pattern", "cut"),
    ];
    for (name, what, record) in records {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            measure(name, what, record);
        }
    }
}

fn measure(name: &str, what: &str, record: &str) {
    let mapper = Mapping::parse(preset(name).unwrap()).unwrap().compile();
    let mut scratch = Scratch::default();
    let events = round(&mapper, &mut scratch, record, ROUND);
    let best = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        black_box(round(&mapper, &mut scratch, record, ROUND));
        started.elapsed()
    });
    let ns = best.min().unwrap().as_nanos() / u128::from(ROUND);
    println!("{name:<14} {what:<32} {:>5} bytes {:>2} events {ns:>6} ns", record.len(), events / u64::from(ROUND));
}

fn round(mapper: &Mapper, scratch: &mut Scratch, record: &str, times: u32) -> u64 {
    let mut events = 0;
    for _ in 0..times {
        let mut each = |event: &rules::Event<'_>| {
            black_box(event);
            events += 1;
        };
        let _ = black_box(mapper.map(scratch, black_box(record.as_bytes()), Moment(1_795_262_400_000_000), &mut each));
    }
    events
}
