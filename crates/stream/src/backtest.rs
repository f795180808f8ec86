//! A draft over logs that are there already: who would reach its goals on which day, how far the others come, what it would cost.
//! Refuses to write anything, and to follow more players than its limit.

use crate::explain::told;
use crate::looking::{Extent, look};
use crate::options::ReadingLimits;
use crate::players::{Found, Players};
use crate::source::Source;
use kernel::{Code, Instant, ProductId, Refusal};
use rules::{Achieved, Campaign, Effects, Fault, Mapping, Plan, Registered, Scratch, Verdict};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

pub use crate::looking::From;

/// What a draft would have brought.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Backtest {
    /// How much of the log was read.
    pub log: Extent,
    /// Events the records hold.
    pub events: u64,
    /// Events that counted for a goal.
    pub counted: u64,
    /// Events that came too late.
    pub too_late: u64,
    /// Records that did not fit the mapping, by reason.
    pub unfit: BTreeMap<String, u64>,
    /// Players with an event that counted.
    pub players: u64,
    /// Each goal, in the draft's order.
    pub goals: Vec<GoalTest>,
    /// What all rewards together would cost, no budget minded.
    pub bill: Bill,
}

/// What one goal would have seen.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GoalTest {
    /// The goal.
    pub goal: String,
    /// Events that counted for it.
    pub matched: u64,
    /// Times it was reached, tiers and repeats and periods each.
    pub reached: u64,
    /// Players who reached it at least once.
    pub players: u64,
    /// Times it was reached on each day of the campaign's zone, from its `day_starts_at` on.
    #[schema(example = json!({ "2026-11-20": 17, "2026-11-21": 24 }))]
    pub by_day: BTreeMap<String, u64>,
    /// Players by how far they are in their current period, in tenths of the target: eleven counts, the last of those who are there.
    pub distribution: [u64; 11],
    /// What its rewards would cost.
    pub bill: Bill,
}

/// Rewards added up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Bill {
    /// Points.
    pub points: i64,
    /// Products, by their ids.
    pub products: BTreeMap<i64, u64>,
    /// Pieces of items, by their names.
    pub items: BTreeMap<String, u64>,
}

/// The draft's number; there is only one in its plan.
const NUMBER: u32 = 1;

/// Runs a draft over a log. Where it asks players to opt in, all are taken to have done so. Blocks; to be called within a runtime's reach.
///
/// # Errors
/// The draft is wrong, with paths and reasons as facts, or the log cannot be read.
pub fn backtest(
    source: Option<&Source>,
    from: &From,
    limits: &ReadingLimits,
    mapping: &Mapping,
    draft: &Campaign,
) -> Result<Backtest, Refusal> {
    let mut campaign = draft.clone();
    campaign.opt_in = false;
    let zone = rules::zone(&campaign.zone)
        .ok_or_else(|| wrong(&[Fault { path: "zone".to_owned(), reason: format!("{:?} is not an IANA time zone", campaign.zone) }]))?;
    let registered = Registered { number: NUMBER, lineage: 1, version: 1, stopped_at: None, campaign };
    let plan = Plan::compile(std::slice::from_ref(&registered), mapping.attributes()).map_err(|faults| wrong(&faults))?;
    let mut run = Run::new(plan.with_dedupe_max(mapping.dedupe_max()), registered, zone);
    let (mapper, mut scratch) = (mapping.compile(), Scratch::default());
    let log = look(source, from, limits, draft.period.starts, !mapping.keyed_by_player(), &mut |_, record| {
        if record.is_cut {
            *run.unfit.entry(rules::Reason::TooLarge.as_str()).or_default() += 1;
            return None;
        }
        let mapped = mapper.map(&mut scratch, record.value, record.appended_at, &mut |event| run.event(event, record.appended()));
        if let Err(unfit) = mapped {
            *run.unfit.entry(unfit.reason.as_str()).or_default() += 1;
        }
        (run.players.len() >= limits.players_max).then_some("players_max")
    });
    Ok(run.told(log.map_err(told)?))
}

pub(crate) fn wrong(faults: &[Fault]) -> Refusal {
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let facts: Vec<serde_json::Value> =
        faults.iter().map(|fault| serde_json::json!({ "path": fault.path, "reason": fault.reason })).collect();
    Refusal::new(Code::BadBody, format!("the draft is wrong: {}", told.join("; "))).with_facts(serde_json::json!({ "faults": facts }))
}

/// A draft while records pass.
struct Run {
    plan: Plan,
    registered: Registered,
    zone: jiff::tz::TimeZone,
    players: Players,
    known: Vec<u32>,
    effects: Effects,
    unfit: BTreeMap<&'static str, u64>,
    events: u64,
    counted: u64,
    too_late: u64,
    last_at: Instant,
    matched: Vec<u64>,
    goals: Vec<Reaching>,
}

#[derive(Default)]
struct Reaching {
    reached: u64,
    players: BTreeSet<u32>,
    by_day: BTreeMap<i64, u64>,
    bill: Bill,
}

