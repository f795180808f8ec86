//! Claims of any order, repeated, with budgets, deadlines and links that come and go.

use super::*;
use kernel::{KeyId, ProductId, Uuid};
use proptest::prelude::*;

const GAME: &str = "kart";

#[derive(Default)]
struct Counted(u128);

impl Ids for Counted {
    fn claim(&mut self) -> ClaimId {
        self.0 += 1;
        ClaimId(Uuid::from_u128(self.0))
    }

    fn fulfilment(&mut self) -> FulfilmentId {
        self.0 += 1;
        FulfilmentId(Uuid::from_u128(self.0))
    }
}

fn game() -> GameId {
    GAME.parse().unwrap()
}

fn user(n: u8) -> UserId {
    UserId(Uuid::from_bytes([n + 1; 16]))
}

fn key(player: u8, goal: u16, n: i64) -> Key {
    Key { game: game(), player: format!("p{player}"), number: 1, lineage: 1, goal, period: 0, n }
}

fn rewards(goal: u16) -> Vec<Reward> {
    let points = Reward { points: Some(30), ..Reward::default() };
    let product = Reward { product: Some(ProductId(7)), ..Reward::default() };
    let item = Reward { item: Some("wheel".to_owned()), quantity: Some(2), ..Reward::default() };
    match goal {
        0 => vec![points],
        1 => vec![item],
        2 => vec![product],
        _ => vec![points, item],
    }
}

fn state(budget: Budget, deadline: Option<Instant>) -> State {
    let terms = Terms { id: "c".to_owned(), budget, zone: TimeZone::UTC, day_starts_at: HourMinute::default() };
    let mut state = State { terms: [((game(), 1), terms)].into(), ..State::default() };
    for (player, goal, n) in (0..3).flat_map(|player| (0..4).flat_map(move |goal| (1..3).map(move |n| (player, goal, n)))) {
        let achievement = Achievement { version: 1, achieved_at: Instant(0), attempts: 0, auto_at: Some(Instant(0)) };
        state.promises.insert(key(player, goal, n), Promise { achievement, rewards: rewards(goal), deadline });
    }
    state
}

fn ask(state: &State, player: u8, goal: u16, n: Option<i64>, by: ClaimedBy) -> Ask {
    let player = format!("p{player}");
    let user = state.links.get(&(game(), player.clone())).map(|linked| linked.user);
    Ask { game: game(), player, number: 1, places: [(1, goal)].into(), goal: format!("g{goal}"), period: None, n, user, by }
}

/// What a batch has left behind: budgets, wallets and claims say the same.
fn check(state: &State, budget: &Budget) -> Result<(), TestCaseError> {
    let granted: Vec<(&Key, &Claim)> = state.claims.iter().collect();
    let points_of = |claim: &Claim| {
        claim.rewards.iter().map(|(granted, _)| if let Granted::Points { amount, .. } = granted { *amount } else { 0 }).sum::<i64>()
    };
    let spent = |unit, day| state.budgets.get(&(game(), 1, unit, day)).copied().unwrap_or(0);
    prop_assert_eq!(spent(Unit::Grants, WHOLE), granted.len() as i64);
    prop_assert_eq!(spent(Unit::Points, WHOLE), granted.iter().map(|(_, claim)| points_of(claim)).sum::<i64>());
    for day in 0..4 {
        let of_day = granted.iter().filter(|(_, claim)| claim.granted_at.unwrap().0.div_euclid(DAY_US) == day);
        prop_assert_eq!(spent(Unit::Grants, day), of_day.clone().count() as i64);
        prop_assert!(budget.grants_per_day.is_none_or(|limit| spent(Unit::Grants, day) <= limit));
        prop_assert!(budget.points_per_day.is_none_or(|limit| spent(Unit::Points, day) <= limit));
    }
    prop_assert!(budget.grants_total.is_none_or(|limit| spent(Unit::Grants, WHOLE) <= limit));
    prop_assert!(budget.points_total.is_none_or(|limit| spent(Unit::Points, WHOLE) <= limit));
    let in_wallets: i64 = state.wallets.held.values().map(|held| held.balance).sum();
    prop_assert_eq!(in_wallets, spent(Unit::Points, WHOLE));
    prop_assert_eq!(state.granted.len(), state.claims.len(), "each claim is written once");
    let references: BTreeSet<&String> = state.wallets.entries.iter().map(|(_, entry)| &entry.reference).collect();
    prop_assert_eq!(references.len(), state.wallets.entries.len(), "no reward is credited twice");
    prop_assert_eq!(state.library.rows.len(), state.library.added.len());
    Ok(())
}

