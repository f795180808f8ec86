//! A whole fleet of the real program: started by its one command, asked who is there, stopped as an operator does.
//! Refuses to leave one running: dropped, its processes end with it.

use crate::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Sixteen processes of a debug build on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(120);
const END_WITHIN: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);
const LINES_MAX: usize = 10_000;

/// A process as `fleet status` shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) services: BTreeSet<String>,
    pub(crate) address: String,
    pub(crate) status: String,
    /// Its process id; 0 where it says none, as one does that is not of the program.
    #[serde(deserialize_with = "or_none")]
    pub(crate) pid: i32,
    /// Where a gateway's metrics are.
    pub(crate) metrics: Option<String>,
}

/// A running fleet.
pub(crate) struct Fleet<'s> {
    pub(crate) gateways: [SocketAddr; 2],
    registries: [SocketAddr; 2],
    store: &'s Store,
    child: Child,
    told: mpsc::Receiver<String>,
}

impl<'s> Fleet<'s> {
    /// Starts a fleet on the store; with the streams where the environment names a Kafka.
    pub(crate) async fn start(store: &'s Store, layout: &str) -> Fleet<'s> {
        let ports = free_ports();
        let (gateways, registries) = ([ports[0], ports[1]], [ports[2], ports[3]]);
        let pair = |pair: [SocketAddr; 2]| format!("{},{}", pair[0], pair[1]);
        let (doors, places) = (pair(gateways), pair(registries));
        let mut command = program(store, &["fleet", "--local", "--layout", layout, "--gateways", &doors, "--registries", &places]);
        if let Some(kafka) = testkit::kafka::from_environment() {
            // Other tests' stores read the same Kafka: a group and topics of our own.
            let own =
                store.folder().file_name().and_then(|name| name.to_str()).expect("a temporary folder's name is text").replace('.', "");
            command.args(["--kafka", &kafka]).env("GUILDHALL_KAFKA_GROUP", format!("fleet-{own}"));
            command.env("GUILDHALL_STREAM_TOPIC_PREFIX", format!("fleet-{own}."));
        }
        // One machine sends what a country does.
        for unlimited in ["ADDRESS_PER_S", "USER_PER_S", "KEY_PER_S"] {
            command.env(format!("GUILDHALL_GATEWAY_{unlimited}"), "0");
        }
        command.env("GUILDHALL_GATEWAY_CONNECTIONS_PER_ADDRESS_MAX", "1000000").env("GUILDHALL_GATEWAY_ACCESS_LOG", "false");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("it was piped");
        let (lines, told) = mpsc::channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A full log loses its newest lines; the fleet must not wait for us to read them.
                drop(lines.try_send(line));
            }
        });
        let mut fleet = Fleet { gateways, registries, store, child, told };
        fleet.hear("the fleet is up", READY_WITHIN).await;
        fleet
    }

    /// Waits for a line that holds this.
    async fn hear(&mut self, wanted: &str, within: Duration) {
        let mut heard = Vec::new();
        let hearing = async {
            while let Some(line) = self.told.recv().await {
                let is_it = line.contains(wanted);
                heard.push(line);
                if is_it {
                    return true;
                }
            }
            false
        };
        let is_there = tokio::time::timeout(within, hearing).await;
        assert_eq!(is_there, Ok(true), "the fleet did not say {wanted:?}:\n{}\n{}", heard.join("\n"), self.logs());
    }

    /// The ends of its processes' logs.
    pub(crate) fn logs(&self) -> String {
        let folder = std::fs::read_dir(self.store.folder().join("fleet"));
        let tail = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("{}:\n{}", path.display(), lines[lines.len().saturating_sub(4)..].join("\n"))
        };
        folder.into_iter().flatten().flatten().map(|entry| tail(entry.path())).collect::<Vec<_>>().join("\n")
    }

    /// Who is there, as the command line tells.
    pub(crate) async fn status(&self) -> Vec<Seen> {
        let done = self.ask(&["fleet", "status", "--json", "--registry", &self.registry_urls()]).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("the status is JSON")
    }

    /// The processes that take requests and serve this.
    pub(crate) async fn serving(&self, service: &str) -> Vec<Seen> {
        self.status().await.into_iter().filter(|seen| seen.status == "up" && seen.services.contains(service)).collect()
    }

    /// Restarts one after another, as an operator does.
    pub(crate) async fn restart(&self, service: Option<&str>) -> String {
        let urls = self.registry_urls();
        let mut arguments = vec!["fleet", "restart", "--registry", &urls];
        arguments.extend(service);
        let done = self.ask(&arguments).await;
        let text = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
        assert!(done.status.success(), "{text}\n{}", self.logs());
        text
    }

    /// Runs the program on the fleet's store.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = program(self.store, arguments);
        tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the program runs")
    }

    pub(crate) fn registry_urls(&self) -> String {
        self.registries.map(|address| format!("http://{address}")).join(",")
    }

    /// Stops it as Ctrl-C does; it ends in order.
    pub(crate) async fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("a child takes signals");
        self.hear("the fleet has stopped", END_WITHIN).await;
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        // It may have ended already. Its processes end when they see that it is gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).expect("a process has an id");
    kill_process(pid, signal).expect("a process of ours takes signals");
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, within: Duration, is_so: impl Fn() -> F) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// The program with nothing of this process's settings.
fn program(store: &Store, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guildhall"));
    command.env_clear().args(arguments).args(store.flags(None));
    command
}

fn or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn free_ports() -> Vec<SocketAddr> {
    let held: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")).collect();
    held.iter().map(|listener| listener.local_addr().expect("a bound socket has an address")).collect()
}
