//! Decides changes of products and what an import writes. Pure: no clock, no database, no randomness.
//! The caller has locked the catalogue's version and loaded every product named here.

use crate::Policy;
use crate::detail::Detail;
use crate::model::{Platforms, Sale};
use jiff::civil::Date;
use kernel::{Code, Currency, Instant, Money, Outcome, ProductId, Refusal, text};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The highest price, in minor units: one million dollars in cents.
pub const PRICE_MAX: i64 = 100_000_000;
/// The longest name, in characters.
pub const NAME_MAX: usize = 500;
/// Developers, publishers or genres of one product, at most.
pub const LABELS_MAX: usize = 50;
/// The longest developer, publisher or genre, in characters.
pub const LABEL_MAX: usize = 200;
/// Entries of one list of a product's texts, as its screenshots, at most.
pub const ENTRIES_MAX: usize = 500;
/// The longest entry of such a list, in characters: an address.
pub const ENTRY_MAX: usize = 2_000;
/// The most copies a limit for one player may name.
pub const PLAYER_LIMIT_MAX: i64 = 1_000_000;

/// One change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A product of the store's own.
    Add(Box<NewProduct>),
    /// Other list data or texts.
    Edit(ProductId, Box<Edit>),
    /// A sale, in place of the one there is.
    SetSale(ProductId, Sale),
    /// No sale any more.
    RemoveSale(ProductId),
    /// Whether copies are counted, and how many one player may buy; 0 is no limit.
    SetLimit(ProductId, bool, i64),
}

impl Asked {
    /// The product that has to be loaded.
    pub fn product(&self) -> Option<ProductId> {
        match self {
            Asked::Add(_) => None,
            Asked::Edit(id, _) | Asked::SetSale(id, _) | Asked::RemoveSale(id) | Asked::SetLimit(id, ..) => Some(*id),
        }
    }
}

/// A product to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Its name.
    pub name: String,
    /// The regular price.
    pub price: Money,
    /// Who made it.
    pub developers: Vec<String>,
    /// Who sells it.
    pub publishers: Vec<String>,
    /// Its genres.
    pub genres: Vec<String>,
    /// Where it runs.
    pub platforms: Platforms,
    /// The day of release.
    pub released: Option<Date>,
    /// Whether copies are counted.
    pub limited: bool,
    /// Copies one player may buy; 0 is no limit.
    pub player_limit: i64,
    /// Its texts.
    pub detail: Detail,
}

/// What is to be different; the rest stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// Another name.
    pub name: Option<String>,
    /// Another regular price, in minor units, and its currency where that is another too.
    pub price: Option<(i64, Option<Currency>)>,
    /// Other developers.
    pub developers: Option<Vec<String>>,
    /// Other publishers.
    pub publishers: Option<Vec<String>>,
    /// Other genres.
    pub genres: Option<Vec<String>>,
    /// Other platforms.
    pub platforms: Option<Platforms>,
    /// Another day of release.
    pub released: Option<Date>,
    /// Other texts, all of them.
    pub detail: Option<Detail>,
}

/// A product's row, without what no change here touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The product.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// The regular price.
    pub price: Money,
    /// The sale that is on, is announced, or was the last one.
    pub sale: Option<Sale>,
    /// Whether copies are counted.
    pub limited: bool,
    /// Copies one player may buy; 0 is no limit.
    pub player_limit: i64,
    /// The day of release.
    pub released: Option<Date>,
    /// Where it runs.
    pub platforms: Platforms,
    /// Who made it.
    pub developers: Vec<String>,
    /// Who sells it.
    pub publishers: Vec<String>,
    /// Its genres, each once.
    pub genres: Vec<String>,
    /// The catalogue's version at its last change.
    pub version: i64,
}

