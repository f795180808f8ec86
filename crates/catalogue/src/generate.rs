//! Writes catalogue files in the shape of the public Steam games set, for demos and for measuring the import.
//! It refuses nothing but impossible counts, and the same arguments give the same bytes on every machine.

mod entry;
mod names;
mod prose;
mod tables;

use std::io::{self, Write};

use entry::EntryWriter;
use kernel::Random;

/// Games in the full-size set.
pub const FULL_GAMES: u32 = 85_103;
/// Game-genre rows in the full-size set.
pub const FULL_GENRE_ROWS: u32 = 233_132;
/// No game of the set has more genres than this.
pub const GENRES_PER_GAME_MAX: u32 = 11;

const FLUSH_BYTES: usize = 1 << 20;

/// What [`write_steam_file`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Games, each with its own app id.
    pub games: u32,
    /// Genres over all games.
    pub genre_rows: u32,
    /// Games whose price is 0.
    pub free_games: u32,
    /// Bytes of JSON.
    pub bytes: u64,
}

/// As many genre rows as `games` games of the full-size set have: 2.74 a game.
pub fn usual_genre_rows(games: u32) -> u32 {
    let rows = (u64::from(games) * u64::from(FULL_GENRE_ROWS) + u64::from(FULL_GAMES) / 2) / u64::from(FULL_GAMES);
    u32::try_from(rows.min(u64::from(games) * u64::from(GENRES_PER_GAME_MAX))).unwrap_or(u32::MAX)
}

/// Writes one JSON object of `games` games that have exactly `genre_rows` genres among them.
///
/// # Errors
/// `InvalidInput` when the genre rows do not fit into the games, and whatever `out` answers.
pub fn write_steam_file(mut out: impl Write, games: u32, genre_rows: u32, seed: u64) -> io::Result<Summary> {
    let mut random = Random::new(seed);
    let genre_counts = plan_genre_counts(&mut random, games, genre_rows)?;
    let app_ids = AppIds::new(games);
    let mut writer = EntryWriter::new(&mut random);
    let mut summary = Summary { games, genre_rows, free_games: 0, bytes: 0 };
    let mut buffer = Vec::with_capacity(FLUSH_BYTES + (1 << 16));
    buffer.push(b'{');
    for (index, genres) in (0_u64..).zip(genre_counts) {
        buffer.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        let price_cents = writer.write(&mut buffer, &mut random, app_ids.at(index), genres);
        summary.free_games += u32::from(price_cents == 0);
        if buffer.len() >= FLUSH_BYTES {
            flush(&mut out, &mut buffer, &mut summary)?;
        }
    }
    buffer.extend_from_slice(b"\n}\n");
    flush(&mut out, &mut buffer, &mut summary)?;
    out.flush()?;
    Ok(summary)
}

fn flush(out: &mut impl Write, buffer: &mut Vec<u8>, summary: &mut Summary) -> io::Result<()> {
    out.write_all(buffer)?;
    summary.bytes += u64::try_from(buffer.len()).expect("a length fits 64 bits");
    buffer.clear();
    Ok(())
}

/// Draws a genre count for every game, then moves single games up or down until the sum is exact.
fn plan_genre_counts(random: &mut Random, games: u32, genre_rows: u32) -> io::Result<Vec<u8>> {
    let most = u64::from(games) * u64::from(GENRES_PER_GAME_MAX);
    if u64::from(genre_rows) > most {
        let reason = format!("{genre_rows} genre rows do not fit {games} games: at most {GENRES_PER_GAME_MAX} a game, so {most}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let mut counts: Vec<u8> = (0..games).map(|_| random.weighted(tables::GENRE_COUNTS)).collect();
    let wanted = u64::from(genre_rows);
    let mut sum: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    while sum != wanted {
        let count = &mut counts[random.index(usize::try_from(games).expect("as many games as a list can hold"))];
        if sum < wanted && u32::from(*count) < GENRES_PER_GAME_MAX {
            *count += 1;
            sum += 1;
        } else if sum > wanted && *count > 0 {
            *count -= 1;
            sum -= 1;
        }
    }
    Ok(counts)
}

/// Distinct app ids, multiples of ten as Steam hands them out, in no order, as in the real file.
struct AppIds {
    slots: u64,
    stride: u64,
}

impl AppIds {
    fn new(games: u32) -> Self {
        // A prime number of slots makes every stride visit each slot once.
        let slots = (u64::from(games) * 3 + 7..).find(|&n| is_prime(n)).expect("there is always a next prime");
        Self { slots, stride: slots * 5 / 8 }
    }

    fn at(&self, index: u64) -> u64 {
        10 * (1 + index * self.stride % self.slots)
    }
}

fn is_prime(n: u64) -> bool {
    n > 1 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}
