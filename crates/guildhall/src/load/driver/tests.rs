//! Runs loads against real servers in the same process, well-behaved and otherwise.
//! Leaves the reading of single answers to `response`.

use super::*;
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A server that runs beside the blocking driver until it is dropped.
struct Server {
    address: SocketAddr,
    _runtime: Runtime,
}

fn serve(router: Router) -> Server {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(listener, router).await });
    Server { address, _runtime: runtime }
}

/// What a connection, given its number from 0, is answered, and whether the connection goes on; none is silence.
type Script = fn(usize) -> Option<(&'static [u8], bool)>;

/// A server that answers each request by its script and by nothing else.
fn serve_raw(script: Script) -> Server {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                    match script(number) {
                        Some((answer, goes_on)) => {
                            stream.write_all(answer).await.unwrap();
                            if !goes_on {
                                return;
                            }
                        }
                        None => std::future::pending().await,
                    }
                }
            });
        }
    });
    Server { address, _runtime: runtime }
}

fn hello() -> Requests {
    let bytes = Bytes::from(request("GET", "/hello", "test", &[], b""));
    Arc::new(move |_| bytes.clone())
}

#[test]
fn each_request_is_sent_once_and_every_answer_is_counted() {
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let buy = move |body: String| async move {
        let index: u64 = body.parse().unwrap();
        noted.lock().push(index);
        if index.is_multiple_of(3) {
            (StatusCode::OK, format!("granted {index}"))
        } else {
            (StatusCode::CONFLICT, format!("sold out {index}"))
        }
    };
    let server = serve(Router::new().route("/buy", post(buy)));
    let answers: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let told = Arc::clone(&answers);
    let mut load = Load::new(
        server.address,
        20,
        Amount::Requests(1_000),
        Arc::new(|index| request("POST", "/buy", "test", &[], index.to_string().as_bytes()).into()),
    );
    load.threads = 2;
    load.on_response = Some(Arc::new(move |index, status, body| {
        told.lock().insert(format!("{index} {status} {}", String::from_utf8_lossy(body)));
    }));
    let outcome = run(&load).unwrap();

    let mut seen = seen.lock().clone();
    seen.sort_unstable();
    assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
    assert_eq!(outcome.by_status, BTreeMap::from([(200, 334), (409, 666)]));
    let answers = answers.lock();
    assert_eq!(answers.len(), 1_000);
    assert!(answers.contains("3 200 granted 3") && answers.contains("4 409 sold out 4"));
    assert_eq!((outcome.errors, outcome.unsent, outcome.reopened), (Errors::default(), 0, 0));
    assert_eq!((outcome.answered(), load.taken.load(Ordering::Relaxed)), (1_000, 1_000));
    assert!(outcome.elapsed > Duration::ZERO && outcome.latency_us.max() > 0);
}

#[test]
fn a_chunked_answer_larger_than_the_buffer_arrives_whole() {
    let pieces = || in_pieces(300, 1_000);
    let server = serve(Router::new().route("/hello", get(move || async move { Body::new(pieces()) })));
    let lengths: Arc<Mutex<Vec<usize>>> = Arc::default();
    let told = Arc::clone(&lengths);
    let mut load = Load::new(server.address, 3, Amount::Requests(9), hello());
    load.on_response = Some(Arc::new(move |_, _, body| told.lock().push(body.len())));
    let outcome = run(&load).unwrap();
    assert_eq!(outcome.by_status, BTreeMap::from([(200, 9)]));
    assert_eq!(*lengths.lock(), vec![300_000; 9]);
    assert_eq!(outcome.reopened, 0);
}

/// A body of so many pieces whose length is not known beforehand, so that it is sent in chunks.
fn in_pieces(pieces: usize, size: usize) -> impl axum::body::HttpBody<Data = Bytes, Error = std::convert::Infallible> {
    struct Pieces(usize, usize);
    impl axum::body::HttpBody for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            if self.0 == 0 {
                return std::task::Poll::Ready(None);
            }
            self.0 -= 1;
            std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(vec![b'x'; self.1].into()))))
        }
    }
    Pieces(pieces, size)
}

#[test]
fn two_thousand_connections_are_all_open_before_the_first_request() {
    // The server answers nobody until as many requests wait as there are connections: any fewer and the run would time out.
    const CONNECTIONS: usize = 2_000;
    let waiting = Arc::new((AtomicUsize::new(0), tokio::sync::Semaphore::new(0)));
    let gate = Arc::clone(&waiting);
    let all_at_once = move || async move {
        if gate.0.fetch_add(1, Ordering::SeqCst) + 1 == CONNECTIONS {
            gate.1.add_permits(CONNECTIONS);
        }
        gate.1.acquire().await.unwrap().forget();
        "hello"
    };
    let server = serve(Router::new().route("/hello", get(all_at_once)));
    // Both ends of every connection are files of this process.
    raise_file_limit(2 * CONNECTIONS as u64 + 200).unwrap();
    let outcome = run(&Load::new(server.address, CONNECTIONS, Amount::Requests(CONNECTIONS as u64), hello())).unwrap();
    assert_eq!(outcome.by_status, BTreeMap::from([(200, 2_000)]));
    assert_eq!((outcome.errors.total(), outcome.reopened), (0, 0));
}

