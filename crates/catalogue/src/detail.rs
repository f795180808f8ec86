//! The long texts and media of a product: a JSON document, kept compressed in the database.
//! Refuses to be held in memory for all products: a few that were asked for lately are.

use db::Error;
use serde::{Deserialize, Serialize};

/// Quick, and about a fifth of the text; level 3 would save a tenth more for twice the time.
const LEVEL: i32 = 1;
/// A document is never larger than this, in bytes.
pub const DOCUMENT_MAX: usize = 16 << 20;

/// What a product's page shows beside its list data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Detail {
    /// A line or two of plain text.
    pub short_description: String,
    /// HTML or plain text.
    pub description: String,
    /// HTML or plain text about the game alone; empty where it says the same as the description.
    pub about: String,
    /// The address of a picture.
    pub header_image: String,
    /// The address of the game's own site.
    pub website: String,
    /// Years, 0 for everybody.
    pub required_age: u8,
    /// Such as `Single-player`.
    pub categories: Vec<String>,
    /// Languages of the texts in the game.
    pub languages: Vec<String>,
    /// Languages of the voices in the game.
    pub audio_languages: Vec<String>,
    /// Addresses of pictures.
    pub screenshots: Vec<String>,
    /// Addresses of films.
    pub movies: Vec<String>,
    /// Players' tags, with their votes.
    pub tags: Vec<Tag>,
    /// What was known about the game where it was imported from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reception: Option<Reception>,
}

/// A tag of players.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// The tag.
    pub name: String,
    /// How many gave it.
    pub votes: i64,
}

/// How players took an imported game.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reception {
    /// The release date as it was written, also where it is no date.
    pub release_text: String,
    /// Announced, not out yet.
    pub coming_soon: bool,
    /// Reviews that recommend it.
    pub positive: i64,
    /// Reviews that do not.
    pub negative: i64,
    /// Recommendations.
    pub recommendations: i64,
    /// The lower bound of the estimated owners.
    pub owners_low: i64,
    /// The upper bound of the estimated owners.
    pub owners_high: i64,
    /// Average time played, in minutes.
    pub playtime_minutes: i64,
    /// Players at once, at most.
    pub peak_players: i64,
    /// 0 to 100, 0 where there is none.
    pub metacritic_score: u8,
}

/// Compresses documents one after the other.
pub(crate) struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    packed: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> Packer {
        Packer { compressor: zstd::bulk::Compressor::new(LEVEL).expect("the level is one the library has"), packed: Vec::new() }
    }

    /// The compressed form of a document.
    pub(crate) fn pack(&mut self, document: &[u8]) -> &[u8] {
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(document.len()));
        self.compressor.compress_to_buffer(document, &mut self.packed).expect("the buffer has the bound the library names");
        &self.packed
    }
}

/// The JSON text of a stored document.
pub(crate) fn unpack(packed: &[u8]) -> Result<String, Error> {
    let bytes =
        zstd::bulk::decompress(packed, DOCUMENT_MAX).map_err(|e| Error::Broken(format!("a product's detail cannot be unpacked: {e}")))?;
    String::from_utf8(bytes).map_err(|e| Error::Broken(format!("a product's detail is not text: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_as_it_was_packed() {
        let mut packer = Packer::new();
        for text in ["", "{}", &"a long text, ".repeat(10_000)] {
            let packed = packer.pack(text.as_bytes()).to_vec();
            assert_eq!(unpack(&packed).unwrap(), text);
        }
        assert!(unpack(b"no frame").is_err());
    }
}
