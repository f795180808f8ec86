//! Descriptions: a pool of sentences and HTML fragments, made once, from which texts of any length are put together.
//! The fragments are JSON already, so that writing a text is copying.

use kernel::Random;

const WHO: &[&str] = &[
    "players",
    "a lone pilot",
    "your crew",
    "the last heroes",
    "rival clans",
    "a young witch",
    "old friends",
    "the colonists",
    "wandering knights",
    "two brothers",
    "a curious robot",
    "the villagers",
    "hardened veterans",
    "an unlikely team",
];
const DOES: &[&str] = &[
    "explore",
    "rebuild",
    "defend",
    "discover",
    "conquer",
    "protect",
    "outsmart",
    "escape from",
    "uncover",
    "master",
    "restore",
    "survive in",
    "race through",
    "fight across",
];
const WHAT: &[&str] = &[
    "a ruined city",
    "hand-crafted levels",
    "the frozen north",
    "procedurally generated caverns",
    "a living open world",
    "ancient temples",
    "dozens of unique weapons",
    "a branching story",
    "hundreds of puzzles",
    "hostile planets",
    "an abandoned station",
    "a mysterious island",
    "a deep crafting system",
    "over forty challenging missions",
];
const HOW: &[&str] = &[
    "alone or together with up to four friends",
    "with nothing but your wits",
    "while the clock keeps ticking",
    "in a turn-based campaign",
    "before the sun goes down",
    "with full controller support",
    "at your own pace",
    "to the sound of an original score",
    "and choose whom to trust",
    "where every decision matters",
];
const TITLES: &[&str] =
    &["Features", "About the game", "Key Features", "Story", "Gameplay", "Multiplayer", "What awaits you", "Early Access"];

/// A piece of text as JSON and its length once read.
struct Fragment {
    json: String,
    chars: u64,
}

impl Fragment {
    fn of(text: &str) -> Self {
        let mut json = String::with_capacity(text.len() + 8);
        let mut chars = 0;
        for c in text.chars() {
            chars += 1;
            match c {
                '"' => json.push_str("\\\""),
                '\\' => json.push_str("\\\\"),
                '\n' => json.push_str("\\n"),
                '\t' => json.push_str("\\t"),
                '\r' => json.push_str("\\r"),
                other => json.push(other),
            }
        }
        Self { json, chars }
    }
}

/// The pool all descriptions are made from.
pub(super) struct Prose {
    plain: Vec<Fragment>,
    html: Vec<Fragment>,
}

impl Prose {
    pub(super) fn new(random: &mut Random) -> Self {
        let plain = (0..2048).map(|_| Fragment::of(&sentence(random))).collect();
        let html = (0..2048).map(|_| Fragment::of(&markup(random))).collect();
        Self { plain, html }
    }

    /// Appends a plain text of exactly `chars` characters.
    pub(super) fn write_plain(&self, out: &mut Vec<u8>, random: &mut Random, chars: u64) {
        fill(out, random, &self.plain, chars);
    }

    /// Appends a text with markup of exactly `chars` characters.
    pub(super) fn write_html(&self, out: &mut Vec<u8>, random: &mut Random, chars: u64) {
        fill(out, random, &self.html, chars);
    }
}

/// Whole fragments while they fit; what is left over is too short for one and becomes full stops.
fn fill(out: &mut Vec<u8>, random: &mut Random, pool: &[Fragment], chars: u64) {
    let mut left = chars;
    let mut misses = 0;
    while left > 0 && misses < 12 {
        let fragment = &pool[random.index(pool.len())];
        if fragment.chars <= left {
            out.extend_from_slice(fragment.json.as_bytes());
            left -= fragment.chars;
        } else {
            misses += 1;
        }
    }
    while left > 0 {
        let piece = &b" And there is more to come in the next free update, so stay with us for news."[..];
        let take = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        out.extend_from_slice(&piece[..take]);
        left -= u64::try_from(take).expect("a length fits 64 bits");
    }
}

fn sentence(random: &mut Random) -> String {
    let (who, does, what, how) = (random.pick(WHO), random.pick(DOES), random.pick(WHAT), random.pick(HOW));
    match random.below(6) {
        0 => format!("Here {who} {does} {what}. "),
        1 => format!("In this game {who} {does} {what} {how}. "),
        2 => format!("{}, {how}! ", capital(what)),
        3 => format!("Can {who} {does} {what}? "),
        4 => format!("It’s up to you: {does} {what} {how} — or \"{}\" as they say. ", random.pick(WHAT)),
        _ => format!("{} {does} {what}, {} {}, {how}. ", capital(who), random.pick(DOES), random.pick(WHAT)),
    }
}

fn markup(random: &mut Random) -> String {
    let text = sentence(random);
    let text = text.trim_end();
    match random.below(12) {
        0 => format!("<h2 class=\"bb_tag\">{}</h2>", random.pick(TITLES)),
        1 => {
            let app = random.between(1000, 260_000) * 10;
            format!("<img src=\"https://cdn.example.net/steam/apps/{app}/extras/{}.png?t={}\" /><br>", slug(random), stamp(random))
        }
        2 => format!("<ul class=\"bb_ul\"><li>{text}<br></li><li>{}<br></li></ul>", sentence(random).trim_end()),
        3 => format!("<strong>{text}</strong><br><br>"),
        4 => format!("{text}<br><br>"),
        5 => format!("<i>{text}</i><br />\r\n\t"),
        6 => format!("<p class=\"bb_paragraph\">{text}</p>\n"),
        _ => format!("{text}<br>"),
    }
}

fn slug(random: &mut Random) -> String {
    random.pick(WHAT).replace(' ', "_")
}

/// Seconds since 1970, as the shop's picture addresses carry them.
pub(super) fn stamp(random: &mut Random) -> u64 {
    random.between(1_447_350_000, 1_720_000_000)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
