//! What operators see of a real server: its metrics in a real Prometheus, dashboards and alerts that are put to it, faults that are caused
//! and seen, traces in a collector, lines of its log; and the files by which it is run elsewhere.
//! Leaves what the server does for its users to the other tests. Without Prometheus its half says that it was left out.

#[path = "observability/alerts.rs"]
mod alerts;
#[path = "observability/collector.rs"]
mod collector;
#[path = "observability/deployment.rs"]
mod deployment;
#[path = "observability/documents.rs"]
mod documents;
#[path = "observability/faults.rs"]
mod faults;
#[path = "observability/prometheus.rs"]
mod prometheus;
#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/server.rs"]
mod server;
#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/store.rs"]
mod store;
#[path = "observability/town.rs"]
mod town;
#[path = "observability/traces.rs"]
mod traces;
#[path = "observability/watched.rs"]
mod watched;

use std::path::{Path, PathBuf};

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
