//! Records of a role-playing game: lines delimited by |, times of Asia/Seoul, Korean names of types, servers and things.
//! Keyed by character.

use super::happening::Happening;
use super::write::{millis, number, padded, text, time};
use super::{Key, Kind};

pub(super) const ITEMS: [&str; 12] =
    ["도토리", "동동주", "호박", "은화", "철검", "가죽갑옷", "비단", "인삼", "옥구슬", "목검", "부적", "두루마리"];
const MONSTERS: [&str; 8] = ["도깨비", "구미호", "불여우", "산돼지", "해골", "처녀귀신", "백호", "청룡"];
const MISSIONS: [&str; 6] = ["토끼잡기", "약초캐기", "편지전달", "왕릉탐사", "길드의뢰", "일일임무"];
const SERVERS: [&str; 4] = ["연", "무휼", "세류", "해명"];
const UNWANTED: [&str; 4] = ["대화", "이동", "거래", "수리"];
const SEOUL_S: i64 = 9 * 3_600;

pub(super) fn write(happening: &Happening, out: &mut Vec<u8>) -> (Key, u32) {
    let mut random = happening.random.clone();
    let kind = happening.written();
    if happening.has_time() {
        time(out, happening.at, SEOUL_S, b' ');
        millis(out, happening.at);
    } else {
        text(out, "방금");
    }
    out.push(b'|');
    text(
        out,
        match kind {
            Kind::Login => "접속",
            Kind::Play => "사냥",
            Kind::Mission => "임무",
            Kind::Item => "획득",
            _ => random.pick(&UNWANTED),
        },
    );
    out.push(b'|');
    let from = out.len();
    text(out, "바람");
    padded::<7>(out, happening.player);
    let key = Key::new(&out[from..]);
    if !happening.has_player() {
        out.truncate(from);
    }
    out.push(b'|');
    // A character stays on its server.
    text(out, SERVERS[usize::try_from(happening.player % 4).unwrap_or(0)]);
    out.push(b'|');
    number(out, Happening::level_of(happening.player));
    out.push(b'|');
    match kind {
        Kind::Play => {
            text(out, random.pick(&MONSTERS));
            out.push(b'|');
            number(out, 1 + random.below(40));
            out.push(b'|');
            number(out, 1 + random.below(30));
        }
        Kind::Mission => {
            text(out, random.pick(&MISSIONS));
            text(out, "||");
        }
        Kind::Item => {
            text(out, random.pick_early(&ITEMS));
            out.push(b'|');
            number(out, 1 + random.below(99));
            out.push(b'|');
        }
        _ => text(out, "||"),
    }
    out.push(b'|');
    padded::<12>(out, happening.n);
    (key, u32::from(kind != Kind::Unwanted))
}
