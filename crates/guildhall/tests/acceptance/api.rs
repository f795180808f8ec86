//! What stands around the routes: their description, the docs page, health and readiness, metrics, request ids.
//! Leaves the routes themselves to the other tests.

use super::bad_input::resolved;
use super::ground::{Ground, roomy_engines};
use super::route::May;
use super::table::ROUTES;
use db::Engine;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::postgres::Server;
use testkit::{World, both_engines};

/// Every operation as (name, description).
fn operations(api: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((format!("{} {path}", method.to_uppercase()), operation));
        }
    }
    found
}

/// Every `$ref` in a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value.as_str().filter(|_| name == "$ref") {
            Some(reference) => drop(found.insert(reference.to_owned())),
            None => references(value, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// The metrics, one sample a line.
async fn samples(world: &World) -> Vec<String> {
    let metrics = world.nobody().get("/metrics").await;
    assert_eq!(metrics.status, 200);
    metrics.text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
}

/// The value of a sample whose name and labels hold all of these.
fn value(samples: &[String], parts: &[&str]) -> f64 {
    let fits = |line: &&String| parts.iter().all(|part| line.contains(part));
    samples.iter().filter(fits).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

both_engines! {
    async fn the_description_is_whole(world: &World) {
        let api = world.nobody().get("/openapi.json").await.expect(200);
        assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{}", api["openapi"]);
        assert!(api["info"]["title"].is_string() && api["info"]["version"].is_string());
        let mut named = BTreeSet::new();
        references(&api, &mut named);
        assert!(named.len() > 20, "{named:?}");
        for reference in &named {
            let target = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
            assert!(api.pointer(target).is_some(), "{reference} leads nowhere");
        }
        let mut ids: BTreeMap<&str, String> = BTreeMap::new();
        for (name, operation) in operations(&api) {
            assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{name} has no tag");
            assert!(operation["summary"].as_str().is_some_and(|summary| summary.len() > 4), "{name} has no summary");
            let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{name} has no responses"));
            assert!(responses.keys().any(|status| status.starts_with('2')), "{name} says nothing of success");
            for (status, response) in responses {
                assert!(response["description"].is_string(), "{name} {status} has no description");
            }
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no id"));
            if let Some(other) = ids.insert(id, name.clone()) {
                panic!("{name} and {other} have the same operationId {id}");
            }
            let parameters: BTreeSet<&str> =
                operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
            let parts: BTreeSet<&str> = name.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(parameters, parts, "{name} describes its path");
        }
    }

    async fn every_body_has_an_example_that_fits_its_schema(world: &World) {
        let api = world.nobody().get("/openapi.json").await.expect(200);
        let mut bodies = 0;
        for (name, operation) in operations(&api) {
            let content = &operation["requestBody"]["content"]["application/json"];
            if content.is_null() {
                continue;
            }
            bodies += 1;
            let schema = resolved(&api, &content["schema"]);
            let example = [&content["example"], &schema["example"], &schema["examples"][0]].into_iter().find(|example| !example.is_null());
            let example = example.unwrap_or_else(|| panic!("{name} shows no example of its body")).as_object().unwrap();
            let known: BTreeSet<&String> = schema["properties"].as_object().into_iter().flatten().map(|(field, _)| field).collect();
            assert!(example.keys().all(|field| known.contains(field)), "{name}: {example:?} has fields of no {known:?}");
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            required.for_each(|field| assert!(example.contains_key(field), "{name}: the example lacks {field}"));
        }
        assert!(bodies > 20);
    }

    async fn a_route_needs_a_token_exactly_when_its_description_says_so(world: &World) {
        let api = world.nobody().get("/openapi.json").await.expect(200);
        for route in ROUTES {
            let operation = &api["paths"][route.path][route.method.to_lowercase()];
            let takes_token = operation["security"].as_array().is_some_and(|ways| ways.contains(&json!({ "token": [] })));
            assert_eq!(takes_token, route.may != May::Public, "{}", route.name());
        }
        assert_eq!(api["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    }

    async fn the_docs_page_draws_the_description_and_asks_no_other_host(world: &World) {
        let page = world.nobody().get("/docs").await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains("/openapi.json"), "{}", page.text);
        for asked in ["src=\"http", "src='http", "href=\"http", "url(http", "@import", "src=\"//"] {
            assert!(!page.text.contains(asked), "the page asks another host: {asked}");
        }
        assert_eq!(world.nobody().get("/").await.status, 200, "the root leads to the docs");
        world.nobody().get("/docs/errors/no-such-code").await.refused("not-found");
        world.nobody().get("/docs/errors/..%2F..%2FREADME").await.refused("not-found");
    }

    async fn a_path_of_no_route_is_told_so(world: &World) {
        for path in ["/v1/nothing", "/v2/products", "/v1/products/", "//", "/v1/../health/x", "/docs/errors", "/%00", "/v1/%F0%9F%8E%AE"] {
            let answer = world.nobody().get(path).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.text);
            answer.refused("not-found");
        }
        let told = world.nobody().post("/v1/nothing", json!({})).await.refused("not-found");
        assert!(told["detail"].as_str().unwrap().contains("/v1/nothing"), "{told}");
    }

    async fn a_request_id_is_echoed_when_it_is_fit_and_made_when_it_is_not(world: &World) {
        let ask = |id: Vec<u8>| {
            let request = world.nobody().request(reqwest::Method::GET, "/v1/nothing").header("x-request-id", reqwest::header::HeaderValue::from_bytes(&id).unwrap());
            async move { request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned() }
        };
        assert_eq!(ask(b"trace-7f3a".to_vec()).await, "trace-7f3a");
        let mut made = BTreeSet::new();
        for unfit in [b"".to_vec(), b"a b".to_vec(), b"\xff".to_vec(), vec![b'x'; 65]] {
            let id = ask(unfit).await;
            assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
            made.insert(id);
        }
        assert_eq!(made.len(), 4, "each request gets its own");
    }

    async fn commands_are_measured_by_batch_and_queue(world: &World) {
        let player = world.player().await;
        world.charge(&player, 100).await;
        let samples = samples(world).await;
        for metric in ["guildhall_batch_size_count", "guildhall_queue_length"] {
            assert!(samples.iter().any(|line| line.starts_with(metric) && line.contains("command=\"wallet.post\"")), "{metric}");
        }
        assert!(value(&samples, &["guildhall_batch_size_count", "wallet.post"]) >= 1.0);
        assert!(value(&samples, &["guildhall_batch_size_sum", "wallet.post"]) >= 1.0);
        assert!(value(&samples, &["guildhall_turn_seconds_count"]) >= 1.0);
        assert!(samples.iter().any(|line| line.starts_with("guildhall_statement_seconds_bucket")), "statements are timed by name");
    }

    async fn it_is_alive_without_its_database_and_ready_only_with_it(world: &World) {
        let nobody = world.nobody();
        assert_eq!((nobody.get("/health").await.status, nobody.get("/ready").await.status), (200, 200));
        if world.engine() == Engine::Sqlite {
            return;
        }
        let server = Server::from_environment().expect("the world stands on it").maintenance_url();
        let url = world.app.config.database_url();
        let name = url.reveal().rsplit('/').next().unwrap();
        let allow = |yes: bool| format!("alter database \"{name}\" allow_connections {yes}");
        db::run_once(&server, &allow(false)).await.unwrap();
        let cut = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
        db::run_once(&server, &cut).await.unwrap();

        let answer = nobody.get("/ready").await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        answer.refused("unavailable");
        assert_eq!(nobody.get("/health").await.status, 200, "the process is well");
        assert_eq!(nobody.get("/v1/products").await.status, 200, "lists come from memory");
        let refused = world.as_person(nobody.id, web::Roles::default()).get("/v1/wallet").await;
        assert_eq!(refused.status, 503, "{}", refused.text);

        db::run_once(&server, &allow(true)).await.unwrap();
        assert_eq!(nobody.get("/ready").await.status, 200, "it comes back by itself");
        world.player().await;
    }
}

roomy_engines! {
    async fn every_route_is_measured(world: &World) {
        let ground = Ground::lay(world).await;
        for route in ROUTES {
            let request = world.nobody().request(route.method(), &route.at(&ground));
            world.nobody().send(if route.reads() { request } else { request.json(&json!({})) }).await;
        }
        let samples = samples(world).await;
        for route in ROUTES {
            let labels = [format!("route=\"{}\"", route.path), format!("method=\"{}\"", route.method)];
            let of = |metric: &str, more: &str| value(&samples, &[metric, &labels[0], &labels[1], more]);
            assert!(of("guildhall_requests_total", "") >= 1.0, "{} is counted", route.name());
            assert!(of("guildhall_request_seconds_count", "") >= 1.0, "{} is timed", route.name());
            if route.may != May::Public {
                assert!(of("guildhall_requests_total", "class=\"4xx\"") >= 1.0, "{}'s refusals are counted", route.name());
            }
        }
        assert!(samples.iter().any(|line| line.starts_with("guildhall_request_seconds_bucket")), "durations have buckets");
    }

    async fn labels_do_not_grow_with_what_callers_send(world: &World) {
        let ground = Ground::lay(world).await;
        for n in 0..30 {
            world.nobody().get(&format!("/v1/products/{}", 9_000_000 + n)).await;
            world.nobody().get(&format!("/made-up-{n}")).await;
            let method: reqwest::Method = format!("MADEUP{n}").parse().unwrap();
            world.nobody().send(world.nobody().request(method, "/v1/products")).await;
        }
        ground.boss.get(&format!("/v1/orders/{}", ground.order_of_two)).await.expect(200);
        let samples = samples(world).await;
        for sent in ["9000000", "made-up", "MADEUP", ground.order_of_two.as_str(), &ground.boss.id.to_string()] {
            let labels = |line: &String| line.rsplit_once(' ').unwrap().0.to_owned();
            assert!(!samples.iter().any(|line| labels(line).contains(sent)), "{sent} became a label");
        }
        assert!(value(&samples, &["guildhall_requests_total", "route=\"none\""]) >= 30.0, "what has no route is counted together");
    }
}
