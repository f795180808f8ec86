//! The rules of deliveries and webhooks, each on its own and over random histories.

use super::endpoints::*;
use super::*;
use crate::webhooks::model::WebhookState;
use kernel::Code;
use kernel::time::HOUR_US;
use proptest::prelude::*;

const NOW: Instant = Instant(1_795_250_096_000_000);

fn answered(status: u16, retry_after_s: Option<i64>) -> Reached {
    Reached::Answered { status, retry_after_s, told: String::new() }
}

fn after_s(verdict: Verdict) -> Option<i64> {
    if let Verdict::RetryAt(at) = verdict { Some(at.since_us(NOW) / SECOND_US) } else { None }
}

fn webhook(n: u8) -> WebhookId {
    WebhookId::from([n; 16])
}

fn game(id: &str) -> GameId {
    id.parse().unwrap()
}

#[test]
fn pauses_grow_to_a_day_and_last_about_three_in_all() {
    assert!(RETRY_PAUSES_S.is_sorted());
    let hours = RETRY_PAUSES_S.iter().sum::<i64>() / 3_600;
    assert!((72..=80).contains(&hours), "{hours} hours");
}

#[test]
fn a_failure_is_tried_again_until_the_pauses_are_used_up() {
    for (failed, pause_s) in RETRY_PAUSES_S.iter().enumerate() {
        let verdict = judge("fulfilment.created", failed as i64 + 1, &answered(500, None), 0, NOW);
        assert_eq!(after_s(verdict), Some(*pause_s));
        let latest = judge("fulfilment.created", failed as i64 + 1, &answered(500, None), u16::MAX, NOW);
        assert_eq!(after_s(latest), Some(pause_s * 6 / 5), "jitter is bounded");
    }
    let last = RETRY_PAUSES_S.len() as i64 + 1;
    assert_eq!(judge("fulfilment.created", last, &Reached::Nobody("down".into()), 0, NOW), Verdict::Parked);
    assert_eq!(judge("fulfilment.created", i64::MAX, &answered(500, None), 0, NOW), Verdict::Parked);
    assert_eq!(judge(TEST_TOPIC, 1, &answered(500, None), 0, NOW), Verdict::Parked, "a test is tried once");
}

#[test]
fn only_a_2xx_delivers_and_only_410_is_for_good() {
    for status in 100..=599 {
        let verdict = judge("claim.granted", 1, &answered(status, None), 0, NOW);
        match status {
            200..=299 => assert_eq!(verdict, Verdict::Delivered),
            410 => assert_eq!(verdict, Verdict::Gone),
            _ => assert!(matches!(verdict, Verdict::RetryAt(_)), "{status}"),
        }
    }
}

#[test]
fn retry_after_lengthens_a_pause_and_never_shortens_it() {
    let pause = |asked| after_s(judge("claim.granted", 1, &answered(429, Some(asked)), 0, NOW));
    assert_eq!(pause(120), Some(120));
    assert_eq!(pause(1), Some(5));
    assert_eq!(pause(-7), Some(5));
    assert_eq!(pause(i64::MAX), Some(RETRY_AFTER_MAX_S));
}

fn event(n: u8, aggregate: &str, version: i64) -> Event {
    let body = String::new();
    let aggregate = aggregate.to_owned();
    Event { id: Uuid::from_bytes([n; 16]), game: game("kart"), topic: Topic::ClaimGranted, aggregate, version, body, trace: None }
}

fn wants(waiting: i64) -> Wants {
    Wants { game: game("kart"), topics: [Topic::ClaimGranted].into(), waiting, overrun: false }
}

#[test]
fn the_first_of_an_aggregate_is_due_and_the_others_are_held() {
    let events = [event(1, "a", 1), event(2, "a", 2), event(3, "b", 1)];
    let other = Wants { game: game("maple"), ..wants(0) };
    let uninterested = Wants { topics: [Topic::AchievementReached].into(), ..wants(0) };
    let mut webhooks = BTreeMap::from([(webhook(1), wants(0)), (webhook(2), other), (webhook(3), uninterested)]);
    let placed = place(&events, &mut webhooks, &mut Known::default());
    let states: Vec<_> = placed.iter().map(|one| (one.webhook, one.event, one.state)).collect();
    use DeliveryState::{Due, Held};
    assert_eq!(states, [(webhook(1), 0, Due), (webhook(1), 1, Held), (webhook(1), 2, Due)]);
    assert_eq!(webhooks[&webhook(1)].waiting, 3);
}

#[test]
fn a_repeat_makes_no_delivery_and_holds_nothing_back() {
    let events = [event(1, "a", 1), event(2, "a", 2), event(2, "a", 2)];
    let mut webhooks = BTreeMap::from([(webhook(1), wants(0))]);
    let mut known = Known { events: [(webhook(1), events[0].id)].into(), ..Known::default() };
    let placed = place(&events, &mut webhooks, &mut known);
    assert_eq!(placed, [Placed { webhook: webhook(1), event: 1, state: DeliveryState::Due }]);
}

#[test]
fn a_webhook_that_lets_too_much_wait_is_overrun() {
    let events = [event(1, "a", 1), event(2, "b", 1), event(3, "c", 1)];
    let mut webhooks = BTreeMap::from([(webhook(1), wants(WAITING_MAX - 1)), (webhook(2), wants(0))]);
    let placed = place(&events, &mut webhooks, &mut Known::default());
    assert_eq!(placed.iter().filter(|one| one.webhook == webhook(1)).count(), 1);
    assert_eq!(placed.iter().filter(|one| one.webhook == webhook(2)).count(), 3, "others do not suffer from it");
    assert!(webhooks[&webhook(1)].overrun && !webhooks[&webhook(2)].overrun);
    assert_eq!(webhooks[&webhook(1)].waiting, WAITING_MAX);
}

