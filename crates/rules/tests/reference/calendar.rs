//! Days, weeks and other periods straight from the zone's clock, one jiff call after another. Refuses tables and remembered days.

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use rules::campaign::{Campaign, Condition, HourMinute, Slot, Unit};

const HOUR_US: i64 = 3_600_000_000;

/// A period of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) starts: i64,
    pub(crate) ends: i64,
    /// Whether it is the whole campaign.
    pub(crate) whole: bool,
}

impl Span {
    /// The key an achievement has for it.
    pub(crate) fn key(&self, scope: Option<&str>) -> i64 {
        rules::period_key(if self.whole { 0 } else { self.starts.div_euclid(1_000_000) }, scope)
    }
}

/// A zone's clock.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    zone: TimeZone,
}

fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_microsecond(at).expect("a test's time is a timestamp")
}

impl Calendar {
    pub(crate) fn new(zone: &str) -> Calendar {
        Calendar { zone: TimeZone::get(zone).unwrap_or_else(|error| panic!("{zone}: {error}")) }
    }

    /// The date and the minute of the day the clock shows.
    pub(crate) fn reading(&self, at: i64) -> (Date, u16) {
        let shown = self.zone.to_datetime(timestamp(at));
        (shown.date(), u16::try_from(shown.hour()).expect("an hour") * 60 + u16::try_from(shown.minute()).expect("a minute"))
    }

