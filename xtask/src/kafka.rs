//! One throwaway Kafka: a KRaft node in a temporary folder on free ports, stopped and removed with its data.
//! Never touches a broker it did not start.

mod runtime;

pub(crate) use runtime::{Runtime, jars};

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, test_kill_process};

use crate::guard::Guard;
use crate::server::{Server, log_path};
use crate::throwaway::{self, POLL, free_port, own_group, random_hex, tail};

/// The variable that tells tests where their Kafka is, as HOST:PORT.
pub(crate) const VARIABLE: &str = "GUILDHALL_TEST_KAFKA";
/// The variable that tells tests where Kafka's jars are, to start brokers of their own and clients written in Java.
pub(crate) const JARS_VARIABLE: &str = "GUILDHALL_TEST_KAFKA_JARS";
/// The hidden command that guards a Kafka.
pub(crate) const GUARD: &str = "guard-kafka";

const NAME: &str = "kafka";
const PREFIX: &str = "guildhall-kafka-";
const READY_WITHIN: Duration = Duration::from_secs(90);
/// Somebody else may take a port between our asking for free ones and the broker's binding them.
const PORT_ATTEMPTS: usize = 3;
/// What the broker writes when it serves.
const READY: &str = "Kafka Server started";
/// The lines that all nodes share.
const PROPERTIES: &str = include_str!("../kafka/server.properties");
/// Small and cheap while idle; tests' logs are read from the page cache, not from this heap.
const MEMORY: [&str; 3] = ["-Xmx512m", "-Xms64m", "-XX:+UseSerialGC"];

/// Formats a log folder and starts a broker on it, loopback only. Returns when it serves.
pub(crate) fn start(runtime: &Runtime) -> Result<Server, String> {
    let folder = throwaway::make_folder(PREFIX)?;
    let guard = Guard::set(GUARD, &folder)?;
    let mut refusal = String::new();
    for attempt in 0..PORT_ATTEMPTS {
        let ports = (free_port()?, free_port()?);
        configure(&folder, ports)?;
        if attempt == 0 {
            format(runtime, &folder)?;
        }
        let mut process = launch(runtime, &folder)?;
        match wait_until_ready(&mut process, &folder, ports.0) {
            Ok(()) => return Ok(Server::new(NAME, folder, format!("127.0.0.1:{}", ports.0), process, guard)),
            Err(problem) => refusal = problem,
        }
        if !refusal.contains("BindException") && !refusal.contains("Address already in use") {
            break;
        }
        process.kill().and_then(|()| process.wait()).ok();
    }
    Err(refusal)
}

/// Stops the broker that runs in `folder`, if any, and removes the folder. The data goes too, so nothing is flushed.
pub(crate) fn end(folder: &Path) -> Result<(), String> {
    throwaway::end(folder, PREFIX, Signal::KILL, broker)
}

/// Whether a broker runs in `folder`.
pub(crate) fn runs_in(folder: &Path) -> bool {
    broker(folder).is_some()
}

fn configure(folder: &Path, (port, controller): (u16, u16)) -> Result<(), String> {
    let own = format!(
        "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         log.dirs={}\n",
        folder.join("data").display()
    );
    let path = properties_path(folder);
    fs::write(&path, own + PROPERTIES).map_err(|error| format!("could not write {}: {error}", path.display()))
}

