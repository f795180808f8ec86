//! Random bytes and random JSON to every route: whatever comes in, the server answers, and never with a fault of its own.
//! Leaves clear words for each mistake to `bad_input`.

use super::bad_input::send;
use super::ground::{Ground, roomy};
use super::route::Route;
use super::table::ROUTES;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};
use testkit::World;

/// Requests per route and kind of randomness.
const CASES: u32 = 12;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3..200_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-zA-Z0-9@.:-]{0,40}".prop_map(Value::from),
        "\\PC{0,300}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,12}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A body of the right shape with some fields set to anything, or left out.
fn mutated(good: &Value, changes: &[(prop::sample::Index, Option<Value>)]) -> Value {
    let mut body = good.clone();
    let fields = body.as_object_mut().expect("bodies are objects");
    for (which, value) in changes {
        let names: Vec<String> = fields.keys().cloned().collect();
        if names.is_empty() {
            break;
        }
        let name = which.get(&names).clone();
        match value {
            Some(value) => drop(fields.insert(name, value.clone())),
            None => drop(fields.remove(&name)),
        }
    }
    body
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() })
}

fn no_fault(runtime: &tokio::runtime::Runtime, ground: &Ground, route: &Route, path: &str, body: Vec<u8>) -> Result<(), TestCaseError> {
    let (answer, _) = runtime.block_on(send(ground.rightful(route), route.method(), path, body));
    prop_assert!(answer.status < 500, "{} at {path}: {} {}", route.name(), answer.status, answer.text);
    Ok(())
}

fn fuzz(world: &World, runtime: &tokio::runtime::Runtime) {
    let ground = runtime.block_on(Ground::lay(world));
    let ours = ["/v1/sessions/current", "/v1/accounts/me/password", "/v1/accounts/me"];
    for route in ROUTES.iter().filter(|route| !(route.method == "DELETE" && ours.contains(&route.path))) {
        let path = route.at(&ground);
        if !route.reads() {
            let bytes = prop::collection::vec(any::<u8>(), 0..200);
            runner().run(&bytes, |bytes| no_fault(runtime, &ground, route, &path, bytes)).unwrap();
            let good = (route.body)(&ground);
            let changes = prop::collection::vec((any::<prop::sample::Index>(), prop::option::weighted(0.9, any_json())), 1..3);
            runner()
                .run(&changes, |changes| no_fault(runtime, &ground, route, &path, mutated(&good, &changes).to_string().into_bytes()))
                .unwrap();
            runner().run(&any_json(), |body| no_fault(runtime, &ground, route, &path, body.to_string().into_bytes())).unwrap();
        }
        for part in route.parts() {
            let nonsense = prop_oneof!["[a-zA-Z0-9._~%-]{1,50}", "(%[0-9A-F]{2}){1,20}", "-?[0-9]{1,25}"];
            let body = (route.body)(&ground).to_string().into_bytes();
            let at = |nonsense: String| no_fault(runtime, &ground, route, &route.at_with(&ground, part, &nonsense), body.clone());
            runner().run(&nonsense, at).unwrap();
        }
        if route.reads() {
            let names = prop::sample::select(vec![
                "q",
                "size",
                "page",
                "page_number",
                "cursor",
                "currency",
                "genre",
                "sort",
                "price_min",
                "subject",
                "actor",
            ]);
            let query = (names, "(%[0-9A-F]{2}|[a-zA-Z0-9.-]){0,30}");
            let bare = path.split('?').next().unwrap().to_owned();
            runner().run(&query, |(name, value)| no_fault(runtime, &ground, route, &format!("{bare}?{name}={value}"), Vec::new())).unwrap();
        }
    }
    let alive = runtime.block_on(ground.boss.post("/v1/accounts/find", json!({ "email": ground.boss_email })));
    alive.expect(200);
}

fn run(start: impl Future<Output = Option<World>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let Some(world) = runtime.block_on(start) else { return };
    fuzz(&world, &runtime);
    runtime.block_on(async {
        world.check().await;
        world.stop().await;
    });
}

#[test]
fn whatever_is_sent_the_fault_is_never_ours_on_sqlite() {
    run(async { Some(World::start(roomy, None).await) });
}

#[test]
fn whatever_is_sent_the_fault_is_never_ours_on_postgres() {
    run(async {
        let url = testkit::fresh_postgres("fuzz").await?;
        Some(World::start(roomy, Some(url)).await)
    });
}
