//! Banners: written, published, and shown to the moment.

use crate::kart;
use kernel::Instant;
use kernel::time::SECOND_US;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Person, both_engines};

const BANNERS: &str = "/v1/games/kart/banners";
const LOBBY: &str = "/v1/games/kart/placements/lobby/banners";

fn body(starts_at: Instant, ends_at: Option<Instant>) -> Value {
    let content = |name: &str| json!({ "image": format!("https://cdn.example/{name}.png"), "link": "kartrider://shop", "text": name });
    json!({
        "placement": "lobby", "priority": 1, "starts_at": starts_at, "ends_at": ends_at, "fallback": "en",
        "contents": { "en": content("en"), "ko": content("ko") },
    })
}

async fn made(key: &Person, body: &Value) -> String {
    let made = key.post(BANNERS, body.clone()).await.expect(201);
    assert_eq!((&made["state"], &made["version"]), (&json!("draft"), &json!(1)));
    made["banner"].as_str().unwrap().to_owned()
}

async fn published(key: &Person, body: &Value) -> String {
    let banner = made(key, body).await;
    key.post(&format!("{BANNERS}/{banner}/publish"), json!({})).await.expect(200);
    banner
}

/// What is shown, its tag, and for how many seconds it may be kept.
async fn shown(key: &Person, query: &str, tag: Option<&str>) -> (u16, Value, String, i64) {
    let request = key.request(Method::GET, &format!("{LOBBY}{query}"));
    let request = if let Some(tag) = tag { request.header("if-none-match", tag) } else { request };
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).unwrap_or_else(|| panic!("{name}")).to_str().unwrap().to_owned();
    let (status, etag, kept) = (answer.status().as_u16(), header("etag"), header("cache-control"));
    let max_age = kept.strip_prefix("private, max-age=").unwrap().parse().unwrap();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null), etag, max_age)
}

async fn ids(key: &Person, query: &str) -> Vec<String> {
    let (_, body, ..) = shown(key, query, None).await;
    body["banners"].as_array().unwrap().iter().map(|banner| banner["banner"].as_str().unwrap().to_owned()).collect()
}

