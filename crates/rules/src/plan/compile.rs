//! Compiles a campaign that was found valid into a track and a rule for each goal.

use super::predicate::Names;
use super::rule::{Feed, Meter, Node, Rule, Steps, Track, Weigh};
use super::{Group, Plan, PlanGoal, Registered};
use crate::calendar::{self, Calendars};
use crate::campaign::{Campaign, CapPer, Condition, Goal, GoalTree, Measure, Weight};
use crate::event::Fault;
use crate::state::Head;
use std::collections::BTreeMap;
use std::sync::Arc;

const SECOND_US: i64 = kernel::time::SECOND_US;

/// Adds a campaign to the plan; what is wrong with it.
pub(super) fn campaign(plan: &mut Plan, registered: &Registered, attributes: &[String]) -> Vec<Fault> {
    let campaign = &registered.campaign;
    let invalid = campaign.faults();
    if !invalid.is_empty() {
        return invalid;
    }
    let zone = calendar::zone(&campaign.zone).expect("a valid campaign's zone exists");
    let mut build = Build {
        campaign,
        number: registered.number,
        track: plan.tracks.len(),
        first: plan.rules.len(),
        names: Names { attributes, faults: Vec::new() },
        calendars: Calendars::new(zone, campaign.period),
    };
    let late_us = i64::from(campaign.late_s) * SECOND_US;
    plan.late_us = plan.late_us.max(late_us);
    let ends = campaign.period.ends.0;
    let track = Track {
        number: registered.number,
        lineage: registered.lineage,
        version: registered.version,
        starts: campaign.period.starts.0,
        ends: registered.stopped_at.map_or(ends, |stopped| stopped.0.min(ends)),
        period_ends: ends,
        late_us,
        opt_in: campaign.opt_in,
        eligible: campaign.eligible.as_ref().map(|filter| build.names.test(filter, "eligible")),
        scope: campaign.scope.as_ref().map(|scope| (build.names.field(&scope.attribute, "scope.attribute"), scope.max)),
        clock: Arc::new(build.calendars.clock()),
        first: build.first,
        goals: campaign.goals.len(),
    };
    plan.tracks.push(track);
    for (place, goal) in campaign.goals.iter().enumerate() {
        let place_u16 = u16::try_from(place).expect("a campaign has few goals");
        plan.goals.push(PlanGoal { number: registered.number, goal: place_u16 });
        let rule = build.rule(goal, place, place_u16);
        plan.rules.push(rule);
    }
    build.connect(&mut plan.rules);
    build.names.faults
}

/// Which campaigns' rules count which kinds.
pub(super) fn kinds(plan: &Plan, campaigns: &[Registered]) -> Vec<(Box<str>, Box<[Group]>)> {
    let mut kinds: BTreeMap<&str, Vec<Group>> = BTreeMap::new();
    for (at, (track, registered)) in plan.tracks.iter().zip(campaigns).enumerate() {
        let mut of_track: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (place, goal) in registered.campaign.goals.iter().enumerate() {
            for kind in &goal.condition.on {
                let rules = of_track.entry(kind).or_default();
                rules.push(u32::try_from(track.first + place).expect("a game has few goals"));
                rules.dedup();
            }
        }
        for (kind, rules) in of_track {
            kinds.entry(kind).or_default().push(Group { track: at, rules: rules.into() });
        }
    }
    kinds.into_iter().map(|(kind, groups)| (kind.into(), groups.into())).collect()
}

struct Build<'a> {
    campaign: &'a Campaign,
    number: u32,
    track: usize,
    first: usize,
    names: Names<'a>,
    calendars: Calendars,
}