/// What a batch works on, and what it has to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The version that changes of this transaction get.
    pub version: i64,
    /// The id of the next product.
    pub next_product: i64,
    /// Loaded and added products.
    pub products: BTreeMap<ProductId, Record>,
    /// Products to insert.
    pub added: BTreeSet<ProductId>,
    /// Products to update.
    pub changed: BTreeSet<ProductId>,
    /// Texts to write.
    pub details: BTreeMap<ProductId, Detail>,
}

/// The answer to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Changed {
    /// The product.
    pub product: ProductId,
    /// The catalogue's version at its last change; a reader that has seen it sees the change.
    #[schema(example = 812)]
    pub version: i64,
}

/// Decides one change. What is already so is answered with the version it has been so since, and writes nothing.
pub fn change(state: &mut State, asked: &Asked, policy: &Policy, now: Instant) -> Outcome<Changed> {
    match asked {
        Asked::Add(new) => add(state, new, policy),
        Asked::Edit(id, edit) => {
            let mut after = loaded(state, *id)?.clone();
            apply(&mut after, edit, policy)?;
            if let Some(detail) = &edit.detail {
                check_detail(detail)?;
                state.details.insert(*id, detail.clone());
                return Ok(put(state, after));
            }
            put_if_new(state, after)
        }
        Asked::SetSale(id, sale) => {
            check_sale(sale, now)?;
            let after = Record { sale: Some(*sale), ..loaded(state, *id)?.clone() };
            put_if_new(state, after)
        }
        Asked::RemoveSale(id) => {
            let after = Record { sale: None, ..loaded(state, *id)?.clone() };
            put_if_new(state, after)
        }
        Asked::SetLimit(id, limited, player_limit) => {
            check_player_limit(*player_limit)?;
            let after = Record { limited: *limited, player_limit: *player_limit, ..loaded(state, *id)?.clone() };
            put_if_new(state, after)
        }
    }
}

fn add(state: &mut State, new: &NewProduct, policy: &Policy) -> Outcome<Changed> {
    check_name(&new.name)?;
    check_price(new.price, policy)?;
    check_player_limit(new.player_limit)?;
    check_detail(&new.detail)?;
    let record = Record {
        id: ProductId(state.next_product),
        name: new.name.clone(),
        price: new.price,
        sale: None,
        limited: new.limited,
        player_limit: new.player_limit,
        released: new.released,
        platforms: new.platforms,
        developers: labels("developers", &new.developers)?,
        publishers: labels("publishers", &new.publishers)?,
        genres: labels("genres", &new.genres)?,
        version: state.version,
    };
    state.next_product += 1;
    state.added.insert(record.id);
    state.details.insert(record.id, new.detail.clone());
    Ok(put(state, record))
}

fn loaded(state: &State, id: ProductId) -> Outcome<&Record> {
    state.products.get(&id).ok_or_else(|| Refusal::not_found("product", id))
}

fn put_if_new(state: &mut State, after: Record) -> Outcome<Changed> {
    match state.products.get(&after.id) {
        Some(before) if *before == after => Ok(Changed { product: before.id, version: before.version }),
        _ => Ok(put(state, after)),
    }
}

fn put(state: &mut State, mut after: Record) -> Changed {
    after.version = state.version;
    if !state.added.contains(&after.id) {
        state.changed.insert(after.id);
    }
    let changed = Changed { product: after.id, version: after.version };
    state.products.insert(after.id, after);
    changed
}

fn apply(record: &mut Record, edit: &Edit, policy: &Policy) -> Outcome<()> {
    if let Some(name) = &edit.name {
        check_name(name)?;
        record.name.clone_from(name);
    }
    if let Some((minor, currency)) = edit.price {
        let price = Money { minor, currency: currency.unwrap_or(record.price.currency) };
        check_price(price, policy)?;
        record.price = price;
    }
    if let Some(names) = &edit.developers {
        record.developers = labels("developers", names)?;
    }
    if let Some(names) = &edit.publishers {
        record.publishers = labels("publishers", names)?;
    }
    if let Some(names) = &edit.genres {
        record.genres = labels("genres", names)?;
    }
    record.platforms = edit.platforms.unwrap_or(record.platforms);
    record.released = edit.released.or(record.released);
    Ok(())
}

