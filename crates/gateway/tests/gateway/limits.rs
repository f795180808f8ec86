//! Requests per time and per size, as callers meet them.

use crate::ground::{Ground, instance, pieces, policy, tokens};
use crate::upstream::Upstream;
use gateway::{Rate, Route};
use kernel::{SessionId, UserId};
use serde_json::Value;
use web::{Roles, Who};

#[tokio::test]
async fn one_users_crowd_does_not_touch_another_user() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.limits.user = Rate { per_s: 1, burst: 5 };
    let ground = Ground::start(policy, &[&upstream]).await;
    let token = || tokens().issue(&Who { user: UserId::new(), session: SessionId::new(), roles: Roles::default() });
    let (busy, quiet) = (token(), token());
    let get = async |token: &str| ground.http.get(ground.url("/x")).bearer_auth(token).send().await.unwrap();
    let mut refused = 0;
    for _ in 0..20 {
        refused += usize::from(get(&busy).await.status() == 429);
    }
    assert!((10..=15).contains(&refused), "{refused}");
    let answer = get(&busy).await;
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "rate-limited");
    assert_eq!(get(&quiet).await.status(), 200);
    assert_eq!(ground.get("/x").await, 200);
}

#[tokio::test]
async fn addresses_and_keys_have_limits_of_their_own() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.limits.key = Rate { per_s: 1, burst: 2 };
    policy.limits.address = Rate { per_s: 1, burst: 10 };
    let ground = Ground::start(policy, &[&upstream]).await;
    let by_key = async |key: &str| ground.http.get(ground.url("/x")).bearer_auth(key).send().await.unwrap().status().as_u16();
    assert_eq!([by_key("gk_a").await, by_key("gk_a").await, by_key("gk_a").await, by_key("gk_b").await], [200, 200, 429, 200]);
    let mut refused = 0;
    for _ in 0..20 {
        refused += usize::from(ground.get("/x").await == 429);
    }
    assert!(refused >= 12, "{refused}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.body_limit_bytes = 100_000;
    let routes = vec![Route::to("/", "app"), Route::to("/small", "app").body_limit(1_000)];
    let ground = Ground::with(policy, routes, vec![instance("app", "a", upstream.address)], None).await;
    let post =
        async |path: &str, bytes: usize| ground.http.post(ground.url(path)).body(vec![1_u8; bytes]).send().await.unwrap().status().as_u16();
    assert_eq!([post("/x", 100_000).await, post("/small", 1_000).await], [200, 200]);
    assert_eq!([post("/x", 100_001).await, post("/small", 1_001).await], [413, 413]);
    let answer = ground.http.post(ground.url("/upload")).body(pieces(20, 10_000)).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "body-too-large");
}
