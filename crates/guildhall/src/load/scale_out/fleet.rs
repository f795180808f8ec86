//! The processes of a stage: a registry, a gateway, payments as often as the stage says, and who sends what was announced.
//! Refuses to be called ready before the gateway sends requests to every process of payments.

use super::super::ground::Ground;
use super::super::process::{Server, free_address, get};
use crate::config::Config;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// They find each other within this time.
const FOUND_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The running processes.
pub(super) struct Fleet {
    gateway: Server,
    /// Where the gateway's metrics are.
    admin: SocketAddr,
    payments: Vec<Server>,
    others: Vec<Server>,
}

impl Fleet {
    pub(super) async fn start(ground: &Ground, processes: usize) -> Result<Fleet, String> {
        let start = async |name: String, more: Vec<(&str, String)>| {
            let more = more.into_iter().map(|(key, value)| (Config::variable(key), value));
            let environment = ground.environment(None).into_iter().chain(more).collect();
            Server::start(ground, environment, &name).await
        };
        let services = |names: &str| ("server.services", names.to_owned());
        let registry = start("registry".to_owned(), vec![services("registry")]).await?;
        let found_at = ("registry.urls", format!("http://{}", registry.address));
        let others = vec![start("outbox".to_owned(), vec![services("outbox")]).await?, registry];
        let mut payments = Vec::new();
        for number in 1..=processes {
            let name = format!("payments-{number}");
            payments.push(start(name.clone(), vec![services("payments"), found_at.clone(), ("registry.name", name)]).await?);
        }
        let admin = free_address().map_err(|e| format!("no free port: {e}"))?;
        // One machine sends what a country does.
        let unlimited = ["gateway.address_per_s", "gateway.user_per_s"].map(|key| (key, "0".to_owned()));
        let own = [services("gateway"), found_at, ("gateway.admin_listen", admin.to_string()), ("gateway.access_log", "false".to_owned())];
        let gateway = start("gateway".to_owned(), own.into_iter().chain(unlimited).collect()).await?;
        let fleet = Fleet { gateway, admin, payments, others };
        fleet.is_found().await?;
        Ok(fleet)
    }

    /// Waits until the gateway knows every process of payments.
    async fn is_found(&self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < FOUND_WITHIN {
            let seen = get(self.admin, "/instances").await.map(|(_, text)| text).unwrap_or_default();
            let seen: Vec<Value> = serde_json::from_str(&seen).unwrap_or_default();
            let up = seen.iter().filter(|one| one["service"] == "payments" && one["standing"] == "up").count();
            if up == self.payments.len() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(format!("the gateway did not find {} processes of payments within {FOUND_WITHIN:?}", self.payments.len()))
    }

    /// Where requests are sent.
    pub(super) fn gateway(&self) -> SocketAddr {
        self.gateway.address
    }

    /// Whose metrics are read: the kind of process, and where.
    pub(super) fn watched(&self) -> Vec<(&'static str, SocketAddr)> {
        let payments = self.payments.iter().map(|server| ("payments", server.address));
        [("gateway", self.admin)].into_iter().chain(payments).collect()
    }

    /// Stops them, the gateway first; the errors in their logs.
    pub(super) async fn stop(self) -> Result<Vec<String>, String> {
        let mut errors = Vec::new();
        for server in [self.gateway].into_iter().chain(self.payments).chain(self.others) {
            errors.extend(server.errors().into_iter().map(|told| format!("a process's log says: {told}")));
            server.stop().await?;
        }
        Ok(errors)
    }
}
