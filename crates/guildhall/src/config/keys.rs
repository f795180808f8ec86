//! The table of keys: each one's default and what it may be.
//! Refuses a key without a limit: a number that is far out is a typing error, and is cheaper told at start.

use super::reader::Reader;
use super::{
    Accounts, Broker, Campaigns, Config, Data, DatabaseUrl, Db, Fleet, Gateway, Kafka, Log, LogFormat, Mail, Outbox, RefundMode, Registry,
    Retention, Server, SmtpUrl, Store, Stream, Teams, Telemetry, Webhooks,
};
use crate::services::Services;
use kernel::Currency;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

const DAY_S: u32 = 86_400;
const YEAR_S: u32 = 366 * DAY_S;

pub(super) fn read(reader: &mut Reader) -> Config {
    let config = Config {
        server: server(reader),
        data: Data { dir: reader.text("data.dir", "guildhall-data".into(), "the path of a folder", path) },
        db: db(reader),
        store: store(reader),
        accounts: accounts(reader),
        outbox: outbox(reader),
        mail: mail(reader),
        webhooks: webhooks(reader),
        kafka: kafka(reader),
        broker: broker(reader),
        stream: stream(reader),
        campaigns: Campaigns { auto_claim_ms: reader.whole("campaigns.auto_claim_ms", 100, 1..=3_600_000) },
        teams: teams(reader),
        gateway: Gateway::read(reader),
        registry: Registry::read(reader),
        fleet: Fleet::read(reader),
        log: log(reader),
        telemetry: Telemetry::read(reader),
        retention: Retention::read(reader),
    };
    let (access, refresh) = (config.accounts.access_token_s, config.accounts.refresh_token_s);
    reader.require(
        access <= refresh,
        "accounts.refresh_token_s",
        refresh,
        &format!("should be at least accounts.access_token_s, which is {access}"),
    );
    let topic = config.outbox.kafka_topic.clone();
    let has_kafka = topic.is_empty() || !config.kafka.brokers.is_empty();
    reader.require(has_kafka, "outbox.kafka_topic", topic, "needs kafka.brokers, which is empty");
    let (batch, queue) = (config.db.batch_max, config.db.queue_max);
    reader.require(batch <= queue, "db.queue_max", queue, &format!("should be at least db.batch_max, which is {batch}"));
    config
}

fn server(reader: &mut Reader) -> Server {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let services = "all, or names between commas as gateway or orders,payments: guildhall services lists them";
    Server {
        services: reader.text("server.services", Services::all(), services, |text| Services::parse(text).ok()),
        listen: reader.text("server.listen", listen, "an address and a port, as 127.0.0.1:8080 or [::]:8080", |text| text.parse().ok()),
        body_limit_bytes: reader.whole("server.body_limit_bytes", 1_048_576, 1_024..=1_073_741_824),
        request_timeout_ms: reader.whole("server.request_timeout_ms", 30_000, 10..=3_600_000),
        connections_max: reader.whole("server.connections_max", 20_000, 1..=1_000_000),
        shutdown_grace_ms: reader.whole("server.shutdown_grace_ms", 10_000, 0..=3_600_000),
        public_url: reader.text("server.public_url", String::new(), "empty, or as https://guild.example", public_url),
    }
}

fn db(reader: &mut Reader) -> Db {
    let empty = DatabaseUrl::parse("").expect("an empty address is the embedded database");
    let engines = "empty, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE";
    Db {
        url: reader.text("db.url", empty, engines, DatabaseUrl::parse),
        readers: reader.whole("db.readers", 4, 1..=1_000),
        writers: reader.whole("db.writers", 8, 1..=1_000),
        batch_max: reader.whole("db.batch_max", 256, 1..=10_000),
        queue_max: reader.whole("db.queue_max", 20_000, 1..=10_000_000),
        statement_timeout_ms: reader.whole("db.statement_timeout_ms", 5_000, 10..=3_600_000),
    }
}

fn store(reader: &mut Reader) -> Store {
    let refund_modes = [("immediate", RefundMode::Immediate), ("next_day", RefundMode::NextDay)];
    Store {
        points_currency: reader
            .text("store.points_currency", Currency::POINTS, "3 to 12 of A-Z, as POINTS", |text| text.parse::<Currency>().ok()),
        points_per_usd: reader.whole("store.points_per_usd", 1_300, 1..=1_000_000_000),
        hold_s: reader.whole("store.hold_s", 600, 1..=7 * DAY_S),
        refund_window_h: reader.whole("store.refund_window_h", 192, 0..=8_784),
        refund_mode: reader.choice("store.refund_mode", RefundMode::Immediate, &refund_modes),
        refund_played_minutes_max: reader.whole("store.refund_played_minutes_max", 0, 0..=527_040),
        settlement_interval_s: reader.whole("store.settlement_interval_s", 3_600, 1..=DAY_S),
        sweep_interval_ms: reader.whole("store.sweep_interval_ms", 250, 10..=3_600_000),
    }
}

