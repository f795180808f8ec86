//! A Spring Cloud service in the fleet: it joins the real registry, is called through the real gateway, and is gone when killed.
//! Leaves Eureka's protocol to the tests of `registry`.

#[path = "../../registry/tests/registry/joins.rs"]
mod joins;
#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/server.rs"]
mod server;
#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/store.rs"]
mod store;

use joins::{Joins, Transport};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use store::{Engine, Store};

const PATIENCE: Duration = Duration::from_secs(120);

/// A registry and a gateway that sends `/quests` to the service of that name.
async fn fleet(store: &Store) -> (Server, Server) {
    let services = |names: &str| ("GUILDHALL_SERVER_SERVICES", names.to_owned());
    let variables = [services("registry"), ("GUILDHALL_REGISTRY_EUREKA", "eureka:s3cret-of-eureka".to_owned())];
    let started = Server::start_with(store, &variables).await;
    let registry = started.unwrap_or_else(|log| panic!("the registry ended:\n{}", log.join("\n")));
    let known = ("GUILDHALL_REGISTRY_URLS", registry.url());
    let variables = [services("gateway"), known, ("GUILDHALL_GATEWAY_FOREIGN", "/quests=quests".to_owned())];
    let started = Server::start_with(store, &variables).await;
    let gateway = started.unwrap_or_else(|log| panic!("the gateway ended:\n{}", log.join("\n")));
    (registry, gateway)
}

/// Which instance answers a hello through the gateway.
async fn hello(client: &Client, gateway: &Server) -> Result<String, StatusCode> {
    let answered = client.get(format!("{}/quests/joins/hello?name=ada", gateway.url())).send().await.expect("the gateway answers");
    let (status, text) = (answered.status(), answered.text().await.expect("its body comes"));
    let told: Value = serde_json::from_str(&text).unwrap_or_default();
    if status != StatusCode::OK {
        return Err(status);
    }
    assert_eq!(told["hello"], "ada", "{text}");
    Ok(told["instance"].as_str().expect("it names itself").to_owned())
}

/// Who answers a number of hellos, and how often.
async fn hellos(client: &Client, gateway: &Server, count: usize) -> Result<BTreeMap<String, usize>, StatusCode> {
    let mut by = BTreeMap::new();
    for _ in 0..count {
        *by.entry(hello(client, gateway).await?).or_default() += 1;
    }
    Ok(by)
}

/// Says hello until those who answer are as wanted.
async fn until(client: &Client, gateway: &Server, wanted: impl Fn(&Result<BTreeMap<String, usize>, StatusCode>) -> bool) {
    let started = Instant::now();
    loop {
        let answered = hellos(client, gateway, 12).await;
        if wanted(&answered) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{answered:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn are(answered: &Result<BTreeMap<String, usize>, StatusCode>, wanted: &[&String]) -> bool {
    answered.as_ref().is_ok_and(|by| by.keys().collect::<BTreeSet<_>>() == wanted.iter().copied().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spring_cloud_service_is_called_through_the_gateway_and_gone_when_killed() {
    // Services in several processes share a Postgres.
    let Some(store) = Store::new("foreign", Engine::Postgres).await else { return };
    let (registry, gateway) = fleet(&store).await;
    let client = Client::new();
    assert_eq!(hello(&client, &gateway).await, Err(StatusCode::SERVICE_UNAVAILABLE), "nobody is there yet");
    let eureka = format!("http://eureka:s3cret-of-eureka@{}/eureka/", registry.address);
    let Some(one) = Joins::start("quests", &eureka, Transport::Spring).await else { return };
    let two = Joins::start("quests", &eureka, Transport::Jersey).await.expect("java is there");
    let own = |joins: &Joins| format!("http://127.0.0.1:{}/joins/hello?name=ada", joins.port);
    let mut names = Vec::new();
    for joins in [&one, &two] {
        let told: Value = serde_json::from_str(&client.get(own(joins)).send().await.unwrap().text().await.unwrap()).unwrap();
        names.push(told["instance"].as_str().unwrap().to_owned());
    }
    until(&client, &gateway, |answered| are(answered, &[&names[0], &names[1]])).await;

    // A body of its own size goes there and back.
    let body = "quest ".repeat(30_000);
    let echoed = client.post(format!("{}/quests/joins/echo", gateway.url())).header("content-type", "text/plain").body(body.clone());
    assert_eq!(echoed.send().await.unwrap().text().await.unwrap(), body);

    // Out of service by an operator: it gets nothing new, and is back afterwards.
    let status = format!("{eureka}apps/QUESTS/{}/status", names[0]);
    assert_eq!(client.put(format!("{status}?value=OUT_OF_SERVICE")).send().await.unwrap().status(), 200);
    until(&client, &gateway, |answered| are(answered, &[&names[1]])).await;
    assert_eq!(hellos(&client, &gateway, 20).await.unwrap().len(), 1);
    assert_eq!(client.delete(format!("{status}?value=UP")).send().await.unwrap().status(), 200);
    until(&client, &gateway, |answered| are(answered, &[&names[0], &names[1]])).await;

    // Killed: its requests go to the other, and it is out of the registry within its lease.
    one.kill().await;
    assert_eq!(hellos(&client, &gateway, 20).await.map(|by| by.keys().cloned().collect::<Vec<_>>()), Ok(vec![names[1].clone()]));
    let killed = Instant::now();
    loop {
        let left = client.get(format!("{eureka}apps/QUESTS/{}", names[0])).header("accept", "application/json").send().await.unwrap();
        if left.status() == StatusCode::NOT_FOUND {
            break;
        }
        assert!(killed.elapsed() < PATIENCE, "a lease of three seconds is over");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("killed, it was out of the registry after {:.1} s; its lease was 3 s", killed.elapsed().as_secs_f64());
    two.kill().await;
    until(&client, &gateway, |answered| *answered == Err(StatusCode::SERVICE_UNAVAILABLE)).await;
    gateway.stop().await;
    registry.stop().await;
}
