//! The whole catalogue's list data in memory: lists, single products and searches without the database.
//! Refuses to change: every change makes a new catalogue that shares what stayed the same. Refuses to forget a product,
//! since orders and libraries name it; and refuses a clock: whoever asks brings `now`.

mod entry;
mod groups;
mod order;
mod query;
mod set;
mod view;

pub(crate) use entry::Entry;
pub(crate) use order::{Order, number};
pub use query::{At, Direction, Page, Query, Sort};

use crate::model::{Interner, Listed, Product};
use crate::search::{self, Index};
use arc_swap::ArcSwapOption;
use entry::{name_key, number_key, place, popularity, products, regular_price, release, replace, sort_number};
use groups::{Groups, Sets};
use kernel::page::PAGE_SIZE_MAX;
use kernel::{Instant, ProductId, Refusal};
use query::{Key, Position};
use set::Selection;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use view::{Sales, View};

/// A changed share of the catalogue above which building anew is quicker than changing: one in this many.
const REBUILD_SHARE: usize = 20;

/// An immutable picture of all products, with every sort order and filter ready.
///
/// A list costs the same on any page: the filters are bit sets over the ranks of the sort order. What depends on the
/// moment is made once for each span between two sale boundaries, by the first request in it or by [`Catalogue::prepare`].
#[derive(Debug)]
pub struct Catalogue {
    entries: Vec<Arc<Entry>>,
    slots: Arc<HashMap<ProductId, u32>>,
    groups: Arc<Groups>,
    names: Arc<Ranked>,
    releases: Arc<Ranked>,
    popularity: Arc<Ranked>,
    regular_prices: Arc<Order>,
    sales: Arc<Sales>,
    view: ArcSwapOption<View>,
    search: Index,
}

/// A sort order that does not depend on the moment, with its filters.
#[derive(Debug)]
struct Ranked {
    order: Order,
    sets: Sets,
}

impl Default for Catalogue {
    fn default() -> Self {
        Catalogue::build(Vec::new())
    }
}

impl Catalogue {
    /// A catalogue of these products. Of several with one id the last counts.
    pub fn build(products: Vec<Product>) -> Catalogue {
        let mut slots = HashMap::with_capacity(products.len());
        let mut entries: Vec<Arc<Entry>> = Vec::with_capacity(products.len());
        let mut interner = Interner::default();
        for mut product in products {
            interner.adopt(&mut product);
            place(&mut entries, &mut slots, product);
        }
        Catalogue::of(entries, slots)
    }

    fn of(entries: Vec<Arc<Entry>>, slots: HashMap<ProductId, u32>) -> Catalogue {
        let groups = Groups::of(&entries);
        let ranked = |order: Order| Arc::new(Ranked { sets: Sets::of(&groups, &order), order });
        let count = entries.len();
        Catalogue {
            names: ranked(Order::sorted(count, |slot| name_key(&entries, slot))),
            releases: ranked(Order::sorted(count, |slot| number_key(&entries, slot, release))),
            popularity: ranked(Order::sorted(count, |slot| number_key(&entries, slot, popularity))),
            regular_prices: Arc::new(Order::sorted(count, |slot| number_key(&entries, slot, regular_price))),
            sales: Arc::new(Sales::of(products(&entries))),
            view: ArcSwapOption::empty(),
            search: Index::build(&entries),
            groups: Arc::new(groups),
            slots: Arc::new(slots),
            entries,
        }
    }

    /// The catalogue after these products changed or came new. A product no newer than the one held is passed over, so a
    /// feed may repeat itself.
    pub fn apply(&self, changed: Vec<Product>) -> Catalogue {
        let mut entries = self.entries.clone();
        let mut slots = Arc::clone(&self.slots);
        let mut moved = Vec::with_capacity(changed.len());
        let mut interner = Interner::default();
        for mut product in changed {
            interner.adopt(&mut product);
            match slots.get(&product.id) {
                Some(slot) if entries[*slot as usize].product.version >= product.version => {}
                Some(slot) => moved.push(replace(&mut entries, *slot, product)),
                None => moved.push(place(&mut entries, Arc::make_mut(&mut slots), product)),
            }
        }
        moved.sort_unstable();
        moved.dedup();
        let next = if moved.len() * REBUILD_SHARE > entries.len() {
            Catalogue::of(entries, Arc::unwrap_or_clone(slots))
        } else {
            self.moved(entries, slots, &moved)
        };
        if let Some(view) = &*self.view.load() {
            next.prepare(view.from);
        }
        next
    }

