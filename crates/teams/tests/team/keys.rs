//! API keys: rotated with an overlap, limited in what they may send, and everything they write is in the audit log.

use crate::kart;
use kernel::time::HOUR_US;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Config, Person, World, both_engines};

const KEYS: &str = "/v1/games/kart/keys";

async fn id_of(operator: &Person) -> String {
    operator.get(KEYS).await.expect(200)[0]["key"].as_str().unwrap().to_owned()
}

both_engines! {
    async fn a_rotated_secret_works_beside_the_new_one_until_its_time(world: &World) {
        let (operator, key) = kart(world).await;
        let id = id_of(&operator).await;
        assert_eq!(operator.get(KEYS).await.expect(200)[0]["previous_works_until"], Value::Null);
        let rotated = operator.post(&format!("{KEYS}/{id}/rotate"), json!({})).await.expect(200);
        let renewed = key.with_token(rotated["secret"].as_str().unwrap());
        let list = "/v1/games/kart/players";
        for caller in [&key, &renewed] {
            caller.get(list).await.expect(200);
        }
        assert_eq!(operator.get(KEYS).await.expect(200)[0]["previous_works_until"], rotated["previous_works_until"]);
        world.wait_s(23 * 3_600);
        key.get(list).await.expect(200);
        // The clock of the database goes on; people's tokens do not live as long.
        world.wait_s(3_601);
        assert!(key.get(list).await.refused("unauthenticated")["detail"].as_str().unwrap().contains("rotated"));
        renewed.get(list).await.expect(200);
        let operator = world.person(&[web::Role::Operator]).await;
        operator.delete(&format!("{KEYS}/{id}")).await.expect(204);
        renewed.get(list).await.refused("unauthenticated");
        operator.post(&format!("{KEYS}/{id}/rotate"), json!({})).await.refused("not-found");
    }

    async fn a_secret_that_leaked_is_stopped_at_once_and_revoking_stops_both(world: &World) {
        let (operator, key) = kart(world).await;
        let id = id_of(&operator).await;
        let list = "/v1/games/kart/players";
        let now = world.db().now();
        let rotated = operator.post(&format!("{KEYS}/{id}/rotate"), json!({ "previous_works_until": now })).await.expect(200);
        key.get(list).await.refused("unauthenticated");
        let second = key.with_token(rotated["secret"].as_str().unwrap());
        let until = now.plus_us(HOUR_US);
        let rotated = operator.post(&format!("{KEYS}/{id}/rotate"), json!({ "previous_works_until": until })).await.expect(200);
        let third = key.with_token(rotated["secret"].as_str().unwrap());
        for caller in [&second, &third] {
            caller.get(list).await.expect(200);
        }
        key.get(list).await.refused("unauthenticated");
        let far = json!({ "previous_works_until": now.plus_us(24 * 31 * HOUR_US) });
        operator.post(&format!("{KEYS}/{id}/rotate"), far).await.refused("bad-body");
        operator.delete(&format!("{KEYS}/{id}")).await.expect(204);
        for caller in [&second, &third] {
            caller.get(list).await.refused("unauthenticated");
        }
    }

    async fn a_rotation_is_shown_once_and_only_to_who_may(world: &World) {
        let (operator, _) = kart(world).await;
        let path = format!("{KEYS}/{}/rotate", id_of(&operator).await);
        operator.post_keyed(&path, "r-1", json!({})).await.expect(200);
        operator.post_keyed(&path, "r-1", json!({})).await.refused("already-done");
        world.player().await.post(&path, json!({})).await.refused("forbidden");
    }

    async fn every_use_of_a_write_scope_is_in_the_audit_log(world: &World) {
        let (operator, key) = kart(world).await;
        let id = id_of(&operator).await;
        key.put("/v1/games/kart/players", json!({ "players": [{ "player": "p1" }] })).await.expect(200);
        key.put("/v1/games/kart/currencies/LUCCI", json!({ "name": "Lucci" })).await.expect(200);
        let credits = "/v1/games/kart/players/p1/currencies/LUCCI/credits";
        key.post_keyed(credits, "k-1", json!({ "amount_minor": 5, "reason": "x" })).await.expect(200);
        key.post_keyed(credits, "k-1", json!({ "amount_minor": 5, "reason": "x" })).await.expect(200);
        key.post("/v1/games/kart/players/p1/currencies/LUCCI/debits", json!({ "amount_minor": 50, "reason": "x" })).await.refused("insufficient-funds");
        key.post("/v1/games/kart/players/p1/link-codes", json!({})).await.expect(201);
        key.get("/v1/games/kart/players/p1").await.expect(200);
        let noted = operator.get(&format!("/v1/audit?subject=key/{id}")).await.expect(200);
        let acts: Vec<&str> = noted["items"].as_array().unwrap().iter().rev().map(|noted| noted["act"].as_str().unwrap()).collect();
        assert_eq!(acts, ["players.upserted", "currency.defined", "currency.posted", "campaigns.issue_link_code"], "what was refused or repeated changed nothing");
        assert_eq!(noted["items"][1]["detail"]["detail"], json!({ "player": "p1", "currency": "LUCCI", "amount_minor": 5, "seq": 1 }));
        assert_eq!(noted["items"][1]["detail"]["route"], "POST /v1/games/{game}/players/{player}/currencies/{currency}/credits");
        let by_person = "/v1/games/kart/players/p1/currencies/LUCCI/credits";
        operator.post(by_person, json!({ "amount_minor": 5, "reason": "x" })).await.expect(200);
        let noted = operator.get("/v1/audit?subject=game/kart").await.expect(200);
        assert_eq!((&noted["items"][0]["act"], &noted["items"][0]["actor"]), (&json!("currency.posted"), &json!(operator.id)));
    }
}

fn slow(config: &mut Config) {
    config.accounts.key_requests_per_s = 1;
    config.accounts.key_burst = 3;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_told_how_it_stands_and_stopped_when_it_asks_too_often() {
    let world = World::start(slow, None).await;
    let (operator, key) = kart(&world).await;
    let other = world.key(&operator, "kart", &["players:read"]).await;
    let asked = |caller: &Person| caller.request(Method::GET, "/v1/games/kart/players").send();
    let header = |answer: &reqwest::Response, name: &str| -> Option<i64> { answer.headers().get(name)?.to_str().ok()?.parse().ok() };
    for left in [2, 1, 0] {
        let answer = asked(&key).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "ratelimit-limit"), header(&answer, "ratelimit-remaining")),
            (200, Some(3), Some(left))
        );
        assert_eq!(header(&answer, "ratelimit-reset"), Some(3 - left), "until all three can be sent at once again");
    }
    let answer = asked(&key).await.unwrap();
    assert_eq!(answer.status().as_u16(), 429);
    assert_eq!((header(&answer, "ratelimit-remaining"), header(&answer, "retry-after")), (Some(0), Some(1)));
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "rate-limited");
    assert_eq!(asked(&other).await.unwrap().status().as_u16(), 200, "another key of the game has its own limit");
    let person = asked(&operator).await.unwrap();
    assert_eq!((person.status().as_u16(), header(&person, "ratelimit-limit")), (200, None), "people are not counted here");
    world.wait_s(1);
    assert_eq!(asked(&key).await.unwrap().status().as_u16(), 200);
    world.check().await;
    world.stop().await;
}
