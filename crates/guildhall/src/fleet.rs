//! A process among others: its place in the registry, how it leaves, and a whole fleet of them on one machine.
//! Refuses to stop while gateways still send: it leaves first, and answers what comes until they have heard of it.

mod backoff;
mod child;
pub mod gateway;
pub mod plan;
mod rooms;
pub mod status;
pub mod supervisor;

use crate::config::Config;
use crate::secrets::Key;
use registry::client::{Agent, Link};
use registry::{FleetToken, Registration, Registry};
use std::net::SocketAddr;
use std::time::Duration;

/// The registry has this long to hear that a process leaves; where none answers its lease runs out.
const HEARD_WITHIN: Duration = Duration::from_secs(2);
/// Metadata: what the process is called, as `payments-1`.
pub const NAME: &str = "name";
/// Metadata: its process id, on its machine.
pub const PID: &str = "pid";
/// Metadata: the machine.
pub const HOST: &str = "host";
/// Metadata: the process id of whoever starts it again when it ends, if somebody does.
pub const KEEPER: &str = "keeper";
/// Metadata: where a gateway's metrics are.
pub const METRICS: &str = "metrics";
/// The variable in which a process is told its keeper's id.
pub(crate) const KEEPER_VARIABLE: &str = "GUILDHALL_FLEET_KEEPER";

/// The way to the registries that the configuration names.
///
/// # Errors
/// It names none.
pub fn link(config: &Config, token_key: &Key) -> Result<Link, String> {
    let urls: Vec<String> = config.registry.each_url().map(str::to_owned).collect();
    Link::http(&urls, FleetToken::derive(token_key.reveal())).map_err(|refusal| refusal.to_string())
}

/// This process's place in the registry.
pub struct Place {
    agent: Agent,
    drain: Duration,
}

impl Place {
    /// Registers what the process serves at this address; nothing where the configuration names no registry. A process that is a
    /// registry itself needs no other's address.
    ///
    /// # Errors
    /// The address cannot be reached from other machines, which `registry.advertise` would mend.
    pub fn take(config: &Config, token_key: &Key, here: Option<&Registry>, address: SocketAddr) -> Result<Option<Place>, String> {
        Place::take_saying(config, token_key, here, address, Vec::new())
    }

    /// The same with more to say of itself.
    fn take_saying(
        config: &Config,
        token_key: &Key,
        here: Option<&Registry>,
        address: SocketAddr,
        more: Vec<(&'static str, String)>,
    ) -> Result<Option<Place>, String> {
        let link = match here.filter(|_| !config.server.services.are_all()) {
            Some(registry) => Link::here(registry.clone()),
            None if config.registry.urls.is_empty() => return Ok(None),
            None => link(config, token_key)?,
        };
        let services: Vec<&str> = config.server.services.iter().map(|part| part.name).collect();
        let name = match config.registry.name.as_str() {
            "" => services.first().copied().unwrap_or("guildhall").to_owned(),
            name => name.to_owned(),
        };
        let registration = Registration {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            weight: config.registry.weight,
            lease_ms: config.registry.lease_ms,
            metadata: metadata(&name).into_iter().chain(more).map(|(key, value)| (key.to_owned(), value)).collect(),
            ..Registration::new(services, advertised(config, address)?)
        };
        let agent = Agent::start(link, &name, registration);
        Ok(Some(Place { agent, drain: Duration::from_millis(config.registry.drain_ms) }))
    }

    /// Leaves in order: nothing new is sent here, what still comes is answered and, from `begin` on, told to go elsewhere; then the place
    /// is given up.
    pub async fn leave(self, begin: impl FnOnce()) {
        if !self.agent.drain(HEARD_WITHIN).await {
            tracing::warn!("no registry heard that this process leaves; gateways notice when it has stopped");
        }
        begin();
        tokio::time::sleep(self.drain).await;
        self.agent.leave().await;
    }
}

/// Where others reach the process.
fn advertised(config: &Config, address: SocketAddr) -> Result<String, String> {
    if !config.registry.advertise.is_empty() {
        return Ok(config.registry.advertise.clone());
    }
    if address.ip().is_unspecified() {
        return Err(format!(
            "it listens on {address}, which is no address that others reach: registry.advertise = \"HOST:{}\" would be right, or \
             GUILDHALL_REGISTRY_ADVERTISE",
            address.port()
        ));
    }
    Ok(address.to_string())
}

fn metadata(name: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![(NAME, name.to_owned()), (PID, std::process::id().to_string()), (HOST, host())];
    all.extend(std::env::var(KEEPER_VARIABLE).ok().map(|keeper| (KEEPER, keeper)));
    all
}

/// What this machine is called.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
