//! Writes one game as the scraper of the real set does: four spaces a level, every field present, UTF-8 unescaped.
//! Values come from the tables beside it.

use std::io::Write;

use super::names;
use super::prose::{Prose, stamp};
use super::tables;
use kernel::Random;

const STUDIOS: usize = 40_000;

/// Everything that many games share.
pub(super) struct EntryWriter {
    prose: Prose,
    studios: Vec<String>,
    about: Vec<u8>,
}

/// What several fields of one game depend on.
struct Facts {
    app_id: u64,
    name: String,
    price_cents: u32,
    owners: (u64, u64),
    positive: u64,
}

impl EntryWriter {
    pub(super) fn new(random: &mut Random) -> Self {
        let prose = Prose::new(random);
        let studios = (0..STUDIOS).map(|_| names::studio(random)).collect();
        Self { prose, studios, about: Vec::new() }
    }

    /// Appends `"<app id>": {…}` and answers the price in cents.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, random: &mut Random, app_id: u64, genres: u8) -> u32 {
        let owners = random.weighted(tables::OWNERS);
        let facts = Facts {
            app_id,
            name: names::game(random),
            price_cents: random.weighted(tables::PRICES),
            owners,
            positive: random.below(owners.1 / 150 + 12),
        };
        put(out, format_args!("    \"{app_id}\": {{\n        \"name\": \""));
        push_escaped(out, &facts.name);
        out.push(b'"');
        self.write_shop_fields(out, random, &facts);
        self.write_descriptions(out, random);
        write_links(out, random, &facts);
        self.write_lists(out, random, &facts, genres);
        write_figures(out, random, &facts);
        write_tags(out, random, &facts);
        out.extend_from_slice(b"\n    }");
        facts.price_cents
    }

    fn write_shop_fields(&self, out: &mut Vec<u8>, random: &mut Random, facts: &Facts) {
        field(out, "release_date");
        let (year, month, day) = (random.quantile(tables::YEARS), random.pick(&tables::MONTHS), random.between(1, 28));
        if random.chance(2) {
            put(out, format_args!("\"{month} {year}\""));
        } else {
            put(out, format_args!("\"{month} {day}, {year}\""));
        }
        field(out, "required_age");
        number(out, random.weighted(&[(0, 970), (13, 4), (16, 4), (17, 14), (18, 8)]));
        field(out, "price");
        push_price(out, facts.price_cents);
        field(out, "dlc_count");
        number(out, if random.chance(130) { random.between(1, 12) } else { 0 });
    }

    fn write_descriptions(&mut self, out: &mut Vec<u8>, random: &mut Random) {
        let chars = random.quantile(tables::DETAILED_CHARS);
        // What the shop shows above the description proper: one game in seven has it.
        let above = if random.chance(140) { chars / 4 } else { 0 };
        self.about.clear();
        let html = random.chance(950);
        let mut body = std::mem::take(&mut self.about);
        if html {
            body.extend_from_slice(b"<strong>Welcome</strong>");
            self.prose.write_html(&mut body, random, (chars - above).saturating_sub(24));
        } else {
            self.prose.write_plain(&mut body, random, chars - above);
        }
        field(out, "detailed_description");
        out.push(b'"');
        self.prose.write_plain(out, random, above);
        out.extend_from_slice(&body);
        out.push(b'"');
        field(out, "about_the_game");
        out.push(b'"');
        out.extend_from_slice(&body);
        out.push(b'"');
        self.about = body;
        field(out, "short_description");
        out.push(b'"');
        let short = random.quantile(tables::SHORT_CHARS);
        self.prose.write_plain(out, random, short);
        out.push(b'"');
        field(out, "reviews");
        out.push(b'"');
        if random.chance(120) {
            let review = random.between(80, 600);
            self.prose.write_plain(out, random, review);
        }
        out.push(b'"');
    }

    fn write_lists(&self, out: &mut Vec<u8>, random: &mut Random, facts: &Facts, genres: u8) {
        let languages = random.between(1, 9);
        list(out, "supported_languages", languages, |out, nth| push_nth(out, tables::LANGUAGES, nth));
        let spoken = random.below(3);
        list(out, "full_audio_languages", spoken, |out, nth| push_nth(out, tables::LANGUAGES, nth));
        write_packages(out, facts, random.chance(600));
        // A few studios make many games, most make one or two.
        let reach = if random.chance(400) { STUDIOS / 40 } else { STUDIOS };
        let studio = random.index(reach);
        let count = if random.chance(80) { 2 } else { 1 };
        list(out, "developers", count, |out, nth| push_nth_text(out, &self.studios, studio, nth));
        let publisher = if random.chance(550) { studio } else { random.index(STUDIOS / 40) };
        list(out, "publishers", 1, |out, nth| push_nth_text(out, &self.studios, publisher, nth));
        let (first, count) = (random.below(20), random.between(1, 8));
        list(out, "categories", count, |out, nth| push_nth(out, tables::CATEGORIES, first + nth * 5));
        let chosen = choose_genres(random, genres);
        list(out, "genres", u64::from(genres), |out, nth| push_nth(out, &chosen, nth));
        let app = facts.app_id;
        let (shots, time) = (random.quantile(tables::SCREENSHOTS), stamp(random));
        list(out, "screenshots", shots, |out, _| {
            let (high, low) = (random.below(u64::MAX), random.below(u64::MAX));
            put(out, format_args!("https://cdn.example.net/steam/apps/{app}/ss_{high:016x}{low:016x}.1920x1080.jpg?t={time}"));
        });
        let movies = random.weighted(&[(0, 100), (1, 620), (2, 200), (3, 80)]);
        list(out, "movies", movies, |out, _| {
            let movie = random.between(256_000_000, 257_000_000);
            put(out, format_args!("http://cdn.example.net/steam/apps/{movie}/movie_max.mp4?t={time}"));
        });
    }
}

