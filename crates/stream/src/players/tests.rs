//! The cache against a database that accepts a state only over the version it was loaded at.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What happens to the players of a worker.
#[derive(Debug, Clone)]
enum Deed {
    Step(u8),
    Snapshot,
    Written,
    Failed,
    Evict(u8),
    Shrink(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0..40u8).prop_map(Deed::Step),
        2 => Just(Deed::Snapshot),
        2 => Just(Deed::Written),
        1 => Just(Deed::Failed),
        1 => (0..40u8).prop_map(Deed::Evict),
        1 => (0..30usize).prop_map(Deed::Shrink),
    ]
}

fn version_in_slot(players: &Players, name: &str) -> Option<i64> {
    let at = players.lookup(xxh3_64_with_seed(name.as_bytes(), players.seed), name)?;
    Some(players.slots[at as usize].version)
}

proptest! {
    /// The database accepts every snapshot: each version that is written stands on the one that lies there.
    #[test]
    fn a_state_is_always_written_over_the_version_it_was_loaded_at(deeds in proptest::collection::vec(deed(), 0..200)) {
        let mut players = Players::default();
        let mut database: BTreeMap<String, i64> = BTreeMap::new();
        let mut writing: Option<Snapshot> = None;
        for deed in deeds {
            match deed {
                Deed::Step(number) => {
                    let name = format!("p{number}");
                    if matches!(players.find(&name), Found::Wanted) {
                        // Loading sees the committed rows only, so it may not happen for a player who is being written.
                        let loaded: Vec<(String, i64)> =
                            players.wanted().iter().filter_map(|one| Some(((*one).to_owned(), *database.get(*one)?))).collect();
                        players.admit(loaded.iter().map(|(player, version)| (player.as_str(), *version, &[][..]))).unwrap();
                    }
                    let Found::Here(at) = players.find(&name) else { panic!("{name} was admitted") };
                    prop_assert_eq!(players.name(at), name);
                    players.mark_changed(at);
                }
                Deed::Snapshot if writing.is_none() => writing = Some(players.take_changed()),
                Deed::Snapshot => {}
                Deed::Written => {
                    if let Some(snapshot) = writing.take() {
                        for (player, loaded, _) in snapshot.rows() {
                            prop_assert_eq!(database.get(player).copied().unwrap_or(0), loaded, "{}", player);
                            database.insert(player.to_owned(), loaded + 1);
                        }
                        players.written();
                    }
                }
                Deed::Failed => {
                    writing = None;
                    players.drop_unwritten();
                    prop_assert_eq!(players.changed(), 0);
                    for (player, version) in &database {
                        prop_assert!(version_in_slot(&players, player).is_none_or(|held| held == *version));
                    }
                }
                Deed::Evict(number) => players.evict(&format!("p{number}")),
                Deed::Shrink(max) => players.shrink_to(max),
            }
            let known = players.by_hash.len();
            prop_assert_eq!(players.len(), known, "no two of forty names share a hash");
        }
    }
}

#[test]
fn those_who_were_used_lately_stay_longest() {
    let mut players = Players::default();
    for number in 0..100 {
        players.find(&format!("p{number}"));
    }
    players.admit(std::iter::empty()).unwrap();
    players.shrink_to(100);
    players.shrink_to(60);
    assert_eq!(players.len(), 60);
    let stayed: Vec<String> = (0..100).map(|n| format!("p{n}")).filter(|name| version_in_slot(&players, name).is_some()).collect();
    let used = stayed[7].clone();
    assert!(matches!(players.find(&used), Found::Here(_)));
    players.shrink_to(1);
    assert_eq!(players.len(), 1);
    assert!(version_in_slot(&players, &used).is_some(), "{used} was used after the others");
}

#[test]
fn names_of_one_hash_are_told_apart() {
    let mut players = Players::default();
    let places: Vec<At> = ["ann", "bob", "cid"].iter().map(|name| players.add(7, name)).collect();
    players.admit(std::iter::empty()).unwrap();
    assert_eq!(players.lookup(7, "bob"), Some(places[1]));
    players.forget(places[1]);
    assert_eq!(players.lookup(7, "bob"), None);
    assert_eq!((players.lookup(7, "ann"), players.lookup(7, "cid")), (Some(places[0]), Some(places[2])));
    players.forget(places[2]);
    players.forget(places[0]);
    assert!(players.by_hash.is_empty() && players.len() == 0);
}
