//! Days and weeks against a naive calendar that reads the zone's clock minute by minute across its jumps.
//! Refuses to compute a boundary: it only sees when the clock first shows it.

use super::calendar::Calendar;
use super::case::{Case, NUMBER};
use super::documents::ZONES;
use jiff::civil::Date;
use kernel::Instant;
use rules::PlayerState;
use serde_json::json;

const MINUTE_US: i64 = 60_000_000;

/// Every minute around a jump: the moment and what the clock shows.
fn minutes(zone: &str, anchor: Instant) -> Vec<(i64, Date, u16)> {
    let calendar = Calendar::new(zone);
    let reading = |at: i64| {
        let (date, minute) = calendar.reading(at);
        (at, date, minute)
    };
    (-10 * 1_440..=10 * 1_440).map(|minute| reading(anchor.0 + minute * MINUTE_US)).collect()
}

/// When each day begins: the clock shows its start, or a later time, for the first time.
fn days(minutes: &[(i64, Date, u16)], start: u16) -> Vec<(i64, Date)> {
    let mut days: Vec<(i64, Date)> = Vec::new();
    for (at, shown, minute) in minutes {
        let day = if *minute >= start { *shown } else { shown.yesterday().expect("a date") };
        if days.last().is_none_or(|(_, last)| *last < day) {
            days.push((*at, day));
        }
    }
    // The first began before the first minute that was read.
    days.remove(0);
    days
}

fn per(document_unit: serde_json::Value, number: usize) -> serde_json::Value {
    json!({"id": format!("g{number}"), "title": "Goal", "condition": {"measure": "count", "on": ["play"], "target": 1, "per": document_unit}})
}

#[test]
fn days_and_weeks_begin_when_the_clock_first_shows_it() {
    for (zone, anchor) in ZONES {
        let anchor: Instant = anchor.parse().expect("the table's times are right");
        let minutes = minutes(zone, anchor);
        for start in [0, 30, 90, 150, 240, 1_410] {
            let days = days(&minutes, start);
            let document = json!({
                "id": "case", "game": "kartrider", "title": "Case", "zone": zone,
                "day_starts_at": format!("{:02}:{:02}", start / 60, start % 60),
                "period": {"starts": Instant(days[0].0).to_string(), "ends": Instant(days[days.len() - 1].0).to_string()},
                "goals": [per(json!({"unit": "day"}), 0), per(json!({"unit": "week", "weekday": "thursday"}), 1), per(json!({"unit": "days", "days": 3}), 2)],
            });
            let case = Case { document, beside: None, opted_in_at: None, stopped_at: None, looks: Vec::new(), records: Vec::new() };
            let plan = case.ready().unwrap_or_else(|faults| panic!("{faults}")).plan;
            let bounds = |goal: usize, now: i64| {
                let progress = rules::progress(&plan, NUMBER, &PlayerState::default(), Instant(now)).expect("the plan has it");
                let goal = progress.goals.into_iter().find(|shown| usize::from(shown.goal) == goal).expect("every goal is shown");
                (goal.starts.0, goal.ends.0)
            };
            let thursday = |day: &(i64, Date)| day.1.weekday() == jiff::civil::Weekday::Thursday;
            let weeks: Vec<i64> = days.iter().filter(|day| thursday(day)).map(|day| day.0).collect();
            let threes: Vec<i64> = days.iter().step_by(3).map(|day| day.0).collect();
            let all: Vec<i64> = days.iter().map(|day| day.0).collect();
            for (goal, boundaries) in [(0, &all), (1, &weeks), (2, &threes)] {
                for pair in boundaries.windows(2) {
                    let (starts, ends) = (pair[0], pair[1]);
                    for now in [starts, starts + 1, starts + 37 * MINUTE_US, (starts + ends) / 2, ends - MINUTE_US, ends - 1] {
                        let found = bounds(goal, now);
                        let readable = |(from, to): (i64, i64)| format!("{} to {}", Instant(from), Instant(to));
                        assert_eq!(
                            found,
                            (starts, ends),
                            "goal g{goal} in {zone} with days from minute {start}, at {}: {}, should be {}",
                            Instant(now),
                            readable(found),
                            readable((starts, ends))
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_reference_sees_the_same_days_as_the_clock() {
    for (zone, anchor) in ZONES {
        let calendar = Calendar::new(zone);
        let minutes = minutes(zone, anchor.parse().expect("the table's times are right"));
        for start in [0u16, 30, 90, 150, 240, 1_410] {
            for (at, day) in days(&minutes, start) {
                assert_eq!(calendar.first_moment(day, start), at, "{zone}, {day} from minute {start}");
            }
        }
    }
}
