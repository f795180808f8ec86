//! What every command gets from its queue: batches, one effect per key, isolation of what fails, an answer after the commit.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use db::{Column, Command, Db, Error, Lookup, Meta, Options, Queue, Read, Rows, Statement, Tx, row};
use kernel::{Code, Instant, Outcome, Refusal};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::proxy::{Cut, Proxy};

static ADD: Statement = Statement::new(
    "test.add",
    "insert into probe (name, number)
     select name, number
     from rows",
)
.rows(&[("name", Column::Text), ("number", Column::Int)]);

static COUNT: Statement = Statement::new("test.count", "select count(*) from probe where name = $1");

/// Adds a row. Zero is refused, a negative number breaks the table's constraint, and 666 panics.
#[derive(Clone, Default)]
struct Add {
    largest_batch: Arc<AtomicUsize>,
}

impl Command for Add {
    const NAME: &'static str = "test.add";
    type Input = (String, i64);
    type Reply = i64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a (String, i64)], _now: Instant) -> Result<Vec<Outcome<i64>>, Error> {
        self.largest_batch.fetch_max(batch.len(), Ordering::SeqCst);
        assert!(batch.iter().all(|(_, number)| *number != 666), "the number of the beast");
        let wanted: Vec<&&(String, i64)> = batch.iter().filter(|(_, number)| *number != 0).collect();
        tx.write(&ADD, Rows::of(wanted, |(name, number)| row![name, *number])).await?;
        let decide = |(_, number): &&(String, i64)| if *number == 0 { Err(Refusal::new(Code::BadAmount, "zero")) } else { Ok(*number) };
        Ok(batch.iter().map(decide).collect())
    }
}

static FIND: Statement = Statement::new(
    "test.find",
    "select p.name
     from rows r join probe p on p.name = r.name",
)
.rows(&[("name", Column::Text)]);

/// Adds a name, and refuses one that is there: what a repeat would be told that is not recognised.
struct Once;

impl Command for Once {
    const NAME: &'static str = "test.once";
    type Input = String;
    type Reply = i64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a String], _now: Instant) -> Result<Vec<Outcome<i64>>, Error> {
        let mut known: BTreeSet<String> =
            tx.load(&FIND, Rows::of(batch, |name| row![*name]), |row| row.text(0)).await?.into_iter().collect();
        let new: Vec<bool> = batch.iter().map(|name| known.insert((*name).clone())).collect();
        let added = batch.iter().zip(&new).filter(|(_, is_new)| **is_new);
        tx.write(&ADD, Rows::of(added, |(name, _)| row![*name, 1])).await?;
        Ok(new.iter().map(|is_new| if *is_new { Ok(1) } else { Err(Refusal::new(Code::AlreadyOwned, "it is there")) }).collect())
    }
}

static TAKE: Statement = Statement::new(
    "test.take",
    "insert into taken (name)
     select name
     from rows",
)
.rows(&[("name", Column::Text)]);

/// Adds a name without looking: one that is there breaks the table's key.
struct Take;

impl Command for Take {
    const NAME: &'static str = "test.take";
    type Input = String;
    type Reply = i64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a String], _now: Instant) -> Result<Vec<Outcome<i64>>, Error> {
        tx.write(&TAKE, Rows::of(batch, |name| row![*name])).await?;
        Ok(batch.iter().map(|_| Ok(1)).collect())
    }
}

async fn open(url: &str) -> Db {
    let options = Options::new(url);
    db::migrate(&options).await.unwrap();
    let db = Db::open(options).await.unwrap();
    db.plain("create table if not exists probe (name text not null, number bigint not null check (number > 0))").await.unwrap();
    db.plain("create table if not exists taken (name text not null primary key)").await.unwrap();
    db
}

async fn count(db: &Db, name: &str) -> i64 {
    db.fetch(&COUNT, &row![name], |row| row.int(0)).await.unwrap()[0]
}

fn keyed(key: &str, fingerprint: u8) -> Meta {
    Meta { key: key.to_owned(), fingerprint: [fingerprint; 16], ..Meta::ours("test") }
}

/// Sends inputs at once and waits for all answers.
async fn send_all(queue: &Queue<Add>, name: &str, numbers: impl IntoIterator<Item = i64>) -> Vec<Result<i64, Error>> {
    let sends = numbers.into_iter().map(|number| queue.send(Meta::ours("test"), (name.to_owned(), number)));
    futures::future::join_all(sends).await
}

