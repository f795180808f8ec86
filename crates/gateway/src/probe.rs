//! Active checks and what else time brings: every instance is asked whether it is ready, and snapshots of the registry are followed.
//! Refuses to outlive the gateway.

use crate::body::Ingress;
use crate::cluster::Cluster;
use crate::gateway::Inner;
use crate::peers::Peer;
use crate::policy::Policy;
use crate::wire::Wire;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How soon a new snapshot and a trial that is due are noticed.
const TICK: Duration = Duration::from_millis(50);
/// Bytes of an answer that are read so that its connection can be used again.
const ANSWER_MAX: usize = 64 << 10;

/// Runs until the gateway is gone.
pub(crate) async fn run(gateway: Weak<Inner>) {
    let mut probed_at: Option<Instant> = None;
    loop {
        let Some(inner) = gateway.upgrade() else { return };
        inner.follow();
        for cluster in inner.clusters() {
            cluster.tick();
        }
        if probed_at.is_none_or(|at| at.elapsed() >= inner.policy.probes.interval) {
            probed_at = Some(Instant::now());
            for cluster in inner.clusters() {
                probe_all(cluster, &inner.policy);
            }
        }
        drop(inner);
        tokio::time::sleep(TICK).await;
    }
}

fn probe_all(cluster: &Arc<Cluster>, policy: &Arc<Policy>) {
    for peer in cluster.all().iter().filter(|peer| peer.probe_path.is_some()) {
        // One that is still being asked is frozen or far: a second question would not help.
        if peer.begin_probe() {
            let (cluster, peer, policy) = (cluster.clone(), peer.clone(), policy.clone());
            tokio::spawn(async move {
                let answer = tokio::time::timeout(policy.probes.timeout, ask(&peer, &policy)).await;
                peer.end_probe();
                // Who answers requests lives: a question that got no answer beside them says that there is much to do.
                let is_busy = answer.is_err() && peer.answered_within(policy.probes.interval + policy.probes.timeout);
                if !is_busy {
                    cluster.probed(&peer, answer.unwrap_or(false));
                }
            });
        }
    }
}

/// Whether it says that it is ready.
async fn ask(peer: &Peer, policy: &Policy) -> bool {
    let Some(path) = &peer.probe_path else { return true };
    let idle = peer.pool.idle().await;
    let used = idle.is_some();
    let Some(good) = ask_by(peer, path, policy, idle).await else {
        // A connection that was idle may have been closed meanwhile.
        return used && ask_by(peer, path, policy, None).await.unwrap_or(false);
    };
    good
}

async fn ask_by(peer: &Peer, path: &str, policy: &Policy, idle: Option<Wire>) -> Option<bool> {
    let mut wire = match idle {
        Some(wire) => wire,
        None => peer.pool.connect(policy.timeouts.connect).await.ok()?,
    };
    let request = Request::get(path).header(header::HOST, &*peer.address).header(header::USER_AGENT, "guildhall-gateway");
    let answer = wire.send(request.body(Ingress::Empty).ok()?).await.ok()?;
    let good = answer.status().is_success();
    if is_read(&mut wire, answer.into_body()).await {
        peer.pool.give_back(wire);
    }
    Some(good)
}

/// Reads an answer to its end, if that is not far.
async fn is_read(wire: &mut Wire, mut body: Incoming) -> bool {
    let mut left = ANSWER_MAX;
    while let Some(frame) = poll_fn(|cx| wire.poll_frame(&mut body, cx)).await {
        let Ok(frame) = frame else { return false };
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return false };
        left = rest;
    }
    true
}