fn check_name(name: &str) -> Outcome<()> {
    text::check_shown("name", name, 1, NAME_MAX)
}

fn check_price(price: Money, policy: &Policy) -> Outcome<()> {
    if !(0..=PRICE_MAX).contains(&price.minor) {
        return Err(Refusal::new(Code::BadAmount, format!("price_minor {} is not 0 to {PRICE_MAX} minor units", price.minor)));
    }
    if policy.points(price).is_none() {
        let told = format!("a price in {} has no rate in points: USD or {} would be right", price.currency, policy.points_currency);
        return Err(Refusal::new(Code::BadAmount, told));
    }
    Ok(())
}

fn check_sale(sale: &Sale, now: Instant) -> Outcome<()> {
    if !(1..=100).contains(&sale.percent) {
        return Err(Refusal::new(Code::BadAmount, format!("percent {} is not 1 to 100 percent off", sale.percent)));
    }
    if sale.starts_at >= sale.ends_at {
        let told = format!("the sale ends at {} and starts at {}: an end after the start would be right", sale.ends_at, sale.starts_at);
        return Err(Refusal::new(Code::BadBody, told));
    }
    if sale.ends_at <= now {
        return Err(Refusal::new(
            Code::BadBody,
            format!("the sale ended at {}, and it is {now}: an end in the future would be right", sale.ends_at),
        ));
    }
    Ok(())
}

fn check_player_limit(limit: i64) -> Outcome<()> {
    if (0..=PLAYER_LIMIT_MAX).contains(&limit) {
        return Ok(());
    }
    Err(Refusal::new(Code::BadAmount, format!("player_limit {limit} is not 0 (no limit) to {PLAYER_LIMIT_MAX} copies")))
}

fn check_detail(detail: &Detail) -> Outcome<()> {
    text::check("detail.short_description", &detail.short_description, 0, 1_000)?;
    text::check("detail.description", &detail.description, 0, 200_000)?;
    text::check("detail.about", &detail.about, 0, 200_000)?;
    text::check("detail.header_image", &detail.header_image, 0, ENTRY_MAX)?;
    text::check("detail.website", &detail.website, 0, ENTRY_MAX)?;
    let lists = [
        ("detail.categories", &detail.categories),
        ("detail.languages", &detail.languages),
        ("detail.audio_languages", &detail.audio_languages),
        ("detail.screenshots", &detail.screenshots),
        ("detail.movies", &detail.movies),
    ];
    for (field, entries) in lists {
        check_count(field, entries.len(), ENTRIES_MAX)?;
        entries.iter().try_for_each(|entry| text::check(field, entry, 1, ENTRY_MAX))?;
    }
    check_count("detail.tags", detail.tags.len(), ENTRIES_MAX)?;
    detail.tags.iter().try_for_each(|tag| text::check("detail.tags", &tag.name, 1, LABEL_MAX))?;
    if detail.reception.is_some() {
        return Err(Refusal::new(Code::BadBody, "detail.reception comes with imports only: a detail without it would be right"));
    }
    Ok(())
}

fn check_count(field: &str, count: usize, max: usize) -> Outcome<()> {
    if count <= max {
        return Ok(());
    }
    Err(Refusal::new(Code::BadBody, format!("{field} has {count} entries: at most {max} would be right")))
}

/// The names, each once, in their order.
fn labels(field: &str, names: &[String]) -> Outcome<Vec<String>> {
    check_count(field, names.len(), LABELS_MAX)?;
    let mut seen = BTreeSet::new();
    for name in names {
        text::check(field, name, 1, LABEL_MAX)?;
    }
    Ok(names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect())
}

#[cfg(test)]
mod tests;
