//! Finds products by what people type: names, developers and genres, in any script, half typed or mistyped.
//! Refuses to hold the products: it answers slots, and takes names' ranks and popularity from whoever asks.

mod fold;
mod rank;
mod terms;

pub use fold::folded;

use crate::index::{Entry, Order, number};
use crate::model::Product;
use rank::{Grade, Match, Stage};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use terms::Terms;

/// A search answers no product behind this one.
pub const DEPTH_MAX: usize = 1_000;
/// Bytes of a search text that are looked at.
const TEXT_MAX: usize = 200;
/// With fewer products than this that have every word, looser matches follow.
const ENOUGH: usize = 10;
/// Products kept beside the main index; when more have changed their texts the index is built anew.
const BESIDE_MAX: usize = 1_000;

/// The index of all texts: a main one and a small one of what changed since that was built.
#[derive(Debug)]
pub(crate) struct Index {
    main: Arc<Terms>,
    /// Slots whose text in the main index is out of date, or that it never had.
    stale: Arc<HashSet<u32>>,
    beside: Arc<Terms>,
}

/// What a search found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The slots asked for, the best first.
    pub(crate) slots: Vec<u32>,
    /// How many were found together.
    pub(crate) total: usize,
}

/// The ranks, by name, of names that are the text and of names that begin with it.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) exact: Range<u32>,
    pub(crate) starting: Range<u32>,
}

/// The beginning of a text that a search looks at.
pub(crate) fn within_limit(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_MAX)]
}

impl Index {
    pub(crate) fn build(entries: &[Arc<Entry>]) -> Index {
        let main = Terms::build(entries.iter().enumerate().map(|(slot, entry)| (number(slot), &**entry)));
        Index { main: Arc::new(main), stale: Arc::default(), beside: Arc::default() }
    }

    /// The index after some products changed or came new; most changes leave the texts alone.
    pub(crate) fn moved(&self, entries: &[Arc<Entry>], changes: &[(u32, Option<&Product>, &Product)]) -> Index {
        let changed: Vec<u32> =
            changes.iter().filter(|(_, before, after)| before.is_none_or(|before| !same(before, after))).map(|(slot, ..)| *slot).collect();
        if changed.is_empty() {
            return Index { main: Arc::clone(&self.main), stale: Arc::clone(&self.stale), beside: Arc::clone(&self.beside) };
        }
        let mut stale = HashSet::clone(&self.stale);
        stale.extend(changed);
        if stale.len() > BESIDE_MAX {
            return Index::build(entries);
        }
        let mut slots: Vec<u32> = stale.iter().copied().collect();
        slots.sort_unstable();
        let beside = Terms::build(slots.into_iter().map(|slot| (slot, &*entries[slot as usize])));
        Index { main: Arc::clone(&self.main), stale: Arc::new(stale), beside: Arc::new(beside) }
    }

    /// The products that `text` finds, from rank to rank of what was found. `folded` is the text's folded form.
    pub(crate) fn find(
        &self,
        text: &str,
        folded: &str,
        names: &Names,
        by_name: &Order,
        by_popularity: &Order,
        part: Range<usize>,
    ) -> Found {
        let words = rank::words(folded, text.ends_with(char::is_whitespace));
        if words.is_empty() {
            return Found::default();
        }
        let mut found: Vec<u64> = Vec::new();
        for stage in [Stage::AllWords, Stage::Loose, Stage::MostWords] {
            let before: HashSet<u32> = found.iter().map(|key| key_slot(*key, by_popularity)).collect();
            let from = found.len();
            let mut take = |slot: u32, hit: Match| {
                let rank = by_name.rank_of(slot);
                let grade = if names.exact.contains(&rank) {
                    Grade::NAME
                } else if names.starting.contains(&rank) {
                    Grade::NAME_START
                } else {
                    hit.grade(stage, words.len())
                };
                found.push(u64::from(grade.0) << 32 | u64::from(by_popularity.rank_of(slot)));
            };
            self.main.matching(&words, stage, |slot, hit| {
                if (self.stale.is_empty() || !self.stale.contains(&slot)) && !before.contains(&slot) {
                    take(slot, hit);
                }
            });
            self.beside.matching(&words, stage, |slot, hit| {
                if !before.contains(&slot) {
                    take(slot, hit);
                }
            });
            if stage != Stage::AllWords {
                keep_best(&mut found, from);
            }
            if found.len() >= stage.enough() {
                break;
            }
        }
        let total = found.len();
        let slots = best(found, part).into_iter().map(|key| key_slot(key, by_popularity)).collect();
        Found { slots, total }
    }
}

/// Whether two versions of a product are found by the same texts.
fn same(before: &Product, after: &Product) -> bool {
    before.name == after.name && before.developers == after.developers && before.genres == after.genres
}

/// A key holds the grade above the rank by popularity, so that greater is better and no two products share one.
fn key_slot(key: u64, by_popularity: &Order) -> u32 {
    by_popularity.slots()[lower_half(key) as usize]
}

/// The lower of two numbers packed into one.
fn lower_half(packed: u64) -> u32 {
    u32::try_from(packed & u64::from(u32::MAX)).expect("32 bits are masked")
}

/// Of several ways by which a stage found one product, only the best counts.
fn keep_best(found: &mut Vec<u64>, from: usize) {
    let mut added = found.split_off(from);
    added.sort_unstable_by_key(|key| (lower_half(*key), std::cmp::Reverse(*key)));
    added.dedup_by_key(|key| lower_half(*key));
    found.append(&mut added);
}

fn best(mut found: Vec<u64>, part: Range<usize>) -> Vec<u64> {
    let end = part.end.min(DEPTH_MAX).min(found.len());
    let start = part.start.min(end);
    if end < found.len() {
        found.select_nth_unstable_by(end, |a, b| b.cmp(a));
        found.truncate(end);
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.split_off(start)
}
