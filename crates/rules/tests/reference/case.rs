//! One case: a document, what is registered beside it, and records in the order they are read; run through the rules and compared
//! with the reference after some of its records and at its end. Refuses internals of the rules: only what they publish.

use super::calendar::{Calendar, Span};
use super::evaluate::{Evaluation, Register, Standing, evaluate, run_length, targets, top};
use super::record::{ATTRIBUTES, Record};
use kernel::Instant;
use rules::campaign::{Campaign, Condition, Measure};
use rules::{Achieved, Control, Effects, GoalProgress, Plan, PlayerState, Registered, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The campaign's number in every case.
pub(crate) const NUMBER: u32 = 7;
/// The number of the one beside it.
const BESIDE: u32 = 8;
const LINEAGE: u32 = 2;
const VERSION: i64 = 3;

/// A case as it is printed and pasted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) document: serde_json::Value,
    /// Another campaign of the same game, judged in the same steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) beside: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) opted_in_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped_at: Option<Instant>,
    /// After how many records state and progress are compared beside the end.
    #[serde(default)]
    pub(crate) looks: Vec<usize>,
    pub(crate) records: Vec<Record>,
}

/// A case that the parser took.
pub(crate) struct Ready {
    pub(crate) campaign: Campaign,
    pub(crate) beside: Option<Campaign>,
    pub(crate) plan: Plan,
    pub(crate) register: Register,
}

/// What the rules made of records.
pub(crate) struct Run {
    pub(crate) state: PlayerState,
    pub(crate) achieved: Vec<Achieved>,
}

impl Case {
    /// Parses and compiles; the faults if the document is refused.
    pub(crate) fn ready(&self) -> Result<Ready, String> {
        let faults = |faults: Vec<rules::Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let parse = |document: &serde_json::Value| Campaign::parse(&document.to_string()).map_err(faults);
        let campaign = parse(&self.document)?;
        let beside = self.beside.as_ref().map(parse).transpose()?;
        let registered = |(number, campaign): (u32, &Campaign)| Registered {
            number,
            lineage: LINEAGE,
            version: VERSION,
            stopped_at: self.stopped_at,
            campaign: campaign.clone(),
        };
        let all: Vec<Registered> = (NUMBER..).zip([&campaign].into_iter().chain(&beside)).map(registered).collect();
        let plan = Plan::compile(&all, &ATTRIBUTES.map(str::to_owned)).map_err(faults)?;
        let register = Register { opted_in_at: self.opted_in_at.map(|at| at.0), stopped_at: self.stopped_at.map(|at| at.0) };
        Ok(Ready { campaign, beside, plan, register })
    }

    /// Compares rules and reference; what differs, in words.
    pub(crate) fn judge(&self, ready: &Ready) -> Result<(), String> {
        let mut run = Run::begin(ready);
        let mut counted = BTreeSet::new();
        for (read, record) in (1..).zip(&self.records) {
            let verdict = run.step(ready, record);
            fits(ready, record, verdict, counted.contains(&record.id)).map_err(|why| format!("record {read}: {why}"))?;
            if verdict == Verdict::Counted {
                counted.insert(record.id);
            }
            if self.looks.contains(&read) || read == self.records.len() {
                let records = &self.records[..read];
                self.compare(ready, &run, records).map_err(|difference| format!("after {read} records: {difference}"))?;
            }
        }
        Ok(())
    }

    fn compare(&self, ready: &Ready, run: &Run, records: &[Record]) -> Result<(), String> {
        let in_order = records.is_sorted_by_key(|record| (record.at, record.id));
        for one in ready.campaigns() {
            let expected = evaluate(one.campaign, ready.register, records);
            compare_achieved(one, run, &expected, in_order).map_err(|difference| format!("{}: {difference}", one.campaign.id))?;
            for now in nows(one.campaign, records) {
                compare_progress(ready, one, run, &expected, now, in_order)
                    .map_err(|difference| format!("{}: progress at {now}: {difference}", one.campaign.id))?;
            }
        }
        Ok(())
    }
}

/// One of the campaigns of a case.
#[derive(Clone, Copy)]
struct Numbered<'a> {
    number: u32,
    campaign: &'a Campaign,
}

impl Ready {
    fn campaigns(&self) -> impl Iterator<Item = Numbered<'_>> {
        let beside = self.beside.iter().map(|campaign| Numbered { number: BESIDE, campaign });
        [Numbered { number: NUMBER, campaign: &self.campaign }].into_iter().chain(beside)
    }
}

impl Run {
    pub(crate) fn begin(ready: &Ready) -> Run {
        let mut run = Run { state: PlayerState::default(), achieved: Vec::new() };
        if let Some(at) = ready.register.opted_in_at {
            let mut effects = Effects::default();
            for one in ready.campaigns() {
                rules::control(&ready.plan, &mut run.state, &Control::OptIn { number: one.number }, Instant(at), &mut effects);
            }
        }
        run
    }

