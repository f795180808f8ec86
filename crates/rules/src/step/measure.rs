//! How a goal counts an event: sums, largest values, sets and days. What only adds up is one cell per period.

use super::turn::Turn;
use super::{Judged, Why};
use crate::calendar::Span;
use crate::campaign::Weekday;
use crate::event::{Event, Value};
use crate::plan::{Meter, Rule, Steps};
use crate::state::{Head, PlayerState, Tag};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

impl Turn<'_> {
    /// Counts an event that passed the goal's filter.
    pub(crate) fn count(&mut self, place: usize, scope: u8, event: &Event<'_>) -> Judged {
        let plan = self.plan;
        let rule = &plan.rules[place];
        let at = event.at.0;
        let Some(span) = rule.periods.span(at) else { return Judged::Rejected(Why::OutsideSlot) };
        match &rule.meter {
            Meter::Count => self.add(place, scope, span, at, weight(rule, event)),
            Meter::Sum(field) => match field.number(event) {
                Some(number) => self.add(place, scope, span, at, number.saturating_mul(weight(rule, event))),
                None => Judged::Rejected(Why::NoValue),
            },
            Meter::Max(field) => self.largest(place, scope, span, field.number(event)),
            Meter::Distinct(field) => self.distinct(place, scope, span, field.of(event)),
            Meter::Collect(field, items) => {
                let Value::Text(item) = field.of(event) else { return Judged::Rejected(Why::NoValue) };
                match items.iter().position(|wanted| **wanted == *item) {
                    Some(bit) => self.collect(place, scope, span, bit),
                    None => Judged::Rejected(Why::NoValue),
                }
            }
            Meter::Days | Meter::Streak => self.mark_day(place, scope, span, at),
            Meter::Window(within, field) => {
                let number = field.map_or(Some(1), |field| field.number(event));
                let by = number.unwrap_or(0).saturating_mul(weight(rule, event));
                self.window(place, scope, span, at, by, *within)
            }
            Meter::Sequence { of, blocks, hit } => {
                let hit = hit.holds(event, &plan.tracks[rule.track].clock);
                self.sequence(place, scope, span, (at, event.id), hit, (*of, *blocks))
            }
            Meter::Tree(_) => Judged::Rejected(Why::NoValue),
        }
    }

    /// Counts another goal's achievement, dated by the start of its period.
    pub(crate) fn count_fed(&mut self, place: usize, scope: u8, at: i64) {
        let rule = &self.plan.rules[place];
        let Some(span) = rule.periods.span(at) else { return };
        match rule.meter {
            Meter::Days | Meter::Streak => self.mark_day(place, scope, span, at),
            _ => self.accrue(place, scope, span, at, weekday_weight(rule, at)),
        };
    }

    /// Adds to a sum, if the goal it comes after was reached by then.
    fn add(&mut self, place: usize, scope: u8, span: Span, at: i64, by: i64) -> Judged {
        if by <= 0 {
            return Judged::Rejected(Why::NoValue);
        }
        let rule = &self.plan.rules[place];
        let opens = !rule.opens.is_empty();
        if let Some(after) = rule.after
            && !self.is_open(after, scope, span, at)
        {
            self.hold(place, scope, at, by);
            return Judged::Rejected(Why::BeforeUnlock);
        }
        let judged = self.accrue(place, scope, span, at, by);
        if opens {
            self.advance(place, scope, span, at, by);
        }
        judged
    }

    /// Adds to a sum what its cap lets through.
    pub(crate) fn accrue(&mut self, place: usize, scope: u8, span: Span, at: i64, by: i64) -> Judged {
        let mut by = by;
        if let Some((most, periods)) = &self.plan.rules[place].cap
            && let Some(stretch) = periods.span(at)
        {
            let head = self.head(place, scope, Tag::Part);
            // Taken before it is added to: a sum that saturates does not tell what it was.
            let before = self.state.get(head, stretch.key).unwrap_or(0);
            let (part, new) = self.state.add(head, stretch.key, by);
            by = part.min(*most) - before.min(*most);
            if new {
                self.prune(place, scope, span);
            }
            if by <= 0 {
                return Judged::Rejected(Why::Capped);
            }
        }
        let (value, new) = self.state.add(self.head(place, scope, Tag::Value), span.key, by);
        if new {
            self.prune(place, scope, span);
        }
        self.counted(place, scope, span, by, value)
    }

    /// The end of every count that changed something.
    pub(crate) fn counted(&mut self, place: usize, scope: u8, span: Span, by: i64, progress: i64) -> Judged {
        let current = self.corrected(place, scope, span, progress);
        self.settle(place, scope, span, current);
        Judged::Counted { by, current }
    }

    fn largest(&mut self, place: usize, scope: u8, span: Span, number: Option<i64>) -> Judged {
        let Some(number) = number else { return Judged::Rejected(Why::NoValue) };
        let head = self.head(place, scope, Tag::Value);
        let before = self.state.get(head, span.key).unwrap_or(0);
        if number <= before {
            return Judged::Rejected(Why::Already);
        }
        if self.state.set(head, span.key, number) {
            self.prune(place, scope, span);
        }
        self.counted(place, scope, span, number - before, number)
    }

    fn distinct(&mut self, place: usize, scope: u8, span: Span, value: Value<'_>) -> Judged {
        let Some(hash) = hash(value) else { return Judged::Rejected(Why::NoValue) };
        let member = self.head(place, scope, Tag::Member);
        let key = (hash ^ xxh3_64(&span.key.to_le_bytes())).cast_signed();
        if self.state.get(member, key).is_some() {
            return Judged::Rejected(Why::Already);
        }
        let head = self.head(place, scope, Tag::Value);
        let before = self.state.get(head, span.key).unwrap_or(0);
        if before >= self.plan.rules[place].steps.top() {
            // A lower target than before may be reached by what is there.
            self.counted(place, scope, span, 0, before);
            return Judged::Rejected(Why::Done);
        }
        self.state.set(member, key, span.key);
        if self.state.set(head, span.key, before + 1) {
            self.prune(place, scope, span);
        }
        self.counted(place, scope, span, 1, before + 1)
    }

    fn collect(&mut self, place: usize, scope: u8, span: Span, bit: usize) -> Judged {
        let head = self.head(place, scope, Tag::Value);
        let before = self.state.get(head, span.key).unwrap_or(0);
        if before >> bit & 1 == 1 {
            return Judged::Rejected(Why::Already);
        }
        let bits = before | 1 << bit;
        if self.state.set(head, span.key, bits) {
            self.prune(place, scope, span);
        }
        self.counted(place, scope, span, 1, i64::from(bits.count_ones()))
    }

    fn mark_day(&mut self, place: usize, scope: u8, span: Span, at: i64) -> Judged {
        let rule = &self.plan.rules[place];
        let Some(day) = rule.days.as_ref().and_then(|days| days.day(at)) else { return Judged::Rejected(Why::OutsideSlot) };
        let head = self.head(place, scope, Tag::Days);
        let (word, bit) = (day >> 6, day & 63);
        let before = self.state.get(head, word).unwrap_or(0);
        if before >> bit & 1 == 1 {
            return Judged::Rejected(Why::Already);
        }
        self.state.set(head, word, before | 1 << bit);
        let progress = days(self.state, head, rule, span.starts);
        self.counted(place, scope, span, 1, progress)
    }
}

