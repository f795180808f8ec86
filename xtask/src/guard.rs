//! A second process that ends a throwaway server when the first is gone, however that one went: done, Ctrl-C, killed.
//! It learns so from the end of its standard input, which the system closes for a dead process too.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::throwaway::own_group;

const DISMISSED: &str = "dismissed";

/// The guarded side's handle.
pub(crate) struct Guard(Child);

impl Guard {
    /// Starts a guard over `folder`; `duty` is the hidden command that runs it.
    pub(crate) fn set(duty: &str, folder: &Path) -> Result<Guard, String> {
        let program = std::env::current_exe().map_err(|error| format!("could not find xtask's own program: {error}"))?;
        let mut command = Command::new(program);
        command.arg(duty).arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        own_group(&mut command).spawn().map(Guard).map_err(|error| format!("could not start {duty}: {error}"))
    }

    /// Has the guard end the server now; returns when it has.
    pub(crate) fn trip(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }

    /// Sends the guard away; the server stays.
    pub(crate) fn dismiss(mut self) -> Result<(), String> {
        let mut input = self.0.stdin.take().expect("the guard was started with a pipe");
        input.write_all(DISMISSED.as_bytes()).map_err(|error| format!("a guard is gone: {error}"))?;
        drop(input);
        self.0.wait().map(drop).map_err(|error| format!("a guard did not end: {error}"))
    }
}

/// The guard's own side: waits until its input ends, then ends the server in `folder` unless it was dismissed.
pub(crate) fn run(folder: &Path, end: impl Fn(&Path) -> Result<(), String>) -> Result<(), String> {
    let mut said = String::new();
    std::io::stdin().read_to_string(&mut said).ok();
    if said == DISMISSED { Ok(()) } else { end(folder) }
}
