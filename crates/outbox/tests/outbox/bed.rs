//! What the outbox's tests stand on: a database of their own, announcements, and sinks that behave as a test wants.
//! Asserts nothing about the outbox.

use db::{Announcement, Command, Db, Error, Meta, Options, Statement, Tx};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kernel::{Instant, Outcome, Uuid};
use outbox::{Outgoing, Sink};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;

/// A database of a test's own.
pub(crate) struct Bed {
    pub(crate) db: Db,
    pub(crate) url: String,
    pub(crate) folder: tempfile::TempDir,
    server: Option<(Db, String)>,
}

impl Bed {
    pub(crate) async fn sqlite() -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Bed::open(url, folder, None).await
    }

    pub(crate) async fn postgres(test: &str) -> Option<Bed> {
        let Ok(server_url) = std::env::var("GUILDHALL_TEST_POSTGRES") else {
            eprintln!("not run on Postgres: GUILDHALL_TEST_POSTGRES names no server");
            return None;
        };
        let short: String = test.chars().take(30).collect();
        let name = format!("outbox_{short}_{}", &Uuid::now_v7().simple().to_string()[16..]);
        let server = Db::open(Options::new(&server_url)).await.unwrap();
        server.plain(&format!("create database {name} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0")).await.unwrap();
        let (base, _) = server_url.rsplit_once('/').unwrap();
        Some(Bed::open(format!("{base}/{name}"), tempfile::tempdir().unwrap(), Some((server, name))).await)
    }

    async fn open(url: String, folder: tempfile::TempDir, server: Option<(Db, String)>) -> Bed {
        db::migrate(&Options::new(&url)).await.unwrap();
        Bed { db: Db::open(Options::new(&url)).await.unwrap(), url, folder, server }
    }

    pub(crate) async fn remove(self) {
        self.db.close().await;
        if let Some((server, name)) = self.server {
            server.plain(&format!("drop database {name} with (force)")).await.unwrap();
            server.close().await;
        }
    }

    pub(crate) async fn rows(&self) -> i64 {
        static ROWS: Statement = Statement::new("test.outbox_rows", "select count(*) from outbox");
        self.db.fetch(&ROWS, &[], |row| row.int(0)).await.unwrap()[0]
    }

    pub(crate) async fn kept_answers(&self) -> i64 {
        static KEPT: Statement = Statement::new("test.kept_answers", "select count(*) from idempotency");
        self.db.fetch(&KEPT, &[], |row| row.int(0)).await.unwrap()[0]
    }

    pub(crate) async fn say(&self, facts: &[(&'static str, &str, i64)]) {
        let said = facts.iter().map(|(topic, aggregate, version)| fact(topic, aggregate, *version)).collect();
        self.db.queue(Say::default()).send(Meta::ours("test"), said).await.unwrap();
    }
}

pub(crate) fn fact(topic: &'static str, aggregate: &str, version: i64) -> Announcement {
    Announcement { topic, aggregate: aggregate.to_owned(), version, payload: json!({ "says": version }) }
}

/// Announces; then commits, waits or breaks.
#[derive(Default)]
pub(crate) struct Say {
    pub(crate) breaks: bool,
    pub(crate) waits: Option<(Arc<Notify>, Arc<Notify>)>,
}

impl Command for Say {
    const NAME: &'static str = "test.say";
    type Input = Vec<Announcement>;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Vec<Announcement>], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        for said in batch {
            db::announce(tx, said).await?;
        }
        if let Some((written, go_on)) = &self.waits {
            written.notify_one();
            go_on.notified().await;
        }
        if self.breaks { Err(Error::Broken("broken by the test".to_owned())) } else { Ok(batch.iter().map(|_| Ok(())).collect()) }
    }
}

pub(crate) type Got = (String, i64, Uuid);

/// Remembers what it took; what `fails` names it does not take, nor what comes behind that.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) name: &'static str,
    pub(crate) got: Arc<Mutex<Vec<Got>>>,
    pub(crate) fails: Arc<Mutex<BTreeSet<(String, i64)>>>,
}

impl Recorder {
    pub(crate) fn new(name: &'static str) -> Recorder {
        Recorder { name, got: Arc::default(), fails: Arc::default() }
    }

    pub(crate) fn failing(self, aggregate: &str, version: i64) -> Recorder {
        self.fails.lock().insert((aggregate.to_owned(), version));
        self
    }

    pub(crate) fn takes(&self) -> Vec<(String, i64)> {
        self.got.lock().iter().map(|(aggregate, version, _)| (aggregate.clone(), *version)).collect()
    }

    pub(crate) fn on(&self, topics: &[&str]) -> (Vec<String>, Arc<dyn Sink>) {
        (topics.iter().map(|topic| (*topic).to_owned()).collect(), Arc::new(self.clone()))
    }
}

impl Sink for Recorder {
    fn name(&self) -> &str {
        self.name
    }
    fn target(&self) -> String {
        "memory".to_owned()
    }
    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>> {
        async move {
            let fails = self.fails.lock().clone();
            let mut stopped = BTreeSet::new();
            let mut take = |row: &&Outgoing| {
                if stopped.contains(&row.aggregate) || fails.contains(&(row.aggregate.clone(), row.version)) {
                    stopped.insert(row.aggregate.clone());
                    return Err("as the test wants it".to_owned());
                }
                self.got.lock().push((row.aggregate.clone(), row.version, row.id));
                Ok(())
            };
            batch.iter().map(&mut take).collect()
        }
        .boxed()
    }
}

/// Panics the first time, answers for nothing the second, then takes everything.
pub(crate) struct Clumsy(pub(crate) Arc<Mutex<u32>>);

impl Sink for Clumsy {
    fn name(&self) -> &str {
        "clumsy"
    }
    fn target(&self) -> String {
        String::new()
    }
    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>> {
        let time = {
            let mut times = self.0.lock();
            *times += 1;
            *times
        };
        assert_ne!(time, 1, "as the test wants it");
        async move { if time == 2 { Vec::new() } else { batch.iter().map(|_| Ok(())).collect() } }.boxed()
    }
}

/// Holds what it gets until it is told to go on.
pub(crate) struct Slow {
    pub(crate) recorder: Recorder,
    pub(crate) reached: Arc<Notify>,
    pub(crate) go_on: Arc<Notify>,
}

impl Sink for Slow {
    fn name(&self) -> &str {
        self.recorder.name
    }
    fn target(&self) -> String {
        self.recorder.target()
    }
    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>> {
        async move {
            self.reached.notify_one();
            self.go_on.notified().await;
            self.recorder.send(batch).await
        }
        .boxed()
    }
}
