//! A product as callers see it: its list data and what it costs at the moment, written straight from memory.
//! Refuses to decide: price and state come from the product, points from the policy.

use crate::Policy;
use crate::model::{Labels, Listed, Platforms, Sale, State};
use jiff::civil::Date;
use kernel::{Currency, Cursor, ProductId};
use serde::{Serialize, Serializer};

/// A product in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Product, example = json!({
    "id": 4711, "name": "Counter-Strike", "state": "on_sale", "price_minor": 500, "regular_price_minor": 999, "currency": "USD", "price_points": 6500,
    "sale": { "percent": 50, "starts_at": "2026-11-20T09:00:00.000000Z", "ends_at": "2026-12-01T09:00:00.000000Z" },
    "genres": ["Action"], "developers": ["Valve"], "publishers": ["Valve"], "platforms": ["windows", "linux"],
    "released": "2000-11-01", "steam_id": 10, "popularity": 231_000, "version": 812
}))]
pub(crate) struct ProductView<'a> {
    /// The product.
    id: ProductId,
    /// Its name.
    name: &'a str,
    /// How it is sold now: `regular`, `on_sale`, `limited_stock` or `limited_stock_on_sale`.
    #[schema(value_type = String)]
    state: State,
    /// What it costs now, in minor units.
    price_minor: i64,
    /// What it costs without a sale, in minor units.
    regular_price_minor: i64,
    /// The currency of both.
    currency: Currency,
    /// What it costs now in points; none for a currency without a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_points: Option<i64>,
    /// The sale that is on, is announced, or was the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    sale: Option<Sale>,
    /// Its genres.
    #[schema(value_type = Vec<String>)]
    genres: &'a Labels,
    /// Who made it.
    #[schema(value_type = Vec<String>)]
    developers: &'a Labels,
    /// Who sells it.
    #[schema(value_type = Vec<String>)]
    publishers: &'a Labels,
    /// Where it runs: `windows`, `mac`, `linux`.
    #[schema(value_type = Vec<String>)]
    platforms: Platforms,
    /// The day of release, where it is known.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "day")]
    #[schema(value_type = Option<String>)]
    released: Option<Date>,
    /// Its number at Steam, for products that came from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    steam_id: Option<u32>,
    /// Larger is more popular.
    popularity: i64,
    /// The catalogue's version at its last change.
    version: i64,
}

impl<'a> ProductView<'a> {
    pub(crate) fn of(listed: &Listed<'a>, policy: &Policy) -> ProductView<'a> {
        let product = listed.product;
        ProductView {
            id: product.id,
            name: &product.name,
            state: listed.state,
            price_minor: listed.price.minor,
            regular_price_minor: product.price.minor,
            currency: product.price.currency,
            price_points: policy.points(listed.price),
            sale: product.sale,
            genres: &product.genres,
            developers: &product.developers,
            publishers: &product.publishers,
            platforms: product.platforms,
            released: product.released,
            steam_id: product.steam_id,
            popularity: product.popularity,
            version: product.version,
        }
    }
}

fn day<S: Serializer>(day: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
    match day {
        Some(day) => serializer.collect_str(day),
        None => serializer.serialize_none(),
    }
}

/// A page of products.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ProductPage)]
pub(crate) struct PageView<'a> {
    /// The products, in the list's order.
    pub(crate) items: Vec<ProductView<'a>>,
    /// How many products all pages hold together.
    pub(crate) total: usize,
    /// Pass as `cursor` to get the page after this one; none on the last page, and none of a search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Cursor>,
}

/// A product with everything its page shows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ProductDetail)]
pub(crate) struct DetailView<'a> {
    #[serde(flatten)]
    pub(crate) product: ProductView<'a>,
    /// Copies one player may buy; 0 is no limit.
    pub(crate) player_limit: i64,
    /// Its texts and media.
    #[schema(value_type = crate::detail::Detail)]
    pub(crate) detail: &'a serde_json::value::RawValue,
}

/// A genre.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Genre<'a> {
    /// Its name, as first written.
    pub(crate) genre: &'a str,
    /// How many products have it.
    pub(crate) products: usize,
}

/// Whether there is such a product.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Exists {
    /// True when there is.
    pub(crate) exists: bool,
}
