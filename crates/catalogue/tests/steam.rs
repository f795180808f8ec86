//! Reading catalogue files: the real sample, every cut and chunk border, packed files, hostile ones.
//! Odd writers and the generator have files of their own beside this one.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the error")]

#[path = "steam/generated.rs"]
mod generated;
#[path = "steam/odd_writers.rs"]
mod odd_writers;

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use catalogue::steam::{BadEntry, Chunk, Error, Format, Limits, Reader, Reason, SteamGame, Summary};
use proptest::prelude::*;
use serde_json::value::RawValue;

/// Everything a file gave until it ended or failed.
pub(crate) struct Outcome {
    chunks: Vec<Chunk>,
    error: Option<Error>,
    summary: Option<Summary>,
}

impl Outcome {
    fn games(&self) -> Vec<Result<SteamGame<'_>, BadEntry>> {
        self.chunks.iter().flat_map(Chunk::games).collect()
    }

    fn good(&self) -> Vec<SteamGame<'_>> {
        self.games().into_iter().map(|game| game.unwrap()).collect()
    }

    fn bad(&self) -> Vec<BadEntry> {
        self.games().into_iter().filter_map(Result::err).collect()
    }

    /// App ids with the text of their entries.
    fn entries(&self) -> Vec<(u32, String)> {
        let text = |(app_id, bytes): (u32, &[u8])| (app_id, String::from_utf8(bytes.to_vec()).unwrap());
        self.chunks.iter().flat_map(Chunk::entries).map(text).collect()
    }
}

pub(crate) fn read(bytes: impl Into<Vec<u8>>, limits: Limits) -> Outcome {
    read_from(Cursor::new(bytes.into()), limits)
}

fn read_from(raw: impl Read + Send + 'static, limits: Limits) -> Outcome {
    let mut reader = Reader::from_read(raw, None, limits).unwrap();
    let (mut chunks, mut error) = (Vec::new(), None);
    for chunk in reader.by_ref() {
        match chunk {
            Ok(chunk) => chunks.push(chunk),
            Err(failure) => error = Some(failure),
        }
    }
    Outcome { chunks, error, summary: reader.summary().copied() }
}

fn in_steps_of(chunk_bytes: usize) -> Limits {
    Limits { chunk_bytes, ..Limits::default() }
}

const SMALL: &str = concat!(
    "\u{feff} {\n \"10\": {\"name\": \"Quote \\\" and { brace \\\\\", \"price\": 9.99, \"tags\": {\"a]\": 1}, \"genres\": [\"Action\"]},\r\n",
    "\t\"20\" : {\"name\": \"별빛 왕국\", \"price\": 0.0, \"x\": [[{}], \"\\\\\\\"\", {\"y\": {}}]} , \"30\":{\"name\":\"c\",\"price\":1}\n}\n"
);

#[test]
fn the_real_sample_gives_every_game_and_genre_row() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/steam_games_sample.json.gz");
    let mut reader = Reader::open(path).unwrap();
    let chunks: Vec<Chunk> = reader.by_ref().map(|chunk| chunk.unwrap()).collect();
    let games: Vec<SteamGame<'_>> = chunks.iter().flat_map(Chunk::games).map(|game| game.unwrap()).collect();
    assert_eq!(games.len(), 4_920);
    assert_eq!(games.iter().map(|game| game.genres.len()).sum::<usize>(), 10_365);
    assert_eq!(games.iter().filter(|game| game.price_minor == 0).count(), 515);
    assert_eq!(games.iter().filter(|game| game.release_text.is_empty()).count(), 443);
    assert!(games.iter().all(|game| !game.name.contains(char::is_control)));
    let game = games.iter().find(|game| game.app_id == 550).unwrap();
    assert_eq!((&*game.name, game.price_minor, game.release_date), ("Left 4 Dead 2", 1_999, Some(jiff::civil::date(2009, 11, 16))));
    assert_eq!((game.categories.len(), game.tags.len(), game.platforms.windows, game.platforms.mac), (13, 20, true, false));
    assert!(games.iter().any(|game| game.name.starts_with("Rocksmith™ - Incubus")), "a Windows-1252 byte taken for a control character");
    assert!(games.iter().any(|game| game.name == "Sam & Max 205: What’s New Beelzebub?"));

    let summary = reader.summary().unwrap();
    assert_eq!((summary.entries, summary.repeated, summary.format), (4_920, 0, Format::Gzip));
    assert_eq!((summary.json_bytes, summary.raw_bytes), (6_029_761, 358_730));
    let progress = chunks.last().unwrap().progress();
    assert_eq!((progress.read_bytes, progress.total_bytes), (358_730, Some(358_730)));
}

