//! The logs of four games as a load test needs them: their topics in Kafka or in the embedded log, filled with generated records.
//! Refuses to touch topics of others: its own have a prefix of their own, and go with the test.

use super::games::{Desk, campaigns};
use super::ground::Ground;
use super::logs_terms::LogTerms;
use super::records::Records;
use super::send::{KafkaSender, create_topics, delete_topics};
use crate::App;
use crate::config::Config;
use broker::{Broker, Stamp, TopicConfig};
use kernel::Uuid;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The games, in the order the generator knows them.
pub const GAMES: [&str; 4] = ["kartrider", "kartrush", "baram", "suddenattack"];

/// What a record passes on its way to its row.
pub const ON: &str = "five campaigns per game, one topic of four keyed by match; states, achievements, dead letters and offsets in one durable transaction per checkpoint; no subscriber of events";

/// Where the logs of a load test are.
pub struct Backlog {
    /// Brokers of a Kafka; none: the log is the server's own.
    pub kafka: Option<String>,
    terms: LogTerms,
    prefix: String,
    /// Where the server's own log takes Kafka's clients.
    listen: SocketAddr,
}

/// What was put into the log.
#[derive(Debug, Clone, Copy)]
pub struct Filled {
    /// Records of all games.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// How long that took.
    pub took: Duration,
}

impl Backlog {
    /// Names topics of its own, on the Kafka that the settings name if they do.
    ///
    /// # Errors
    /// No port is free.
    pub fn new(ground: &Ground, terms: &LogTerms) -> Result<Backlog, String> {
        let brokers = &ground.config.kafka.brokers;
        let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        Ok(Backlog {
            kafka: Some(brokers.clone()).filter(|brokers| !brokers.is_empty()),
            terms: terms.clone(),
            prefix: format!("load-{}.", Uuid::now_v7().simple()),
            listen: listen.map_err(|e| format!("no free port: {e}"))?,
        })
    }

    /// Where clients send their records.
    pub fn brokers(&self) -> String {
        self.kafka.clone().unwrap_or_else(|| self.listen.to_string())
    }

    /// The topic of a game.
    pub fn topic(&self, game: &str) -> String {
        format!("{}{game}", self.prefix)
    }

    /// The topics of all games, in the order of [`GAMES`].
    pub fn topics(&self) -> Vec<String> {
        GAMES.iter().map(|game| self.topic(game)).collect()
    }

    /// The records that are sent, from the first one on.
    pub fn records(&self, terms: &LogTerms) -> Records {
        Records::new(terms)
    }

    /// Registers the games with their campaigns, those `more` of the game that writes its own records, and makes the topics.
    ///
    /// # Errors
    /// A document is refused, or Kafka does not answer.
    pub async fn prepare(&self, app: &App, more: Vec<Value>) -> Result<(), String> {
        let desk = Desk::open(app).await?;
        for game in GAMES {
            let mut documents = campaigns(game, &Records::items(game), app.db.now());
            documents.extend(more.iter().filter(|document| document["game"] == game).cloned());
            desk.register(game, &documents).await?;
        }
        match &self.kafka {
            Some(brokers) => create_topics(brokers, &self.topics(), self.terms.partitions.cast_signed()).await,
            None => Ok(()),
        }
    }

    /// Prepares the games and puts all records of the terms into the log, before any server runs.
    ///
    /// # Errors
    /// As [`Backlog::prepare`], or the log does not take the records.
    pub async fn fill(&self, ground: &Ground) -> Result<Filled, String> {
        let (app, lock) = ground.open().await?;
        let prepared = self.prepare(&app, Vec::new()).await;
        // Plans are made for empty tables until the engine was told otherwise.
        let analysed = app.db.analyse().await.map_err(|e| e.to_string());
        app.stop().await;
        drop(lock);
        prepared.and(analysed)?;
        if self.kafka.is_some() {
            return self.send_all().await;
        }
        let own = OwnLog::open(&ground.folder.join("log"), self).await?;
        let filled = self.send_all().await;
        own.close().await?;
        filled
    }

    async fn send_all(&self) -> Result<Filled, String> {
        let sender = KafkaSender::new(&self.brokers(), 20)?;
        let (mut records, topics, wanted) = (self.records(&self.terms), self.topics(), self.terms.records);
        let sending = move || {
            let begun = Instant::now();
            let mut bytes = 0;
            for sent in 0..wanted {
                bytes += records.send_next(&sender, &topics, true)? as u64;
                if sent % 1_000 == 0 {
                    sender.poll();
                }
            }
            let records = sender.finish()?;
            Ok(Filled { records, bytes, took: begun.elapsed() })
        };
        tokio::task::spawn_blocking(sending).await.map_err(|e| e.to_string())?
    }

    /// Settings of the server that reads these logs, as variables of its environment.
    pub fn environment(&self, ground: &Ground) -> Vec<(String, String)> {
        let mut set = ground.environment(None);
        // Nobody listens to events here: what is measured is the way from a record to its row.
        set.retain(|(name, _)| *name != Config::variable("outbox.events_file"));
        let own = match &self.kafka {
            Some(brokers) => vec![("kafka.brokers", brokers.clone()), ("kafka.group", self.prefix.trim_end_matches('.').to_owned())],
            None => vec![
                ("broker.dir", ground.folder.join("log").display().to_string()),
                ("broker.listen", self.listen.to_string()),
                ("broker.partitions", self.terms.partitions.to_string()),
                // A backlog's records are older than live ones are kept.
                ("broker.retention_h", "0".to_owned()),
            ],
        };
        set.push((Config::variable("stream.topic_prefix"), self.prefix.clone()));
        set.extend(own.into_iter().map(|(key, value)| (Config::variable(key), value)));
        set
    }

    /// Drops the topics in Kafka. Those of the server's own log go with its folder.
    pub async fn remove(&self) {
        if let Some(brokers) = &self.kafka
            && let Err(told) = delete_topics(brokers, &self.topics()).await
        {
            eprintln!("topics {}… stay: {told}", self.prefix);
        }
    }
}

/// The embedded log in this process, to be filled before a server has it.
struct OwnLog {
    broker: Broker,
    stop: Arc<Notify>,
    serving: tokio::task::JoinHandle<()>,
}

impl OwnLog {
    async fn open(folder: &Path, backlog: &Backlog) -> Result<OwnLog, String> {
        let broker =
            Broker::open(folder, broker::Options { retention_ms: None, ..broker::Options::default() }).await.map_err(|e| e.to_string())?;
        for topic in backlog.topics() {
            // The records say when they were appended: a backlog is of another time.
            let config = TopicConfig { stamp: Stamp::Producer, ..TopicConfig::default() };
            broker.create_topic_with(&topic, backlog.terms.partitions, config).await.map_err(|e| e.to_string())?;
        }
        let server = broker::Server::bind(broker.clone(), &backlog.listen.to_string()).await.map_err(|e| e.to_string())?;
        let stop = Arc::new(Notify::new());
        let told = stop.clone();
        let serving = tokio::spawn(server.run(async move { told.notified().await }));
        Ok(OwnLog { broker, stop, serving })
    }

    async fn close(self) -> Result<(), String> {
        self.stop.notify_one();
        self.serving.await.map_err(|e| e.to_string())?;
        self.broker.close().await;
        Ok(())
    }
}
