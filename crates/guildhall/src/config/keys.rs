//! The table of keys: each one's default and what it may be.
//! Refuses a key without a limit: a number that is far out is a typing error, and is cheaper told at start.

use super::reader::Reader;
use super::{Accounts, Config, Data, DatabaseUrl, Db, Log, LogFormat, Outbox, RefundMode, Retention, Server, Store};
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
        log: log(reader),
        retention: Retention { idempotency_h: reader.whole("retention.idempotency_h", 48, 1..=8_784) },
    };
    let (access, refresh) = (config.accounts.access_token_s, config.accounts.refresh_token_s);
    reader.require(
        access <= refresh,
        "accounts.refresh_token_s",
        refresh,
        &format!("should be at least accounts.access_token_s, which is {access}"),
    );
    let (batch, queue) = (config.db.batch_max, config.db.queue_max);
    reader.require(batch <= queue, "db.queue_max", queue, &format!("should be at least db.batch_max, which is {batch}"));
    config
}

fn server(reader: &mut Reader) -> Server {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    Server {
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
        reset_token_s: reader.whole("accounts.reset_token_s", 3_600, 1..=YEAR_S),
        confirm_token_s: reader.whole("accounts.confirm_token_s", 172_800, 1..=YEAR_S),
    }
}

fn outbox(reader: &mut Reader) -> Outbox {
    Outbox {
        mail_dir: reader.text("outbox.mail_dir", PathBuf::new(), "empty or the path of a folder", path_or_empty),
        events_file: reader.text("outbox.events_file", PathBuf::new(), "empty or the path of a file", path_or_empty),
        poll_ms: reader.whole("outbox.poll_ms", 200, 1..=3_600_000),
    }
}

fn log(reader: &mut Reader) -> Log {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    Log {
        format: reader.choice("log.format", LogFormat::Text, &formats),
        filter: reader.text("log.filter", "info".to_owned(), "a level, or levels per part, as info or info,db=debug", |text| {
            (!text.trim().is_empty() && EnvFilter::builder().parse(text).is_ok()).then(|| text.to_owned())
        }),
    }
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into()).filter(|_| !text.contains('\0'))
}

fn path_or_empty(text: &str) -> Option<PathBuf> {
    (!text.contains('\0')).then(|| text.into())
}

fn public_url(text: &str) -> Option<String> {
    let place = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = |place: &str| !place.is_empty() && !place.starts_with('/') && !place.contains(['@', '?', '#', ' ', '"', '<', '>']);
    (text.is_empty() || place.is_some_and(fits)).then(|| text.to_owned())
}
