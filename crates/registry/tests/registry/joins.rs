//! A service in Java as others write it, built by Maven and run as a process: Spring Boot with Spring Cloud's client of Eureka.
//! Refuses to pass where Java or Maven is missing: it says that it was left out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// Which of the clients it uses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transport {
    /// Spring's own, the starter's default; JSON.
    Spring,
    /// Netflix' own, by Jersey; JSON too.
    Jersey,
}

/// The running service; it is killed when dropped, as by kill -9.
pub(crate) struct Joins {
    pub(crate) port: u16,
    child: Child,
}

/// The folder it is built in; none where Java or Maven is missing.
pub(crate) fn built() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    let there = |program: &str| Command::new(program).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there("java") || !there("mvn") {
        eprintln!("left out: java and mvn are needed for the service that joins");
        return None;
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../registry/tests/java");
    let maven = |how: &[&str]| {
        let mut command = Command::new("mvn");
        command.args(["-q", "-B"]).args(how).arg("package").current_dir(&sources);
        command.output().expect("mvn was found above")
    };
    // What was fetched once is enough; only the first build needs the network.
    let mut made = maven(&["-o"]);
    if !made.status.success() {
        made = maven(&[]);
    }
    assert!(made.status.success(), "mvn package: {}", String::from_utf8_lossy(&made.stdout));
    Some(sources.join("../../../../target/joins"))
}

impl Joins {
    /// Starts it under an application's name, with a lease of three seconds; `eureka` is the URL of a registry with its user.
    pub(crate) async fn start(name: &str, eureka: &str, transport: Transport) -> Option<Joins> {
        let folder = built()?;
        let classes = format!("{}/classes:{}/lib/*", folder.display(), folder.display());
        let mut command = tokio::process::Command::new("java");
        command.args(["-Xmx160m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", &classes, "guild.Joins"]);
        let set = |key: &str, value: &str| format!("--{key}={value}");
        command.args([
            set("spring.application.name", name),
            set("server.address", "127.0.0.1"),
            set("server.port", "0"),
            set("spring.main.banner-mode", "off"),
            set("eureka.client.service-url.defaultZone", eureka),
            set("eureka.client.registry-fetch-interval-seconds", "1"),
            set("eureka.client.initial-instance-info-replication-interval-seconds", "1"),
            set("eureka.client.instance-info-replication-interval-seconds", "1"),
            // Without it two of them on port 0 of one machine would be one instance.
            set("eureka.instance.instance-id", "${spring.application.name}:${random.value}"),
            set("eureka.instance.prefer-ip-address", "true"),
            set("eureka.instance.ip-address", "127.0.0.1"),
            set("eureka.instance.lease-renewal-interval-in-seconds", "1"),
            set("eureka.instance.lease-expiration-duration-in-seconds", "3"),
            set("eureka.instance.metadata-map.zone", "somewhere"),
            set("eureka.client.jersey.enabled", if matches!(transport, Transport::Spring) { "false" } else { "true" }),
        ]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true).spawn().expect("java was found above");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let mut said = String::new();
        while let Some(line) = lines.next_line().await.expect("its output can be read") {
            if let Some(port) = line.strip_prefix("listening on ").and_then(|port| port.trim().parse().ok()) {
                // What it says later goes nowhere, but has to be read, or it would stop.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Some(Joins { port, child });
            }
            said.push_str(&line);
            said.push('\n');
        }
        panic!("the service ended before it listened:\n{said}");
    }

    /// As kill -9 does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }
}
