//! Who may do what, for every route and every kind of caller. Leaves what a route does to its crate.

use super::dump::{Dumper, difference};
use super::ground::{Ground, PASSWORD, SignedIn, roomy_engines, signed_in};
use super::route::{May, Route};
use super::table::{PAGES, ROUTES};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::{OrderId, PaymentId, RefundId, SessionId};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Answer, Person, World};
use web::{Role, Roles};

/// Roles besides player, one at a time.
const KINDS: [Option<Role>; 5] = [None, Some(Role::StoreManager), Some(Role::Operator), Some(Role::Admin), Some(Role::PointsProvider)];

/// Longer than a token lives.
const AN_HOUR_S: i64 = 3_600;

async fn call(person: &Person, route: &Route, ground: &Ground) -> Answer {
    call_at(person, route, &route.at(ground), &(route.body)(ground)).await
}

async fn call_at(person: &Person, route: &Route, path: &str, body: &Value) -> Answer {
    let request = person.request(route.method(), path);
    person.send(if route.reads() { request } else { request.json(body) }).await
}

/// Whether the answer is about who asks, and not about what was asked: a used-up refresh token in a body is the latter.
fn is_kept_out(answer: &Answer) -> bool {
    let about_body = answer["detail"].as_str().is_some_and(|detail| detail.contains("refresh token"));
    !about_body && (answer["code"] == "unauthenticated" || answer["code"] == "forbidden")
}

#[track_caller]
fn assert_code(answer: Answer, status: u16, code: &str, route: &Route, caller: &str) {
    assert_eq!((answer.status, answer["code"].as_str()), (status, Some(code)), "{} by {caller}: {}", route.name(), answer.text);
}

#[track_caller]
fn assert_let_in(answer: &Answer, route: &Route, caller: &str) {
    assert!(!is_kept_out(answer) && answer.status < 500, "{} by {caller}: {} {}", route.name(), answer.status, answer.text);
}

fn tokens_that_are_none_of_ours(world: &World, of: &Person) -> Vec<(&'static str, String)> {
    let claims = json!({ "sub": of.id, "sid": SessionId::new(), "rol": 31, "exp": world.db().now().unix_seconds() + AN_HOUR_S });
    let signed = |algorithm, key: &[u8]| jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(key)).unwrap();
    let ours = of.token().unwrap();
    let [head, body, signature] = ours.split('.').collect::<Vec<_>>()[..] else { panic!("a token has three parts") };
    let other = signed(Algorithm::HS256, &[7; 32]);
    let other_body = other.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    vec![
        ("a token of another key", other.clone()),
        ("a token of another algorithm", signed(Algorithm::HS512, world.secrets.token_key().reveal())),
        ("a token of no algorithm", format!("{none}.{other_body}.")),
        ("a token of no algorithm with our signature", format!("{none}.{body}.{signature}")),
        ("our signature under other claims", format!("{head}.{other_body}.{signature}")),
        ("a token cut short", ours[..ours.len() - 1].to_owned()),
        ("no token at all", "Bearer".to_owned()),
    ]
}