#[test]
fn free_text_dates_of_the_real_sample_stay_texts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/steam_games_sample.json.gz");
    let chunks: Vec<Chunk> = Reader::open(path).unwrap().map(|chunk| chunk.unwrap()).collect();
    let games = chunks.iter().flat_map(Chunk::games).map(|game| game.unwrap());
    let without: Vec<String> = games
        .filter(|game| game.release_date.is_none() && !game.release_text.is_empty())
        .map(|game| game.release_text.into_owned())
        .collect();
    assert!(without.len() >= 20 && without.len() <= 40, "{without:?}");
    assert!(without.iter().all(|text| text.len() != 10 || !text.starts_with(|c: char| c.is_ascii_digit())), "{without:?}");
}

#[test]
fn every_chunk_size_finds_the_same_entries() {
    let whole = read(SMALL, Limits::default());
    assert!(whole.error.is_none(), "{:?}", whole.error);
    assert_eq!(whole.entries().iter().map(|(app_id, _)| *app_id).collect::<Vec<_>>(), [10, 20, 30]);
    assert_eq!(whole.good()[0].name, "Quote \" and { brace \\");
    for step in 1..=SMALL.len() {
        let stepped = read(SMALL, in_steps_of(step));
        assert!(stepped.error.is_none(), "step {step}: {:?}", stepped.error);
        assert_eq!(stepped.entries(), whole.entries(), "step {step}");
        assert_eq!(stepped.summary, whole.summary, "step {step}");
    }
}

#[test]
fn a_file_cut_off_anywhere_is_an_error_and_loses_no_earlier_game() {
    let end = SMALL.rfind('}').unwrap();
    for length in 0..=end {
        for step in [1, 7, 64, 4096] {
            let cut = read(&SMALL.as_bytes()[..length], in_steps_of(step));
            let Some(Error::Truncated { position, .. }) = cut.error else { panic!("cut at {length}, step {step}: {:?}", cut.error) };
            assert_eq!(position, length as u64, "step {step}");
            let whole = ["10", "20", "30"].iter().filter(|id| entry_end(id) <= length).count();
            assert_eq!(cut.entries().len(), whole, "cut at {length}, step {step}");
            assert!(cut.summary.is_none());
        }
    }
}

fn entry_end(app_id: &str) -> usize {
    match app_id {
        "10" => SMALL.find("]},\r").unwrap() + 2,
        "20" => SMALL.find("} , \"30\"").unwrap() + 1,
        _ => SMALL.rfind("}\n}").unwrap() + 1,
    }
}

#[test]
fn packed_files_are_known_by_their_bytes_and_hashed_as_they_lie() {
    let plain = SMALL.as_bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(plain, 3).unwrap();
    for (packed, format) in [(plain.to_vec(), Format::Plain), (gzip, Format::Gzip), (zstd, Format::Zstd)] {
        let outcome = read(packed.clone(), Limits::default());
        let summary = outcome.summary.unwrap();
        assert_eq!(outcome.entries().len(), 3, "{format:?}");
        assert_eq!((summary.format, summary.json_bytes, summary.raw_bytes), (format, plain.len() as u64, packed.len() as u64));
        assert_eq!(summary.sha256[..], <sha2::Sha256 as sha2::Digest>::digest(&packed)[..]);
        for length in 4..packed.len() - 1 {
            let cut = read(&packed[..length], Limits::default());
            assert!(cut.error.is_some(), "{format:?} cut at {length}");
        }
    }
}

