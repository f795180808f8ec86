//! What the store keeps of a game: its fields, their fingerprint, its popularity.
//! Everything else in the file is passed over.

use std::borrow::Cow;

use jiff::civil::Date;
use xxhash_rust::xxh3::Xxh3;

use super::LongText;

/// One game. Texts borrow from the chunk where they stand in it as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SteamGame<'a> {
    /// The key of the entry.
    pub app_id: u32,
    /// One line, never empty, without control characters, at most [`super::NAME_BYTES_MAX`] bytes.
    pub name: Cow<'a, str>,
    /// A date without a day is the first of its month, one without a month the first of its year.
    pub release_date: Option<Date>,
    /// As written; also where it is no date, such as `Coming soon`.
    pub release_text: Cow<'a, str>,
    /// Announced, not out yet. Known only from writers that say so.
    pub coming_soon: bool,
    /// US cents, from 0 to [`super::PRICE_MINOR_MAX`].
    pub price_minor: i64,
    /// Percent off, 0 to 100.
    pub discount_percent: u8,
    /// Years, 0 for everybody.
    pub required_age: u8,
    /// Where it runs.
    pub platforms: Platforms,
    /// Each once, in the file's order; so for all lists of texts below.
    pub developers: Vec<Cow<'a, str>>,
    /// Who sells it.
    pub publishers: Vec<Cow<'a, str>>,
    /// Such as `Action`.
    pub genres: Vec<Cow<'a, str>>,
    /// Such as `Single-player`.
    pub categories: Vec<Cow<'a, str>>,
    /// Players' tags with their votes.
    pub tags: Vec<(Cow<'a, str>, i64)>,
    /// Reviews that recommend it.
    pub positive: i64,
    /// Reviews that do not.
    pub negative: i64,
    /// Recommendations as the shop counts them.
    pub recommendations: i64,
    /// The lower bound of the estimated owners.
    pub owners_low: i64,
    /// The upper bound.
    pub owners_high: i64,
    /// Average over all time, in minutes.
    pub playtime_minutes: i64,
    /// Players at once, at most, yesterday.
    pub peak_ccu: i64,
    /// 0 to 100, 0 where there is none.
    pub metacritic_score: u8,
    /// One line of plain text.
    pub short_description: Cow<'a, str>,
    /// HTML.
    pub detailed_description: LongText<'a>,
    /// HTML; `None` where it equals the detailed description or is empty.
    pub about_the_game: Option<LongText<'a>>,
    /// An address.
    pub header_image: Cow<'a, str>,
    /// An address.
    pub website: Cow<'a, str>,
    /// With text in the game.
    pub languages: Vec<Cow<'a, str>>,
    /// With voices in the game.
    pub audio_languages: Vec<Cow<'a, str>>,
    /// Addresses.
    pub screenshots: Vec<Cow<'a, str>>,
    /// Addresses.
    pub movies: Vec<Cow<'a, str>>,
}

/// Where a game runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Platforms {
    /// Windows.
    pub windows: bool,
    /// macOS.
    pub mac: bool,
    /// Linux.
    pub linux: bool,
}

/// Tells two versions of a game apart.
pub type Fingerprint = [u8; 16];

/// Raised whenever fields or their encoding change, so that the next import writes every game anew.
const FINGERPRINT_VERSION: i64 = 1;

/// About this many owners stand behind one review.
const OWNERS_PER_REVIEW: i64 = 50;

impl SteamGame<'_> {
    /// Reviews that speak for the game: `positive + recommendations + owners_low / 50`. Owners count as the reviews they would
    /// usually write, one in fifty, and by their lower bound, as most games are in the band from 0 to 20,000.
    pub fn popularity(&self) -> i64 {
        self.positive.saturating_add(self.recommendations).saturating_add(self.owners_low / OWNERS_PER_REVIEW)
    }

    /// A hash of all fields: XXH3, 128 bits, over each field in order, texts and lists preceded by their length.
    /// It finds changes; it does not withstand someone who makes two games collide. SHA-256 would cost eight times as much.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = FieldHash(Xxh3::new());
        hash.number(FINGERPRINT_VERSION);
        hash.number(i64::from(self.app_id));
        hash.text(&self.name);
        hash.date(self.release_date);
        hash.text(&self.release_text);
        hash.flags([self.coming_soon, self.platforms.windows, self.platforms.mac, self.platforms.linux]);
        for number in [self.price_minor, self.discount_percent.into(), self.required_age.into(), self.metacritic_score.into()] {
            hash.number(number);
        }
        for number in [self.positive, self.negative, self.recommendations, self.owners_low, self.owners_high] {
            hash.number(number);
        }
        hash.number(self.playtime_minutes);
        hash.number(self.peak_ccu);
        for list in [&self.developers, &self.publishers, &self.genres, &self.categories, &self.languages, &self.audio_languages] {
            hash.list(list);
        }
        hash.length(self.tags.len());
        for (tag, votes) in &self.tags {
            hash.text(tag);
            hash.number(*votes);
        }
        hash.text(&self.short_description);
        hash.text(self.detailed_description.json());
        hash.flags([self.about_the_game.is_some()]);
        hash.text(self.about_the_game.as_ref().map_or("", LongText::json));
        hash.text(&self.header_image);
        hash.text(&self.website);
        hash.list(&self.screenshots);
        hash.list(&self.movies);
        hash.0.digest128().to_be_bytes()
    }

    /// The same game, free of the chunk.
    pub fn into_owned(self) -> SteamGame<'static> {
        SteamGame {
            app_id: self.app_id,
            name: owned(self.name),
            release_date: self.release_date,
            release_text: owned(self.release_text),
            coming_soon: self.coming_soon,
            price_minor: self.price_minor,
            discount_percent: self.discount_percent,
            required_age: self.required_age,
            platforms: self.platforms,
            developers: all_owned(self.developers),
            publishers: all_owned(self.publishers),
            genres: all_owned(self.genres),
            categories: all_owned(self.categories),
            tags: self.tags.into_iter().map(|(tag, votes)| (owned(tag), votes)).collect(),
            positive: self.positive,
            negative: self.negative,
            recommendations: self.recommendations,
            owners_low: self.owners_low,
            owners_high: self.owners_high,
            playtime_minutes: self.playtime_minutes,
            peak_ccu: self.peak_ccu,
            metacritic_score: self.metacritic_score,
            short_description: owned(self.short_description),
            detailed_description: self.detailed_description.into_owned(),
            about_the_game: self.about_the_game.map(LongText::into_owned),
            header_image: owned(self.header_image),
            website: owned(self.website),
            languages: all_owned(self.languages),
            audio_languages: all_owned(self.audio_languages),
            screenshots: all_owned(self.screenshots),
            movies: all_owned(self.movies),
        }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn all_owned(list: Vec<Cow<'_, str>>) -> Vec<Cow<'static, str>> {
    list.into_iter().map(owned).collect()
}

struct FieldHash(Xxh3);

impl FieldHash {
    fn number(&mut self, value: i64) {
        self.0.update(&value.to_le_bytes());
    }

    fn length(&mut self, value: usize) {
        self.0.update(&(value as u64).to_le_bytes());
    }

    fn flags<const N: usize>(&mut self, flags: [bool; N]) {
        self.0.update(&flags.map(u8::from));
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text.as_bytes());
    }

    fn list(&mut self, list: &[Cow<'_, str>]) {
        self.length(list.len());
        for text in list {
            self.text(text);
        }
    }

    fn date(&mut self, date: Option<Date>) {
        self.number(date.map_or(0, |date| i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())));
    }
}
