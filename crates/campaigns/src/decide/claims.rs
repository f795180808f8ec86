//! Decides claims: each achievement is granted once and whole, or stays as it was.
//! The gates of the linked accounts are held; achievements, library rows, wallets and budgets are locked.

use crate::model::{Achievement, Claim, ClaimState, ClaimView, ClaimedBy, FulfilBy, GoalClaims, Granted, Key, RefusedClaim};
use jiff::tz::TimeZone;
use kernel::time::{DAY_US, SECOND_US};
use kernel::{ClaimId, Code, Currency, FulfilmentId, GameId, Instant, Money, Outcome, Refusal, UserId};
use library::{Library, Source};
use rules::campaign::{Budget, HourMinute, Reward};
use std::collections::{BTreeMap, BTreeSet};
use wallet::{Posting, Wallets};

/// The day that stands for the whole campaign in budgets.
pub const WHOLE: i64 = -1;
/// Tries without being asked are this far apart at most.
const RETRY_MAX_US: i64 = DAY_US;
/// After the first one that was refused.
const RETRY_MIN_US: i64 = 60 * SECOND_US;

/// What budgets are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Points.
    Points,
    /// Claims granted.
    Grants,
}

impl Unit {
    /// The unit as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Points => "points",
            Unit::Grants => "grants",
        }
    }
}

/// A row of budgets: a campaign's, of a unit, on a day or in all.
pub type BudgetKey = (GameId, u32, Unit, i64);

/// What a campaign says now about grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its name.
    pub id: String,
    /// What all grants together may cost.
    pub budget: Budget,
    /// Whose days count.
    pub zone: TimeZone,
    /// When its days begin.
    pub day_starts_at: HourMinute,
}

impl Terms {
    /// The day of a moment, in days since 1970.
    pub fn day(&self, now: Instant) -> i64 {
        rules::day_of(&self.zone, self.day_starts_at, now.0)
    }

    /// When the day after that of a moment begins.
    fn next_day(&self, now: Instant) -> Instant {
        Instant(rules::day_start(&self.zone, self.day(now) + 1, self.day_starts_at))
    }

    /// The rows a grant is taken from, each with its limit if it has one. A row without a limit is kept all the same:
    /// a limit that is set later counts what was granted before.
    pub fn limits(&self, game: &GameId, number: u32, day: i64) -> [(BudgetKey, Option<i64>); 4] {
        let row = |unit, day, limit| ((game.clone(), number, unit, day), limit);
        let budget = &self.budget;
        [
            row(Unit::Points, WHOLE, budget.points_total),
            row(Unit::Points, day, budget.points_per_day),
            row(Unit::Grants, WHOLE, budget.grants_total),
            row(Unit::Grants, day, budget.grants_per_day),
        ]
    }
}

/// What stands behind an achievement: the rewards its version promised, and until when.
#[derive(Debug, Clone, PartialEq)]
pub struct Promise {
    /// The achievement.
    pub achievement: Achievement,
    /// What its version promised.
    pub rewards: Vec<Reward>,
    /// The first moment at which it is too late.
    pub deadline: Option<Instant>,
}

/// Whom a player is linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linked {
    /// The account.
    pub user: UserId,
    /// Whether it is active.
    pub active: bool,
}

/// What a batch of claims has loaded, and what it changes.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Achievements and what they promise.
    pub promises: BTreeMap<Key, Promise>,
    /// What was granted for them.
    pub claims: BTreeMap<Key, Claim>,
    /// The campaigns as they are now.
    pub terms: BTreeMap<(GameId, u32), Terms>,
    /// Linked accounts.
    pub links: BTreeMap<(GameId, String), Linked>,
    /// How fulfilments reach each game.
    pub fulfil_by: BTreeMap<GameId, FulfilBy>,
    /// What was granted of budgets.
    pub budgets: BTreeMap<BudgetKey, i64>,
    /// Products of linked accounts.
    pub library: Library,
    /// Wallets of linked accounts.
    pub wallets: Wallets,
    /// Claims to write, in the order they were granted.
    pub granted: Vec<(Key, ClaimedBy, i64)>,
    /// Budgets that changed.
    pub spent: BTreeSet<BudgetKey>,
    /// Achievements whose next try changed.
    pub retried: BTreeSet<Key>,
}

