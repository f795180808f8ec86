//! What an API key may do: every route of a game is tried with a key of another game, without the scope, revoked, and rotated away.
//! Refuses a route of a game without a row here, and a row without a route.

use super::ground::{Ground, roomy_engines};
use super::log_routes;
use super::route::Route;
use super::table::ROUTES;
use accounts::Scope;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Answer, Person, World};

/// A route of a game, and the scope that an API key needs for it; none where only people may call it.
type Row = (&'static str, &'static str, Option<Scope>);

const ROWS: &[Row] = &[
    ("GET", "/v1/games/{game}", None),
    ("GET", "/v1/games/{game}/members", None),
    ("PUT", "/v1/games/{game}/members/{user}", None),
    ("DELETE", "/v1/games/{game}/members/{user}", None),
    ("GET", "/v1/games/{game}/keys", None),
    ("POST", "/v1/games/{game}/keys", None),
    ("POST", "/v1/games/{game}/keys/{key}/rotate", None),
    ("DELETE", "/v1/games/{game}/keys/{key}", None),
    ("GET", "/v1/games/{game}/players", Some(Scope::PlayersRead)),
    ("PUT", "/v1/games/{game}/players", Some(Scope::PlayersWrite)),
    ("GET", "/v1/games/{game}/players/{player}", Some(Scope::PlayersRead)),
    ("GET", "/v1/games/{game}/currencies", Some(Scope::CurrenciesRead)),
    ("PUT", "/v1/games/{game}/currencies/{currency}", Some(Scope::CurrenciesWrite)),
    ("GET", "/v1/games/{game}/players/{player}/currencies", Some(Scope::CurrenciesRead)),
    ("GET", "/v1/games/{game}/players/{player}/currencies/{currency}/entries", Some(Scope::CurrenciesRead)),
    ("POST", "/v1/games/{game}/players/{player}/currencies/{currency}/credits", Some(Scope::CurrenciesWrite)),
    ("POST", "/v1/games/{game}/players/{player}/currencies/{currency}/debits", Some(Scope::CurrenciesWrite)),
    ("GET", "/v1/games/{game}/grants", Some(Scope::CurrenciesRead)),
    ("POST", "/v1/games/{game}/grants", Some(Scope::CurrenciesWrite)),
    ("GET", "/v1/games/{game}/grants/{grant}", Some(Scope::CurrenciesRead)),
    ("GET", "/v1/games/{game}/grants/{grant}/players", Some(Scope::CurrenciesRead)),
    ("POST", "/v1/games/{game}/grants/{grant}/players", Some(Scope::CurrenciesWrite)),
    ("POST", "/v1/games/{game}/grants/{grant}/start", Some(Scope::CurrenciesWrite)),
    ("POST", "/v1/games/{game}/grants/{grant}/cancel", Some(Scope::CurrenciesWrite)),
    ("GET", "/v1/games/{game}/placements/{placement}/banners", Some(Scope::BannersRead)),
    ("GET", "/v1/games/{game}/banners", Some(Scope::BannersRead)),
    ("POST", "/v1/games/{game}/banners", Some(Scope::BannersWrite)),
    ("GET", "/v1/games/{game}/banners/{banner}", Some(Scope::BannersRead)),
    ("PUT", "/v1/games/{game}/banners/{banner}", Some(Scope::BannersWrite)),
    ("POST", "/v1/games/{game}/banners/{banner}/publish", Some(Scope::BannersWrite)),
    ("POST", "/v1/games/{game}/banners/{banner}/take-down", Some(Scope::BannersWrite)),
    ("DELETE", "/v1/games/{game}/banners/{banner}", Some(Scope::BannersWrite)),
    ("GET", "/v1/games/{game}/recipes", Some(Scope::RecipesRun)),
    ("GET", "/v1/games/{game}/recipes/{recipe}", Some(Scope::RecipesRun)),
    ("GET", "/v1/games/{game}/webhooks", None),
    ("POST", "/v1/games/{game}/webhooks", None),
    ("GET", "/v1/games/{game}/webhooks/{webhook}", None),
    ("PATCH", "/v1/games/{game}/webhooks/{webhook}", None),
    ("POST", "/v1/games/{game}/webhooks/{webhook}/rotate", None),
    ("POST", "/v1/games/{game}/webhooks/{webhook}/test", None),
    ("GET", "/v1/games/{game}/webhooks/{webhook}/deliveries", None),
    ("POST", "/v1/games/{game}/webhooks/{webhook}/deliveries/{delivery}/redeliver", None),
    ("POST", "/v1/games/{game}/webhooks/{webhook}/redeliver", None),
    ("DELETE", "/v1/games/{game}/webhooks/{webhook}", None),
    ("GET", "/v1/games/{game}/campaigns", Some(Scope::CampaignsRead)),
    ("POST", "/v1/games/{game}/campaigns", None),
    ("GET", "/v1/games/{game}/campaigns/{campaign}", Some(Scope::CampaignsRead)),
    ("PUT", "/v1/games/{game}/campaigns/{campaign}", None),
    ("GET", "/v1/games/{game}/campaigns/{campaign}/versions", Some(Scope::CampaignsRead)),
    ("POST", "/v1/games/{game}/campaigns/{campaign}/extend", None),
    ("POST", "/v1/games/{game}/campaigns/{campaign}/stop", None),
    ("PUT", "/v1/games/{game}/fulfil-by", None),
    ("GET", "/v1/games/{game}/mapping", Some(Scope::CampaignsRead)),
    ("PUT", "/v1/games/{game}/mapping", None),
    ("GET", "/v1/games/{game}/mapping/versions", Some(Scope::CampaignsRead)),
    ("POST", "/v1/games/{game}/mapping/try", None),
    ("GET", "/v1/games/{game}/campaigns/{campaign}/players/{player}", Some(Scope::CampaignsRead)),
    ("GET", "/v1/games/{game}/campaigns/{campaign}/players", Some(Scope::CampaignsRead)),
    ("GET", "/v1/games/{game}/players/{player}/achievements", Some(Scope::ClaimsRead)),
    ("POST", "/v1/games/{game}/campaigns/{campaign}/players/{player}/goals/{goal}/claims", Some(Scope::ClaimsWrite)),
    ("POST", "/v1/games/{game}/campaigns/{campaign}/players/{player}/opt-in", Some(Scope::ClaimsWrite)),
    ("POST", "/v1/games/{game}/campaigns/{campaign}/players/{player}/corrections", None),
    ("POST", "/v1/games/{game}/campaigns/{campaign}/players/{player}/restart", None),
    ("POST", "/v1/games/{game}/players/{player}/erase-progress", None),
    ("GET", "/v1/games/{game}/fulfilments", Some(Scope::ClaimsRead)),
    ("GET", "/v1/games/{game}/fulfilments/{fulfilment}", Some(Scope::ClaimsRead)),
    ("POST", "/v1/games/{game}/fulfilments/{fulfilment}/acknowledge", Some(Scope::ClaimsWrite)),
    ("POST", "/v1/games/{game}/fulfilments/{fulfilment}/fail", Some(Scope::ClaimsWrite)),
    ("POST", "/v1/games/{game}/fulfilments/{fulfilment}/resend", Some(Scope::ClaimsWrite)),
    ("POST", "/v1/games/{game}/fulfilments/resend", Some(Scope::ClaimsWrite)),
    ("POST", "/v1/games/{game}/claims/{claim}/clawback", None),
    ("POST", "/v1/games/{game}/players/{player}/link-codes", Some(Scope::ClaimsWrite)),
    ("GET", "/v1/games/{game}/players/{player}/link", Some(Scope::PlayersRead)),
    ("PUT", "/v1/games/{game}/players/{player}/link", None),
    ("DELETE", "/v1/games/{game}/players/{player}/link", None),
    ("POST", "/v1/games/{game}/logs", Some(Scope::LogsWrite)),
    ("GET", "/v1/games/{game}/dead-letters", None),
    ("GET", "/v1/games/{game}/dead-letters/counts", None),
    ("POST", "/v1/games/{game}/dead-letters/replays", None),
    ("GET", "/v1/games/{game}/partitions", None),
    ("PUT", "/v1/games/{game}/partitions/{partition}", None),
    ("GET", "/v1/games/{game}/campaigns/{campaign}/players/{player}/explain", Some(Scope::CampaignsRead)),
    ("POST", "/v1/games/{game}/campaigns/backtest", None),
];

