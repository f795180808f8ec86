//! What is remembered of one player: one sorted list of small cells for all goals, and the ids of the events that counted.
//! Refuses to judge: it only keeps, finds and encodes. Two allocations, so a copy is two copies of memory.

mod code;

use std::ops::Range;

/// A player's progress in all campaigns of one game, and the ids of the events that were counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlayerState {
    /// Nothing that happened at or before this moment is accepted any more, in microseconds.
    pub(crate) closed: i64,
    /// Sorted by (head, key, value).
    cells: Vec<Cell>,
    /// Sorted by (second, id).
    seen: Vec<Seen>,
    /// Values of scopes; a scope's id is its place here, from 1.
    scopes: Vec<Scope>,
    /// Whether any cell is a correction, so that players without one never look.
    pub(crate) corrected: bool,
    /// Whether any cell is a lineage: hardly a campaign is ever started over.
    lineages: bool,
}

/// The lineage of a campaign that was never started over.
const FIRST_LINEAGE: i64 = 1;

/// Why stored bytes are no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Written by a newer program, whose version this is: leave it alone.
    #[error("player state of version {0} is newer than this program's: upgrading would be right")]
    Newer(u8),
    /// Not a state, or cut short.
    #[error("player state is broken")]
    Broken,
}

/// One remembered number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    /// Whose it is and what it is: see [`Head`].
    pub(crate) head: Head,
    /// Which one: a period's key, a moment, a hash; as the tag says.
    pub(crate) key: i64,
    /// The number.
    pub(crate) value: i64,
}

/// Campaign number (32 bits), goal's place + 1 or 0 for the campaign itself (16), scope (8), tag (8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head(pub(crate) u64);

/// What a cell holds. The numbers are stored: never change or reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    /// Of the campaign: value is the lineage; in memory the first one goes without saying.
    Lineage = 0,
    /// Of the campaign: value is the moment of the opt-in.
    OptedIn = 1,
    /// By period: the highest tier or repeat reached.
    Reached = 2,
    /// By period: count, sum, largest, best window, or a bit for each item or goal.
    Value = 3,
    /// By period: an operator's correction.
    Correction = 4,
    /// By 64 days: a bit for each.
    Days = 5,
    /// By hash of value and period: value is the period's key.
    Member = 6,
    /// By moment: how much counted then.
    Stamp = 7,
    /// By moment: value is the event's id, its lowest bit says whether it was a hit.
    Entry = 8,
    /// By the start of a cap's stretch: how much came in it.
    Part = 9,
    /// By period: when the goal was reached in the order of time, for those that come after it.
    Gate = 10,
}

impl Head {
    pub(crate) fn campaign(number: u32, tag: Tag) -> Head {
        Head(u64::from(number) << 32 | tag as u64)
    }

    /// `goal` is its place in the document.
    pub(crate) fn goal(number: u32, goal: u16) -> Head {
        Head(u64::from(number) << 32 | (u64::from(goal) + 1) << 16)
    }

    pub(crate) fn scoped(self, scope: u8) -> Head {
        Head(self.0 & !0xff00 | u64::from(scope) << 8)
    }

    pub(crate) fn tagged(self, tag: Tag) -> Head {
        Head(self.0 & !0xff | tag as u64)
    }

    pub(crate) fn is(self, tag: Tag) -> bool {
        self.0 & 0xff == tag as u64
    }

    /// Whether it is of a campaign's lineage.
    fn is_lineage(self) -> bool {
        self.is(Tag::Lineage) && self.place().is_none()
    }

    /// The goal's place in the document; none for the campaign's own cells.
    pub(crate) fn place(self) -> Option<u16> {
        u16::try_from(self.0 >> 16 & 0xffff).expect("16 bits fit").checked_sub(1)
    }

    fn number(self) -> u32 {
        u32::try_from(self.0 >> 32).expect("32 bits fit")
    }
}

/// An event that was counted: its second and its id in two halves, twelve bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    second: u32,
    high: u32,
    low: u32,
}

/// A scope's value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    number: u32,
    hash: u32,
    text: Box<str>,
}

const SECOND_US: i64 = kernel::time::SECOND_US;

impl PlayerState {
    /// Reads what [`PlayerState::encode`] wrote; no bytes are an empty state.
    pub fn decode(bytes: &[u8]) -> Result<PlayerState, StateError> {
        code::decode(bytes)
    }

    /// Appends the state, compact and versioned.
    pub fn encode(&self, out: &mut Vec<u8>) {
        code::encode(self, out);
    }