    fn moved(&self, entries: Vec<Arc<Entry>>, slots: Arc<HashMap<ProductId, u32>>, moved: &[u32]) -> Catalogue {
        let changes: Vec<(u32, Option<&Product>, &Product)> = moved
            .iter()
            .map(|slot| (*slot, self.entries.get(*slot as usize).map(|entry| &entry.product), &entries[*slot as usize].product))
            .collect();
        let all = |same: fn(&Product, &Product) -> bool| {
            changes.iter().all(|(_, before, after)| before.is_some_and(|before| same(before, after)))
        };
        let same_groups = all(groups::same);
        let groups = if same_groups { Arc::clone(&self.groups) } else { Arc::new(self.groups.moved(&changes)) };
        let count = entries.len();
        let ranked = |was: &Arc<Ranked>, same_keys: bool, order: &dyn Fn(&Order) -> Order| {
            if same_keys && same_groups {
                return Arc::clone(was);
            }
            let order = order(&was.order);
            Arc::new(Ranked { sets: Sets::of(&groups, &order), order })
        };
        let by_number = |number: fn(&Product) -> i64| {
            let entries = &entries;
            move |was: &Order| was.moved(count, moved, |slot| number_key(entries, slot, number))
        };
        Catalogue {
            names: ranked(&self.names, all(|a, b| a.name == b.name), &|was| was.moved(count, moved, |slot| name_key(&entries, slot))),
            releases: ranked(&self.releases, all(|a, b| a.released == b.released), &by_number(release)),
            popularity: ranked(&self.popularity, all(|a, b| a.popularity == b.popularity), &by_number(popularity)),
            regular_prices: if all(|a, b| a.price == b.price) {
                Arc::clone(&self.regular_prices)
            } else {
                Arc::new(by_number(regular_price)(&self.regular_prices))
            },
            sales: if all(|a, b| a.sale == b.sale) {
                Arc::clone(&self.sales)
            } else {
                let mut slots: Vec<u32> = self.sales.slots().iter().chain(moved).copied().collect();
                slots.sort_unstable();
                slots.dedup();
                Arc::new(Sales::of(slots.into_iter().map(|slot| (slot, &entries[slot as usize].product))))
            },
            view: ArcSwapOption::empty(),
            search: self.search.moved(&entries, &changes),
            groups,
            slots,
            entries,
        }
    }

    /// Makes ready what depends on the moment, so that the first request after a sale starts or ends does not wait for it
    /// (some milliseconds in a full catalogue). Cheap when it is ready.
    pub fn prepare(&self, now: Instant) {
        self.view(now);
    }

    /// How many products there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The product of this id.
    pub fn get(&self, id: ProductId) -> Option<&Product> {
        self.slots.get(&id).map(|slot| &self.entries[*slot as usize].product)
    }

    /// Whether there is such a product.
    pub fn exists(&self, id: ProductId) -> bool {
        self.slots.contains_key(&id)
    }

    /// All products, in no order that means anything.
    pub fn products(&self) -> impl ExactSizeIterator<Item = &Product> {
        self.entries.iter().map(|entry| &entry.product)
    }

    /// Every genre as first written, with the number of its products.
    pub fn genres(&self) -> impl Iterator<Item = (&str, usize)> {
        self.groups.genres()
    }

