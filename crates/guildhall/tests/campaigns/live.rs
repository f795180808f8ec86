//! Campaigns that change while logs flow: in force within a second in every process, without a restart, and each achievement names
//! the version that judged it.

use crate::hub::{Hub, Log, now, until_committed};
use crate::run;
use crate::server::{self, Server};
use crate::store::Engine;
use db::{Db, Statement};
use guildhall::load::games::{OWN, login, on_server};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Every process knows within this time.
const KNOWN_WITHIN: Duration = Duration::from_secs(1);
/// How long is sent after a change.
const AFTER: Duration = Duration::from_millis(2_500);
const TICK: Duration = Duration::from_millis(50);
/// Logins a tick: enough for every partition to get one.
const EACH_TICK: usize = 12;
const PARTITIONS: i32 = 4;

static ACHIEVED: Statement = Statement::new("test.achieved_versions", "select player, version from achievement");

/// What was sent when.
#[derive(Default)]
struct Probes(Vec<(String, Instant)>);

impl Probes {
    async fn send_until(&mut self, hub: &Hub, until: Instant) {
        while Instant::now() < until {
            let (at, from) = (Instant::now(), self.0.len());
            let players: Vec<String> = (from..from + EACH_TICK).map(|number| format!("probe-{number}")).collect();
            let logins =
                players.iter().map(|player| (OWN.to_owned(), player.clone().into_bytes(), login(player, "probe", now()).into_bytes()));
            hub.send(logins.collect()).await;
            self.0.extend(players.into_iter().map(|player| (player, at)));
            tokio::time::sleep(TICK.saturating_sub(at.elapsed())).await;
        }
    }

    /// Players sent between a second after one moment and another moment.
    fn between(&self, from: Instant, to: Instant) -> impl Iterator<Item = &String> {
        self.0.iter().filter(move |(_, at)| *at >= from + KNOWN_WITHIN && *at < to).map(|(player, _)| player)
    }
}

async fn versions(db: &Db) -> BTreeMap<String, i64> {
    db.fetch(&ACHIEVED, &[], |row| Ok((row.text(0)?, row.int(1)?))).await.expect("the database answers").into_iter().collect()
}

async fn change(hub: &Hub, server: &Server, method: Method, path: &str, body: Value) -> Instant {
    let answer = hub.ask(server, "operator", method, &format!("/v1/games/{OWN}/campaigns{path}"), Some(body)).await;
    assert!(answer.status < 300, "{}: {}", answer.status, answer.body);
    Instant::now()
}

async fn changed(label: &str, log: Log) {
    let Some(mut hub) = Hub::new(label, Engine::Postgres, log).await else { return };
    hub.register(&[(OWN, Vec::new())], PARTITIONS).await;
    // One of them is told; the other has to find out by itself.
    let (told, other) = (hub.serve().await, hub.serve().await);
    let db = hub.db().await;
    hub.until_shared(&[&told, &other], OWN, PARTITIONS as usize).await;
    let mut probes = Probes::default();
    probes.send_until(&hub, Instant::now() + Duration::from_secs(1)).await;

    let mut campaign = on_server("first", "probe", "login", now());
    let registered = change(&hub, &told, Method::POST, "", json!({ "campaign": campaign })).await;
    probes.send_until(&hub, registered + AFTER).await;
    // What a busy machine judges late is judged by the version of then: the next change waits for it.
    until_committed(&db, probes.0.len() as u64).await;
    campaign["title"] = json!("Another title");
    let replaced = change(&hub, &other, Method::PUT, "/first", json!({ "campaign": campaign, "policy": "keep" })).await;
    probes.send_until(&hub, replaced + AFTER).await;
    until_committed(&db, probes.0.len() as u64).await;
    let stopped = change(&hub, &told, Method::POST, "/first/stop", json!({})).await;
    probes.send_until(&hub, stopped + AFTER).await;
    let end = Instant::now();
    until_committed(&db, probes.0.len() as u64).await;

    let versions = versions(&db).await;
    for player in probes.between(registered, replaced) {
        assert_eq!(versions.get(player), Some(&1), "{player} logged in a second after the campaign was registered");
    }
    for player in probes.between(replaced, stopped) {
        assert_eq!(versions.get(player), Some(&2), "{player} logged in a second after the campaign was changed");
    }
    for player in probes.between(stopped, end) {
        assert_eq!(versions.get(player), None, "{player} logged in a second after the campaign was stopped");
    }
    assert!(probes.between(registered, replaced).count() > EACH_TICK && probes.between(stopped, end).count() > EACH_TICK);
    db.close().await;
    server::check(&hub.store).await.unwrap_or_else(|told| panic!("{told}"));
    told.stop().await;
    other.stop().await;
}

#[test]
fn a_change_is_in_force_in_both_processes_within_a_second_and_stands_on_the_achievements() {
    run(async {
        if let Some(kafka) = Hub::kafka("live_changes") {
            changed("live_changes", kafka).await;
        }
    });
}