/// A claim that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The game.
    pub game: GameId,
    /// The game's name for the player.
    pub player: String,
    /// The campaign's number.
    pub number: u32,
    /// The goal's place in each of the campaign's lineages that has it.
    pub places: BTreeSet<(u32, u16)>,
    /// The goal's name, for what is told.
    pub goal: String,
    /// Only this period.
    pub period: Option<i64>,
    /// Only this tier or repeat.
    pub n: Option<i64>,
    /// Whom the player was linked to when the claim was sent; whose gate is held.
    pub user: Option<UserId>,
    /// Who claims.
    pub by: ClaimedBy,
}

impl Ask {
    /// Whether an achievement is asked for.
    pub fn means(&self, key: &Key) -> bool {
        self.game == key.game
            && self.player == key.player
            && self.number == key.number
            && self.places.contains(&(key.lineage, key.goal))
            && self.period.is_none_or(|period| period == key.period)
            && self.n.is_none_or(|n| n == key.n)
    }
}

/// Ids for what a claim makes, handed in so that deciding stays pure.
pub trait Ids {
    /// The next claim's.
    fn claim(&mut self) -> ClaimId;
    /// The next fulfilment's.
    fn fulfilment(&mut self) -> FulfilmentId;
}

/// Claims what a goal has brought: grants each achievement that can be, and shows those granted before.
/// Refused when nothing is granted, for the first reason.
pub fn claim(state: &mut State, ask: &Ask, currency: Currency, ids: &mut dyn Ids, now: Instant) -> Outcome<GoalClaims> {
    let linked = state.links.get(&(ask.game.clone(), ask.player.clone())).copied();
    if linked.map(|linked| linked.user) != ask.user {
        return Err(moved());
    }
    let from =
        Key { lineage: 0, goal: 0, period: i64::MIN, n: i64::MIN, number: ask.number, game: ask.game.clone(), player: ask.player.clone() };
    let keys: Vec<Key> = state
        .promises
        .range(from..)
        .map(|(key, _)| key)
        .take_while(|key| key.number == ask.number && key.player == ask.player && key.game == ask.game)
        .filter(|key| ask.means(key))
        .cloned()
        .collect();
    if keys.is_empty() {
        return Err(not_reached(ask));
    }
    let mut told = GoalClaims::default();
    let mut first_refusal = None;
    for key in keys {
        if !state.claims.contains_key(&key)
            && let Err(refusal) = grant(state, &key, linked, ask.by, currency, ids, now)
        {
            told.refused.push(RefusedClaim { period: key.period, n: key.n, code: refusal.code, detail: refusal.detail.clone() });
            let waits = ask.by == ClaimedBy::Auto && put_off(state, &key, &refusal, now);
            first_refusal.get_or_insert(if waits { refusal.after_change() } else { refusal });
            continue;
        }
        told.claims.push(ClaimView::of(&key, &state.claims[&key]));
    }
    match first_refusal {
        Some(refusal) if told.claims.is_empty() => Err(refusal),
        _ => Ok(told),
    }
}

/// What a sender is told whose view of the link was old; it reads the link again and sends again.
pub fn moved() -> Refusal {
    Refusal::new(Code::Unavailable, "the player's link changed meanwhile: try again")
}

fn not_reached(ask: &Ask) -> Refusal {
    let what = match (ask.period, ask.n) {
        (None, None) => String::new(),
        (period, n) => format!(
            " in period {} at n {}",
            period.map_or("any".to_owned(), |p| p.to_string()),
            n.map_or("any".to_owned(), |n| n.to_string())
        ),
    };
    Refusal::new(Code::NotReached, format!("player {:?} has not reached goal {}{what}", ask.player, ask.goal))
}

