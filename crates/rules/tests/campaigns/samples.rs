//! Each sample campaign: events in, effects out.

use super::play::{Play, at};
use rules::{Value, Verdict};

const WON: &[(&str, Value<'static>)] = &[("won", Value::Flag(true))];
const LOST: &[(&str, Value<'static>)] = &[("won", Value::Flag(false))];

fn noon(day: u32) -> String {
    format!("2026-05-{day:02}T12:00:00+09:00")
}

fn minute(hour: u32, minute: u32) -> String {
    format!("2026-05-10T{hour:02}:{minute:02}:00+09:00")
}

#[test]
fn s01_ten_ranked_matches_are_reached_once() {
    let mut play = Play::sample("01");
    for day in 1..=9 {
        play.play(&noon(day), &[("mode", Value::Text("ranked"))]);
        assert_eq!(play.play(&noon(day), &[("mode", Value::Text("bomb"))]), Verdict::Unwanted);
    }
    assert_eq!((play.steps(), play.current(0, &noon(9))), (vec![], 9));
    play.play(&noon(10), &[("mode", Value::Text("ranked"))]);
    play.play(&noon(11), &[("mode", Value::Text("ranked"))]);
    assert_eq!(play.steps(), [(0, 1)]);
    let reached = play.reached[0];
    assert_eq!((reached.number, reached.lineage, reached.version, reached.period, reached.achieved_at), (7, 1, 3, 0, at(&noon(10))));
}

#[test]
fn s02_a_streak_reaches_its_tiers_and_a_missed_day_starts_over() {
    let mut play = Play::sample("02");
    [1, 2, 4].into_iter().for_each(|day| assert_eq!(play.login(&noon(day)), Verdict::Counted));
    assert!(play.steps().is_empty());
    assert_eq!((play.current(0, &noon(2)), play.current(0, &noon(4)), play.current(0, &noon(5)), play.current(0, &noon(6))), (2, 1, 1, 0));
    // The third of May comes late, but in time for its campaign: it joins both runs.
    let values = play.values(&[]);
    let when = at("2026-05-03T23:59:30+09:00");
    let late = rules::Event { id: 1, player: "p", kind: "login", at: when, amount: 1, item: None, attributes: &values };
    assert_eq!(play.step(&late, Some(late.at.plus_us(600_000_001))), Verdict::TooLate);
    assert_eq!(play.step(&late, Some(late.at.plus_us(600_000_000))), Verdict::Counted);
    assert_eq!((play.steps(), play.current(0, &noon(4))), (vec![(0, 1)], 4));
    (5..=14).for_each(|day| assert_eq!(play.login(&noon(day)), Verdict::Counted));
    assert_eq!(play.steps(), [(0, 1), (0, 2), (0, 3)]);
}

#[test]
fn s03_any_twenty_days_count_once_each() {
    let mut play = Play::sample("03");
    for day in (1..=30).filter(|day| ![5, 6, 11, 12, 13, 17, 20, 22, 24, 26].contains(day)) {
        assert!(play.steps().is_empty(), "day {day}");
        play.login(&noon(day));
        play.login(&noon(day));
    }
    assert_eq!((play.steps(), play.current(0, &noon(30))), (vec![(0, 1)], 20));
}

#[test]
fn s04_five_relics_count_once_each() {
    let mut play = Play::sample("04");
    for item in ["청룡의 비늘", "청룡의 비늘", "백호의 발톱", "주작의 깃털", "도토리", "현무의 껍질"] {
        play.item(&noon(3), item, 1);
    }
    assert_eq!((play.steps(), play.current(0, &noon(3))), (vec![], 4));
    play.item(&noon(4), "황룡의 여의주", 3);
    assert_eq!(play.steps(), [(0, 1)]);
}

#[test]
fn s05_a_sliding_hour_finds_what_a_clock_hour_does_not() {
    let mut play = Play::sample("05");
    for (hour, at) in [(10, 30), (10, 40), (10, 50), (11, 10), (11, 30)] {
        play.play(&minute(hour, at), WON);
        play.play(&minute(hour, at), LOST);
    }
    assert_eq!((play.steps(), play.current(0, &minute(11, 30))), (vec![], 4), "from 10:30 to 11:30 is not within an hour");
    play.play(&minute(11, 29), WON);
    assert_eq!(play.steps(), [(0, 1)]);
    assert_eq!(play.current(1, &minute(11, 59)), 3);
    play.play(&minute(11, 58), WON);
    play.play(&minute(11, 59), WON);
    assert_eq!(play.steps(), [(0, 1), (1, 1)]);
    assert_eq!(play.reached[1].period, at(&minute(11, 0)).unix_seconds());
}

#[test]
fn s06_a_days_minutes_are_capped_and_a_day_begins_at_four() {
    let mut play = Play::sample("06");
    play.minutes("2026-05-10T23:30:00+09:00", 40);
    play.minutes("2026-05-11T03:59:00+09:00", 20);
    assert_eq!(play.steps(), [(0, 1)], "before four in the morning is still the tenth");
    play.minutes("2026-05-11T03:59:30+09:00", 500);
    assert_eq!(play.current(0, "2026-05-11T03:59:59+09:00"), 120);
    play.minutes("2026-05-11T04:00:00+09:00", 59);
    assert_eq!(play.current(0, "2026-05-11T05:00:00+09:00"), 59);
    let day = &play.progress("2026-05-11T05:00:00+09:00").goals[0];
    assert_eq!((day.starts, day.ends), (at("2026-05-11T04:00:00+09:00"), at("2026-05-12T04:00:00+09:00")));
    let reached = play.reached[0];
    let deadline = play.plan.claim_deadline(7, 0, reached.period, reached.achieved_at);
    assert_eq!(deadline, Some(at("2026-06-07T04:00:00+09:00")), "a week after the campaign's end");
}

#[test]
fn s07_a_round_has_six_tickets_and_there_are_five_rounds() {
    let mut play = Play::sample("07");
    (0..50).for_each(|second| assert_eq!(play.play(&format!("2026-05-02T12:00:{second:02}+09:00"), &[]), Verdict::Counted));
    assert_eq!(play.steps(), (1..=6).map(|n| (0, n)).collect::<Vec<_>>());
    (0..14).for_each(|second| assert_eq!(play.play(&format!("2026-05-07T00:00:{second:02}+09:00"), &[]), Verdict::Counted));
    assert_eq!(play.steps()[6..], [(0, 1), (0, 2)], "a new round begins on the seventh");
    assert_eq!(play.reached[6].period, at("2026-05-07T00:00:00+09:00").unix_seconds());
    assert_eq!(play.plan.bounds(7, 0, play.reached[6].period), Some((at("2026-05-07T00:00:00+09:00"), at("2026-05-13T00:00:00+09:00"))));
}

#[test]
fn s08_the_master_needs_all_and_any() {
    let mut play = Play::sample("08");
    (1..=2).for_each(|day| assert_eq!(play.login(&noon(day)), Verdict::Counted));
    (0..10).for_each(|second| {
        assert_eq!(play.play(&format!("2026-05-02T12:00:{second:02}+09:00"), &[("mode", Value::Text("ranked"))]), Verdict::Counted)
    });
    ["a", "b", "c", "d", "e"].into_iter().for_each(|item| assert_eq!(play.item(&noon(3), item, 1), Verdict::Counted));
    assert_eq!(play.steps(), [(0, 1), (2, 1)]);
    assert_eq!((play.current(4, &noon(3)), play.progress(&noon(3)).goals[4].target), (2, 3));
    play.login(&noon(3));
    assert_eq!(play.steps(), [(0, 1), (2, 1), (1, 1), (4, 1)]);
}

#[test]
fn s09_a_week_of_kills_begins_on_thursday_at_nine() {
    let mut play = Play::sample("09");
    let kills = |number| [("kills", Value::Integer(number))];
    // The seventh of May 2026 is a Thursday.
    play.play("2026-05-07T08:59:59+09:00", &kills(60));
    play.play("2026-05-07T09:00:00+09:00", &kills(70));
    assert!(play.steps().is_empty());
    play.play("2026-05-14T08:59:59+09:00", &kills(30));
    assert_eq!(play.steps(), [(0, 1)]);
    assert_eq!(play.reached[0].period, at("2026-05-07T09:00:00+09:00").unix_seconds());
    play.play("2026-05-14T08:59:59+09:00", &[("kills", Value::Integer(-5))]);
    assert_eq!(play.current(0, "2026-05-14T08:59:59+09:00"), 100, "what is negative does not count");
}

#[test]
fn s10_playing_counts_only_after_the_login_and_inside_the_window() {
    let mut play = Play::sample("10");
    let on_the_fifth = |time: &str| format!("2026-05-05T{time}+09:00");
    play.login(&on_the_fifth("13:59:59"));
    play.minutes(&on_the_fifth("14:10:00"), 25);
    assert!(play.steps().is_empty());
    play.login(&on_the_fifth("14:20:00"));
    play.minutes(&on_the_fifth("14:50:00"), 29);
    assert_eq!((play.steps(), play.current(1, &on_the_fifth("15:00:00"))), (vec![(0, 1)], 29));
    // An earlier login arrives late: what was played after it counts now.
    let event = rules::Event {
        id: 5,
        player: "p",
        kind: "login",
        at: at(&on_the_fifth("14:05:00")),
        amount: 1,
        item: None,
        attributes: &play.values(&[]),
    };
    play.step(&event, Some(event.at.plus_us(600_000_000)));
    assert_eq!((play.steps(), play.current(1, &on_the_fifth("15:00:00"))), (vec![(0, 1), (1, 1)], 54));
    assert_eq!(play.minutes(&on_the_fifth("18:00:00"), 30), Verdict::Unwanted);
}

#[test]
fn s11_weekend_stamps_count_double() {
    let mut play = Play::sample("11");
    // The first of May 2026 is a Friday.
    (1..=3).for_each(|day| assert_eq!(play.play(&noon(day), &[]), Verdict::Counted));
    assert_eq!((play.steps(), play.current(0, &noon(3))), (vec![(0, 1)], 5));
    (4..=8).for_each(|day| assert_eq!(play.play(&noon(day), &[]), Verdict::Counted));
    assert_eq!(play.steps(), [(0, 1), (0, 2)]);
}

#[test]
fn s12_only_the_best_score_counts() {
    let mut play = Play::sample("12");
    let score = |points| [("score", Value::Integer(points))];
    [8_999, 4_000, 8_500].into_iter().for_each(|points| assert_eq!(play.play(&noon(1), &score(points)), Verdict::Counted));
    assert_eq!((play.steps(), play.current(0, &noon(1))), (vec![], 8_999));
    play.play(&noon(2), &score(9_000));
    assert_eq!(play.steps(), [(0, 1)]);
}

#[test]
fn s13_three_of_any_five_and_three_in_a_block() {
    let mut play = Play::sample("13");
    // Blocks: win lose lose lose win, win win lose lose lose, win …
    for (at, won) in [1, 0, 0, 0, 1, 1, 1, 0, 0, 0].into_iter().enumerate() {
        play.play(&format!("2026-05-02T12:{at:02}:00+09:00"), if won == 1 { WON } else { LOST });
    }
    assert_eq!(play.steps(), [(0, 1)], "the fifth to the seventh are three of five, but of two blocks");
    for at in 10..13 {
        play.play(&format!("2026-05-02T12:{at:02}:00+09:00"), WON);
    }
    assert_eq!(play.steps(), [(0, 1), (1, 1)]);
}

#[test]
fn s14_coins_unlock_the_daily_stamp_and_stamps_the_chest() {
    let mut play = Play::sample("14");
    for day in 1..=5 {
        play.minutes(&format!("2026-05-{day:02}T09:00:00+09:00"), 10);
        play.item(&format!("2026-05-{day:02}T10:00:00+09:00"), "동전", 99);
        play.minutes(&format!("2026-05-{day:02}T11:00:00+09:00"), 10);
        assert_eq!(play.steps().len(), 2 * (day - 1), "99 coins unlock nothing");
        play.item(&format!("2026-05-{day:02}T12:00:00+09:00"), "동전", 5);
        assert_eq!(play.current(0, &format!("2026-05-{day:02}T12:00:00+09:00")), 100);
        play.minutes(&format!("2026-05-{day:02}T12:30:00+09:00"), 10);
    }
    assert_eq!(play.steps()[..4], [(0, 1), (1, 1), (0, 1), (1, 1)]);
    assert_eq!(play.steps()[8..], [(0, 1), (1, 1), (2, 1)]);
}

#[test]
fn s15_only_kills_of_equals_count() {
    let mut play = Play::sample("15");
    let kills = |level, rival| [("kills", Value::Integer(25)), ("level", Value::Integer(level)), ("opponent_level", Value::Integer(rival))];
    play.play(&noon(1), &kills(50, 30));
    assert_eq!(play.play(&noon(1), &kills(50, 29)), Verdict::Unwanted);
    assert_eq!(play.play(&noon(1), &kills(50, 71)), Verdict::Unwanted);
    assert_eq!(play.play(&noon(1), &[("kills", Value::Integer(25)), ("level", Value::Integer(1))]), Verdict::Unwanted);
    play.play(&noon(1), &kills(50, 70));
    assert_eq!(play.steps(), [(0, 1)]);
}