#[test]
fn a_run_for_a_time_ends_after_it_and_counts_what_was_answered() {
    let server = serve(Router::new().route("/hello", get(|| async { "hello" })));
    let load = Load::new(server.address, 4, Amount::Time(Duration::from_millis(200)), hello());
    let outcome = run(&load).unwrap();
    assert!(outcome.answered() > 0);
    assert_eq!(outcome.answered(), load.taken.load(Ordering::Relaxed));
    assert!((150..2_000).contains(&outcome.elapsed.as_millis()), "{:?}", outcome.elapsed);
}

#[test]
fn a_connection_the_server_closes_politely_is_opened_again_and_is_no_error() {
    let server = serve_raw(|_| Some((b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false)));
    let outcome = run(&Load::new(server.address, 1, Amount::Requests(10), hello())).unwrap();
    assert_eq!(outcome.by_status, BTreeMap::from([(200, 10)]));
    assert_eq!(outcome.errors, Errors::default());
    assert_eq!(outcome.reopened, 9);
}

#[test]
fn a_connection_that_breaks_costs_one_request_and_is_opened_again() {
    // Only the first two connections break; their successors serve on.
    let server = serve_raw(|number| {
        Some(if number < 2 {
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", false)
        } else {
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true)
        })
    });
    let outcome = run(&Load::new(server.address, 1, Amount::Requests(10), hello())).unwrap();
    assert_eq!(outcome.errors, Errors { closed: 2, ..Errors::default() });
    assert_eq!(outcome.by_status, BTreeMap::from([(200, 8)]));
    assert_eq!((outcome.reopened, outcome.unsent), (2, 0));
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole() {
    let server = serve_raw(|_| Some((b"HTTP/1.0 200 OK\r\n\r\nall of it", false)));
    let outcome = run(&Load::new(server.address, 1, Amount::Requests(3), hello())).unwrap();
    assert_eq!(outcome.by_status, BTreeMap::from([(200, 3)]));
    assert_eq!(outcome.errors, Errors::default());
}

#[test]
fn an_answer_that_does_not_come_in_time_is_a_timeout() {
    let server = serve_raw(|number| if number == 0 { None } else { Some((b"HTTP/1.1 204 No Content\r\n\r\n", true)) });
    let mut load = Load::new(server.address, 1, Amount::Requests(5), hello());
    load.request_timeout = Duration::from_millis(100);
    let outcome = run(&load).unwrap();
    assert_eq!(outcome.errors, Errors { timeout: 1, ..Errors::default() });
    assert_eq!(outcome.by_status, BTreeMap::from([(204, 4)]));
    assert!(outcome.elapsed >= Duration::from_millis(100));
}

#[test]
fn what_is_no_answer_is_malformed_and_so_are_two_answers() {
    for script in [(|_| Some((&b"SSH-2.0-x\r\n"[..], false))) as Script, |_| Some((b"HTTP/1.1 204 A\r\n\r\nHTTP/1.1 204 B\r\n\r\n", true))]
    {
        let server = serve_raw(script);
        let outcome = run(&Load::new(server.address, 1, Amount::Requests(2), hello())).unwrap();
        assert_eq!(outcome.errors, Errors { malformed: 2, ..Errors::default() });
        assert_eq!(outcome.answered(), 0);
    }
}

#[test]
fn a_server_that_is_still_starting_is_waited_for() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let load = Load::new(address, 5, Amount::Requests(5), hello());
    let running = std::thread::spawn(move || run(&load));
    let runtime = Runtime::new().unwrap();
    // Nothing tells of a refused attempt. The driver's first comes within microseconds, so it is refused unless this machine stands still.
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
    let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
    runtime.spawn(async move { axum::serve(listener, Router::new().route("/hello", get(|| async { "hello" }))).await });
    assert_eq!(running.join().unwrap().unwrap().by_status, BTreeMap::from([(200, 5)]));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut load = Load::new(address, 50, Amount::Requests(5), hello());
    load.connect_timeout = Duration::from_millis(50);
    load.threads = 3;
    let told = run(&load).unwrap_err().to_string();
    assert!(told.starts_with(&format!("no connection to {address} could be opened")), "{told}");
}

#[test]
fn a_server_that_goes_away_leaves_requests_unsent() {
    // One connection is served for three requests, then the listener is gone for good.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        for _ in 0..3 {
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        }
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    });
    let mut load = Load::new(address, 1, Amount::Requests(10), hello());
    load.connect_timeout = Duration::from_millis(50);
    let outcome = run(&load).unwrap();
    server.join().unwrap();
    assert_eq!(outcome.by_status, BTreeMap::from([(204, 3)]));
    assert_eq!(outcome.errors, Errors { closed: 1, connect: 1, ..Errors::default() });
    assert_eq!(outcome.unsent, 6);
}

#[test]
fn more_files_than_the_system_allows_are_refused_with_the_remedy() {
    let told = raise_file_limit(u64::MAX / 2).unwrap_err().to_string();
    assert!(told.contains("ulimit -Hn"), "{told}");
}

#[test]
fn a_rate_is_kept_and_what_waited_for_a_connection_shows_how_long() {
    let server = serve(Router::new().route(
        "/hello",
        get(|| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }),
    ));
    let mut load = Load::new(server.address, 4, Amount::Requests(50), hello());
    load.per_s = Some(100.0);
    let kept = run(&load).unwrap();
    assert!(kept.elapsed >= Duration::from_millis(490), "{:?}", kept.elapsed);
    // One connection answers a hundred a second at the most, so that a thousand a second have to wait for it.
    let mut load = Load::new(server.address, 1, Amount::Requests(50), hello());
    load.per_s = Some(1_000.0);
    let late = run(&load).unwrap();
    assert!(late.latency_us.max() > 400_000, "{} µs", late.latency_us.max());
}
