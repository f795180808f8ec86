//! When a request is sent again, and when it is not.

use crate::ground::{Ground, instance, policy};
use crate::upstream::Upstream;
use gateway::Route;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A gateway before one instance that is well and one that is not there; it is not asked whether it is ready.
async fn beside_nobody(well: &Upstream) -> Ground {
    let mut policy = policy();
    policy.probes.interval = std::time::Duration::from_secs(3_600);
    policy.ejection.in_a_row = 1_000;
    policy.ejection.requests_min = 1_000;
    let instances = vec![instance("app", "gone", nobody().await), instance("app", "well", well.address)];
    Ground::with(policy, vec![Route::to("/", "app")], instances, None).await
}

#[tokio::test]
async fn what_was_never_sent_is_sent_to_another_whatever_it_is() {
    let well = Upstream::start().await;
    let ground = beside_nobody(&well).await;
    for n in 0..10 {
        let posted = ground.http.post(ground.url("/x")).body("{}").send().await.unwrap();
        assert_eq!(posted.status(), 200, "{n}");
    }
    assert_eq!(well.conduct.posted.lock().len(), 10);
}

#[tokio::test]
async fn what_might_have_been_done_is_sent_again_only_with_a_key() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let ground = Ground::start(policy(), &[&a, &b]).await;
    let tries = |path: &str| [&a, &b].iter().flat_map(|one| one.seen()).filter(|line| line.ends_with(path)).count();

    let without = ground.http.post(ground.url("/break?1")).body("{}").send().await.unwrap();
    assert_eq!(without.status(), 503);
    let told: Value = without.json().await.unwrap();
    assert_eq!(told["code"], "outcome-unknown");
    assert_eq!(tries("/break?1"), 1);

    let with = ground.http.post(ground.url("/break?2")).header("idempotency-key", "k").body("{}").send().await.unwrap();
    assert_eq!(with.status(), 503);
    assert!(with.json::<Value>().await.unwrap()["detail"].as_str().unwrap().contains("same Idempotency-Key"));
    assert_eq!(tries("/break?2"), 3);

    let read = ground.http.get(ground.url("/break?3")).send().await.unwrap();
    assert_eq!((read.status().as_u16(), tries("/break?3")), (502, 3));
}

#[tokio::test]
async fn a_body_that_is_too_large_to_keep_is_sent_once() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let ground = Ground::start(policy(), &[&a, &b]).await;
    let body = vec![1_u8; 200 << 10];
    ground.http.post(ground.url("/break?4")).header("idempotency-key", "k").body(body).send().await.unwrap();
    assert_eq!(a.seen().len() + b.seen().len(), 1);
}

#[tokio::test]
async fn a_failing_service_gets_no_storm_of_retries() {
    let ill = [Upstream::start().await, Upstream::start().await];
    let mut policy = policy();
    policy.retries.budget_percent = 10;
    policy.retries.budget_per_s_min = 0;
    policy.ejection.share_max_percent = 0;
    let ground = Ground::start(policy, &ill.each_ref()).await;
    ill.iter().for_each(|ill| ill.answer_with(503));
    for _ in 0..200 {
        ground.get("/x").await;
    }
    let sent = ill[0].requests() + ill[1].requests();
    assert!((200..=221).contains(&sent), "{sent} were sent for 200");
}
