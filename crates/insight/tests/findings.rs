//! What is wrong with a server at work is found and told by the doctor: a transaction left open, somebody who waits for its lock, dead rows.
//! Refuses to wait for a moment: the doctor is asked again until it has seen them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "ground/database.rs"]
mod ground;

use db::{Access, Inspector};
use ground::Ground;
use insight::{Depth, Look};
use std::time::Duration;

/// The server clears a table of dead rows by itself some day; here it must not be quicker than the test.
const TABLES: &str = "
    create table f_item (id bigint primary key, held bigint not null) with (autovacuum_enabled = false);
    insert into f_item select n, 0 from generate_series(1, 5000) n;
    update f_item set held = 1;
    update f_item set held = 2;";

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_left_open_a_wait_for_its_lock_and_dead_rows_are_told_on_postgres() {
    let Some(ground) = Ground::postgres("findings").await else { return };
    ground.db.plain(TABLES).await.unwrap();
    let mut holding = Inspector::open(&ground.url, Access::Write, None).await.unwrap();
    holding.run("begin; update f_item set held = 3 where id = 7").await.unwrap();
    let mut waiting = Inspector::open(&ground.url, Access::Write, None).await.unwrap();
    let waits = tokio::spawn(async move { waiting.run("update f_item set held = 4 where id = 7").await });

    let mut database = ground.reading().await;
    let depth = Depth { plans: false, advice: false, long_s: 1, ..Depth::ALL };
    let seen = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let report = insight::examine(&mut database, Vec::new(), &[], depth).await.unwrap().report;
            let has = |kind: &str| report.findings.iter().any(|one| one.kind == kind);
            if ["long-transaction", "lock-wait", "bloat", "missing-statistics"].into_iter().all(has) {
                break report;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let report = seen.await.expect("all of it is found within a minute");
    let find = |kind: &str| report.findings.iter().find(|one| one.kind == kind).unwrap();
    let (long, wait, bloat) = (find("long-transaction"), find("lock-wait"), find("bloat"));
    assert!(long.says.contains("idle in transaction"), "{long:?}");
    let holder = long.about.clone();
    assert!(wait.says.ends_with(&format!("for a lock that {holder} holds")), "the wait names who holds the lock: {wait:?}, {holder}");
    assert_eq!((bloat.about.as_str(), bloat.right.as_str()), ("f_item", "vacuum (analyze) f_item"));
    assert!(bloat.says.contains("dead rows beside 5,000 live ones"), "{bloat:?}");
    assert_eq!(find("missing-statistics").about, "f_item");
    let shown = report.show(Look { width: 120, bold: false });
    for told in [&holder, "f_item", "dead rows", "pg_terminate_backend"] {
        assert!(shown.contains(told), "the doctor prints {told}: {shown}");
    }

    holding.run("rollback").await.unwrap();
    waits.await.unwrap().unwrap();
    ground.end().await;
}
