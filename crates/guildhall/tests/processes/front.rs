//! What stands before a server where tests go through a gateway (`GUILDHALL_THROUGH=gateway`): a registry, a second process of everything
//! but the logs, which have one owner where they are embedded, and the gateway. All on the server's store.
//! Refuses to be there before the gateway sends requests to both processes.

use super::{Launched, launched, program};
use crate::store::Store;
use guildhall::services::TABLE;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

const VARIABLE: &str = "GUILDHALL_THROUGH";
const KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// Processes in the order in which they are ended: who lets requests in goes first.
pub(super) struct Front {
    processes: Vec<Launched>,
}

/// The registry, which is there before the server that registers itself.
pub(super) struct Registry(Launched);

/// Whether servers on this store are to stand behind a gateway: a fleet's processes share a Postgres.
pub(super) fn is_asked_for(store: &Store) -> bool {
    store.url().is_some() && std::env::var_os(VARIABLE).is_some_and(|through| through == "gateway")
}

impl Registry {
    pub(super) async fn start(store: &Store) -> Registry {
        Registry(started(store, "registry", &[]).await)
    }

    /// What a process needs to find it.
    pub(super) fn variable(&self) -> (&'static str, String) {
        ("GUILDHALL_REGISTRY_URLS", format!("http://{}", self.0.address))
    }
}

impl Front {
    /// Stands before a server; where the gateway is.
    pub(super) async fn start(store: &Store, registry: Registry, server: SocketAddr, variables: &[(&str, String)]) -> (Front, SocketAddr) {
        let shared = TABLE.iter().map(|part| part.name).filter(|name| !["gateway", "registry", "stream"].contains(name));
        let services = shared.collect::<Vec<_>>().join(",");
        // The embedded log is the server's.
        let its = variables.iter().filter(|(name, _)| !name.starts_with("GUILDHALL_BROKER")).cloned();
        let twin = started(store, &services, &its.chain([registry.variable()]).collect::<Vec<_>>()).await;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port");
        let unlimited = ["ADDRESS", "USER", "KEY"].map(|of| (format!("GUILDHALL_GATEWAY_{of}_PER_S"), "0".to_owned()));
        let mut settings: Vec<(&str, String)> = unlimited.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        settings.extend([("GUILDHALL_GATEWAY_ADMIN_LISTEN", free.to_string()), registry.variable()]);
        let gateway = started(store, "gateway", &settings).await;
        knows(free, &[server, twin.address]).await;
        let at = gateway.address;
        (Front { processes: vec![gateway, twin, registry.0] }, at)
    }

    /// Kills all of it, as a power cut would.
    pub(super) fn kill(&mut self) {
        for process in &mut self.processes {
            // It may have ended already.
            drop(process.child.kill());
            drop(process.child.wait());
        }
    }

    /// Ends the gateway and the second process in order; the registry goes with the rest, after the server has left it.
    pub(super) async fn stop(&mut self) {
        for process in &mut self.processes[..2] {
            let _ = kill_process(Pid::from_child(&process.child), Signal::TERM);
            let started = Instant::now();
            while process.child.try_wait().expect("a child can be waited for").is_none() {
                assert!(started.elapsed() < KNOWN_WITHIN, "a process before the server does not end");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn started(store: &Store, services: &str, variables: &[(&str, String)]) -> Launched {
    let mut command = program(store, &["serve", "--listen", "127.0.0.1:0", "--services", services], None);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    launched(command).await.unwrap_or_else(|log| panic!("{services} ended while it started:\n{}", log.join("\n")))
}

/// Waits until the gateway sends requests to these.
async fn knows(admin: SocketAddr, servers: &[SocketAddr]) {
    let started = Instant::now();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client without TLS");
    loop {
        let seen: Vec<Value> = match client.get(format!("http://{admin}/instances")).send().await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let is_up = |server: &SocketAddr| {
            seen.iter().any(|one| one["service"] == "campaigns" && one["address"] == server.to_string() && one["standing"] == "up")
        };
        if servers.iter().all(is_up) {
            return;
        }
        assert!(started.elapsed() < KNOWN_WITHIN, "the gateway does not know {servers:?}: {seen:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
