//! A product as the catalogue holds it, and the keys by which products are sorted.
//! Refuses to sort; the orders do.

use super::order::number;
use super::query::Sort;
use crate::model::Product;
use crate::search;
use kernel::{Instant, ProductId};
use std::collections::HashMap;
use std::sync::Arc;

/// A product with its name folded once, for sorting and searching.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) product: Product,
    pub(crate) key: Box<str>,
}

/// Puts a product in its slot, a new one in a new slot, and says which.
pub(crate) fn place(entries: &mut Vec<Arc<Entry>>, slots: &mut HashMap<ProductId, u32>, product: Product) -> u32 {
    match slots.get(&product.id) {
        Some(slot) => replace(entries, *slot, product),
        None => {
            let slot = number(entries.len());
            slots.insert(product.id, slot);
            entries.push(Arc::new(entry(product)));
            slot
        }
    }
}

/// Puts a newer version of a product in its slot.
pub(crate) fn replace(entries: &mut [Arc<Entry>], slot: u32, product: Product) -> u32 {
    entries[slot as usize] = Arc::new(entry(product));
    slot
}

fn entry(product: Product) -> Entry {
    Entry { key: search::folded(&product.name).into(), product }
}

pub(crate) fn products(entries: &[Arc<Entry>]) -> impl Iterator<Item = (u32, &Product)> {
    entries.iter().enumerate().map(|(slot, entry)| (number(slot), &entry.product))
}

pub(crate) fn name_key(entries: &[Arc<Entry>], slot: u32) -> (&str, ProductId) {
    let Entry { product, key } = &*entries[slot as usize];
    (key, product.id)
}

pub(crate) fn number_key(entries: &[Arc<Entry>], slot: u32, number: fn(&Product) -> i64) -> (i64, ProductId) {
    let product = &entries[slot as usize].product;
    (number(product), product.id)
}

/// The day as year, month and day in one number.
pub(crate) fn release(product: &Product) -> i64 {
    product.released.map_or(i64::MIN, |day| (i64::from(day.year()) * 100 + i64::from(day.month())) * 100 + i64::from(day.day()))
}

pub(crate) fn popularity(product: &Product) -> i64 {
    product.popularity
}

pub(crate) fn regular_price(product: &Product) -> i64 {
    product.price.minor
}

/// The number a product is sorted by at `now`, for every sort but the one by name.
pub(crate) fn sort_number(product: &Product, sort: Sort, now: Instant) -> i64 {
    match sort {
        Sort::Release => release(product),
        Sort::Popularity => popularity(product),
        Sort::Name | Sort::Price => product.price_minor(now),
    }
}
