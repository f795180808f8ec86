//! Checks one condition: which fields go together and how large they may be. Other goals are for the links.

use super::super::limits;
use super::super::{Campaign, CapPer, Condition, Measure, Per, Slot, Unit, Weight};
use super::{Check, filter};

pub(super) fn check(check: &mut Check, campaign: &Campaign, condition: &Condition, path: &str) {
    if let Some(per) = &condition.per {
        self::per(check, per, &format!("{path}.per"));
    }
    match condition.measure {
        None => joined(check, condition, path),
        Some(measure) => measured(check, campaign, condition, measure, path),
    }
}

fn joined(check: &mut Check, condition: &Condition, path: &str) {
    if condition.all_of.is_empty() && condition.any_of.is_empty() {
        check.wrong(path, "it has neither a measure nor all_of nor any_of: one of them would be right".to_owned());
    }
    let mut fields =
        vec![("on", !condition.on.is_empty()), ("on_goal", condition.on_goal.is_some()), ("where", condition.filter.is_some())];
    fields.extend([("during", condition.during.is_some()), ("value", condition.value.is_some()), ("items", !condition.items.is_empty())]);
    fields.extend([("weight", condition.weight.is_some()), ("cap", condition.cap.is_some()), ("within_s", condition.within_s.is_some())]);
    fields.extend([("in_a_row", condition.in_a_row.is_some()), ("after", condition.after.is_some())]);
    fields.extend([("target", condition.target.is_some()), ("tiers", !condition.tiers.is_empty()), ("repeat", condition.repeat.is_some())]);
    check.absent(path, &fields, "all_of and any_of");
}

fn measured(check: &mut Check, campaign: &Campaign, condition: &Condition, measure: Measure, path: &str) {
    let trees = [("all_of", !condition.all_of.is_empty()), ("any_of", !condition.any_of.is_empty())];
    check.absent(path, &trees, "a measure");
    if condition.on.is_empty() == condition.on_goal.is_none() {
        check.wrong(path, "either `on` with kinds of events or `on_goal` with a goal would be right".to_owned());
    }
    check.length(&format!("{path}.on"), condition.on.len(), 0, limits::KINDS_MAX);
    for (place, kind) in condition.on.iter().enumerate() {
        check.text(&format!("{path}.on[{place}]"), kind, limits::TEXT_MAX);
    }
    if let Some(filter) = &condition.filter {
        filter::check(check, filter, &format!("{path}.where"));
    }
    if let Some(during) = condition.during {
        let (starts, ends) = (campaign.period.starts, campaign.period.ends);
        if during.ends <= during.starts || during.starts < starts || during.ends > ends {
            let reason = format!("{} to {} does not lie within the campaign, {starts} to {ends}", during.starts, during.ends);
            check.wrong(&format!("{path}.during"), reason);
        }
    }
    targets(check, condition, path);
    fitting(check, condition, measure, path);
    windows(check, condition, path);
    if let Some(weight) = &condition.weight {
        self::weight(check, weight, measure, condition.on_goal.is_some(), &format!("{path}.weight"));
    }
    if measure == Measure::Collect {
        collection(check, condition, path);
    }
}

fn targets(check: &mut Check, condition: &Condition, path: &str) {
    let given =
        usize::from(condition.target.is_some()) + usize::from(!condition.tiers.is_empty()) + usize::from(condition.repeat.is_some());
    if given != 1 {
        check.wrong(path, format!("it has {given} of target, tiers and repeat: exactly one would be right"));
    }
    if let Some(target) = condition.target {
        check.within(&format!("{path}.target"), target, 1, limits::TARGET_MAX);
    }
    check.length(&format!("{path}.tiers"), condition.tiers.len(), 0, limits::TIERS_MAX);
    let mut least = 1;
    for (place, tier) in condition.tiers.iter().enumerate() {
        check.within(&format!("{path}.tiers[{place}]"), *tier, least, limits::TARGET_MAX);
        least = tier.saturating_add(1);
    }
    if let Some(repeat) = condition.repeat {
        check.within(&format!("{path}.repeat.every"), repeat.every, 1, limits::TARGET_MAX);
        check.within(&format!("{path}.repeat.up_to"), repeat.up_to, 1, limits::REPEATS_MAX);
    }
}

/// What each measure knows how to use.
fn fitting(check: &mut Check, condition: &Condition, measure: Measure, path: &str) {
    use Measure::{Collect, Count, Days, Distinct, Max, Streak, Sum};
    let adds = matches!(measure, Count | Sum);
    let because = format!("{measure:?}").to_lowercase();
    let unit = condition.per.as_ref().map(|per| per.unit);
    let whole_days = matches!(unit, None | Some(Unit::Day | Unit::Week | Unit::Days));
    let fields = [
        ("value", condition.value.is_some() && !matches!(measure, Sum | Max | Distinct | Collect)),
        ("items", !condition.items.is_empty() && measure != Collect),
        ("weight", condition.weight.is_some() && !adds && measure != Days),
        ("cap", condition.cap.is_some() && !adds),
        ("within_s", condition.within_s.is_some() && !adds),
        ("in_a_row", condition.in_a_row.is_some() && measure != Count),
        ("after", condition.after.is_some() && !adds),
        ("on_goal", condition.on_goal.is_some() && !matches!(measure, Count | Days | Streak)),
        ("per", (measure == Streak && unit.is_some()) || (measure == Days && !whole_days)),
    ];
    check.absent(path, &fields, &format!("the measure {because}"));
    if measure == Distinct && condition.top() > limits::DISTINCT_MAX {
        check.wrong(path, format!("at most {} distinct values are remembered: a lower target would be right", limits::DISTINCT_MAX));
    }
    if let Some(cap) = condition.cap {
        check.within(&format!("{path}.cap.most"), cap.most, 1, limits::TARGET_MAX);
        if cap.per == CapPer::Day && !whole_days {
            check.wrong(&format!("{path}.cap.per"), "a cap per day needs periods of whole days: per period would be right".to_owned());
        }
        let same = cap.per == CapPer::Period || unit == Some(Unit::Day);
        if same && cap.most < condition.top() {
            check.wrong(&format!("{path}.cap.most"), format!("{} keeps the target {} out of reach", cap.most, condition.top()));
        }
    }
}