async fn facts(db: Db) {
    let add = Add::default();
    let queue = db.queue(add.clone());

    let answers = send_all(&queue, "many", 1..=300).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(count(&db, "many").await, 300);
    assert!(add.largest_batch.load(Ordering::SeqCst) > 1, "what waits is gathered");

    let answers = send_all(&queue, "bad", (1..=40).map(|n| if n == 17 { -1 } else { n })).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1, "one input that cannot be stored fails alone");
    assert!(matches!(answers[16], Err(Error::Data { .. })));
    assert_eq!(count(&db, "bad").await, 39);

    let answers = send_all(&queue, "panic", (1..=20).map(|n| if n == 3 { 666 } else { n })).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1, "one input that panics fails alone");
    assert_eq!(count(&db, "panic").await, 19);

    let same = (0..10).map(|_| queue.send(keyed("same", 1), ("same".to_owned(), 5)));
    assert!(futures::future::join_all(same).await.into_iter().all(|answer| answer.unwrap() == 5));
    assert_eq!(count(&db, "same").await, 1, "a key has one effect");
    let other = queue.send(keyed("same", 2), ("same".to_owned(), 6)).await;
    assert!(matches!(other, Err(Error::Refused(refusal)) if refusal.code == Code::KeyReused));

    let refused = queue.send(keyed("refused", 1), ("refused".to_owned(), 0)).await;
    assert!(matches!(refused, Err(Error::Refused(refusal)) if refusal.code == Code::BadAmount));
    assert_eq!(queue.send(keyed("refused", 1), ("refused".to_owned(), 1)).await.unwrap(), 1, "a refusal is not kept");
    repeats(&db).await;
    db.close().await;
}

/// A repeat gets its first answer although it would be refused now, or cannot be written, alone and within a crowd.
async fn repeats(db: &Db) {
    let (once, take) = (db.queue(Once), db.queue(Take));
    let is_refused = |answer: &Result<i64, Error>| matches!(answer, Err(Error::Refused(refusal)) if refusal.code == Code::AlreadyOwned);
    for _ in 0..2 {
        assert_eq!(once.send(keyed("once", 1), "ann".to_owned()).await.unwrap(), 1);
        assert_eq!(take.send(keyed("take", 1), "ann".to_owned()).await.unwrap(), 1);
    }
    assert!(is_refused(&once.send(keyed("another", 1), "ann".to_owned()).await), "another key is no repeat");
    assert!(take.send(keyed("another take", 1), "ann".to_owned()).await.is_err());

    let crowd = (0..40).map(|at| match at {
        7 => once.send(keyed("once", 1), "ann".to_owned()),
        8 => once.send(keyed("once", 2), "bob".to_owned()),
        9 => once.send(keyed("third", 1), "ann".to_owned()),
        _ => once.send(Meta::ours("test"), format!("name {at}")),
    });
    for (at, answer) in futures::future::join_all(crowd).await.into_iter().enumerate() {
        match at {
            8 => assert!(matches!(answer, Err(Error::Refused(refusal)) if refusal.code == Code::KeyReused)),
            9 => assert!(is_refused(&answer)),
            _ => assert_eq!(answer.unwrap(), 1),
        }
    }
    let crowd = (0..40).map(|at| {
        take.send(
            if at == 7 { keyed("take", 1) } else { Meta::ours("test") },
            if at == 7 { "ann".to_owned() } else { format!("name {at}") },
        )
    });
    assert!(futures::future::join_all(crowd).await.into_iter().all(|answer| answer.is_ok_and(|one| one == 1)));
    assert_eq!((count(db, "ann").await, count(db, "bob").await), (1, 0));
}

static NUMBERS: Statement = Statement::new(
    "test.numbers",
    "select r.at, p.number
     from rows r join probe p on p.name = r.name
     order by p.number",
)
.rows(&[("at", Column::Int), ("name", Column::Text)]);

/// Finds the numbers under a name. The name `beast` panics.
#[derive(Clone, Default)]
struct Numbers {
    reads: Arc<AtomicUsize>,
}

impl Lookup for Numbers {
    type Key = String;
    type Found = Vec<i64>;

    async fn run<'a>(&'a self, reading: &'a mut Read, names: &'a [String]) -> Result<Vec<Vec<i64>>, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        assert!(!names.iter().any(|name| name == "beast"), "the name of the beast");
        let mut found = vec![Vec::new(); names.len()];
        let rows = Rows::of((0_i64..).zip(names), |(at, name)| row![at, name]);
        for (at, number) in reading.load(&NUMBERS, rows, |row| Ok((row.int(0)?, row.int(1)?))).await? {
            found[usize::try_from(at).unwrap()].push(number);
        }
        Ok(found)
    }
}

/// Who asks at the same time is answered by few reads, each with what it asked for, as of a moment after it asked.
async fn lookups(db: Db) {
    let queue = db.queue(Add::default());
    for name in ["one", "two"] {
        assert!(send_all(&queue, name, 1..=3).await.iter().all(Result::is_ok));
    }
    let numbers = Numbers::default();
    let asked = db.lookups(numbers.clone());
    let names = ["one", "nobody", "two", "one"];
    let crowd = futures::future::join_all((0..200).map(|at| asked.ask(names[at % 4].to_owned()))).await;
    for (at, found) in crowd.into_iter().enumerate() {
        assert_eq!(found.unwrap(), if at % 4 == 1 { vec![] } else { vec![1, 2, 3] });
    }
    assert!(numbers.reads.load(Ordering::SeqCst) < 100, "what waits is read together");

    assert!(send_all(&queue, "one", [4]).await[0].is_ok());
    assert_eq!(asked.ask("one".to_owned()).await.unwrap(), [1, 2, 3, 4], "nothing is kept");
    for _ in 0..4 {
        assert!(matches!(asked.ask("beast".to_owned()).await, Err(Error::Panicked(_))), "a panic is told");
    }
    assert_eq!(asked.ask("two".to_owned()).await.unwrap(), [1, 2, 3], "and ends nothing");
    db.close().await;
}

