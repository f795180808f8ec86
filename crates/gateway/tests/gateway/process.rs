//! Other processes: an instance that the system can freeze and kill, and a crowd that holds connections.

use crate::ground::{Ground, instance, policy, wait_for};
use crate::hostile::from;
use crate::upstream::{Conduct, Upstream, router};
use gateway::Route;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

const ROLE: &str = "GUILDHALL_GATEWAY_TEST_INSTANCE";

/// A process that does what one of the functions below says. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    /// Where it serves, or whom it holds connections to.
    address: SocketAddr,
}

impl Process {
    fn start() -> Process {
        Process::of("process::serves_where_it_is_started_to", "1")
    }

    /// Opens as many connections as [`CROWD`] and holds them.
    pub(crate) fn crowd(to: SocketAddr) -> Process {
        Process::of("process::holds_connections_where_it_is_started_to", &to.to_string())
    }

    fn of(role: &str, told: &str) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", role, "--nocapture"]).env(ROLE, told).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.map_while(Result::ok).find_map(|line| line.split_once("ready at ")?.1.trim().parse().ok()).unwrap();
        Process { child, address }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Not a test of its own: the process of the tests below. It ends when they kill it.
#[tokio::test]
async fn serves_where_it_is_started_to() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nready at {}", listener.local_addr().unwrap());
    axum::serve(listener, router(Arc::new(Conduct::default()))).await.unwrap();
}

/// Connections of a crowd: of 27, one sends half a header and one half a body, and the others nothing.
pub(crate) const CROWD: u32 = 10_800;

/// Not a test of its own: the crowd of a test elsewhere, from eleven addresses.
#[tokio::test]
async fn holds_connections_where_it_is_started_to() {
    let Some(to) = std::env::var(ROLE).ok().and_then(|to| to.parse::<SocketAddr>().ok()) else { return };
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let mut held = Vec::new();
    for n in 0..CROWD {
        let mut stream = from([127, 0, 0, u8::try_from(n / 1_000 + 2).unwrap()], to).await;
        match n % 27 {
            0 => stream.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\nX-A").await.unwrap(),
            1 => stream.write_all(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").await.unwrap(),
            _ => {}
        }
        held.push(stream);
    }
    println!("\nready at {to}");
    std::future::pending::<()>().await;
}

/// Requests one after the other by so many at once, while something happens to an instance; returns errors and the longest wait.
async fn load(ground: &Ground, is_over: impl Fn() -> bool) -> (usize, usize, Duration) {
    let (requests, errors) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = async || {
        let mut longest = Duration::ZERO;
        while !is_over() {
            let started = Instant::now();
            let answer = ground.http.post(ground.url("/x")).header("idempotency-key", "k").body("{}").send().await;
            requests.fetch_add(1, Ordering::SeqCst);
            errors.fetch_add(usize::from(!answer.is_ok_and(|answer| answer.status() == 200)), Ordering::SeqCst);
            longest = longest.max(started.elapsed());
        }
        longest
    };
    let longest = futures::future::join_all((0..8).map(|_| worker())).await.into_iter().max().unwrap();
    (requests.into_inner(), errors.into_inner(), longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_process_is_taken_out_without_an_error_and_comes_back() {
    let (well, freezing) = (Upstream::start().await, Process::start());
    let instances = vec![instance("app", "well", well.address), instance("app", "frozen", freezing.address)];
    let ground = Ground::with(policy(), vec![Route::to("/", "app")], instances, None).await;
    ground.until("frozen", "up").await;
    freezing.send(Signal::STOP);
    let frozen = Instant::now();
    let stands = |standing: &str| ground.gateway.overview().iter().any(|seen| seen.id == "frozen" && seen.standing == standing);
    let (requests, errors, longest) = load(&ground, || stands("down")).await;
    println!("frozen: down after {:?}; {requests} requests, {errors} errors, the longest {longest:?}", frozen.elapsed());
    assert_eq!(errors, 0, "what waited for it was sent to the other");
    freezing.send(Signal::CONT);
    let (_, errors, _) = load(&ground, || stands("up")).await;
    println!("frozen: back {:?} after it froze; {errors} errors", frozen.elapsed());
    assert_eq!(errors, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_costs_no_request_that_may_be_repeated() {
    let (well, mut dying) = (Upstream::start().await, Process::start());
    let instances = vec![instance("app", "well", well.address), instance("app", "dying", dying.address)];
    let ground = Ground::with(policy(), vec![Route::to("/", "app")], instances, None).await;
    let done = AtomicUsize::new(0);
    let killing = async {
        wait_for("load is under way", || well.requests() > 50).await;
        dying.child.kill().unwrap();
        let at = well.requests();
        wait_for("load went on", || well.requests() > at + 200).await;
        done.store(1, Ordering::SeqCst);
    };
    let ((requests, errors, longest), ()) = tokio::join!(load(&ground, || done.load(Ordering::SeqCst) == 1), killing);
    println!("killed: {requests} requests, {errors} errors, the longest {longest:?}");
    assert_eq!(errors, 0);
}
