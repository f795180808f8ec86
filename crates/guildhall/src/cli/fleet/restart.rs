//! A rolling restart: each process ends in order and is started again by whoever keeps it, and only then comes the next.
//! Refuses to end a process that nobody would start again, and to go on where one does not come back.

use crate::fleet::host;
use crate::fleet::status::Seen;
use registry::Status;
use registry::client::{Snapshot, Watch};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Shutdown, start and registration take less than this.
const BACK_WITHIN: Duration = Duration::from_secs(90);

pub(super) async fn run(watch: &Watch, service: Option<&str>) -> Result<ExitCode, String> {
    let all = Seen::of(&watch.snapshot());
    let wanted: Vec<&Seen> = all.iter().filter(|one| service.is_none_or(|service| is_meant(one, service))).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        return Err(format!("nobody serves {}: there are {}", service.unwrap_or("anything"), names.join(", ")));
    }
    for one in &wanted {
        kept(one)?;
    }
    for one in &wanted {
        restart(watch, one).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn is_meant(one: &Seen, service: &str) -> bool {
    one.name == service || one.services.iter().any(|served| served == service)
}

/// The process's id, if it runs on this machine and is started again when it ends.
fn kept(one: &Seen) -> Result<Pid, String> {
    let name = &one.name;
    if one.host.as_deref() != Some(&host()) {
        let there = one.host.as_deref().unwrap_or("another machine");
        return Err(format!("{name} runs on {there}: it is restarted there, by whatever started it"));
    }
    let (Some(pid), Some(_)) = (one.pid.and_then(Pid::from_raw), one.keeper) else {
        return Err(format!("nobody would start {name} again: it is restarted by whatever started it, as systemd or Kubernetes"));
    };
    Ok(pid)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
async fn restart(watch: &Watch, one: &Seen) -> Result<(), String> {
    let started = Instant::now();
    let pid = kept(one)?;
    match kill_process(pid, Signal::TERM) {
        Ok(()) => {}
        // It ended by itself, and its lease has not run out yet.
        Err(Errno::SRCH) => {
            println!("{}: process {} is gone already", one.name, pid.as_raw_nonzero());
            return Ok(());
        }
        Err(error) => return Err(format!("{} (process {}) takes no signals: {error}", one.name, pid.as_raw_nonzero())),
    }
    let is_back = |snapshot: &Snapshot| successor(snapshot, one).is_some();
    let snapshot = tokio::time::timeout(BACK_WITHIN, watch.until(is_back)).await;
    let snapshot = snapshot.map_err(|_| format!("{} did not come back within {} s: its log says why", one.name, BACK_WITHIN.as_secs()))?;
    let next = successor(&snapshot, one).and_then(|next| next.pid).unwrap_or_default();
    println!("{}: process {} became {next} in {:.1} s", one.name, pid.as_raw_nonzero(), started.elapsed().as_secs_f64());
    Ok(())
}

fn successor(snapshot: &Snapshot, one: &Seen) -> Option<Seen> {
    Seen::of(snapshot).into_iter().find(|next| next.name == one.name && next.id != one.id && next.status == Status::Up)
}