/// Grants one achievement whole, or changes nothing.
fn grant(
    state: &mut State,
    key: &Key,
    linked: Option<Linked>,
    by: ClaimedBy,
    currency: Currency,
    ids: &mut dyn Ids,
    now: Instant,
) -> Outcome<()> {
    let promise = state.promises[key].clone();
    if promise.rewards.is_empty() {
        return Err(Refusal::new(Code::WrongState, "the goal brings no reward: there is nothing to claim"));
    }
    if let Some(deadline) = promise.deadline.filter(|deadline| *deadline <= now) {
        return Err(Refusal::new(Code::ClaimExpired, format!("it could be claimed until {deadline}")));
    }
    let user = account(&promise.rewards, linked)?;
    let points = points_of(&promise.rewards);
    let day = take_budget_check(state, key, points, now)?;
    if let Some(user) = user {
        check_room(state, user, &promise.rewards, points, currency)?;
    }

    let id = ids.claim();
    let to = To { user, claim: id, currency, now };
    let given = promise.rewards.iter().enumerate();
    let rewards: Vec<(Granted, i64)> = given.map(|(place, reward)| (give(state, &to, place, reward, ids), 0)).collect();
    for (unit, amount) in [(Unit::Points, points), (Unit::Grants, 1)] {
        for day in [WHOLE, day] {
            let row = (key.game.clone(), key.number, unit, day);
            *state.budgets.entry(row.clone()).or_default() += amount;
            state.spent.insert(row);
        }
    }
    let claim = Claim { id, state: ClaimState::Granted, user, granted_at: Some(now), clawed_back_at: None, rewards };
    state.claims.insert(key.clone(), claim);
    state.granted.push((key.clone(), by, day));
    if promise.achievement.auto_at.is_some() {
        retry(state, key, None);
    }
    Ok(())
}

/// The account that the rewards need; none when they need none.
fn account(rewards: &[Reward], linked: Option<Linked>) -> Outcome<Option<UserId>> {
    let needed = rewards.iter().any(|reward| reward.points.is_some() || reward.product.is_some());
    match linked {
        Some(Linked { user, active: true }) => Ok(Some(user)),
        _ if !needed => Ok(linked.map(|linked| linked.user)),
        Some(_) => Err(Refusal::new(Code::AccountNeeded, "the linked account is blocked or gone: it stays claimable")),
        None => Err(Refusal::new(
            Code::AccountNeeded,
            "the reward goes to an account and the player is linked to none: link one, it stays claimable",
        )),
    }
}

fn points_of(rewards: &[Reward]) -> i64 {
    rewards.iter().filter_map(|reward| reward.points).fold(0, i64::saturating_add)
}

/// The day the grant is taken from, if every budget has room for it.
fn take_budget_check(state: &State, key: &Key, points: i64, now: Instant) -> Outcome<i64> {
    let terms = state.terms.get(&(key.game.clone(), key.number)).ok_or_else(|| Refusal::not_found("campaign", key.number))?;
    let day = terms.day(now);
    for (row, limit) in terms.limits(&key.game, key.number, day) {
        let amount = if row.2 == Unit::Points { points } else { 1 };
        let spent = state.budgets.get(&row).copied().unwrap_or(0);
        let after = spent.checked_add(amount);
        let over = after.is_none_or(|after| limit.is_some_and(|limit| after > limit));
        if over && amount > 0 {
            let (of, limit) = (if row.3 == WHOLE { "in all" } else { "today" }, limit.unwrap_or(i64::MAX));
            let told = format!("{spent} of {limit} {} are granted {of} and this takes {amount}", row.2.as_str());
            let facts = serde_json::json!({ "unit": row.2.as_str(), "per_day": row.3 != WHOLE, "spent": spent, "limit": limit });
            return Err(Refusal::new(Code::BudgetSpent, told).with_facts(facts));
        }
    }
    Ok(day)
}