impl Build<'_> {
    fn rule(&mut self, goal: &Goal, place: usize, place_u16: u16) -> Rule {
        let path = format!("goals[{place}].condition");
        let condition = &goal.condition;
        let starts_at = condition.day_starts_at.unwrap_or(self.campaign.day_starts_at);
        let by_day = condition.cap.is_some_and(|cap| cap.per == CapPer::Day);
        let by_weekday = condition.weight.as_ref().is_some_and(|weight| !weight.weekdays.is_empty());
        let in_days = matches!(condition.measure, Some(Measure::Days | Measure::Streak));
        let period = condition.during.unwrap_or(self.campaign.period);
        let periods = self.calendars.periods(condition.per.as_ref(), starts_at);
        Rule {
            track: self.track,
            id: goal.id.as_str().into(),
            head: Head::goal(self.number, place_u16),
            filter: condition.filter.as_ref().map(|filter| self.names.test(filter, &format!("{path}.where"))),
            during: (period.starts.0, period.ends.0),
            days: (in_days || by_weekday).then(|| self.calendars.days(starts_at)),
            meter: self.meter(condition, &path),
            weigh: condition.weight.as_ref().map(|weight| self.weigh(weight, &path)),
            cap: condition.cap.map(|cap| {
                let day = crate::campaign::Per::day();
                (cap.most, if by_day { self.calendars.periods(Some(&day), starts_at) } else { periods.clone() })
            }),
            periods,
            steps: steps(condition),
            after: condition.after.as_ref().map(|id| self.place(id)),
            opens: Vec::new(),
            feeds: Vec::new(),
            claim_until: goal.claim_until,
        }
    }

    fn meter(&mut self, condition: &Condition, path: &str) -> Meter {
        let value_path = format!("{path}.value");
        let names = &mut self.names;
        let mut field = |usual: &str| names.field(condition.value.as_deref().unwrap_or(usual), &value_path);
        if let Some(within_s) = condition.within_s {
            let summed = (condition.measure == Some(Measure::Sum)).then(|| field("amount"));
            return Meter::Window(i64::from(within_s) * SECOND_US, summed);
        }
        if let Some(row) = &condition.in_a_row {
            let hit = self.names.test(&row.hit, &format!("{path}.in_a_row.hit"));
            return Meter::Sequence { of: usize::from(row.of), blocks: row.blocks, hit };
        }
        match condition.measure {
            Some(Measure::Count) => Meter::Count,
            Some(Measure::Sum) => Meter::Sum(field("amount")),
            Some(Measure::Max) => Meter::Max(field("amount")),
            Some(Measure::Distinct) => Meter::Distinct(field("item")),
            Some(Measure::Collect) => Meter::Collect(field("item"), condition.items.iter().map(|item| item.as_str().into()).collect()),
            Some(Measure::Days) => Meter::Days,
            Some(Measure::Streak) => Meter::Streak,
            None => Meter::Tree(tree(condition)),
        }
    }

    fn weigh(&mut self, weight: &Weight, path: &str) -> Weigh {
        let mut weekdays = [1; 7];
        weight.weekdays.iter().for_each(|(day, weight)| weekdays[day.index()] = *weight);
        let by = weight.attribute.as_ref().map(|name| {
            let field = self.names.field(name, &format!("{path}.weight.attribute"));
            (field, weight.values.iter().map(|(value, weight)| (value.as_str().into(), *weight)).collect())
        });
        Weigh { weekdays, by, otherwise: weight.otherwise.unwrap_or(1) }
    }

    /// The place in the plan of a goal's rule.
    fn place(&self, id: &str) -> usize {
        self.first + self.campaign.goal(id).expect("a valid campaign names its own goals").0
    }

    /// Tells each rule which others follow from it.
    fn connect(&self, rules: &mut [Rule]) {
        for (place, goal) in self.campaign.goals.iter().enumerate() {
            let rule = self.first + place;
            if let Some(after) = rules[rule].after {
                rules[after].opens.push(rule);
            }
            if let Some(source) = &goal.condition.on_goal {
                rules[self.place(source)].feeds.push(Feed::Count { rule });
            }
            for (bit, leaf) in leaves(&goal.condition).into_iter().enumerate() {
                let source = self.place(leaf.goal.as_deref().unwrap_or_default());
                let bit = u32::try_from(bit).expect("a tree has at most 64 leaves");
                rules[source].feeds.push(Feed::Leaf { rule, bit, n: leaf.n.unwrap_or(1) });
            }
        }
    }
}

fn steps(condition: &Condition) -> Steps {
    match (condition.repeat, condition.target) {
        (Some(repeat), _) => Steps::Repeat { every: repeat.every, up_to: repeat.up_to },
        (None, Some(target)) => Steps::Tiers([target].into()),
        (None, None) if condition.tiers.is_empty() => Steps::Tiers([1].into()),
        (None, None) => Steps::Tiers(condition.tiers.as_slice().into()),
    }
}

/// The goals a condition joins, in the order of the document.
pub(crate) fn leaves(condition: &Condition) -> Vec<&GoalTree> {
    fn gather<'a>(trees: &'a [GoalTree], found: &mut Vec<&'a GoalTree>) {
        for tree in trees {
            if tree.goal.is_some() {
                found.push(tree);
            }
            gather(&tree.all_of, found);
            gather(&tree.any_of, found);
        }
    }
    let mut found = Vec::new();
    gather(&condition.all_of, &mut found);
    gather(&condition.any_of, &mut found);
    found
}

fn tree(condition: &Condition) -> Node {
    let mut bits = 0..;
    let mut all = nodes(&condition.all_of, &mut bits);
    let any = nodes(&condition.any_of, &mut bits);
    match (all.is_empty(), any.is_empty()) {
        (_, true) => Node::All(all.into()),
        (true, false) => Node::Any(any.into()),
        (false, false) => {
            all.push(Node::Any(any.into()));
            Node::All(all.into())
        }
    }
}

fn nodes(trees: &[GoalTree], bits: &mut std::ops::RangeFrom<u32>) -> Vec<Node> {
    let node = |tree: &GoalTree| match tree {
        GoalTree { goal: Some(_), .. } => Node::Leaf(bits.next().expect("bits do not end")),
        GoalTree { all_of, any_of, .. } if any_of.is_empty() => Node::All(nodes(all_of, bits).into()),
        GoalTree { any_of, .. } => Node::Any(nodes(any_of, bits).into()),
    };
    trees.iter().map(node).collect()
}
