//! The logs of four games, made up: any record from its number, the same from the same seed, by as many threads as there are.
//! Refuses state between records: what a record says depends on the seed, its number and the terms only.

mod baram;
mod happening;
mod kartrider;
mod kartrush;
mod suddenattack;
#[cfg(test)]
mod tests;
mod write;

use happening::Happening;
use kernel::Instant;
use kernel::Random;
use kernel::time::SECOND_US;

/// Days that the records of a generator cover unless it is told otherwise.
pub const DAYS: u32 = 14;
/// Records of which exactly one is broken and each kind has its share.
const BLOCK: u64 = 1_000;
const DAY_US: u64 = 86_400_000_000;
/// So long do regular players stay, at the same time each day.
const SLOT_US: u64 = 20 * 60_000_000;
const SLOTS: u64 = DAY_US / SLOT_US;

/// A game whose logs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Game {
    /// camelCase JSON, numbers and flags as texts.
    Kartrider,
    /// snake_case JSON, a nested payload, milliseconds.
    Kartrush,
    /// Lines delimited by |, Korean, local times.
    Baram,
    /// A record per match, keyed by match.
    Suddenattack,
}

impl Game {
    /// All of them; record `n` is of game `n % 4`.
    pub const ALL: [Game; 4] = [Game::Kartrider, Game::Kartrush, Game::Baram, Game::Suddenattack];

    /// The game's id and the name of its shipped mapping.
    pub fn name(self) -> &'static str {
        match self {
            Game::Kartrider => "kartrider",
            Game::Kartrush => "kartrush",
            Game::Baram => "baram",
            Game::Suddenattack => "suddenattack",
        }
    }

    /// The items that its item records name, as events have them.
    pub fn items(self) -> &'static [&'static str] {
        match self {
            Game::Kartrider => &kartrider::ITEMS,
            Game::Kartrush => &kartrush::ITEMS,
            Game::Baram => &baram::ITEMS,
            Game::Suddenattack => &suddenattack::ITEMS,
        }
    }
}

/// What a record is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A login event.
    Login,
    /// A play event, or one per player of a match.
    Play,
    /// A mission event.
    Mission,
    /// An item event.
    Item,
    /// Of a type that no campaign wants.
    Unwanted,
    /// Not fit for its mapping; it will be refused for this reason.
    Broken(&'static str),
}

/// A record's key in its topic: the player, or the match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; Key::MAX],
    length: usize,
}

impl Key {
    const MAX: usize = 24;

    fn new(bytes: &[u8]) -> Key {
        let length = bytes.len().min(Key::MAX);
        let mut key = Key { bytes: [0; Key::MAX], length };
        key.bytes[..length].copy_from_slice(&bytes[..length]);
        key
    }

    /// The key's bytes; text in UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What is known of a record besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// Whose log it belongs to.
    pub game: Game,
    /// Its key there.
    pub key: Key,
    /// When the log is to take it; never decreases from record to record.
    pub appended_at: Instant,
    /// What it is.
    pub kind: Kind,
    /// Events that the shipped mapping makes of it.
    pub events: u32,
    /// It was sent before, byte by byte the same: number of the first.
    pub repeats: Option<u64>,
    /// It happened more than a minute before it is appended.
    pub is_late: bool,
}

/// Makes the records of the four games.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    /// Of each game.
    players: u64,
    start: Instant,
    /// Microseconds from one record to the next, in 65,536ths.
    step: u128,
}

impl Generator {
    /// So many records over [`DAYS`] days from a start, of so many players over all four games.
    pub fn new(seed: u64, players: u64, records: u64, start: Instant) -> Generator {
        let generator = Generator { seed, players: (players / 4).max(1), start, step: 0 };
        generator.over_us(records, u64::from(DAYS) * DAY_US)
    }

    /// The same records, spread over another time: so many in so many microseconds.
    #[must_use]
    pub fn over_us(self, records: u64, us: u64) -> Generator {
        Generator { step: (u128::from(us) << 16) / u128::from(records.max(1)), ..self }
    }

    /// When the log is to take a record.
    pub fn appended_at(&self, n: u64) -> Instant {
        let us = (u128::from(n) * self.step) >> 16;
        self.start.plus_us(i64::try_from(us).unwrap_or(i64::MAX))
    }

    /// Writes record `n` into `out`, whose content it replaces.
    pub fn record(&self, n: u64, out: &mut Vec<u8>) -> Meta {
        self.record_at(n, self.appended_at(n), out)
    }

    /// Writes record `n` as if it were appended at another time.
    pub fn record_at(&self, n: u64, appended_at: Instant, out: &mut Vec<u8>) -> Meta {
        out.clear();
        let repeats = self.repeated(n);
        let of = repeats.unwrap_or(n);
        // A repeat says what its first said, whenever that was.
        let of_at = if repeats.is_some() { appended_at.plus_us(self.appended_at(of).since_us(self.appended_at(n))) } else { appended_at };
        let happening = self.happening(of, of_at);
        let (key, events) = match happening.game {
            Game::Kartrider => kartrider::write(&happening, out),
            Game::Kartrush => kartrush::write(&happening, out),
            Game::Baram => baram::write(&happening, out),
            Game::Suddenattack => suddenattack::write(&happening, out),
        };
        let kind = happening.kind();
        let events = if matches!(kind, Kind::Broken(_)) { 0 } else { events };
        happening.spoil_text(out);
        Meta { game: happening.game, key, appended_at, kind, events, repeats, is_late: happening.is_late }
    }

    /// A record's place among the thousand around it: each has every place once, in an order of its own.
    fn place(&self, n: u64) -> u64 {
        (n % BLOCK * 619 + Random::nth(self.seed ^ 0x706c_6163, n / BLOCK).next()) % BLOCK
    }

    /// The earlier record that this one repeats.
    fn repeated(&self, n: u64) -> Option<u64> {
        if !happening::REPEATS.contains(&self.place(n)) {
            return None;
        }
        let back = 1 + Random::nth(self.seed ^ 0x6261_636b, n).below(40);
        let earlier = (back..back + 40).map_while(|back| n.checked_sub(back * 4));
        earlier.into_iter().find(|&earlier| happening::FIRSTS.contains(&self.place(earlier)))
    }

    fn happening(&self, n: u64, appended_at: Instant) -> Happening {
        let mut random = Random::nth(self.seed, n);
        let game = Game::ALL[usize::try_from(n % 4).unwrap_or(0)];
        let player = self.player(game, appended_at, &mut random);
        let is_late = random.below(50) == 0;
        let delay_us = if is_late { 60 * 1_000_000 + random.below(6 * 3_600_000_000) } else { random.below(3_000_000) };
        let at = Instant(appended_at.0 - i64::try_from(delay_us).unwrap_or(0));
        // Real clocks of servers show milliseconds.
        let at = Instant(at.0 - at.0.rem_euclid(SECOND_US / 1_000));
        Happening { game, n, place: self.place(n), block: n / BLOCK, player, players: self.players, at, is_late, random }
    }

    /// Half of the records are of regulars, who come at the same time each day, half of anyone.
    fn player(&self, game: Game, at: Instant, random: &mut Random) -> u64 {
        if random.below(2) == 0 {
            return random.below(self.players);
        }
        let slot = u64::try_from(at.0).unwrap_or(0) / SLOT_US % SLOTS;
        let regulars = (self.players / 400).max(4);
        let first = Random::nth(self.seed ^ 0x736c_6f74, slot * 4 + game as u64).below(self.players);
        (first + random.below(regulars)) % self.players
    }
}