    /// One page of the products that meet the query's filters at `now`. A page past the last one is empty.
    ///
    /// # Errors
    /// `bad-cursor` when the cursor is not one that a list of the same sort gave out.
    pub fn list(&self, query: &Query, now: Instant) -> Result<Page<'_>, Refusal> {
        let view = self.view(now);
        let (order, _) = self.ranked(query.sort, &view);
        let selection = self.select(query, &view, now);
        let total = selection.count();
        let size = query.size.clamp(1, PAGE_SIZE_MAX) as usize;
        let skip = match &query.at {
            At::Page(page) => (*page as usize).saturating_sub(1).saturating_mul(size).min(total),
            At::After(cursor) => {
                let position = Position::of(cursor, query.sort)?;
                // Descending passes over the position itself too: it was the last item of the page before.
                match query.direction {
                    Direction::Ascending => selection.count_below(self.rank_after(&position, query.sort, order, now, true)),
                    Direction::Descending => total - selection.count_below(self.rank_after(&position, query.sort, order, now, false)),
                }
            }
        };
        let take = size.min(total - skip);
        let slots: Vec<u32> = match query.direction {
            Direction::Ascending => selection.ascending(skip, take).into_iter().map(|rank| order.slots()[rank]).collect(),
            Direction::Descending => {
                selection.ascending(total - skip - take, take).into_iter().rev().map(|rank| order.slots()[rank]).collect()
            }
        };
        let last = slots.last().filter(|_| skip + take < total);
        let next = last.map(|slot| self.position(*slot, query.sort, now).cursor(query.sort));
        Ok(Page { items: self.listed(&slots, now), total, next })
    }

    /// One page of the products that a text finds, the best first: a name that is the text, names that begin with it,
    /// products that have all its words, those that have them within one typing error, then the nearest; equal ones by
    /// popularity. Pages end at the [`search::DEPTH_MAX`]th product; `total` counts those beyond it too.
    pub fn search(&self, text: &str, page: u32, size: u32, now: Instant) -> Page<'_> {
        let size = size.clamp(1, PAGE_SIZE_MAX) as usize;
        let skip = (page as usize).saturating_sub(1).saturating_mul(size);
        let wanted = search::folded(search::within_limit(text));
        let names = self.names_from(&wanted);
        let found = self.search.find(text, &wanted, &names, &self.names.order, &self.popularity.order, skip..skip.saturating_add(size));
        Page { items: self.listed(&found.slots, now), total: found.total, next: None }
    }

    /// The ranks of the names that begin with a folded text; those that are the text come first, up to the middle rank.
    fn names_from(&self, folded: &str) -> search::Names {
        let slots = self.names.order.slots();
        let key = |slot: &u32| &*self.entries[*slot as usize].key;
        let start = slots.partition_point(|slot| key(slot) < folded);
        let exact = start + slots[start..].partition_point(|slot| key(slot) == folded);
        let end = exact + slots[exact..].partition_point(|slot| key(slot).starts_with(folded));
        search::Names { exact: number(start)..number(exact), starting: number(exact)..number(end) }
    }

    fn listed(&self, slots: &[u32], now: Instant) -> Vec<Listed<'_>> {
        slots.iter().map(|slot| self.entries[*slot as usize].product.at(now)).collect()
    }

    /// The view for `now`. Only the one asked for last is kept: requests of one process are moments apart, and one that asks
    /// for another day costs two rebuilds, not a wrong answer.
    fn view(&self, now: Instant) -> Arc<View> {
        if let Some(view) = &*self.view.load()
            && view.covers(now)
        {
            return Arc::clone(view);
        }
        let others = [&self.names.order, &self.releases.order, &self.popularity.order];
        let view = Arc::new(View::of(&self.entries, &self.sales, &self.groups, &self.regular_prices, others, now));
        self.view.store(Some(Arc::clone(&view)));
        view
    }

    fn ranked<'a>(&'a self, sort: Sort, view: &'a View) -> (&'a Order, &'a Sets) {
        match sort {
            Sort::Name => (&self.names.order, &self.names.sets),
            Sort::Price => (&view.prices, &view.price_sets),
            Sort::Release => (&self.releases.order, &self.releases.sets),
            Sort::Popularity => (&self.popularity.order, &self.popularity.sets),
        }
    }

    fn select(&self, query: &Query, view: &View, now: Instant) -> Selection {
        let (order, sets) = self.ranked(query.sort, view);
        let mut selection = Selection::all(self.len());
        if let Some(genre) = &query.genre {
            match sets.genre(genre) {
                Some(set) => selection.keep(set),
                None => selection.keep_only(std::iter::empty()),
            }
        }
        if let Some(platform) = query.platform {
            selection.keep(sets.platform(platform));
        }
        if let Some(state) = query.state {
            let on_sale = &view.on_sale[query.sort as usize];
            if state.on_sale() {
                selection.keep(on_sale)
            } else {
                selection.drop(on_sale)
            }
            if state.limited() { selection.keep(sets.limited()) } else { selection.drop(sets.limited()) }
        }
        if query.price_min.is_some() || query.price_max.is_some() {
            let priced = self.priced(query, view, now);
            let ranks = |slots: &[u32]| slots.iter().map(|slot| order.rank_of(*slot)).collect::<Vec<_>>().into_iter();
            let slots = view.prices.slots();
            if query.sort == Sort::Price {
                selection.keep_range(priced);
            } else if priced.len() * 2 <= slots.len() {
                selection.keep_only(ranks(&slots[priced]));
            } else {
                selection.drop_only(ranks(&slots[..priced.start]));
                selection.drop_only(ranks(&slots[priced.end..]));
            }
        }
        selection
    }

    /// The ranks by price that lie within the query's prices.
    fn priced(&self, query: &Query, view: &View, now: Instant) -> Range<usize> {
        let slots = view.prices.slots();
        let price = |slot: &u32| self.entries[*slot as usize].product.price_minor(now);
        let start = query.price_min.map_or(0, |min| slots.partition_point(|slot| price(slot) < min));
        let end = query.price_max.map_or(slots.len(), |max| slots.partition_point(|slot| price(slot) <= max));
        start..end.max(start)
    }

    /// How many products stand before a position, or up to it when `including`.
    fn rank_after(&self, position: &Position, sort: Sort, order: &Order, now: Instant, including: bool) -> usize {
        let before = |slot: &u32| {
            let product = &self.entries[*slot as usize].product;
            let by_key = match &position.key {
                Key::Name(name) => (*self.entries[*slot as usize].key).cmp(name),
                Key::Number(number) => sort_number(product, sort, now).cmp(number),
            };
            match by_key.then(product.id.cmp(&position.id)) {
                Ordering::Less => true,
                Ordering::Equal => including,
                Ordering::Greater => false,
            }
        };
        order.slots().partition_point(before)
    }

    fn position(&self, slot: u32, sort: Sort, now: Instant) -> Position {
        let Entry { product, key } = &*self.entries[slot as usize];
        let key = match sort {
            Sort::Name => Key::Name(key.to_string()),
            Sort::Price | Sort::Release | Sort::Popularity => Key::Number(sort_number(product, sort, now)),
        };
        Position { key, id: product.id }
    }
}
