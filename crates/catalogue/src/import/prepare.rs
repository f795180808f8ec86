//! Turns games into rows and packed documents, on the threads that parse.
//! Refuses games that are known with the same content: they cost a look-up and no more.

use super::run::Counts;
use crate::detail::Packer;
use crate::model::{Platform, Platforms};
use crate::steam::{self, Chunk, Fingerprint, SteamGame};
use std::borrow::Cow;
use std::collections::HashMap;

/// The content of each game at the start of the import.
pub(super) type Known = HashMap<u32, Fingerprint>;

/// A game as its product's row needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Game {
    pub(super) app_id: u32,
    pub(super) fingerprint: Fingerprint,
    pub(super) name: String,
    pub(super) price_minor: i64,
    pub(super) released: Option<String>,
    pub(super) platforms: u8,
    pub(super) popularity: i64,
    pub(super) developers: String,
    pub(super) publishers: String,
    pub(super) genres: String,
    pub(super) document: std::ops::Range<usize>,
}

/// The games of a chunk that differ from what is known, in file order.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) games: Vec<Game>,
    /// Packed documents one after the other.
    pub(super) documents: Vec<u8>,
    /// App ids and reasons.
    pub(super) bad: Vec<(String, String)>,
    /// Games left out because they are known.
    pub(super) unchanged: u64,
    pub(super) first_entry: u64,
    pub(super) entries: u64,
    pub(super) progress: steam::Progress,
}

impl Prepared {
    /// What is counted without looking at the database.
    pub(super) fn counts(&self) -> Counts {
        let bad = self.bad.len() as u64;
        Counts { read: self.unchanged + bad, unchanged: self.unchanged, bad, ..Counts::default() }
    }
}

/// Prepares chunks one after the other; a thread has one of its own.
pub(super) struct Preparer {
    packer: Packer,
    document: Vec<u8>,
}

impl Preparer {
    pub(super) fn new() -> Preparer {
        Preparer { packer: Packer::new(), document: Vec::new() }
    }

    pub(super) fn prepare(&mut self, chunk: &Chunk, known: &Known) -> Prepared {
        let mut prepared =
            Prepared { first_entry: chunk.first_entry(), entries: chunk.len() as u64, progress: chunk.progress(), ..Prepared::default() };
        for game in chunk.games() {
            match game {
                Err(bad) => prepared.bad.push((bad.app_id, bad.reason.to_string())),
                Ok(game) => {
                    let fingerprint = game.fingerprint();
                    if known.get(&game.app_id) == Some(&fingerprint) {
                        prepared.unchanged += 1;
                    } else {
                        self.add(&mut prepared, &game, fingerprint);
                    }
                }
            }
        }
        prepared
    }

    fn add(&mut self, prepared: &mut Prepared, game: &SteamGame<'_>, fingerprint: Fingerprint) {
        self.document.clear();
        write_document(&mut self.document, game);
        let start = prepared.documents.len();
        prepared.documents.extend_from_slice(self.packer.pack(&self.document));
        let on =
            [(game.platforms.windows, Platform::Windows), (game.platforms.mac, Platform::Mac), (game.platforms.linux, Platform::Linux)];
        prepared.games.push(Game {
            app_id: game.app_id,
            fingerprint,
            name: game.name.clone().into_owned(),
            price_minor: game.price_minor,
            released: game.release_date.map(|day| day.to_string()),
            platforms: on.into_iter().filter(|(runs, _)| *runs).map(|(_, platform)| platform).collect::<Platforms>().bits(),
            popularity: game.popularity(),
            developers: list(&game.developers),
            publishers: list(&game.publishers),
            genres: list(&game.genres),
            document: start..prepared.documents.len(),
        });
    }
}

fn list(names: &[Cow<'_, str>]) -> String {
    serde_json::to_string(names).expect("a list of texts is plain data")
}

/// The game's [`crate::detail::Detail`] as JSON. Written by hand, as long texts come in JSON form and would be decoded only to be encoded again.
fn write_document(out: &mut Vec<u8>, game: &SteamGame<'_>) {
    let mut put = |name: &str, value: Value<'_>| {
        out.extend_from_slice(if out.is_empty() { b"{\"" } else { b",\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        value.write(out);
    };
    put("short_description", Value::Text(&game.short_description));
    put("description", Value::Long(game.detailed_description.json()));
    put("about", Value::Long(game.about_the_game.as_ref().map_or("", |about| about.json())));
    put("header_image", Value::Text(&game.header_image));
    put("website", Value::Text(&game.website));
    put("required_age", Value::Number(game.required_age.into()));
    put("categories", Value::List(&game.categories));
    put("languages", Value::List(&game.languages));
    put("audio_languages", Value::List(&game.audio_languages));
    put("screenshots", Value::List(&game.screenshots));
    put("movies", Value::List(&game.movies));
    put("tags", Value::Tags(&game.tags));
    put("reception", Value::Reception(game));
    out.push(b'}');
}

enum Value<'a> {
    Text(&'a str),
    Long(&'a str),
    Number(i64),
    List(&'a [Cow<'a, str>]),
    Tags(&'a [(Cow<'a, str>, i64)]),
    Reception(&'a SteamGame<'a>),
}

