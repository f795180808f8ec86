//! Where game logs come from: the embedded log with its port for Kafka's clients, or a Kafka; and the stream that reads them.
//! Refuses to end with a checkpoint under way: what was stepped is written before the log is closed.

use crate::config::Config;
use broker::{Broker, Server};
use campaigns::Campaigns;
use db::{Db, Error};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use stream::{IntakeLimits, KafkaOptions, Limits, Options, ReadingLimits, Source, Stream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;
/// Bytes of a mebibyte.
const MEBIBYTE: u64 = 1 << 20;

/// Running logs: the stream, and the embedded log where there is no Kafka.
pub(crate) struct Logs {
    /// From logs to progress.
    pub(crate) stream: Stream,
    own: Option<Own>,
}

/// The embedded log.
struct Own {
    broker: Broker,
    port: Option<Port>,
}

/// Where it takes Kafka's clients.
struct Port {
    address: SocketAddr,
    stop: Arc<Notify>,
    serving: JoinHandle<()>,
}

impl Logs {
    /// Opens the log that the configuration names and starts to read it; nothing where it names none.
    ///
    /// # Errors
    /// The log's folder is in use or damaged, its port is taken, or the database fails.
    pub(crate) async fn start(
        config: &Config,
        db: &Db,
        campaigns: &Campaigns,
        accounts: &accounts::Accounts,
    ) -> Result<Option<Logs>, Error> {
        let (source, own) = match (config.kafka.brokers.as_str(), config.log_dir()) {
            ("", None) => return Ok(None),
            ("", Some(folder)) => {
                let own = Own::open(config, &folder).await?;
                (Source::Embedded(own.broker.clone()), Some(own))
            }
            (brokers, _) => {
                let kafka = KafkaOptions { group: config.kafka.group.clone(), ..KafkaOptions::new(brokers) };
                (Source::Kafka(kafka), None)
            }
        };
        let stream = Stream::start(db, campaigns.live(), accounts, source, options(config)).await?;
        Ok(Some(Logs { stream, own }))
    }

    /// Where the embedded log takes Kafka's clients, if it does.
    pub(crate) fn port(&self) -> Option<SocketAddr> {
        self.own.as_ref()?.port.as_ref().map(|port| port.address)
    }

    /// Finishes the checkpoint under way, gives the partitions back, then closes the log.
    pub(crate) async fn stop(&self) {
        self.stream.stop().await;
        let Some(own) = &self.own else { return };
        if let Some(port) = &own.port {
            port.stop.notify_one();
        }
        own.broker.close().await;
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Own {
    async fn open(config: &Config, folder: &Path) -> Result<Own, Error> {
        let of = &config.broker;
        let options = broker::Options {
            segment_bytes: u64::from(of.segment_mb) * MEBIBYTE,
            retention_ms: (of.retention_h > 0).then(|| i64::from(of.retention_h) * HOUR_MS),
            retention_bytes: (of.retention_mb > 0).then(|| u64::from(of.retention_mb) * MEBIBYTE),
            partitions_default: of.partitions,
            limits: broker::Limits { connections_max: of.connections_max, ..broker::Limits::default() },
            ..broker::Options::default()
        };
        let broker = Broker::open(folder, options).await.map_err(|e| Error::Broken(format!("the embedded log: {e}")))?;
        let port = match of.listen {
            Some(listen) => Some(Port::open(&broker, listen).await?),
            None => None,
        };
        Ok(Own { broker, port })
    }
}

impl Port {
    async fn open(broker: &Broker, listen: SocketAddr) -> Result<Port, Error> {
        let told = |e: broker::Error| Error::Broken(format!("the embedded log cannot listen on {listen}, as broker.listen says: {e}"));
        let server = Server::bind(broker.clone(), &listen.to_string()).await.map_err(told)?;
        let (address, stop) = (server.address(), Arc::new(Notify::new()));
        let told = stop.clone();
        let serving = tokio::spawn(server.run(async move { told.notified().await }));
        Ok(Port { address, stop, serving })
    }
}

fn options(config: &Config) -> Options {
    let of = &config.stream;
    Options {
        topic_prefix: of.topic_prefix.clone(),
        partitions: config.broker.partitions,
        limits: Limits {
            checkpoint_due_ms: of.checkpoint_due_ms,
            achieved_due_ms: of.achieved_due_ms,
            idle_due_ms: of.idle_due_ms,
            behind_due_ms: of.behind_due_ms,
            checkpoint_players_max: of.checkpoint_players_max,
            checkpoint_records_max: of.checkpoint_records_max,
            cache_max_players: of.cache_max_players,
            read_records: of.read_records,
            read_bytes: of.read_bytes,
        },
        intake: IntakeLimits { body_max: of.body_max_bytes, waiting_bytes_max: of.body_waiting_bytes, requests_max: of.body_requests_max },
        reading: ReadingLimits {
            time_max_ms: of.look_time_max_ms,
            records_max: of.look_records_max,
            players_max: of.look_players_max,
            events_max: of.look_events_max,
            looks_max: of.looks_max,
        },
    }
}
