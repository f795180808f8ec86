//! The stored form of a player's state, version 1: variable-length integers, each number as the difference to the one before.
//! Refuses states of newer versions and bytes that are cut, so that nothing is overwritten that was not understood.
//!
//! `version, closed, cells, seen, scopes`, each list with its length first. A cell is the exclusive-or
//! of its packed head with the previous one's, its key (as difference within the same head) and its value, zigzag.
//! Each campaign with progress has its lineage there, the first one as well, which goes without saying in memory.

use super::{Cell, FIRST_LINEAGE, Head, PlayerState, Scope, Seen, StateError, Tag};

const VERSION: u8 = 1;

pub(super) fn encode(state: &PlayerState, out: &mut Vec<u8>) {
    out.reserve(16 + state.cells.len() * 8 + state.seen.len() * 10);
    out.push(VERSION);
    signed(out, state.closed);
    let of_campaigns = || state.cells.chunk_by(|a, b| a.head.number() == b.head.number());
    unsigned(out, (state.cells.len() + of_campaigns().filter(|cells| is_of_first_lineage(cells)).count()) as u64);
    let mut before = Cell { head: Head(0), key: 0, value: 0 };
    for cells in of_campaigns() {
        if is_of_first_lineage(cells) {
            let head = Head::campaign(cells[0].head.number(), Tag::Lineage);
            write_cell(out, &mut before, Cell { head, key: 0, value: FIRST_LINEAGE });
        }
        cells.iter().for_each(|cell| write_cell(out, &mut before, *cell));
    }
    unsigned(out, state.seen.len() as u64);
    let mut second = 0;
    for seen in &state.seen {
        unsigned(out, u64::from(seen.second - second));
        second = seen.second;
        out.extend_from_slice(&seen.high.to_le_bytes());
        out.extend_from_slice(&seen.low.to_le_bytes());
    }
    unsigned(out, state.scopes.len() as u64);
    for scope in &state.scopes {
        unsigned(out, u64::from(scope.number));
        unsigned(out, u64::from(scope.hash));
        unsigned(out, scope.text.len() as u64);
        out.extend_from_slice(scope.text.as_bytes());
    }
}

/// Whether cells of a campaign hold progress of a lineage that goes without saying.
fn is_of_first_lineage(cells: &[Cell]) -> bool {
    !cells[0].head.is_lineage() && cells.iter().any(|cell| cell.head.place().is_some())
}

fn write_cell(out: &mut Vec<u8>, before: &mut Cell, cell: Cell) {
    unsigned(out, packed(cell.head) ^ packed(before.head));
    let base = if cell.head == before.head { before.key } else { 0 };
    signed(out, cell.key.wrapping_sub(base));
    if is_raw(cell.head) {
        out.extend_from_slice(&cell.value.to_le_bytes());
    } else {
        signed(out, cell.value);
    }
    *before = cell;
}

/// A head with its bits moved so that cells that follow one another differ in few low ones: tag 4, goal 16, number 32, scope 8.
fn packed(head: Head) -> u64 {
    let head = head.0;
    head & 0xf | (head >> 16 & 0xffff) << 4 | (head >> 32) << 20 | (head >> 8 & 0xff) << 52
}

fn unpacked(packed: u64) -> Head {
    Head(packed & 0xf | (packed >> 4 & 0xffff) << 16 | (packed >> 20 & 0xffff_ffff) << 32 | (packed >> 52 & 0xff) << 8)
}

/// Ids and bits fill all eight bytes, where a variable length would take more.
fn is_raw(head: Head) -> bool {
    head.is(Tag::Entry) || head.is(Tag::Days)
}

pub(super) fn decode(bytes: &[u8]) -> Result<PlayerState, StateError> {
    let mut from = Reader { bytes };
    match from.byte() {
        None => return Ok(PlayerState::default()),
        Some(VERSION) => {}
        Some(version) if version > VERSION => return Err(StateError::Newer(version)),
        Some(_) => return Err(StateError::Broken),
    }
    let state = body(&mut from).ok_or(StateError::Broken)?;
    if from.bytes.is_empty() && state.seen.is_sorted() { Ok(state) } else { Err(StateError::Broken) }
}

fn body(from: &mut Reader<'_>) -> Option<PlayerState> {
    let closed = from.signed()?;
    let count = from.length(3)?;
    let mut cells = Vec::with_capacity(count);
    let mut before = Cell { head: Head(0), key: 0, value: 0 };
    let (mut corrected, mut lineages) = (false, false);
    for _ in 0..count {
        let head = unpacked(from.unsigned()? ^ packed(before.head));
        let base = if head == before.head { before.key } else { 0 };
        let key = base.wrapping_add(from.signed()?);
        let value = if is_raw(head) { i64::from_le_bytes(from.array()?) } else { from.signed()? };
        corrected |= head.is(Tag::Correction);
        let cell = Cell { head, key, value };
        // The first is compared with the least cell there could be.
        if before > cell {
            return None;
        }
        before = cell;
        if head.is_lineage() && value == FIRST_LINEAGE {
            continue;
        }
        lineages |= head.is_lineage();
        cells.push(cell);
    }
    let count = from.length(9)?;
    let mut seen = Vec::with_capacity(count);
    let mut second = 0_u32;
    for _ in 0..count {
        second = second.checked_add(u32::try_from(from.unsigned()?).ok()?)?;
        seen.push(Seen { second, high: u32::from_le_bytes(from.array()?), low: u32::from_le_bytes(from.array()?) });
    }
    let count = from.length(3)?;
    let mut scopes = Vec::with_capacity(count);
    for _ in 0..count {
        let (number, hash) = (u32::try_from(from.unsigned()?).ok()?, u32::try_from(from.unsigned()?).ok()?);
        let length = from.length(1)?;
        let (text, rest) = from.bytes.split_at_checked(length)?;
        from.bytes = rest;
        scopes.push(Scope { number, hash, text: std::str::from_utf8(text).ok()?.into() });
    }
    Some(PlayerState { closed, cells, seen, scopes, corrected, lineages })
}

fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Small numbers of either sign are short.
fn signed(out: &mut Vec<u8>, number: i64) {
    unsigned(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*first)
    }

    /// A list's length; none if the bytes left could not hold it, so that a broken state asks for no memory.
    fn length(&mut self, each_min: usize) -> Option<usize> {
        let length = usize::try_from(self.unsigned()?).ok()?;
        (length <= self.bytes.len() / each_min).then_some(length)
    }
}

#[cfg(test)]
mod tests;