fn accounts(reader: &mut Reader) -> Accounts {
    Accounts {
        access_token_s: reader.whole("accounts.access_token_s", 900, 1..=DAY_S),
        refresh_token_s: reader.whole("accounts.refresh_token_s", 2_592_000, 1..=YEAR_S),
        // Argon2 needs 8 KiB per lane (RFC 9106, 3.1); one lane is used.
        argon2_memory_kib: reader.whole("accounts.argon2_memory_kib", 19_456, 8..=4_194_304),
        argon2_iterations: reader.whole("accounts.argon2_iterations", 2, 1..=1_000),
        argon2_concurrency: reader.whole("accounts.argon2_concurrency", 1, 1..=1_024),
        login_attempts_per_account_per_min: reader.whole("accounts.login_attempts_per_account_per_min", 5, 1..=1_000_000),
        login_attempts_per_address_per_min: reader.whole("accounts.login_attempts_per_address_per_min", 60, 1..=1_000_000),
        key_requests_per_s: reader.whole("accounts.key_requests_per_s", 500, 0..=10_000_000),
        key_burst: reader.whole("accounts.key_burst", 1_000, 1..=10_000_000),
        reset_token_s: reader.whole("accounts.reset_token_s", 3_600, 1..=YEAR_S),
        confirm_token_s: reader.whole("accounts.confirm_token_s", 172_800, 1..=YEAR_S),
    }
}

fn teams(reader: &mut Reader) -> Teams {
    Teams {
        answer_cache_bytes: reader.whole("teams.answer_cache_bytes", 67_108_864, 0..=1_099_511_627_776),
        banner_max_age_s: reader.whole("teams.banner_max_age_s", 30, 0..=DAY_S),
        grant_poll_ms: reader.whole("teams.grant_poll_ms", 200, 1..=3_600_000),
        recipe_scan_rows_max: reader.whole("teams.recipe_scan_rows_max", 10_000, 0..=1_000_000_000),
        recipes_at_once: reader.whole("teams.recipes_at_once", 4, 1..=1_000),
        recipe_count_ms: reader.whole("teams.recipe_count_ms", 10_000, 1..=3_600_000),
    }
}

fn outbox(reader: &mut Reader) -> Outbox {
    Outbox {
        mail_dir: reader.text("outbox.mail_dir", PathBuf::new(), "empty or the path of a folder", path_or_empty),
        events_file: reader.text("outbox.events_file", PathBuf::new(), "empty or the path of a file", path_or_empty),
        kafka_topic: reader.text(
            "outbox.kafka_topic",
            String::new(),
            "empty, or at most 100 of a-z, A-Z, 0-9, dot, hyphen and underscore",
            topic_part,
        ),
        poll_ms: reader.whole("outbox.poll_ms", 200, 1..=3_600_000),
    }
}

fn mail(reader: &mut Reader) -> Mail {
    let empty = SmtpUrl::parse("").expect("an empty address is the folder");
    Mail {
        smtp_url: reader.text("mail.smtp_url", empty, "empty, or as smtps://USER:PASSWORD@HOST", SmtpUrl::parse),
        from: reader.text("mail.from", "Guildhall <guildhall@localhost>".to_owned(), "as Guildhall <noreply@example.com>", |text| {
            (text.contains('@') && text.len() <= 300 && !text.chars().any(char::is_control)).then(|| text.to_owned())
        }),
    }
}

fn webhooks(reader: &mut Reader) -> Webhooks {
    Webhooks {
        allow_private: reader.flag("webhooks.allow_private", false),
        ca_file: reader.text("webhooks.ca_file", PathBuf::new(), "empty or the path of a file", path_or_empty),
        keep_delivered_h: reader.whole("webhooks.keep_delivered_h", 168, 1..=87_840),
        keep_parked_h: reader.whole("webhooks.keep_parked_h", 720, 1..=87_840),
    }
}

fn kafka(reader: &mut Reader) -> Kafka {
    Kafka {
        brokers: reader.text("kafka.brokers", String::new(), "empty, or HOST:PORT of brokers, between commas", brokers),
        group: reader.text("kafka.group", "guildhall".to_owned(), "1 to 100 of a-z, A-Z, 0-9, dot, hyphen and underscore", |text| {
            (!text.is_empty()).then(|| topic_part(text)).flatten()
        }),
    }
}

