//! The real program as a child process: started, asked where it listens, killed, or stopped as an operator would.
//! With `GUILDHALL_THROUGH=gateway` what is asked goes to a gateway before it (see `front`); nothing in the tests knows.
//! Refuses to leave one running: a dropped server is killed.

#[path = "front.rs"]
mod front;

use crate::store::Store;
use front::{Front, Registry};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// A start on a busy machine.
const READY_MAX: Duration = Duration::from_secs(60);
/// An end in order: the grace of a shutdown and a little more.
const END_MAX: Duration = Duration::from_secs(15);
/// Lines of its log that are kept to be shown.
const LINES_MAX: usize = 10_000;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    log: mpsc::Receiver<String>,
    front: Option<Front>,
}

/// A process that said where it listens.
struct Launched {
    address: SocketAddr,
    child: Child,
    log: mpsc::Receiver<String>,
}

impl Server {
    /// Starts a server that is to live.
    pub(crate) async fn start(store: &Store) -> Server {
        Server::start_with(store, &[]).await.unwrap_or_else(|log| panic!("the server ended while it started:\n{}", log.join("\n")))
    }

    /// Starts a server with variables of its own; its log when it ends before it is ready.
    pub(crate) async fn start_with(store: &Store, variables: &[(&str, String)]) -> Result<Server, Vec<String>> {
        Server::start_through(store, None, variables).await
    }

    /// The same on another address of the store's database, as a proxy's.
    pub(crate) async fn start_through(store: &Store, url: Option<&str>, variables: &[(&str, String)]) -> Result<Server, Vec<String>> {
        let mut command = program(store, &["serve", "--listen", "127.0.0.1:0"], url);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if !front::is_asked_for(store) {
            let Launched { address, child, log } = launched(command).await?;
            return Ok(Server { address, child, log, front: None });
        }
        let registry = Registry::start(store).await;
        command.envs([registry.variable()]);
        let Launched { address, child, log } = launched(command).await?;
        let (front, gateway) = Front::start(store, registry, address, variables).await;
        Ok(Server { address: gateway, child, log, front: Some(front) })
    }

    /// The most memory it has held, in bytes.
    pub(crate) fn rss_max_bytes(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The lines of its log since the last look.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        drained(&mut self.log)
    }

    /// Its process.
    pub(crate) fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
        self.front = None;
    }

    /// How it ended, if it does within fifteen seconds: more than a shutdown's grace.
    pub(crate) async fn ended(&mut self) -> Option<ExitStatus> {
        let started = Instant::now();
        while started.elapsed() < END_MAX {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }

    /// Stops it as an operator does, and asserts that it ended well and had nothing to complain about.
    pub(crate) async fn stop(mut self) {
        if let Some(front) = &mut self.front {
            front.stop().await;
        }
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("a child takes signals");
        let status = self.ended().await.expect("the server ends when it is asked to");
        let errors: Vec<String> = drained(&mut self.log).into_iter().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
        assert!(status.success() && errors.is_empty(), "{status}\n{}", errors.join("\n"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs `guildhall check` on the store; what it said when an invariant is broken.
pub(crate) async fn check(store: &Store) -> Result<(), String> {
    let mut command = program(store, &["check"], None);
    let done = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the program runs");
    let text = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    if done.status.success() { Ok(()) } else { Err(text) }
}

/// Starts a process and waits until it is ready; its log when it ends before.
async fn launched(mut command: Command) -> Result<Launched, Vec<String>> {
    command.env("GUILDHALL_LOG_FORMAT", "json");
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program starts");
    let stderr = child.stderr.take().expect("it was piped");
    let (ready, is_ready) = oneshot::channel();
    let (lines, mut log) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut ready = Some(ready);
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(address) = address(&line)
                && let Some(ready) = ready.take()
            {
                let _ = ready.send(address);
            }
            // A full log loses its newest lines; the server must not wait for us to read them.
            drop(lines.try_send(line));
        }
    });
    match tokio::time::timeout(READY_MAX, is_ready).await.expect("the server is ready within a minute") {
        Ok(address) => Ok(Launched { address, child, log }),
        Err(_) => {
            child.wait().expect("a child can be waited for");
            Err(drained(&mut log))
        }
    }
}

/// The program with nothing of this process's settings: a variable meant for the tests is no setting of the server.
fn program(store: &Store, arguments: &[&str], url: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guildhall"));
    command.env_clear().args(arguments).args(store.flags(url));
    // Several servers run at once, so none may take the usual port of the embedded log.
    command.env("GUILDHALL_BROKER_LISTEN", "");
    command
}

/// The address in the line that says that the server is ready.
fn address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line.get("message")?.as_str()?.contains("is ready").then(|| line.get("address")?.as_str()?.parse().ok())?
}

fn drained(log: &mut mpsc::Receiver<String>) -> Vec<String> {
    std::iter::from_fn(|| log.try_recv().ok()).collect()
}
