//! Local times into moments, right across daylight-saving changes.
//! Refuses to guess: a time that the change skips is moved on by the change's length, one that it repeats is its first.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;

/// No change of a zone lies within so many seconds of what is remembered.
const MARGIN_S: i64 = 2 * 86_400;

/// A stretch of local seconds in which a zone has one offset.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Settled {
    from_s: i64,
    until_s: i64,
    offset_s: i64,
}

/// The seconds from 1970 in UTC of local seconds in a zone; none beyond the calendar.
pub(super) fn utc_s(zone: &TimeZone, settled: &Cell<Settled>, local_s: i64) -> Option<i64> {
    let known = settled.get();
    if (known.from_s..known.until_s).contains(&local_s) {
        return Some(local_s - known.offset_s);
    }
    let civil = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(SignedDuration::from_secs(local_s)).ok()?;
    let moment = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
    if let Some(found) = stretch(zone, moment) {
        settled.set(found);
    }
    Some(moment.as_second())
}

/// The stretch around a moment that lies far enough from every change.
fn stretch(zone: &TimeZone, moment: Timestamp) -> Option<Settled> {
    let offset_s = i64::from(zone.to_offset(moment).seconds());
    // One second on, so that a change at this very moment is among those before it.
    let after = moment.checked_add(SignedDuration::from_secs(1)).ok()?;
    let before = zone.preceding(after).next().map_or(i64::MIN / 4, |change| change.timestamp().as_second());
    let next = zone.following(moment).next().map_or(i64::MAX / 4, |change| change.timestamp().as_second());
    Some(Settled { from_s: before + MARGIN_S + offset_s, until_s: next - MARGIN_S + offset_s, offset_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_stretches_give_what_the_zone_gives() {
        for name in [
            "Asia/Seoul",
            "America/New_York",
            "Europe/Berlin",
            "Australia/Lord_Howe",
            "America/Sao_Paulo",
            "Africa/Casablanca",
            "Asia/Tehran",
        ] {
            let zone = TimeZone::get(name).unwrap();
            let settled = Cell::default();
            // Every 20 minutes and a little through three years, so that every change is met from both sides.
            for local_s in (1_514_764_800..1_609_459_200_i64).step_by(1_207) {
                let civil = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(SignedDuration::from_secs(local_s)).unwrap();
                let right = zone.to_ambiguous_timestamp(civil).compatible().unwrap().as_second();
                assert_eq!(utc_s(&zone, &settled, local_s), Some(right), "{name} {civil}");
            }
        }
    }
}
