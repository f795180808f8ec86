//! Where a test of campaigns takes place: a store with games, mappings and campaigns in it, a log of its own, and what is in the database.
//! Refuses to prepare anything past the API.

use crate::server::Server;
use crate::store::{Engine, Store};
use db::{Db, Statement};
use guildhall::Config;
use guildhall::config::DatabaseUrl;
use guildhall::load::games::Desk;
use guildhall::load::send::{KafkaSender, Outgoing};
use reqwest::{Client, Method};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// What comes after sending is waited for so long.
const WITHIN: Duration = Duration::from_secs(60);
/// A dead member's partitions are given to others after its session, which is shorter than this.
const STUCK_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where the logs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Log {
    /// A Kafka, by HOST:PORT.
    Kafka(String),
    /// The server's own, by the address where it takes Kafka's clients.
    Own(String),
}

/// A store with games.
pub(crate) struct Hub {
    pub(crate) store: Store,
    pub(crate) log: Log,
    /// In front of the games' names in topics.
    pub(crate) prefix: String,
    pub(crate) group: String,
    /// Another address of the database than the store's, as a proxy's.
    pub(crate) through: Option<String>,
    keys: BTreeMap<String, String>,
    client: Client,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Hub {
    /// A store on an engine whose logs come from there; none when the engine is not there.
    pub(crate) async fn new(label: &str, engine: Engine, log: Log) -> Option<Hub> {
        let store = Store::new(label, engine).await?;
        let prefix = format!("{}.", testkit::postgres::fresh_name(label));
        let client = Client::builder().no_proxy().build().expect("a client without TLS");
        let group = prefix.trim_end_matches('.').to_owned();
        Some(Hub { store, log, prefix, group, through: None, keys: BTreeMap::new(), client })
    }

    /// A log inside the server, with a port of its own.
    pub(crate) fn own_log() -> Log {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        Log::Own(free.to_string())
    }

    /// The shared Kafka, if there is one.
    pub(crate) fn kafka(test: &str) -> Option<Log> {
        let address = testkit::kafka::from_environment();
        if address.is_none() {
            println!("left out: {} is not set, so {test} did not run on Kafka", testkit::kafka::VARIABLE);
        }
        address.map(Log::Kafka)
    }

    /// Registers games with the shipped mappings of their names and campaigns, and makes their topics.
    pub(crate) async fn register(&mut self, games: &[(&str, Vec<Value>)], partitions: i32) {
        let app = self.store.app().await;
        let desk = Desk::open(&app).await.expect("an operator");
        for (game, campaigns) in games {
            desk.register(game, campaigns).await.expect("the documents are good");
            self.keys.insert((*game).to_owned(), desk.key(game).await.expect("a key"));
        }
        self.keys.insert("operator".to_owned(), desk.token().to_owned());
        app.stop().await;
        if let Log::Kafka(address) = &self.log {
            for (game, _) in games {
                testkit::kafka::create_topic(address, &self.topic(game), partitions).await;
            }
        }
    }

    /// The same without topics: another store has made them.
    pub(crate) async fn register_only(&mut self, games: &[(&str, Vec<Value>)]) {
        let log = std::mem::replace(&mut self.log, Log::Own(String::new()));
        self.register(games, 0).await;
        self.log = log;
    }

    pub(crate) fn topic(&self, game: &str) -> String {
        format!("{}{game}", self.prefix)
    }

    pub(crate) fn brokers(&self) -> &str {
        match &self.log {
            Log::Kafka(address) | Log::Own(address) => address,
        }
    }

    /// A server on this store and log.
    pub(crate) async fn serve(&self) -> Server {
        self.serve_with(&[]).await
    }

    pub(crate) async fn serve_with(&self, more: &[(&str, String)]) -> Server {
        // A crowd asks through one key, as fast as the machine lets it.
        let unlimited = ("GUILDHALL_ACCOUNTS_KEY_REQUESTS_PER_S", "0".to_owned());
        let mut set = vec![("GUILDHALL_STREAM_TOPIC_PREFIX", self.prefix.clone()), unlimited];
        match &self.log {
            Log::Kafka(address) => {
                set.extend([("GUILDHALL_KAFKA_BROKERS", address.clone()), ("GUILDHALL_KAFKA_GROUP", self.group.clone())]);
            }
            Log::Own(address) => {
                let folder = self.store.folder().join("log").display().to_string();
                set.extend([("GUILDHALL_BROKER_LISTEN", address.clone()), ("GUILDHALL_BROKER_DIR", folder)]);
            }
        }
        set.extend(more.iter().cloned());
        Server::start_through(&self.store, self.through.as_deref(), &set)
            .await
            .unwrap_or_else(|log| panic!("the server ended while it started:\n{}", log.join("\n")))
    }

    /// The database for reading, beside the servers and past any proxy.
    pub(crate) async fn db(&self) -> Db {
        let mut config = Config::default();
        config.data.dir = self.store.folder().to_owned();
        if let Some(url) = self.store.url() {
            config.db.url = DatabaseUrl::parse(url).expect("the server's URL is one");
        }
        Db::open(guildhall::app::database_options(&config)).await.expect("the database opens")
    }

    /// Sends records, each to its game's topic, and returns when the log has all of them.
    pub(crate) async fn send(&self, records: Vec<(String, Vec<u8>, Vec<u8>)>) {
        let (brokers, prefix) = (self.brokers().to_owned(), self.prefix.clone());
        let sending = move || {
            let sender = KafkaSender::new(&brokers, 5).expect("a producer");
            for (game, key, value) in &records {
                let topic = format!("{prefix}{game}");
                sender.send(Outgoing { topic: &topic, key, value, at_ms: None }).expect("the record is taken");
            }
            assert_eq!(sender.finish(), Ok(records.len() as u64));
        };
        tokio::task::spawn_blocking(sending).await.expect("every record is taken");
    }

    /// Asks a server as the game whose key it is, or as `operator`.
    pub(crate) async fn ask(&self, server: &Server, who: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", server.url())).bearer_auth(&self.keys[who]);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("the answer is whole");
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// Where a player's progress in a campaign is.
    pub(crate) fn player_path(game: &str, campaign: &str, player: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let letter = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        format!("/v1/games/{game}/campaigns/{campaign}/players/{}", player.bytes().map(letter).collect::<String>())
    }

    /// Sends lines over HTTP, as the game.
    pub(crate) async fn post_lines(&self, server: &Server, game: &str, lines: &[&[u8]]) {
        let body = lines.join(&b'\n');
        let answer = self.post_logs(server, game, body).await;
        assert!((200..300).contains(&answer.status), "{}: {}", answer.status, answer.body);
    }

    /// Sends one line of so many bytes; it may be refused, and must not be waited for.
    pub(crate) async fn post_huge_line(&self, server: &Server, game: &str, bytes: usize) {
        let answer = self.post_logs(server, game, vec![b'x'; bytes]).await;
        assert!((200..300).contains(&answer.status) || answer.status == 413, "{}: {}", answer.status, answer.body);
    }

    async fn post_logs(&self, server: &Server, game: &str, body: Vec<u8>) -> Answer {
        let request = self.client.post(format!("{}/v1/games/{game}/logs", server.url())).bearer_auth(&self.keys[game]);
        let response = request.header("content-type", "application/x-ndjson").body(body).send().await.expect("the server answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("the answer is whole");
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// Waits until each server reads some of a game's partitions, by their own word.
    pub(crate) async fn until_shared(&self, servers: &[&Server], game: &str, partitions: usize) {
        until("the partitions are shared out", async || {
            let mut held = Vec::new();
            for server in servers {
                let shown = self.ask(server, "operator", Method::GET, &format!("/v1/games/{game}/partitions"), None).await;
                let rows = shown.body.as_array().map_or(&[][..], Vec::as_slice);
                held.push(rows.iter().filter(|row| row["worker"]["phase"] == "reading").count());
            }
            held.iter().all(|count| *count > 0) && held.iter().sum::<usize>() == partitions
        })
        .await;
    }

    pub(crate) fn key(&self, game: &str) -> &str {
        &self.keys[game]
    }
}

static COMMITTED: Statement =
    Statement::new("test.committed", "select coalesce(cast(sum(next) as bigint), 0) from log_partition where partition >= 0");

/// Waits until so many records are in the database's progress; fails when nothing moves for a while.
pub(crate) async fn until_committed(db: &Db, records: u64) {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let now = committed(db).await;
        if now >= records {
            assert_eq!(now, records, "more was committed than was sent");
            return;
        }
        if now > last {
            (last, moved) = (now, Instant::now());
        }
        assert!(moved.elapsed() < STUCK_MAX, "{now} of {records} records are committed, and no more come");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The time now, for records that happen now.
pub(crate) fn now() -> kernel::Instant {
    guildhall::load::send::now()
}

/// Records in the database's progress; none while the database does not answer.
pub(crate) async fn committed(db: &Db) -> u64 {
    number(db, &COMMITTED).await
}

/// The one number a statement answers.
pub(crate) async fn number(db: &Db, statement: &'static Statement) -> u64 {
    let found = db.fetch(statement, &[], |row| row.int(0)).await.expect("the database answers");
    u64::try_from(found[0]).expect("a count")
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < WITHIN, "{what}: not within {} s", WITHIN.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
