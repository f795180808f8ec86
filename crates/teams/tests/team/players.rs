//! Profiles: sent, read, looked up, listed, searched, and never older than what their reader wrote.

use crate::kart;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{Person, both_engines};

const PLAYERS: &str = "/v1/games/kart/players";

async fn send(key: &Person, players: Value) -> Value {
    key.put(PLAYERS, json!({ "players": players })).await.expect(200)
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|profile| profile["player"].as_str().unwrap()).collect()
}

/// Everybody that a list shows, page by page.
async fn everybody(key: &Person, query: &str, size: usize) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = key.get(&format!("{PLAYERS}?size={size}{query}{cursor}")).await.expect(200);
        found.extend(names(&page).into_iter().map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

both_engines! {
    async fn profiles_are_sent_and_read_back(world: &World) {
        let (_, key) = kart(world).await;
        let first = json!({ "player": "p1", "nickname": "Dao", "level": 37, "server": "seoul-3", "last_seen_at": "2026-11-21T09:00:00Z", "playtime_minutes": 5400 });
        assert_eq!(send(&key, json!([first, { "player": "p2" }])).await, json!({ "added": 2, "changed": 0, "same": 0 }));
        let read = key.get(&format!("{PLAYERS}/p1")).await.expect(200);
        assert_eq!((&read["nickname"], &read["level"], &read["server"]), (&json!("Dao"), &json!(37), &json!("seoul-3")));
        assert_eq!((&read["playtime_minutes"], &read["account"]), (&json!(5400), &Value::Null));
        assert_eq!(read["last_seen_at"], "2026-11-21T09:00:00.000000Z");

        assert_eq!(send(&key, json!([first])).await, json!({ "added": 0, "changed": 0, "same": 1 }), "the same again is nothing");
        let later = json!([{ "player": "p1", "level": 38, "last_seen_at": "2026-11-20T09:00:00Z" }]);
        assert_eq!(send(&key, later).await, json!({ "added": 0, "changed": 1, "same": 0 }));
        let read = key.get(&format!("{PLAYERS}/p1")).await.expect(200);
        assert_eq!((&read["nickname"], &read["level"]), (&json!("Dao"), &json!(38)), "what is left out stays");
        assert_eq!(read["last_seen_at"], "2026-11-21T09:00:00.000000Z", "last seen does not go back");
        key.get(&format!("{PLAYERS}/p9")).await.refused("not-found");
    }

    async fn one_that_cannot_be_kept_refuses_them_all(world: &World) {
        let (_, key) = kart(world).await;
        let bad = json!({ "players": [{ "player": "p1" }, { "player": "p2", "level": -1 }] });
        assert!(key.put(PLAYERS, bad).await.refused("bad-body")["detail"].as_str().unwrap().contains("level -1"));
        key.get(&format!("{PLAYERS}/p1")).await.refused("not-found");
        let many: Vec<Value> = (0..101).map(|n| json!({ "player": format!("p{n}") })).collect();
        key.put(PLAYERS, json!({ "players": many })).await.refused("bad-body");
        key.put(PLAYERS, json!({ "players": [] })).await.refused("bad-body");
        key.put(PLAYERS, json!({ "players": [{ "player": "p1", "nick": "x" }] })).await.refused("bad-body");
        key.get(&format!("{PLAYERS}?players=")).await.refused("bad-body");
        let names: Vec<String> = (0..101).map(|n| format!("p{n}")).collect();
        key.get(&format!("{PLAYERS}?players={}", names.join(","))).await.refused("bad-body");
        key.get(&format!("{PLAYERS}?players=p1&size=5")).await.refused("bad-query");
    }

    async fn a_hundred_are_looked_up_at_once_in_the_order_asked_for(world: &World) {
        let (_, key) = kart(world).await;
        let hundred: Vec<Value> = (0..100).map(|n| json!({ "player": format!("p{n:02}"), "level": n })).collect();
        send(&key, json!(hundred)).await;
        for round in 0..2 {
            let mut asked: Vec<String> = (0..98).rev().map(|n| format!("p{n:02}")).collect();
            asked.extend(["nobody".to_owned(), "p97".to_owned()]);
            let found = key.get(&format!("{PLAYERS}?players={}", asked.join(","))).await.expect(200);
            let levels: Vec<i64> = found["items"].as_array().unwrap().iter().map(|profile| profile["level"].as_i64().unwrap()).collect();
            assert_eq!(levels, (0..98).rev().collect::<Vec<i64>>(), "round {round}: each once, and nobody is nobody");
        }
    }

    async fn players_are_listed_by_name_and_searched_by_the_start_of_their_nickname(world: &World) {
        let (_, key) = kart(world).await;
        let nicknames = ["Dao", "dAo two", "Dizni", "다오", "다오2", "배찌", "", "da\u{10ffff}x", "d"];
        let players: Vec<Value> = nicknames.iter().enumerate().map(|(n, nickname)| {
            if nickname.is_empty() { json!({ "player": format!("p{n}") }) } else { json!({ "player": format!("p{n}"), "nickname": nickname }) }
        }).collect();
        send(&key, json!(players)).await;
        let all: Vec<String> = (0..nicknames.len()).map(|n| format!("p{n}")).collect();
        for size in [1, 4, 100] {
            assert_eq!(everybody(&key, "", size).await, all);
            assert_eq!(everybody(&key, "&nickname=DA", size).await, ["p0", "p1", "p7"], "by nickname, whatever its case");
            assert_eq!(everybody(&key, "&nickname=%EB%8B%A4%EC%98%A4", size).await, ["p3", "p4"]);
            assert_eq!(everybody(&key, "&nickname=zz", size).await, Vec::<String>::new());
        }
        key.get(&format!("{PLAYERS}?cursor=abc")).await.refused("bad-cursor");
        key.get(&format!("{PLAYERS}?nickname=")).await.refused("bad-text");
    }

    async fn a_profile_shows_the_account_that_is_linked_now(world: &World) {
        let (operator, key) = kart(world).await;
        let jane = world.player().await;
        send(&key, json!([{ "player": "p1" }])).await;
        let account = || async { key.get(&format!("{PLAYERS}/p1")).await.expect(200)["account"].clone() };
        assert_eq!(account().await, Value::Null);
        let code = key.post(&format!("{PLAYERS}/p1/link-codes"), json!({})).await.expect(201);
        jane.post("/v1/links", json!({ "code": code["code"] })).await.expect(201);
        assert_eq!(account().await, json!(jane.id), "the next read shows what this process wrote");
        let found = key.get(&format!("{PLAYERS}?players=p1")).await.expect(200);
        assert_eq!(found["items"][0]["account"], json!(jane.id));
        assert_eq!(key.get(PLAYERS).await.expect(200)["items"][0]["account"], json!(jane.id));
        jane.delete("/v1/links/kart").await.expect(204);
        assert_eq!(account().await, Value::Null);
        operator.put(&format!("{PLAYERS}/p1/link"), json!({ "link_to": jane.id })).await.expect(200);
        assert_eq!(account().await, json!(jane.id));
    }

    async fn who_writes_reads_it_at_once_and_another_process_within_a_second(world: &World) {
        let (_, key) = kart(world).await;
        let neighbour = world.sibling().await;
        let there = key.at(&neighbour.url);
        let path = format!("{PLAYERS}/p1");
        for level in 0..20 {
            send(&key, json!([{ "player": "p1", "level": level }])).await;
            assert_eq!(key.get(&path).await.expect(200)["level"], level, "here");
        }
        assert_eq!(there.get(&path).await.expect(200)["level"], 19, "it had read nothing before");
        send(&key, json!([{ "player": "p1", "level": 20 }])).await;
        let written = Instant::now();
        // What was read there a moment ago may be shown for a second; every read until then shows one or the other.
        loop {
            let level = there.get(&path).await.expect(200)["level"].as_i64().unwrap();
            if level == 20 {
                break;
            }
            assert_eq!(level, 19);
            assert!(written.elapsed() < Duration::from_secs(2), "it is still not shown");
            // A key may send 500 requests a second.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        neighbour.stop().await;
    }

    async fn many_processes_may_send_the_same_new_players(world: &World) {
        let (_, key) = kart(world).await;
        let neighbour = world.sibling().await;
        let there = key.at(&neighbour.url);
        let players: Vec<Value> = (0..50).map(|n| json!({ "player": format!("p{n}"), "nickname": format!("n{n}") })).collect();
        let body = json!({ "players": players });
        let sent = futures(&[&key, &there], &body).await;
        let added: i64 = sent.iter().map(|answer| answer["added"].as_i64().unwrap()).sum();
        assert_eq!(added, 50, "each was added once: {sent:?}");
        neighbour.stop().await;
    }
}

/// Eight requests at once, from each caller in turn.
async fn futures(callers: &[&Person], body: &Value) -> Vec<Value> {
    let mut under_way = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (caller, body) = (callers[n % callers.len()].clone(), body.clone());
        under_way.spawn(async move { caller.put(PLAYERS, body).await.expect(200) });
    }
    under_way.join_all().await
}
