//! Decides what an import writes. Pure: no clock, no database, no randomness.
//! The caller has locked the catalogue's version and loaded the products that stand for these games.

use super::run::Counts;
use crate::steam::Fingerprint;
use kernel::ProductId;
use std::collections::{BTreeMap, HashMap};

/// The products that stand for games, and those that a batch has to write.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The id of the next product.
    pub(super) next_product: i64,
    /// Product and content of each game that is known.
    pub(super) known: HashMap<u32, (ProductId, Option<Fingerprint>)>,
    /// What to write: for each product the place of its row, and whether it is new. A game that occurs again replaces its row.
    pub(super) writes: BTreeMap<ProductId, (usize, bool)>,
}

/// Decides over games in file order; `place` is where the game's row is kept.
pub(super) fn games<'a>(state: &mut State, games: impl Iterator<Item = (usize, u32, &'a Fingerprint)>) -> Counts {
    let mut counts = Counts::default();
    for (place, app_id, fingerprint) in games {
        counts.read += 1;
        let known = state.known.get(&app_id).copied();
        match known {
            Some((_, Some(before))) if before == *fingerprint => {
                counts.unchanged += 1;
                continue;
            }
            Some((product, _)) => {
                counts.changed += 1;
                let added = state.writes.get(&product).is_some_and(|(_, added)| *added);
                state.writes.insert(product, (place, added));
                state.known.insert(app_id, (product, Some(*fingerprint)));
            }
            None => {
                counts.added += 1;
                let product = ProductId(state.next_product);
                state.next_product += 1;
                state.writes.insert(product, (place, true));
                state.known.insert(app_id, (product, Some(*fingerprint)));
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(state: &mut State, entries: &[(u32, u8)]) -> Counts {
        let prints: Vec<Fingerprint> = entries.iter().map(|(_, content)| [*content; 16]).collect();
        games(state, entries.iter().zip(&prints).enumerate().map(|(place, ((app_id, _), print))| (place, *app_id, print)))
    }

    proptest! {
        #[test]
        fn the_last_of_equal_games_is_written_and_every_game_is_counted_once(
            before in prop::collection::hash_map(0..12_u32, 0..3_u8, 0..12),
            entries in prop::collection::vec((0..12_u32, 0..3_u8), 0..40),
        ) {
            let known: HashMap<u32, (ProductId, Option<Fingerprint>)> =
                before.iter().map(|(app_id, content)| (*app_id, (ProductId(i64::from(*app_id) + 1), Some([*content; 16])))).collect();
            let mut state = State { next_product: 100, known, writes: BTreeMap::new() };
            let counts = run(&mut state, &entries);

            prop_assert_eq!(counts.read, entries.len() as u64);
            prop_assert_eq!(counts.read, counts.added + counts.changed + counts.unchanged);
            prop_assert_eq!(state.next_product, 100 + i64::try_from(counts.added).unwrap());
            let mut last: HashMap<u32, u8> = before.clone();
            last.extend(entries.iter().copied());
            for (app_id, content) in last {
                let (product, print) = state.known[&app_id];
                prop_assert_eq!(print, Some([content; 16]), "the content of game {} is the last one read", app_id);
                if let Some((place, added)) = state.writes.get(&product) {
                    prop_assert_eq!(entries[*place].0, app_id);
                    prop_assert_eq!(entries[*place].1, content, "the row written is the last one read");
                    prop_assert_eq!(*added, !before.contains_key(&app_id));
                }
            }
            let mut again = State { next_product: state.next_product, known: state.known.clone(), writes: BTreeMap::new() };
            let finals: Vec<(u32, u8)> = state.known.iter().map(|(app_id, (_, print))| (*app_id, print.unwrap()[0])).collect();
            let counts = run(&mut again, &finals);
            prop_assert_eq!(counts.unchanged, counts.read, "the same games again change nothing");
            prop_assert!(again.writes.is_empty());
        }
    }
}