fn format(runtime: &Runtime, folder: &Path) -> Result<(), String> {
    // A cluster's id is 16 bytes in base64 for URLs. Hexadecimal digits are such text too; the last letter carries two bits only.
    let id = format!("{}A", &random_hex()?[..21]);
    let mut command = runtime.java();
    command.arg("kafka.tools.StorageTool").args(["format", "-t", &id, "-c"]).arg(properties_path(folder));
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("could not run java: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = [output.stdout, output.stderr].concat();
    Err(format!("kafka's folder could not be formatted:\n{}", String::from_utf8_lossy(&told).trim_end()))
}

fn launch(runtime: &Runtime, folder: &Path) -> Result<Child, String> {
    let lost = |error| format!("could not write kafka's log: {error}");
    let log = File::create(log_path(folder, NAME)).map_err(lost)?;
    let errors = log.try_clone().map_err(lost)?;
    let mut command = runtime.java();
    command.args(MEMORY).arg("kafka.Kafka").arg(properties_path(folder)).current_dir(folder);
    own_group(&mut command).stdin(Stdio::null()).stdout(log).stderr(errors);
    let child = command.spawn().map_err(|error| format!("could not run java: {error}"))?;
    let pid = pid_path(folder);
    fs::write(&pid, child.id().to_string()).map_err(|error| format!("could not write {}: {error}", pid.display()))?;
    Ok(child)
}

fn wait_until_ready(process: &mut Child, folder: &Path, port: u16) -> Result<(), String> {
    let started = Instant::now();
    while started.elapsed() < READY_WITHIN {
        let says_so = fs::read_to_string(log_path(folder, NAME)).is_ok_and(|log| log.contains(READY));
        if says_so && TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        if !matches!(process.try_wait(), Ok(None)) {
            return Err(format!("kafka did not start:\n{}", tail(&log_path(folder, NAME))));
        }
        if crate::interrupt::happened() {
            return Err("interrupted".to_owned());
        }
        sleep(POLL * 5);
    }
    Err(format!("kafka was not ready after {} s:\n{}", READY_WITHIN.as_secs(), tail(&log_path(folder, NAME))))
}

/// The process id of the broker that runs in `folder`.
fn broker(folder: &Path) -> Option<Pid> {
    let pid = Pid::from_raw(fs::read_to_string(pid_path(folder)).ok()?.trim().parse().ok()?)?;
    (test_kill_process(pid).is_ok() && is_broker_of(pid, folder)).then_some(pid)
}

/// The file can outlive its broker (a restart of the machine) and its number can then be anybody's; a zombie has no command line.
fn is_broker_of(pid: Pid, folder: &Path) -> bool {
    match fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())) {
        Ok(line) => String::from_utf8_lossy(&line).contains(&*folder.to_string_lossy()),
        Err(_) => !Path::new("/proc/self/cmdline").exists(),
    }
}

fn properties_path(folder: &Path) -> PathBuf {
    folder.join("server.properties")
}

fn pid_path(folder: &Path) -> PathBuf {
    folder.join("kafka.pid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_pid_file_naming_another_program_is_not_a_broker() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(pid_path(folder.path()), std::process::id().to_string()).unwrap();
        assert!(!runs_in(folder.path()));
    }

    #[test]
    fn an_ended_broker_leaves_neither_process_nor_folder() {
        // The test binary cannot serve as the guard's program, so a program that only looks like the broker is taken down by hand.
        let folder = throwaway::make_folder(PREFIX).unwrap();
        let mut child = Command::new("sh").arg("-c").arg("read line").arg(folder.join("x")).stdin(Stdio::piped()).spawn().unwrap();
        fs::write(pid_path(&folder), child.id().to_string()).unwrap();
        // A process that has just begun its program shows no arguments for a moment.
        let started = Instant::now();
        while !runs_in(&folder) {
            assert!(started.elapsed() < Duration::from_secs(10), "its arguments never named the folder");
        }
        end(&folder).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(!folder.exists());
    }

    #[test]
    fn two_nodes_are_configured_apart() {
        let folder = tempfile::tempdir().unwrap();
        configure(folder.path(), (1234, 1235)).unwrap();
        let text = fs::read_to_string(properties_path(folder.path())).unwrap();
        assert!(text.contains("advertised.listeners=PLAINTEXT://127.0.0.1:1234\n"), "{text}");
        let keys: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split('=').next()).collect();
        let distinct: std::collections::BTreeSet<&&str> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len(), "no key stands twice");
    }
}