    pub(crate) fn step(&mut self, ready: &Ready, record: &Record) -> Verdict {
        let mut effects = Effects::default();
        let verdict = record.with_event(|event| rules::step(&ready.plan, &mut self.state, event, record.appended_at, &mut effects));
        self.achieved.extend(effects.achieved);
        verdict
    }
}

/// Whether a verdict is one that such a record may have.
fn fits(ready: &Ready, record: &Record, verdict: Verdict, counted_before: bool) -> Result<(), String> {
    let late_by = record.appended_at.map_or(0, |appended| appended.0 - record.at.0);
    let late_for = |one: Numbered<'_>| late_by > i64::from(one.campaign.late_s) * 1_000_000;
    let late = ready.campaigns().any(late_for);
    let possible = match verdict {
        Verdict::Counted => !ready.campaigns().all(late_for) && !counted_before,
        Verdict::Duplicate => counted_before,
        Verdict::TooLate => late,
        Verdict::Unwanted => !counted_before || late,
    };
    if possible { Ok(()) } else { Err(format!("{verdict:?}, where late is {late} and counted before {counted_before}")) }
}

/// The goals whose judgement depends on the order in which records are read: sequences, and whatever is fed by one.
fn order_matters(campaign: &Campaign) -> bool {
    campaign.goals.iter().any(|goal| goal.condition.in_a_row.is_some())
}

fn compare_achieved(one: Numbered<'_>, run: &Run, expected: &Evaluation, in_order: bool) -> Result<(), String> {
    let mut actual = BTreeMap::new();
    for achieved in run.achieved.iter().filter(|achieved| achieved.number == one.number) {
        if (achieved.lineage, achieved.version) != (LINEAGE, VERSION) {
            return Err(format!("{achieved:?} is not of this campaign"));
        }
        if actual.insert((achieved.goal, achieved.period, achieved.n), achieved.achieved_at.0).is_some() {
            return Err(format!("{achieved:?} was reached twice"));
        }
    }
    let expected = expected.achieved();
    let wanted: BTreeSet<_> = expected.keys().collect();
    let got: BTreeSet<_> = actual.keys().collect();
    let missing: Vec<_> = wanted.difference(&got).collect();
    let wrong: Vec<_> = got.difference(&wanted).collect();
    if !missing.is_empty() || (!wrong.is_empty() && (in_order || !order_matters(one.campaign))) {
        return Err(format!(
            "achievements (goal, period, n): not reached, but should be: {missing:?}; reached, but should not be: {wrong:?}"
        ));
    }
    let moved = actual.iter().find(|(key, at)| in_order && expected.get(*key) != Some(at));
    match moved {
        Some((key, at)) => {
            Err(format!("{key:?} was reached at {}, should be {:?}", Instant(*at), expected.get(key).map(|at| Instant(*at))))
        }
        None => Ok(()),
    }
}

/// Moments at which somebody may look: the last append, and the times of the newest records while lateness still holds them open.
fn nows(campaign: &Campaign, records: &[Record]) -> BTreeSet<Instant> {
    let clock = |record: &Record| record.appended_at.unwrap_or(record.at);
    let latest = records.iter().map(clock).max().unwrap_or(campaign.period.starts);
    let late_us = i64::from(campaign.late_s) * 1_000_000;
    let open = records.iter().map(|record| record.at).filter(|at| at.0 + late_us >= latest.0);
    let day = 86_400_000_000;
    let later = [latest, latest.plus_us(day / 3), latest.plus_us(day), latest.plus_us(2 * day)];
    let running = |now: &Instant| campaign.period.starts <= *now && *now < campaign.period.ends;
    open.rev().take(3).chain(later).filter(running).collect()
}

