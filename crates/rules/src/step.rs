//! One event meets one player's state. Pure: no clock, no allocation in the common case.

mod gate;
mod measure;
mod sequence;
mod turn;
mod window;

pub(crate) use measure::{measured, run_to};
pub(crate) use turn::{Turn, corrected};

use crate::event::Event;
use crate::plan::{Plan, Track};
use crate::state::PlayerState;
use kernel::Instant;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It counted for a goal.
    Counted,
    /// It was counted before.
    Duplicate,
    /// It would have counted, but came too late, or is older than what the player still remembers.
    TooLate,
    /// No campaign counts it.
    Unwanted,
}

/// A goal that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Achieved {
    /// The campaign's number.
    pub number: u32,
    /// Its lineage.
    pub lineage: u32,
    /// The version that judged it.
    pub version: i64,
    /// The goal's place in the document.
    pub goal: u16,
    /// The period's key: 0 for the whole campaign, else its start in Unix seconds; see [`crate::period_key`] for scopes.
    pub period: i64,
    /// The tier or repeat, from 1.
    pub n: i64,
    /// When the event happened that reached it.
    pub achieved_at: Instant,
}

/// What a step brings about. Steps append; whoever has taken what is there calls [`Effects::clear`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// Goals reached.
    pub achieved: Vec<Achieved>,
    /// Places in [`Plan::goals`]: for each event that counted, the goals whose filter it passed.
    pub matched: Vec<u32>,
}

impl Effects {
    /// Forgets what was taken; keeps the memory.
    pub fn clear(&mut self) {
        self.achieved.clear();
        self.matched.clear();
    }
}

/// Hears how each goal judged an event, for `explain`.
pub trait Trace {
    /// A goal of that kind of events judged it.
    fn goal(&mut self, number: u32, goal: u16, judged: Judged);
}

/// How a goal judged an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It counts `by`; the period's progress is `current` now.
    Counted {
        /// What it added; 0 if it changed nothing that can be seen yet.
        by: i64,
        /// The progress after it.
        current: i64,
    },
    /// It does not count.
    Rejected(Why),
}

/// Why an event does not count for a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The condition's filter says no.
    Filter,
    /// The campaign's eligibility says no.
    NotEligible,
    /// Before the campaign, after it, or after it was stopped.
    OutsidePeriod,
    /// Outside the goal's `during`, its slots or its rounds.
    OutsideSlot,
    /// The player has not opted in, or had not yet.
    NotOptedIn,
    /// It came later than the campaign allows.
    TooLate,
    /// It was counted before.
    Duplicate,
    /// It has no scope, or the player has too many.
    NoScope,
    /// It has no value to count, or counts nothing.
    NoValue,
    /// What it brings was there already: the day, the item, the value, the larger one.
    Already,
    /// The cap was reached.
    Capped,
    /// It happened before the goal it comes after was reached.
    BeforeUnlock,
    /// The goal is reached in this period and there is no more to reach.
    Done,
}

impl Why {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Filter => "filter",
            Why::NotEligible => "not_eligible",
            Why::OutsidePeriod => "outside_period",
            Why::OutsideSlot => "outside_slot",
            Why::NotOptedIn => "not_opted_in",
            Why::TooLate => "too_late",
            Why::Duplicate => "duplicate",
            Why::NoScope => "no_scope",
            Why::NoValue => "no_value",
            Why::Already => "already",
            Why::Capped => "capped",
            Why::BeforeUnlock => "before_unlock",
            Why::Done => "done",
        }
    }
}

/// Judges one event of one player. `appended_at` is when the log took it; files have none and nothing in them is late.
pub fn step(plan: &Plan, state: &mut PlayerState, event: &Event<'_>, appended_at: Option<Instant>, effects: &mut Effects) -> Verdict {
    judge(plan, state, event, appended_at, effects, &mut Silent)
}

/// As [`step`], and tells how each goal judged it.
pub fn step_traced(
    plan: &Plan,
    state: &mut PlayerState,
    event: &Event<'_>,
    appended_at: Option<Instant>,
    effects: &mut Effects,
    trace: &mut dyn Trace,
) -> Verdict {
    judge(plan, state, event, appended_at, effects, trace)
}

