//! What flows: uploads, downloads, events, sockets, and the end of a gateway that still carries them.

use crate::ground::{Ground, closes_within, pieces, policy, wait_for};
use crate::upstream::Upstream;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn events_come_one_by_one() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    let mut answer = ground.http.get(ground.url("/events")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    for n in 0..5 {
        let piece = answer.chunk().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&piece).contains(&format!("data: {n}\n\n")));
    }
    assert_eq!(ground.gateway.overview()[0].in_flight, 1);
    drop(answer);
    wait_for("the client's leaving is passed on", || ground.gateway.overview()[0].in_flight == 0).await;
}

#[tokio::test]
async fn large_bodies_flow_both_ways_without_being_kept() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.body_limit_bytes = 64 << 20;
    let ground = Ground::start(policy, &[&upstream]).await;
    let sent = ground.http.post(ground.url("/upload")).body(pieces(512, 64 << 10)).send().await.unwrap();
    assert_eq!(sent.json::<Value>().await.unwrap()["bytes"], 32 << 20);
    let got = ground.http.get(ground.url("/download?pieces=512")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(got.len(), 32 << 20);
}

async fn open_socket(ground: &Ground) -> TcpStream {
    let mut stream = TcpStream::connect(ground.address).await.unwrap();
    let ask = "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("upgrade: websocket") && head.contains("sec-websocket-accept: dghlihnhbxbszq=="),
        "{head}"
    );
    stream
}

#[tokio::test]
async fn a_socket_is_passed_through_both_ways_until_one_side_ends() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    let mut stream = open_socket(&ground).await;
    for frame in [&b"\x81\x85mask\x05\x04\x1f\x07\x02"[..], &[0x82, 0, 1, 2, 3]] {
        stream.write_all(frame).await.unwrap();
        let mut back = vec![0; frame.len()];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, frame);
    }
    assert_eq!(ground.gateway.overview()[0].in_flight, 1);
    drop(stream);
    wait_for("the end is passed on", || ground.gateway.overview()[0].in_flight == 0).await;
}

#[tokio::test]
async fn no_other_protocol_is_changed_to() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    let answer = ground
        .raw(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!upstream.headers().contains_key("upgrade") && !upstream.headers().contains_key("http2-settings"));
}

#[tokio::test]
async fn a_gateway_that_stops_finishes_what_it_took_and_takes_nothing_new() {
    let upstream = Upstream::start().await;
    upstream.slow_down(300);
    let mut ground = Ground::start(policy(), &[&upstream]).await;
    let mut idle = TcpStream::connect(ground.address).await.unwrap();
    idle.write_all(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let (http, url) = (ground.http.clone(), ground.url("/x"));
    let under_way = tokio::spawn(async move { http.get(url).send().await.unwrap().status().as_u16() });
    wait_for("a request is under way", || !upstream.seen().is_empty()).await;
    ground.stop();
    assert_eq!(under_way.await.unwrap(), 200);
    assert!(closes_within(&mut idle, Duration::from_secs(5)).await, "idle connections are closed");
    wait_for("it returns", || ground.serving.is_finished()).await;
    assert!(TcpStream::connect(ground.address).await.is_err());
}

#[tokio::test]
async fn a_socket_does_not_hold_a_stopping_gateway_longer_than_its_grace() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.timeouts.grace = Duration::from_millis(200);
    let mut ground = Ground::start(policy, &[&upstream]).await;
    let mut stream = open_socket(&ground).await;
    ground.stop();
    assert!(closes_within(&mut stream, Duration::from_secs(5)).await);
    wait_for("it returns", || ground.serving.is_finished()).await;
}