both_engines! {
    async fn a_banner_starts_and_ends_to_the_moment(world: &World) {
        let (_, key) = kart(world).await;
        let now = world.db().now();
        let (starts_at, ends_at) = (now.plus_us(3_600 * SECOND_US), now.plus_us(7_200 * SECOND_US));
        let banner = published(&key, &body(starts_at, Some(ends_at))).await;
        for (turn, before, after) in [(starts_at, vec![], vec![banner.clone()]), (ends_at, vec![banner.clone()], vec![])] {
            // Half a minute before, what is shown may be kept for no longer than that.
            world.db().clock().advance_us(turn.since_us(world.db().now()) - 20 * SECOND_US);
            let (_, _, tag, max_age) = shown(&key, "", None).await;
            assert_eq!(ids(&key, "").await, before);
            assert!((0..=20).contains(&max_age), "{max_age}");
            assert_eq!(shown(&key, "", Some(&tag)).await.0, 304);
            world.db().clock().advance_us(turn.since_us(world.db().now()));
            assert_eq!(ids(&key, "").await, after, "at the very moment, from what was kept a moment ago");
            let (status, _, new_tag, _) = shown(&key, "", Some(&tag)).await;
            assert_eq!(status, 200);
            assert_ne!(tag, new_tag);
        }
    }

    async fn an_unchanged_answer_is_304_and_is_kept_for_half_a_minute(world: &World) {
        let (_, key) = kart(world).await;
        let banner = published(&key, &body(world.db().now(), None)).await;
        let (status, first, tag, max_age) = shown(&key, "?locale=ko-KR", None).await;
        assert_eq!((status, max_age), (200, 30));
        let content = json!({ "banner": banner, "locale": "ko", "image": "https://cdn.example/ko.png", "link": "kartrider://shop", "text": "ko" });
        assert_eq!(first, json!({ "banners": [content] }));
        assert_eq!(shown(&key, "?locale=ko-KR", Some(&tag)).await, (304, Value::Null, tag.clone(), 30));
        assert_eq!(shown(&key, "?locale=fr", Some(&tag)).await.0, 200, "another locale is another answer");
        let mut changed = body(world.db().now(), None);
        changed["contents"]["ko"]["text"] = json!("new");
        key.put(&format!("{BANNERS}/{banner}"), changed).await.expect(200);
        assert_eq!(shown(&key, "?locale=ko-KR", Some(&tag)).await.1["banners"][0]["text"], "new", "who wrote it reads it at once");
    }

    async fn a_reader_is_shown_what_is_for_them_the_most_important_first(world: &World) {
        let (_, key) = kart(world).await;
        let now = world.db().now();
        let everybody = published(&key, &body(now, None)).await;
        let mut important = body(now, None);
        (important["priority"], important["audience"]) = (json!(9), json!({ "level_min": 10, "level_max": 20, "platforms": ["ios"] }));
        let important = published(&key, &important).await;
        let mut returning = body(now, None);
        returning["audience"] = json!({ "players": "returning" });
        let returning = published(&key, &returning).await;
        assert_eq!(ids(&key, "").await, std::slice::from_ref(&everybody));
        assert_eq!(ids(&key, "?platform=ios&level=10").await, [important.clone(), everybody.clone()]);
        assert_eq!(ids(&key, "?platform=ios&level=21").await, std::slice::from_ref(&everybody));
        let mut both = ids(&key, "?players=returning").await;
        both.sort();
        let mut right = vec![everybody, returning];
        right.sort();
        assert_eq!(both, right);
        key.get(&format!("{LOBBY}?players=old")).await.refused("bad-query");
        key.get(&format!("{LOBBY}?locale=x")).await.refused("bad-body");
        assert_eq!(key.get("/v1/games/kart/placements/shop/banners").await.expect(200), json!({ "banners": [] }));
    }

    async fn drafts_are_shown_to_nobody_and_changes_name_their_version(world: &World) {
        let (operator, key) = kart(world).await;
        let content = body(world.db().now(), None);
        let banner = made(&key, &content).await;
        let path = format!("{BANNERS}/{banner}");
        assert!(ids(&key, "").await.is_empty());
        let published = key.post(&format!("{path}/publish"), json!({})).await.expect(200);
        assert_eq!((&published["state"], &published["version"]), (&json!("published"), &json!(2)));
        assert_eq!(key.post(&format!("{path}/publish"), json!({})).await.expect(200)["version"], 2, "again is nothing");
        assert_eq!(ids(&key, "").await, std::slice::from_ref(&banner));
        let mut elsewhere = content.clone();
        elsewhere["placement"] = json!("shop");
        key.put(&format!("{path}?version=1"), elsewhere.clone()).await.refused("wrong-state");
        operator.put(&format!("{path}?version=2"), elsewhere).await.expect(200);
        assert!(ids(&key, "").await.is_empty(), "it moved to another placement");
        assert_eq!(key.get("/v1/games/kart/placements/shop/banners").await.expect(200)["banners"][0]["banner"], json!(banner));
        key.post(&format!("{path}/take-down"), json!({})).await.expect(200);
        assert_eq!(key.get("/v1/games/kart/placements/shop/banners").await.expect(200), json!({ "banners": [] }));
        let listed = key.get(&format!("{BANNERS}?state=draft&placement=shop")).await.expect(200);
        assert_eq!(listed["items"][0], key.get(&path).await.expect(200));
        key.delete(&path).await.expect(204);
        key.get(&path).await.refused("not-found");
        key.delete(&path).await.refused("not-found");
        let mut bad = content;
        bad["fallback"] = json!("fr");
        assert!(key.post(BANNERS, bad).await.refused("bad-body")["detail"].as_str().unwrap().contains("fallback"));
    }
}
