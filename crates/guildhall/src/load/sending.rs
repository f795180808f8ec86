//! `guildhall load logs` without measuring: generated records into files, to a Kafka, or to a running server over HTTP.
//! Refuses to begin when nobody is named who takes them.

use super::backlog::GAMES;
use super::driver::{self, Amount, Load, request};
use super::logs_terms::LogTerms;
use super::records::{Records, place};
use super::send::KafkaSender;
use crate::cli::{Settings, load_config};
use bytes::Bytes;
use parking_lot::Mutex;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of lines in one request; a server takes far more.
const BODY_BYTES: usize = 512 << 10;
/// Requests on their way at once.
const CONNECTIONS: usize = 4;

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) async fn run(settings: &Settings, terms: &LogTerms) -> Result<ExitCode, String> {
    let begun = Instant::now();
    let terms = terms.clone();
    let config = load_config(settings, Vec::new())?;
    let (brokers, prefix) = (config.kafka.brokers.clone(), config.stream.topic_prefix.clone());
    let count = terms.records;
    let told = match (&terms.files, &terms.url) {
        (Some(folder), _) => {
            let told = format!("to files in {}", folder.display());
            blocking(move || to_files(&terms)).await?;
            told
        }
        (None, Some(url)) => {
            let (told, target) = (format!("to {url}"), super::address(url)?);
            blocking(move || over_http(&terms, target)).await?;
            told
        }
        (None, None) if !brokers.is_empty() => {
            let told = format!("to {brokers}, topics {prefix}…");
            blocking(move || to_kafka(&terms, &brokers, &prefix)).await?;
            told
        }
        (None, None) => {
            return Err(
                "nobody takes the records: --drain, --rate N, --files DIR, --url URL or --kafka HOST:PORT would be right".to_owned()
            );
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    println!("{count} records of {} games {told} in {seconds:.1} s: {:.0} a second", GAMES.len(), count as f64 / seconds.max(1e-6));
    Ok(ExitCode::SUCCESS)
}

async fn blocking(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string())?
}

fn to_files(terms: &LogTerms) -> Result<(), String> {
    let folder = terms.files.as_deref().unwrap_or(Path::new("."));
    let told = |e: std::io::Error| format!("{}: {e}", folder.display());
    std::fs::create_dir_all(folder).map_err(told)?;
    let mut files = Vec::new();
    for game in GAMES {
        files.push(BufWriter::new(File::create(folder.join(format!("{game}.log"))).map_err(told)?));
    }
    let mut records = Records::new(terms);
    for _ in 0..terms.records {
        let mut written = Ok(());
        records.next(true, |game, _, value, _| {
            let at = place(game);
            written = files[at].write_all(value).and_then(|()| files[at].write_all(b"\n"));
        });
        written.map_err(told)?;
    }
    files.into_iter().try_for_each(|file| file.into_inner().map(drop).map_err(|e| told(e.into_error())))
}

fn to_kafka(terms: &LogTerms, brokers: &str, prefix: &str) -> Result<(), String> {
    let sender = KafkaSender::new(brokers, 20)?;
    let topics: Vec<String> = GAMES.iter().map(|game| format!("{prefix}{game}")).collect();
    let mut records = Records::new(terms);
    for sent in 0..terms.records {
        records.send_next(&sender, &topics, true)?;
        if sent % 1_000 == 0 {
            sender.poll();
        }
    }
    sender.finish().map(drop)
}

/// Lines gathered for each game until they fill a request.
struct Bodies {
    records: Records,
    left: u64,
    waiting: [Vec<u8>; 4],
}

impl Bodies {
    /// The next request's game and lines; none when all are sent.
    fn next(&mut self) -> Option<(usize, Vec<u8>)> {
        while self.left > 0 {
            self.left -= 1;
            let waiting = &mut self.waiting;
            let mut full = None;
            self.records.next(true, |game, _, value, _| {
                let at = place(game);
                waiting[at].extend_from_slice(value);
                waiting[at].push(b'\n');
                full = (waiting[at].len() >= BODY_BYTES).then_some(at);
            });
            if let Some(at) = full {
                return Some((at, std::mem::take(&mut self.waiting[at])));
            }
        }
        let at = self.waiting.iter().position(|lines| !lines.is_empty())?;
        Some((at, std::mem::take(&mut self.waiting[at])))
    }
}

fn over_http(terms: &LogTerms, target: SocketAddr) -> Result<(), String> {
    let bearer = format!("Bearer {}", terms.token.as_deref().unwrap_or_default());
    let bodies = Bodies { records: Records::new(terms), left: terms.records, waiting: Default::default() };
    let (bodies, host) = (Arc::new(Mutex::new(bodies)), target.to_string());
    let refused: Arc<Mutex<Option<String>>> = Arc::default();
    loop {
        // As many requests as connections, so that no more than those lies in memory.
        let lot: Vec<Bytes> = (0..CONNECTIONS)
            .map_while(|_| bodies.lock().next())
            .map(|(game, lines)| {
                let path = format!("/v1/games/{}/logs", GAMES[game]);
                Bytes::from(request("POST", &path, &host, &[("Authorization", &bearer)], &lines))
            })
            .collect();
        if lot.is_empty() {
            break;
        }
        let count = lot.len() as u64;
        let requests: driver::Requests = Arc::new(move |index| lot[usize::try_from(index).expect("a few")].clone());
        let mut load = Load::new(target, CONNECTIONS, Amount::Requests(count), requests);
        let told = refused.clone();
        load.on_response = Some(Arc::new(move |_, status, body| {
            if status >= 300 {
                *told.lock() = Some(format!("the server answered {status}: {}", String::from_utf8_lossy(body)));
            }
        }));
        let outcome = driver::run(&load).map_err(|e| e.to_string())?;
        if let Some(told) = refused.lock().take() {
            return Err(told);
        }
        if outcome.answered() < count {
            return Err(format!("{} of {count} requests had no answer", count - outcome.answered()));
        }
    }
    Ok(())
}
