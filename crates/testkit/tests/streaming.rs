//! A world that reads logs: what a test needs to follow a record to its claim.
//! Leaves what is right about campaigns to their own tests.

use guildhall::load::games::{OWN, on_server, race};
use serde_json::json;
use std::time::{Duration, Instant};
use testkit::World;

async fn follows(world: World) {
    let operator = world.game(OWN).await;
    let game = world.key(&operator, OWN, &["logs:write", "campaigns:read", "claims:write"]).await;
    world.campaign(&operator, &on_server("first-race", "s1", "play", world.db().now())).await;
    world.send_logs(&game, OWN, &[race("ann", 1, world.db().now()).to_string()]).await;
    let path = format!("/v1/games/{OWN}/campaigns/first-race/players/ann");
    let started = Instant::now();
    while game.get(&path).await.expect(200)["achievements"][0]["standing"] != "claimable" {
        assert!(started.elapsed() < Duration::from_secs(30), "the race was logged and nothing came of it");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let claimed = game.post(&format!("{path}/goals/first/claims"), json!({})).await.expect(200);
    assert_eq!(claimed["claims"][0]["rewards"][0]["item"], "box");
    world.check().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_becomes_a_claim_on_sqlite() {
    follows(World::streaming(|_| {}, None).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_becomes_a_claim_on_postgres() {
    match testkit::fresh_postgres("streaming").await {
        Some(url) => follows(World::streaming(|_| {}, Some(url)).await).await,
        None => eprintln!("left out: {} is not set", testkit::postgres::VARIABLE),
    }
}
