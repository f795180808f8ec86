//! What throwaway servers have in common: a temporary folder, a free port, a log, and how what runs in the folder is ended.
//! Refuses to end or remove anything in a folder whose name is not one it gave.

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Between two looks at a server that starts or ends.
pub(crate) const POLL: Duration = Duration::from_millis(10);
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Makes a folder that only its owner may read, under the system's temporary one.
pub(crate) fn make_folder(prefix: &str) -> Result<PathBuf, String> {
    let path = std::env::temp_dir().join(format!("{prefix}{}", &random_hex()?[..8]));
    DirBuilder::new().mode(0o700).create(&path).map_err(|error| format!("could not make {}: {error}", path.display()))?;
    Ok(path)
}

/// Sixteen random bytes, as hexadecimal digits.
pub(crate) fn random_hex() -> Result<String, String> {
    let mut bytes = [0u8; 16];
    let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|error| format!("could not read /dev/urandom: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A port of 127.0.0.1 that was free a moment ago; somebody else may still take it first.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no free port on 127.0.0.1: {error}"))
}

/// A group of its own: Ctrl-C must not reach the server before the tests that still use it.
pub(crate) fn own_group(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    command.process_group(0)
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    const LINES: usize = 15;
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Ends what runs in `folder`, asked by `signal` first, and removes the folder. A folder that is gone is fine; a stranger's is refused.
pub(crate) fn end(folder: &Path, prefix: &str, signal: Signal, running: impl Fn(&Path) -> Option<Pid>) -> Result<(), String> {
    if !folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)) {
        return Err(format!("{} is not a folder of ours: its name would start with {prefix}", folder.display()));
    }
    let started = Instant::now();
    let mut signal = signal;
    while let Some(pid) = running(folder) {
        if started.elapsed() > ENDS_WITHIN {
            if signal == Signal::KILL && started.elapsed() > ENDS_WITHIN * 2 {
                return Err(format!("process {} of {} did not end", pid.as_raw_nonzero(), folder.display()));
            }
            signal = Signal::KILL;
        }
        // It may end between our look and our signal; the next look will tell.
        kill_process(pid, signal).ok();
        sleep(POLL);
    }
    remove(folder, started)
}

fn remove(folder: &Path, started: Instant) -> Result<(), String> {
    loop {
        match fs::remove_dir_all(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound && !folder.exists() => return Ok(()),
            // The server's children may still be writing their last files.
            Err(_) if started.elapsed() < ENDS_WITHIN * 2 => sleep(POLL),
            Err(error) => return Err(format!("could not remove {}: {error}", folder.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_ours_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        end(folder.path(), "guildhall-", Signal::TERM, |_| None).unwrap_err();
        assert!(folder.path().exists());
    }

    #[test]
    fn a_folder_in_which_nothing_runs_is_removed() {
        let folder = make_folder("guildhall-none-").unwrap();
        end(&folder, "guildhall-none-", Signal::TERM, |_| None).unwrap();
        assert!(!folder.exists());
        end(&folder, "guildhall-none-", Signal::TERM, |_| None).unwrap();
    }
}
