//! The outbox on both engines: what is sent, in which order, and what a failure or a crash leaves behind.
//! Postgres is tested where `GUILDHALL_TEST_POSTGRES` names a server. Single rules are tested beside the code that owns them.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the error")]

#[path = "outbox/bed.rs"]
mod bed;
#[path = "outbox/smtp.rs"]
mod smtp;

use bed::{Bed, Clumsy, Recorder, Say, Slow, fact};
use db::{Announcement, Db, Error, Meta, Options};
use futures::FutureExt as _;
use kernel::{Instant, Uuid};
use outbox::{ATTEMPTS_MAX, EventsFile, Mail, MailFolder, Outbox, Outgoing, RETRY_MAX_S, Sink};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

const SECOND_US: i64 = 1_000_000;

/// Each test runs on SQLite and on Postgres.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() {
                let bed = super::Bed::sqlite().await;
                super::$name(&bed).await;
                bed.remove().await;
            })+
        }
        mod postgres {
            $(#[tokio::test] async fn $name() {
                let Some(bed) = super::Bed::postgres(stringify!($name)).await else { return };
                super::$name(&bed).await;
                bed.remove().await;
            })+
        }
    };
}

on_both_engines!(
    nothing_is_sent_that_was_not_committed,
    failed_rows_come_again_in_order_and_hold_up_only_their_aggregate,
    a_long_queue_behind_a_retry_does_not_starve_others,
    a_sink_that_panics_or_answers_too_little_loses_nothing,
    two_drains_side_by_side_send_each_row_once_and_in_order,
    a_row_behind_one_in_flight_elsewhere_goes_within_a_second_of_it,
    a_crash_between_send_and_delete_repeats_the_row,
    a_row_that_always_fails_is_parked_and_later_ones_pass_it,
    an_idle_outbox_writes_nothing,
    a_topic_with_a_subscriber_elsewhere_is_left_alone_until_that_unsubscribes,
    mail_is_a_file_for_its_owner_only_and_a_repeat_overwrites_it,
    old_answers_are_purged_and_young_ones_stay,
);

fn pairs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(aggregate, version)| ((*aggregate).to_owned(), *version)).collect()
}

