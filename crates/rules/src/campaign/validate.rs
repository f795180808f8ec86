//! Checks a campaign as a whole: what goes together, what is in its limits. Every fault is told with its path.
//! Refuses to look outside the document: whether attributes exist is for the plan.

mod condition;
mod filter;
mod links;

use super::limits::{self, DAYS_MAX};
use super::{Budget, Campaign, ClaimUntil, Condition, Goal, Reward};
use crate::event::Fault;
use kernel::Instant;
use std::collections::BTreeSet;

/// Everything that is wrong with a campaign.
pub(super) fn campaign(campaign: &Campaign) -> Vec<Fault> {
    let mut check = Check::default();
    check.slug("id", &campaign.id, 2);
    check.text("title", &campaign.title, limits::TITLE_MAX);
    if let Some(description) = &campaign.description {
        check.text("description", description, limits::DESCRIPTION_MAX);
    }
    period(&mut check, campaign);
    if crate::calendar::zone(&campaign.zone).is_none() {
        check.wrong("zone", format!("there is no zone {:?}: an IANA name as Asia/Seoul would be right", campaign.zone));
    }
    check.within("late_s", i64::from(campaign.late_s), 0, i64::from(limits::LATE_S_MAX));
    if let Some(filter) = &campaign.eligible {
        filter::check(&mut check, filter, "eligible");
    }
    if let Some(scope) = &campaign.scope {
        check.text("scope.attribute", &scope.attribute, limits::TEXT_MAX);
        check.within("scope.max", i64::from(scope.max), 1, i64::from(limits::SCOPES_MAX));
    }
    if let Some(budget) = &campaign.budget {
        self::budget(&mut check, budget);
    }
    check.length("goals", campaign.goals.len(), 1, limits::GOALS_MAX);
    let mut ids = BTreeSet::new();
    for (place, goal) in campaign.goals.iter().enumerate() {
        let path = format!("goals[{place}]");
        if !ids.insert(&goal.id) {
            check.wrong(&format!("{path}.id"), format!("two goals are called {:?}: another name would be right", goal.id));
        }
        self::goal(&mut check, campaign, goal, &path);
    }
    if check.faults.is_empty() {
        links::check(&mut check, campaign);
    }
    check.faults
}

fn period(check: &mut Check, campaign: &Campaign) {
    let (starts, ends) = (campaign.period.starts, campaign.period.ends);
    let (first, last) = (Instant(946_684_800_000_000), Instant(4_102_444_800_000_000));
    if starts < first || ends > last {
        check.wrong("period", format!("{starts} to {ends} is not between {first} and {last}"));
    } else if ends <= starts {
        check.wrong("period.ends", format!("{ends} is not after {starts}: a later moment would be right"));
    } else if ends.since_us(starts) > DAYS_MAX * 24 * kernel::time::HOUR_US {
        check.wrong("period.ends", format!("the campaign lasts more than {DAYS_MAX} days: an earlier end would be right"));
    }
    if starts.0 % kernel::time::SECOND_US != 0 {
        check.wrong("period.starts", format!("{starts} is no whole second: periods are named by theirs"));
    }
}

fn budget(check: &mut Check, budget: &Budget) {
    let fields = [
        ("points_total", budget.points_total),
        ("points_per_day", budget.points_per_day),
        ("grants_total", budget.grants_total),
        ("grants_per_day", budget.grants_per_day),
    ];
    for (name, most) in fields {
        check.within(&format!("budget.{name}"), most.unwrap_or(0), 0, i64::MAX);
    }
}

fn goal(check: &mut Check, campaign: &Campaign, goal: &Goal, path: &str) {
    check.slug(&format!("{path}.id"), &goal.id, 1);
    check.text(&format!("{path}.title"), &goal.title, limits::TITLE_MAX);
    condition::check(check, campaign, &goal.condition, &format!("{path}.condition"));
    check.length(&format!("{path}.rewards"), goal.rewards.len(), 0, limits::REWARDS_MAX);
    for (place, reward) in goal.rewards.iter().enumerate() {
        self::reward(check, reward, &goal.condition, &format!("{path}.rewards[{place}]"));
    }
    if let Some(until) = &goal.claim_until {
        claim_until(check, until, &format!("{path}.claim_until"));
    }
}

