//! The files by which the program is run elsewhere: Compose, Kubernetes, systemd, Dockerfile. Their settings are settings, their services are
//! services, every kind of process is there twice, may not run as root, and can be taken away one at a time.
//! Leaves to the systems themselves what they do with the files.

use crate::repository;
use guildhall::Config;
use guildhall::services::Services;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const KEYS: [&str; 2] = ["GUILDHALL_TOKEN_KEY", "GUILDHALL_PERSONAL_KEY"];
/// Stands for what a file leaves to whoever uses it.
const URL: &str = "postgres://guildhall:secret@postgres:5432/guildhall";

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn yaml(text: &str) -> Value {
    let mut value: serde_norway::Value = serde_norway::from_str(text).expect("it is YAML");
    value.apply_merge().expect("what it merges is there");
    serde_json::to_value(value).expect("it is plain data")
}

fn documents(path: &str) -> Vec<Value> {
    read(path).split("\n---\n").map(yaml).collect()
}

/// The configuration that a process gets with these variables; every mistake fails.
fn configured(whose: &str, variables: &BTreeMap<String, String>) -> Config {
    let known = variables.iter().filter(|(name, _)| !KEYS.contains(&name.as_str()));
    let set = known.filter(|(name, _)| name.starts_with("GUILDHALL_")).map(|(name, value)| (name.clone(), value.clone()));
    let config = Config::load(None, set, &[]).unwrap_or_else(|mistakes| panic!("{whose}: {mistakes}"));
    let lacking = config.server.services.lacking(&config);
    assert!(lacking.is_empty(), "{whose}: {lacking:?}");
    config
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Each service is served by two processes, and gateways and registries are there.
fn all_are_there_twice(processes: &[(String, Services)]) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for part in processes.iter().flat_map(|(_, services)| services.iter()) {
        *times.entry(part.name).or_default() += 1;
    }
    let wanted: BTreeSet<&str> = guildhall::services::TABLE.iter().map(|part| part.name).collect();
    assert_eq!(times.keys().copied().collect::<BTreeSet<_>>(), wanted);
    assert!(times.values().all(|times| *times == 2), "{times:?}");
}

#[test]
fn compose_runs_every_service_twice_with_settings_that_are_right() {
    let compose = yaml(&read("compose.yaml"));
    let mut processes = Vec::new();
    for (name, service) in compose["services"].as_object().expect("services") {
        if service["image"] != "guildhall" {
            assert!(service["image"].as_str().is_some_and(|image| image.contains(':')), "{name} has no version");
            continue;
        }
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        let environment = service["environment"].as_object().expect("settings").iter();
        let mut variables: BTreeMap<String, String> = environment.map(|(name, value)| (name.clone(), text(value))).collect();
        assert!(KEYS.iter().all(|key| variables[*key].starts_with("${")), "{name} has keys of its own");
        variables.insert("GUILDHALL_DB_URL".to_owned(), URL.to_owned());
        let config = configured(name, &variables);
        if name != "migrate" {
            assert!(config.registry.advertise.starts_with(&format!("{name}:")), "{name} is found elsewhere");
            processes.push((name.clone(), config.server.services));
        }
    }
    all_are_there_twice(&processes);
    let targets = yaml(&read("ops/compose/targets.yml"));
    let scraped: BTreeSet<String> = targets
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|one| one["targets"].as_array().cloned().unwrap())
        .map(|place| text(&place).split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(scraped, processes.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), "Prometheus looks at all of them");
    for (name, service) in compose["services"].as_object().expect("services") {
        for volume in service["volumes"].as_array().into_iter().flatten().map(text).filter(|volume| volume.starts_with("./")) {
            let path = volume.trim_start_matches("./").split(':').next().expect("a path").to_owned();
            assert!(repository(&path).exists(), "{name} mounts {path}, which is not there");
        }
    }
}

