//! When something happened: a value of the record, written in any of the usual ways, made a moment in UTC.
//! Refuses moments that no event can have: before 1970, after 2199, or later than the record itself.

mod civil;
pub(super) mod iso;
mod pattern;
mod zone;

use super::number::{Numeric, Round, whole};
use super::record::{Got, Place, Record};
use super::shape::Source;
use super::slot::{Kind, Slot};
use super::unfit::{Fit, Reason, Unfit, shown};
use civil::{Civil, Reader};
use kernel::time::SECOND_US;
pub(super) use pattern::Pattern;
pub(super) use zone::Settled;

/// How much later than its append an event may be: clocks differ.
const AHEAD_US: i64 = 600 * SECOND_US;
/// 2200-01-01.
const END_US: i64 = 7_258_118_400 * SECOND_US;
/// A distance from UTC that no zone exceeds.
const OFFSET_MAX_S: i64 = 18 * 3_600;

/// A time of the record.
#[derive(Debug)]
pub(super) struct Time {
    /// As the document calls it, for details.
    pub(super) what: Box<str>,
    /// None: when the record was appended.
    pub(super) from: Option<Source>,
    /// Values that mean none.
    pub(super) none: Vec<Box<str>>,
    pub(super) form: Form,
    /// Number of the zone of local times; none is UTC.
    pub(super) zone: Option<usize>,
    /// Where the distance from UTC lies, and the seconds of its unit where it is a number.
    pub(super) offset: Option<(Source, i64)>,
    /// What to add, and the microseconds of its unit; a negative unit takes away.
    pub(super) plus: Option<(Source, i64)>,
    /// Asked where this one gives nothing.
    pub(super) or: Option<Box<Time>>,
}

/// How a time is written.
#[derive(Debug)]
pub(super) enum Form {
    Iso,
    /// Units since 1970: microseconds are the number times the first by the second.
    Epoch(i64, i64),
    Pattern(Pattern),
}

impl Time {
    /// The moment of an event, in microseconds.
    pub(super) fn event(&self, record: &Record<'_>, place: Place) -> Fit<Got<i64>> {
        let got = self.read(record, place)?;
        if let Got::Value(at_us) = got {
            if !(0..END_US).contains(&at_us) {
                let detail = format!("{}: {at_us} microseconds since 1970: a time from 1970 to 2199 would be right", self.what);
                return Err(Unfit::new(Reason::TimeOutOfRange, detail));
            }
            let ahead_us = at_us.saturating_sub(record.appended_at.0);
            if ahead_us > AHEAD_US {
                let detail = format!("{}: {} s after the record was appended: at most 600 would be right", self.what, ahead_us / SECOND_US);
                return Err(Unfit::new(Reason::InTheFuture, detail));
            }
        }
        Ok(got)
    }

    /// The moment in microseconds, whichever it is.
    pub(super) fn read(&self, record: &Record<'_>, place: Place) -> Fit<Got<i64>> {
        let got = self.first(record, place)?;
        match (&got, &self.or) {
            (Got::Missing, Some(or)) => or.read(record, place),
            (Got::None, Some(or)) => or.read(record, place).map(|other| if matches!(other, Got::Missing) { Got::None } else { other }),
            _ => Ok(got),
        }
    }

    fn first(&self, record: &Record<'_>, place: Place) -> Fit<Got<i64>> {
        let Some(source) = &self.from else { return Ok(Got::Value(record.appended_at.0)) };
        let slot = record.slot(place, source);
        let written = match slot.kind() {
            Kind::Missing | Kind::Null => return Ok(Got::Missing),
            Kind::Nested | Kind::True | Kind::False => {
                return Err(Unfit::new(Reason::WrongType, format!("{}: {} is no time", self.what, source.name)));
            }
            _ => record.written(slot),
        };
        if self.none.iter().any(|none| **none == *written) {
            return Ok(Got::None);
        }
        let at_us = self.moment(record, place, written)?;
        let Some((plus, unit_us)) = &self.plus else { return Ok(Got::Value(at_us)) };
        let slot = record.slot(place, plus);
        if matches!(slot.kind(), Kind::Missing | Kind::Null) {
            return Err(Unfit::new(Reason::MissingField, format!("{}: {} is missing", self.what, plus.name)));
        }
        let plus_us = record.integer(&self.what, slot, Numeric { times: *unit_us, round: Round::Down })?;
        Ok(Got::Value(at_us.saturating_add(plus_us)))
    }

    fn moment(&self, record: &Record<'_>, place: Place, written: &str) -> Fit<i64> {
        let civil = match &self.form {
            Form::Epoch(times, by) => {
                let units = whole(written, Numeric { times: *times, round: Round::Down });
                return units.map(|units| units.div_euclid(*by)).ok_or_else(|| self.bad(written, "a number since 1970"));
            }
            Form::Iso => iso::read(written).ok_or_else(|| self.bad(written, iso::RIGHT))?,
            Form::Pattern(pattern) => pattern.read(written).ok_or_else(|| self.bad(written, pattern.as_str()))?,
        };
        let local_s = civil.local_s().ok_or_else(|| self.bad(written, "a day and time that exist"))?;
        let utc_s = self.utc_s(record, place, &civil, local_s, written)?;
        Ok(utc_s.saturating_mul(SECOND_US).saturating_add(i64::from(civil.micros)))
    }

    fn utc_s(&self, record: &Record<'_>, place: Place, civil: &Civil, local_s: i64, written: &str) -> Fit<i64> {
        if let Some(offset_s) = civil.offset_s {
            return Ok(local_s - i64::from(offset_s));
        }
        if let Some((source, unit_s)) = &self.offset {
            return Ok(local_s - self.offset_s(record, record.slot(place, source), source, *unit_s)?);
        }
        let Some(number) = self.zone else { return Ok(local_s) };
        let out = || Unfit::new(Reason::TimeOutOfRange, format!("{}: {} lies outside the calendar", self.what, shown(written)));
        zone::utc_s(&record.plan.zones[number], &record.zones[number], local_s).ok_or_else(out)
    }

    fn offset_s(&self, record: &Record<'_>, slot: Slot, source: &Source, unit_s: i64) -> Fit<i64> {
        let written = match slot.kind() {
            Kind::Missing | Kind::Null => {
                return Err(Unfit::new(Reason::MissingField, format!("{}: {} is missing", self.what, source.name)));
            }
            _ => record.written(slot),
        };
        let number = whole(written, Numeric { times: unit_s, round: Round::Exact }).filter(|_| !is_clock(written));
        let offset_s = number.or_else(|| {
            let mut reader = Reader::new(written);
            reader.offset().map(i64::from).filter(|_| reader.is_empty())
        });
        offset_s
            .filter(|offset_s| offset_s.abs() <= OFFSET_MAX_S)
            .ok_or_else(|| self.bad(written, "an offset as +09:00, or a number of its unit,"))
    }

    fn bad(&self, written: &str, right: &str) -> Box<Unfit> {
        Unfit::new(Reason::BadTime, format!("{}: {} is no such time: {right} would be right", self.what, shown(written)))
    }
}

/// Whether a distance is written as `+0900`, which is no number of minutes.
fn is_clock(written: &str) -> bool {
    written.len() == 5 && written.starts_with(['+', '-'])
}
