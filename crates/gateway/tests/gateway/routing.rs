//! Where requests go, and what they look like when they come there.

use crate::ground::{Ground, instance, policy};
use crate::upstream::Upstream;
use gateway::Route;
use serde_json::Value;

#[tokio::test]
async fn requests_go_to_the_service_of_their_path_and_host() {
    let (payments, legacy) = (Upstream::start().await, Upstream::start().await);
    let routes = vec![
        Route::to("/v1/payments", "payments"),
        Route::to("/old", "inventory").foreign().strip_prefix(),
        Route::to("/", "inventory").host("old.example").foreign(),
    ];
    let instances = vec![instance("payments", "p", payments.address), instance("inventory", "i", legacy.address)];
    let ground = Ground::with(policy(), routes, instances, None).await;
    let told: Value = ground.http.get(ground.url("/v1/payments/7?a=b&c")).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["uri"], "/v1/payments/7?a=b&c");
    let told: Value = ground.http.get(ground.url("/old/items/7?a=b")).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["uri"], "/items/7?a=b");
    let by_host = ground.http.get(ground.url("/anything")).header("host", "old.example:8080").send().await.unwrap();
    assert_eq!(by_host.status(), 200);
    assert_eq!((payments.requests(), legacy.requests()), (1, 2));

    let lost = ground.http.get(ground.url("/nowhere")).send().await.unwrap();
    assert_eq!(lost.status(), 404);
    assert_eq!(lost.headers()["content-type"], "application/problem+json");
    assert!(lost.headers().contains_key("x-request-id"));
    assert_eq!(lost.json::<Value>().await.unwrap()["code"], "not-found");
}

#[tokio::test]
async fn a_service_learns_who_asked_and_under_which_id() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    let request = ground
        .http
        .get(ground.url("/x"))
        .header("x-request-id", "abc-1")
        .header("x-forwarded-for", "6.6.6.6")
        .header("forwarded", "for=6.6.6.6");
    let answer = request.header("connection", "x-secret").header("x-secret", "1").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "abc-1");
    let headers = upstream.headers();
    assert_eq!(headers["x-request-id"], "abc-1");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["forwarded"], "for=127.0.0.1;proto=http");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["host"], ground.address.to_string());
    assert_eq!(headers["traceparent"].len(), 55);
    assert!(!headers.contains_key("x-secret"));
}

#[tokio::test]
async fn a_trusted_proxy_says_where_the_client_is() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let ground = Ground::start(policy, &[&upstream]).await;
    ground
        .http
        .get(ground.url("/x"))
        .header("x-forwarded-for", "1.1.1.1, 203.0.113.9")
        .header("x-forwarded-proto", "https")
        .send()
        .await
        .unwrap();
    let headers = upstream.headers();
    assert_eq!(headers["x-forwarded-for"], "203.0.113.9, 127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn instances_come_and_go_with_the_registry() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let ground = Ground::start(policy(), &[&first]).await;
    assert_eq!(ground.get("/x").await, 200);
    ground.set(vec![instance("app", "b", second.address)]);
    ground.until_all("only b is there", |seen| seen.len() == 1 && seen[0].id == "b").await;
    assert_eq!(ground.get("/x").await, 200);
    ground.set(Vec::new());
    ground.until_all("nobody is there", <[_]>::is_empty).await;
    let answer = ground.http.get(ground.url("/x")).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "unavailable");
    assert_eq!((first.requests(), second.requests()), (1, 1));
}

#[tokio::test]
async fn weights_and_load_decide_who_gets_a_request() {
    let (quick, slow) = (Upstream::start().await, Upstream::start().await);
    slow.slow_down(100);
    let mut policy = policy();
    policy.ejection.share_max_percent = 0;
    let ground = Ground::start(policy, &[&quick, &slow]).await;
    let worker = |_| async {
        for _ in 0..20 {
            assert_eq!(ground.get("/x").await, 200);
        }
    };
    futures::future::join_all((0..8).map(worker)).await;
    assert_eq!(quick.requests() + slow.requests(), 160);
    assert!(quick.requests() > slow.requests() * 2, "{} and {}", quick.requests(), slow.requests());
}

#[tokio::test]
async fn a_page_of_a_configured_origin_may_call_and_another_may_not() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.origins = vec!["https://guild.example".to_owned()];
    let ground = Ground::start(policy, &[&upstream]).await;
    let ask = async |origin: &str| {
        let request = ground.http.request(reqwest::Method::OPTIONS, ground.url("/x")).header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
            .send()
            .await
            .unwrap()
    };
    let allowed = ask("https://guild.example").await;
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://guild.example");
    assert!(!ask("https://evil.example").await.headers().contains_key("access-control-allow-origin"));
    assert_eq!(upstream.requests(), 0, "the gateway answers for the services");
    let real = ground.http.get(ground.url("/x")).header("origin", "https://guild.example").send().await.unwrap();
    assert_eq!(real.headers()["access-control-allow-origin"], "https://guild.example");
}

#[tokio::test]
async fn the_gateway_says_itself_that_it_is_ready() {
    let upstream = Upstream::start().await;
    let ground = Ground::with(policy(), vec![Route::to("/v1", "app")], vec![instance("app", "a", upstream.address)], None).await;
    assert_eq!((ground.get("/ready").await, ground.get("/health").await), (200, 200));
}
