//! Which products share a genre, a platform or a limited stock, and these sets seen from each sort order.
//! Refuses what depends on the moment: sales and prices are in the view.

use super::Entry;
use super::order::{Order, number};
use super::set::Set;
use crate::model::{Platform, Product};
use crate::search;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Slots by what their products have in common, each list ascending.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups {
    genres: BTreeMap<Box<str>, Genre>,
    platforms: [Vec<u32>; 3],
    limited: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Genre {
    label: Arc<str>,
    slots: Vec<u32>,
}

impl Groups {
    pub(crate) fn of(entries: &[Arc<Entry>]) -> Groups {
        let mut groups = Groups::default();
        let mut keys = HashMap::new();
        for (slot, entry) in entries.iter().enumerate() {
            groups.add(number(slot), &entry.product, &mut keys);
        }
        groups
    }

    /// These groups after some products changed or came new.
    pub(crate) fn moved(&self, changes: &[(u32, Option<&Product>, &Product)]) -> Groups {
        let mut groups = self.clone();
        let mut keys = HashMap::new();
        for (slot, before, after) in changes {
            if let Some(before) = before {
                groups.remove(*slot, before, &mut keys);
            }
            groups.add(*slot, after, &mut keys);
        }
        groups.genres.retain(|_, genre| !genre.slots.is_empty());
        groups
    }

    /// Every genre as first written, with the number of its products.
    pub(crate) fn genres(&self) -> impl Iterator<Item = (&str, usize)> {
        self.genres.values().map(|genre| (&*genre.label, genre.slots.len()))
    }

    fn add(&mut self, slot: u32, product: &Product, keys: &mut HashMap<Arc<str>, Box<str>>) {
        for label in product.genres.iter() {
            let key = key_of(label, keys);
            match self.genres.get_mut(key) {
                Some(genre) => insert(&mut genre.slots, slot),
                None => drop(self.genres.insert(key.into(), Genre { label: Arc::clone(label), slots: vec![slot] })),
            }
        }
        product.platforms.iter().for_each(|platform| insert(&mut self.platforms[platform as usize], slot));
        if product.limited {
            insert(&mut self.limited, slot);
        }
    }

    fn remove(&mut self, slot: u32, product: &Product, keys: &mut HashMap<Arc<str>, Box<str>>) {
        for label in product.genres.iter() {
            if let Some(genre) = self.genres.get_mut(key_of(label, keys)) {
                remove(&mut genre.slots, slot);
            }
        }
        self.platforms.iter_mut().chain([&mut self.limited]).for_each(|slots| remove(slots, slot));
    }
}

/// Whether two versions of a product are in the same groups.
pub(crate) fn same(before: &Product, after: &Product) -> bool {
    before.genres == after.genres && before.platforms == after.platforms && before.limited == after.limited
}

/// The groups seen from one sort order, as sets of ranks.
#[derive(Debug)]
pub(crate) struct Sets {
    genres: BTreeMap<Box<str>, Set>,
    platforms: [Set; 3],
    limited: Set,
}

impl Sets {
    pub(crate) fn of(groups: &Groups, order: &Order) -> Sets {
        Sets {
            genres: groups.genres.iter().map(|(key, genre)| (key.clone(), ranks(&genre.slots, order))).collect(),
            platforms: std::array::from_fn(|platform| ranks(&groups.platforms[platform], order)),
            limited: ranks(&groups.limited, order),
        }
    }

    /// The genre's set; none when no product has it.
    pub(crate) fn genre(&self, name: &str) -> Option<&Set> {
        self.genres.get(&*search::folded(name))
    }

    pub(crate) fn platform(&self, platform: Platform) -> &Set {
        &self.platforms[platform as usize]
    }

    pub(crate) fn limited(&self) -> &Set {
        &self.limited
    }
}

/// These slots as ranks of an order.
pub(crate) fn ranks(slots: &[u32], order: &Order) -> Set {
    Set::new(slots.iter().map(|slot| order.rank_of(*slot)), order.slots().len())
}

/// The folded form of a label, folded once for all products that share it.
fn key_of<'a>(label: &Arc<str>, keys: &'a mut HashMap<Arc<str>, Box<str>>) -> &'a str {
    keys.entry(Arc::clone(label)).or_insert_with(|| search::folded(label).into())
}

fn insert(slots: &mut Vec<u32>, slot: u32) {
    if slots.last().is_none_or(|last| *last < slot) {
        slots.push(slot);
    } else if let Err(at) = slots.binary_search(&slot) {
        slots.insert(at, slot);
    }
}

fn remove(slots: &mut Vec<u32>, slot: u32) {
    if let Ok(at) = slots.binary_search(&slot) {
        slots.remove(at);
    }
}
