//! Final progress and achievements from all records of a player at once, straight from the definitions.
//! Refuses to be quick or incremental: every prefix of every period is measured anew.

use super::calendar::{Calendar, Span};
use super::filter::{attribute_weight, day_weight, holds};
use super::record::{Attribute, Record};
use jiff::civil::Date;
use rules::campaign::{Campaign, CapPer, Condition, Goal, GoalTree, HourMinute, Measure};
use std::collections::{BTreeMap, BTreeSet};

/// What is given beside the document.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Register {
    pub(crate) opted_in_at: Option<i64>,
    pub(crate) stopped_at: Option<i64>,
}

/// How a goal stands in one period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) measured: i64,
    /// The time of the record that reached n = 1, 2, …
    pub(crate) moments: Vec<i64>,
    /// With a streak: the first and the last day of each run.
    pub(crate) runs: Vec<(Date, Date)>,
    /// With a count window: the hits in the newest one.
    pub(crate) newest: i64,
}

/// How every goal stands, by scope.
#[derive(Debug, Default)]
pub(crate) struct Evaluation {
    pub(crate) scopes: BTreeMap<Option<String>, Vec<BTreeMap<Span, Standing>>>,
}

/// Something that counts: an event, or another goal's achievement.
#[derive(Debug, Clone)]
struct Hit {
    /// When it became true, and what breaks ties.
    order: (i64, u64),
    /// The moment whose day and period it belongs to.
    dated: i64,
    day: Date,
    weight: i64,
    value: Attribute,
    in_row: bool,
}

/// The records that count at all, in the order of their own time: not too late, each once.
pub(crate) fn accepted<'a>(campaign: &Campaign, records: &'a [Record]) -> Vec<&'a Record> {
    let mut seen = BTreeSet::new();
    let late_us = i64::from(campaign.late_s) * 1_000_000;
    let in_time = |record: &Record| record.appended_at.is_none_or(|appended| appended.0 - record.at.0 <= late_us);
    let mut counted: Vec<&Record> = records.iter().filter(|record| in_time(record) && seen.insert(record.id)).collect();
    counted.sort_by_key(|record| (record.at, record.id));
    counted
}

/// The targets of a condition: all tiers, or the amount of each repeat.
pub(crate) fn targets(condition: &Condition) -> Vec<i64> {
    match (&condition.target, &condition.repeat) {
        (Some(target), _) => vec![*target],
        (_, Some(repeat)) => vec![repeat.every],
        _ => condition.tiers.clone(),
    }
}

/// The amount at which a condition has nothing more to reach.
pub(crate) fn top(condition: &Condition) -> i64 {
    match condition.repeat {
        Some(repeat) => repeat.every.saturating_mul(repeat.up_to),
        None => targets(condition).last().copied().unwrap_or(1),
    }
}

/// The highest n that these hits of one period reach. Each run of a streak repeats for itself.
fn reached(condition: &Condition, hits: &[Hit]) -> i64 {
    let measured = measure(condition, hits);
    match &condition.repeat {
        Some(repeat) if condition.measure == Some(Measure::Streak) => {
            let days: BTreeSet<Date> = hits.iter().map(|hit| hit.day).collect();
            runs(&days).into_iter().map(|run| run_length(run) / repeat.every).sum::<i64>().min(repeat.up_to)
        }
        Some(repeat) => (measured / repeat.every).min(repeat.up_to),
        None => i64::try_from(targets(condition).iter().filter(|target| measured >= **target).count()).expect("few tiers"),
    }
}