#[tokio::test]
async fn lookups_are_made_together_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    lookups(open(&format!("sqlite:{}", folder.path().join("test.db").display())).await).await;
}

#[tokio::test]
async fn lookups_are_made_together_on_postgres() {
    let Some(url) = testkit::fresh_postgres("lookups").await else { return eprintln!("left out: no Postgres") };
    lookups(open(&url).await).await;
}

#[tokio::test]
async fn a_batch_commits_what_it_can_and_answers_each_input_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    facts(open(&format!("sqlite:{}", folder.path().join("test.db").display())).await).await;
}

#[tokio::test]
async fn a_batch_commits_what_it_can_and_answers_each_input_on_postgres() {
    let Some(url) = testkit::fresh_postgres("batches").await else { return eprintln!("left out: no Postgres") };
    facts(open(&url).await).await;
}

#[tokio::test]
async fn a_full_queue_answers_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    open(&url).await.close().await;
    let db = Db::open(Options { queue_max: 5, ..Options::new(url) }).await.unwrap();
    let queue = db.queue(Add::default());
    let answers = send_all(&queue, "full", 1..=100).await;
    let full = answers.iter().filter(|answer| matches!(answer, Err(Error::Refused(refusal)) if refusal.code == Code::Overloaded)).count();
    assert_eq!(full + usize::try_from(count(&db, "full").await).unwrap(), 100);
    assert!(full > 0);
    db.close().await;
}

#[tokio::test]
async fn a_connection_cut_at_commit_has_one_effect_and_one_answer() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let Some(url) = testkit::fresh_postgres("cut").await else { return eprintln!("left out: no Postgres") };
        open(&url).await.close().await;
        let (proxy, through) = Proxy::start(&url, cut).await;
        let db = Db::open(Options::new(through)).await.unwrap();
        let queue = db.queue(Add::default());
        assert!(send_all(&queue, "before", 1..=3).await.iter().all(Result::is_ok));
        for round in 1..=20 {
            proxy.cut_next(1);
            let answers = send_all(&queue, "cut", 1..=10).await;
            assert!(answers.iter().all(Result::is_ok), "{cut:?}: {answers:?}");
            assert_eq!(count(&db, "cut").await, round * 10, "{cut:?}: each input has one effect");
            assert_eq!(proxy.left(), 0, "the cut was made");
        }
        db.close().await;
    }
}

/// Adds a row; once it was asked to, it tells that the disk is full.
struct Doomed(Arc<AtomicUsize>);

impl Command for Doomed {
    const NAME: &'static str = "test.doomed";
    // Whatever has a key finds its first answer under it.
    const KEYED: bool = false;
    type Input = String;
    type Reply = i64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a String], _now: Instant) -> Result<Vec<Outcome<i64>>, Error> {
        if self.0.fetch_add(1, Ordering::SeqCst) > 0 {
            return Err(Error::Full("the disk".to_owned()));
        }
        tx.write(&ADD, Rows::of(batch, |name| row![*name, 1])).await?;
        Ok(batch.iter().map(|_| Ok(1)).collect())
    }
}

#[tokio::test]
async fn what_may_be_committed_is_never_told_to_have_changed_nothing() {
    let Some(url) = testkit::fresh_postgres("doubt").await else { return eprintln!("left out: no Postgres") };
    open(&url).await.close().await;
    let (proxy, through) = Proxy::start(&url, Cut::AfterCommit).await;
    let db = Db::open(Options::new(through)).await.unwrap();
    let queue = db.queue(Doomed(Arc::default()));
    proxy.cut_next(1);
    let told = queue.send(Meta::ours("test"), "doubt".to_owned()).await.unwrap_err();
    assert_eq!(told.to_refusal().code, Code::OutcomeUnknown, "{told}");
    assert_eq!(count(&db, "doubt").await, 1, "it was committed");
    db.close().await;
}

#[tokio::test]
async fn a_server_that_only_reads_is_left_and_commands_go_on_once_it_writes() {
    let Some(url) = testkit::fresh_postgres("reads").await else { return eprintln!("left out: no Postgres") };
    open(&url).await.close().await;
    let name = url.rsplit('/').next().unwrap().to_owned();
    db::run_once(&url, &format!("alter database \"{name}\" set default_transaction_read_only = on")).await.unwrap();
    let db = Db::open(Options::new(&url)).await.unwrap();
    let queue = db.queue(Add::default());
    let answers = send_all(&queue, "reads", 1..=20).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.to_refusal().code == Code::Unavailable)), "{answers:?}");
    let writes = format!("begin read write; alter database \"{name}\" set default_transaction_read_only = off; commit");
    db::run_once(&url, &writes).await.unwrap();
    assert!(send_all(&queue, "reads", 1..=20).await.iter().all(Result::is_ok), "nothing has to be restarted");
    assert_eq!(count(&db, "reads").await, 20);
    db.close().await;
}
