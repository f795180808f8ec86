//! Where a record's wanted values lie: places in its text, row by row for each level of its arrays.
//! Copies nothing but texts with escapes, and holds no more than its limits.

use super::text::Captures;
use super::time::Settled;
use std::cell::Cell;
use std::fmt;

/// Elements of a record's arrays that are looked at.
pub(super) const ELEMENTS_MAX: usize = 4_000;
/// Bytes that a scratch keeps for the next record; a rare huge record gives its memory back.
const KEPT_BYTES: usize = 64 * 1024;
const KEPT_SLOTS: usize = 16 * 1024;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// Not in the record.
    #[default]
    Missing,
    /// JSON's null.
    Null,
    /// A text that lies in the record as it is.
    Text,
    /// A text that had escapes; it lies unescaped in [`Scratch::kept`].
    Kept,
    Number,
    True,
    False,
    /// An array or an object.
    Nested,
    /// One of the mapping's own texts; its start is the text's number.
    Constant,
}

impl Kind {
    const ALL: [Kind; 9] =
        [Kind::Missing, Kind::Null, Kind::Text, Kind::Kept, Kind::Number, Kind::True, Kind::False, Kind::Nested, Kind::Constant];

    /// Whether it is a value, and a single one.
    pub(super) fn is_single(self) -> bool {
        !matches!(self, Kind::Missing | Kind::Null | Kind::Nested)
    }
}

/// A value's place: bytes `start..end` of the record, or of the kept texts. One word, so that it travels in a register:
/// 8 bits of kind, 28 of each place, as no record has more than 16 MiB and what is kept of it, for each of its levels, no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slot(u64);

const PLACE_BITS: u32 = 28;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

impl Slot {
    #[inline]
    pub(super) fn new(kind: Kind, start: usize, end: usize) -> Slot {
        Slot(kind as u64 | (start as u64 & PLACE_MASK) << 8 | (end as u64) << (8 + PLACE_BITS))
    }

    /// One of the mapping's own texts, by its number.
    pub(super) fn constant(number: usize) -> Slot {
        Slot::new(Kind::Constant, number, number)
    }

    #[inline]
    pub(super) fn kind(self) -> Kind {
        Kind::ALL[(self.0 & 0xF) as usize % Kind::ALL.len()]
    }

    #[inline]
    pub(super) fn start(self) -> usize {
        (self.0 >> 8 & PLACE_MASK) as usize
    }

    #[inline]
    pub(super) fn end(self) -> usize {
        (self.0 >> (8 + PLACE_BITS)) as usize
    }
}

/// The rows of one level: level 0 has one, the record; each array that events are made of has one per element.
#[derive(Default)]
pub(super) struct Rows {
    slots: Vec<Slot>,
    origins: Vec<Origin>,
    width: usize,
}

/// Which row of the level above a row belongs to, and its place among its siblings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) parent: usize,
    pub(super) position: usize,
}

impl Rows {
    fn begin(&mut self, width: usize) {
        self.width = width;
        self.slots.clear();
        self.origins.clear();
        if self.slots.capacity() > KEPT_SLOTS {
            self.slots.shrink_to(KEPT_SLOTS);
        }
    }

    /// Adds a row of missing values; its number.
    pub(super) fn add(&mut self, parent: usize, position: usize) -> usize {
        self.slots.resize(self.slots.len() + self.width, Slot::default());
        self.origins.push(Origin { parent, position });
        self.origins.len() - 1
    }

    #[inline]
    pub(super) fn set(&mut self, row: usize, slot: usize, value: Slot) {
        self.slots[row * self.width + slot] = value;
    }

    #[inline]
    pub(super) fn get(&self, row: usize, slot: usize) -> Slot {
        self.slots[row * self.width + slot]
    }

    pub(super) fn origin(&self, row: usize) -> Origin {
        self.origins[row]
    }

    pub(super) fn len(&self) -> usize {
        self.origins.len()
    }
}

/// An attribute before it is handed out.
#[derive(Clone, Copy)]
pub(super) enum Drawn {
    Missing,
    Integer(i64),
    Text(Slot),
    Flag(bool),
}

/// An event before it is handed out: a record gives all of its events or none.
#[derive(Clone, Copy, Default)]
pub(super) struct Draft {
    pub(super) id: u64,
    pub(super) player: Slot,
    pub(super) kind: Slot,
    pub(super) at_us: i64,
    pub(super) amount: i64,
    /// Missing where it was done with nothing.
    pub(super) item: Slot,
}

/// The memory that mapping a record needs, kept from record to record. One per thread and game: a scratch that another mapping
/// used before is set up anew.
#[derive(Default)]
pub struct Scratch {
    /// Number of the plan that this is set up for; 0 is none.
    pub(super) plan: u64,
    pub(super) levels: Vec<Rows>,
    pub(super) kept: String,
    pub(super) drafts: Vec<Draft>,
    /// The drafts' attributes, as many for each.
    pub(super) drawn: Vec<Drawn>,
    pub(super) captures: Vec<Captures>,
    pub(super) zones: Vec<Cell<Settled>>,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Scratch {
    /// Forgets the record before.
    pub(super) fn begin(&mut self, widths: impl Iterator<Item = usize>) {
        self.kept.clear();
        if self.kept.capacity() > KEPT_BYTES {
            self.kept.shrink_to(KEPT_BYTES);
        }
        self.drafts.clear();
        self.drawn.clear();
        for (level, width) in widths.enumerate() {
            if self.levels.len() == level {
                self.levels.push(Rows::default());
            }
            self.levels[level].begin(width);
        }
        self.levels[0].add(0, 0);
    }
}