fn limits() -> impl Strategy<Value = Budget> {
    let limit = || prop::option::of(0..200_i64);
    let few = || prop::option::of(0..12_i64);
    (limit(), limit(), few(), few()).prop_map(|(points_total, points_per_day, grants_total, grants_per_day)| Budget {
        points_total,
        points_per_day,
        grants_total,
        grants_per_day,
    })
}

proptest! {
    #[test]
    fn whatever_is_claimed_in_whatever_order_is_granted_once_and_within_its_budget(
        budget in limits(),
        deadline in prop::option::of(0..4 * DAY_US),
        steps in prop::collection::vec((0..6_u8, 0..3_u8, 0..4_u16, prop::option::of(1..4_i64), 0..4 * DAY_US), 1..80),
    ) {
        let deadline = deadline.map(Instant);
        let (mut state, mut ids) = (state(budget, deadline), Counted::default());
        let mut now = 0;
        for (what, player, goal, n, later) in steps {
            now = now.max(later);
            match what {
                0 => {
                    // The account may be linked, unlinked or blocked between two claims.
                    let linked = Linked { user: user(player), active: later % 3 != 0 };
                    let player = (game(), format!("p{player}"));
                    if state.links.remove(&player).is_none() {
                        state.links.insert(player, linked);
                    }
                }
                _ => {
                    let by = if what == 1 { ClaimedBy::Auto } else { ClaimedBy::Key(KeyId(Uuid::nil())) };
                    let before = state.claims.clone();
                    let ask = ask(&state, player, goal, n, by);
                    let told = claim(&mut state, &ask, Currency::POINTS, &mut ids, Instant(now));
                    for (key, had) in &before {
                        prop_assert_eq!(&state.claims[key], had, "what was granted stays as it was");
                    }
                    match told {
                        Ok(told) => {
                            prop_assert!(!told.claims.is_empty());
                            for view in &told.claims {
                                let key = key(player, goal, view.n);
                                prop_assert_eq!(&ClaimView::of(&key, &state.claims[&key]), view);
                            }
                            let late = deadline.is_some_and(|deadline| deadline.0 <= now);
                            prop_assert!(!late || state.claims.len() == before.len(), "nothing is granted after its deadline");
                        }
                        Err(_) => prop_assert_eq!(state.claims.len(), before.len(), "a refusal grants nothing"),
                    }
                }
            }
            check(&state, &budget)?;
        }
    }
}

fn link(state: &mut State, player: u8) {
    state.links.insert((game(), format!("p{player}")), Linked { user: user(player), active: true });
}

const BY_KEY: ClaimedBy = ClaimedBy::Key(KeyId(Uuid::nil()));

#[test]
fn a_repeat_shows_the_first_claim_whatever_account_is_linked_by_then() {
    let (mut state, mut ids) = (state(Budget::default(), None), Counted::default());
    link(&mut state, 0);
    let first = ask(&state, 0, 0, Some(1), BY_KEY);
    let granted = claim(&mut state, &first, Currency::POINTS, &mut ids, Instant(1)).unwrap();
    state.links.insert((game(), "p0".to_owned()), Linked { user: user(9), active: true });
    let again = ask(&state, 0, 0, Some(1), BY_KEY);
    assert_eq!(claim(&mut state, &again, Currency::POINTS, &mut ids, Instant(2)).unwrap(), granted);
    assert_eq!(state.wallets.held[&(user(0), Currency::POINTS)].balance, 30);
    assert!(!state.wallets.held.contains_key(&(user(9), Currency::POINTS)));
}

#[test]
fn points_without_an_account_say_so_and_stay_claimable() {
    let (mut state, mut ids) = (state(Budget::default(), None), Counted::default());
    let alone = ask(&state, 0, 0, None, BY_KEY);
    let refusal = claim(&mut state, &alone, Currency::POINTS, &mut ids, Instant(1)).unwrap_err();
    assert_eq!(refusal.code, Code::AccountNeeded);
    link(&mut state, 0);
    let linked = ask(&state, 0, 0, None, BY_KEY);
    assert_eq!(claim(&mut state, &linked, Currency::POINTS, &mut ids, Instant(2)).unwrap().claims.len(), 2);
}

#[test]
fn an_item_needs_no_account() {
    let (mut state, mut ids) = (state(Budget::default(), None), Counted::default());
    let alone = ask(&state, 0, 1, Some(2), BY_KEY);
    let told = claim(&mut state, &alone, Currency::POINTS, &mut ids, Instant(1)).unwrap();
    assert!(matches!(told.claims[0].rewards[..], [Granted::Item { quantity: 2, .. }]));
}