impl Value<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let written = match self {
            Value::Long(json) => {
                out.push(b'"');
                out.extend_from_slice(json.as_bytes());
                out.push(b'"');
                Ok(())
            }
            Value::Text(text) => serde_json::to_writer(out, text),
            Value::Number(number) => serde_json::to_writer(out, number),
            Value::List(list) => serde_json::to_writer(out, list),
            Value::Tags(tags) => {
                #[derive(serde::Serialize)]
                struct Tag<'a> {
                    name: &'a str,
                    votes: i64,
                }
                let tags: Vec<Tag<'_>> = tags.iter().map(|(name, votes)| Tag { name, votes: *votes }).collect();
                serde_json::to_writer(out, &tags)
            }
            Value::Reception(game) => {
                let reception = crate::detail::Reception {
                    release_text: game.release_text.clone().into_owned(),
                    coming_soon: game.coming_soon,
                    positive: game.positive,
                    negative: game.negative,
                    recommendations: game.recommendations,
                    owners_low: game.owners_low,
                    owners_high: game.owners_high,
                    playtime_minutes: game.playtime_minutes,
                    peak_players: game.peak_ccu,
                    metacritic_score: game.metacritic_score,
                };
                serde_json::to_writer(out, &reception)
            }
        };
        written.expect("texts and numbers are always JSON");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detail::{Detail, unpack};
    use crate::steam::{Limits, Reader};

    fn prepare(json: &'static str, known: &Known) -> Vec<Prepared> {
        let reader = Reader::from_read(json.as_bytes(), None, Limits::default()).unwrap();
        let mut preparer = Preparer::new();
        reader.map(|chunk| preparer.prepare(&chunk.unwrap(), known)).collect()
    }

    const TWO: &str = r#"{"10": {"name": "Counter \"Strike\"", "price": 9.99, "detailed_description": "Line\none <b>&amp;</b> \"two\"",
        "about_the_game": "About", "genres": ["Action", "Indie"], "tags": {"FPS": 7}, "windows": true, "linux": true,
        "screenshots": ["https://a/1.jpg"], "release_date": "Oct 21, 2008", "positive": 3}, "11": {"price": 1}}"#;

    #[test]
    fn the_document_written_by_hand_reads_as_a_detail() {
        let prepared = &prepare(TWO, &Known::new())[0];
        let game = &prepared.games[0];
        let text = unpack(&prepared.documents[game.document.clone()]).unwrap();
        let detail: Detail = serde_json::from_str(&text).unwrap();
        assert_eq!(detail.description, "Line\none <b>&amp;</b> \"two\"");
        assert_eq!((detail.about.as_str(), detail.screenshots.len()), ("About", 1));
        assert_eq!(detail.tags[0].votes, 7);
        assert_eq!(detail.reception.unwrap().positive, 3);
        assert_eq!((game.genres.as_str(), game.platforms, game.released.as_deref()), (r#"["Action","Indie"]"#, 5, Some("2008-10-21")));
    }

    #[test]
    fn a_known_game_is_left_out_and_a_bad_entry_is_named() {
        let first = prepare(TWO, &Known::new());
        let known: Known = first.iter().flat_map(|prepared| &prepared.games).map(|game| (game.app_id, game.fingerprint)).collect();
        let again = prepare(TWO, &known);
        assert!(again.iter().all(|prepared| prepared.games.is_empty() && prepared.documents.is_empty()));
        let mut counts = Counts::default();
        again.iter().for_each(|prepared| counts.add(prepared.counts()));
        assert_eq!(counts, Counts { read: 2, unchanged: 1, bad: 1, ..Counts::default() });
        let (app_id, reason) = again.iter().flat_map(|prepared| &prepared.bad).next().unwrap();
        assert_eq!(app_id, "11");
        assert!(reason.contains("name"), "{reason}");
    }
}