pub(crate) fn evaluate(campaign: &Campaign, register: Register, records: &[Record]) -> Evaluation {
    let calendar = Calendar::new(&campaign.zone);
    let runs = |record: &&Record| {
        let at = record.at.0;
        let opted_in = !campaign.opt_in || register.opted_in_at.is_some_and(|opted| opted <= at);
        let eligible = campaign.eligible.as_ref().is_none_or(|filter| holds(filter, record, &calendar));
        let running =
            campaign.period.starts.0 <= at && at < campaign.period.ends.0 && register.stopped_at.is_none_or(|stopped| at < stopped);
        opted_in && eligible && running
    };
    let mut groups: BTreeMap<Option<String>, Vec<&Record>> = BTreeMap::new();
    for record in accepted(campaign, records).into_iter().filter(runs) {
        let scope = match &campaign.scope {
            None => None,
            Some(scope) => match record.named(&scope.attribute) {
                Attribute::Missing => continue,
                Attribute::Text(text) => Some(text),
                Attribute::Integer(number) => Some(number.to_string()),
                Attribute::Flag(flag) => Some(flag.to_string()),
            },
        };
        groups.entry(scope).or_default().push(record);
    }
    let judge = |records: &Vec<&Record>| {
        let judge = Judge { campaign, calendar: &calendar, records };
        (0..campaign.goals.len()).map(|goal| judge.goal(goal)).collect()
    };
    Evaluation { scopes: groups.iter().map(|(scope, records)| (scope.clone(), judge(records))).collect() }
}

impl Evaluation {
    /// The keys of all achievements: goal, period, n; with the moment each was reached.
    pub(crate) fn achieved(&self) -> BTreeMap<(u16, i64, i64), i64> {
        let mut keys = BTreeMap::new();
        for (scope, goals) in &self.scopes {
            for (goal, periods) in (0u16..).zip(goals) {
                for (span, standing) in periods {
                    for (n, moment) in (1..).zip(&standing.moments) {
                        keys.insert((goal, span.key(scope.as_deref()), n), *moment);
                    }
                }
            }
        }
        keys
    }
}

struct Judge<'a> {
    campaign: &'a Campaign,
    calendar: &'a Calendar,
    records: &'a [&'a Record],
}

