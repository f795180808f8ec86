//! A server process of its own for a load test: started from this very program, asked, measured, stopped.
//! Refuses to outlive the test: a server that was not stopped is killed.

use super::ground::Ground;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// A start with a full catalogue takes seconds; one that takes longer than this has failed.
const READY_MAX: Duration = Duration::from_secs(60);
/// A server finishes what it took within its grace of ten seconds.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Between two looks at a server that starts.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start until it said that it is ready.
    pub ready_after: Duration,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a server on a free port and waits until it is ready. Its log goes to a file in the folder.
    pub async fn start(ground: &Ground, environment: Vec<(String, String)>, name: &str) -> Result<Server, String> {
        let address = free_address().map_err(|e| format!("no free port: {e}"))?;
        let log = ground.folder.join(format!("{name}.log"));
        let file = File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        let program = std::env::current_exe().map_err(|e| format!("this program's own file is not known: {e}"))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--listen").arg(address.to_string()).arg("--data").arg(&ground.folder);
        if let Some(config) = &ground.config_file {
            command.arg("--config").arg(config);
        }
        command.envs(environment).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
        let started = Instant::now();
        let child = command.spawn().map_err(|e| format!("the server cannot be started: {e}"))?;
        let mut server = Server { address, ready_after: Duration::ZERO, child, log };
        server.wait_until_ready(started).await?;
        server.ready_after = started.elapsed();
        Ok(server)
    }

    async fn wait_until_ready(&mut self, started: Instant) -> Result<(), String> {
        while started.elapsed() < READY_MAX {
            if let Ok((200, _)) = get(self.address, "/ready").await {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended with {status} before it was ready: {}", self.last_lines()));
            }
            sleep(LOOK_EVERY).await;
        }
        Err(format!("the server was not ready after {} s: {}", READY_MAX.as_secs(), self.last_lines()))
    }

    /// Processor time it has used so far, in microseconds.
    pub fn cpu_us(&self) -> u64 {
        self.child.id().map_or(0, |id| cpu_us(&id.to_string()))
    }

    /// Memory it holds now, in bytes.
    pub fn rss_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most memory it has held, in bytes.
    pub fn rss_max_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap_or(0))).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// Stops it and waits until it has finished what it took.
    pub async fn stop(mut self) -> Result<(), String> {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            kill_process(id, Signal::TERM).map_err(|e| format!("the server cannot be asked to stop: {e}"))?;
        }
        match timeout(STOP_MAX, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the server ended with {status}: {}", self.last_lines())),
            Ok(Err(error)) => Err(format!("the server cannot be waited for: {error}")),
            Err(_) => Err(format!("the server did not stop within {} s: {}", STOP_MAX.as_secs(), self.last_lines())),
        }
    }

    /// Errors in its log, the last few.
    pub fn errors(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect();
        lines.drain(..lines.len().saturating_sub(5));
        lines
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// Processor time of a process of this machine, or of `self`, in microseconds.
pub fn cpu_us(process: &str) -> u64 {
    // User and system time are fields 14 and 15, in hundredths of a second (proc(5)); the name before them may hold blanks.
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10_000
}

/// Processor time of a process of this machine and of all its children, those that ended too, in microseconds.
/// None where no such process is, as when a database is on another machine.
pub fn family_cpu_us(parent: u32) -> Option<u64> {
    let own = std::fs::read_to_string(format!("/proc/{parent}/stat")).ok()?;
    let ticks = |stat: &str, fields: std::ops::Range<usize>| {
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let numbers = rest.split_whitespace().skip(fields.start).take(fields.len());
        numbers.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()
    };
    // Fields 14 to 17: own user and system time, then those of children that were waited for.
    let mut sum = ticks(&own, 11..15);
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        if parent_of(&stat) == Some(parent) {
            sum += ticks(&stat, 11..13);
        }
    }
    Some(sum * 10_000)
}

/// The parent of a process of this machine.
pub fn parent(process: u32) -> Option<u32> {
    parent_of(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

fn parent_of(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Asks for one page and reads it to its end.
pub async fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut text)).await??;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the answer is not HTTP"))?;
    Ok((status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

/// The sum of a metric's lines that hold a text, as of a label.
pub fn metric(text: &str, name: &str, label: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// An address nobody listens at yet.
pub(super) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_time_is_part_of_its_familys() {
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        assert_eq!(parent(child.id()), Some(std::process::id()));
        let started = Instant::now();
        let (before, child_id) = (family_cpu_us(std::process::id()).unwrap(), child.id().to_string());
        while cpu_us(&child_id) < 50_000 {
            assert!(started.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        }
        assert!(family_cpu_us(std::process::id()).unwrap() >= before + 40_000);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