    /// Bytes it holds in memory, for a cache's bound.
    pub fn size(&self) -> usize {
        size_of::<PlayerState>()
            + self.cells.capacity() * size_of::<Cell>()
            + self.seen.capacity() * size_of::<Seen>()
            + self.scopes.iter().map(|scope| size_of::<Scope>() + scope.text.len()).sum::<usize>()
    }

    /// Looks over its memory and answers nothing of worth: whoever does this for many states at once waits for their memory at once,
    /// where steps one after the other would wait for each.
    #[inline]
    pub fn look_over(&self) -> u64 {
        // A line of memory holds two to three cells, and five ids.
        let cells = self.cells.iter().step_by(2).fold(0, |sum, cell| sum ^ cell.head.0);
        self.seen.iter().step_by(5).fold(cells, |sum, seen| sum ^ u64::from(seen.low))
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.seen.is_empty()
    }

    fn place(&self, head: Head, key: i64) -> usize {
        self.cells.partition_point(|cell| (cell.head, cell.key) < (head, key))
    }

    pub(crate) fn get(&self, head: Head, key: i64) -> Option<i64> {
        self.cells.get(self.place(head, key)).filter(|cell| cell.head == head && cell.key == key).map(|cell| cell.value)
    }

    /// Sets a cell; whether it is new.
    pub(crate) fn set(&mut self, head: Head, key: i64, value: i64) -> bool {
        let place = self.place(head, key);
        match self.cells.get_mut(place) {
            Some(cell) if cell.head == head && cell.key == key => {
                cell.value = value;
                false
            }
            _ => {
                self.insert(place, Cell { head, key, value });
                true
            }
        }
    }

    /// Adds to a cell that counts, never past what 64 bits hold; the sum, and whether the cell is new.
    pub(crate) fn add(&mut self, head: Head, key: i64, by: i64) -> (i64, bool) {
        let place = self.place(head, key);
        match self.cells.get_mut(place) {
            Some(cell) if cell.head == head && cell.key == key => {
                cell.value = cell.value.saturating_add(by);
                (cell.value, false)
            }
            _ => {
                self.insert(place, Cell { head, key, value: by });
                (by, true)
            }
        }
    }

    /// Adds a cell beside those of the same key.
    pub(crate) fn insert_beside(&mut self, cell: Cell) {
        let place = self.cells.partition_point(|other| *other < cell);
        self.insert(place, cell);
    }

    fn insert(&mut self, place: usize, cell: Cell) {
        grow(&mut self.cells);
        self.cells.insert(place, cell);
    }

    /// Where the cells of a head are whose keys lie from `from` to before `until`.
    pub(crate) fn range(&self, head: Head, from: i64, until: i64) -> Range<usize> {
        let start = self.place(head, from);
        start..start + self.cells[start..].iter().take_while(|cell| cell.head == head && cell.key < until).count()
    }

    pub(crate) fn cells(&self, range: Range<usize>) -> &[Cell] {
        &self.cells[range]
    }

    pub(crate) fn remove(&mut self, range: Range<usize>) {
        self.cells.drain(range);
    }

    pub(crate) fn set_at(&mut self, place: usize, value: i64) {
        self.cells[place].value = value;
    }

    /// Removes the cells of a goal and scope that `gone` names.
    pub(crate) fn prune(&mut self, goal: Head, mut gone: impl FnMut(&Cell) -> bool) {
        let start = self.cells.partition_point(|cell| cell.head < goal);
        let end = start + self.cells[start..].iter().take_while(|cell| cell.head.0 & !0xff == goal.0 & !0xff).count();
        let mut kept = start;
        for place in start..end {
            let cell = self.cells[place];
            if !gone(&cell) {
                self.cells[kept] = cell;
                kept += 1;
            }
        }
        self.cells.drain(kept..end);
    }

    /// The lineage that the cells of a campaign are of.
    pub(crate) fn lineage(&self, number: u32) -> i64 {
        if !self.lineages {
            return FIRST_LINEAGE;
        }
        self.get(Head::campaign(number, Tag::Lineage), 0).unwrap_or(FIRST_LINEAGE)
    }

    pub(crate) fn set_lineage(&mut self, number: u32, lineage: i64) {
        self.set(Head::campaign(number, Tag::Lineage), 0, lineage);
        self.lineages = true;
    }

    /// Removes the cells of a campaign that `gone` names; whether there were any.
    pub(crate) fn remove_campaign(&mut self, number: u32, gone: impl Fn(Head) -> bool) -> bool {
        let before = self.cells.len();
        self.cells.retain(|cell| cell.head.number() != number || !gone(cell.head));
        self.corrected = self.cells.iter().any(|cell| cell.head.is(Tag::Correction));
        before != self.cells.len()
    }