/// A route in one world, ready to be called.
struct Target {
    name: String,
    method: &'static str,
    path: String,
    body: Option<Value>,
    scope: Option<Scope>,
    /// What its rightful caller is answered, where that is known.
    done: Option<u16>,
}

impl Target {
    async fn call(&self, key: &Person) -> Answer {
        let request = key.request(self.method.parse().unwrap(), &self.path);
        key.send(match &self.body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// Asserts that a key is refused, and in which words.
    async fn refuses(&self, who: &str, key: &Person, code: &str, about: &str) {
        let answer = self.call(key).await;
        let told = answer["detail"].as_str().unwrap_or_default();
        assert!(answer["code"] == code && told.contains(about), "{} with {who}: {} {}", self.name, answer.status, answer.text);
    }
}

/// The keys that every route is tried with.
struct Keys {
    /// Of another game, with every scope.
    stranger: Person,
    revoked: Person,
    rotated: Person,
    unknown: Person,
}

async fn new_key(boss: &Person, game: &str, scopes: &[Scope]) -> (String, Person) {
    let made = boss.post(&format!("/v1/games/{game}/keys"), json!({ "name": "test", "scopes": scopes })).await.expect(201);
    (made["key"].as_str().unwrap().to_owned(), boss.with_token(made["secret"].as_str().unwrap()))
}

impl Keys {
    async fn make(world: &World, boss: &Person, game: &str) -> Keys {
        boss.post("/v1/games", json!({ "id": "other", "name": "Other", "zone": "UTC" })).await.expect(201);
        let (_, stranger) = new_key(boss, "other", Scope::ALL).await;
        let (id, revoked) = new_key(boss, game, Scope::ALL).await;
        boss.delete(&format!("/v1/games/{game}/keys/{id}")).await.expect(204);
        let (id, rotated) = new_key(boss, game, Scope::ALL).await;
        let overlap = json!({ "previous_works_until": world.db().now().plus_us(60 * kernel::time::SECOND_US) });
        let renewed = boss.post(&format!("/v1/games/{game}/keys/{id}/rotate"), overlap).await.expect(200);
        let renewed = boss.with_token(renewed["secret"].as_str().unwrap());
        for works in [&rotated, &renewed] {
            works.get(&format!("/v1/games/{game}/players")).await.expect(200);
        }
        world.wait_s(61);
        renewed.get(&format!("/v1/games/{game}/players")).await.expect(200);
        Keys { stranger, revoked, rotated, unknown: boss.with_token("gk_made_up") }
    }
}

async fn all_refused(boss: &Person, game: &str, keys: &Keys, targets: &[Target]) {
    for target in targets {
        let Some(scope) = target.scope else {
            target.refuses("a key, where people are meant", &keys.stranger, "unauthenticated", "API keys are not taken here").await;
            continue;
        };
        target.refuses("a key of another game", &keys.stranger, "not-found", &format!("no game {game}")).await;
        let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|other| *other != scope).collect();
        let (id, narrow) = new_key(boss, game, &others).await;
        target.refuses("a key without the scope", &narrow, "forbidden", scope.as_str()).await;
        boss.delete(&format!("/v1/games/{game}/keys/{id}")).await.expect(204);
        target.refuses("a revoked key", &keys.revoked, "unauthenticated", "revoked").await;
        target.refuses("a secret that was rotated away", &keys.rotated, "unauthenticated", "rotated").await;
        target.refuses("a made-up key", &keys.unknown, "unauthenticated", "unknown").await;
    }
    for target in targets {
        if let Some(scope) = target.scope {
            let (id, key) = new_key(boss, game, &[scope]).await;
            let answer = target.call(&key).await;
            let is_let_in = target.done.map_or(answer.status < 500 && ![401, 403].contains(&answer.status), |done| answer.status == done);
            assert!(is_let_in, "{} with a key that has the scope: {} {}", target.name, answer.status, answer.text);
            boss.delete(&format!("/v1/games/{game}/keys/{id}")).await.expect(204);
        }
    }
}

fn scope_of(method: &str, path: &str) -> Option<Scope> {
    let row = ROWS.iter().find(|row| (row.0, row.1) == (method, path));
    row.unwrap_or_else(|| panic!("{method} {path} has no row in team_keys.rs: name the scope that a key needs, or none")).2
}

fn target_of(route: &Route, ground: &Ground) -> Target {
    Target {
        name: route.name(),
        method: route.method,
        path: route.at(ground),
        body: (!route.reads()).then(|| (route.body)(ground)),
        scope: scope_of(route.method, route.path),
        done: Some(route.done),
    }
}

fn is_of_a_game(path: &str) -> bool {
    path.starts_with("/v1/games/{game}")
}

roomy_engines! {
    async fn every_route_of_a_game_is_for_keys_of_that_game_with_the_scope(world: &World) {
        let ground = Ground::lay(world).await;
        let keys = Keys::make(world, &ground.boss, &ground.game).await;
        let targets: Vec<Target> = ROUTES.iter().filter(|route| is_of_a_game(route.path)).map(|route| target_of(route, &ground)).collect();
        assert!(targets.len() > 50, "{}", targets.len());
        all_refused(&ground.boss, &ground.game, &keys, &targets).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_a_game_has_a_row_and_logs_are_for_keys_too() {
    let world = World::streaming(|_| {}, None).await;
    let described = serde_json::to_value(world.app.routes().get_openapi()).unwrap();
    let there: BTreeSet<(String, String)> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(path, _)| is_of_a_game(path))
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())))
        .collect();
    let rows: BTreeSet<(String, String)> = ROWS.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(rows.len(), ROWS.len(), "a row stands there twice");
    assert_eq!(there.difference(&rows).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "routes without a row");
    assert_eq!(rows.difference(&there).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "rows without a route");

    // A game with a mapping, and with the topic that the stream makes for it.
    let boss = world.game("kartrider").await;
    let keys = Keys::make(&world, &boss, "kartrider").await;
    let targets: Vec<Target> = log_routes::filled(world.db().now())
        .map(|(method, path, at, body)| Target {
            name: format!("{method} {path}"),
            method,
            path: at.replace("/games/kart/", "/games/kartrider/"),
            body: (!body.is_null()).then_some(body),
            scope: scope_of(method, path),
            done: None,
        })
        .collect();
    all_refused(&boss, "kartrider", &keys, &targets).await;
    world.check().await;
    world.stop().await;
}