#[test]
fn what_is_no_object_of_entries_is_refused_at_its_position() {
    for (text, position, expected) in [
        ("[]", 0, "`{`"),
        (" \n[{\"10\": {}}]", 2, "`{`"),
        ("app_id,name\n10,x\n", 0, "`{`"),
        ("{\"10\": {} \"20\": {}}", 10, "a comma"),
        ("{{}}", 1, "an app id in quotes"),
        ("{\"10\" {}}", 6, "a colon"),
        ("{\"10\": {},}", 10, "an app id in quotes"),
        ("{,\"10\": {}}", 1, "an app id in quotes"),
        ("{\"10\": {}]", 9, "`}`"),
        ("{\"10\": {}} {}", 11, "the end of the file"),
        ("{\"10\": {}} x", 11, "the end of the file"),
    ] {
        for step in [1, 100] {
            let failure = read(text, in_steps_of(step)).error;
            let Some(Error::Broken { position: at, expected: wanted, .. }) = failure else { panic!("{text}: {failure:?}") };
            assert_eq!(at, position, "{text}");
            assert!(wanted.starts_with(expected), "{text}: {wanted}");
        }
    }
    assert!(matches!(read("", Limits::default()).error, Some(Error::Truncated { position: 0, .. })));
}

#[test]
fn members_that_are_no_games_are_reported_and_the_rest_is_read() {
    let text = r#"{"10": null, "abc": {"name": "x"}, "20": [1, {}], "4294967296": {}, "30": {"name": "c", "price": 1}, "40": "x,\"y"}"#;
    let outcome = read(text, in_steps_of(1));
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    let told: Vec<(String, Reason)> = outcome.bad().into_iter().map(|bad| (bad.app_id, bad.reason)).collect();
    let expected = [
        ("10", Reason::NotAnObject),
        ("abc", Reason::NotAnAppId),
        ("20", Reason::NotAnObject),
        ("4294967296", Reason::NotAnAppId),
        ("40", Reason::NotAnObject),
    ];
    assert_eq!(told, expected.map(|(app_id, reason)| (app_id.to_owned(), reason)));
    assert_eq!(outcome.games().into_iter().flatten().map(|game| game.app_id).collect::<Vec<_>>(), [30]);
    assert_eq!(outcome.summary.unwrap().entries, 6);
    assert!(read("{}", Limits::default()).summary.is_some_and(|summary| summary.entries == 0));
}

#[test]
fn an_entry_beyond_the_limit_is_passed_over_whatever_the_chunks() {
    let long = format!("{{\"name\": \"{}\", \"price\": 1}}", "x".repeat(5_000));
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let text = format!(
        "{{\"10\": {{\"name\": \"a\", \"price\": 1}}, \"20\": {long}, \"30\": {{\"d\": {deep}}}, \"40\": {{\"name\": \"d\", \"price\": 4}}}}"
    );
    for step in [1, 64, 1_000, 100_000] {
        let outcome = read(text.as_str(), Limits { chunk_bytes: step, entry_max_bytes: 1_000, ..Limits::default() });
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        let reasons: Vec<Reason> = outcome.bad().into_iter().map(|bad| bad.reason).collect();
        assert_eq!(reasons, [Reason::TooLarge { bytes: long.len() as u64, max: 1_000 }, Reason::TooDeep { max: 64 }], "step {step}");
        assert_eq!(outcome.games().into_iter().flatten().map(|game| game.app_id).collect::<Vec<_>>(), [10, 40]);
    }
}

/// `{"10": {"name": "xxx…`, without end.
struct Endless {
    head: Cursor<&'static [u8]>,
    left: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let head = self.head.read(buffer)?;
        if head > 0 {
            return Ok(head);
        }
        let count = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..count].fill(b'x');
        self.left -= count as u64;
        Ok(count)
    }
}

#[test]
fn endless_texts_and_gaps_end_in_errors() {
    let endless = |head: &'static str| Endless { head: Cursor::new(head.as_bytes()), left: 20 << 20 };
    let cut = read_from(endless("{\"10\": {\"name\": \""), Limits::default());
    assert!(matches!(cut.error, Some(Error::Truncated { .. })), "{:?}", cut.error);
    let gap = read_from(endless("{\"10"), Limits::default());
    assert!(matches!(gap.error, Some(Error::Broken { position: 1, .. })), "{:?}", gap.error);
    let many = "{\"1\":{},\"2\":{},\"3\":{}}";
    let outcome = read(many, Limits { entries_max: 2, ..Limits::default() });
    assert!(matches!(outcome.error, Some(Error::TooManyEntries { max: 2, .. })), "{:?}", outcome.error);
    assert_eq!(outcome.bad().len(), 2, "what came before the limit is still told");
}