/// Checks what giving would refuse, before anything is given.
fn check_room(state: &State, user: UserId, rewards: &[Reward], points: i64, currency: Currency) -> Outcome<()> {
    let mut seen = BTreeSet::new();
    for product in rewards.iter().filter_map(|reward| reward.product) {
        if state.library.rows.contains_key(&(user, product)) || !seen.insert(product) {
            return Err(library::decide::owned_already(product));
        }
    }
    let held = state.wallets.held.get(&(user, currency)).map_or(0, |held| held.balance);
    if let Some(points) =
        rewards.iter().filter_map(|reward| reward.points).find(|points| !(1..=wallet::decide::AMOUNT_MAX).contains(points))
    {
        let told =
            format!("a reward of {points} points is none that a wallet takes at once: 1 to {} would be right", wallet::decide::AMOUNT_MAX);
        return Err(Refusal::new(Code::BadAmount, told));
    }
    if held.checked_add(points).is_none_or(|balance| balance > wallet::decide::BALANCE_MAX) {
        let told = format!("{points} more would take the wallet above {} minor units", wallet::decide::BALANCE_MAX);
        return Err(Refusal::new(Code::BadAmount, told));
    }
    Ok(())
}

/// Who gets a reward, from which claim.
struct To {
    user: Option<UserId>,
    claim: ClaimId,
    currency: Currency,
    now: Instant,
}

/// Gives one reward; [`account`] and [`check_room`] have found nothing in its way.
fn give(state: &mut State, to: &To, place: usize, reward: &Reward, ids: &mut dyn Ids) -> Granted {
    const CHECKED: &str = "it was checked before anything was given";
    if let Some(amount) = reward.points {
        let posting = Posting {
            user: to.user.expect(CHECKED),
            money: Money { minor: amount, currency: to.currency },
            counterparty: "campaign".to_owned(),
            reason: "reward",
            reference: reference(to.claim, place),
        };
        wallet::decide::post(&mut state.wallets, &posting, to.now).expect(CHECKED);
        return Granted::Points { amount, currency: to.currency };
    }
    if let Some(product) = reward.product {
        library::decide::add(&mut state.library, to.user.expect(CHECKED), product, Source::Reward(to.claim), to.now).expect(CHECKED);
        return Granted::Product { product };
    }
    let item = reward.item.clone().unwrap_or_default();
    Granted::Item { item, quantity: i64::from(reward.quantity.unwrap_or(1)), fulfilment: ids.fulfilment() }
}

/// The reference of a reward's ledger row.
pub fn reference(claim: ClaimId, place: usize) -> String {
    format!("{claim}/{place}")
}

/// When to try again what was refused without being asked; whether anything changed.
fn put_off(state: &mut State, key: &Key, refusal: &Refusal, now: Instant) -> bool {
    let next = match refusal.code {
        Code::BudgetSpent if refusal.facts.as_ref().is_some_and(|facts| facts["per_day"] == true) => {
            state.terms.get(&(key.game.clone(), key.number)).map(|terms| terms.next_day(now))
        }
        // Waiting mends none of them; where a budget is raised later, it can still be claimed by hand.
        Code::ClaimExpired | Code::BudgetSpent | Code::WrongState => None,
        _ => {
            let attempts = state.promises[key].achievement.attempts.clamp(0, 20);
            Some(now.plus_us((RETRY_MIN_US << attempts).min(RETRY_MAX_US)))
        }
    };
    retry(state, key, next);
    true
}

fn retry(state: &mut State, key: &Key, next: Option<Instant>) {
    if let Some(promise) = state.promises.get_mut(key) {
        promise.achievement.auto_at = next;
        promise.achievement.attempts += 1;
        state.retried.insert(key.clone());
    }
}

#[cfg(test)]
mod tests;