fn broker(reader: &mut Reader) -> Broker {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
    Broker {
        listen: reader.text("broker.listen", Some(listen), "empty, or an address and a port, as 127.0.0.1:9092", |text| {
            if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
        }),
        dir: reader.text("broker.dir", PathBuf::new(), "empty or the path of a folder", path_or_empty),
        partitions: reader.whole("broker.partitions", 4, 1..=64),
        segment_mb: reader.whole("broker.segment_mb", 64, 1..=2_048),
        retention_h: reader.whole("broker.retention_h", 72, 0..=87_840),
        retention_mb: reader.whole("broker.retention_mb", 0, 0..=100_000_000),
        connections_max: reader.whole("broker.connections_max", 256, 1..=10_000),
    }
}

fn stream(reader: &mut Reader) -> Stream {
    let prefix = "at most 100 of a-z, A-Z, 0-9, dot, hyphen and underscore";
    Stream {
        topic_prefix: reader.text("stream.topic_prefix", "logs.".to_owned(), prefix, topic_part),
        checkpoint_due_ms: reader.whole("stream.checkpoint_due_ms", 50, 1..=60_000),
        achieved_due_ms: reader.whole("stream.achieved_due_ms", 10, 1..=60_000),
        idle_due_ms: reader.whole("stream.idle_due_ms", 1_000, 1..=60_000),
        behind_due_ms: reader.whole("stream.behind_due_ms", 4_000, 1..=600_000),
        checkpoint_players_max: reader.whole("stream.checkpoint_players_max", 50_000, 1..=1_000_000),
        checkpoint_records_max: reader.whole("stream.checkpoint_records_max", 50_000, 1..=1_000_000),
        cache_max_players: reader.whole("stream.cache_max_players", 250_000, 1..=100_000_000),
        read_records: reader.whole("stream.read_records", 10_000, 1..=1_000_000),
        read_bytes: reader.whole("stream.read_bytes", 4_194_304, 65_536..=268_435_456),
        body_max_bytes: reader.whole("stream.body_max_bytes", 268_435_456, 1_024..=17_179_869_184),
        body_waiting_bytes: reader.whole("stream.body_waiting_bytes", 4_194_304, 65_536..=1_073_741_824),
        body_requests_max: reader.whole("stream.body_requests_max", 32, 1..=10_000),
        look_time_max_ms: reader.whole("stream.look_time_max_ms", 20_000, 10..=3_600_000),
        look_records_max: reader.whole("stream.look_records_max", 50_000_000, 1..=100_000_000_000),
        look_players_max: reader.whole("stream.look_players_max", 1_000_000, 1..=100_000_000),
        look_events_max: reader.whole("stream.look_events_max", 1_000, 1..=100_000),
        looks_max: reader.whole("stream.looks_max", 2, 1..=100),
    }
}

fn log(reader: &mut Reader) -> Log {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    Log {
        format: reader.choice("log.format", LogFormat::Text, &formats),
        filter: reader.text("log.filter", "info".to_owned(), "a level, or levels per part, as info or info,db=debug", |text| {
            // A word alone that is no level would be taken for a part's name, and silence everything else.
            let is_level = |word: &str| word.trim().parse::<tracing::level_filters::LevelFilter>().is_ok();
            let told = text.split(',').all(|piece| piece.contains(['=', '[']) || is_level(piece));
            (!text.trim().is_empty() && told && EnvFilter::builder().parse(text).is_ok()).then(|| text.to_owned())
        }),
    }
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into()).filter(|_| !text.contains('\0'))
}

pub(super) fn path_or_empty(text: &str) -> Option<PathBuf> {
    (!text.contains('\0')).then(|| text.into())
}

fn public_url(text: &str) -> Option<String> {
    let place = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = |place: &str| !place.is_empty() && !place.starts_with('/') && !place.contains(['@', '?', '#', ' ', '"', '<', '>']);
    (text.is_empty() || place.is_some_and(fits)).then(|| text.to_owned())
}

/// A list that Kafka's clients take: each part names a host and a port.
pub(super) fn brokers(text: &str) -> Option<String> {
    let fits = |part: &str| {
        let place = part.trim().rsplit_once(':');
        place.is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(['/', ' ', '@']) && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    (text.is_empty() || text.split(',').all(fits)).then(|| text.to_owned())
}

pub(super) fn topic_part(text: &str) -> Option<String> {
    let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    (letters && text.len() <= 100).then(|| text.to_owned())
}