fn windows(check: &mut Check, condition: &Condition, path: &str) {
    let mut fields = vec![("cap", condition.cap.is_some()), ("after", condition.after.is_some())];
    fields.extend([("on_goal", condition.on_goal.is_some()), ("repeat", condition.repeat.is_some())]);
    if let Some(within_s) = condition.within_s {
        check.within(&format!("{path}.within_s"), i64::from(within_s), 1, i64::from(limits::WITHIN_S_MAX));
        fields.push(("in_a_row", condition.in_a_row.is_some()));
        check.absent(path, &fields, "a sliding window");
    } else if let Some(row) = &condition.in_a_row {
        fields.push(("weight", condition.weight.is_some()));
        check.absent(path, &fields, "a count window");
        check.within(&format!("{path}.in_a_row.of"), i64::from(row.of), 1, i64::from(limits::IN_A_ROW_MAX));
        if condition.top() > i64::from(row.of) {
            check.wrong(path, format!("{} hits do not fit into {} events", condition.top(), row.of));
        }
        filter::check(check, &row.hit, &format!("{path}.in_a_row.hit"));
    }
}

fn collection(check: &mut Check, condition: &Condition, path: &str) {
    check.length(&format!("{path}.items"), condition.items.len(), 1, limits::ITEMS_MAX);
    for (place, item) in condition.items.iter().enumerate() {
        check.text(&format!("{path}.items[{place}]"), item, limits::TEXT_MAX);
        if condition.items[..place].contains(item) {
            check.wrong(&format!("{path}.items[{place}]"), format!("{item:?} is there twice"));
        }
    }
    if usize::try_from(condition.top()).is_ok_and(|top| top > condition.items.len()) {
        check.wrong(path, format!("{} of {} items cannot be collected", condition.top(), condition.items.len()));
    }
}

fn weight(check: &mut Check, weight: &Weight, measure: Measure, fed: bool, path: &str) {
    if weight.weekdays.is_empty() && weight.attribute.is_none() {
        check.wrong(path, "it weighs nothing: weekdays or an attribute would be right".to_owned());
    }
    let by_attribute = [
        ("attribute", weight.attribute.is_some() && (fed || measure == Measure::Days)),
        ("values", !weight.values.is_empty() && weight.attribute.is_none()),
        ("otherwise", weight.otherwise.is_some() && weight.attribute.is_none()),
    ];
    check.absent(path, &by_attribute, "what is weighed here");
    check.length(&format!("{path}.values"), weight.values.len(), 0, limits::VALUES_MAX);
    for (day, number) in &weight.weekdays {
        check.within(&format!("{path}.weekdays.{}", format!("{day:?}").to_lowercase()), *number, 0, limits::WEIGHT_MAX);
    }
    for (value, number) in &weight.values {
        check.within(&format!("{path}.values.{value}"), *number, 0, limits::WEIGHT_MAX);
    }
    check.within(&format!("{path}.otherwise"), weight.otherwise.unwrap_or(1), 0, limits::WEIGHT_MAX);
}

fn per(check: &mut Check, per: &Per, path: &str) {
    let fields = [
        ("weekday", per.weekday.is_some() && per.unit != Unit::Week),
        ("days", per.days.is_some() && per.unit != Unit::Days),
        ("seconds", per.seconds.is_some() && per.unit != Unit::Length),
        ("slots", !per.slots.is_empty() && per.unit != Unit::Slots),
    ];
    check.absent(path, &fields, &format!("the unit {}", format!("{:?}", per.unit).to_lowercase()));
    match per.unit {
        Unit::Days => check.within(&format!("{path}.days"), per.days.unwrap_or(0).into(), 1, 366),
        Unit::Length => {
            let (least, most) = (limits::LENGTH_S_MIN.into(), limits::LENGTH_S_MAX.into());
            check.within(&format!("{path}.seconds"), per.seconds.unwrap_or(0).into(), least, most);
        }
        Unit::Slots => slots(check, &per.slots, path),
        Unit::Hour | Unit::Day | Unit::Week => {}
    }
    check.within(&format!("{path}.rounds"), per.rounds.unwrap_or(1).into(), 1, 100_000);
}

fn slots(check: &mut Check, slots: &[Slot], path: &str) {
    check.length(&format!("{path}.slots"), slots.len(), 1, limits::SLOTS_MAX);
    let mut taken = [false; 1_440];
    for (place, slot) in slots.iter().enumerate() {
        let (from, until) = (usize::from(slot.from.minutes), usize::from(slot.until.minutes));
        let length = if until > from { until - from } else { until + 1_440 - from };
        let clash = (from..from + length).any(|minute| std::mem::replace(&mut taken[minute % 1_440], true));
        if from == until || clash {
            let reason = format!("{} to {} is empty or overlaps another", slot.from, slot.until);
            check.wrong(&format!("{path}.slots[{place}]"), reason);
        }
    }
}
