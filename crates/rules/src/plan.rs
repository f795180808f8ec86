//! The plan of one game: all its campaigns compiled, so that a step compares numbers and short texts only.
//! Refuses campaigns whose attributes no mapping names.

mod compile;
mod predicate;
mod rule;

pub(crate) use compile::leaves;
pub(crate) use rule::{Feed, Meter, Rule, Steps, Track};

use crate::campaign::Campaign;
use crate::event::Fault;
use kernel::Instant;

/// A campaign as it is registered: the document and what the register says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The campaign's number within its game; never given to another.
    pub number: u32,
    /// Raised by "start over": players of another lineage begin anew.
    pub lineage: u32,
    /// The document's version; stands on what it judged.
    pub version: i64,
    /// When it was stopped: what happened from then on does not count.
    pub stopped_at: Option<Instant>,
    /// The document.
    pub campaign: Campaign,
}

/// A goal of a plan, as [`crate::Effects::matched`] names it by its place in [`Plan::goals`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlanGoal {
    /// The campaign's number.
    pub number: u32,
    /// The goal's place in its document.
    pub goal: u16,
}

/// The rules of one campaign that count a kind of events: places in [`Plan::rules`].
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) track: usize,
    pub(crate) rules: Box<[u32]>,
}

/// All campaigns of one game, compiled.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub(crate) tracks: Vec<Track>,
    /// A rule for each goal, in the order of `goals`.
    pub(crate) rules: Vec<Rule>,
    goals: Vec<PlanGoal>,
    /// Sorted by kind.
    kinds: Vec<(Box<str>, Box<[Group]>)>,
    /// The greatest lateness of all campaigns, in microseconds.
    pub(crate) late_us: i64,
    pub(crate) dedupe_max: usize,
}

impl Plan {
    /// Compiles the campaigns; `attributes` are the mapping's, in the order of an event's values.
    /// A fault's path begins with the campaign's id.
    pub fn compile(campaigns: &[Registered], attributes: &[String]) -> Result<Plan, Vec<Fault>> {
        let mut plan = Plan { dedupe_max: crate::DEDUPE_MAX, ..Plan::default() };
        let mut faults = Vec::new();
        for registered in campaigns {
            let found = compile::campaign(&mut plan, registered, attributes);
            let id = &registered.campaign.id;
            faults.extend(found.into_iter().map(|fault| Fault { path: format!("{id}.{}", fault.path), ..fault }));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        plan.kinds = compile::kinds(&plan, campaigns);
        Ok(plan)
    }

    /// With another bound on the event ids each player remembers; [`crate::DEDUPE_MAX`] unless this is called.
    #[must_use]
    pub fn with_dedupe_max(self, dedupe_max: usize) -> Plan {
        Plan { dedupe_max: dedupe_max.max(1), ..self }
    }

    /// Every goal of every campaign.
    pub fn goals(&self) -> &[PlanGoal] {
        &self.goals
    }

    /// Whether any goal counts this kind of event.
    pub fn wants(&self, kind: &str) -> bool {
        !self.groups(kind).is_empty()
    }

    /// From when to when a period lasts, by the key an achievement has; none if the plan has no such goal.
    pub fn bounds(&self, number: u32, goal: u16, period: i64) -> Option<(Instant, Instant)> {
        let rule = self.rule(number, goal)?;
        let start_s = self.tracks[rule.track].parts(period).0;
        let span = rule.periods.span(start_s.saturating_mul(kernel::time::SECOND_US))?;
        (span.key == start_s).then_some((Instant(span.starts), Instant(span.ends)))
    }

    /// The first moment at which an achievement can no longer be claimed; none if that never comes.
    pub fn claim_deadline(&self, number: u32, goal: u16, period: i64, achieved_at: Instant) -> Option<Instant> {
        let rule = self.rule(number, goal)?;
        let campaign_ends = Instant(self.tracks[rule.track].period_ends);
        let period_ends = self.bounds(number, goal, period).map_or(campaign_ends, |bounds| bounds.1);
        rule.claim_until?.deadline(campaign_ends, period_ends, achieved_at)
    }

    #[inline]
    pub(crate) fn groups(&self, kind: &str) -> &[Group] {
        match self.kinds.binary_search_by(|(known, _)| (**known).cmp(kind)) {
            Ok(place) => &self.kinds[place].1,
            Err(_) => &[],
        }
    }

    pub(crate) fn track(&self, number: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.number == number)
    }

    pub(crate) fn rule(&self, number: u32, goal: u16) -> Option<&Rule> {
        let track = self.track(number)?;
        (usize::from(goal) < track.goals).then(|| &self.rules[track.first + usize::from(goal)])
    }

    pub(crate) fn goal(&self, rule: usize) -> PlanGoal {
        self.goals[rule]
    }
}
