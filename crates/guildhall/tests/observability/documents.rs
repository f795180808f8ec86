//! The repository's dashboards, alert rules and table of metrics, as tests read them.
//! Refuses a dashboard that names another data source than the one that is provided for it.

use crate::repository;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A query, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// A rule of the alerts.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) alert: String,
    pub(crate) expr: String,
    pub(crate) runbook: String,
    pub(crate) severity: String,
    pub(crate) summary: String,
}

pub(crate) fn alerts_text() -> String {
    std::fs::read_to_string(repository("ops/prometheus/alerts.yml")).expect("it is in the repository")
}

pub(crate) fn rules() -> Vec<Rule> {
    let all: Value = serde_norway::from_str(&alerts_text()).expect("it is YAML");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let groups = all["groups"].as_array().expect("groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().expect("rules").clone());
    rules
        .map(|rule| Rule {
            alert: text(&rule["alert"]),
            expr: text(&rule["expr"]),
            runbook: text(&rule["annotations"]["runbook_url"]),
            severity: text(&rule["labels"]["severity"]),
            summary: text(&rule["annotations"]["summary"]),
        })
        .collect()
}

/// The dashboards by their files' names.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(repository("ops/grafana/dashboards")).expect("it is in the repository");
    let mut paths: Vec<_> = files.map(|file| file.expect("it can be read").path()).collect();
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        (path.file_name().expect("a file").to_string_lossy().into_owned(), serde_json::from_str(&text).expect("it is JSON"))
    };
    paths.into_iter().map(read).collect()
}

/// Every query of every dashboard, as Grafana would put it when nothing is picked.
pub(crate) fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (file, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().expect("panels") {
            let title = panel["title"].as_str().expect("a panel has a title");
            for target in panel["targets"].as_array().into_iter().flatten() {
                let text = filled(target["expr"].as_str().expect("a target has a query"));
                queries.push(Query { place: format!("{file}: {title}"), text });
            }
        }
        for annotation in dashboard["annotations"]["list"].as_array().into_iter().flatten() {
            let text = filled(annotation["expr"].as_str().expect("an annotation has a query"));
            queries.push(Query { place: format!("{file}: annotation {}", annotation["name"]), text });
        }
    }
    queries
}

/// Label and series of every variable: `label_values(SERIES, LABEL)`.
pub(crate) fn variables() -> Vec<(String, String)> {
    let all = dashboards();
    let variables = all.iter().flat_map(|(_, dashboard)| dashboard["templating"]["list"].as_array().cloned().unwrap_or_default());
    let read = |variable: Value| {
        let definition = variable["definition"].as_str()?.strip_prefix("label_values(")?.strip_suffix(')')?.to_owned();
        let (series, label) = definition.rsplit_once(", ")?;
        Some((label.to_owned(), series.to_owned()))
    };
    variables.map(|variable| read(variable).expect("a variable asks for the values of a label")).collect()
}

fn filled(query: &str) -> String {
    query.replace("$__rate_interval", "30s").replace("$instance", ".*").replace("$game", ".*")
}

/// Metrics that a query names, without what histograms add to them.
pub(crate) fn named(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("guildhall_") || word.starts_with("process_"));
    let bare = |word: &str| ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned();
    ours.map(bare).collect()
}

/// The table of docs/operations.md: kind and labels by name.
pub(crate) fn table() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = std::fs::read_to_string(repository("docs/operations.md")).expect("it is in the repository");
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ").collect();
        let name = cells[0].strip_suffix('`').filter(|name| name.starts_with("guildhall_") || name.starts_with("process_"))?;
        let labels = cells[2].split(", ").filter(|label| *label != "–").map(str::to_owned).collect();
        Some((name.to_owned(), (cells[1].to_owned(), labels)))
    };
    page.lines().filter_map(row).collect()
}
