//! Checks how goals refer to one another: that they exist, share their periods where they must, and never go round.

use super::super::{Campaign, CapPer, Condition, GoalTree, HourMinute, Measure, Per, Unit, limits};
use super::Check;
use crate::plan::leaves;

pub(super) fn check(check: &mut Check, campaign: &Campaign) {
    for (place, goal) in campaign.goals.iter().enumerate() {
        let path = format!("goals[{place}].condition");
        let condition = &goal.condition;
        if let Some(after) = &condition.after
            && let Some(source) = other(check, campaign, &goal.id, after, &format!("{path}.after"))
        {
            self::after(check, campaign, condition, source, &format!("{path}.after"));
        }
        if let Some(id) = &condition.on_goal
            && let Some(source) = other(check, campaign, &goal.id, id, &format!("{path}.on_goal"))
        {
            fed(check, campaign, condition, source, &path);
        }
        for (word, trees) in [("all_of", &condition.all_of), ("any_of", &condition.any_of)] {
            self::trees(check, campaign, &goal.id, trees, &format!("{path}.{word}"), 1);
        }
        check.length(&path, leaves(condition).len(), 0, limits::TREE_LEAVES_MAX);
    }
    if check.faults.is_empty() {
        for (place, goal) in campaign.goals.iter().enumerate() {
            if depth(campaign, &goal.condition, 1) > limits::FEED_DEPTH_MAX {
                let reason = format!("goals feed one another in a circle, or in a line of more than {}", limits::FEED_DEPTH_MAX);
                check.wrong(&format!("goals[{place}].condition"), reason);
            }
        }
    }
}

/// Another goal's condition; a fault if it is none.
fn other<'a>(check: &mut Check, campaign: &'a Campaign, own: &str, id: &str, path: &str) -> Option<&'a Condition> {
    match campaign.goal(id) {
        Some(_) if id == own => {
            check.wrong(path, format!("the goal {id:?} refers to itself"));
            None
        }
        Some((_, goal)) => Some(&goal.condition),
        None => {
            let known: Vec<&str> = campaign.goals.iter().map(|goal| goal.id.as_str()).collect();
            check.wrong(path, format!("there is no goal {id:?}: one of {} would be right", known.join(", ")));
            None
        }
    }
}

/// How a goal's time is divided, with all that decides it.
fn division<'a>(campaign: &Campaign, condition: &'a Condition) -> Option<(&'a Per, HourMinute)> {
    condition.per.as_ref().map(|per| (per, condition.day_starts_at.unwrap_or(campaign.day_starts_at)))
}

fn after(check: &mut Check, campaign: &Campaign, condition: &Condition, source: &Condition, path: &str) {
    let adds = matches!(source.measure, Some(Measure::Count | Measure::Sum));
    if !adds || source.within_s.is_some() || source.in_a_row.is_some() || source.on_goal.is_some() || source.after.is_some() {
        check.wrong(path, "it comes after a goal that is no plain count or sum of events: such a one would be right".to_owned());
    }
    if source.cap.is_some_and(|cap| cap.per != CapPer::Period && source.per.as_ref().is_none_or(|per| per.unit != Unit::Day)) {
        check.wrong(path, "the goal it comes after has a cap within its period: one without would be right".to_owned());
    }
    if division(campaign, condition) != division(campaign, source) {
        check.wrong(path, "the goal it comes after has other periods: the same `per` and `day_starts_at` would be right".to_owned());
    }
}

fn fed(check: &mut Check, campaign: &Campaign, condition: &Condition, source: &Condition, path: &str) {
    let fields = [("where", condition.filter.is_some()), ("during", condition.during.is_some()), ("after", condition.after.is_some())];
    check.absent(path, &fields, "on_goal");
    let starts_at = |condition: &Condition| condition.day_starts_at.unwrap_or(campaign.day_starts_at);
    let daily = source.per.as_ref().is_some_and(|per| per.unit == Unit::Day);
    if matches!(condition.measure, Some(Measure::Days | Measure::Streak)) && !(daily && starts_at(condition) == starts_at(source)) {
        check.wrong(&format!("{path}.on_goal"), "days are counted of a goal per day, with the same `day_starts_at`".to_owned());
    }
    let dated = condition.per.is_some() || condition.cap.is_some() || condition.weight.is_some();
    if dated && source.per.is_none() {
        check.wrong(&format!("{path}.on_goal"), "the goal has no periods to be dated by: one with `per` would be right".to_owned());
    }
}

fn trees(check: &mut Check, campaign: &Campaign, own: &str, trees: &[GoalTree], path: &str, depth: usize) {
    if depth > limits::TREE_DEPTH_MAX {
        check.wrong(path, format!("it is nested deeper than {}", limits::TREE_DEPTH_MAX));
        return;
    }
    let joined = campaign.goal(own).and_then(|(_, goal)| division(campaign, &goal.condition));
    for (place, tree) in trees.iter().enumerate() {
        let path = format!("{path}[{place}]");
        let kinds = usize::from(tree.goal.is_some()) + usize::from(!tree.all_of.is_empty()) + usize::from(!tree.any_of.is_empty());
        if kinds != 1 {
            check.wrong(&path, format!("it has {kinds} of goal, all_of and any_of: exactly one would be right"));
        }
        if tree.n.is_some() && tree.goal.is_none() {
            check.wrong(&format!("{path}.n"), "it belongs to a goal".to_owned());
        }
        if let Some(id) = &tree.goal
            && let Some(source) = other(check, campaign, own, id, &format!("{path}.goal"))
        {
            check.within(&format!("{path}.n"), tree.n.unwrap_or(1), 1, source.reaches());
            if joined.is_some() && joined != division(campaign, source) {
                check.wrong(&format!("{path}.goal"), format!("{id:?} has other periods than the goal that joins it"));
            }
        }
        self::trees(check, campaign, own, &tree.all_of, &format!("{path}.all_of"), depth + 1);
        self::trees(check, campaign, own, &tree.any_of, &format!("{path}.any_of"), depth + 1);
    }
}

/// How many goals stand in a line behind a condition; stops past the limit, so a circle ends too.
fn depth(campaign: &Campaign, condition: &Condition, so_far: usize) -> usize {
    if so_far > limits::FEED_DEPTH_MAX {
        return so_far;
    }
    let joined = leaves(condition).into_iter().filter_map(|leaf| leaf.goal.as_deref());
    let sources = joined.chain(condition.on_goal.as_deref()).filter_map(|id| campaign.goal(id));
    sources.map(|(_, goal)| depth(campaign, &goal.condition, so_far + 1)).max().unwrap_or(so_far)
}
