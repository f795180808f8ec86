//! Clients that mean harm, on raw sockets: what they send is refused, does not reach a service as anything else, and holds nobody up.

use crate::ground::{Ground, closes_within, policy, read_for};
use crate::process::Process;
use crate::upstream::Upstream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

/// A second request, hidden where a careless reader would take it for one.
const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// What is sent, by what it tries.
fn smugglers() -> Vec<(&'static str, String)> {
    let post = |headers: &str, body: &str| format!("POST /x HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}");
    let get = |headers: &str| format!("GET /x HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{HIDDEN}");
    vec![
        ("two lengths", post("Content-Length: 0\r\nContent-Length: 38", HIDDEN)),
        ("two lengths in one", post("Content-Length: 0, 38", HIDDEN)),
        ("a length with a sign", post("Content-Length: +0", HIDDEN)),
        ("a negative length", post("Content-Length: -1", HIDDEN)),
        ("a length that is too long", post("Content-Length: 99999999999999999999", HIDDEN)),
        ("an unknown coding", post("Transfer-Encoding: xchunked", &format!("0\r\n\r\n{HIDDEN}"))),
        ("a coding that is not the last", post("Transfer-Encoding: chunked, identity", &format!("0\r\n\r\n{HIDDEN}"))),
        ("a coding twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", &format!("0\r\n\r\n{HIDDEN}"))),
        ("a coding in quotes", post("Transfer-Encoding: \"chunked\"", &format!("0\r\n\r\n{HIDDEN}"))),
        ("a coding after a control character", post("Transfer-Encoding: \u{b}chunked", &format!("0\r\n\r\n{HIDDEN}"))),
        ("a coding in HTTP/1.0", format!("POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}")),
        ("a space before the colon", post("Content-Length : 38", HIDDEN)),
        ("a folded line", post("X-A: b\r\n Content-Length: 38", HIDDEN)),
        ("a header that begins with a space", format!("GET /x HTTP/1.1\r\n Host: a\r\n\r\n{HIDDEN}")),
        ("a bare return in a value", get("X-A: b\rX-C: d")),
        ("a NUL in a value", get("X-A: b\0c")),
        ("a NUL in a name", get("X\0A: b")),
        ("a piece with a signed size", post("Transfer-Encoding: chunked", &format!("+0\r\n\r\n{HIDDEN}"))),
        ("a piece with a size in another notation", post("Transfer-Encoding: chunked", &format!("0x0\r\n\r\n{HIDDEN}"))),
        ("a piece whose size overflows", post("Transfer-Encoding: chunked", &format!("ffffffffffffffff1\r\n{HIDDEN}"))),
        ("a piece without its end", post("Transfer-Encoding: chunked", &format!("1\r\naX0\r\n\r\n{HIDDEN}"))),
        ("no host", format!("GET /x HTTP/1.1\r\n\r\n{HIDDEN}")),
        ("two hosts", get("Host: b")),
        ("a host with a path", format!("GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n{HIDDEN}")),
        ("a target of another host", format!("GET http://evil.example/x HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}")),
        ("a tunnel", format!("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n{HIDDEN}")),
        ("an echo of secrets", format!("TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}")),
        ("no version", format!("GET /x\r\n\r\n{HIDDEN}")),
        ("a version of its own", format!("GET /x HTTP/1.2\r\nHost: a\r\n\r\n{HIDDEN}")),
        ("the other protocol's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("no target", format!("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}")),
        ("a way up", format!("GET /a/../x HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}")),
        ("a hidden way up", format!("GET /a/%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}")),
        ("too large a header", get(&format!("X-A: {}", "a".repeat(40 << 10)))),
        ("too many headers", get(&(0..150).map(|n| format!("X-{n}: a")).collect::<Vec<_>>().join("\r\n"))),
        ("too long a target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}", "a".repeat(70_000))),
        ("not HTTP at all", format!("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n{HIDDEN}")),
    ]
}

#[tokio::test]
async fn no_request_is_smuggled_past_the_gateway() {
    for (what, bytes) in smugglers() {
        let upstream = Upstream::start().await;
        let ground = Ground::start(policy(), &[&upstream]).await;
        let answer = ground.raw(bytes.as_bytes()).await;
        let status = answer.get(9..12).unwrap_or("closed").to_owned();
        println!("{what}: {status}");
        assert!(["closed", "400", "405", "413", "414", "431"].contains(&&*status), "{what}: {answer}");
        // A body is passed on while it comes: of one that turns out to be broken the head may have been seen.
        let seen = upstream.seen();
        assert!(seen.is_empty() || what.starts_with("a piece") && seen == ["POST /x"], "{what}: {seen:?}");
        assert_eq!(ground.get("/x").await, 200, "and everyone else is served");
    }
}

