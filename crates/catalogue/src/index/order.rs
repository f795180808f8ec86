//! One sort order of all products, both ways: the slot at a rank and the rank of a slot.
//! Refuses to know what it sorts by: the key comes from whoever asks, and must be distinct.

/// Slots in ascending order of a key. A slot is a product's place in memory and never changes.
#[derive(Debug)]
pub(crate) struct Order {
    slots: Box<[u32]>,
    rank_of: Box<[u32]>,
}

impl Order {
    /// The order of slots 0 to `len` by `key`.
    pub(crate) fn sorted<K: Ord>(len: usize, key: impl Fn(u32) -> K) -> Order {
        let mut keyed: Vec<(K, u32)> = (0..number(len)).map(|slot| (key(slot), slot)).collect();
        keyed.sort_unstable();
        Order::of(keyed.into_iter().map(|(_, slot)| slot).collect())
    }

    /// This order after the keys of some slots changed or came new; the others keep their places among themselves.
    pub(crate) fn moved<K: Ord>(&self, len: usize, changed: &[u32], key: impl Fn(u32) -> K) -> Order {
        let mut leaves = vec![false; len];
        let mut movers: Vec<(K, u32)> = Vec::with_capacity(changed.len());
        for slot in changed {
            if !std::mem::replace(&mut leaves[*slot as usize], true) {
                movers.push((key(*slot), *slot));
            }
        }
        movers.sort_unstable();
        let kept: Vec<u32> = self.slots.iter().copied().filter(|slot| !leaves[*slot as usize]).collect();
        let mut slots = Vec::with_capacity(len);
        let mut from = 0;
        for (mover, slot) in movers {
            let to = from + kept[from..].partition_point(|other| key(*other) < mover);
            slots.extend_from_slice(&kept[from..to]);
            slots.push(slot);
            from = to;
        }
        slots.extend_from_slice(&kept[from..]);
        Order::of(slots.into_boxed_slice())
    }

    fn of(slots: Box<[u32]>) -> Order {
        let mut rank_of = vec![0; slots.len()].into_boxed_slice();
        for (rank, slot) in slots.iter().enumerate() {
            rank_of[*slot as usize] = number(rank);
        }
        Order { slots, rank_of }
    }

    /// All slots, in order.
    pub(crate) fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// Where a slot stands.
    pub(crate) fn rank_of(&self, slot: u32) -> u32 {
        self.rank_of[slot as usize]
    }
}

/// A count of products as a slot or rank.
pub(crate) fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a catalogue in memory holds fewer than four billion products")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn moving_changed_slots_gives_the_sorted_order(
            before in prop::collection::vec(0i64..20, 0..60),
            changes in prop::collection::vec((0usize..60, 0i64..20), 0..20),
            added in prop::collection::vec(0i64..20, 0..10),
        ) {
            let old = Order::sorted(before.len(), |slot| (before[slot as usize], slot));
            let mut after = before.clone();
            after.extend(&added);
            let mut changed: Vec<u32> = (before.len()..after.len()).map(number).collect();
            for (slot, key) in changes.into_iter().filter(|(slot, _)| *slot < before.len()) {
                after[slot] = key;
                changed.push(number(slot));
            }
            let key = |slot: u32| (after[slot as usize], slot);
            let (moved, sorted) = (old.moved(after.len(), &changed, key), Order::sorted(after.len(), key));
            prop_assert_eq!(&moved.slots, &sorted.slots);
            prop_assert!((0..number(after.len())).all(|slot| moved.slots[moved.rank_of(slot) as usize] == slot));
        }
    }
}
