//! One throwaway Postgres: found or installed, started in a temporary folder, stopped and removed with its data.
//! Never touches a server it did not start.

mod folder;
mod programs;

pub(crate) use programs::Programs;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::guard::Guard;
use crate::server::{Server, log_path};
use crate::throwaway::{POLL, free_port, own_group, random_hex, tail};
use folder::{Folder, Owner};

/// The hidden command that guards a Postgres.
pub(crate) const GUARD: &str = "guard-postgres";

/// The variable that tells tests where their Postgres is.
pub(crate) const VARIABLE: &str = "GUILDHALL_TEST_POSTGRES";

const NAME: &str = "postgres";
const USER: &str = "guildhall";
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Somebody else may take the port between our asking for a free one and the server's binding it.
const PORT_ATTEMPTS: usize = 5;

/// As durable as in production (fsync and synchronous_commit on), so that tests and measurements mean something.
const SETTINGS: [&str; 9] = [
    "max_connections=300",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "autovacuum=on",
    "timezone=UTC",
    "log_min_messages=warning",
];

/// Makes a database cluster and starts it: UTF-8, collation C, loopback only, a random password. Returns when it answers.
pub(crate) fn start(programs: &Programs) -> Result<Server, String> {
    let owner = Owner::choose();
    let folder = Folder::make(&owner)?;
    let guard = Guard::set(GUARD, &folder.path)?;
    let password = random_hex()?;
    initialise(programs, &owner, &folder, &password)?;
    let mut refusal = String::new();
    for _ in 0..PORT_ATTEMPTS {
        let port = free_port()?;
        let mut process = launch(programs, &owner, &folder, port)?;
        match wait_until_ready(&mut process, &folder.path) {
            Ok(()) => {
                let url = format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres");
                return Ok(Server::new(NAME, folder.path, url, process, guard));
            }
            Err(problem) => refusal = problem,
        }
        if !refusal.contains("Address already in use") {
            break;
        }
    }
    Err(refusal)
}

/// Stops the server that runs in `folder`, if any, and removes the folder. The data goes too, so there is no checkpoint.
pub(crate) fn end(folder: &Path) -> Result<(), String> {
    folder::end(folder)
}

/// Whether a server runs in `folder`.
pub(crate) fn runs_in(folder: &Path) -> bool {
    folder::postmaster(folder).is_some()
}

fn initialise(programs: &Programs, owner: &Owner, folder: &Folder, password: &str) -> Result<(), String> {
    let secret = folder.path.join("password");
    fs::write(&secret, password).map_err(|error| format!("could not write {}: {error}", secret.display()))?;
    owner.give(&secret)?;
    let mut command = owner.command(&programs.path("initdb"));
    command.current_dir(&folder.path).arg("--pgdata").arg(folder.data()).arg("--pwfile").arg(&secret);
    // The password crosses loopback only, and a plain comparison keeps ten thousand test connections cheap.
    command.args(["--username", USER, "--encoding=UTF8", "--locale=C", "--no-sync", "--auth-local=trust", "--auth-host=password"]);
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("could not run initdb: {error}"))?;
    fs::remove_file(&secret).ok();
    if output.status.success() {
        return Ok(());
    }
    Err(format!("initdb failed:\n{}", String::from_utf8_lossy(&output.stderr).trim_end()))
}

fn launch(programs: &Programs, owner: &Owner, folder: &Folder, port: u16) -> Result<Child, String> {
    let log = File::create(log_path(&folder.path, NAME)).map_err(|error| format!("could not write postgres's log: {error}"))?;
    let errors = log.try_clone().map_err(|error| format!("could not write postgres's log: {error}"))?;
    let mut command = owner.command(&programs.path("postgres"));
    command.current_dir(&folder.path).arg("-D").arg(folder.data()).arg("-k").arg(&folder.path);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    own_group(&mut command).stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map_err(|error| format!("could not run postgres: {error}"))
}

fn wait_until_ready(process: &mut Child, folder: &Path) -> Result<(), String> {
    let started = Instant::now();
    while started.elapsed() < READY_WITHIN {
        if folder::is_ready(folder) {
            return Ok(());
        }
        if !matches!(process.try_wait(), Ok(None)) {
            return Err(format!("postgres did not start:\n{}", tail(&log_path(folder, NAME))));
        }
        if crate::interrupt::happened() {
            return Err("interrupted".to_owned());
        }
        sleep(POLL);
    }
    Err(format!("postgres was not ready after {} s:\n{}", READY_WITHIN.as_secs(), tail(&log_path(folder, NAME))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    /// Asks for an encrypted connection, as every client may; only a live Postgres answers with one letter.
    fn answers(port: u16) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        let mut letter = [0];
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).is_ok() && stream.read_exact(&mut letter).is_ok() && b"NS".contains(&letter[0])
    }

    #[test]
    fn an_ended_server_leaves_neither_process_nor_folder() {
        let Some(programs) = Programs::find() else {
            println!("left out: no Postgres on this machine");
            return;
        };
        // The test binary cannot serve as the guard's program, so this one is taken down by hand.
        let owner = Owner::choose();
        let folder = Folder::make(&owner).unwrap();
        initialise(&programs, &owner, &folder, "secret").unwrap();
        let port = free_port().unwrap();
        let mut process = launch(&programs, &owner, &folder, port).unwrap();
        let ready = wait_until_ready(&mut process, &folder.path);
        let answered = answers(port);
        let reaper = std::thread::spawn(move || process.wait());
        end(&folder.path).unwrap();
        reaper.join().unwrap().unwrap();
        ready.unwrap();
        assert!(answered, "a ready server answers");
        assert!(!answers(port), "an ended server does not");
        assert!(!folder.path.exists());
    }
}
