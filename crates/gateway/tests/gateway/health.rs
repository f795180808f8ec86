//! Instances that fail, slow down or are not ready: taken out, and back when they are well.

use crate::ground::{Ground, policy};
use crate::upstream::Upstream;

/// Sends requests until there was an answer to each, and returns how many were not 200.
async fn errors_of(ground: &Ground, requests: usize) -> usize {
    let mut errors = 0;
    for _ in 0..requests {
        errors += usize::from(ground.get("/x").await != 200);
    }
    errors
}

#[tokio::test]
async fn an_instance_that_answers_500_is_taken_out_unnoticed_and_comes_back() {
    let (well, ill) = (Upstream::start().await, Upstream::start().await);
    let ground = Ground::start(policy(), &[&well, &ill]).await;
    ill.answer_with(500);
    let mut errors = 0;
    while !ground.gateway.overview().iter().any(|seen| seen.id == "app-1" && seen.standing == "out") {
        errors += errors_of(&ground, 1).await;
    }
    assert_eq!(errors, 0, "what may be repeated is repeated elsewhere");
    let before = ill.requests();
    assert_eq!(errors_of(&ground, 20).await, 0);
    assert!(ill.requests() <= before + 3, "it gets trials at most");
    ill.answer_with(0);
    while !ground.gateway.overview().iter().any(|seen| seen.id == "app-1" && seen.standing == "up") {
        assert_eq!(errors_of(&ground, 1).await, 0);
    }
    let back = ill.requests();
    errors_of(&ground, 40).await;
    assert!(ill.requests() > back, "it has its share again");
}

#[tokio::test]
async fn a_slow_instance_is_taken_out_and_comes_back() {
    let upstreams = [Upstream::start().await, Upstream::start().await, Upstream::start().await];
    let mut policy = policy();
    policy.ejection.slower_than = std::time::Duration::from_millis(60);
    policy.ejection.requests_min = 5;
    let ground = Ground::start(policy, &upstreams.each_ref()).await;
    upstreams[2].slow_down(150);
    let stands = |standing: &str| ground.gateway.overview().iter().any(|seen| seen.id == "app-2" && seen.standing == standing);
    let worker = async || {
        while !stands("out") {
            assert_eq!(ground.get("/x").await, 200);
        }
    };
    futures::future::join_all((0..6).map(|_| worker())).await;
    upstreams[2].slow_down(0);
    while !stands("up") {
        assert_eq!(ground.get("/x").await, 200);
    }
}

#[tokio::test]
async fn an_instance_that_is_not_ready_gets_nothing_until_it_is() {
    let (well, unready) = (Upstream::start().await, Upstream::start().await);
    unready.ready_with(503);
    let ground = Ground::start(policy(), &[&well, &unready]).await;
    ground.until("app-1", "down").await;
    let before = unready.requests();
    assert_eq!(errors_of(&ground, 30).await, 0);
    assert_eq!(unready.requests(), before);
    unready.ready_with(0);
    ground.until("app-1", "up").await;
}

#[tokio::test]
async fn no_more_than_the_share_is_taken_out_and_the_only_one_stays() {
    let ill = [Upstream::start().await, Upstream::start().await, Upstream::start().await];
    let ground = Ground::start(policy(), &ill.each_ref()).await;
    ill.iter().for_each(|ill| ill.answer_with(500));
    for _ in 0..60 {
        assert_eq!(ground.get("/x").await, 500, "an instance's own answer says more than ours would");
        let out = ground.gateway.overview().iter().filter(|seen| seen.standing != "up").count();
        assert!(out <= 1, "{out} of 3 are out");
    }
    let only = Upstream::start().await;
    let alone = Ground::start(policy(), &[&only]).await;
    only.answer_with(500);
    assert_eq!(errors_of(&alone, 30).await, 30);
    assert_eq!(alone.gateway.overview()[0].standing, "up");
}

#[tokio::test]
async fn when_none_is_ready_a_few_requests_still_find_out_what_is_wrong() {
    let unready = Upstream::start().await;
    unready.ready_with(503);
    let ground = Ground::start(policy(), &[&unready]).await;
    ground.until("app-0", "down").await;
    assert_eq!(ground.get("/x").await, 200);
}
