//! What a campaign and its goals become when they are compiled: data for the step. Refuses to count anything.

use super::predicate::{Field, Test};
use crate::calendar::{Clock, Periods, Table};
use crate::campaign::ClaimUntil;
use crate::event::{Event, Value};
use crate::state::Head;
use std::sync::Arc;

/// A campaign, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) number: u32,
    pub(crate) lineage: u32,
    pub(crate) version: i64,
    pub(crate) starts: i64,
    /// The end of what counts: the period's, or when it was stopped.
    pub(crate) ends: i64,
    pub(crate) period_ends: i64,
    pub(crate) late_us: i64,
    pub(crate) opt_in: bool,
    pub(crate) eligible: Option<Test>,
    /// The attribute, and how many values are followed.
    pub(crate) scope: Option<(Field, u8)>,
    pub(crate) clock: Arc<Clock>,
    /// The place of its first goal's rule, and how many there are.
    pub(crate) first: usize,
    pub(crate) goals: usize,
}

impl Track {
    /// A period's key taken apart: its start in seconds and the scope's hash.
    pub(crate) fn parts(&self, period: i64) -> (i64, Option<u32>) {
        match self.scope {
            None => (period, None),
            Some(_) => (period >> 30, u32::try_from(period & 0x3fff_ffff).ok()),
        }
    }
}

/// A goal, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) track: usize,
    pub(crate) id: Box<str>,
    /// The goal's cells without scope and tag.
    pub(crate) head: Head,
    pub(crate) filter: Option<Test>,
    /// From when to when an event may have happened, in microseconds.
    pub(crate) during: (i64, i64),
    pub(crate) periods: Periods,
    /// Its days, where it asks for them.
    pub(crate) days: Option<Arc<Table>>,
    pub(crate) meter: Meter,
    pub(crate) weigh: Option<Weigh>,
    /// How much counts at most, and in what.
    pub(crate) cap: Option<(i64, Periods)>,
    pub(crate) steps: Steps,
    /// The rule this one comes after.
    pub(crate) after: Option<usize>,
    /// The rules that come after this one.
    pub(crate) opens: Vec<usize>,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) claim_until: Option<ClaimUntil>,
}

impl Rule {
    /// Whether the filter lets an event pass.
    #[inline]
    pub(crate) fn passes(&self, event: &Event<'_>, clock: &Clock) -> bool {
        self.filter.as_ref().is_none_or(|test| test.holds(event, clock))
    }
}

/// Where a goal's achievements go besides their rewards.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Feed {
    /// They set a bit of a goal that joins others, from the n-th on.
    Leaf { rule: usize, bit: u32, n: i64 },
    /// Each counts as an event.
    Count { rule: usize },
}

/// How a goal measures.
#[derive(Debug, Clone)]
pub(crate) enum Meter {
    Count,
    Sum(Field),
    Max(Field),
    Distinct(Field),
    Collect(Field, Box<[Box<str>]>),
    Days,
    Streak,
    /// The best window of so many microseconds; counts, or sums the field.
    Window(i64, Option<Field>),
    Sequence {
        of: usize,
        blocks: bool,
        hit: Test,
    },
    Tree(Node),
}

/// Goals joined: leaves are bits of what was reached.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Leaf(u32),
    All(Box<[Node]>),
    Any(Box<[Node]>),
}

impl Node {
    pub(crate) fn holds(&self, bits: i64) -> bool {
        match self {
            Node::Leaf(bit) => bits >> bit & 1 == 1,
            Node::All(nodes) => nodes.iter().all(|node| node.holds(bits)),
            Node::Any(nodes) => nodes.iter().any(|node| node.holds(bits)),
        }
    }

    /// How many parts hold, and how many must, for people to read.
    pub(crate) fn parts(&self, bits: i64) -> (i64, i64) {
        match self {
            Node::All(nodes) => (nodes.iter().map(|node| i64::from(node.holds(bits))).sum(), nodes.iter().map(|_| 1).sum()),
            node => (i64::from(node.holds(bits)), 1),
        }
    }
}

/// What each text weighs; where there is none, the attribute's number is the weight.
pub(crate) type ByText = Box<[(Box<str>, i64)]>;

/// What an event weighs.
#[derive(Debug, Clone)]
pub(crate) struct Weigh {
    /// By weekday, Monday first.
    pub(crate) weekdays: [i64; 7],
    pub(crate) by: Option<(Field, ByText)>,
    pub(crate) otherwise: i64,
}

impl Weigh {
    /// What the event's attribute says.
    pub(crate) fn of(&self, event: &Event<'_>) -> i64 {
        let Some((field, values)) = &self.by else { return 1 };
        match field.of(event) {
            Value::Integer(number) if values.is_empty() => number.clamp(0, crate::campaign::limits::WEIGHT_MAX),
            Value::Text(text) => values.iter().find(|(value, _)| **value == *text).map_or(self.otherwise, |(_, weight)| *weight),
            _ => self.otherwise,
        }
    }
}

/// The targets of a goal.
#[derive(Debug, Clone)]
pub(crate) enum Steps {
    Tiers(Box<[i64]>),
    Repeat { every: i64, up_to: i64 },
}

impl Steps {
    /// How many targets a progress reaches.
    #[inline]
    pub(crate) fn reached(&self, progress: i64) -> i64 {
        match self {
            Steps::Tiers(tiers) => tiers.iter().map(|tier| i64::from(*tier <= progress)).sum(),
            Steps::Repeat { every, up_to } => (progress / every).clamp(0, *up_to),
        }
    }

    /// The n-th target, from 1.
    pub(crate) fn target(&self, n: i64) -> i64 {
        match self {
            Steps::Tiers(tiers) => {
                let place = usize::try_from(n - 1).unwrap_or(0).min(tiers.len() - 1);
                tiers[place]
            }
            Steps::Repeat { every, up_to } => every * n.clamp(1, *up_to),
        }
    }

    /// How many targets there are.
    pub(crate) fn last(&self) -> i64 {
        match self {
            Steps::Tiers(tiers) => i64::try_from(tiers.len()).unwrap_or(i64::MAX),
            Steps::Repeat { up_to, .. } => *up_to,
        }
    }

    /// The progress past which there is nothing to reach.
    pub(crate) fn top(&self) -> i64 {
        self.target(self.last())
    }
}
