//! Sets of ranks, dense or sparse, and the selections made of them.
//! Refuses to know products: a rank is a place in one sort order.

/// Ranks that share a property. A bit for each rank when many have it, a list when few have, so that a thousand rare
/// genres cost no more than their rows.
#[derive(Debug)]
pub(crate) enum Set {
    Dense(Box<[u64]>),
    Sparse(Box<[u32]>),
}

impl Set {
    /// The set of `ranks`, in any order and distinct, among `len` ranks.
    pub(crate) fn new(ranks: impl ExactSizeIterator<Item = u32>, len: usize) -> Set {
        if ranks.len() * 32 < len {
            return Set::Sparse(ranks.collect());
        }
        let mut words = vec![0; len.div_ceil(64)].into_boxed_slice();
        ranks.for_each(|rank| put(&mut words, rank));
        Set::Dense(words)
    }
}

/// The ranks that pass every filter so far.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    words: Vec<u64>,
}

impl Selection {
    /// All of `len` ranks.
    pub(crate) fn all(len: usize) -> Selection {
        let mut words = vec![u64::MAX; len.div_ceil(64)];
        if let (Some(last), rest @ 1..) = (words.last_mut(), len % 64) {
            *last = (1 << rest) - 1;
        }
        Selection { words }
    }

    /// Keeps what is in the set.
    pub(crate) fn keep(&mut self, set: &Set) {
        match set {
            Set::Dense(words) => self.words.iter_mut().zip(words).for_each(|(mine, theirs)| *mine &= theirs),
            Set::Sparse(ranks) => self.keep_only(ranks.iter().copied()),
        }
    }

    /// Drops what is in the set.
    pub(crate) fn drop(&mut self, set: &Set) {
        match set {
            Set::Dense(words) => self.words.iter_mut().zip(words).for_each(|(mine, theirs)| *mine &= !theirs),
            Set::Sparse(ranks) => self.drop_only(ranks.iter().copied()),
        }
    }

    /// Keeps what is among these ranks.
    pub(crate) fn keep_only(&mut self, ranks: impl Iterator<Item = u32>) {
        let mut words = vec![0; self.words.len()];
        ranks.for_each(|rank| put(&mut words, rank));
        self.words.iter_mut().zip(words).for_each(|(mine, theirs)| *mine &= theirs);
    }

    /// Drops these ranks.
    pub(crate) fn drop_only(&mut self, ranks: impl Iterator<Item = u32>) {
        ranks.for_each(|rank| self.words[rank as usize / 64] &= !(1 << (rank % 64)));
    }

    /// Keeps what lies in a range.
    pub(crate) fn keep_range(&mut self, range: std::ops::Range<usize>) {
        for (at, word) in self.words.iter_mut().enumerate() {
            let below = |end: usize| match end.saturating_sub(at * 64) {
                bits @ 0..64 => (1 << bits) - 1,
                _ => u64::MAX,
            };
            *word &= below(range.end) & !below(range.start);
        }
    }

    /// How many ranks are left.
    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many ranks below `rank` are left.
    pub(crate) fn count_below(&self, rank: usize) -> usize {
        let whole: usize = self.words[..rank / 64].iter().map(|word| word.count_ones() as usize).sum();
        let part = self.words.get(rank / 64).map_or(0, |word| word & ((1 << (rank % 64)) - 1));
        whole + part.count_ones() as usize
    }

    /// Up to `size` ranks in ascending order, after the first `skip`.
    pub(crate) fn ascending(&self, skip: usize, size: usize) -> Vec<usize> {
        let mut skip = skip;
        let mut found = Vec::with_capacity(size.min(128));
        for (at, word) in self.words.iter().enumerate() {
            let ones = word.count_ones() as usize;
            if skip >= ones {
                skip -= ones;
                continue;
            }
            let mut rest = *word;
            while rest != 0 && found.len() < size {
                if skip == 0 {
                    found.push(at * 64 + rest.trailing_zeros() as usize);
                } else {
                    skip -= 1;
                }
                rest &= rest - 1;
            }
            if found.len() == size {
                break;
            }
        }
        found
    }
}

fn put(words: &mut [u64], rank: u32) {
    words[rank as usize / 64] |= 1 << (rank % 64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_selection_is_what_plain_sets_would_give(
            len in 1usize..300,
            keep in prop::collection::btree_set(0u32..300, 0..300),
            drop in prop::collection::btree_set(0u32..300, 0..20),
            skip in 0usize..50,
            size in 1usize..20,
        ) {
            let within = |set: BTreeSet<u32>| -> Vec<u32> { set.into_iter().filter(|rank| (*rank as usize) < len).collect() };
            let (keep, drop) = (within(keep), within(drop));
            let mut selection = Selection::all(len);
            selection.keep(&Set::new(keep.iter().copied(), len));
            selection.drop(&Set::new(drop.iter().copied(), len));
            let plain: Vec<usize> = keep.iter().filter(|rank| !drop.contains(rank)).map(|rank| *rank as usize).collect();
            prop_assert_eq!(selection.count(), plain.len());
            prop_assert_eq!(selection.count_below(len / 2), plain.iter().filter(|rank| **rank < len / 2).count());
            prop_assert_eq!(selection.count_below(len), plain.len());
            let page: Vec<usize> = plain.iter().copied().skip(skip).take(size).collect();
            prop_assert_eq!(selection.ascending(skip, size), page);
        }
    }

    #[test]
    fn a_full_selection_ends_at_its_length() {
        for len in [0, 1, 63, 64, 65, 128] {
            assert_eq!(Selection::all(len).count(), len);
        }
    }
}
