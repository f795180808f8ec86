//! Banners: what a team writes, and what a reader of the game is shown.

use kernel::{BannerId, Instant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $says:literal { $($(#[$one:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$one])* $variant,)+
        }

        impl $name {
            /// The word as it is stored.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err(format!(concat!("{:?} is not ", $says), text)),
                }
            }
        }
    };
}

words! {
    /// Whether a banner is shown.
    BannerState, "a banner's state" {
        /// Nobody is shown it.
        #[default]
        Draft => "draft",
        /// It is shown within its period.
        Published => "published",
    }
}

words! {
    /// Which players a banner is for.
    Players, "a kind of players" {
        /// Everybody.
        #[default]
        All => "all",
        /// Those who have just begun.
        New => "new",
        /// Those who have come back.
        Returning => "returning",
    }
}

/// What a banner shows in one locale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The image's address, over https.
    #[schema(example = "https://cdn.example/kart/season7-ko.png")]
    pub image: String,
    /// Where it leads: https, or a scheme of the game's own.
    #[schema(example = "kartrider://shop/season7")]
    pub link: String,
    /// What the image says, for those who cannot see it; up to 200 characters.
    #[serde(default)]
    #[schema(example = "Season 7 begins")]
    pub text: String,
}

/// Whom a banner is for; what is left out is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// The lowest level.
    #[serde(default)]
    pub level_min: Option<i64>,
    /// The highest level.
    #[serde(default)]
    pub level_max: Option<i64>,
    /// The platforms, as `ios`; all when empty.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Which players.
    #[serde(default)]
    pub players: Players,
}

/// What a team writes of a banner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "placement": "lobby", "priority": 10, "starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-08T00:00:00Z", "fallback": "en",
    "contents": {
        "en": { "image": "https://cdn.example/kart/season7-en.png", "link": "kartrider://shop/season7", "text": "Season 7 begins" },
        "ko": { "image": "https://cdn.example/kart/season7-ko.png", "link": "kartrider://shop/season7", "text": "시즌 7 시작" }
    },
    "audience": { "level_min": 10, "platforms": ["ios", "android"], "players": "returning" }
}))]
pub struct BannerBody {
    /// Where in the game it is shown: 1 to 40 of a-z, 0-9 and hyphens.
    pub placement: String,
    /// Higher stands first, 0 to 1,000,000.
    #[serde(default)]
    pub priority: i64,
    /// From when it is shown.
    pub starts_at: Instant,
    /// From when it is not shown any more; it stays when nothing is said.
    #[serde(default)]
    pub ends_at: Option<Instant>,
    /// The locale that is shown where there is none of the reader's; one of `contents`.
    pub fallback: String,
    /// What is shown, by locale (BCP 47, as `ko` or `pt-BR`).
    #[serde(deserialize_with = "super::objects_by_name")]
    pub contents: BTreeMap<String, Content>,
    /// Whom it is for.
    #[serde(default, deserialize_with = "super::object")]
    pub audience: Audience,
}

/// A banner, as its team sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Banner {
    /// Its id.
    pub banner: BannerId,
    /// Whether it is shown.
    pub state: BannerState,
    /// Rises with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
    /// When it was changed last.
    pub changed_at: Instant,
    /// What was written of it.
    #[serde(flatten)]
    pub body: BannerBody,
}

/// Who looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reader {
    /// Their locale; the banner's fallback when none is said.
    pub locale: Option<String>,
    /// Their platform.
    pub platform: Option<String>,
    /// Their level.
    pub level: Option<i64>,
    /// Whether they are new or have come back.
    pub players: Players,
}

/// A banner as a reader is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShownBanner {
    /// Its id.
    pub banner: BannerId,
    /// The locale of what is shown.
    #[schema(example = "ko")]
    pub locale: String,
    /// The image's address.
    pub image: String,
    /// Where it leads.
    pub link: String,
    /// What the image says.
    pub text: String,
}

/// What a reader is shown, the most important first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Shown {
    /// The banners, 20 at most.
    pub banners: Vec<ShownBanner>,
}
