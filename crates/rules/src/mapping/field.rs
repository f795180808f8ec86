//! Fields of an event: where each comes from, what means none, what its values are called, and what to take instead.
//! Refuses values that the mapping does not foresee, with the field's name and the value.

use super::filter::Filter;
use super::number::{Numeric, Round};
use super::record::{Got, Limit, Place, Record};
use super::shape::Source;
use super::slot::{Kind, Slot};
use super::time::Time;
use super::unfit::{Fit, Reason, Unfit, shown};

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    /// As the document calls it, for details.
    pub(super) what: Box<str>,
    pub(super) from: From,
    /// Values that mean none.
    pub(super) none: Vec<Box<str>>,
    pub(super) map: Option<Map>,
    /// How a number at its path becomes a whole one.
    pub(super) numeric: Numeric,
    /// Asked where this one gives nothing.
    pub(super) or: Option<Box<Field>>,
}

/// Where a field's value comes from.
#[derive(Debug)]
pub(super) enum From {
    Path(Source),
    Constant(Constant),
    Test(Box<Filter>),
    Between(Box<Between>),
}

/// A value of the mapping's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Constant {
    None,
    /// One of the mapping's texts.
    Text(Slot),
    Integer(i64),
    Flag(bool),
}

/// The time from one moment to another, in a unit.
#[derive(Debug)]
pub(super) struct Between {
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) unit_us: i64,
    pub(super) round: Round,
}

/// What a game's values are called.
#[derive(Debug)]
pub(super) struct Map {
    /// In the order of their names.
    pub(super) entries: Vec<(Box<str>, Constant)>,
    /// For all others; without it they are refused.
    pub(super) otherwise: Option<Constant>,
}

/// A value before its type is known. Every payload is one word, so that it travels in registers.
#[derive(Clone, Copy)]
enum Found {
    Missing,
    None,
    Slot(Slot),
    Integer(i64),
    Flag(u64),
}

impl Found {
    fn of(constant: Constant) -> Found {
        match constant {
            Constant::None => Found::None,
            Constant::Text(text) => Found::Slot(text),
            Constant::Integer(number) => Found::Integer(number),
            Constant::Flag(flag) => Found::Flag(u64::from(flag)),
        }
    }
}

impl Field {
    /// Most fields are a path and nothing else: those are read here, all others by [`Field::first`].
    #[inline]
    fn find(&self, record: &Record<'_>, place: Place) -> Fit<Found> {
        if let From::Path(source) = &self.from
            && self.none.is_empty()
            && self.map.is_none()
        {
            let slot = record.slot(place, source);
            if slot.kind().is_single() {
                return Ok(Found::Slot(slot));
            }
        }
        self.first(record, place)
    }

    /// The field that stands in for one that gave nothing. A value that means none stays none where that one has nothing either.
    #[inline]
    fn or_else<T>(&self, got: Got<T>, ask: impl FnOnce(&Field) -> Fit<Got<T>>) -> Fit<Got<T>> {
        match (&got, &self.or) {
            (Got::Missing, Some(or)) => ask(or),
            (Got::None, Some(or)) => ask(or).map(|other| if matches!(other, Got::Missing) { Got::None } else { other }),
            _ => Ok(got),
        }
    }

    #[inline(never)]
    fn first(&self, record: &Record<'_>, place: Place) -> Fit<Found> {
        let source = match &self.from {
            From::Path(source) => source,
            From::Constant(constant) => return Ok(Found::of(*constant)),
            From::Test(filter) => return Ok(Found::Flag(u64::from(filter.holds(record, place)))),
            From::Between(between) => return between.read(record, place),
        };
        let slot = record.slot(place, source);
        match slot.kind() {
            Kind::Missing | Kind::Null => return Ok(Found::Missing),
            Kind::Nested => {
                let detail = format!("{}: {} is an array or object: a single value would be right", self.what, source.name);
                return Err(Unfit::new(Reason::WrongType, detail));
            }
            _ => (),
        }
        if self.none.is_empty() && self.map.is_none() {
            return Ok(Found::Slot(slot));
        }
        let written = record.written(slot);
        if self.none.iter().any(|none| **none == *written) {
            return Ok(Found::None);
        }
        let Some(map) = &self.map else { return Ok(Found::Slot(slot)) };
        match map.find(written) {
            Some(constant) => Ok(Found::of(constant)),
            None => Err(Unfit::new(Reason::UnknownValue, format!("{}: {} is not in its map", self.what, shown(written)))),
        }
    }

