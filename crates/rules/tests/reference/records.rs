//! Generated records of one player: bursts, ties, edges of days, then the ways a log brings them: late, repeated, out of order.
//! Refuses clocks: every time is drawn from the case's seed.

use super::calendar::Calendar;
use super::random::Random;
use super::record::{Attribute, Record};
use kernel::Instant;
use rules::campaign::Campaign;

/// How the log brings the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arrival {
    /// A file in the order of time.
    FileInOrder,
    /// A file in any order.
    FileAnyOrder,
    /// Appended at once.
    Prompt,
    /// Late ones, too late ones and repeats among them, read as they were appended.
    Late,
    /// As late, but some lie in a partition that is read later than it was appended, within the lateness.
    Lagging,
}

pub(crate) const ARRIVALS: [Arrival; 5] = [Arrival::FileInOrder, Arrival::FileAnyOrder, Arrival::Prompt, Arrival::Late, Arrival::Lagging];

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

/// The records in the order in which they are read.
pub(crate) fn records(campaign: &Campaign, arrival: Arrival, random: &mut Random) -> Vec<Record> {
    let count = if random.percent(10) { random.between(60, 120) } else { random.between(1, 36) };
    let mut ids = random.bits();
    let times = times(campaign, count, random);
    let mut records: Vec<Record> = times.into_iter().map(|at| record(&mut ids, at, random)).collect();
    match arrival {
        Arrival::FileInOrder => records.sort_by_key(|record| (record.at, record.id)),
        Arrival::FileAnyOrder => random.shuffle(&mut records),
        Arrival::Prompt => {
            records.sort_by_key(|record| (record.at, record.id));
            records.iter_mut().for_each(|record| record.appended_at = Some(record.at));
        }
        Arrival::Late | Arrival::Lagging => return appended(campaign, records, arrival, random),
    }
    repeat_some(records, random)
}

/// Repeats of some records, each somewhere after the first.
fn repeat_some(mut records: Vec<Record>, random: &mut Random) -> Vec<Record> {
    for _ in 0..random.below(4) {
        let first = random.below(records.len());
        let place = first + 1 + random.below(records.len() - first);
        let mut repeat = records[first].clone();
        repeat.appended_at = records[place - 1].appended_at;
        records.insert(place, repeat);
    }
    records
}

fn appended(campaign: &Campaign, records: Vec<Record>, arrival: Arrival, random: &mut Random) -> Vec<Record> {
    let late_us = i64::from(campaign.late_s) * SECOND_US;
    let mut read: Vec<(i64, Record)> = Vec::new();
    for record in records {
        let copies = 1 + usize::from(random.percent(12)) + usize::from(random.percent(4));
        for _ in 0..copies {
            let delay = delay(late_us, random);
            let appended = record.at.0 + delay;
            let lag = if arrival == Arrival::Lagging && delay < late_us { random.between(0, late_us - delay.max(0)) } else { 0 };
            let mut copy = record.clone();
            copy.appended_at = Some(Instant(appended));
            read.push((appended + lag, copy));
        }
    }
    read.sort_by_key(|(read_at, _)| *read_at);
    read.into_iter().map(|(_, record)| record).collect()
}

/// How much later than it happened a record is appended.
fn delay(late_us: i64, random: &mut Random) -> i64 {
    match random.below(20) {
        0 => late_us,
        1 => late_us + 1,
        2 => late_us + random.between(1, DAY_US),
        3 => -random.between(0, 600 * SECOND_US),
        4..=9 => random.between(0, late_us.max(1)),
        _ => random.between(0, 2 * SECOND_US).min(late_us),
    }
}

fn times(campaign: &Campaign, count: i64, random: &mut Random) -> Vec<i64> {
    let calendar = Calendar::new(&campaign.zone);
    let (starts, ends) = (campaign.period.starts.0, campaign.period.ends.0);
    let edges: Vec<i64> = [starts, ends]
        .into_iter()
        .chain(campaign.goals.iter().filter_map(|goal| {
            let at = random.between(starts, ends - 1);
            Some(calendar.period(campaign, &goal.condition, at)?.0.starts)
        }))
        .collect();
    let start = campaign.day_starts_at;
    let daily = random.percent(35);
    let mut all: Vec<i64> = Vec::new();
    let mut last = random.between(starts, ends - 1);
    for _ in 0..count {
        let near = [-SECOND_US, -1, 0, 1, 59 * SECOND_US];
        last = match random.below(10) {
            0 => random.pick(&edges) + random.pick(&near),
            1 => {
                let day = calendar.day(random.between(starts, ends - 1), start);
                calendar.first_moment(day, start.minutes) + random.pick(&near)
            }
            2 => last,
            3 | 4 => last + random.between(0, 60 * SECOND_US),
            5 => last + random.between(0, 3 * 3_600 * SECOND_US),
            6 if !daily => random.between(starts - DAY_US, ends + DAY_US),
            _ if daily => last + DAY_US + random.between(-7_200, 7_200) * SECOND_US,
            _ => random.between(starts, ends - 1),
        };
        if !(starts - 2 * DAY_US..ends + 2 * DAY_US).contains(&last) {
            last = random.between(starts, ends - 1);
        }
        all.push(last);
    }
    all
}

fn record(ids: &mut u64, at: i64, random: &mut Random) -> Record {
    *ids = ids.wrapping_add(random.bits() | 1);
    let text = |random: &mut Random, of: &[&str]| Attribute::Text((*random.pick(of)).to_owned());
    let level = random.between(1, 60);
    let foe_level = if random.percent(50) { level } else { random.between(1, 60) };
    let score = random.between(-50, 12_000);
    let mode = text(random, &["ranked", "ranked", "casual", "team"]);
    let server = text(random, &["s1", "s1", "s2", "s3"]);
    let ranked = Attribute::Flag(random.percent(60));
    let [level, foe_level, score, slot] = [level, foe_level, score, random.between(-1, 2)].map(Attribute::Integer);
    let mut attributes = vec![mode, level, foe_level, ranked, server, score, slot];
    for attribute in &mut attributes {
        match random.below(1_000) {
            0..70 => *attribute = Attribute::Missing,
            70..73 => *attribute = Attribute::Integer(*random.pick(&[i64::MIN, -1, i64::MAX])),
            _ => {}
        }
    }
    let amount = match random.below(20) {
        0 => 0,
        1 if random.percent(10) => i64::MAX - random.between(0, 1),
        1 => random.between(0, 20_000),
        _ => random.between(1, 25),
    };
    let item = random.percent(70).then(|| format!("i{}", random.between(0, 8)));
    let kind = (*random.pick(&["play", "play", "win", "login", "item", "other"])).to_owned();
    Record { id: *ids, kind, at: Instant(at), appended_at: None, amount, item, attributes }
}