impl Judge<'_> {
    fn named(&self, id: &str) -> usize {
        self.campaign.goal(id).expect("references were checked").0
    }

    fn goal(&self, index: usize) -> BTreeMap<Span, Standing> {
        let Goal { condition, .. } = &self.campaign.goals[index];
        if condition.measure.is_none() {
            return self.joined(condition);
        }
        let mut periods: BTreeMap<Span, Vec<Hit>> = BTreeMap::new();
        for hit in self.hits(condition) {
            if let Some((span, number)) = self.calendar.period(self.campaign, condition, hit.dated) {
                let rounds = condition.per.as_ref().and_then(|per| per.rounds);
                if rounds.is_none_or(|rounds| number < i64::from(rounds)) {
                    periods.entry(span).or_default().push(hit);
                }
            }
        }
        if let Some(after) = &condition.after {
            let other = self.goal(self.named(after));
            for (span, hits) in &mut periods {
                let unlocked = other.get(span).and_then(|standing| standing.moments.first());
                hits.retain(|hit| unlocked.is_some_and(|unlocked| *unlocked <= hit.order.0));
            }
        }
        periods.into_iter().map(|(span, hits)| (span, standing(condition, hits))).collect()
    }

    fn day(&self, condition: &Condition, at: i64) -> Date {
        let start: HourMinute = condition.day_starts_at.unwrap_or(self.campaign.day_starts_at);
        self.calendar.day(at, start)
    }

    fn hits(&self, condition: &Condition) -> Vec<Hit> {
        match &condition.on_goal {
            Some(fed) => self.fed(condition, fed),
            None => self.records.iter().filter_map(|record| self.hit(condition, record)).collect(),
        }
    }

    fn hit(&self, condition: &Condition, record: &Record) -> Option<Hit> {
        let filter = condition.filter.as_ref();
        let at = record.at.0;
        let counts = condition.on.contains(&record.kind)
            && filter.is_none_or(|filter| holds(filter, record, self.calendar))
            && condition.during.is_none_or(|during| during.starts.0 <= at && at < during.ends.0);
        let day = self.day(condition, at);
        let weight = day_weight(condition.weight.as_ref(), day).saturating_mul(attribute_weight(condition.weight.as_ref(), record));
        let usual = if matches!(condition.measure, Some(Measure::Sum | Measure::Max)) { "amount" } else { "item" };
        let value = record.named(condition.value.as_deref().unwrap_or(usual));
        let in_row = condition.in_a_row.as_ref().is_some_and(|row| holds(&row.hit, record, self.calendar));
        (counts && weight > 0).then_some(Hit { order: (at, record.id), dated: at, day, weight, value, in_row })
    }

    /// Another goal's achievements: each dated by the start of its period, true from the moment it was reached.
    fn fed(&self, condition: &Condition, fed: &str) -> Vec<Hit> {
        let mut hits = Vec::new();
        for (span, standing) in self.goal(self.named(fed)) {
            let dated = span.starts.max(self.campaign.period.starts.0);
            let day = self.day(condition, dated);
            let weight = day_weight(condition.weight.as_ref(), day);
            let inside = condition.during.is_none_or(|during| during.starts.0 <= dated && dated < during.ends.0);
            for (n, moment) in (0..).zip(&standing.moments) {
                if inside && weight > 0 {
                    hits.push(Hit { order: (*moment, n), dated, day, weight, value: Attribute::Integer(1), in_row: false });
                }
            }
        }
        hits
    }

    fn joined(&self, condition: &Condition) -> BTreeMap<Span, Standing> {
        let whole = Span { starts: self.campaign.period.starts.0, ends: self.campaign.period.ends.0, whole: true };
        let mut spans = BTreeSet::from([whole]);
        if condition.per.is_some() {
            spans = condition.all_of.iter().chain(&condition.any_of).flat_map(|tree| self.leaf_spans(tree)).collect();
        }
        let judge = |span: Span| {
            let within = condition.per.is_some().then_some(span);
            // Each entry of `all_of` is a part that must hold, `any_of` as a whole is one.
            let mut parts: Vec<Option<i64>> = condition.all_of.iter().map(|tree| self.tree(tree, within)).collect();
            if !condition.any_of.is_empty() {
                parts.push(condition.any_of.iter().filter_map(|tree| self.tree(tree, within)).min());
            }
            let moment = parts.iter().copied().collect::<Option<Vec<i64>>>().and_then(|moments| moments.into_iter().max());
            let measured = i64::try_from(parts.iter().flatten().count()).expect("few");
            (span, Standing { measured, moments: moment.into_iter().collect(), ..Standing::default() })
        };
        spans.into_iter().map(judge).collect()
    }

    fn leaf_spans(&self, tree: &GoalTree) -> Vec<Span> {
        let inner = tree.all_of.iter().chain(&tree.any_of).flat_map(|inner| self.leaf_spans(inner));
        let own = tree.goal.as_ref().map(|id| self.goal(self.named(id)).into_keys().collect::<Vec<Span>>());
        inner.chain(own.into_iter().flatten()).collect()
    }

    /// When the tree became true, in one period or in any.
    fn tree(&self, tree: &GoalTree, within: Option<Span>) -> Option<i64> {
        if let Some(id) = &tree.goal {
            let n = usize::try_from(tree.n.unwrap_or(1)).expect("n is positive");
            let periods = self.goal(self.named(id));
            let counted = periods.iter().filter(|(span, _)| within.is_none_or(|within| within == **span));
            return counted.filter_map(|(_, standing)| standing.moments.get(n - 1).copied()).min();
        }
        if !tree.all_of.is_empty() {
            return tree.all_of.iter().map(|inner| self.tree(inner, within)).collect::<Option<Vec<i64>>>()?.into_iter().max();
        }
        tree.any_of.iter().filter_map(|inner| self.tree(inner, within)).min()
    }
}

fn standing(condition: &Condition, mut hits: Vec<Hit>) -> Standing {
    hits.sort_by_key(|hit| (hit.order, hit.dated));
    let mut moments = Vec::new();
    for last in 0..hits.len() {
        let n = reached(condition, &hits[..=last]);
        while i64::try_from(moments.len()).expect("few") < n {
            moments.push(hits[last].order.0);
        }
    }
    let days: BTreeSet<Date> = hits.iter().map(|hit| hit.day).collect();
    Standing { measured: measure(condition, &hits), moments, runs: runs(&days), newest: newest(condition, &hits) }
}

/// The days as runs of days that follow one another.
fn runs(days: &BTreeSet<Date>) -> Vec<(Date, Date)> {
    let mut runs: Vec<(Date, Date)> = Vec::new();
    for day in days {
        match runs.last_mut() {
            Some((_, last)) if last.tomorrow().expect("a date") == *day => *last = *day,
            _ => runs.push((*day, *day)),
        }
    }
    runs
}

