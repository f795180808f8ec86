//! What people do to a player's progress. It reaches the stream as control rows, between the events.

use crate::plan::{Feed, Meter, Plan};
use crate::state::{Head, PlayerState, Tag};
use crate::step::{Effects, Turn, measured};
use kernel::Instant;

/// A change that is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The player takes part from now on; the first time counts.
    OptIn {
        /// The campaign.
        number: u32,
    },
    /// An operator corrects progress. It never falls below nothing, and no achievement is taken back.
    Correct {
        /// The campaign.
        number: u32,
        /// The goal's place in the document.
        goal: u16,
        /// The period's key, as achievements have it.
        period: i64,
        /// How much; negative lowers.
        by: i64,
    },
    /// The player's progress in a campaign begins anew; what was reached stays reached and is not reached again.
    Restart {
        /// The campaign.
        number: u32,
    },
    /// Everything about the player is forgotten.
    Erase,
}

/// Applies a change; a raised progress may reach goals. Whether anything changed.
pub fn control(plan: &Plan, state: &mut PlayerState, control: &Control, now: Instant, effects: &mut Effects) -> bool {
    match *control {
        Control::OptIn { number } => opt_in(plan, state, number, now),
        Control::Correct { number, goal, period, by } => correct(plan, state, (number, goal, period), by, now, effects),
        Control::Restart { number } => restart(plan, state, number),
        Control::Erase => {
            let changed = *state != PlayerState::default();
            *state = PlayerState::default();
            changed
        }
    }
}

fn opt_in(plan: &Plan, state: &mut PlayerState, number: u32, now: Instant) -> bool {
    let head = Head::campaign(number, Tag::OptedIn);
    if plan.track(number).is_none() || state.get(head, 0).is_some() {
        return false;
    }
    state.set(head, 0, now.0)
}

/// What was reached stays so: for the goals themselves, and for those that count or join what others reached.
fn restart(plan: &Plan, state: &mut PlayerState, number: u32) -> bool {
    let fed: Vec<u16> = match plan.track(number) {
        Some(track) => {
            let rules = &plan.rules[track.first..track.first + track.goals];
            let fed = rules.iter().flat_map(|rule| &rule.feeds).map(|feed| match feed {
                Feed::Leaf { rule, .. } | Feed::Count { rule } => plan.goal(*rule).goal,
            });
            fed.collect()
        }
        None => Vec::new(),
    };
    state.remove_campaign(number, |head| {
        let kept = [Tag::Lineage, Tag::OptedIn, Tag::Reached].into_iter().any(|tag| head.is(tag));
        !kept && head.place().is_none_or(|place| !fed.contains(&place))
    })
}

/// The sum of corrections is kept beside the progress. In sequences and goals that join others there is no amount to correct,
/// and in a period that is closed nothing is kept.
fn correct(
    plan: &Plan,
    state: &mut PlayerState,
    (number, goal, period): (u32, u16, i64),
    by: i64,
    now: Instant,
    effects: &mut Effects,
) -> bool {
    let (Some(track), Some(rule)) = (plan.track(number), plan.rule(number, goal)) else { return false };
    let (start_s, hash) = track.parts(period);
    let scope = match hash {
        None => 0,
        Some(hash) => match state.scope_id(number, hash) {
            Some(scope) => scope,
            None => return false,
        },
    };
    let moment = if start_s == 0 { track.starts } else { start_s.saturating_mul(kernel::time::SECOND_US) };
    let Some(span) = rule.periods.span(moment).filter(|span| span.key == start_s) else { return false };
    if matches!(rule.meter, Meter::Tree(_) | Meter::Sequence { .. }) || span.ends <= state.closed {
        return false;
    }
    let place = track.first + usize::from(goal);
    let mut turn = Turn { plan, state, effects, at: now };
    if !turn.open(track) {
        return false;
    }
    let measured = measured(turn.state, rule, scope, span);
    let current = turn.corrected(place, scope, span, measured);
    let by = by.max(-current);
    if by == 0 {
        return false;
    }
    turn.state.add(turn.head(place, scope, Tag::Correction), span.key, by);
    turn.state.corrected = true;
    let current = turn.corrected(place, scope, span, measured);
    turn.settle(place, scope, span, current);
    true
}
