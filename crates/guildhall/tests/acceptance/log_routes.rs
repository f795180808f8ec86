//! The routes a process has where it reads logs: who may call them, with a row for each.
//! Refuses a route of theirs without a row, and a row without a route.

use super::table::ROUTES;
use kernel::Instant;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Person, World};
use web::Role;

/// A route that is there only beside a log: method, path as OpenAPI has it, a good body.
type Row = (&'static str, &'static str, fn(Instant) -> Value);

/// All of them are for the game's campaign managers and operators; `explain` is for the whole team, and logs also come by key.
const ROWS: &[Row] = &[
    ("POST", "/v1/games/{game}/logs", |_| json!({})),
    ("GET", "/v1/games/{game}/dead-letters", |_| Value::Null),
    ("GET", "/v1/games/{game}/dead-letters/counts", |_| Value::Null),
    ("POST", "/v1/games/{game}/dead-letters/replays", |_| json!({})),
    ("GET", "/v1/games/{game}/partitions", |_| Value::Null),
    ("PUT", "/v1/games/{game}/partitions/{partition}", |_| json!({ "next": 0 })),
    ("GET", "/v1/games/{game}/campaigns/{campaign}/players/{player}/explain", |_| Value::Null),
    ("POST", "/v1/games/{game}/campaigns/backtest", |now| json!({ "campaign": super::ground::campaign("kart", now, "draft") })),
];

/// Each route with its method, its path as OpenAPI has it and with things of the game `kart` in it, and a good body.
pub(super) fn filled(now: Instant) -> impl Iterator<Item = (&'static str, &'static str, String, Value)> {
    ROWS.iter().map(move |(method, path, body)| {
        let at = path.replace("{game}", "kart").replace("{partition}", "0").replace("{campaign}", "ten-plays").replace("{player}", "p1");
        (*method, *path, at, body(now))
    })
}

async fn codes_of(person: &Person, now: Instant) -> Vec<(String, u16)> {
    let mut codes = Vec::new();
    for (method, path, at, body) in filled(now) {
        let request = person.request(Method::from_bytes(method.as_bytes()).unwrap(), &at);
        let answer = person.send(if body.is_null() { request } else { request.json(&body) }).await;
        codes.push((format!("{method} {path}"), answer.status));
    }
    codes
}

fn all_are(codes: &[(String, u16)], status: u16, caller: &str) {
    let other: Vec<_> = codes.iter().filter(|(_, code)| *code != status).collect();
    assert!(other.is_empty(), "{caller} is answered {status} but for {other:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_of_logs_are_for_the_games_team_alone() {
    let world = World::streaming(|_| {}, None).await;
    let described = serde_json::to_value(world.app.routes().get_openapi()).unwrap();
    let paths = described["paths"].as_object().unwrap();
    let there: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())))
        .collect();
    let rows = ROWS.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()));
    let table = ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned()));
    let missing: Vec<_> =
        there.difference(&table.clone().chain(rows.clone()).collect()).filter(|(_, path)| path.starts_with("/v1")).cloned().collect();
    assert!(missing.is_empty(), "routes without a row: {missing:?}");
    assert!(rows.clone().all(|row| there.contains(&row)), "a row without a route");
    assert!(rows.clone().all(|row| !table.clone().any(|other| other == row)), "a row that stands in both tables");

    let now = world.db().now();
    let operator = world.person(&[Role::Operator]).await;
    operator.post("/v1/games", json!({ "id": "kart", "name": "Kart", "zone": "Asia/Seoul" })).await.expect(201);
    operator.post("/v1/games", json!({ "id": "rush", "name": "Rush", "zone": "Asia/Seoul" })).await.expect(201);
    let (member, manager, stranger) = (world.player().await, world.player().await, world.player().await);
    for (person, game, role) in
        [(&member, "kart", "team_member"), (&manager, "kart", "campaign_manager"), (&stranger, "rush", "campaign_manager")]
    {
        operator.put(&format!("/v1/games/{game}/members/{}", person.id), json!({ "role": role })).await.expect(204);
    }

    all_are(&codes_of(&world.nobody(), now).await, 401, "nobody");
    all_are(&codes_of(&world.player().await, now).await, 403, "a player");
    all_are(&codes_of(&stranger, now).await, 403, "the manager of another game");
    all_are(&codes_of(&world.person(&[Role::StoreManager]).await, now).await, 403, "a store manager");
    let explain = ROWS.len() - 2;
    let of_member = codes_of(&member, now).await;
    assert!(of_member[explain].1 != 403 && of_member[explain].1 < 500, "{of_member:?}");
    all_are(&[&of_member[..explain], &of_member[explain + 1..]].concat(), 403, "a member of the team");
    for (name, person) in [("the game's manager", &manager), ("an operator", &operator)] {
        let codes = codes_of(person, now).await;
        assert!(codes.iter().all(|(_, code)| ![401, 403, 500].contains(code)), "{name}: {codes:?}");
    }
    let elsewhere = world.key(&operator, "rush", &["logs:write"]).await;
    assert_eq!(codes_of(&elsewhere, now).await[0].1, 404, "a key knows no game but its own");
    let reads = world.key(&operator, "kart", &["campaigns:read"]).await;
    assert_eq!(codes_of(&reads, now).await[0].1, 403, "a key without the scope writes none");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_nobody_could_read_are_refused_for_good_and_not_for_now() {
    let world = World::streaming(|_| {}, None).await;
    let operator = world.person(&[Role::Operator]).await;
    let lines = |game: &str| operator.request(Method::POST, &format!("/v1/games/{game}/logs")).body("{}");
    operator.send(lines("nosuchgame")).await.refused("not-found");
    operator.post("/v1/games", json!({ "id": "kart", "name": "Kart", "zone": "UTC" })).await.expect(201);
    operator.send(lines("kart")).await.refused("wrong-state");
    world.stop().await;
}
