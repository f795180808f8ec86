//! Whether a new version of a campaign may keep its players' progress: whether every remembered number still means the same.
//! Titles, rewards, filters, weights, the numbers of targets, the end and the lateness may change; what divides time or tells
//! goals apart may not.

use super::{Campaign, Condition};
use crate::event::Fault;

/// Whether progress made under `old` still means the same under `new`; the first thing that stands in the way if not.
pub fn same_shape(old: &Campaign, new: &Campaign) -> Result<(), Fault> {
    let differs = |path: String, reason: &str| {
        Err(Fault { path, reason: format!("{reason}, so progress cannot be kept: starting over, or leaving it as it was, would be right") })
    };
    let whole = [
        ("id", old.id != new.id),
        ("game", old.game != new.game),
        ("period.starts", old.period.starts != new.period.starts),
        ("zone", old.zone != new.zone),
        ("scope", old.scope.as_ref().map(|scope| &scope.attribute) != new.scope.as_ref().map(|scope| &scope.attribute)),
    ];
    if let Some((path, _)) = whole.into_iter().find(|(_, differs)| *differs) {
        return differs(path.to_owned(), "it is another than before");
    }
    if new.goals.len() < old.goals.len() {
        return differs("goals".to_owned(), "a goal is gone");
    }
    for (place, goal) in new.goals.iter().enumerate() {
        let Some(before) = old.goals.get(place) else {
            let follows = &goal.condition;
            if follows.measure.is_none() || follows.on_goal.is_some() || follows.after.is_some() {
                return differs(format!("goals[{place}]"), "an added goal would need what other goals did before it was there");
            }
            if let Some(source) = new.goals.iter().find(|goal| goal.condition.after.as_deref() == Some(&new.goals[place].id)) {
                return differs(format!("goals[{place}]"), &format!("the goal {:?} comes after it now", source.id));
            }
            continue;
        };
        if before.id != goal.id {
            return differs(format!("goals[{place}].id"), "the order or name of goals is another than before");
        }
        if let Some(field) = changed((old, &before.condition), (new, &goal.condition)) {
            return differs(format!("goals[{place}].condition.{field}"), "it is another than before");
        }
    }
    Ok(())
}

/// The first field of a condition that gives its numbers another meaning.
fn changed((old_campaign, old): (&Campaign, &Condition), (new_campaign, new): (&Campaign, &Condition)) -> Option<&'static str> {
    let starts_at = |campaign: &Campaign, condition: &Condition| condition.day_starts_at.unwrap_or(campaign.day_starts_at);
    let window = |condition: &Condition| condition.in_a_row.as_ref().map(|row| (row.of, row.blocks));
    let cap = |condition: &Condition| condition.cap;
    let targets = (old.target.is_some(), old.repeat.is_some()) == (new.target.is_some(), new.repeat.is_some());
    let fields = [
        ("measure", old.measure != new.measure),
        ("on_goal", old.on_goal != new.on_goal),
        ("value", old.value != new.value),
        ("items", !new.items.starts_with(&old.items)),
        ("per", per(old) != per(new)),
        ("day_starts_at", starts_at(old_campaign, old) != starts_at(new_campaign, new)),
        ("within_s", old.within_s != new.within_s),
        ("in_a_row", window(old) != window(new)),
        ("cap", cap(old) != cap(new)),
        ("after", old.after != new.after),
        ("target", !targets),
        ("tiers", new.tiers.len() < old.tiers.len()),
        ("all_of", old.all_of != new.all_of),
        ("any_of", old.any_of != new.any_of),
    ];
    fields.into_iter().find(|(_, differs)| *differs).map(|(field, _)| field)
}

/// How time is divided; more or fewer rounds divide it no other way.
fn per(condition: &Condition) -> Option<super::Per> {
    condition.per.clone().map(|per| super::Per { rounds: None, ..per })
}