/// How many days a run has.
pub(crate) fn run_length((first, last): (Date, Date)) -> i64 {
    i64::from(last.since(first).expect("dates are near").get_days()) + 1
}

fn total(condition: &Condition, hits: &[&Hit], amount: impl Fn(&Hit) -> i64) -> i64 {
    let sum = |hits: &mut dyn Iterator<Item = &&Hit>| hits.fold(0i64, |sum, hit| sum.saturating_add(amount(hit)));
    match condition.cap {
        None => sum(&mut hits.iter()),
        Some(cap) if cap.per == CapPer::Period => sum(&mut hits.iter()).min(cap.most),
        Some(cap) => {
            let days: BTreeSet<Date> = hits.iter().map(|hit| hit.day).collect();
            let of_day = |day: &Date| sum(&mut hits.iter().filter(|hit| hit.day == *day)).min(cap.most);
            days.iter().map(of_day).fold(0, i64::saturating_add)
        }
    }
}

/// What a non-negative whole number counts; nothing for any other value.
fn amount(hit: &Hit) -> i64 {
    match hit.value {
        Attribute::Integer(number) if number > 0 => number.saturating_mul(hit.weight),
        _ => 0,
    }
}

/// What these hits of one period come to, in the order they are given.
fn measure(condition: &Condition, hits: &[Hit]) -> i64 {
    let all: Vec<&Hit> = hits.iter().collect();
    if let Some(row) = &condition.in_a_row {
        return in_a_row(&all, usize::from(row.of), row.blocks);
    }
    let by: &dyn Fn(&Hit) -> i64 = if condition.measure == Some(Measure::Sum) { &amount } else { &|hit: &Hit| hit.weight };
    if let Some(seconds) = condition.within_s {
        let length = i64::from(seconds) * 1_000_000;
        let window = |from: i64| all.iter().filter(|hit| from <= hit.dated && hit.dated < from + length).copied().collect::<Vec<_>>();
        return all.iter().map(|hit| total(condition, &window(hit.dated), by)).max().unwrap_or(0);
    }
    let days: BTreeSet<Date> = hits.iter().map(|hit| hit.day).collect();
    match condition.measure.expect("joined goals are not measured") {
        Measure::Count | Measure::Sum => total(condition, &all, by),
        Measure::Max => hits.iter().map(amount).max().unwrap_or(0),
        Measure::Distinct => {
            count(hits.iter().map(|hit| &hit.value).filter(|value| **value != Attribute::Missing).collect::<BTreeSet<_>>())
        }
        Measure::Collect => count(condition.items.iter().filter(|item| hits.iter().any(|hit| is_text(&hit.value, item))).collect()),
        Measure::Days => days.iter().map(|day| day_weight(condition.weight.as_ref(), *day)).fold(0, i64::saturating_add),
        Measure::Streak => runs(&days).into_iter().map(run_length).max().unwrap_or(0),
    }
}

fn is_text(value: &Attribute, wanted: &str) -> bool {
    matches!(value, Attribute::Text(text) if text == wanted)
}

fn count<T: Ord>(values: BTreeSet<T>) -> i64 {
    i64::try_from(values.len()).expect("few")
}

/// The hits among the newest events of a count window; of a block that is not full.
fn newest(condition: &Condition, hits: &[Hit]) -> i64 {
    let Some(row) = &condition.in_a_row else { return 0 };
    let of = usize::from(row.of);
    let events = if row.blocks { hits.len() % of } else { hits.len().min(of) };
    i64::try_from(hits[hits.len() - events..].iter().filter(|hit| hit.in_row).count()).expect("few")
}

fn in_a_row(hits: &[&Hit], of: usize, blocks: bool) -> i64 {
    let hits_in = |window: &[&Hit]| i64::try_from(window.iter().filter(|hit| hit.in_row).count()).expect("few");
    let whole = of.min(hits.len()).max(1);
    if blocks { hits.chunks(of).map(hits_in).max().unwrap_or(0) } else { hits.windows(whole).map(hits_in).max().unwrap_or(0) }
}
