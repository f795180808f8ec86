//! What earlier programs stored is read, and written again as they wrote it.

use super::super::*;

/// A state as version 1 of its form has it: two campaigns, one of them started over, two events.
const STORED: [u8; 46] = [
    1, 0x80, 0x89, 0x7a, // version; closed: 1,000,000 µs
    5,    // cells
    0x80, 0x80, 0x40, 0, 2, // campaign 1, lineage: 1
    0x13, 0, 14, // its first goal's value: 7
    0x93, 0x80, 0xc0, 0x01, 0, 4, // campaign 2, lineage: 2
    0x12, 0, 2, // its first goal's highest tier: 1
    0x01, 0x80, 0x01, 4, // its value in the period of 64: 2
    2, // events
    5, 1, 0, 0, 0, 2, 0, 0, 0, // second 5, id 1 << 32 | 2
    3, 0, 0, 0, 0, 9, 0, 0, 0, // second 8, id 9
    0, // scopes
];

#[test]
fn a_stored_state_is_read_and_written_as_it_was() {
    let state = PlayerState::decode(&STORED).unwrap();
    assert_eq!(state.closed, 1_000_000);
    assert_eq!((state.lineage(1), state.lineage(2)), (1, 2));
    assert_eq!(state.get(Head::goal(1, 0).tagged(Tag::Value), 0), Some(7));
    assert_eq!(state.get(Head::goal(2, 0).tagged(Tag::Reached), 0), Some(1));
    assert_eq!(state.get(Head::goal(2, 0).tagged(Tag::Value), 64), Some(2));
    assert!(state.knows(1 << 32 | 2) && state.knows(9) && !state.knows(2));
    let mut again = Vec::new();
    state.encode(&mut again);
    assert_eq!(again, STORED);
}

#[test]
fn a_first_lineage_goes_without_saying_and_is_stored_where_there_is_progress() {
    let mut state = PlayerState::default();
    state.set(Head::campaign(3, Tag::OptedIn), 0, 5);
    state.set(Head::goal(4, 1).tagged(Tag::Value), 0, 9);
    let mut stored = Vec::new();
    state.encode(&mut stored);
    assert_eq!(stored[2], 3, "the opt-in, the lineage of the campaign with progress, the progress");
    assert_eq!(PlayerState::decode(&stored).unwrap(), state);
}

#[test]
fn cells_out_of_order_are_refused() {
    // The last cell's key below that of the one before it, of the same head.
    let broken = [1, 0, 2, 0x93, 0x80, 0x40, 4, 2, 0, 3, 2, 0, 0];
    assert_eq!(PlayerState::decode(&broken), Err(StateError::Broken));
}