#[test]
fn a_repeated_app_id_comes_again_in_another_chunk() {
    let text = r#"{"10": {"name": "old", "price": 1}, "20": {"name": "b", "price": 2}, "10": {"name": "new", "price": 3}}"#;
    for step in [1, 40, 1_000] {
        let outcome = read(text, in_steps_of(step));
        assert_eq!(outcome.good().iter().map(|game| (game.app_id, &*game.name)).collect::<Vec<_>>(), [(10, "old"), (20, "b"), (10, "new")]);
        for chunk in &outcome.chunks {
            let ids: Vec<u32> = chunk.entries().map(|(app_id, _)| app_id).collect();
            assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "step {step}: {ids:?}");
        }
        assert_eq!(outcome.chunks.iter().flat_map(Chunk::repeated).collect::<Vec<_>>(), [&10]);
        assert_eq!(outcome.chunks.last().unwrap().first_entry() + outcome.chunks.last().unwrap().len() as u64, 3);
        assert_eq!(outcome.summary.unwrap().repeated, 1);
    }
}

#[test]
fn bytes_that_are_no_utf8_spoil_their_own_entry_only() {
    let mut text = br#"{"10": {"name": "caf"#.to_vec();
    text.push(0xE9);
    text.extend_from_slice("\", \"price\": 1}, \"20\": {\"name\": \"é\", \"price\": 1}}".as_bytes());
    let outcome = read(text, Limits::default());
    assert_eq!(outcome.bad(), [BadEntry { app_id: "10".to_owned(), reason: Reason::NotUtf8 { at: 13 } }]);
    assert_eq!(outcome.games().into_iter().flatten().next().unwrap().name, "é");
}

#[test]
fn a_missing_file_is_named() {
    let failure = Reader::open("no/such/file.json").err().unwrap().to_string();
    assert!(failure.starts_with("cannot open `no/such/file.json`: "), "{failure}");
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let text = r#"[a"\\{}\[\],:é별\n\t \u{1}]{0,90}"#;
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        text.prop_map(Into::into)
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::btree_map(text, inner, 0..5).prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_file() -> impl Strategy<Value = BTreeMap<u32, BTreeMap<String, serde_json::Value>>> {
    let entry = proptest::collection::btree_map("[a-z\"\\\\{\\]]{0,9}", any_json(), 0..4);
    proptest::collection::btree_map(any::<u32>(), entry, 0..6)
}

#[test]
fn text_after_the_object_is_told_where_it_begins_however_much_is_read_at_once() {
    for step in [1, 2, 3, 1 << 20] {
        let error = read("{} x\"{", in_steps_of(step)).error.expect("it does not end with the object");
        assert!(error.to_string().starts_with("byte 3: expected the end of the file"), "step {step}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_document_is_cut_where_a_json_parser_cuts_it(file in any_file(), pretty in any::<bool>(), first_step in 1_usize..200) {
        let text = if pretty { serde_json::to_string_pretty(&file) } else { serde_json::to_string(&file) }.unwrap();
        let parsed: BTreeMap<u32, &RawValue> = serde_json::from_str(&text).unwrap();
        let expected: Vec<(u32, String)> = parsed.into_iter().map(|(app_id, raw)| (app_id, raw.get().to_owned())).collect();
        for step in [first_step, 1, 63, 64, 65, 1 << 20] {
            let outcome = read(text.as_str(), in_steps_of(step));
            prop_assert!(outcome.error.is_none(), "step {}: {:?}", step, outcome.error);
            prop_assert_eq!(&outcome.entries(), &expected, "step {}", step);
            // Whatever stands in an entry, reading its fields answers instead of panicking.
            prop_assert_eq!(outcome.games().len(), expected.len());
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'}'), Just(b'\\'), Just(b'1'), Just(b':'), Just(b','), Just(b'['), any::<u8>()], 0..300), step in 1_usize..100) {
        bytes.insert(0, b'{');
        let outcome = read(bytes.clone(), in_steps_of(step));
        let whole = read(bytes, Limits::default());
        prop_assert_eq!(outcome.games().len(), whole.games().len());
        // How much of the text after the position is shown depends on how much has been read.
        let told = |error: Error| error.to_string().split(", found").next().map(str::to_owned);
        prop_assert_eq!(outcome.error.map(told), whole.error.map(told));
    }
}