impl Run {
    fn new(plan: Plan, registered: Registered, zone: jiff::tz::TimeZone) -> Run {
        Run {
            matched: vec![0; plan.goals().len()],
            goals: registered.campaign.goals.iter().map(|_| Reaching::default()).collect(),
            plan,
            registered,
            zone,
            players: Players::default(),
            known: Vec::new(),
            effects: Effects::default(),
            unfit: BTreeMap::new(),
            events: 0,
            counted: 0,
            too_late: 0,
            last_at: Instant(i64::MIN),
        }
    }

    fn event(&mut self, event: &rules::Event<'_>, appended: Option<Instant>) {
        self.events += 1;
        if !self.plan.wants(event.kind) {
            return;
        }
        self.last_at = self.last_at.max(event.at);
        let at = match self.players.find(event.player) {
            Found::Here(at) => at,
            Found::Wanted => {
                // Nobody has a state before the first event.
                self.players.admit(std::iter::empty()).expect("no bytes are read");
                let Found::Here(at) = self.players.find(event.player) else { return };
                self.known.push(at);
                at
            }
        };
        match rules::step(&self.plan, self.players.state(at), event, appended, &mut self.effects) {
            Verdict::Counted => self.counted += 1,
            Verdict::TooLate => self.too_late += 1,
            Verdict::Duplicate | Verdict::Unwanted => {}
        }
        self.effects.matched.iter().for_each(|goal| self.matched[*goal as usize] += 1);
        let achieved = std::mem::take(&mut self.effects.achieved);
        achieved.iter().for_each(|one| self.reached(at, one));
        self.effects.achieved = achieved;
        self.effects.clear();
    }

    fn reached(&mut self, player: u32, achieved: &Achieved) {
        let goal = &self.registered.campaign.goals[usize::from(achieved.goal)];
        let reaching = &mut self.goals[usize::from(achieved.goal)];
        reaching.reached += 1;
        reaching.players.insert(player);
        let day = rules::day_of(&self.zone, self.registered.campaign.day_starts_at, achieved.achieved_at.0);
        *reaching.by_day.entry(day).or_default() += 1;
        for reward in goal.rewards.iter().filter(|reward| reward.is_for(achieved.n)) {
            reaching.bill.add(reward);
        }
    }

    fn distribution(&mut self) -> Vec<[u64; 11]> {
        let mut distribution = vec![[0; 11]; self.goals.len()];
        for at in &self.known {
            let state = self.players.state(*at);
            let Some(progress) = rules::progress(&self.plan, NUMBER, state, self.last_at) else { continue };
            for goal in progress.goals {
                let Some(counts) = distribution.get_mut(usize::from(goal.goal)) else { continue };
                let tenths = goal.current.clamp(0, goal.target.max(1)).saturating_mul(10) / goal.target.max(1);
                let tenths = if goal.reached_n > 0 && goal.current >= goal.target { 10 } else { tenths };
                counts[usize::try_from(tenths.clamp(0, 10)).unwrap_or(10)] += 1;
            }
        }
        distribution
    }

    fn told(mut self, log: Extent) -> Backtest {
        let distribution = self.distribution();
        let mut matched = vec![0; self.goals.len()];
        self.plan.goals().iter().zip(&self.matched).for_each(|(goal, count)| matched[usize::from(goal.goal)] += count);
        let mut bill = Bill::default();
        let goals = self.goals.into_iter().zip(&self.registered.campaign.goals).enumerate().map(|(at, (reaching, goal))| {
            bill.merge(&reaching.bill);
            GoalTest {
                goal: goal.id.clone(),
                matched: matched[at],
                reached: reaching.reached,
                players: reaching.players.len() as u64,
                by_day: reaching.by_day.into_iter().map(|(day, count)| (date(day), count)).collect(),
                distribution: distribution[at],
                bill: reaching.bill,
            }
        });
        Backtest {
            goals: goals.collect(),
            log,
            events: self.events,
            counted: self.counted,
            too_late: self.too_late,
            unfit: self.unfit.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
            players: self.known.len() as u64,
            bill,
        }
    }
}

/// A day, counted from 1970-01-01, as it is written.
fn date(day: i64) -> String {
    jiff::civil::Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(day)).to_string()
}

impl Bill {
    fn add(&mut self, reward: &rules::campaign::Reward) {
        self.points = self.points.saturating_add(reward.points.unwrap_or(0));
        if let Some(ProductId(product)) = reward.product {
            *self.products.entry(product).or_default() += 1;
        }
        if let Some(item) = &reward.item {
            *self.items.entry(item.clone()).or_default() += u64::from(reward.quantity.unwrap_or(1));
        }
    }

    fn merge(&mut self, other: &Bill) {
        self.points = self.points.saturating_add(other.points);
        other.products.iter().for_each(|(product, count)| *self.products.entry(*product).or_default() += count);
        other.items.iter().for_each(|(item, count)| *self.items.entry(item.clone()).or_default() += count);
    }
}
