//! Records that somebody made to hurt: each is a dead letter, the stream goes on, and memory does not grow with them.

use crate::hub::{Hub, now, number, until, until_committed};
use crate::run;
use crate::server;
use crate::store::Engine;
use db::{Statement, row};
use guildhall::load::games::{OWN, login, on_server};
use std::collections::BTreeSet;

/// A record of this size is sent in one line.
const HUGE: usize = 100 << 20;
/// What the process may grow by because of it: what is on its way is bounded, however long a line is.
const GROWTH_MAX: u64 = 160 << 20;

static LETTERS: Statement = Statement::new("test.dead_letters", "select coalesce(cast(sum(letters) as bigint), 0) from dead_letter_count");
static REASONS: Statement = Statement::new("test.reasons", "select distinct reason from dead_letter_count");
static ACHIEVED: Statement = Statement::new("test.hostile_achieved", "select player from achievement where game = $1");

/// Lines without a line break in them, that no mapping takes.
fn hostile() -> Vec<Vec<u8>> {
    let good = login("eve", "hostile", now());
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        good.replace(from, to).into_bytes()
    };
    let ts = good.split("\"ts\":").nth(1).and_then(|rest| rest.split([',', '}']).next()).expect("the record has a time").to_owned();
    let mut invalid = good.clone().into_bytes();
    let at = good.find("eve").expect("the player stands in it");
    invalid[at] = 0xff;
    vec![
        b"{".to_vec(),
        b"not JSON at all".to_vec(),
        vec![b'['; 200_000],
        ["{\"event_type\":\"session_start\",\"payload\":".repeat(50_000), "1".to_owned()].concat().into_bytes(),
        invalid,
        // The year 9999, a time no clock has, a negative one, and one that is no number.
        with(&ts, "253402300799000"),
        with(&ts, "9223372036854775807"),
        with(&ts, "-1"),
        with(&ts, "\"tomorrow\""),
        with("\"eve\"", "\"\""),
        with("\"eve\"", "null"),
        with("\"eve\"", &format!("\"{}\"", "e".repeat(10_000))),
        with("\"eve\"", "\"e\\u0000ve\""),
        item(-5),
        item(i64::MIN),
        b"\x00\x01\x02".to_vec(),
        good.as_bytes()[..good.len() - 1].to_vec(),
    ]
}

/// An item record with an amount that nobody can have.
fn item(count: i64) -> Vec<u8> {
    format!(
        "{{\"event_type\":\"item_acquire\",\"event_id\":\"x{count}\",\"user_id\":\"eve\",\"ts\":{},\"server\":\"hostile\",\
         \"payload\":{{\"item_id\":\"box\",\"count\":{count}}}}}",
        now().0 / 1_000
    )
    .into_bytes()
}

async fn withstands(label: &str, engine: Engine) {
    let Some(mut hub) = Hub::new(label, engine, Hub::own_log()).await else { return };
    hub.register(&[(OWN, vec![on_server("hostile", "hostile", "login", now())])], 1).await;
    let server = hub.serve().await;
    let db = hub.db().await;
    let good = |name: &str| login(name, "hostile", now()).into_bytes();
    let bad = hostile();
    let mut lines = vec![good("ann")];
    for line in &bad {
        lines.push(line.clone());
    }
    lines.push(good("bob"));
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    hub.post_lines(&server, OWN, &lines).await;
    until("the good ones around them are there", async || {
        let players = db.fetch(&ACHIEVED, &row![OWN], |row| row.text(0)).await.expect("the database answers");
        players.into_iter().collect::<BTreeSet<_>>() == BTreeSet::from(["ann".to_owned(), "bob".to_owned()])
    })
    .await;
    until_committed(&db, lines.len() as u64).await;
    let reasons = db.fetch(&REASONS, &[], |row| row.text(0)).await.expect("the database answers");
    assert_eq!(number(&db, &LETTERS).await, bad.len() as u64, "{reasons:?}");

    let before = server.rss_max_bytes();
    hub.post_huge_line(&server, OWN, HUGE).await;
    hub.post_lines(&server, OWN, &[&good("cid")]).await;
    until("the one after the huge line is there", async || {
        db.fetch(&ACHIEVED, &row![OWN], |row| row.text(0)).await.expect("the database answers").contains(&"cid".to_owned())
    })
    .await;
    let growth = server.rss_max_bytes().saturating_sub(before);
    println!("{label}: {} dead letters ({reasons:?}); memory grew by {} MB over a line of 100 MB", bad.len(), growth >> 20);
    assert!(growth < GROWTH_MAX, "memory grew by {} MB", growth >> 20);
    db.close().await;
    server::check(&hub.store).await.unwrap_or_else(|told| panic!("{told}"));
    server.stop().await;
}

#[test]
fn hostile_records_are_dead_letters_and_neither_stop_the_stream_nor_grow_memory_on_sqlite() {
    run(withstands("hostile_sqlite", Engine::Sqlite));
}

#[test]
fn hostile_records_are_dead_letters_and_neither_stop_the_stream_nor_grow_memory_on_postgres() {
    run(withstands("hostile_postgres", Engine::Postgres));
}