fn compare_progress(
    ready: &Ready,
    one: Numbered<'_>,
    run: &Run,
    expected: &Evaluation,
    now: Instant,
    in_order: bool,
) -> Result<(), String> {
    let campaign = one.campaign;
    let calendar = Calendar::new(&campaign.zone);
    let progress = rules::progress(&ready.plan, one.number, &run.state, now).ok_or("none")?;
    if progress.opted_in_at.map(|at| at.0) != ready.register.opted_in_at && campaign.opt_in {
        return Err(format!("opted in at {:?}, should be {:?}", progress.opted_in_at, ready.register.opted_in_at));
    }
    let mut actual: BTreeMap<(Option<String>, u16), &GoalProgress> = BTreeMap::new();
    for goal in &progress.goals {
        if actual.insert((goal.scope.clone(), goal.goal), goal).is_some() {
            return Err(format!("{goal:?} comes twice"));
        }
    }
    let mut scopes: BTreeSet<Option<String>> = expected.scopes.keys().cloned().collect();
    scopes.extend(actual.keys().map(|(scope, _)| scope.clone()));
    for scope in &scopes {
        for (number, goal) in (0u16..).zip(&campaign.goals) {
            let found = actual.get(&(scope.clone(), number)).copied();
            let current = counted_period(&calendar, campaign, &goal.condition, now.0);
            // Between periods the next one is shown, after them the last: one that counts in any case.
            let Some(span) = current.or_else(|| counted_period(&calendar, campaign, &goal.condition, found?.starts.0)) else { continue };
            let standing = expected.scopes.get(scope).and_then(|goals| goals[usize::from(number)].get(&span)).cloned().unwrap_or_default();
            let loose = !in_order && order_matters(campaign);
            goal_as(&goal.condition, &calendar, campaign, (span, &standing), found, scope.as_deref(), now, loose)
                .map_err(|difference| format!("goal {} of scope {scope:?}: {difference}", goal.id))?;
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "everything one goal's comparison looks at")]
fn goal_as(
    condition: &Condition,
    calendar: &Calendar,
    campaign: &Campaign,
    (span, standing): (Span, &Standing),
    found: Option<&GoalProgress>,
    scope: Option<&str>,
    now: Instant,
    loose: bool,
) -> Result<(), String> {
    let n = i64::try_from(standing.moments.len()).expect("few");
    let current = shown(condition, calendar, campaign, standing, now);
    let Some(found) = found else {
        let nothing = current.is_none_or(|current| current == 0) && n == 0;
        return if nothing { Ok(()) } else { Err(format!("is missing, should be {current:?}, n = {n}")) };
    };
    let place = (found.period, found.starts.0, found.ends.0);
    let should = (span.key(scope), span.starts, span.ends);
    if place != should {
        return Err(format!("period, start and end are {place:?}, should be {should:?}"));
    }
    let same = current.is_none_or(|current| found.current == current) && found.reached_n == n;
    let ahead = next_targets(condition, n);
    if !loose && ahead.as_ref().is_some_and(|ahead| *ahead != (found.target, found.targets.clone())) {
        return Err(format!("target {} of {:?}, should be {ahead:?}", found.target, found.targets));
    }
    // What was reached stays reached, and shows.
    let better = loose && found.reached_n >= n;
    if same || better { Ok(()) } else { Err(format!("current {} n {}, should be {current:?} n {n}", found.current, found.reached_n)) }
}

/// The next target and all of them, where n were reached; none where it is not said.
fn next_targets(condition: &Condition, n: i64) -> Option<(i64, Vec<i64>)> {
    if condition.measure.is_none() {
        let parts = condition.all_of.len() + usize::from(!condition.any_of.is_empty());
        let parts = i64::try_from(parts).expect("few");
        return Some((parts, vec![parts]));
    }
    let all = targets(condition);
    match condition.repeat {
        Some(_) if condition.measure == Some(Measure::Streak) => None,
        Some(repeat) => Some((repeat.every * (n + 1).min(repeat.up_to), all)),
        None => Some((all[usize::try_from(n).expect("few").min(all.len() - 1)], all)),
    }
}

/// The period that holds a moment, if the condition counts it.
fn counted_period(calendar: &Calendar, campaign: &Campaign, condition: &Condition, at: i64) -> Option<Span> {
    let rounds = condition.per.as_ref().and_then(|per| per.rounds);
    let (span, number) = calendar.period(campaign, condition, at)?;
    rounds.is_none_or(|rounds| number < i64::from(rounds)).then_some(span)
}

/// The progress people are shown; none where it is not said.
fn shown(condition: &Condition, calendar: &Calendar, campaign: &Campaign, standing: &Standing, now: Instant) -> Option<i64> {
    match condition.measure {
        None => Some(standing.measured),
        Some(Measure::Streak) => {
            let today = calendar.day(now.0, condition.day_starts_at.unwrap_or(campaign.day_starts_at));
            let Some((first, last)) = standing.runs.last().copied() else { return Some(0) };
            let alive = last >= today.yesterday().expect("a date");
            // Nothing is said of a moment before the newest day.
            (last <= today).then(|| if alive { run_length((first, last)) } else { 0 })
        }
        Some(_) if condition.in_a_row.is_some() && standing.measured < top(condition) => Some(standing.newest),
        // A window or a set of values is not filled beyond what can still be reached.
        Some(measure) if measure == Measure::Distinct || condition.within_s.is_some() || condition.in_a_row.is_some() => {
            Some(standing.measured.min(top(condition)))
        }
        Some(_) => Some(standing.measured),
    }
}
