//! A real Prometheus of a test's own, with the repository's rules or a copy of them that is in a hurry.
//! Refuses to be left running: it ends with the test.

use crate::repository;
use crate::town::until;
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Names the program; `promtool` lies beside it.
pub(crate) const VARIABLE: &str = "GUILDHALL_TEST_PROMETHEUS";
/// In tests it looks this often.
const EVERY: &str = "1s";

/// The program, if the environment names one.
pub(crate) fn program(test: &str) -> Option<PathBuf> {
    testkit::program(VARIABLE, test)
}

/// A running Prometheus.
pub(crate) struct Prometheus {
    process: Child,
    folder: TempDir,
    url: String,
    client: reqwest::Client,
}

impl Prometheus {
    /// Scrapes these addresses and judges these rules.
    pub(crate) async fn start(program: &Path, targets: &[String], rules: &str) -> Prometheus {
        let folder = tempfile::tempdir().expect("a test gets a temporary folder");
        let config = std::fs::read_to_string(repository("ops/prometheus/prometheus.yml")).expect("it is in the repository");
        std::fs::write(folder.path().join("prometheus.yml"), config.replace("15s", EVERY)).expect("a test may write to its folder");
        std::fs::write(folder.path().join("alerts.yml"), rules).expect("a test may write to its folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let log = std::fs::File::create(folder.path().join("log")).expect("a test may write to its folder");
        let mut command = Command::new(program);
        command.current_dir(folder.path()).arg("--config.file=prometheus.yml").arg("--storage.tsdb.path=data");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--storage.tsdb.min-block-duration=2h");
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("prometheus starts");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client without TLS");
        let prometheus = Prometheus { process, folder, url: format!("http://127.0.0.1:{port}"), client };
        prometheus.aim(targets);
        until("prometheus is ready", async || {
            let asked = prometheus.client.get(format!("{}/-/ready", prometheus.url)).send().await;
            asked.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        prometheus
    }

    /// Has it scrape other addresses; it notices by itself.
    pub(crate) fn aim(&self, targets: &[String]) {
        let folder = self.folder.path().join("targets");
        std::fs::create_dir_all(&folder).expect("a test may write to its folder");
        let places: Vec<String> = targets.iter().map(|url| url.trim_start_matches("http://").to_owned()).collect();
        // A lone server has a name, so that it is the same when it comes back at another port.
        let labels = if places.len() == 1 { serde_json::json!({ "instance": "one" }) } else { serde_json::json!({}) };
        let text = serde_json::json!([{ "targets": places, "labels": labels }]).to_string();
        std::fs::write(folder.join("guildhall.yml"), text).expect("a test may write to its folder");
    }

    /// Puts a query; its results, or what is wrong with it.
    pub(crate) async fn ask(&self, query: &str) -> Result<Vec<Value>, String> {
        let asked = self.client.get(format!("{}/api/v1/query", self.url)).query(&[("query", query)]).send().await;
        let answer: Value = asked.map_err(|e| e.to_string())?.json().await.map_err(|e| e.to_string())?;
        match &answer["data"]["result"] {
            Value::Array(found) if answer["status"] == "success" => Ok(found.clone()),
            _ => Err(answer["error"].as_str().unwrap_or("no answer that can be read").to_owned()),
        }
    }

    /// The values of a label that a series has.
    pub(crate) async fn values(&self, label: &str, series: &str) -> Vec<Value> {
        let asked = self.client.get(format!("{}/api/v1/label/{label}/values", self.url)).query(&[("match[]", series)]).send().await;
        let answer: Value = asked.expect("prometheus answers").json().await.expect("the answer is JSON");
        answer["data"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until it has scraped the target well.
    pub(crate) async fn until_up(&self) {
        until("prometheus has scraped the server", async || {
            self.ask("min(up{job=\"guildhall\"}) == 1").await.is_ok_and(|found| !found.is_empty())
        })
        .await;
    }

    /// Waits until an alert fires.
    pub(crate) async fn until_fires(&self, alert: &str) {
        let query = format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}");
        until(&format!("{alert} fires"), async || self.ask(&query).await.is_ok_and(|found| !found.is_empty())).await;
    }

    /// Waits until an alert does not fire any more.
    pub(crate) async fn until_quiet(&self, alert: &str) {
        let query = format!("ALERTS{{alertname=\"{alert}\"}}");
        until(&format!("{alert} is over"), async || self.ask(&query).await.is_ok_and(|found| found.is_empty())).await;
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
