//! The load: so many connections, each with one request after the other, all of them with a token as a player's are.

use crate::processes::Running;
use hdrhistogram::Histogram;
use kernel::{SessionId, UserId};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use web::{Role, Roles, Tokens, Who};

/// What one measurement found.
#[derive(Clone)]
pub(crate) struct Outcome {
    pub(crate) per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) errors: u64,
    pub(crate) per_cpu_s: f64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { per_s, p50_ms, p99_ms, errors, per_cpu_s } = self;
        write!(f, "{per_s:10.0} {p50_ms:12.2} {p99_ms:9.2} {errors:8} {per_cpu_s:12.0}")
    }
}

/// The one with the middle rate.
pub(crate) fn middle(mut outcomes: Vec<Outcome>) -> Outcome {
    outcomes.sort_by(|a, b| a.per_s.total_cmp(&b.per_s));
    outcomes.swap_remove(outcomes.len() / 2)
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^53")]
pub(crate) fn measure(way: &Running, connections: usize, lasts: Duration) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be made");
    let (mut times, mut errors) = (histogram(), 0);
    let (mut cpu_s, mut took) = (0.0, Duration::ZERO);
    runtime.block_on(async {
        let tokens = Tokens::without_database(&[7; 32], 900);
        let clients: Vec<_> = (0..connections)
            .map(|_| {
                let who = Who { user: UserId::new(), session: SessionId::new(), roles: Roles::default().with(Role::Player) };
                let request = request(&tokens.issue(&who));
                let address = way.address;
                tokio::spawn(async move { client(address, request, lasts).await })
            })
            .collect();
        let (started, before) = (Instant::now(), way.cpu_s());
        for client in clients {
            let (some, failed) = client.await.expect("a client does not panic");
            times.add(some).expect("the same digits");
            errors += failed;
        }
        took = started.elapsed();
        cpu_s = way.cpu_s() - before;
    });
    let requests = times.len() as f64;
    Outcome {
        per_s: requests / took.as_secs_f64(),
        p50_ms: times.value_at_quantile(0.5) as f64 / 1e3,
        p99_ms: times.value_at_quantile(0.99) as f64 / 1e3,
        errors,
        per_cpu_s: requests / cpu_s,
    }
}

/// Times in microseconds, up to a minute. With bounds: one that grows by itself does not do so for a value that is clamped.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order and three digits are allowed")
}

fn request(token: &str) -> Vec<u8> {
    let body = r#"{"products":[4711],"note":"as large as a purchase"}"#;
    let headers = "Host: guild.example\r\nUser-Agent: bench\r\nAccept: application/json\r\nContent-Type: application/json";
    let length = body.len();
    format!("POST /v1/payments/buy HTTP/1.1\r\n{headers}\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: 0193-key\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Sends for as long as it lasts; returns the times in microseconds and how many went wrong.
async fn client(address: SocketAddr, request: Vec<u8>, lasts: Duration) -> (Histogram<u64>, u64) {
    let mut times = histogram();
    let mut errors = 0;
    let until = Instant::now() + lasts;
    let Ok(mut stream) = TcpStream::connect(address).await else { return (times, 1) };
    drop(stream.set_nodelay(true));
    let mut buffer = vec![0; 4_096];
    while Instant::now() < until {
        let started = Instant::now();
        if stream.write_all(&request).await.is_err() || !answer(&mut stream, &mut buffer).await {
            errors += 1;
            let Ok(another) = TcpStream::connect(address).await else { return (times, errors) };
            stream = another;
            continue;
        }
        times.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    (times, errors)
}

/// Reads one answer. True when it was a 200 with the body that its length promised.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    let mut filled = 0;
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer[filled..]).await else { return false };
        filled += read;
        let got = &buffer[..filled];
        let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&got[..end]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.trim().parse::<usize>().ok());
        if length.is_some_and(|length| filled >= end + 4 + length) {
            return head.starts_with("http/1.1 200");
        }
    }
}