fn write_links(out: &mut Vec<u8>, random: &mut Random, facts: &Facts) {
    let app = facts.app_id;
    field(out, "header_image");
    put(out, format_args!("\"https://cdn.example.net/steam/apps/{app}/header.jpg?t={}\"", stamp(random)));
    let site = random.below(40_000);
    for (name, present, text) in [
        ("website", 480, format_args!("https://studio{site}.example.com/games/{app}")),
        ("support_url", 450, format_args!("https://studio{site}.example.com/support")),
        ("support_email", 850, format_args!("help@studio{site}.example.com")),
    ] {
        text_or_empty(out, name, random.chance(present), text);
    }
    for (name, value) in [("windows", true), ("mac", random.chance(190)), ("linux", random.chance(140))] {
        field(out, name);
        put(out, format_args!("{value}"));
    }
    let score = if random.chance(45) { random.between(30, 96) } else { 0 };
    field(out, "metacritic_score");
    number(out, score);
    text_or_empty(out, "metacritic_url", score > 0, format_args!("https://scores.example.org/game/pc/{app}?ftag=score"));
    field(out, "achievements");
    number(out, if random.chance(480) { random.between(1, 80) } else { 0 });
    field(out, "recommendations");
    number(out, if facts.positive > 100 { facts.positive * random.between(70, 130) / 100 } else { 0 });
    let note =
        "This Game may contain content not appropriate for all ages, or may not be appropriate for viewing at work: General Mature Content";
    text_or_empty(out, "notes", random.chance(150), format_args!("{note}"));
}

fn write_packages(out: &mut Vec<u8>, facts: &Facts, sold: bool) {
    field(out, "packages");
    if facts.price_cents == 0 || !sold {
        return out.extend_from_slice(b"[]");
    }
    out.extend_from_slice(b"[\n            {\n                \"title\": \"Buy ");
    push_escaped(out, &facts.name);
    out.extend_from_slice(b"\",\n                \"description\": \"\",\n                \"subs\": [\n                    {\n");
    out.extend_from_slice(b"                        \"text\": \"");
    push_escaped(out, &facts.name);
    put(out, format_args!(" - ${}.{:02}\",\n", facts.price_cents / 100, facts.price_cents % 100));
    out.extend_from_slice(b"                        \"description\": \"\",\n                        \"price\": ");
    push_price(out, facts.price_cents);
    out.extend_from_slice(b"\n                    }\n                ]\n            }\n        ]");
}

