//! The generator: exact counts, the same bytes for the same seed, and figures like those of the real set.

use catalogue::generate::{self, GENRES_PER_GAME_MAX, Summary};
use catalogue::steam::{Chunk, Limits};

use super::read;

fn generate(games: u32, genre_rows: u32, seed: u64) -> (Vec<u8>, Summary) {
    let mut bytes = Vec::new();
    let summary = generate::write_steam_file(&mut bytes, games, genre_rows, seed).unwrap();
    (bytes, summary)
}

#[test]
fn a_generated_file_reads_back_with_exactly_its_counts() {
    for (games, genre_rows) in [(0, 0), (1, 0), (1, 11), (7, 77), (10, 3), (2_000, generate::usual_genre_rows(2_000))] {
        let (bytes, summary) = generate(games, genre_rows, 7);
        let outcome = read(bytes.clone(), Limits::default());
        assert!(outcome.error.is_none(), "{games}: {:?}", outcome.error);
        let read_back = outcome.good();
        let rows: usize = read_back.iter().map(|game| game.genres.len()).sum();
        let free = read_back.iter().filter(|game| game.price_minor == 0).count();
        assert_eq!((read_back.len(), rows), (games as usize, genre_rows as usize));
        assert_eq!(summary, Summary { games, genre_rows, free_games: u32::try_from(free).unwrap(), bytes: bytes.len() as u64 });
        assert!(read_back.iter().all(|game| game.genres.len() <= GENRES_PER_GAME_MAX as usize));
        assert_eq!(outcome.summary.unwrap().repeated, 0);
        assert!(outcome.chunks.iter().map(Chunk::len).sum::<usize>() == games as usize);
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(), "strict JSON");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_every_machine() {
    let (bytes, _) = generate(300, 800, 42);
    assert_eq!(bytes, generate(300, 800, 42).0);
    assert_ne!(bytes, generate(300, 800, 43).0);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
    assert_eq!(hex::encode(&digest[..8]), "65594b67adb35d8a");
}

#[test]
fn more_genre_rows_than_fit_are_refused() {
    let refusal = generate::write_steam_file(std::io::sink(), 10, 111, 1).unwrap_err();
    assert_eq!(refusal.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(refusal.to_string(), "111 genre rows do not fit 10 games: at most 11 a game, so 110");
}

#[test]
fn usual_genre_rows_follow_the_full_set() {
    assert_eq!(generate::usual_genre_rows(generate::FULL_GAMES), generate::FULL_GENRE_ROWS);
    assert_eq!((generate::usual_genre_rows(2_000), generate::usual_genre_rows(0)), (5_479, 0));
}

#[test]
fn the_figures_are_those_of_the_real_set() {
    let (bytes, _) = generate(6_000, generate::usual_genre_rows(6_000), 3);
    let outcome = read(bytes.clone(), Limits::default());
    let games = outcome.good();
    let quantile = |mut values: Vec<i64>, permille: usize| {
        values.sort_unstable();
        values[values.len() * permille / 1000]
    };
    let within = |value: i64, low: i64, high: i64, what: &str| assert!((low..=high).contains(&value), "{what}: {value}");
    let prices: Vec<i64> = games.iter().map(|game| game.price_minor).collect();
    let free = prices.iter().filter(|price| **price == 0).count() as i64;
    within(free * 1000 / 6_000, 190, 230, "free games in a thousand");
    assert_eq!(quantile(prices.clone(), 500), 599);
    within(quantile(prices, 990), 2_999, 4_999, "99th percentile of prices");
    let short: Vec<i64> = games.iter().map(|game| game.short_description.chars().count() as i64).collect();
    within(quantile(short, 500), 205, 221, "short descriptions");
    let detailed: Vec<i64> = games.iter().map(|game| game.detailed_description.to_text().chars().count() as i64).collect();
    within(*detailed.iter().max().unwrap(), 7_000, 8_915, "longest description");
    within(quantile(detailed, 500), 1_560, 1_720, "detailed descriptions");
    let html = games.iter().filter(|game| game.detailed_description.json().contains('<')).count() as i64;
    within(html * 1000 / 6_000, 935, 965, "descriptions with HTML in a thousand");
    let cjk = games.iter().filter(|game| game.name.chars().any(|c| c >= '\u{3000}')).count() as i64;
    within(cjk * 1000 / 6_000, 20, 40, "CJK names in a thousand");
    let names: std::collections::BTreeSet<&str> = games.iter().map(|game| &*game.name).collect();
    within(names.len() as i64 * 1000 / 6_000, 900, 1_000, "distinct names in a thousand");
    let undated = games.iter().filter(|game| game.release_date.is_none()).count();
    assert_eq!(undated, 0);
    // 85,103 games of this size are between 500 and 620 MB.
    within(bytes.len() as i64 * 85_103 / 6_000 / 1_000_000, 500, 620, "megabytes of the full-size file");
}
