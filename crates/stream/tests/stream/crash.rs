//! A process that dies between any two steps leaves progress as if it had not.

use crate::ground::{GAME, Ground, KEYED, MATCHES, accounts, campaign, folded, matches, open_broker, outcome, plays, read, small, until};
use campaigns::Live;
use db::{Db, Options as DbOptions};
use std::process::Command;
use stream::{Options, Source, Stream};

const CHILD: &str = "GUILDHALL_STREAM_TEST_CHILD";

/// Each passing of these points but for the first is a death in the middle of the log.
const POINTS: [&str; 12] = [
    "stream.before_checkpoint:1",
    "stream.checkpoint_written:1",
    "db.before_commit:3",
    "db.after_commit:3",
    "stream.after_checkpoint:1",
    "stream.before_checkpoint:4",
    "stream.checkpoint_written:5",
    "db.before_writes_are_kept:9",
    "db.before_commit:12",
    "db.after_commit:12",
    "stream.after_checkpoint:6",
    "stream.checkpoint_written:9",
];

/// Streams until everything is read, in a process of its own that the test below may have die.
#[test]
#[ignore = "started by the tests below as a process of its own"]
fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (url, log) = told.split_once('|').unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Db::open(DbOptions::new(url)).await.unwrap();
        let broker = open_broker(log.into()).await;
        let (accounts, _) = accounts(&db);
        let live = Live::new(&db);
        let options = Options { limits: small(), ..Options::default() };
        let stream = Stream::start(&db, &live, &accounts, Source::Embedded(broker.clone()), options).await.unwrap();
        let ends: i64 = (0..crate::ground::PARTITIONS).map(|one| broker.offsets(crate::ground::TOPIC, one).unwrap().end).sum();
        until("all records are read", async || read(&db).await == ends).await;
        stream.stop().await;
        db.close().await;
        broker.close().await;
    });
}

fn run_child(url: &str, log: &std::path::Path, crash_at: Option<&str>) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["crash::child", "--exact", "--ignored", "--nocapture"]);
    child.env(CHILD, format!("{url}|{}", log.display()));
    if let Some(point) = crash_at {
        child.env("GUILDHALL_CRASH_AT", point);
    }
    child.output().unwrap().status.success()
}

async fn dies_again_and_again(ground: Ground, mapping: &str, records: Vec<(String, String)>) {
    let campaigns = [campaign(10)];
    ground.register(mapping, &campaigns).await;
    ground.append(&records).await;
    let expected = folded(mapping, &campaigns, &ground.records().await);
    assert!(!expected.achievements.is_empty());
    let log = ground.log_folder();
    let (url, folder) = ground.close().await;
    let mut deaths = 0;
    for point in POINTS {
        deaths += u32::from(!run_child(&url, &log, Some(point)));
    }
    assert!(deaths >= 4, "only {deaths} of the processes died: the points are not passed");
    assert!(run_child(&url, &log, None), "the last process finishes");
    let ground = Ground::open(url, folder).await;
    let found = outcome(&ground.db, mapping, &campaigns).await;
    match mapping {
        MATCHES => assert_eq!(found.in_any_order(), expected.in_any_order()),
        _ => assert_eq!(found, expected),
    }
    let breaches = db::check::check(&ground.db, stream::check::INVARIANTS).await.unwrap();
    assert!(breaches.is_empty(), "{breaches:#?} in {GAME}");
    ground.close().await;
}

fn on(runtime_of: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(runtime_of);
}

#[test]
fn a_process_that_dies_anywhere_counts_every_record_once_on_sqlite() {
    on(async { dies_again_and_again(Ground::sqlite().await, KEYED, plays(200, 12)).await });
}

#[test]
fn a_process_that_dies_anywhere_counts_every_record_once_on_postgres() {
    on(async {
        let Some(ground) = Ground::postgres("dies").await else { return eprintln!("left out: GUILDHALL_TEST_POSTGRES is not set") };
        dies_again_and_again(ground, KEYED, plays(200, 12)).await;
    });
}

#[test]
fn a_process_that_dies_anywhere_counts_every_player_of_a_match_once() {
    on(async { dies_again_and_again(Ground::sqlite().await, MATCHES, matches(900, 90)).await });
}
