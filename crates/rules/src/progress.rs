//! How far a player is, for people to read. Changes nothing.

use crate::plan::{Meter, Plan, Rule, Steps};
use crate::state::{Head, PlayerState, Tag};
use crate::step::{corrected, measured, run_to};
use kernel::Instant;
use serde::Serialize;
use utoipa::ToSchema;

/// A player's progress in one campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CampaignProgress {
    /// The campaign's number.
    pub number: u32,
    /// Its lineage.
    pub lineage: u32,
    /// When the player opted in, where the campaign asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opted_in_at: Option<Instant>,
    /// Every goal in the document's order; with a scope, every goal for each of the scope's values that was seen.
    pub goals: Vec<GoalProgress>,
}

/// A player's progress towards one goal in its current period: the one `now` is in, else the next that counts, else the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GoalProgress {
    /// The goal's place in the document.
    pub goal: u16,
    /// The goal's name.
    pub id: String,
    /// The scope's value whose progress it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The period's key, as achievements have it.
    pub period: i64,
    /// When the period starts.
    pub starts: Instant,
    /// When it ends: the next reset.
    pub ends: Instant,
    /// How far. A streak shows the run that the player can still go on with; sliding windows and distinct values end at the last
    /// target; a count window shows the hits of the window under way; goals that join others, how many of the parts that must hold do:
    /// each entry of `all_of`, and `any_of` as one (alone, 0 or 1 of 1).
    pub current: i64,
    /// The next target that is not reached; the last one if all are.
    pub target: i64,
    /// The highest tier or repeat reached in this period; 0 for none.
    pub reached_n: i64,
    /// All targets; with a repeat the amount of each.
    pub targets: Vec<i64>,
}

/// The progress in one campaign of the plan as of `now`; none if the plan does not have it.
pub fn progress(plan: &Plan, number: u32, state: &PlayerState, now: Instant) -> Option<CampaignProgress> {
    let track = plan.track(number)?;
    let nothing = PlayerState::default();
    let opted_in_at = state.get(Head::campaign(number, Tag::OptedIn), 0).map(Instant);
    // Progress of an earlier lineage is dropped at the player's next event: it is no longer there.
    let state = if state.lineage(number) == i64::from(track.lineage) { state } else { &nothing };
    let rules = &plan.rules[track.first..track.first + track.goals];
    let at = now.0.clamp(track.starts, track.period_ends - 1);
    let mut goals = Vec::with_capacity(rules.len());
    if track.scope.is_none() {
        goals.extend(rules.iter().zip(0..).filter_map(|(rule, goal)| of_goal(state, rule, goal, None, at)));
    }
    for scope in state.scopes_of(number).filter(|_| track.scope.is_some()) {
        goals.extend(rules.iter().zip(0..).filter_map(|(rule, goal)| of_goal(state, rule, goal, Some(scope), at)));
    }
    Some(CampaignProgress { number, lineage: track.lineage, opted_in_at, goals })
}

fn of_goal(state: &PlayerState, rule: &Rule, goal: u16, scope: Option<(u8, u32, &str)>, at: i64) -> Option<GoalProgress> {
    let span = rule.periods.span_near(at)?;
    let id = scope.map_or(0, |scope| scope.0);
    let head = rule.head.scoped(id);
    let reached_n = state.get(head.tagged(Tag::Reached), span.key).unwrap_or(0);
    let measured = match rule.meter {
        Meter::Streak => living_run(state, rule, head, at),
        _ => measured(state, rule, id, span),
    };
    let targets = match (&rule.meter, &rule.steps) {
        (Meter::Tree(tree), _) => vec![tree.parts(0).1],
        (_, Steps::Tiers(tiers)) => tiers.to_vec(),
        (_, Steps::Repeat { every, .. }) => vec![*every],
    };
    let next = rule.steps.target((reached_n + 1).min(rule.steps.last()));
    Some(GoalProgress {
        goal,
        id: rule.id.to_string(),
        scope: scope.map(|scope| scope.2.to_owned()),
        period: scope.map_or(span.key, |scope| span.key << 30 | i64::from(scope.1)),
        starts: Instant(span.starts),
        ends: Instant(span.ends),
        current: corrected(state, head, span, measured),
        target: if matches!(rule.meter, Meter::Tree(_)) { targets[0] } else { next },
        reached_n,
        targets,
    })
}

/// The run of days that the player can still go on with: it ends today or ended yesterday.
fn living_run(state: &PlayerState, rule: &Rule, head: Head, at: i64) -> i64 {
    let Some(today) = rule.days.as_ref().and_then(|days| days.day(at)) else { return 0 };
    let days = head.tagged(Tag::Days);
    match run_to(state, days, today) {
        0 => run_to(state, days, today - 1),
        run => run,
    }
}
