//! What of a catalogue depends on the moment: the order by price and who is on sale.
//! Refuses to be used outside its span. Sales only start and end, so between two such boundaries nothing changes;
//! one view serves every request until the next boundary, whatever the number of sales.

use super::Entry;
use super::groups::{Groups, Sets, ranks};
use super::order::Order;
use super::set::Set;
use crate::model::{Product, Sale};
use kernel::Instant;
use std::sync::Arc;

/// Every product that has a sale, whenever it is, and every moment at which one starts or ends.
#[derive(Debug, Default)]
pub(crate) struct Sales {
    slots: Vec<u32>,
    boundaries: Vec<Instant>,
}

impl Sales {
    pub(crate) fn of<'a>(products: impl Iterator<Item = (u32, &'a Product)>) -> Sales {
        let mut sales = Sales::default();
        for (slot, product) in products {
            if let Some(Sale { starts_at, ends_at, .. }) = product.sale {
                sales.slots.push(slot);
                sales.boundaries.extend([starts_at, ends_at]);
            }
        }
        sales.boundaries.sort_unstable();
        sales.boundaries.dedup();
        sales
    }

    /// The products that have a sale.
    pub(crate) fn slots(&self) -> &[u32] {
        &self.slots
    }
}

/// The catalogue between two boundaries.
#[derive(Debug)]
pub(crate) struct View {
    /// The first moment it is right for.
    pub(crate) from: Instant,
    until: Option<Instant>,
    /// By effective price, then id.
    pub(crate) prices: Order,
    pub(crate) price_sets: Sets,
    /// Who is on sale, as ranks by name, price, release and popularity.
    pub(crate) on_sale: [Set; 4],
}

impl View {
    /// The view for `now`. `regular` is the order by regular price; only products on sale leave their place in it.
    pub(crate) fn of(entries: &[Arc<Entry>], sales: &Sales, groups: &Groups, regular: &Order, others: [&Order; 3], now: Instant) -> View {
        let after = sales.boundaries.partition_point(|boundary| *boundary <= now);
        let from = if after == 0 { Instant(i64::MIN) } else { sales.boundaries[after - 1] };
        let product = |slot: u32| &entries[slot as usize].product;
        let on: Vec<u32> = sales.slots.iter().copied().filter(|slot| product(*slot).percent_off(now).is_some()).collect();
        let prices = regular.moved(entries.len(), &on, |slot| (product(slot).price_minor(now), product(slot).id));
        let [names, releases, popularity] = others;
        View {
            from,
            until: sales.boundaries.get(after).copied(),
            on_sale: [names, &prices, releases, popularity].map(|order| ranks(&on, order)),
            price_sets: Sets::of(groups, &prices),
            prices,
        }
    }

    /// Whether the view is right for this moment.
    pub(crate) fn covers(&self, now: Instant) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}
