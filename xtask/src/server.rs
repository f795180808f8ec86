//! A throwaway server that runs: where it answers, where its data is, and that its end takes the data along.
//! Refuses to outlive the process that started it, unless it was left running.

use std::path::{Path, PathBuf};
use std::process::Child;

use crate::guard::Guard;
use crate::throwaway::tail;

/// A running server. Dropping it stops it and removes its folder, unless it was left running.
pub(crate) struct Server {
    name: &'static str,
    folder: PathBuf,
    address: String,
    process: Child,
    guard: Option<Guard>,
}

impl Server {
    /// A server that answers; `name` is what messages call it, and its log.
    pub(crate) fn new(name: &'static str, folder: PathBuf, address: String, process: Child, guard: Guard) -> Server {
        Server { name, folder, address, process, guard: Some(guard) }
    }

    /// Where clients find it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The folder that holds data and log.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fails when the server ended by itself, with the end of its log.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(format!("{} ended by itself; the end of its log:\n{}", self.name, tail(&log_path(&self.folder, self.name)))),
        }
    }

    /// Leaves the server running after this process; its room's `end` stops it.
    pub(crate) fn leave_running(mut self) -> Result<(), String> {
        self.guard.take().expect("a server that was not left running has its guard").dismiss()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.trip();
            // The guard has stopped it; as its parent we still have to collect it.
            self.process.wait().ok();
        }
    }
}

/// The log of the server of that name.
pub(crate) fn log_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension("log")
}