async fn nothing_is_sent_that_was_not_committed(bed: &Bed) {
    let sink = Recorder::new("recorder");
    let outbox = Outbox::start(&bed.db, vec![sink.on(&["t"])]).await.unwrap();
    bed.say(&[("nobody.wants", "a", 1)]).await;
    assert_eq!(bed.rows().await, 0, "a topic without a subscriber writes no rows");

    let broken = bed.db.queue(Say { breaks: true, waits: None });
    broken.send(Meta::ours("test"), vec![fact("t", "a", 1)]).await.unwrap_err();
    assert_eq!(outbox.drain_once().await.unwrap(), 0);

    let (written, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = bed.db.queue(Say { breaks: false, waits: Some((written.clone(), go_on.clone())) });
    let saying = tokio::spawn(async move { slow.send(Meta::ours("test"), vec![fact("t", "a", 1)]).await });
    written.notified().await;
    assert_eq!(outbox.drain_once().await.unwrap(), 0, "its transaction is still open");
    assert_eq!(sink.takes(), []);
    go_on.notify_one();
    saying.await.unwrap().unwrap();
    assert_eq!(outbox.drain_once().await.unwrap(), 1);
    assert_eq!(sink.takes(), pairs(&[("a", 1)]));
    assert_eq!(bed.rows().await, 0);
}

async fn failed_rows_come_again_in_order_and_hold_up_only_their_aggregate(bed: &Bed) {
    let sink = Recorder::new("recorder").failing("a", 2);
    let other = Recorder::new("other");
    let outbox = Outbox::start(&bed.db, vec![sink.on(&["t"]), other.on(&["u"])]).await.unwrap();
    bed.say(&[("t", "a", 3), ("t", "b", 1), ("t", "a", 2), ("t", "a", 1), ("u", "a", 5)]).await;
    assert_eq!(outbox.drain_once().await.unwrap(), 3);
    assert_eq!(sink.takes(), pairs(&[("a", 1), ("b", 1)]));
    assert_eq!(other.takes(), pairs(&[("a", 5)]), "who shares no subscriber does not wait");

    bed.say(&[("t", "a", 4), ("t", "c", 1)]).await;
    assert_eq!(outbox.drain_once().await.unwrap(), 1, "a/4 waits for the retry of a/2");
    sink.fails.lock().clear();
    assert_eq!(outbox.drain_once().await.unwrap(), 0, "the retry is not due yet");
    bed.db.clock().advance_us(2 * SECOND_US);
    assert_eq!(outbox.drain_once().await.unwrap(), 3);
    assert_eq!(sink.takes(), pairs(&[("a", 1), ("b", 1), ("c", 1), ("a", 2), ("a", 3), ("a", 4)]));
    assert_eq!(bed.rows().await, 0);
}

async fn a_long_queue_behind_a_retry_does_not_starve_others(bed: &Bed) {
    let sink = Recorder::new("recorder").failing("a", 1);
    let outbox = Outbox::start(&bed.db, vec![sink.on(&["t"])]).await.unwrap();
    bed.say(&[("t", "a", 1)]).await;
    assert_eq!(outbox.drain_once().await.unwrap(), 0);
    // More than two claims look at, all of them due before the row of b.
    bed.say(&(2..1_200).map(|version| ("t", "a", version)).collect::<Vec<_>>()).await;
    bed.say(&[("t", "b", 1)]).await;
    assert_eq!(outbox.drain_once().await.unwrap(), 1);
    assert_eq!(sink.takes(), pairs(&[("b", 1)]));
    sink.fails.lock().clear();
    bed.db.clock().advance_us(2 * SECOND_US);
    assert_eq!(outbox.drain_once().await.unwrap(), 1_199);
    assert!(sink.takes()[1..].iter().map(|(_, version)| *version).eq(1..1_200));
}

async fn a_sink_that_panics_or_answers_too_little_loses_nothing(bed: &Bed) {
    let times = Arc::new(Mutex::new(0));
    let outbox = Outbox::start(&bed.db, vec![(vec!["t".to_owned()], Arc::new(Clumsy(times.clone())) as Arc<dyn Sink>)]).await.unwrap();
    bed.say(&[("t", "a", 1), ("t", "b", 1)]).await;
    for (time, sent, left) in [(1, 0, 2), (2, 0, 2), (3, 2, 0)] {
        assert_eq!(outbox.drain_once().await.unwrap(), sent);
        let rows = bed.rows().await;
        assert_eq!((*times.lock(), rows), (time, left));
        bed.db.clock().advance_us(60 * SECOND_US);
    }
}

async fn two_drains_side_by_side_send_each_row_once_and_in_order(bed: &Bed) {
    let sink = Recorder::new("recorder");
    let elsewhere = Db::open(Options::new(&bed.url)).await.unwrap();
    let one = Outbox::start(&bed.db, vec![sink.on(&["t"])]).await.unwrap();
    let two = Outbox::start(&elsewhere, vec![sink.on(&["t"])]).await.unwrap();
    for version in 0..60 {
        let aggregates: Vec<String> = (0..50).map(|n| format!("thing/{n}")).collect();
        bed.say(&aggregates.iter().map(|aggregate| ("t", aggregate.as_str(), version)).collect::<Vec<_>>()).await;
    }
    let (mut sent, mut rounds) = (0, 0);
    while bed.rows().await > 0 {
        rounds += 1;
        assert!(rounds < 30, "rows wait for leases to end although nothing failed");
        let (by_one, by_other, by_two) = tokio::join!(one.drain_once(), one.drain_once(), two.drain_once());
        sent += by_one.unwrap() + by_other.unwrap() + by_two.unwrap();
        bed.db.clock().advance_us(SECOND_US);
        elsewhere.clock().advance_us(SECOND_US);
    }
    assert_eq!(sent, 3_000);
    let got = sink.got.lock().clone();
    assert_eq!(got.iter().map(|(_, _, id)| *id).collect::<BTreeSet<_>>().len(), 3_000);
    assert_eq!(got.len(), 3_000, "each once");
    let mut versions: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    got.iter().for_each(|(aggregate, version, _)| versions.entry(aggregate).or_default().push(*version));
    assert!(versions.values().all(|versions| versions.is_sorted()), "in order");
    elsewhere.close().await;
}

async fn a_row_behind_one_in_flight_elsewhere_goes_within_a_second_of_it(bed: &Bed) {
    let sink = Recorder::new("recorder");
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = Arc::new(Slow { recorder: sink.clone(), reached: reached.clone(), go_on: go_on.clone() });
    let one = Outbox::start(&bed.db, vec![(vec!["t".to_owned()], slow as Arc<dyn Sink>)]).await.unwrap();
    let two = Outbox::start(&bed.db, vec![sink.on(&["t"])]).await.unwrap();
    bed.say(&[("t", "a", 1)]).await;
    let in_flight = tokio::spawn(async move { one.drain_once().await });
    reached.notified().await;
    bed.say(&[("t", "a", 2), ("t", "b", 1)]).await;
    assert_eq!(two.drain_once().await.unwrap(), 1, "a/2 must not overtake a/1");
    assert_eq!(sink.takes(), pairs(&[("b", 1)]));
    go_on.notify_one();
    assert_eq!(in_flight.await.unwrap().unwrap(), 1);
    bed.db.clock().advance_us(SECOND_US);
    assert_eq!(two.drain_once().await.unwrap(), 1, "nothing failed, so no lease is waited for");
    assert_eq!(sink.takes(), pairs(&[("b", 1), ("a", 1), ("a", 2)]));
}

async fn events_outbox(db: &Db, file: &Path) -> Outbox {
    Outbox::start(db, vec![(vec!["t".to_owned()], Arc::new(EventsFile::new(file)) as Arc<dyn Sink>)]).await.unwrap()
}

async fn a_crash_between_send_and_delete_repeats_the_row(bed: &Bed) {
    let file = bed.folder.path().join("events.jsonl");
    let outbox = events_outbox(&bed.db, &file).await;
    bed.say(&[("t", "a", 1), ("t", "a", 2)]).await;
    let lines =
        || -> Vec<Outgoing> { std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect() };

    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_process_that_dies_after_it_sent"])
        .env("OUTBOX_TEST_URL", &bed.url)
        .env("OUTBOX_TEST_FILE", &file)
        .env("GUILDHALL_CRASH_AT", "outbox.after_send:1")
        .output()
        .unwrap();
    assert!(!child.status.success(), "it was to die: {}", String::from_utf8_lossy(&child.stdout));
    assert_eq!((lines().len(), bed.rows().await), (2, 2), "sent and not deleted");

    assert_eq!(outbox.drain_once().await.unwrap(), 0, "the dead process still has its lease");
    bed.db.clock().advance_us(61 * SECOND_US);
    assert_eq!(outbox.drain_once().await.unwrap(), 2);
    assert_eq!(bed.rows().await, 0);
    let lines = lines();
    assert_eq!(lines[..2], lines[2..], "the same ids come again, in order");
    assert_eq!((lines[0].version, lines[1].version), (1, 2));
}

#[tokio::test]
#[ignore = "the test of a crash runs it as a process of its own"]
async fn a_process_that_dies_after_it_sent() {
    let db = Db::open(Options::new(std::env::var("OUTBOX_TEST_URL").unwrap())).await.unwrap();
    let outbox = events_outbox(&db, Path::new(&std::env::var("OUTBOX_TEST_FILE").unwrap())).await;
    outbox.drain_once().await.unwrap();
}

async fn a_row_that_always_fails_is_parked_and_later_ones_pass_it(bed: &Bed) {
    let sink = Recorder::new("recorder").failing("a", 1);
    let outbox = Outbox::start(&bed.db, vec![sink.on(&["t"])]).await.unwrap();
    bed.say(&[("t", "a", 1), ("t", "a", 2)]).await;
    for _ in 0..ATTEMPTS_MAX {
        assert_eq!(outbox.parked().await.unwrap(), []);
        assert_eq!(outbox.drain_once().await.unwrap(), 0);
        bed.db.clock().advance_us(RETRY_MAX_S * SECOND_US);
    }
    let parked = outbox.parked().await.unwrap();
    assert_eq!(parked.iter().map(|row| (row.aggregate.as_str(), row.version, row.attempts)).collect::<Vec<_>>(), [("a", 1, ATTEMPTS_MAX)]);
    assert_eq!(outbox.drain_once().await.unwrap(), 1);
    assert_eq!(sink.takes(), pairs(&[("a", 2)]));

    sink.fails.lock().clear();
    assert_eq!(outbox.resume(&[parked[0].id, Uuid::now_v7()]).await.unwrap(), 1);
    assert_eq!(outbox.resume(&[parked[0].id]).await.unwrap(), 0, "it is parked no more");
    assert_eq!(outbox.drain_once().await.unwrap(), 1);
    assert_eq!((sink.takes(), bed.rows().await), (pairs(&[("a", 2), ("a", 1)]), 0));
}

async fn an_idle_outbox_writes_nothing(bed: &Bed) {
    let sink = Recorder::new("recorder").failing("a", 1);
    let outbox = Outbox::start(&bed.db, vec![sink.on(&["t"])]).await.unwrap();
    Outbox::start(&bed.db, vec![sink.on(&["t"])]).await.unwrap();
    assert_eq!(bed.kept_answers().await, 1, "the second start had nothing to write");
    bed.say(&[("t", "a", 1)]).await;
    outbox.drain_once().await.unwrap();
    let before = bed.kept_answers().await;
    for _ in 0..3 {
        assert_eq!(outbox.drain_once().await.unwrap(), 0);
    }
    assert_eq!(bed.kept_answers().await, before);
    assert_eq!(before, 4, "the start, the announcement, the claim and its settlement");
}

async fn a_topic_with_a_subscriber_elsewhere_is_left_alone_until_that_unsubscribes(bed: &Bed) {
    let (mine, theirs) = (Recorder::new("mine"), Recorder::new("theirs"));
    let one = Outbox::start(&bed.db, vec![mine.on(&["t"])]).await.unwrap();
    let two = Outbox::start(&bed.db, vec![mine.on(&["t"]), theirs.on(&["t", "u"])]).await.unwrap();
    bed.say(&[("t", "a", 1), ("u", "b", 1)]).await;
    assert_eq!(one.drain_once().await.unwrap(), 0, "deleting it here would lose it there");
    assert_eq!(two.drain_once().await.unwrap(), 2);
    assert_eq!((mine.takes(), theirs.takes()), (pairs(&[("a", 1)]), pairs(&[("a", 1), ("b", 1)])));

    bed.say(&[("t", "a", 2), ("u", "b", 2)]).await;
    assert_eq!(two.unsubscribe("theirs").await.unwrap(), 1, "nobody waits for the row of u any more");
    two.unsubscribe("theirs").await.unwrap_err();
    assert_eq!(one.drain_once().await.unwrap(), 1);
    assert_eq!((mine.takes(), theirs.takes().len(), bed.rows().await), (pairs(&[("a", 1), ("a", 2)]), 2, 0));
    let named_alike = Outbox::start(&bed.db, vec![mine.on(&["t"]), mine.on(&["u"])]).await.err().unwrap();
    assert!(named_alike.to_string().contains("\"mine\""), "{named_alike}");
    assert!(Outbox::start(&bed.db, vec![mine.on(&["t.*"])]).await.err().unwrap().to_string().contains("\"t.*\""));
}

async fn mail_is_a_file_for_its_owner_only_and_a_repeat_overwrites_it(bed: &Bed) {
    let folder = bed.folder.path().join("mail");
    let unreachable = Arc::new(AtomicBool::new(true));
    let is_unreachable = unreachable.clone();
    let open = move |payload: serde_json::Value| {
        let text = payload.get("sealed").and_then(|sealed| sealed.as_str()).map(str::to_owned);
        let mail = text.map(|text| Mail { to: "zoe@example.com".to_owned(), subject: "Bestätigen Sie Ihre Adresse".to_owned(), text });
        let opened = if is_unreachable.load(Ordering::SeqCst) { Err("the keys cannot be read".to_owned()) } else { Ok(mail) };
        async move { opened }.boxed()
    };
    let sink = Arc::new(MailFolder::new(&folder, open).sent_by("Guild <noreply@guild.example>"));
    let outbox = Outbox::start(&bed.db, vec![(vec!["mail.send".to_owned()], sink.clone() as Arc<dyn Sink>)]).await.unwrap();
    let sealed = Announcement { payload: json!({ "sealed": "Zoë,\nhttps://guild.example/confirm" }), ..fact("mail.send", "account/1", 1) };
    let erased = fact("mail.send", "account/2", 1);
    bed.db.queue(Say::default()).send(Meta::ours("test"), vec![sealed.clone(), erased]).await.unwrap();
    assert_eq!(outbox.drain_once().await.unwrap(), 0);
    assert_eq!(bed.rows().await, 2, "keys that cannot be read now are no erased account");
    unreachable.store(false, Ordering::SeqCst);
    bed.db.clock().advance_us(2 * SECOND_US);
    assert_eq!(outbox.drain_once().await.unwrap(), 2, "what nobody can open any more is dropped");
    assert_eq!(bed.rows().await, 0);

    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let id: Uuid = files[0].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(files[0].extension().unwrap(), "eml");
    assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "Zoë,\r\nhttps://guild.example/confirm\r\n");
    for line in [
        "From: Guild <noreply@guild.example>",
        "To: zoe@example.com",
        "Subject: =?UTF-8?B?QmVzdMOkdGlnZW4gU2llIElocmUgQWRyZXNzZQ==?=",
        &format!("Message-ID: <{id}@guildhall>"),
        "Content-Type: text/plain; charset=utf-8",
    ] {
        assert!(head.lines().any(|found| found == line), "{line} is not in\n{head}");
    }

    let row = |at| Outgoing {
        id,
        topic: sealed.topic.to_owned(),
        aggregate: sealed.aggregate.clone(),
        version: 1,
        payload: sealed.payload.clone(),
        at,
        trace: None,
    };
    std::fs::write(&files[0], "cut off").unwrap();
    assert_eq!(sink.send(&[&row(Instant(1_795_250_096_123_456))]).await, [Ok(())]);
    let again = std::fs::read_to_string(&files[0]).unwrap();
    assert!(again.starts_with("Date: Sat, 21 Nov 2026 08:34:56 +0000\r\n") && again.ends_with(body), "{again}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

async fn old_answers_are_purged_and_young_ones_stay(bed: &Bed) {
    bed.say(&[]).await;
    bed.say(&[]).await;
    bed.db.clock().advance_us(SECOND_US * 3600);
    let young_from = bed.db.now();
    bed.db.clock().advance_us(SECOND_US);
    bed.say(&[]).await;
    let purge = bed.db.queue(db::PurgeAnswers);
    assert_eq!(purge.send(Meta::ours("purge"), young_from).await.unwrap(), 2);
    assert_eq!(bed.kept_answers().await, 2, "the young one and the purge's own");
    let refused = purge.send(Meta::ours("purge"), young_from).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
    assert_eq!(bed.kept_answers().await, 2, "a run that found nothing keeps no answer");
}
