//! A real Prometheus that watches the processes of a stage, and what it says of their longest answers.
//! Refuses to judge by what a process says of itself: what is told went the way that an operator's figures go.

use super::super::process::free_address;
use super::super::send::now;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

const CONFIG: &str = "\
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: guildhall
    metrics_path: /metrics
    file_sd_configs:
      - files: [targets.json]
        refresh_interval: 1s
";
/// It starts, and looks at what it is aimed at, within this time.
const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running Prometheus.
pub(super) struct Prometheus {
    _process: Child,
    folder: PathBuf,
    url: String,
    client: reqwest::Client,
}

/// How long answers took, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Longest {
    /// The end of the last bucket that has one.
    end_s: f64,
    mean_s: f64,
}

impl Longest {
    /// The one with the longer end.
    pub(super) fn or_longer(self, other: Longest) -> Longest {
        if other.end_s > self.end_s { other } else { self }
    }
}

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.4})", self.end_s, self.mean_s)
    }
}

impl Prometheus {
    /// Starts one with its data in a folder.
    pub(super) async fn start(program: &Path, folder: &Path) -> Result<Prometheus, String> {
        let told = |e: std::io::Error| format!("{}: {e}", folder.display());
        std::fs::create_dir_all(folder).map_err(told)?;
        std::fs::write(folder.join("prometheus.yml"), CONFIG).map_err(told)?;
        let log = std::fs::File::create(folder.join("log")).map_err(told)?;
        let address = free_address().map_err(|e| format!("no free port: {e}"))?;
        let mut command = Command::new(program);
        command.current_dir(folder).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.arg(format!("--web.listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let process = command.spawn().map_err(|e| format!("{} cannot be started, name one with --prometheus: {e}", program.display()))?;
        let client = reqwest::Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
        let prometheus = Prometheus { _process: process, folder: folder.to_owned(), url: format!("http://{address}"), client };
        let is_ready = async || {
            prometheus.client.get(format!("{}/-/ready", prometheus.url)).send().await.is_ok_and(|answer| answer.status().is_success())
        };
        let started = Instant::now();
        while !is_ready().await {
            if started.elapsed() > WITHIN {
                return Err(format!("prometheus was not ready within {WITHIN:?}; its log is in {}", folder.display()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(prometheus)
    }

    /// Has it watch other processes, under a name for this run.
    pub(super) fn aim(&self, run: &str, targets: &[(&str, SocketAddr)]) -> Result<(), String> {
        let target =
            |(process, address): &(&str, SocketAddr)| json!({ "targets": [address], "labels": { "process": process, "run": run } });
        let text = Value::from(targets.iter().map(target).collect::<Vec<_>>()).to_string();
        // It may look at any moment: the file is there whole, or as it was.
        let (next, file) = (self.folder.join("targets.next"), self.folder.join("targets.json"));
        std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, &file)).map_err(|e| format!("{}: {e}", file.display()))
    }

    /// Waits until it has looked at all processes of a run after this moment; when that was, in seconds since 1970.
    pub(super) async fn looked(&self, run: &str, processes: usize) -> Result<f64, String> {
        let (started, since) = (Instant::now(), now().0 as f64 / 1e6);
        let all_after = format!("count(timestamp(up{{run=\"{run}\"}}) > {since} and up{{run=\"{run}\"}} == 1)");
        while started.elapsed() < WITHIN {
            let counted = self.ask(&all_after, None).await?;
            if counted.iter().any(|(_, count)| *count == processes as f64) {
                return Ok(now().0 as f64 / 1e6);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(format!("prometheus has not looked at {processes} processes within {WITHIN:?}; its log is in {}", self.folder.display()))
    }

    /// The longest answers between two moments, by process, method and route, and of the gateway by service.
    pub(super) async fn longest(&self, run: &str, from: f64, to: f64) -> Result<BTreeMap<String, Longest>, String> {
        let mut found: BTreeMap<String, Longest> = BTreeMap::new();
        for (name, by) in
            [("guildhall_request_seconds", "process, method, route"), ("guildhall_gateway_request_seconds", "process, service")]
        {
            // What was counted in between: a counter less what it was.
            let between = |part: &str| format!("{name}_{part}{{run=\"{run}\"}} - {name}_{part}{{run=\"{run}\"}} @ {from:.3}");
            let ends = format!("histogram_quantile(1, sum by (le, {by}) ({}))", between("bucket"));
            let means = format!("sum by ({by}) ({}) / sum by ({by}) ({})", between("sum"), between("count"));
            for (what, end_s) in self.ask(&ends, Some(to)).await? {
                found.entry(what).or_default().end_s = end_s;
            }
            for (what, mean_s) in self.ask(&means, Some(to)).await? {
                found.entry(what).or_default().mean_s = mean_s;
            }
        }
        // Where nothing was answered in between there is no longest answer.
        found.retain(|_, longest| longest.end_s.is_finite() && longest.mean_s.is_finite());
        Ok(found)
    }

    /// Puts a query; what it found, each named by its labels.
    async fn ask(&self, query: &str, at: Option<f64>) -> Result<Vec<(String, f64)>, String> {
        let at = at.map(|at| ("time", format!("{at:.3}")));
        let parameters = [("query", query.to_owned())].into_iter().chain(at);
        let url = reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.url), parameters).map_err(|e| e.to_string())?;
        let answer = self.client.get(url).send().await.map_err(|e| e.to_string())?;
        let answer: Value = answer.json().await.map_err(|e| e.to_string())?;
        let results = answer["data"]["result"].as_array().ok_or_else(|| format!("prometheus: {}: {query}", answer["error"]))?;
        let text = |one: &Value, label: &str| one["metric"][label].as_str().unwrap_or_default().to_owned();
        let name = |one: &Value| ["process", "service", "method", "route"].map(|label| text(one, label)).join(" ");
        let value = |one: &Value| one["value"][1].as_str().and_then(|value| value.parse().ok());
        let words = |name: String| name.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(results.iter().filter_map(|one| Some((words(name(one)), value(one)?))).collect())
    }
}