roomy_engines! {
    async fn every_route_has_a_row_and_every_row_a_route(world: &World) {
        let api = world.nobody().get("/openapi.json").await.expect(200);
        let methods = |(path, item): (&String, &Value)| -> Vec<String> {
            item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())).collect()
        };
        let routes: BTreeSet<String> = api["paths"].as_object().unwrap().iter().flat_map(methods).collect();
        let rows: BTreeSet<String> = ROUTES.iter().map(Route::name).collect();
        assert_eq!(rows.len(), ROUTES.len(), "no row stands twice");
        assert_eq!(routes.difference(&rows).collect::<Vec<_>>(), Vec::<&String>::new(), "routes without a row");
        assert_eq!(rows.difference(&routes).collect::<Vec<_>>(), Vec::<&String>::new(), "rows without a route");
        for path in PAGES {
            let path = path.replace("{code}", "sold-out").replace("{file}", "console.js");
            assert!([200, 307].contains(&world.nobody().get(&path).await.status), "{path} is public");
        }
    }

    async fn its_rightful_caller_is_let_in_everywhere(world: &World) {
        let ground = Ground::lay(world).await;
        for route in ROUTES {
            let answer = call(ground.rightful(route), route, &ground).await;
            assert_eq!(answer.status, route.done, "{}: {}", route.name(), answer.text);
        }
        let player = world.player().await;
        let erasing = player.request(reqwest::Method::DELETE, "/v1/accounts/me").json(&json!({ "password": PASSWORD }));
        player.send(erasing).await.expect(204);
    }

    async fn each_role_may_do_what_the_table_says_and_nothing_else(world: &World) {
        let ground = Ground::lay(world).await;
        for route in ROUTES {
            let nobody = call(&world.nobody(), route, &ground).await;
            match route.may {
                May::Public => assert_let_in(&nobody, route, "nobody"),
                _ => assert_code(nobody, 401, "unauthenticated", route, "nobody"),
            }
            for kind in KINDS {
                let person = world.person(&kind.into_iter().collect::<Vec<_>>()).await;
                let (answer, caller) = (call(&person, route, &ground).await, format!("{kind:?}"));
                if route.may.lets(kind) {
                    assert_let_in(&answer, route, &caller);
                } else {
                    assert_code(answer, 403, "forbidden", route, &caller);
                }
            }
        }
    }

    async fn a_games_team_is_managed_by_its_campaign_managers_and_not_by_others(world: &World) {
        let ground = Ground::lay(world).await;
        ground.boss.post("/v1/games", json!({ "id": "other", "name": "Other", "zone": "UTC" })).await.expect(201);
        let mut people = Vec::new();
        for (game, role) in [("kart", "campaign_manager"), ("kart", "team_member"), ("other", "campaign_manager")] {
            let person = world.player().await;
            ground.boss.put(&format!("/v1/games/{game}/members/{}", person.id), json!({ "role": role })).await.expect(204);
            people.push(person);
        }
        for route in ROUTES.iter().filter(|route| route.may == May::Team) {
            assert_let_in(&call(&people[0], route, &ground).await, route, "its campaign manager");
            let member = call(&people[1], route, &ground).await;
            assert_eq!(is_kept_out(&member), !route.reads(), "{} by a member of the team: {}", route.name(), member.text);
            assert_code(call(&people[2], route, &ground).await, 403, "forbidden", route, "another game's campaign manager");
        }
    }

    async fn a_token_that_is_forged_or_expired_or_of_an_ended_session_opens_nothing(world: &World) {
        let ground = Ground::lay(world).await;
        let mut keys = tokens_that_are_none_of_ours(world, &ground.boss);
        let SignedIn { person: left, .. } = signed_in(world, "left@example.org", &[Role::Admin]).await;
        left.delete("/v1/sessions/current").await.expect(204);
        keys.push(("a token of an ended session", left.token().unwrap().to_owned()));
        let SignedIn { person: blocked, .. } = signed_in(world, "blocked@example.org", &[Role::Admin]).await;
        ground.boss.post(&format!("/v1/accounts/{}/block", blocked.id), json!({})).await.expect(200);
        keys.push(("a token of a blocked account", blocked.token().unwrap().to_owned()));
        let expired = ground.boss.token().unwrap().to_owned();
        let fresh = |world: &World| world.as_person(ground.boss.id, Roles::default().with(Role::Admin));

        for (caller, token) in &keys {
            everywhere_kept_out(world, &ground, caller, token).await;
        }
        world.wait_s(AN_HOUR_S);
        everywhere_kept_out(world, &ground, "an expired token", &expired).await;
        fresh(world).get("/v1/accounts/me").await.expect(200);
    }

    async fn a_blocked_account_changes_nothing_with_a_token_that_still_lives_elsewhere(world: &World) {
        let ground = Ground::lay(world).await;
        let blocked = world.person(&[Role::Admin]).await;
        ground.boss.post(&format!("/v1/accounts/{}/block", blocked.id), json!({})).await.expect(200);
        let dumper = Dumper::of(world.db()).await;
        let before = dumper.dump(world.db()).await;
        for route in ROUTES.iter().filter(|route| !route.reads() && route.may != May::Public) {
            let answer = call(&blocked, route, &ground).await;
            // Looking up by address is a read with a body; another's things are not found; a wrong password is told first.
            let harmless = route.path == "/v1/accounts/find" || answer["code"] == "not-found" || answer["code"] == "wrong-credentials";
            assert!(harmless || is_kept_out(&answer), "{}: {} {}", route.name(), answer.status, answer.text);
        }
        assert_eq!(difference(&before, &dumper.dump(world.db()).await), Vec::<String>::new());
    }

    async fn a_stranger_is_told_of_anothers_thing_what_is_told_of_none(world: &World) {
        let ground = Ground::lay(world).await;
        let stranger = world.player().await;
        world.charge(&stranger, 10_000).await;
        for route in ROUTES.iter().filter(|route| route.may == May::OwnOnly) {
            let body = (route.body)(&ground);
            let (path, mut unknown, mut unknown_body) = (route.at(&ground), route.at(&ground), body.to_string());
            let made_up = [
                (&ground.order_to_enter, OrderId::new().to_string()), (&ground.order_to_cancel, OrderId::new().to_string()),
                (&ground.order_of_two, OrderId::new().to_string()), (&ground.ready_payment, PaymentId::new().to_string()),
                (&ground.paid_payment, PaymentId::new().to_string()), (&ground.refund, RefundId::new().to_string()),
                (&ground.session, SessionId::new().to_string()),
            ];
            for (theirs, nobodys) in &made_up {
                unknown = unknown.replace(*theirs, nobodys);
                unknown_body = unknown_body.replace(*theirs, nobodys);
            }
            let of_another = call_at(&stranger, route, &path, &body).await;
            let of_nobody = call_at(&stranger, route, &unknown, &serde_json::from_str(&unknown_body).unwrap()).await;
            assert_eq!(of_another.status, 404, "{}: {}", route.name(), of_another.text);
            let alike = made_up.iter().fold(of_another.text.clone(), |text, (theirs, nobodys)| text.replace(*theirs, nobodys));
            assert_eq!(alike, of_nobody.text, "{} tells a stranger more", route.name());
        }
    }

    async fn nobody_acts_for_another_by_naming_them(world: &World) {
        let ground = Ground::lay(world).await;
        for route in ROUTES.iter().filter(|route| !route.reads()) {
            for field in ["user", "user_id", "userId", "account", "roles", "actor", "caller"] {
                let mut body = (route.body)(&ground);
                body[field] = json!(ground.victim.id);
                let answer = call_at(ground.rightful(route), route, &route.at(&ground), &body).await;
                let told = answer["detail"].as_str().unwrap_or_default().to_owned();
                assert_code(answer, 400, "bad-body", route, "the boss");
                assert!(told.contains(field), "{} names {field}: {told}", route.name());
            }
            let headers = ["x-user-id", "x-account", "x-forwarded-user"];
            let named = headers.iter().fold(world.nobody().request(route.method(), &route.at(&ground)), |request, header| {
                request.header(*header, ground.boss.id.to_string())
            });
            let answer = world.nobody().send(named.json(&(route.body)(&ground))).await;
            if route.may != May::Public {
                assert_code(answer, 401, "unauthenticated", route, "a header");
            }
        }
    }
}

async fn everywhere_kept_out(world: &World, ground: &Ground, caller: &str, token: &str) {
    let person = world.nobody().with_token(token);
    for route in ROUTES.iter().filter(|route| route.may != May::Public) {
        assert_code(call(&person, route, ground).await, 401, "unauthenticated", route, caller);
    }
}
