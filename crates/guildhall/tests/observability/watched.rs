//! A busy server, scraped: every query of every dashboard answers with data, and every metric is the one the table says.
//! Leaves faults to `faults`.

use crate::collector::Receiver;
use crate::documents::{self, named, queries, rules, table, variables};
use crate::prometheus::{Prometheus, program};
use crate::repository;
use crate::store::Engine;
use crate::town::{Town, until};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Recipes' roles in Postgres have names like metrics.
const ROLES: &str = "guildhall_recipe";
/// What only a gateway counts.
const OF_GATEWAYS: &str = "guildhall_gateway_";

async fn keep_busy(town: &Town, receiver: &Receiver) {
    town.webhook(&receiver.url()).await;
    for round in 0..3 {
        town.trade(round).await;
        let players: Vec<String> = (0..20).map(|n| format!("p{round}-{n}")).collect();
        town.log_in(&players).await;
        town.send_logs(&[r#"{"event_type":"session_start","user_id":"x","ts":"never"}"#.to_owned()]).await;
        town.until_reached(&players[0]).await;
        town.claim(&players[0], None).await;
    }
    until("the webhook was told", async || receiver.got().len() >= 3).await;
}

async fn every_query_answers(town: Option<Town>, is_fleet: bool) {
    let (Some(program), Some(town)) = (program("every_query_answers"), town) else { return };
    let receiver = Receiver::start().await;
    let prometheus = Prometheus::start(&program, &town.shown_at(), &documents::alerts_text()).await;
    prometheus.until_up().await;
    keep_busy(&town, &receiver).await;
    let known: BTreeSet<String> = table().into_keys().collect();
    let all = queries();
    assert!(all.len() > 60, "{} queries", all.len());
    for query in &all {
        let unknown: Vec<String> = named(&query.text).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{} names metrics that there are not: {unknown:?}", query.place);
        let elsewhere = !is_fleet && query.text.contains(OF_GATEWAYS);
        let may_be_empty = elsewhere || query.place.contains("annotation");
        let mut told = Ok(Vec::new());
        until(&format!("{} has data for {}: {told:?}", query.place, query.text), async || {
            told = prometheus.ask(&query.text).await;
            assert!(told.is_ok(), "{}: {} is no query: {told:?}", query.place, query.text);
            may_be_empty || told.as_ref().is_ok_and(|found| !found.is_empty())
        })
        .await;
    }
    for (label, series) in variables() {
        assert!(!prometheus.values(&label, &series).await.is_empty(), "{series} has no {label}");
    }
    for rule in rules() {
        let unknown: Vec<String> = named(&rule.expr).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{} names metrics that there are not: {unknown:?}", rule.alert);
        prometheus.ask(&rule.expr).await.unwrap_or_else(|why| panic!("{} is no query: {why}", rule.alert));
    }
    town.metrics().await.iter().for_each(|text| the_table_says_what_is_scraped(text));
    assert_eq!(prometheus.ask("count(guildhall_build_info)").await.expect("a query")[0]["value"][1], if is_fleet { "3" } else { "1" });
    town.server.stop().await;
}

/// Name, kind and labels of every family that was scraped.
fn the_table_says_what_is_scraped(text: &str) {
    let table = table();
    let kinds: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(kinds.len() > 10, "{} metrics", kinds.len());
    for (name, kind) in &kinds {
        let (told, _) = table.get(*name).unwrap_or_else(|| panic!("{name} is not in the table of docs/operations.md"));
        let is_cpu = *name == "process_cpu_seconds_total";
        assert!(told == kind || is_cpu, "{name} is a {kind}, and the table says {told}");
        assert!(name.starts_with("process_") || text.contains(&format!("# HELP {name} ")), "{name} is not described");
    }
    for sample in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = sample.split(['{', ' ']).next().expect("a sample begins with its name");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end).filter(|bare| kinds.contains_key(bare)));
        let family = family.unwrap_or(name);
        let labels = sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(labels, _)| labels);
        let labels: BTreeSet<String> = label_names(labels).into_iter().filter(|label| label != "le").collect();
        assert_eq!(labels, table[family].1, "labels of {family}: {sample}");
    }
}

/// `a="x",b="y, z"` names a and b.
fn label_names(labels: &str) -> Vec<String> {
    let (mut names, mut rest) = (Vec::new(), labels);
    while let Some((name, after)) = rest.split_once("=\"") {
        names.push(name.trim_start_matches(',').to_owned());
        let mut escaped = false;
        let end = after.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &after[end.expect("a label's value is closed") + 1..];
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_the_dashboards_answers_with_data_on_sqlite() {
    every_query_answers(Town::found("watched", Engine::Sqlite, &[]).await, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_the_dashboards_answers_with_data_in_a_fleet() {
    every_query_answers(Town::fleet("watched", &[]).await, true).await;
}

/// Rust files below a folder.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(std::fs::read_to_string(&path).expect("it can be read"));
        }
    }
}

/// Names of metrics that stand between quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split("\"guildhall_").skip(1).filter_map(|rest| {
        let name = &rest[..rest.find('"')?];
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        is_name.then_some(name)
    })
}

#[test]
fn the_table_names_the_metrics_of_the_sources_and_no_others() {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(repository("crates")).expect("it can be read") {
        sources(&entry.expect("it can be read").path().join("src"), &mut texts);
    }
    // What load scenarios read of histograms is no metric by itself.
    let in_sources: BTreeSet<String> = texts
        .iter()
        .flat_map(|text| quoted(text))
        .flat_map(|name| named(&format!("guildhall_{name}")))
        .filter(|name| !name.starts_with(ROLES))
        .collect();
    let in_table: BTreeSet<String> = table().into_keys().filter(|name| name.starts_with("guildhall_")).collect();
    let missing: Vec<&String> = in_sources.difference(&in_table).collect();
    let gone: Vec<&String> = in_table.difference(&in_sources).collect();
    assert!(missing.is_empty() && gone.is_empty(), "the table of docs/operations.md lacks {missing:?}, and nothing counts {gone:?}");
}
