//! One record while its events are made: its text, the places of its values, and how a place's value is read.
//! Hands out pieces of the record; copies none.

use super::number::{Numeric, whole};
use super::plan::Plan;
use super::shape::Source;
use super::slot::{Kind, Rows, Slot};
use super::time::Settled;
use super::unfit::{Fit, Reason, Unfit, shown};
use kernel::Instant;
use std::cell::Cell;

/// A record that was read; its wanted values lie in `levels`.
#[derive(Clone, Copy)]
pub(super) struct Record<'r> {
    pub(super) plan: &'r Plan,
    pub(super) text: &'r str,
    pub(super) kept: &'r str,
    pub(super) levels: &'r [Rows],
    pub(super) zones: &'r [Cell<Settled>],
    pub(super) appended_at: Instant,
}

/// The row that an event is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) level: usize,
    pub(super) row: usize,
}

impl Place {
    /// The record itself.
    pub(super) const RECORD: Place = Place { level: 0, row: 0 };
}

/// What a field gave.
#[derive(Debug, Clone, Copy)]
pub(super) enum Got<T> {
    /// The record does not have it, or it is null.
    Missing,
    /// The record has a value that means none.
    None,
    Value(T),
}

impl<'r> Record<'r> {
    #[inline]
    pub(super) fn slot(&self, place: Place, source: &Source) -> Slot {
        let mut place = place;
        for _ in 0..source.up {
            place = self.above(place);
        }
        self.levels[place.level].get(place.row, source.slot)
    }

    pub(super) fn above(&self, place: Place) -> Place {
        let parent = self.levels[place.level].origin(place.row).parent;
        Place { level: self.plan.shape.levels[place.level].parent, row: parent }
    }

    /// A value as text, perhaps one of the mapping's own: a number, true and false as they are written. Empty where there is none.
    pub(super) fn written(&self, slot: Slot) -> &'r str {
        match slot.kind() {
            Kind::Kept => &self.kept[slot.start()..slot.end()],
            Kind::Constant => &self.plan.texts[slot.start()],
            _ => &self.text[slot.start()..slot.end()],
        }
    }

    /// A value's text, checked: not longer than it may be, no NUL.
    #[inline]
    pub(super) fn checked(&self, what: &str, slot: Slot, limit: Limit) -> Fit<Slot> {
        let written = self.written(slot);
        if written.len() > limit.bytes {
            return Err(Unfit::new(limit.reason, format!("{what}: {} is longer than {} bytes", shown(written), limit.bytes)));
        }
        if slot.kind() == Kind::Kept && memchr::memchr(0, written.as_bytes()).is_some() {
            return Err(Unfit::new(Reason::Nul, format!("{what}: {} holds NUL", shown(written))));
        }
        Ok(slot)
    }

    /// A value as a whole number.
    #[inline]
    pub(super) fn integer(&self, what: &str, slot: Slot, how: Numeric) -> Fit<i64> {
        let written = self.written(slot);
        if matches!(slot.kind(), Kind::True | Kind::False) {
            return Err(Unfit::new(Reason::WrongType, format!("{what}: {written} is a flag: a number would be right")));
        }
        whole(written, how)
            .ok_or_else(|| Unfit::new(Reason::BadNumber, format!("{what}: {} is no whole number of 64 bits", shown(written))))
    }

    /// A value as yes or no.
    pub(super) fn flag(&self, what: &str, slot: Slot) -> Fit<bool> {
        match (slot.kind(), self.written(slot)) {
            (Kind::True, _) | (_, "1" | "true") => Ok(true),
            (Kind::False, _) | (_, "0" | "false" | "") => Ok(false),
            (_, other) => Err(Unfit::new(
                Reason::WrongType,
                format!("{what}: {} is no flag: true, false, \"1\", \"0\" or \"\" would be right, or a map", shown(other)),
            )),
        }
    }
}

/// How long a text may be, and what it is called when it is longer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    bytes: usize,
    reason: Reason,
}

impl Limit {
    pub(super) const PLAYER: Limit = Limit { bytes: 128, reason: Reason::IdTooLong };
    pub(super) const ID: Limit = Limit { bytes: 256, reason: Reason::IdTooLong };
    pub(super) const KIND: Limit = Limit { bytes: 64, reason: Reason::TextTooLong };
    pub(super) const TEXT: Limit = Limit { bytes: 256, reason: Reason::TextTooLong };
}
