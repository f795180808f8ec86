//! Knows who is there: a snapshot per service that follows the registry's feed.
//! Refuses to forget anyone while no registry answers, and never makes a reader wait.

use super::Link;
use crate::{Changes, Instance};
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A question waits this long for a change before it is asked again.
const WAIT: Duration = Duration::from_secs(5);
/// While no registry answers it is asked this often.
const RETRY: Duration = Duration::from_millis(500);
/// A registry that stops answers those who wait: it is not asked again at once.
const BREATH: Duration = Duration::from_millis(200);

/// Everyone who is there, at one version of the feed.
#[derive(Debug, Default)]
pub struct Snapshot {
    version: i64,
    services: BTreeMap<String, Arc<[Instance]>>,
}

impl Snapshot {
    /// A snapshot of these instances, for what is configured and not registered.
    pub fn of(instances: impl IntoIterator<Item = Instance>) -> Snapshot {
        Snapshot::default().after(Changes { version: 0, full: true, changed: instances.into_iter().collect(), gone: Vec::new() })
    }

    /// The feed's version.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The instances of a service, whatever their status, by id. The same slice as before while none of them changed.
    pub fn of_service(&self, service: &str) -> Arc<[Instance]> {
        self.services.get(service).cloned().unwrap_or_default()
    }

    /// Every service with its instances.
    pub fn services(&self) -> impl Iterator<Item = (&str, &Arc<[Instance]>)> {
        self.services.iter().map(|(service, instances)| (service.as_str(), instances))
    }

    /// Everyone.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.services.values().flat_map(|instances| instances.iter())
    }

    /// This snapshot with what changed since. Whoever changed is told with all its services.
    pub fn after(&self, changes: Changes) -> Snapshot {
        let touched: HashSet<&str> = changes.changed.iter().map(|instance| instance.id.as_str()).collect();
        let touched: HashSet<&str> = touched.into_iter().chain(changes.gone.iter().map(String::as_str)).collect();
        let mut services: BTreeMap<String, Vec<Instance>> = BTreeMap::new();
        let mut kept: BTreeMap<String, Arc<[Instance]>> = BTreeMap::new();
        for (service, instances) in self.services.iter().filter(|_| !changes.full) {
            let stays = |instance: &&Instance| !touched.contains(instance.id.as_str());
            if instances.iter().all(|instance| stays(&instance)) {
                kept.insert(service.clone(), instances.clone());
            } else {
                services.insert(service.clone(), instances.iter().filter(stays).cloned().collect());
            }
        }
        for instance in &changes.changed {
            let service = services
                .entry(instance.service.clone())
                .or_insert_with(|| kept.remove(&instance.service).map(|instances| instances.to_vec()).unwrap_or_default());
            service.push(instance.clone());
        }
        for (service, mut instances) in services.into_iter().filter(|(_, instances)| !instances.is_empty()) {
            instances.sort_by(|a, b| a.id.cmp(&b.id));
            kept.insert(service, instances.into());
        }
        Snapshot { version: changes.version, services: kept }
    }
}

/// Follows the registry. Cheap to clone; it follows until the last clone is dropped.
#[derive(Clone)]
pub struct Watch {
    shared: Arc<Shared>,
    _following: Arc<Following>,
}

struct Shared {
    snapshot: ArcSwap<Snapshot>,
    moved: watch::Sender<u64>,
}

struct Following(Option<JoinHandle<()>>);

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(following) = &self.0 {
            following.abort();
        }
    }
}

impl Watch {
    /// Starts to follow. It begins with an empty snapshot and does not wait for a registry.
    pub fn start(link: Link) -> Watch {
        let shared = Arc::new(Shared { snapshot: ArcSwap::default(), moved: watch::Sender::new(0) });
        let following = tokio::spawn(follow(link, shared.clone()));
        Watch { shared, _following: Arc::new(Following(Some(following))) }
    }

    /// One that follows nothing: what is configured stays.
    pub fn fixed(snapshot: Snapshot) -> Watch {
        let shared = Shared { snapshot: ArcSwap::from_pointee(snapshot), moved: watch::Sender::new(1) };
        Watch { shared: Arc::new(shared), _following: Arc::new(Following(None)) }
    }

    /// Everyone who is there, as last heard.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// The instances of a service, as last heard.
    pub fn of_service(&self, service: &str) -> Arc<[Instance]> {
        self.shared.snapshot.load().of_service(service)
    }

    /// Waits until a registry has answered for the first time.
    pub async fn ready(&self) {
        // The sender is ours: it cannot go away meanwhile.
        drop(self.shared.moved.subscribe().wait_for(|moves| *moves > 0).await);
    }

    /// Waits until the snapshot is as `wanted` says, and returns it.
    pub async fn until(&self, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut moved = self.shared.moved.subscribe();
        loop {
            let snapshot = self.snapshot();
            if wanted(&snapshot) {
                return snapshot;
            }
            // The sender is ours: it cannot go away meanwhile.
            drop(moved.changed().await);
        }
    }

    /// Tells of every change of the snapshot.
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.shared.moved.subscribe()
    }
}

async fn follow(link: Link, shared: Arc<Shared>) {
    let mut seen = 0;
    let mut away = false;
    loop {
        let asked = Instant::now();
        match link.changes(seen, WAIT).await {
            Ok(changes) => {
                if away {
                    tracing::info!("a registry answers again");
                }
                away = false;
                let first = *shared.moved.borrow() == 0;
                if first || changes.full || changes.version != seen {
                    seen = changes.version;
                    shared.snapshot.store(Arc::new(shared.snapshot.load().after(changes)));
                    shared.moved.send_modify(|moves| *moves += 1);
                } else if asked.elapsed() < BREATH {
                    tokio::time::sleep(BREATH).await;
                }
            }
            Err(fault) => {
                if !away {
                    tracing::warn!(%fault, "who is there stays as it was last heard");
                }
                away = true;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