#[test]
fn a_product_that_is_owned_stays_claimable() {
    let (mut state, mut ids) = (state(Budget::default(), None), Counted::default());
    link(&mut state, 0);
    let both = ask(&state, 0, 2, None, BY_KEY);
    let told = claim(&mut state, &both, Currency::POINTS, &mut ids, Instant(1)).unwrap();
    assert_eq!((told.claims.len(), told.refused.len()), (1, 1), "the same product is given once");
    assert_eq!(told.refused[0].code, Code::AlreadyOwned);
    state.library = Library::default();
    assert_eq!(claim(&mut state, &both, Currency::POINTS, &mut ids, Instant(2)).unwrap().claims.len(), 2);
}

#[test]
fn a_claim_whose_link_moved_is_sent_again() {
    let (mut state, mut ids) = (state(Budget::default(), None), Counted::default());
    let old = ask(&state, 0, 0, None, BY_KEY);
    link(&mut state, 0);
    assert_eq!(claim(&mut state, &old, Currency::POINTS, &mut ids, Instant(1)).unwrap_err(), moved());
}

#[test]
fn a_refused_claim_that_nobody_asked_for_is_put_off_longer_each_time() {
    let (mut state, mut ids) = (state(Budget::default(), None), Counted::default());
    let mut waits = Vec::new();
    for _ in 0..14 {
        let auto = ask(&state, 0, 0, Some(1), ClaimedBy::Auto);
        claim(&mut state, &auto, Currency::POINTS, &mut ids, Instant(0)).unwrap_err();
        waits.push(state.promises[&key(0, 0, 1)].achievement.auto_at.unwrap().0);
    }
    assert!(waits.is_sorted() && waits[0] == RETRY_MIN_US && *waits.last().unwrap() == RETRY_MAX_US, "{waits:?}");
}

#[test]
fn days_are_the_campaigns() {
    let seoul = TimeZone::get("Asia/Seoul").unwrap();
    let terms = Terms { id: "c".to_owned(), budget: Budget::default(), zone: seoul, day_starts_at: HourMinute { minutes: 4 * 60 } };
    let at = |text: &str| terms.day(text.parse().unwrap());
    assert_eq!(at("2026-11-21T18:59:59Z") + 1, at("2026-11-21T19:00:00Z"), "04:00 in Seoul");
}

#[test]
fn days_begin_by_the_clock_also_when_it_is_put_forward_or_back() {
    let zone = rules::zone("America/New_York").unwrap();
    let terms = Terms { id: "c".to_owned(), budget: Budget::default(), zone, day_starts_at: HourMinute { minutes: 4 * 60 } };
    // 04:00 there is 08:00 UTC in summer and 09:00 in winter; the clock changes at 02:00 on these days.
    for starts in ["2026-03-07T09:00:00Z", "2026-03-08T08:00:00Z", "2026-03-09T08:00:00Z", "2026-11-01T09:00:00Z", "2026-11-02T09:00:00Z"] {
        let starts: Instant = starts.parse().unwrap();
        assert_eq!(terms.day(starts.plus_us(-1)) + 1, terms.day(starts), "{starts}");
        assert_eq!(terms.next_day(starts.plus_us(-1)), starts);
    }
    // Half past one comes twice on the last day of summer time: the day begins with the first, and ten past one after it is within it.
    let terms = Terms { day_starts_at: HourMinute { minutes: 90 }, ..terms };
    let at = |text: &str| terms.day(text.parse().unwrap());
    assert_eq!(at("2026-11-01T05:29:59Z") + 1, at("2026-11-01T05:30:00Z"));
    assert_eq!(at("2026-11-01T06:10:00Z"), at("2026-11-01T05:30:00Z"));
}

#[test]
fn what_a_days_budget_refused_is_tried_again_when_the_next_day_begins_and_what_a_total_refused_is_not() {
    let auto = |budget| {
        let (mut state, mut ids) = (state(budget, None), Counted::default());
        let auto = ask(&state, 0, 1, Some(1), ClaimedBy::Auto);
        claim(&mut state, &auto, Currency::POINTS, &mut ids, Instant(5)).unwrap_err();
        state.promises[&key(0, 1, 1)].achievement.auto_at
    };
    let of_day = Budget { grants_per_day: Some(0), ..Budget::default() };
    let total = Budget { grants_total: Some(0), ..Budget::default() };
    assert_eq!((auto(of_day), auto(total)), (Some(Instant(DAY_US)), None));
}