    /// Whether an event with that id was counted.
    pub(crate) fn knows(&self, id: u64) -> bool {
        let (high, low) = halves(id);
        self.seen.iter().any(|seen| seen.low == low && seen.high == high)
    }

    /// Remembers an event. When there are `max`, the oldest second goes, and nothing as old is accepted from then on.
    pub(crate) fn remember(&mut self, at: i64, id: u64, max: usize) {
        let expired = self.seen.iter().take_while(|seen| last_us(seen.second) <= self.closed).count();
        if expired > 0 {
            self.seen.drain(..expired);
        }
        let (high, low) = halves(id);
        let second = u32::try_from(at.div_euclid(SECOND_US)).unwrap_or(u32::MAX);
        let seen = Seen { second, high, low };
        grow(&mut self.seen);
        let place = self.seen.iter().rposition(|other| *other < seen).map_or(0, |before| before + 1);
        self.seen.insert(place, seen);
        if self.seen.len() > max {
            let oldest = self.seen.remove(0);
            self.closed = self.closed.max(last_us(oldest.second));
        }
    }

    /// The id of a campaign's scope; a new one if there is room for it. Where all ids are taken, one of a campaign that is not in force
    /// any more is taken again, and what was remembered of that campaign goes.
    pub(crate) fn scope(&mut self, number: u32, value: &str, max: u8, is_in_force: impl Fn(u32) -> bool) -> Option<u8> {
        let hash = scope_hash(value);
        if let Some(id) = self.scope_id(number, hash) {
            return Some(id);
        }
        let of_campaign = self.scopes.iter().filter(|scope| scope.number == number).count();
        if of_campaign >= usize::from(max) {
            return None;
        }
        let end = value.floor_char_boundary(crate::campaign::limits::SCOPE_TEXT_MAX);
        let scope = Scope { number, hash, text: value[..end].into() };
        if self.scopes.len() < usize::from(u8::MAX) {
            self.scopes.push(scope);
            return u8::try_from(self.scopes.len()).ok();
        }
        let place = self.scopes.iter().position(|scope| !is_in_force(scope.number))?;
        self.remove_campaign(self.scopes[place].number, |_| true);
        self.scopes[place] = scope;
        u8::try_from(place + 1).ok()
    }

    pub(crate) fn scope_id(&self, number: u32, hash: u32) -> Option<u8> {
        let place = self.scopes.iter().position(|scope| scope.hash == hash && scope.number == number)?;
        u8::try_from(place + 1).ok()
    }

    /// The scopes of a campaign: id, hash, text.
    pub(crate) fn scopes_of(&self, number: u32) -> impl Iterator<Item = (u8, u32, &str)> {
        let ids = (1..=u8::MAX).zip(&self.scopes);
        ids.filter(move |(_, scope)| scope.number == number).map(|(id, scope)| (id, scope.hash, &*scope.text))
    }

    pub(crate) fn scope_hash_of(&self, id: u8) -> Option<u32> {
        self.scopes.get(usize::from(id).checked_sub(1)?).map(|scope| scope.hash)
    }
}

/// The last microsecond of a second.
fn last_us(second: u32) -> i64 {
    (i64::from(second) + 1) * SECOND_US - 1
}

/// Two lists for each of millions of players: a quarter more at a time, where doubling would waste half.
fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 4 + 4);
    }
}

fn halves(id: u64) -> (u32, u32) {
    (u32::try_from(id >> 32).expect("32 bits fit"), u32::try_from(id & 0xffff_ffff).expect("32 bits fit"))
}

/// 30 bits that stand for a scope's value in keys.
pub(crate) fn scope_hash(value: &str) -> u32 {
    u32::try_from(xxhash_rust::xxh3::xxh3_64(value.as_bytes()) >> 34).expect("30 bits fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_of_many_campaigns_finds_room_for_scopes_in_those_that_are_over() {
        let mut state = PlayerState::default();
        for campaign in 1..=51 {
            for scope in ["a", "b", "c", "d", "e"] {
                let id = state.scope(campaign, scope, 5, |_| true).unwrap();
                state.set(Head::goal(campaign, 0).scoped(id).tagged(Tag::Value), 0, 1);
            }
        }
        assert_eq!(state.scope(52, "a", 5, |_| true), None, "all are in force");
        let id = state.scope(52, "a", 5, |number| number > 3).unwrap();
        assert_eq!(state.scope(52, "a", 5, |_| true), Some(id));
        assert_eq!((state.scope_id(1, scope_hash("a")), state.cells.len()), (None, 50 * 5), "what was remembered of the first is gone");
        assert!(state.scope_id(2, scope_hash("a")).is_some(), "the others are as they were");
    }
}