fn write_figures(out: &mut Vec<u8>, random: &mut Random, facts: &Facts) {
    field(out, "user_score");
    number(out, 0);
    field(out, "score_rank");
    out.extend_from_slice(b"\"\"");
    field(out, "positive");
    number(out, facts.positive);
    field(out, "negative");
    let share = random.between(3, 45);
    number(out, facts.positive * share / 100 + random.below(4));
    field(out, "estimated_owners");
    put(out, format_args!("\"{} - {}\"", facts.owners.0, facts.owners.1));
    let played = random.chance(200);
    for name in ["average_playtime_forever", "average_playtime_2weeks", "median_playtime_forever", "median_playtime_2weeks"] {
        field(out, name);
        number(out, if played { random.between(0, 1_200) } else { 0 });
    }
    field(out, "discount");
    number(out, random.weighted(&[(0, 900), (25, 20), (50, 40), (75, 25), (90, 15)]));
    field(out, "peak_ccu");
    number(out, if facts.owners.1 > 20_000 { random.below(facts.owners.1 / 400) } else { random.below(3) });
}

fn write_tags(out: &mut Vec<u8>, random: &mut Random, facts: &Facts) {
    field(out, "tags");
    let count = if random.chance(150) { 0 } else { random.between(3, 20) };
    if count == 0 {
        return out.extend_from_slice(b"[]");
    }
    let first = random.below(50);
    out.push(b'{');
    let mut votes = facts.positive / 20 + random.between(20, 60);
    for nth in 0..count {
        out.extend_from_slice(if nth == 0 { b"\n            \"" } else { b",\n            \"" });
        push_nth(out, tables::TAGS, first + nth * 7);
        put(out, format_args!("\": {votes}"));
        votes -= random.below(votes / 8 + 1);
    }
    out.extend_from_slice(b"\n        }");
}

/// Draws `count` different genres by their frequency.
fn choose_genres(random: &mut Random, count: u8) -> Vec<&'static str> {
    let mut chosen: Vec<&'static str> = Vec::with_capacity(usize::from(count));
    while chosen.len() < usize::from(count) {
        let genre = random.weighted(tables::GENRES);
        if !chosen.contains(&genre) {
            chosen.push(genre);
        }
    }
    chosen
}

fn field(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\n        \"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\": ");
}

fn number(out: &mut Vec<u8>, value: u64) {
    put(out, format_args!("{value}"));
}

fn text_or_empty(out: &mut Vec<u8>, name: &str, present: bool, text: std::fmt::Arguments<'_>) {
    field(out, name);
    out.push(b'"');
    if present {
        put(out, text);
    }
    out.push(b'"');
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a list of bytes takes every write");
}

/// US dollars as the scraper writes a float: `5.99`, `0.5`, `0.0`.
fn push_price(out: &mut Vec<u8>, cents: u32) {
    let (dollars, rest) = (cents / 100, cents % 100);
    if rest.is_multiple_of(10) {
        put(out, format_args!("{dollars}.{}", rest / 10));
    } else {
        put(out, format_args!("{dollars}.{rest:02}"));
    }
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

fn push_nth(out: &mut Vec<u8>, table: &[&str], nth: u64) {
    let len = u64::try_from(table.len()).expect("a length fits 64 bits");
    push_escaped(out, table[usize::try_from(nth % len).expect("below a length")]);
}

fn push_nth_text(out: &mut Vec<u8>, table: &[String], first: usize, nth: u64) {
    push_escaped(out, &table[(first + usize::try_from(nth).expect("a few")) % table.len()]);
}

fn list(out: &mut Vec<u8>, name: &str, count: u64, mut item: impl FnMut(&mut Vec<u8>, u64)) {
    field(out, name);
    if count == 0 {
        return out.extend_from_slice(b"[]");
    }
    for nth in 0..count {
        out.extend_from_slice(if nth == 0 { b"[\n            \"" } else { b",\n            \"" });
        item(out, nth);
        out.push(b'"');
    }
    out.extend_from_slice(b"\n        ]");
}
