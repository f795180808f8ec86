//! The temporary folder a throwaway Postgres lives in, whose it is, and how what runs in it is ended.
//! Ends only a process whose own lock file lies in that folder.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, test_kill_process};

use crate::throwaway;

const PREFIX: &str = "guildhall-postgres-";
/// The user id that distributions keep for "nobody", for machines whose `/etc/passwd` says nothing.
const NOBODY: u32 = 65_534;

/// Who runs the server: ourselves, or, because Postgres refuses to run as root, somebody without rights.
pub(super) struct Owner(Option<(u32, u32)>);

impl Owner {
    pub(super) fn choose() -> Owner {
        if !rustix::process::geteuid().is_root() {
            return Owner(None);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = ["postgres", "nobody"].iter().find_map(|name| ids(&users, name));
        Owner(Some(found.unwrap_or((NOBODY, NOBODY))))
    }

    /// A command run as this owner. Changing the user also drops root's other groups.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }

    pub(super) fn give(&self, path: &Path) -> Result<(), String> {
        let Some((user, group)) = self.0 else { return Ok(()) };
        chown(path, Some(user), Some(group)).map_err(|error| format!("could not give {} to user {user}: {error}", path.display()))
    }
}

/// The server's folder: its data, log and socket. Readable by its owner alone.
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    pub(super) fn make(owner: &Owner) -> Result<Folder, String> {
        let path = throwaway::make_folder(PREFIX)?;
        owner.give(&path)?;
        Ok(Folder { path })
    }

    pub(super) fn data(&self) -> PathBuf {
        data(&self.path)
    }
}

/// Whether the server in `folder` takes connections; it says so in the eighth line of its lock file.
pub(super) fn is_ready(folder: &Path) -> bool {
    let lock = fs::read_to_string(lock_path(folder)).unwrap_or_default();
    lock.lines().nth(7).is_some_and(|status| status.trim() == "ready")
}

/// The process id of the server that runs in `folder`.
pub(super) fn postmaster(folder: &Path) -> Option<Pid> {
    let lock = fs::read_to_string(lock_path(folder)).ok()?;
    let pid = Pid::from_raw(lock.lines().next()?.trim().parse().ok()?)?;
    (test_kill_process(pid).is_ok() && is_postgres(pid)).then_some(pid)
}

/// Ends the server in `folder`, if one runs, and removes the folder. A folder that is gone is fine; a stranger's is refused.
pub(super) fn end(folder: &Path) -> Result<(), String> {
    throwaway::end(folder, PREFIX, Signal::QUIT, postmaster)
}

/// A lock file can outlive its server (a crash, a restart of the machine) and its number can then be anybody's.
fn is_postgres(pid: Pid) -> bool {
    match fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) {
        // "pid (name) state …": a zombie has ended and waits to be collected.
        Ok(stat) => stat.contains("(postgres) ") && !stat.contains(") Z "),
        Err(_) => !Path::new("/proc/self/stat").exists(),
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn lock_path(folder: &Path) -> PathBuf {
    data(folder).join("postmaster.pid")
}

fn ids(users: &str, name: &str) -> Option<(u32, u32)> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_group_are_read_by_exact_name() {
        let users = "postgresql:x:7:8::/:/bin/sh\npostgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(ids(users, "postgres"), Some((101, 104)));
        assert_eq!(ids(users, "nobody"), None);
    }

    #[test]
    fn a_lock_file_naming_another_program_is_not_a_server() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(data(folder.path())).unwrap();
        fs::write(lock_path(folder.path()), format!("{}\n", std::process::id())).unwrap();
        assert!(postmaster(folder.path()).is_none());
    }

    #[test]
    fn a_server_is_ready_only_when_its_lock_file_says_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(data(folder.path())).unwrap();
        fs::write(lock_path(folder.path()), "1\n/data\n0\n5432\n/s\n127.0.0.1\n1 2\nstarting\n").unwrap();
        assert!(!is_ready(folder.path()));
        fs::write(lock_path(folder.path()), "1\n/data\n0\n5432\n/s\n127.0.0.1\n1 2\nready   \n").unwrap();
        assert!(is_ready(folder.path()));
    }
}
