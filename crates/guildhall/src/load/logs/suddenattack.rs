//! Records of a shooter: one per match with an array of its players, times in ISO 8601 with Z, types of matches in Korean,
//! results as "1", "2" and "3". Keyed by match, so that a player's records lie in any partition.

use super::happening::Happening;
use super::write::{hex, millis, number, padded, text, time};
use super::{Key, Kind};
use kernel::Random;

pub(super) const ITEMS: [&str; 12] =
    ["medal", "ammo_box", "flash", "smoke", "armor", "scope", "skin_red", "skin_blue", "tag", "ticket", "capsule", "camo"];
const MISSIONS: [&str; 6] = ["headshot-10", "defuse-3", "plant-3", "clan-match", "melee-5", "daily"];
const MATCHES: [&str; 4] = ["폭파미션", "팀데스매치", "개인전", "랭크전"];
const UNWANTED: [&str; 4] = ["chat", "lobby", "shop", "heartbeat"];

pub(super) fn write(happening: &Happening, out: &mut Vec<u8>) -> (Key, u32) {
    let mut random = happening.random.clone();
    let kind = happening.written();
    if kind == Kind::Play {
        return write_match(happening, &mut random, out);
    }
    text(out, "{\"type\":\"");
    text(
        out,
        match kind {
            Kind::Login => "login",
            Kind::Mission => "mission",
            Kind::Item => "item",
            _ => random.pick(&UNWANTED),
        },
    );
    text(out, "\",\"log_id\":\"");
    let key = id(b's', happening.n, out);
    text(out, "\",\"date\":\"");
    moment(happening, out);
    text(out, "\",\"ouid\":\"");
    if happening.has_player() {
        hex(out, ouid(happening.player));
    }
    match kind {
        Kind::Mission => {
            text(out, "\",\"name\":\"");
            text(out, random.pick(&MISSIONS));
        }
        Kind::Item => {
            text(out, "\",\"count\":\"");
            number(out, 1 + random.below(10));
            text(out, "\",\"name\":\"");
            text(out, random.pick_early(&ITEMS));
        }
        _ => (),
    }
    text(out, "\"}");
    (key, u32::from(kind != Kind::Unwanted))
}

fn write_match(happening: &Happening, random: &mut Random, out: &mut Vec<u8>) -> (Key, u32) {
    text(out, "{\"type\":\"match\",\"match_id\":\"");
    let key = id(b'm', happening.n, out);
    text(out, "\",\"date_match\":\"");
    moment(happening, out);
    text(out, "\",\"match_type\":\"");
    text(out, random.pick(&MATCHES));
    text(out, "\",\"minutes\":");
    number(out, 4 + random.below(20));
    text(out, ",\"players\":[");
    // Those who play with each other have numbers next to each other, so that nobody is in a match twice.
    let players = (2 + random.below(3)).min(happening.players);
    let is_draw = random.below(20) == 0;
    for seat in 0..players {
        let player = (happening.player + seat) % happening.players;
        let rival = (happening.player + (seat + 1) % players) % happening.players;
        text(out, if seat == 0 { "{\"ouid\":\"" } else { ",{\"ouid\":\"" });
        if happening.has_player() {
            hex(out, ouid(player));
        }
        text(out, "\",\"match_result\":\"");
        text(out, if is_draw { "3" } else { ["1", "2"][usize::try_from(seat % 2).unwrap_or(0)] });
        text(out, "\",\"kill\":");
        number(out, random.below(25));
        text(out, ",\"death\":");
        number(out, random.below(20));
        text(out, ",\"level\":");
        number(out, Happening::level_of(player));
        text(out, ",\"rival_level\":");
        number(out, if players == 1 { 0 } else { Happening::level_of(rival) });
        out.push(b'}');
    }
    text(out, "]}");
    (key, u32::try_from(players).unwrap_or(0))
}

fn id(first: u8, n: u64, out: &mut Vec<u8>) -> Key {
    let from = out.len();
    out.push(first);
    padded::<12>(out, n);
    Key::new(&out[from..])
}

fn moment(happening: &Happening, out: &mut Vec<u8>) {
    if !happening.has_time() {
        text(out, "0000-00-00T00:00:00Z");
        return;
    }
    time(out, happening.at, 0, b'T');
    millis(out, happening.at);
    out.push(b'Z');
}

/// A player's id; different for every number, as multiplying by an odd one is.
fn ouid(player: u64) -> u64 {
    (player + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
