//! Turns the JSON of one entry into a game: a strict parser finds the fields, each is then read from its raw text.
//! A field of the wrong type counts as missing; only a game without a name or a usable price is refused.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::Reason;
use super::text::NAME_BYTES_MAX;
use super::value::{self, Whole};
use super::{LongText, Platforms, SteamGame, date, json, price, repair};

/// The raw text of every field that is kept. A field that stands twice counts as the last one, as everywhere in JSON.
macro_rules! raw_fields {
    ($($field:ident),* $(,)?) => {
        #[derive(Default)]
        struct RawGame<'a> {
            $($field: Option<&'a str>,)*
        }

        #[derive(serde::Deserialize)]
        #[serde(field_identifier)]
        #[allow(non_camel_case_types, reason = "the names of the fields as they are")]
        enum Field {
            $($field,)*
            #[serde(other)]
            Unused,
        }

        impl<'a> RawGame<'a> {
            fn put<M: MapAccess<'a>>(&mut self, field: Field, map: &mut M) -> Result<(), M::Error> {
                match field {
                    $(Field::$field => self.$field = Some(map.next_value::<&'a RawValue>()?.get()),)*
                    Field::Unused => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(())
            }
        }
    };
}

raw_fields! {
    name, release_date, required_age, price, detailed_description, about_the_game, short_description, header_image, website,
    windows, mac, linux, metacritic_score, recommendations, supported_languages, full_audio_languages, developers, publishers,
    categories, genres, screenshots, movies, positive, negative, estimated_owners, average_playtime_forever, discount, peak_ccu, tags,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawGame<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = RawGame<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut game = RawGame::default();
                while let Some(field) = map.next_key()? {
                    game.put(field, &mut map)?;
                }
                Ok(game)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Reads an entry; when a strict parser refuses it, once more after mending what other writers get wrong.
pub(super) fn parse(app_id: u32, entry: &str) -> Result<SteamGame<'_>, Reason> {
    let refusal = match serde_json::from_str::<RawGame<'_>>(entry) {
        Ok(raw) => return game(app_id, &raw),
        Err(error) => Reason::Malformed { detail: error.to_string() },
    };
    let Some(mended) = repair::repair(entry) else { return Err(refusal) };
    match serde_json::from_str::<RawGame<'_>>(&mended) {
        Ok(raw) => game(app_id, &raw).map(SteamGame::into_owned),
        Err(_) => Err(refusal),
    }
}

fn game<'a>(app_id: u32, raw: &RawGame<'a>) -> Result<SteamGame<'a>, Reason> {
    let release = date::read(raw.release_date);
    let (owners_low, owners_high) = value::band(raw.estimated_owners);
    let (detailed_description, about_the_game) = descriptions(raw);
    Ok(SteamGame {
        app_id,
        name: name(raw.name)?,
        release_date: release.date,
        release_text: release.text,
        coming_soon: release.coming_soon,
        price_minor: price::read(raw.price)?,
        discount_percent: value::percent(raw.discount),
        required_age: value::age(raw.required_age),
        platforms: Platforms { windows: value::flag(raw.windows), mac: value::flag(raw.mac), linux: value::flag(raw.linux) },
        developers: value::texts("developers", raw.developers, Whole::Keep)?,
        publishers: value::texts("publishers", raw.publishers, Whole::Keep)?,
        genres: value::texts("genres", raw.genres, Whole::Split)?,
        categories: value::texts("categories", raw.categories, Whole::Split)?,
        tags: value::tags(raw.tags)?,
        positive: value::count(raw.positive),
        negative: value::count(raw.negative),
        recommendations: value::count(raw.recommendations),
        owners_low,
        owners_high,
        playtime_minutes: value::count(raw.average_playtime_forever),
        peak_ccu: value::count(raw.peak_ccu),
        metacritic_score: value::percent(raw.metacritic_score),
        short_description: value::line(raw.short_description),
        detailed_description,
        about_the_game,
        header_image: value::address(raw.header_image),
        website: value::address(raw.website),
        languages: value::texts("supported_languages", raw.supported_languages, Whole::Split)?,
        audio_languages: value::texts("full_audio_languages", raw.full_audio_languages, Whole::Split)?,
        screenshots: value::media("screenshots", raw.screenshots)?,
        movies: value::media("movies", raw.movies)?,
    })
}

fn name(raw: Option<&str>) -> Result<Cow<'_, str>, Reason> {
    let name = value::line(raw);
    match name.len() {
        0 => Err(Reason::NameMissing),
        bytes if bytes > NAME_BYTES_MAX => Err(Reason::NameTooLong { bytes, max: NAME_BYTES_MAX }),
        _ => Ok(name),
    }
}

/// Nearly always both texts are equal to the byte, which is cheaper to see than to clean them both.
fn descriptions<'a>(raw: &RawGame<'a>) -> (LongText<'a>, Option<LongText<'a>>) {
    let inner = |raw: Option<&'a str>| raw.and_then(json::inner).unwrap_or_default();
    let (detailed, about) = (inner(raw.detailed_description), inner(raw.about_the_game));
    let detailed_text = LongText::from_json(detailed);
    if about == detailed {
        return (detailed_text, None);
    }
    let about_text = Some(LongText::from_json(about)).filter(|text| !text.is_empty() && *text != detailed_text);
    (detailed_text, about_text)
}