    /// The first moment at which the clock shows that time or a later one on that date.
    pub(crate) fn first_moment(&self, date: Date, minutes: u16) -> i64 {
        let time = Time::new(i8::try_from(minutes / 60).expect("an hour"), i8::try_from(minutes % 60).expect("a minute"), 0, 0);
        let wanted = date.to_datetime(time.expect("a time of day"));
        match self.zone.to_ambiguous_timestamp(wanted).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(wanted).expect("a time").as_microsecond()
            }
            AmbiguousOffset::Gap { before, .. } => {
                let inside = before.to_timestamp(wanted).expect("a time") + 1.microsecond();
                self.zone.preceding(inside).next().expect("a gap has a transition").timestamp().as_microsecond()
            }
        }
    }

    /// The date of the day that holds a moment, where days begin at `start`.
    pub(crate) fn day(&self, at: i64, start: HourMinute) -> Date {
        let shown = self.reading(at).0;
        (-2..=2)
            .map(|ahead: i64| shown.checked_sub(ahead.days()).expect("a date"))
            .find(|date| self.first_moment(*date, start.minutes) <= at)
            .expect("two days before what the clock shows is over")
    }

    /// The slot of a date: from the first moment the clock shows its beginning to the first it shows its end.
    fn slot(&self, date: Date, slot: &Slot) -> Span {
        let last = if slot.until <= slot.from { date.tomorrow().expect("a date") } else { date };
        Span { starts: self.first_moment(date, slot.from.minutes), ends: self.first_moment(last, slot.until.minutes), whole: false }
    }

    fn within(slot: &Slot, minute: u16) -> bool {
        let (from, until) = (slot.from.minutes, slot.until.minutes);
        if from < until { from <= minute && minute < until } else { from <= minute || minute < until }
    }

    /// Whether the clock shows a time in the slot.
    pub(crate) fn in_hours(&self, at: i64, slot: &Slot) -> bool {
        Self::within(slot, self.reading(at).1)
    }

    /// The period of a goal that holds a moment and its ordinal from the campaign's start (0); none outside slots.
    pub(crate) fn period(&self, campaign: &Campaign, condition: &Condition, at: i64) -> Option<(Span, i64)> {
        let whole = Span { starts: campaign.period.starts.0, ends: campaign.period.ends.0, whole: true };
        let Some(per) = &condition.per else { return Some((whole, 0)) };
        let start = condition.day_starts_at.unwrap_or(campaign.day_starts_at);
        let day = self.day(at, start);
        let first_day = self.day(campaign.period.starts.0, start);
        let days = |from: Date, to: Date| i64::from(to.since(from).expect("dates are near").get_days());
        let span = |from: Date, to: Date| Span {
            starts: self.first_moment(from, start.minutes),
            ends: self.first_moment(to, start.minutes),
            whole: false,
        };
        let ahead = |from: Date, by: i64| from.checked_add(by.days()).expect("a date");
        Some(match per.unit {
            Unit::Day => (span(day, ahead(day, 1)), days(first_day, day)),
            Unit::Week => {
                let weekday = per.weekday.map_or(0, |weekday| i64::try_from(weekday.index()).expect("small"));
                let begins = |day: Date| ahead(day, -(i64::from(day.weekday().to_monday_zero_offset()) - weekday).rem_euclid(7));
                (span(begins(day), ahead(begins(day), 7)), days(begins(first_day), begins(day)) / 7)
            }
            Unit::Days => {
                let length = i64::from(per.days.expect("checked"));
                let number = days(first_day, day).div_euclid(length);
                (span(ahead(first_day, number * length), ahead(first_day, (number + 1) * length)), number)
            }
            Unit::Hour => (
                self.hour(day, start, at),
                per.rounds.map_or(0, |_| self.hours_between(first_day, start, campaign.period.starts.0, day, at)),
            ),
            Unit::Length => {
                let length = i64::from(per.seconds.expect("checked")) * 1_000_000;
                let number = (at - whole.starts).div_euclid(length);
                let starts = whole.starts + number * length;
                (Span { starts, ends: starts + length, whole: false }, number)
            }
            Unit::Slots => return self.slots(campaign, &per.slots, per.rounds, at),
        })
    }

    fn hour(&self, day: Date, start: HourMinute, at: i64) -> Span {
        let begins = self.first_moment(day, start.minutes);
        let next_day = self.first_moment(day.tomorrow().expect("a date"), start.minutes);
        let starts = begins + (at - begins).div_euclid(HOUR_US) * HOUR_US;
        Span { starts, ends: (starts + HOUR_US).min(next_day), whole: false }
    }

    /// How many hours begin after the one that holds `from` up to the one that holds `to`.
    fn hours_between(&self, from_day: Date, start: HourMinute, from: i64, to_day: Date, to: i64) -> i64 {
        let into = |day: Date, at: i64| (at - self.first_moment(day, start.minutes)).div_euclid(HOUR_US);
        let mut hours = into(to_day, to) - into(from_day, from);
        let mut day = from_day;
        while day < to_day {
            let next = day.tomorrow().expect("a date");
            let length = self.first_moment(next, start.minutes) - self.first_moment(day, start.minutes);
            hours += (length + HOUR_US - 1).div_euclid(HOUR_US);
            day = next;
        }
        hours
    }

    fn slots(&self, campaign: &Campaign, slots: &[Slot], rounds: Option<u32>, at: i64) -> Option<(Span, i64)> {
        let shown = self.reading(at).0;
        let dates = [shown.yesterday().expect("a date"), shown];
        let near = dates.iter().flat_map(|date| slots.iter().map(|slot| self.slot(*date, slot)));
        let span = near.into_iter().find(|span| span.starts <= at && at < span.ends)?;
        if rounds.is_none() {
            return Some((span, 0));
        }
        // Every occurrence from the campaign's start on, in the order of time.
        let mut occurrences = Vec::new();
        let mut date = self.reading(campaign.period.starts.0).0.yesterday().expect("a date");
        while date <= shown {
            let of_date = slots.iter().map(|slot| self.slot(date, slot));
            occurrences.extend(of_date.filter(|span| span.ends > campaign.period.starts.0 && span.starts < span.ends));
            date = date.tomorrow().expect("a date");
        }
        occurrences.sort_unstable();
        let number = occurrences.iter().position(|occurrence| *occurrence == span)?;
        Some((span, i64::try_from(number).expect("small")))
    }
}
