//! Currencies: defined, credited, debited, and accounted for entry by entry.

use crate::kart;
use serde_json::{Value, json};
use testkit::{Person, both_engines};

const GAME: &str = "/v1/games/kart";

fn of(player: &str, what: &str) -> String {
    format!("{GAME}/players/{player}/currencies/LUCCI/{what}")
}

async fn lucci(key: &Person) {
    key.put(&format!("{GAME}/currencies/LUCCI"), json!({ "name": "Lucci" })).await.expect(200);
}

async fn balance(key: &Person, player: &str) -> Value {
    key.get(&format!("{GAME}/players/{player}/currencies")).await.expect(200)
}

fn amount(amount: i64) -> Value {
    json!({ "amount_minor": amount, "reason": "attendance", "reference": "day-7" })
}

both_engines! {
    async fn a_player_is_credited_and_debited_and_the_history_says_so(world: &World) {
        let (_, key) = kart(world).await;
        lucci(&key).await;
        assert_eq!(balance(&key, "p1").await, json!([]));
        let first = key.post(&of("p1", "credits"), amount(500)).await.expect(200);
        assert_eq!((&first["seq"], &first["balance_after_minor"], &first["reason"]), (&json!(1), &json!(500), &json!("attendance")));
        assert!(first["counterparty"].as_str().unwrap().starts_with("key:"));
        key.post(&of("p1", "debits"), amount(120)).await.expect(200);
        assert_eq!(balance(&key, "p1").await, json!([{ "currency": "LUCCI", "balance_minor": 380 }]));
        assert_eq!(balance(&key, "p2").await, json!([]), "nobody else was touched");
        let history = key.get(&(of("p1", "entries") + "?size=1")).await.expect(200);
        assert_eq!((&history["items"][0]["amount_minor"], &history["items"][0]["seq"]), (&json!(-120), &json!(2)));
        let rest = key.get(&format!("{}?cursor={}", of("p1", "entries"), history["next"].as_str().unwrap())).await.expect(200);
        assert_eq!((rest["items"].as_array().unwrap().len(), &rest["items"][0]["amount_minor"]), (1, &json!(500)));
    }

    async fn nothing_goes_below_zero_and_no_body_brings_its_own_sign(world: &World) {
        let (_, key) = kart(world).await;
        lucci(&key).await;
        key.post(&of("p1", "credits"), amount(100)).await.expect(200);
        let refused = key.post(&of("p1", "debits"), amount(101)).await.refused("insufficient-funds");
        assert_eq!((&refused["facts"]["balance_minor"], &refused["facts"]["needed_minor"]), (&json!(100), &json!(101)));
        for bad in [0, -5, i64::MAX] {
            key.post(&of("p1", "credits"), amount(bad)).await.refused("bad-amount");
            key.post(&of("p1", "debits"), amount(bad)).await.refused("bad-amount");
        }
        key.post(&of("p1", "credits"), json!({ "amount_minor": 5, "reason": "" })).await.refused("bad-text");
        let undefined = format!("{GAME}/players/p1/currencies/GEM/credits");
        key.post(&undefined, amount(5)).await.refused("not-found");
        assert_eq!(balance(&key, "p1").await, json!([{ "currency": "LUCCI", "balance_minor": 100 }]));
    }

    async fn a_repeated_key_returns_the_first_entry(world: &World) {
        let (_, key) = kart(world).await;
        lucci(&key).await;
        let first = key.post_keyed(&of("p1", "credits"), "k-1", amount(500)).await.expect(200);
        for _ in 0..3 {
            assert_eq!(key.post_keyed(&of("p1", "credits"), "k-1", amount(500)).await.expect(200), first);
        }
        key.post_keyed(&of("p1", "credits"), "k-1", amount(501)).await.refused("key-reused");
        assert_eq!(balance(&key, "p1").await, json!([{ "currency": "LUCCI", "balance_minor": 500 }]));
    }

    async fn a_repeat_after_rotation_is_still_the_same_keys_repeat(world: &World) {
        let (operator, key) = kart(world).await;
        lucci(&key).await;
        let first = key.post_keyed(&of("p1", "credits"), "k-1", amount(500)).await.expect(200);
        let keys = operator.get(&format!("{GAME}/keys")).await.expect(200);
        let id = keys[0]["key"].as_str().unwrap();
        let rotated = operator.post(&format!("{GAME}/keys/{id}/rotate"), json!({})).await.expect(200);
        let renewed = key.with_token(rotated["secret"].as_str().unwrap());
        assert_eq!(renewed.post_keyed(&of("p1", "credits"), "k-1", amount(500)).await.expect(200), first);
    }

    async fn every_credit_of_a_crowd_in_two_processes_is_there_once(world: &World) {
        let (_, key) = kart(world).await;
        lucci(&key).await;
        let neighbour = world.sibling().await;
        let there = key.at(&neighbour.url);
        let mut under_way = tokio::task::JoinSet::new();
        for n in 0..120 {
            let caller = if n % 2 == 0 { key.clone() } else { there.clone() };
            let player = format!("p{}", n % 3);
            under_way.spawn(async move { caller.post(&of(&player, "credits"), amount(n + 1)).await.status });
        }
        let answers = under_way.join_all().await;
        assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
        for player in 0..3 {
            let sum: i64 = (0..120).filter(|n| n % 3 == player).map(|n| n + 1).sum();
            assert_eq!(balance(&key, &format!("p{player}")).await[0]["balance_minor"], sum);
            let entries = key.get(&(of(&format!("p{player}"), "entries") + "?size=100")).await.expect(200);
            let seqs: Vec<i64> = entries["items"].as_array().unwrap().iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
            assert_eq!(seqs, (1..=40).rev().collect::<Vec<i64>>());
        }
        neighbour.stop().await;
    }

    async fn a_game_has_as_many_currencies_as_it_likes_and_calls_them_what_it_likes(world: &World) {
        let (operator, key) = kart(world).await;
        for code in ["LUCCI", "GEM", "TICKET"] {
            key.put(&format!("{GAME}/currencies/{code}"), json!({ "name": code.to_lowercase() })).await.expect(200);
        }
        key.put(&format!("{GAME}/currencies/GEM"), json!({ "name": "Jewel" })).await.expect(200);
        key.put(&format!("{GAME}/currencies/gem"), json!({ "name": "Jewel" })).await.refused("bad-path");
        let page = operator.get(&format!("{GAME}/currencies?size=2")).await.expect(200);
        assert_eq!((&page["items"][0]["name"], &page["items"][1]["currency"]), (&json!("Jewel"), &json!("LUCCI")));
        let rest = operator.get(&format!("{GAME}/currencies?cursor={}", page["next"].as_str().unwrap())).await.expect(200);
        assert_eq!((rest["items"][0]["currency"].as_str(), rest["items"].as_array().unwrap().len()), (Some("TICKET"), 1));
    }
}