#[test]
fn kubernetes_runs_every_service_twice_with_probes_and_budgets() {
    let all: Vec<Value> = ["base", "registry", "services", "gateway", "migrate"]
        .iter()
        .flat_map(|file| documents(&format!("ops/kubernetes/{file}.yaml")))
        .collect();
    let of_kind = |kind: &'static str| all.iter().filter(move |one| one["kind"] == kind);
    let shared: BTreeMap<String, String> = of_kind("ConfigMap")
        .flat_map(|map| map["data"].as_object().expect("data").clone())
        .map(|(name, value)| (name, text(&value)))
        .collect();
    let budgets: BTreeSet<String> = of_kind("PodDisruptionBudget")
        .map(|one| {
            assert_eq!(one["spec"]["maxUnavailable"], 1);
            text(&one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"])
        })
        .collect();
    let mut processes = Vec::new();
    for workload in of_kind("Deployment").chain(of_kind("StatefulSet")) {
        let name = text(&workload["metadata"]["name"]);
        assert!(budgets.contains(&name), "{name} has no disruption budget");
        let pod = &workload["spec"]["template"];
        assert_eq!(workload["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"], "{name} finds its pods");
        assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true, "{name}");
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
        // A database that is away must not restart anybody.
        assert_eq!(
            (&container["livenessProbe"]["httpGet"]["path"], &container["readinessProbe"]["httpGet"]["path"]),
            (&"/health".into(), &"/ready".into())
        );
        assert!(
            container["startupProbe"]["httpGet"]["path"] == "/health" && container["resources"]["limits"]["memory"].is_string(),
            "{name}"
        );
        let own = container["env"].as_array().expect("settings").iter().filter(|one| one["value"].is_string());
        let mut variables: BTreeMap<String, String> = own
            .map(|one| (text(&one["name"]), text(&one["value"]).replace("$(POD_IP)", "10.0.0.7").replace("$(POD_NAME)", "pod-1")))
            .collect();
        let arguments: Vec<String> = container["args"].as_array().expect("arguments").iter().map(text).collect();
        assert_eq!(arguments[..2], ["serve", "--services"], "{name}");
        variables.insert("GUILDHALL_SERVER_SERVICES".to_owned(), arguments[2].clone());
        variables.insert("GUILDHALL_DB_URL".to_owned(), URL.to_owned());
        variables.extend(shared.clone());
        let services = configured(&name, &variables).server.services;
        (0..workload["spec"]["replicas"].as_u64().expect("replicas")).for_each(|_| processes.push((name.clone(), services.clone())));
    }
    all_are_there_twice(&processes);
    let listed: Vec<String> =
        yaml(&read("ops/kubernetes/kustomization.yaml"))["resources"].as_array().expect("resources").iter().map(text).collect();
    assert_eq!(listed, ["base.yaml", "registry.yaml", "services.yaml", "gateway.yaml"]);
}

#[test]
fn units_of_systemd_are_accepted() {
    let units = ["guildhall.service", "guildhall@.service", "guildhall-migrate.service", "guildhall.target"];
    let folder = tempfile::tempdir().expect("a test gets a temporary folder");
    for unit in units {
        let text = read(&format!("ops/systemd/{unit}"));
        if unit.ends_with(".service") {
            assert!(text.contains("User=guildhall\n") && text.contains("NoNewPrivileges=yes\n"), "{unit}");
        }
        let place = unit.replace("@.", "@payments-1.");
        // The tool looks whether the program is there.
        std::fs::write(folder.path().join(place), text.replace("/usr/bin/guildhall", "/bin/true")).expect("a test may write to its folder");
    }
    let mut command = Command::new("systemd-analyze");
    command.arg("verify").current_dir(folder.path()).env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()));
    command.args(units.map(|unit| unit.replace("@.", "@payments-1.")));
    let Ok(done) = command.output() else {
        eprintln!("left out: there is no systemd-analyze, so the units were not verified");
        return;
    };
    let told = String::from_utf8_lossy(&done.stderr);
    let ours: Vec<&str> = told.lines().filter(|line| line.contains("guildhall")).collect();
    assert!(done.status.success() && ours.is_empty(), "{told}");
}

#[test]
fn the_image_has_no_root_and_no_shell() {
    let dockerfile = read("Dockerfile");
    let last = dockerfile.rsplit_once("\nFROM ").expect("stages").1;
    assert!(last.starts_with("scratch\n") && last.contains("\nUSER 65532:65532\n"), "{last}");
    let variables = last.replace("\\\n", " ");
    let settings = variables.split_whitespace().filter_map(|word| word.split_once('=')).filter(|(name, _)| name.starts_with("GUILDHALL_"));
    let config = configured("Dockerfile", &settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
    // Its steps, in a folder of this machine.
    let folder = tempfile::tempdir().expect("a test gets a temporary folder");
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root may give files away, so the image's root folder was not made");
        return;
    }
    let script = repository("ops/docker/root.sh");
    let made = Command::new("sh").arg(script).arg(env!("CARGO_BIN_EXE_guildhall")).arg(folder.path()).status().expect("sh runs");
    assert!(made.success());
    let mut inside = Command::new("chroot");
    inside.arg("--userspec=65532:65532").arg(folder.path()).args(["/bin/guildhall", "openapi"]);
    let said = inside.env_clear().env("PATH", "/usr/sbin:/usr/bin:/bin").output().expect("chroot runs");
    let told = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && serde_json::from_slice::<Value>(&said.stdout).is_ok(), "{told}");
}
