//! Installs what the services need where that is allowed: on Debian's relatives, as root.
//! Never asks for a password and never changes a machine that is not root's to change.

use std::process::{Command, Stdio};

/// Installs packages with apt-get. Says in the error what to do where it may not.
pub(crate) fn install(what: &str, packages: &[&str]) -> Result<(), String> {
    let names = packages.join(" ");
    if !rustix::process::geteuid().is_root() {
        return Err(format!("{what} is not installed, and only root may install it: `sudo apt-get install {names}`"));
    }
    eprintln!("xtask: installing {names} with apt-get");
    apt_get(&["update"])?;
    let arguments: Vec<&str> = ["install", "--yes", "--no-install-recommends"].iter().chain(packages).copied().collect();
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().map_err(|error| format!("could not run apt-get: {error}; install by hand"))?;
    if status.success() { Ok(()) } else { Err(format!("`apt-get {}` failed: {status}", arguments.join(" "))) }
}
