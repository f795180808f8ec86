//! The bodies of requests that change products, and what they mean. Refuses dates that are none; values are judged by `decide`.

use crate::decide::{Edit, NewProduct};
use crate::detail::Detail;
use crate::model::{Platform, Platforms};
use jiff::civil::Date;
use kernel::{Code, Currency, Instant, Money, Refusal};
use serde::Deserialize;

/// A product to add.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "Crazyracing Kartrider", "price_minor": 1999, "currency": "USD", "genres": ["Racing"], "developers": ["Nexon"],
    "platforms": ["windows"], "released": "2004-06-01", "detail": { "short_description": "Karts, drifts, water bombs." } }))]
pub(crate) struct AddBody {
    /// Its name, 1 to 500 characters.
    name: String,
    /// The regular price, in minor units.
    price_minor: i64,
    /// Its currency; one that has a rate in points.
    #[serde(default = "usd")]
    currency: Currency,
    /// Who made it.
    #[serde(default)]
    developers: Vec<String>,
    /// Who sells it.
    #[serde(default)]
    publishers: Vec<String>,
    /// Its genres.
    #[serde(default)]
    genres: Vec<String>,
    /// Where it runs: windows, mac, linux.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    platforms: Vec<Platform>,
    /// The day of release, as 2026-11-21.
    released: Option<String>,
    /// Whether copies are counted by stock.
    #[serde(default)]
    limited: bool,
    /// Copies one player may buy; 0 is no limit.
    #[serde(default)]
    player_limit: i64,
    /// Its texts.
    #[serde(default)]
    detail: Detail,
}

fn usd() -> Currency {
    Currency::USD
}

impl AddBody {
    pub(crate) fn decoded(self) -> Result<NewProduct, Refusal> {
        Ok(NewProduct {
            name: self.name,
            price: Money { minor: self.price_minor, currency: self.currency },
            developers: self.developers,
            publishers: self.publishers,
            genres: self.genres,
            platforms: self.platforms.into_iter().collect(),
            released: self.released.as_deref().map(date).transpose()?,
            limited: self.limited,
            player_limit: self.player_limit,
            detail: self.detail,
        })
    }
}

/// What is to be different of a product.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "price_minor": 2499, "genres": ["Racing", "Casual"] }))]
pub(crate) struct EditBody {
    /// Another name, 1 to 500 characters.
    name: Option<String>,
    /// Another regular price, in minor units.
    price_minor: Option<i64>,
    /// The new price's currency, that of the price before by default; only with a price.
    currency: Option<Currency>,
    /// Other developers.
    developers: Option<Vec<String>>,
    /// Other publishers.
    publishers: Option<Vec<String>>,
    /// Other genres.
    genres: Option<Vec<String>>,
    /// Other platforms: windows, mac, linux.
    #[schema(value_type = Option<Vec<String>>)]
    platforms: Option<Vec<Platform>>,
    /// Another day of release, as 2026-11-21.
    released: Option<String>,
    /// Other texts, in place of all there are.
    detail: Option<Detail>,
}

impl EditBody {
    pub(crate) fn decoded(self) -> Result<Edit, Refusal> {
        let price = match (self.price_minor, self.currency) {
            (Some(minor), currency) => Some((minor, currency)),
            (None, None) => None,
            (None, Some(currency)) => {
                return Err(Refusal::new(
                    Code::BadBody,
                    format!("currency {currency} comes without price_minor: both or neither would be right"),
                ));
            }
        };
        Ok(Edit {
            name: self.name,
            price,
            developers: self.developers,
            publishers: self.publishers,
            genres: self.genres,
            platforms: self.platforms.map(|platforms| platforms.into_iter().collect::<Platforms>()),
            released: self.released.as_deref().map(date).transpose()?,
            detail: self.detail,
        })
    }
}

/// A sale.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "percent": 75, "starts_at": "2026-11-27T18:00:00Z", "ends_at": "2026-12-01T18:00:00Z" }))]
pub(crate) struct SaleBody {
    /// Whole percent off, 1 to 100.
    pub(crate) percent: u8,
    /// The first moment of the sale.
    pub(crate) starts_at: Instant,
    /// The first moment after it.
    pub(crate) ends_at: Instant,
}

/// Limits of a product.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "limited": true, "player_limit": 1 }))]
pub(crate) struct LimitBody {
    /// Whether copies are counted by stock.
    pub(crate) limited: bool,
    /// Copies one player may buy; 0 is no limit.
    #[serde(default)]
    pub(crate) player_limit: i64,
}

fn date(text: &str) -> Result<Date, Refusal> {
    let wrong = || Refusal::new(Code::BadBody, format!("released {text:?} is not a date: YYYY-MM-DD as 2026-11-21 would be right"));
    if text.len() == 10 { text.parse().map_err(|_| wrong()) } else { Err(wrong()) }
}
