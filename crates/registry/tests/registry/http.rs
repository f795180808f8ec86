//! The registry over HTTP: who may speak with it, and agents and watches that survive its absence.

use crate::ground::{Ground, KEY, Process, assert_sound, both_engines, eventually};
use registry::client::{Agent, Link, Watch};
use registry::{FleetToken, Registration, Status};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

fn link(processes: &[&Process]) -> Link {
    let addresses: Vec<String> = processes.iter().map(|process| process.address.to_string()).collect();
    Link::http(&addresses, FleetToken::derive(&KEY)).unwrap()
}

async fn ask(process: &Process, method: Method, path: &str, token: Option<&str>, body: Value) -> (StatusCode, Value) {
    let request = Client::new().request(method, format!("{}{path}", process.url())).json(&body);
    let response = token.into_iter().fold(request, |request, token| request.bearer_auth(token)).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or_default())
}

both_engines! {
    async fn only_the_fleet_registers_and_each_for_itself(ground: &Ground) {
        let process = Process::start(ground, 0, None).await;
        let fleet = FleetToken::derive(&KEY);
        let body = json!({ "services": ["payments"], "address": "10.0.0.1:80", "ticket": "a".repeat(32) });
        let (path, proof) = ("/v1/registry/instances/a", json!({ "ticket": "a".repeat(32) }));
        for (token, status) in [(None, 401), (Some("nonsense"), 401), (Some("fleet_00"), 401)] {
            assert_eq!(ask(&process, Method::PUT, path, token, body.clone()).await.0, status);
            assert_eq!(ask(&process, Method::GET, "/v1/registry/instances", token, json!({})).await.0, status);
        }
        let token = Some(fleet.reveal());
        let (status, leased) = ask(&process, Method::PUT, path, token, body.clone()).await;
        assert_eq!((status.as_u16(), &leased["renew_ms"]), (200, &json!(3_000)));
        assert_eq!(ask(&process, Method::POST, "/v1/registry/instances/a/renew", token, json!({ "ticket": "b".repeat(32) })).await.0, 403);
        assert_eq!(ask(&process, Method::POST, "/v1/registry/instances/a/renew", token, proof.clone()).await.0, 200);
        assert_eq!(ask(&process, Method::POST, "/v1/registry/instances/b/renew", token, proof.clone()).await.0, 404);
        let (_, told) = ask(&process, Method::GET, "/v1/registry/changes?after=0", token, json!({})).await;
        assert_eq!((&told["full"], &told["changed"][0]["address"]), (&json!(true), &json!("10.0.0.1:80")));
        assert!(!told.to_string().contains(&"a".repeat(32)), "tickets are not told: {told}");
        assert_eq!(ask(&process, Method::POST, "/v1/registry/instances/a/drain", token, proof.clone()).await.0, 204);
        assert_eq!(ask(&process, Method::DELETE, path, token, proof).await.0, 204);
        let named_twice = json!({ "services": ["payments"], "address": "10.0.0.1:80", "ticket": "a".repeat(32), "id": "b" });
        assert_eq!(ask(&process, Method::PUT, path, token, named_twice).await.0, 400, "an instance is what its path names");
    }

    async fn an_agent_registers_renews_drains_and_leaves(ground: &Ground) {
        let process = Process::start(ground, 0, None).await;
        let watch = Watch::start(link(&[&process]));
        let agent = Agent::start(link(&[&process]), "pay-1", Registration { lease_ms: 1_000, ..Registration::new(["payments"], "10.0.0.1:80") });
        agent.registered().await;
        let up = watch.until(|snapshot| !snapshot.of_service("payments").is_empty()).await;
        assert_eq!((up.of_service("payments")[0].id.as_str(), up.of_service("orders").len()), (agent.id(), 0));
        let renewal = format!("POST /v1/registry/instances/{}/renew 200", agent.id());
        eventually(|| async { (process.count(&renewal) >= 5).then_some(()) }).await;
        assert!(agent.drain(Duration::from_secs(60)).await);
        watch.until(|snapshot| snapshot.of_service("payments").iter().all(|one| one.status == Status::Draining)).await;
        agent.leave().await;
        watch.until(|snapshot| snapshot.instances().next().is_none()).await;
        assert_sound(&process.db).await;
    }

    async fn who_stops_renewing_is_out_within_its_lease(ground: &Ground) {
        let process = Process::start(ground, 0, None).await;
        let watch = Watch::start(link(&[&process]));
        let agent = Agent::start(link(&[&process]), "dies", Registration { lease_ms: 1_000, ..Registration::new(["payments"], "10.0.0.1:80") });
        watch.until(|snapshot| !snapshot.of_service("payments").is_empty()).await;
        // Dropped without leaving, as by kill -9.
        drop(agent);
        watch.until(|snapshot| snapshot.of_service("payments").is_empty()).await;
    }

    async fn agent_and_watch_survive_the_absence_of_the_registry(ground: &Ground) {
        let process = Process::start(ground, 0, None).await;
        let (watch, agent) = (Watch::start(link(&[&process])), Agent::start(link(&[&process]), "a", Registration::new(["payments"], "10.0.0.1:80")));
        let known = watch.until(|snapshot| !snapshot.of_service("payments").is_empty()).await;
        process.db.close().await;
        let address = process.kill();
        // Both have asked in vain by then: the agent renews each three seconds.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(watch.snapshot().of_service("payments"), known.of_service("payments"), "what was known stays known");

        let process = Process::start(ground, address.port(), None).await;
        let renewal = format!("POST /v1/registry/instances/{}/renew 200", agent.id());
        eventually(|| async { (process.count(&renewal) >= 1).then_some(()) }).await;
        let other = Agent::start(link(&[&process]), "b", Registration::new(["orders"], "10.0.0.2:80"));
        let snapshot = watch.until(|snapshot| !snapshot.of_service("orders").is_empty()).await;
        assert_eq!(snapshot.of_service("payments"), known.of_service("payments"), "and nobody was put out");
        assert!(snapshot.version() > known.version());
        other.leave().await;
        assert_sound(&process.db).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_one_of_two_registries_dies_the_other_is_asked() {
    let Some(ground) = Ground::postgres("failover").await else { return eprintln!("left out: no Postgres") };
    let (one, two) = (Process::start(&ground, 0, None).await, Process::start(&ground, 0, None).await);
    let watch = Watch::start(link(&[&one, &two]));
    let agent = Agent::start(link(&[&one, &two]), "a", Registration::new(["payments"], "10.0.0.1:80"));
    watch.until(|snapshot| !snapshot.of_service("payments").is_empty()).await;
    one.kill();
    let renewal = format!("POST /v1/registry/instances/{}/renew 200", agent.id());
    eventually(|| async { (two.count(&renewal) >= 2).then_some(()) }).await;
    agent.drain(Duration::from_secs(60)).await;
    watch.until(|snapshot| snapshot.of_service("payments").iter().any(|one| one.status == Status::Draining)).await;
    let put = format!("PUT /v1/registry/instances/{} 200", agent.id());
    assert_eq!(two.count(&put), 0, "it was never unknown, so it never registered anew");
}
