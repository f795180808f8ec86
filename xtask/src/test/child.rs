//! Runs a command in a process group of its own, hands its standard output through line by line, and ends it when we are interrupted.
//! Leaves standard error alone, so that cargo keeps its colours and progress.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::interrupt;

const POLL: Duration = Duration::from_millis(20);
/// How long cargo and its tests may take to end after an interrupt.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// Runs the command to its end. `line` sees every line of its standard output after that was printed.
pub(super) fn run(command: &mut Command, line: impl FnMut(&str) + Send) -> Result<ExitStatus, String> {
    run_into(command, std::io::stdout(), line)
}

fn run_into(command: &mut Command, ours: impl Write + Send, line: impl FnMut(&str) + Send) -> Result<ExitStatus, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("could not run {program}: {error}"))?;
    let output = child.stdout.take().expect("standard output was asked for as a pipe");
    std::thread::scope(|scope| {
        scope.spawn(|| pass_through(output, ours, line));
        wait(&mut child).map_err(|error| format!("lost {program}: {error}"))?.ok_or_else(|| "interrupted".to_owned())
    })
}

/// Bytes go through as they are, whole lines at a time; the last may lack its end.
fn pass_through(output: impl Read, mut ours: impl Write, mut line: impl FnMut(&str)) {
    let mut reader = BufReader::new(output);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        // When nobody reads our output any more, the command's status still counts.
        ours.write_all(&bytes).and_then(|()| ours.flush()).ok();
        line(String::from_utf8_lossy(&bytes).trim_end());
        bytes.clear();
    }
}

/// The command's status, or nothing when it was ended because we were interrupted.
fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    while !interrupt::happened() {
        if let Some(status) = child.try_wait()? {
            // What it left running in its group would hold our pipe open for ever.
            signal_group(child, Signal::KILL);
            return Ok(Some(status));
        }
        sleep(POLL);
    }
    signal_group(child, Signal::INT);
    let asked = Instant::now();
    while child.try_wait()?.is_none() && asked.elapsed() < ENDS_WITHIN {
        sleep(POLL);
    }
    signal_group(child, Signal::KILL);
    child.wait()?;
    Ok(None)
}

fn signal_group(child: &Child, signal: Signal) {
    // The group may have ended already, which is what we want.
    kill_process_group(Pid::from_child(child), signal).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_printed_and_seen_and_the_status_told() {
        let (mut printed, mut seen) = (Vec::new(), Vec::new());
        let mut command = Command::new("sh");
        let status =
            run_into(command.args(["-c", "echo one; printf two; exit 3"]), &mut printed, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!((printed.as_slice(), seen), (b"one\ntwo".as_slice(), vec!["one".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn what_a_command_leaves_running_does_not_hold_us_up() {
        let started = Instant::now();
        let status = run_into(Command::new("sh").args(["-c", "sleep 60 & exit 0"]), std::io::sink(), |_| ()).unwrap();
        assert!(status.success() && started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_missing_program_is_named() {
        let problem = run(&mut Command::new("no-such-program-here"), |_| ()).unwrap_err();
        assert!(problem.contains("no-such-program-here"), "{problem}");
    }
}