#[test]
fn a_2xx_counts_whoever_got_it_and_a_failure_only_from_who_has_the_lease() {
    let stands = |state, attempts| Standing { state, attempts };
    let retry = Verdict::RetryAt(NOW);
    assert!(counts(stands(DeliveryState::Due, 2), 1, Verdict::Delivered));
    assert!(counts(stands(DeliveryState::Parked, 2), 1, Verdict::Delivered));
    assert!(!counts(stands(DeliveryState::Delivered, 2), 2, Verdict::Delivered));
    assert!(counts(stands(DeliveryState::Due, 2), 2, retry));
    assert!(!counts(stands(DeliveryState::Due, 2), 1, retry));
    assert!(!counts(stands(DeliveryState::Parked, 2), 2, Verdict::Parked));
    assert!(!counts(stands(DeliveryState::Delivered, 2), 2, Verdict::Gone));
}

fn draft() -> Draft {
    Draft { url: Some("https://game.example/".into()), topics: Some([Topic::ClaimGranted].into()), ..Draft::default() }
}

#[test]
fn a_webhook_is_its_games_own() {
    let mut hooks = Hooks::default();
    hooks.create(webhook(1), &game("kart"), &draft(), NOW).unwrap();
    assert_eq!(hooks.update(webhook(1), &game("maple"), &Draft::default(), NOW).unwrap_err().code, Code::NotFound);
    assert_eq!(hooks.delete(webhook(1), &game("maple"), NOW).unwrap_err().code, Code::NotFound);
    assert_eq!(hooks.rotate(webhook(1), &game("maple"), NOW).unwrap_err().code, Code::NotFound);
    hooks.delete(webhook(1), &game("kart"), NOW).unwrap();
    assert_eq!(hooks.delete(webhook(1), &game("kart"), NOW).unwrap_err().code, Code::NotFound, "once");
}

#[test]
fn drafts_are_refused_with_what_is_wrong_and_change_nothing() {
    let mut hooks = Hooks::default();
    hooks.create(webhook(1), &game("kart"), &draft(), NOW).unwrap();
    let before = hooks.clone();
    for bad in [
        Draft { topics: Some(BTreeSet::new()), description: Some("new".into()), ..Draft::default() },
        Draft { concurrency: Some(0), ..draft() },
        Draft { concurrency: Some(CONCURRENCY_MAX + 1), url: Some("https://x.example/".into()), ..Draft::default() },
    ] {
        assert_eq!(hooks.update(webhook(1), &game("kart"), &bad, NOW).unwrap_err().code, Code::BadBody);
    }
    assert_eq!(hooks, before);
    assert_eq!(hooks.create(webhook(2), &game("kart"), &Draft::default(), NOW).unwrap_err().code, Code::BadBody);
}

#[test]
fn a_disabled_webhook_says_why_and_an_enabled_one_has_no_reason() {
    let mut hooks = Hooks::default();
    hooks.create(webhook(1), &game("kart"), &draft(), NOW).unwrap();
    let set = |enabled| Draft { enabled: Some(enabled), ..Draft::default() };
    hooks.update(webhook(1), &game("kart"), &set(false), NOW).unwrap();
    assert_eq!((hooks.0[&webhook(1)].state, hooks.0[&webhook(1)].reason.as_str()), (WebhookState::Disabled, BY_ITS_TEAM));
    hooks.update(webhook(1), &game("kart"), &set(true), NOW).unwrap();
    assert_eq!((hooks.0[&webhook(1)].state, hooks.0[&webhook(1)].reason.as_str()), (WebhookState::Enabled, ""));
}

proptest! {
    #[test]
    fn limits_and_secrets_hold_over_any_history(steps in prop::collection::vec((0..4_u8, 0..30_u8, 0..20_i64), 0..200)) {
        let mut hooks = Hooks::default();
        let mut now = NOW;
        let kart = game("kart");
        for (what, n, hours) in steps {
            now = now.plus_us(hours * HOUR_US);
            let before = hooks.clone();
            let done = match what {
                0 | 1 if !hooks.0.contains_key(&webhook(n)) => hooks.create(webhook(n), &kart, &draft(), now).is_ok(),
                2 => hooks.rotate(webhook(n), &kart, now).is_ok(),
                3 => hooks.delete(webhook(n), &kart, now).is_ok(),
                _ => hooks.update(webhook(n), &kart, &Draft { enabled: Some(n % 2 == 0), ..Draft::default() }, now).is_ok(),
            };
            if !done {
                prop_assert_eq!(&before, &hooks);
            }
            let live = hooks.0.values().filter(|hook| hook.state != WebhookState::Deleted);
            prop_assert!(live.count() <= WEBHOOKS_MAX);
            for hook in hooks.0.values() {
                let signing = hook.secrets.values().filter(|at| at.is_none_or(|at| at > now)).count();
                let current: Vec<_> = hook.secrets.iter().filter(|(_, at)| at.is_none()).collect();
                if hook.state == WebhookState::Deleted {
                    prop_assert!(hook.secrets.is_empty());
                } else {
                    prop_assert!(signing <= SECRETS_MAX);
                    prop_assert_eq!(current.len(), 1);
                    prop_assert_eq!(Some(current[0].0), hook.secrets.keys().max());
                }
            }
        }
    }
}