/// What an event weighs.
#[inline]
fn weight(rule: &Rule, event: &Event<'_>) -> i64 {
    match &rule.weigh {
        None => 1,
        Some(weigh) => weigh.of(event).saturating_mul(weekday_weight(rule, event.at.0)),
    }
}

/// What the weekday of the goal's day weighs.
fn weekday_weight(rule: &Rule, at: i64) -> i64 {
    match (&rule.weigh, &rule.days) {
        (Some(weigh), Some(days)) => days.day(at).map_or(0, |day| weigh.weekdays[Weekday::index_of(day)]),
        _ => 1,
    }
}

/// A value's hash, other for a number than for its digits.
fn hash(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Missing => None,
        Value::Integer(number) => Some(xxh3_64_with_seed(&number.to_le_bytes(), 1)),
        Value::Text(text) => Some(xxh3_64(text.as_bytes())),
        Value::Flag(flag) => Some(xxh3_64_with_seed(&[u8::from(flag)], 2)),
    }
}

/// A goal's progress in a period from its cells, without correction. For a tree of goals, how many of its parts hold.
pub(crate) fn measured(state: &PlayerState, rule: &Rule, scope: u8, span: Span) -> i64 {
    let head = rule.head.scoped(scope);
    let value = || state.get(head.tagged(Tag::Value), span.key).unwrap_or(0);
    match &rule.meter {
        Meter::Count | Meter::Sum(_) | Meter::Max(_) | Meter::Distinct(_) => value(),
        Meter::Window(..) => value().min(rule.steps.top()),
        Meter::Collect(..) => i64::from(value().count_ones()),
        Meter::Days | Meter::Streak => days(state, head.tagged(Tag::Days), rule, span.starts),
        Meter::Sequence { of, blocks, .. } => super::sequence::latest(state, rule, scope, span, (*of, *blocks)),
        Meter::Tree(tree) => tree.parts(value()).0,
    }
}

/// The days that were marked in the period of a moment: how many, what they weigh, or the longest run, as the goal asks.
fn days(state: &PlayerState, head: Head, rule: &Rule, at: i64) -> i64 {
    let (from, until) = rule.periods.days(at);
    let words = state.range(head, from >> 6, if until == i64::MAX { i64::MAX } else { (until + 63) >> 6 });
    let weekdays = rule.weigh.as_ref().map(|weigh| &weigh.weekdays);
    let mut runs = Runs::default();
    let mut weight = 0_i64;
    for cell in state.cells(words) {
        let mut bits = cell.value.cast_unsigned();
        while bits != 0 {
            let day = (cell.key << 6) + i64::from(bits.trailing_zeros());
            bits &= bits - 1;
            if day >= from && day < until {
                weight += weekdays.map_or(1, |weekdays| weekdays[Weekday::index_of(day)]);
                runs.add(day);
            }
        }
    }
    match (&rule.meter, &rule.steps) {
        (Meter::Streak, Steps::Repeat { every, .. }) => runs.whole(*every),
        (Meter::Streak, Steps::Tiers(_)) => runs.longest(),
        _ => weight,
    }
}

/// How many days up to `last` were marked without a gap; days are counted from 1970-01-01.
pub(crate) fn run_to(state: &PlayerState, head: Head, last: i64) -> i64 {
    let marked = |day: i64| state.get(head, day >> 6).is_some_and(|bits| bits >> (day & 63) & 1 == 1);
    (0..).take_while(|back| marked(last - back)).count().try_into().unwrap_or(i64::MAX)
}

/// Runs of days, in order.
#[derive(Default)]
struct Runs {
    lengths: Vec<i64>,
    last: Option<i64>,
}

impl Runs {
    fn add(&mut self, day: i64) {
        match (self.lengths.last_mut(), self.last) {
            (Some(length), Some(last)) if last + 1 == day => *length += 1,
            _ => self.lengths.push(1),
        }
        self.last = Some(day);
    }

    fn longest(&self) -> i64 {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    /// The days of all whole multiples of `every` within the runs.
    fn whole(&self, every: i64) -> i64 {
        self.lengths.iter().map(|length| length / every * every).sum()
    }
}
