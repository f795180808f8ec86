//! Records of a racing game: camelCase JSON, numbers as texts, "1" and "" as flags, times without a zone that are UTC,
//! with or without decimals, karts and tracks by ids of 64 hexadecimal digits. Keyed by player.

use super::happening::Happening;
use super::write::{hex, millis, number, padded, text, time};
use super::{Key, Kind};
use kernel::Instant;
use kernel::Random;

pub(super) const ITEMS: [&str; 12] =
    ["balloon", "banana", "bubble", "booster", "shield", "magnet", "missile", "mine", "ufo", "dye", "ticket", "horn"];
const MISSIONS: [&str; 8] = ["drift-30", "win-3", "no-crash", "team-win", "item-race", "time-attack", "relay", "daily"];
const CHANNELS: [&str; 4] = ["speed", "item", "battle", "beginner"];
const MODES: [&str; 3] = ["ranked", "speed", "item"];
const UNWANTED: [&str; 4] = ["chat", "garageOpen", "shopView", "heartbeat"];
const KARTS: u64 = 64;
const TRACKS: u64 = 40;

pub(super) fn write(happening: &Happening, out: &mut Vec<u8>) -> (Key, u32) {
    let mut random = happening.random.clone();
    let kind = happening.written();
    text(out, "{\"logId\":\"k");
    padded::<12>(out, happening.n);
    text(out, "\",\"type\":\"");
    text(
        out,
        match kind {
            Kind::Login => "login",
            Kind::Play => "play",
            Kind::Mission => "mission",
            Kind::Item => "item",
            _ => random.pick(&UNWANTED),
        },
    );
    text(out, "\",\"accountNo\":\"");
    let from = out.len();
    number(out, 1_000_000 + happening.player);
    let key = Key::new(&out[from..]);
    if !happening.has_player() {
        out.truncate(from);
    }
    text(out, "\",\"playerLevel\":\"");
    number(out, Happening::level_of(happening.player));
    text(out, "\",\"startTime\":\"");
    if kind == Kind::Play {
        play(happening, &mut random, out);
    } else {
        moment(happening.has_time(), happening.at, &mut random, out);
    }
    match kind {
        Kind::Login => {
            text(out, "\",\"channel\":\"");
            text(out, random.pick(&CHANNELS));
        }
        Kind::Mission => {
            text(out, "\",\"missionId\":\"");
            text(out, random.pick(&MISSIONS));
        }
        Kind::Item => {
            text(out, "\",\"itemId\":\"");
            text(out, random.pick_early(&ITEMS));
            text(out, "\",\"itemCount\":\"");
            number(out, 1 + random.below(5));
            text(out, if random.below(2) == 0 { "\",\"isFree\":\"1" } else { "\",\"isFree\":\"" });
        }
        _ => (),
    }
    text(out, "\"}");
    (key, u32::from(kind != Kind::Unwanted))
}

fn play(happening: &Happening, random: &mut Random, out: &mut Vec<u8>) {
    let took_us = 90_000_000 + random.below(300_000_000);
    moment(happening.has_time(), happening.at.plus_us(-i64::try_from(took_us).unwrap_or(0)), random, out);
    text(out, "\",\"endTime\":\"");
    moment(happening.has_time(), happening.at, random, out);
    text(out, "\",\"kart\":\"");
    long_id(random.below(KARTS), out);
    text(out, "\",\"trackId\":\"");
    long_id(1_000 + random.below(TRACKS), out);
    text(out, "\",\"gameMode\":\"");
    text(out, random.pick(&MODES));
    // One in twelve retires.
    let rank = if random.below(12) == 0 { 99 } else { 1 + random.below(8) };
    text(out, "\",\"matchRank\":\"");
    number(out, rank);
    text(out, if rank == 1 { "\",\"matchWin\":\"1" } else { "\",\"matchWin\":\"" });
}

/// Servers of one version write decimals, those of another do not.
fn moment(is_right: bool, at: Instant, random: &mut Random, out: &mut Vec<u8>) {
    if !is_right {
        text(out, "0000-00-00T00:00:00");
        return;
    }
    time(out, at, 0, b'T');
    if random.below(2) == 0 {
        millis(out, at);
    }
}

fn long_id(number: u64, out: &mut Vec<u8>) {
    let mut random = Random::nth(64, number);
    (0..4).for_each(|_| hex(out, random.next()));
}
