//! Records of a racing game for telephones: snake_case JSON, milliseconds since 1970, a nested payload. Keyed by player.

use super::happening::Happening;
use super::write::{number, padded, text};
use super::{Key, Kind};
use kernel::Random;

pub(super) const ITEMS: [&str; 12] =
    ["gold_key", "silver_key", "kart_piece", "paint", "fuel", "wheel", "charm", "sticker", "trophy", "emote", "pass_point", "coupon"];
const MISSIONS: [&str; 8] = ["daily_drift", "daily_race", "weekly_win", "club_run", "ghost_beat", "tutorial", "season_1", "season_2"];
const KARTS: [&str; 6] = ["cotton", "solid", "burst", "saber", "plasma", "marathon"];
const MODES: [&str; 3] = ["ranked", "arcade", "story"];
const SERVERS: [&str; 3] = ["kr1", "kr2", "jp1"];
const UNWANTED: [&str; 4] = ["chat_send", "page_view", "heartbeat", "ad_impression"];

pub(super) fn write(happening: &Happening, out: &mut Vec<u8>) -> (Key, u32) {
    let mut random = happening.random.clone();
    let kind = happening.written();
    text(out, "{\"event_id\":\"r");
    padded::<12>(out, happening.n);
    text(out, "\",\"event_type\":\"");
    text(
        out,
        match kind {
            Kind::Login => "session_start",
            Kind::Play => "race_finish",
            Kind::Mission => "mission_clear",
            Kind::Item => "item_acquire",
            _ => random.pick(&UNWANTED),
        },
    );
    text(out, "\",\"user_id\":\"");
    let from = out.len();
    out.push(b'u');
    padded::<7>(out, happening.player);
    let key = Key::new(&out[from..]);
    if !happening.has_player() {
        out.truncate(from);
    }
    text(out, "\",\"ts\":");
    let at_ms = happening.at.0.unsigned_abs() / 1_000;
    if happening.has_time() {
        number(out, at_ms);
    } else {
        text(out, "\"just now\"");
    }
    text(out, ",\"server\":\"");
    text(out, random.pick(&SERVERS));
    text(out, "\",\"payload\":{");
    payload(kind, at_ms, &mut random, out);
    text(out, "}}");
    (key, u32::from(kind != Kind::Unwanted))
}

fn payload(kind: Kind, at_ms: u64, random: &mut Random, out: &mut Vec<u8>) {
    match kind {
        Kind::Login => text(out, if random.below(2) == 0 { "\"device\":\"android\"" } else { "\"device\":\"ios\"" }),
        Kind::Play => {
            text(out, "\"mode\":\"");
            text(out, random.pick(&MODES));
            text(out, "\",\"rank\":");
            match random.below(9) {
                0 => text(out, "-1"),
                rank => number(out, rank),
            }
            text(out, ",\"score\":");
            number(out, 2_000 + random.below(8_000));
            text(out, ",\"kart_id\":\"");
            text(out, random.pick(&KARTS));
            text(out, "\",\"started_at\":");
            number(out, at_ms - 60_000 - random.below(240_000));
        }
        Kind::Mission => {
            text(out, "\"mission_id\":\"");
            text(out, random.pick(&MISSIONS));
            text(out, "\",\"chapter\":{\"no\":");
            number(out, 1 + random.below(20));
            text(out, "}");
        }
        Kind::Item => {
            text(out, "\"item_id\":\"");
            text(out, random.pick_early(&ITEMS));
            text(out, "\"");
            // One is not written.
            if random.below(3) == 0 {
                text(out, ",\"count\":");
                number(out, 2 + random.below(9));
            }
        }
        _ => {
            text(out, "\"page\":\"lobby\",\"ms\":");
            number(out, random.below(60_000));
        }
    }
}
