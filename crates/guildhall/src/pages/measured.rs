//! The metrics of this process, as Prometheus reads them: those of every part, and what the system knows of the process.
//! Refuses to name a metric anywhere but in docs/operations.md, whose table says what each one means.

use crate::config::Config;
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use std::sync::LazyLock;
use std::time::Duration;

const PAGE: &str = include_str!("../../../../docs/operations.md");
/// From half a millisecond to ten seconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const SIZES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
/// Records and players of one batch or checkpoint.
const COUNTS: [f64; 9] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0];

/// What was measured is counted into its histograms this often. Until then each time takes its bytes of memory, so that a process that nobody
/// asks for its metrics would grow for ever.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// The metrics of this process. One recorder serves every application in it.
pub static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let buckets: [(&str, &[f64]); 4] = [("_seconds", &SECONDS), ("_size", &SIZES), ("_records", &COUNTS), ("_players", &COUNTS)];
    let builder = buckets.into_iter().fold(PrometheusBuilder::new(), |builder, (suffix, buckets)| {
        builder.set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), buckets).expect("the buckets are not empty")
    });
    let handle = builder.install_recorder().expect("no other recorder is installed in this process");
    described(PAGE).for_each(describe);
    let counted = handle.clone();
    let counting = std::thread::Builder::new().name("metrics".to_owned()).spawn(move || count(&counted));
    counting.expect("the system gives a process its threads");
    handle
});

#[expect(clippy::disallowed_methods, reason = "the thread is the metrics' own and runs no tasks")]
fn count(metrics: &PrometheusHandle) {
    loop {
        std::thread::sleep(COUNT_EVERY);
        metrics.run_upkeep();
    }
}

/// A row of the table: name, kind, labels, what it says.
type Described = [&'static str; 4];

/// The table's rows.
fn described(page: &'static str) -> impl Iterator<Item = Described> {
    page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ");
        let name = cells.next()?.strip_suffix('`').filter(|name| name.starts_with("guildhall_"))?;
        Some([name, cells.next()?, cells.next()?, cells.next()?])
    })
}

fn describe([name, kind, _, says]: Described) {
    match kind {
        "counter" => describe_counter!(name, says),
        "gauge" => describe_gauge!(name, says),
        _ => describe_histogram!(name, says),
    }
}

/// What is known of a process when it starts.
pub(crate) fn started(config: &Config) {
    let labels = [("version", env!("CARGO_PKG_VERSION").to_owned()), ("services", config.server.services.to_string())];
    metrics::gauge!("guildhall_build_info", &labels).set(1.0);
    metrics::gauge!("guildhall_connections_max").set(config.server.connections_max as f64);
}

/// All of it, as text.
pub(super) fn rendered() -> String {
    Collector::default().collect();
    METRICS.run_upkeep();
    METRICS.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_page_describes_each_metric_once() {
        let names: Vec<&str> = described(PAGE).map(|[name, ..]| name).collect();
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert!(names.len() > 40 && distinct.len() == names.len(), "{names:?}");
        for [name, kind, _, says] in described(PAGE) {
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{name} is of kind {kind}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            assert!(!says.is_empty(), "{name}");
        }
    }
}