/// As RFC 9112 (6.1) allows: the coding counts, the length is dropped, and nothing more is read from who sends both.
#[tokio::test]
async fn of_a_length_beside_a_coding_only_the_coding_is_passed_on_and_the_connection_ends() {
    for headers in ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"] {
        let upstream = Upstream::start().await;
        let ground = Ground::start(policy(), &[&upstream]).await;
        ground.raw(format!("POST /x HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n0\r\n\r\n{HIDDEN}").as_bytes()).await;
        assert_eq!(upstream.seen(), ["POST /x"], "{headers}");
        let got = upstream.headers();
        assert!(got.get("content-length").is_none_or(|length| length == "0") || !got.contains_key("transfer-encoding"), "{got:?}");
    }
}

#[tokio::test]
async fn what_is_odd_but_clear_comes_out_plain() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    let odd = [
        ("a target with its host", "GET http://a/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ("lines that end early", "GET /x HTTP/1.1\nHost: a\nConnection: close\n\n"),
        (
            "a piece with an extension",
            "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nz\r\n0\r\n\r\n",
        ),
        ("no host in HTTP/1.0", "GET /x HTTP/1.0\r\n\r\n"),
    ];
    for (n, (what, bytes)) in odd.into_iter().enumerate() {
        let answer = ground.raw(bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200"), "{what}: {answer}");
        assert_eq!(upstream.seen().len(), n + 1, "{what}");
        assert!(upstream.seen()[n].ends_with(" /x"), "{what}: {:?}", upstream.seen());
    }
}

#[tokio::test]
async fn two_requests_on_one_connection_are_two_requests() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    let answer = ground.raw(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi{HIDDEN}").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2);
    assert_eq!(upstream.seen(), ["POST /x", "GET /smuggled"]);
}

#[tokio::test]
async fn who_sends_headers_too_slowly_is_closed() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.timeouts.headers = Duration::from_millis(300);
    let ground = Ground::start(policy, &[&upstream]).await;
    let mut stream = TcpStream::connect(ground.address).await.unwrap();
    let started = Instant::now();
    let dripping = async {
        for byte in b"GET /x HTTP/1.1\r\nHost: a\r\n".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), dripping).await.expect("closed although it goes on sending");
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_body_that_stops_or_drips_is_given_up_without_an_instance() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.timeouts.body_idle = Duration::from_millis(200);
    let ground = Ground::start(policy, &[&upstream]).await;
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\nabc";
    let mut stopped = TcpStream::connect(ground.address).await.unwrap();
    stopped.write_all(head.as_bytes()).await.unwrap();
    let answer = read_for(&mut stopped, Duration::from_secs(5)).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("too slowly") && answer.contains("connection: close"), "{answer}");

    let mut dripping = TcpStream::connect(ground.address).await.unwrap();
    dripping.write_all(head.as_bytes()).await.unwrap();
    let drips = async {
        while dripping.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), drips).await.expect("given up although it goes on sending");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn one_address_gets_its_share_of_connections_and_no_more() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.connections_per_address_max = 20;
    let ground = Ground::start(policy, &[&upstream]).await;
    let mut greedy = Vec::new();
    for _ in 0..60 {
        greedy.push(from([127, 0, 0, 2], ground.address).await);
    }
    let mut closed = 0;
    for stream in &mut greedy {
        closed += usize::from(closes_within(stream, Duration::from_millis(50)).await);
    }
    assert_eq!(closed, 40);
    assert_eq!(ground.get("/x").await, 200, "another address has a share of its own");
}

pub(crate) async fn from(address: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// The 99th of a hundred of requests that eight clients send one after the other.
async fn p99(ground: &Ground) -> Duration {
    let client = async || {
        let mut took = Vec::new();
        for _ in 0..250 {
            let started = Instant::now();
            assert_eq!(ground.get("/x").await, 200);
            took.push(started.elapsed());
        }
        took
    };
    let mut took: Vec<Duration> = futures::future::join_all((0..8).map(|_| client())).await.concat();
    took.sort();
    took[took.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_and_hundreds_of_slow_ones_hold_nobody_up() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.connections_per_address_max = 1_000;
    policy.timeouts.headers = Duration::from_secs(120);
    policy.timeouts.body_idle = Duration::from_secs(120);
    let ground = Ground::start(policy, &[&upstream]).await;
    p99(&ground).await;
    let before = p99(&ground).await;
    let crowd = {
        let to = ground.address;
        tokio::task::spawn_blocking(move || Process::crowd(to)).await.unwrap()
    };
    let during = p99(&ground).await;
    println!("p99 {before:?} alone, {during:?} beside 10,000 idle connections, 400 that send slow headers and 400 that send slow bodies");
    assert!(during < before * 10 + Duration::from_millis(20), "{before:?} became {during:?}");
    assert_eq!(upstream.seen().len(), 6_000, "no slow request has reached the service");
    drop(crowd);
}
