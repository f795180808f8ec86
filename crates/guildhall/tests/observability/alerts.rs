//! The alert rules as files: Prometheus' own tool accepts them, each says what to do, and each stays quiet and fires as its numbers say.
//! Leaves real faults to `faults`.

use crate::documents::{alerts_text, rules};
use crate::prometheus::program;
use crate::repository;
use clap::Parser as _;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn promtool(arguments: &[&str], folder: &Path) {
    let Some(program) = program("promtool") else { return };
    let done = Command::new(program.with_file_name("promtool")).args(arguments).current_dir(folder).output().expect("promtool runs");
    let told = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&told));
}

#[test]
fn prometheus_accepts_its_configuration_and_the_rules() {
    let folder = repository("ops/prometheus");
    promtool(&["check", "config", "prometheus.yml"], &folder);
    promtool(&["check", "rules", "alerts.yml"], &folder);
}

#[test]
fn each_rule_fires_at_its_threshold_and_not_below() {
    promtool(&["test", "rules", "alerts.test.yml"], &repository("ops/prometheus"));
    let tested = std::fs::read_to_string(repository("ops/prometheus/alerts.test.yml")).expect("it is in the repository");
    for rule in rules() {
        let times = tested.matches(&format!("alertname: {}\n", rule.alert)).count();
        assert!(times >= 2, "{} is tested {times} times: once quiet and once firing would be right", rule.alert);
    }
}

#[test]
fn each_alert_names_a_page_that_says_what_to_do() {
    let all = rules();
    let names: BTreeSet<&str> = all.iter().map(|rule| rule.alert.as_str()).collect();
    assert!(all.len() >= 20 && names.len() == all.len(), "{names:?}");
    for rule in &all {
        assert!(["critical", "warning"].contains(&rule.severity.as_str()), "{} is {}", rule.alert, rule.severity);
        assert!(!rule.summary.is_empty(), "{} has no summary", rule.alert);
        let page =
            std::fs::read_to_string(repository(&rule.runbook)).unwrap_or_else(|e| panic!("{} names {}: {e}", rule.alert, rule.runbook));
        assert!(page.contains(&rule.alert), "{} does not speak of {}", rule.runbook, rule.alert);
        for part in ["## What it means", "## How to see it", "## What to do"] {
            assert!(page.contains(part), "{} lacks {part:?}", rule.runbook);
        }
    }
    let linked: BTreeSet<&str> = all.iter().map(|rule| rule.runbook.as_str()).collect();
    for file in std::fs::read_dir(repository("docs/runbooks")).expect("it is in the repository") {
        let name = format!("docs/runbooks/{}", file.expect("it can be read").file_name().to_string_lossy());
        assert!(linked.contains(name.as_str()) || name.ends_with("README.md"), "no alert names {name}");
    }
    assert!(alerts_text().contains("# "), "the file says what it is");
}

/// Every page, by its name.
fn pages() -> Vec<(String, String)> {
    let files = std::fs::read_dir(repository("docs/runbooks")).expect("it is in the repository");
    let read = |path: std::path::PathBuf| (path.display().to_string(), std::fs::read_to_string(&path).expect("it can be read"));
    files.map(|file| read(file.expect("it can be read").path())).collect()
}

#[test]
fn commands_of_the_pages_are_commands_of_the_program() {
    let mut seen = 0;
    for (page, text) in pages() {
        let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
        let spans = text.split('`').skip(1).step_by(2);
        for command in lines.chain(spans).filter(|command| command.starts_with("guildhall ") && !command.contains(" has stopped;")) {
            let words = command.split_whitespace();
            assert!(guildhall::cli::Cli::try_parse_from(words).is_ok(), "{page} has {command:?}, which the program does not take");
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen} commands");
}

#[test]
fn paths_of_the_pages_are_routes_of_the_program() {
    let described = Command::new(env!("CARGO_BIN_EXE_guildhall")).arg("openapi").env_clear().output().expect("the program runs");
    let api: serde_json::Value = serde_json::from_slice(&described.stdout).expect("it is JSON");
    let routes: Vec<&String> = api["paths"].as_object().expect("paths").keys().collect();
    let is_route = |path: &str| {
        routes.iter().any(|route| {
            let (wanted, given): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), path.split('/').collect());
            wanted.len() == given.len() && wanted.iter().zip(&given).all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
        })
    };
    let mut seen = 0;
    for (page, text) in pages() {
        for found in text.split("/v1/").skip(1) {
            let end = found.find(|c: char| !c.is_ascii_alphanumeric() && !"-/$_".contains(c)).unwrap_or(found.len());
            let path = format!("/v1/{}", &found[..end]);
            assert!(is_route(&path), "{page} names {path}, which is no route");
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen} paths");
}