    /// The field as text.
    #[inline]
    pub(super) fn text(&self, record: &Record<'_>, place: Place, limit: Limit) -> Fit<Got<Slot>> {
        let got = match self.find(record, place)? {
            Found::Slot(slot) => return record.checked(&self.what, slot, limit).map(Got::Value),
            Found::Missing => Got::Missing,
            Found::None => Got::None,
            Found::Integer(_) | Found::Flag(_) => return Err(self.wrong("a text")),
        };
        self.or_else(got, |or| or.text(record, place, limit))
    }

    /// The field as a whole number.
    #[inline]
    pub(super) fn integer(&self, record: &Record<'_>, place: Place) -> Fit<Got<i64>> {
        let got = match self.find(record, place)? {
            Found::Slot(slot) => return record.integer(&self.what, slot, self.numeric).map(Got::Value),
            Found::Integer(number) => return Ok(Got::Value(number)),
            Found::Missing => Got::Missing,
            Found::None => Got::None,
            Found::Flag(_) => return Err(self.wrong("a whole number")),
        };
        self.or_else(got, |or| or.integer(record, place))
    }

    /// The field as yes or no.
    #[inline]
    pub(super) fn flag(&self, record: &Record<'_>, place: Place) -> Fit<Got<bool>> {
        let got = match self.find(record, place)? {
            Found::Slot(slot) => return record.flag(&self.what, slot).map(Got::Value),
            Found::Flag(flag) => return Ok(Got::Value(flag == 1)),
            Found::Missing => Got::Missing,
            Found::None => Got::None,
            Found::Integer(_) => return Err(self.wrong("a flag")),
        };
        self.or_else(got, |or| or.flag(record, place))
    }

    /// Constants are checked when the document is read, so this is not met.
    fn wrong(&self, right: &str) -> Box<Unfit> {
        Unfit::new(Reason::WrongType, format!("{}: the mapping's own value is not {right}", self.what))
    }

    /// What a record is told that lacks this field.
    pub(super) fn missing(&self) -> Box<Unfit> {
        let detail = match &self.from {
            From::Path(source) => format!("{}: {} is missing", self.what, source.name),
            _ => format!("{} is missing", self.what),
        };
        Unfit::new(Reason::MissingField, detail)
    }
}

impl Between {
    fn read(&self, record: &Record<'_>, place: Place) -> Fit<Found> {
        let (from, to) = match (self.from.read(record, place)?, self.to.read(record, place)?) {
            (Got::Value(from), Got::Value(to)) => (from, to),
            (Got::None, _) | (_, Got::None) => return Ok(Found::None),
            _ => return Ok(Found::Missing),
        };
        let us = to.saturating_sub(from);
        let (down, left) = (us.div_euclid(self.unit_us), us.rem_euclid(self.unit_us));
        let up = match self.round {
            Round::Down | Round::Exact => false,
            Round::Up => left > 0,
            Round::Nearest => left >= self.unit_us - left,
        };
        Ok(Found::Integer(down + i64::from(up)))
    }
}

impl Map {
    fn find(&self, written: &str) -> Option<Constant> {
        let found = self.entries.binary_search_by(|(name, _)| (**name).cmp(written));
        found.map_or(self.otherwise, |at| Some(self.entries[at].1))
    }
}