fn reward(check: &mut Check, reward: &Reward, condition: &Condition, path: &str) {
    let kinds = usize::from(reward.points.is_some()) + usize::from(reward.product.is_some()) + usize::from(reward.item.is_some());
    if kinds != 1 {
        check.wrong(path, format!("it has {kinds} of points, product and item: exactly one would be right"));
    }
    if let Some(tier) = reward.tier {
        check.within(&format!("{path}.tier"), tier, 1, condition.reaches());
    }
    if let Some(points) = reward.points {
        check.within(&format!("{path}.points"), points, 1, limits::POINTS_MAX);
    }
    if reward.product.is_some_and(|product| product.0 < 1) {
        check.wrong(&format!("{path}.product"), "a product's id is a positive whole number".to_owned());
    }
    if let Some(item) = &reward.item {
        check.text(&format!("{path}.item"), item, limits::TEXT_MAX);
    }
    match reward.quantity {
        Some(_) if reward.item.is_none() => check.wrong(&format!("{path}.quantity"), "only an item has a quantity".to_owned()),
        Some(0) => check.wrong(&format!("{path}.quantity"), "0 items are none: 1 or more would be right".to_owned()),
        _ => {}
    }
}

fn claim_until(check: &mut Check, until: &ClaimUntil, path: &str) {
    if until.at.is_some() == until.after.is_some() {
        check.wrong(path, "either `at`, or `after` with `hours`, would be right".to_owned());
    }
    match until.hours {
        None if until.after.is_some() => check.wrong(&format!("{path}.hours"), "`after` needs so many hours".to_owned()),
        Some(_) if until.after.is_none() => check.wrong(&format!("{path}.hours"), "hours belong to `after`".to_owned()),
        Some(hours) => check.within(&format!("{path}.hours"), i64::from(hours), 0, i64::from(limits::CLAIM_HOURS_MAX)),
        None => {}
    }
}

impl Condition {
    /// How often it can be reached in one period.
    pub(crate) fn reaches(&self) -> i64 {
        match self.repeat {
            Some(repeat) => repeat.up_to,
            None => i64::try_from(self.tiers.len()).unwrap_or(i64::MAX).max(1),
        }
    }

    /// The amount at which everything is reached.
    pub(crate) fn top(&self) -> i64 {
        match self.repeat {
            Some(repeat) => repeat.every.saturating_mul(repeat.up_to),
            None => self.target.or(self.tiers.last().copied()).unwrap_or(1),
        }
    }
}

/// Collects faults.
#[derive(Default)]
pub(super) struct Check {
    faults: Vec<Fault>,
}

impl Check {
    fn wrong(&mut self, path: &str, reason: String) {
        self.faults.push(Fault { path: path.to_owned(), reason });
    }

    fn within(&mut self, path: &str, number: i64, least: i64, most: i64) {
        if number < least || number > most {
            self.wrong(path, format!("{number} is out of bounds: {least} to {most} would be right"));
        }
    }

    fn length(&mut self, path: &str, length: usize, least: usize, most: usize) {
        if length < least || length > most {
            self.wrong(path, format!("it has {length} entries: {least} to {most} would be right"));
        }
    }

    fn text(&mut self, path: &str, text: &str, most: usize) {
        let length = text.chars().count();
        if length == 0 || length > most {
            self.wrong(path, format!("it has {length} characters: 1 to {most} would be right"));
        }
        if text.contains('\0') {
            self.wrong(path, "it holds a NUL character: text without it would be right".to_owned());
        }
    }

    fn slug(&mut self, path: &str, text: &str, least: usize) {
        let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !letters || !(least..=60).contains(&text.len()) || text.starts_with('-') || text.ends_with('-') {
            self.wrong(path, format!("{text:?} is no name: {least} to 60 of a-z, 0-9 and inner hyphens would be right"));
        }
    }

    /// Says of each named field that is there that it does not go with something.
    fn absent(&mut self, path: &str, fields: &[(&str, bool)], because: &str) {
        for (name, _) in fields.iter().filter(|(_, there)| *there) {
            self.wrong(&format!("{path}.{name}"), format!("it does not go with {because}"));
        }
    }
}
