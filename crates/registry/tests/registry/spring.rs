//! An existing Spring Cloud service joins unmodified: its real client, over Spring's and over Netflix' own transport.

use crate::ground::{Ground, PASSWORD, Process, assert_sound, eventually};
use crate::joins::{Joins, Transport};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry::{Registration, Status};
use serde_json::Value;

async fn seen(joins: &Joins) -> Value {
    let told = reqwest::Client::new().get(format!("http://127.0.0.1:{}/joins/seen", joins.port)).send().await.unwrap();
    serde_json::from_slice(&told.bytes().await.unwrap()).unwrap()
}

/// Its status of an application, as the client has it.
fn status_of(seen: &Value, app: &str) -> Option<String> {
    let found = seen["instances"].as_array()?.iter().find(|told| told["app"] == app)?;
    Some(found["status"].as_str()?.to_owned())
}

async fn lives_through(ground: &Ground, transport: Transport) {
    let process = Process::start(ground, 0, Some(PASSWORD)).await;
    process
        .registry
        .register("pay-1", &Registration { lease_ms: 300_000, ..Registration::new(["payments"], "10.0.0.1:80") })
        .await
        .unwrap();
    let url = format!("http://eureka:{PASSWORD}@{}/eureka/", process.address);
    let Some(joins) = Joins::start("quests", &url, transport).await else { return };

    // It registers, and is one of those that a gateway chooses from.
    let address = format!("127.0.0.1:{}", joins.port);
    let of_quests = || async { process.registry.snapshot().await.unwrap().changed.into_iter().find(|one| one.service == "quests") };
    let told = eventually(|| async { of_quests().await.filter(|one| one.status == Status::Up) }).await;
    assert_eq!((told.address.as_str(), told.metadata["zone"].as_str()), (address.as_str(), "somewhere"));
    let answered =
        reqwest::Client::new().get(format!("http://{}/joins/hello?name=ada", told.address)).send().await.unwrap().text().await.unwrap();
    assert!(answered.contains("\"hello\":\"ada\""), "{answered}");

    // It fetched everyone once, and sees itself and ours; from then on it follows deltas.
    let knows_both =
        |seen: &Value| status_of(seen, "QUESTS").as_deref() == Some("UP") && status_of(seen, "PAYMENTS").as_deref() == Some("UP");
    eventually(|| async { knows_both(&seen(&joins).await).then_some(()) }).await;
    let full = process.count("GET /eureka/apps/ 200");
    let deltas = process.count("GET /eureka/apps/delta 200");
    assert!(full >= 1, "{:?}", process.asked.lock());

    // A change of another's reaches it by delta.
    let orders = Registration { lease_ms: 300_000, ..Registration::new(["orders"], "10.0.0.2:80") };
    process.registry.register("ord-1", &orders).await.unwrap();
    eventually(|| async { status_of(&seen(&joins).await, "ORDERS") }).await;
    process.registry.drain("ord-1", &orders.ticket).await.unwrap();
    eventually(|| async { status_of(&seen(&joins).await, "ORDERS").filter(|status| status == "OUT_OF_SERVICE") }).await;
    process.registry.leave("ord-1", &orders.ticket).await.unwrap();
    eventually(|| async { status_of(&seen(&joins).await, "ORDERS").is_none().then_some(()) }).await;
    assert!(process.count("GET /eureka/apps/delta 200") > deltas);
    assert_eq!(process.count("GET /eureka/apps/ 200"), full, "each delta's hash was right, or it would have fetched everything again");

    // A status over its own, from its own client, and taken away again.
    let renewed = |name: &str| format!("PUT /eureka/apps/QUESTS/{name} 200");
    let own = told.id.strip_prefix("QUESTS/").unwrap().to_owned();
    for (value, wanted) in [("OUT_OF_SERVICE", Status::Draining), ("CANCEL_OVERRIDE", Status::Up)] {
        let set = reqwest::Client::new().post(format!("http://127.0.0.1:{}/joins/status?value={value}", joins.port)).send().await.unwrap();
        assert_eq!(set.status(), 200, "{value}");
        eventually(|| async { of_quests().await.filter(|one| one.status == wanted) }).await;
    }
    let before = process.count(&renewed(&own));
    eventually(|| async { (process.count(&renewed(&own)) > before + 3).then_some(()) }).await;

    // Netflix' XML codec understands what it is told, and is understood.
    let path = format!("http://127.0.0.1:{}/joins/xml", joins.port);
    let form = [
        ("url", format!("http://{}/eureka/", process.address)),
        ("authorization", format!("Basic {}", STANDARD.encode(format!("eureka:{PASSWORD}")))),
    ];
    let asked = reqwest::Client::new().post(reqwest::Url::parse_with_params(&path, form).unwrap()).send().await.unwrap();
    assert_eq!(asked.text().await.unwrap(), "204 true true", "registered, the hash is that of who is listed, and it is listed as it is");

    // Killed, it is out when its lease has run out.
    joins.kill().await;
    eventually(|| async { of_quests().await.is_none().then_some(()) }).await;
    assert_sound(&process.db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spring_cloud_service_joins_lives_and_is_gone_when_killed() {
    lives_through(&Ground::sqlite().await, Transport::Spring).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netflixs_own_transport_joins_too() {
    let Some(ground) = Ground::postgres("jersey").await else { return eprintln!("left out: no Postgres") };
    lives_through(&ground, Transport::Jersey).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netflixs_own_transport_joins_again_after_the_registry_lost_it() {
    let ground = Ground::sqlite().await;
    let process = Process::start(&ground, 0, Some(PASSWORD)).await;
    let url = format!("http://eureka:{PASSWORD}@{}/eureka/", process.address);
    let Some(joins) = Joins::start("quests", &url, Transport::Jersey).await else { return };
    let of_quests = || async { process.registry.snapshot().await.unwrap().changed.into_iter().find(|one| one.service == "quests") };
    let told = eventually(of_quests).await;
    let own = told.id.strip_prefix("QUESTS/").unwrap();
    let cancelled = reqwest::Client::new().delete(format!("{url}apps/QUESTS/{own}")).send().await.unwrap();
    assert_eq!(cancelled.status(), 200);
    let unknown = format!("PUT /eureka/apps/QUESTS/{own} 404");
    eventually(|| async { (process.count(&unknown) >= 1).then_some(()) }).await;
    eventually(of_quests).await;
    joins.kill().await;
}