/// How far the partitions of one topic may lag behind one another without a player losing events: a day. What is older than a
/// campaign's lateness and this is forgotten.
const DISORDER_US: i64 = 24 * kernel::time::HOUR_US;

struct Silent;

impl Trace for Silent {
    #[inline]
    fn goal(&mut self, _: u32, _: u16, _: Judged) {}
}

fn judge<T: Trace + ?Sized>(
    plan: &Plan,
    state: &mut PlayerState,
    event: &Event<'_>,
    appended_at: Option<Instant>,
    effects: &mut Effects,
    trace: &mut T,
) -> Verdict {
    let first = effects.matched.len();
    let late = select(plan, event, appended_at, &mut effects.matched, trace);
    if effects.matched.len() == first {
        return if late { Verdict::TooLate } else { Verdict::Unwanted };
    }
    let refused = if state.knows(event.id) {
        Some((Verdict::Duplicate, Why::Duplicate))
    } else {
        (event.at.0 <= state.closed).then_some((Verdict::TooLate, Why::TooLate))
    };
    if let Some((verdict, why)) = refused {
        for place in effects.matched.drain(first..) {
            tell(plan, place, Judged::Rejected(why), trace);
        }
        return verdict;
    }
    if let Some(appended) = appended_at {
        state.closed = state.closed.max(appended.0.saturating_sub(plan.late_us + DISORDER_US));
    }
    if count(plan, state, event, effects, first, trace) {
        state.remember(event.at.0, event.id, plan.dedupe_max);
        Verdict::Counted
    } else {
        Verdict::Unwanted
    }
}

/// Finds the rules that count such an event, whoever the player is; whether any would, had it come in time.
fn select<T: Trace + ?Sized>(plan: &Plan, event: &Event<'_>, appended_at: Option<Instant>, matched: &mut Vec<u32>, trace: &mut T) -> bool {
    let at = event.at.0;
    let mut too_late = false;
    for group in plan.groups(event.kind) {
        let track = &plan.tracks[group.track];
        let outside = outside(track, event);
        let late = appended_at.is_some_and(|appended| appended.0.saturating_sub(at) > track.late_us);
        for place in &group.rules {
            let rule = &plan.rules[*place as usize];
            let why = if outside.is_some() {
                outside
            } else if !rule.passes(event, &track.clock) {
                Some(Why::Filter)
            } else if at < rule.during.0 || at >= rule.during.1 || rule.periods.span(at).is_none() {
                Some(Why::OutsideSlot)
            } else {
                too_late |= late;
                late.then_some(Why::TooLate)
            };
            match why {
                Some(why) => tell(plan, *place, Judged::Rejected(why), trace),
                None => matched.push(*place),
            }
        }
    }
    too_late
}

fn outside(track: &Track, event: &Event<'_>) -> Option<Why> {
    if event.at.0 < track.starts || event.at.0 >= track.ends {
        return Some(Why::OutsidePeriod);
    }
    track.eligible.as_ref().is_some_and(|test| !test.holds(event, &track.clock)).then_some(Why::NotEligible)
}

/// Lets the selected rules count the event; keeps those that did. Whether there are any.
fn count<T: Trace + ?Sized>(
    plan: &Plan,
    state: &mut PlayerState,
    event: &Event<'_>,
    effects: &mut Effects,
    first: usize,
    trace: &mut T,
) -> bool {
    let mut kept = first;
    for at in first..effects.matched.len() {
        let place = effects.matched[at];
        let mut turn = Turn { plan, state, effects, at: event.at };
        let judged = match turn.admit(&plan.tracks[plan.rules[place as usize].track], event) {
            Ok(scope) => {
                let judged = turn.count(place as usize, scope, event);
                effects.matched[kept] = place;
                kept += 1;
                judged
            }
            Err(why) => Judged::Rejected(why),
        };
        tell(plan, place, judged, trace);
    }
    effects.matched.truncate(kept);
    kept > first
}

#[inline]
fn tell<T: Trace + ?Sized>(plan: &Plan, place: u32, judged: Judged, trace: &mut T) {
    let goal = plan.goal(place as usize);
    trace.goal(goal.number, goal.goal, judged);
}
