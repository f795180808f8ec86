//! `cargo xtask services`: runs what tests need beside them, in the foreground or left in the background.
//! Standard output carries only the variable to export; everything else goes to standard error.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::postgres::{self, Programs, Server, VARIABLE};
use crate::{interrupt, repository};

const POLL: Duration = Duration::from_millis(100);

/// Where a detached server is, remembered in `target/`.
struct Detached {
    folder: PathBuf,
    url: String,
}

/// Starts the services and stays until Ctrl-C.
pub(crate) fn run() -> Result<(), String> {
    interrupt::watch()?;
    let mut server = start()?;
    println!("{VARIABLE}={}", server.url());
    eprintln!("xtask: postgres runs in {}; Ctrl-C stops it and removes its data", server.folder().display());
    while !interrupt::happened() {
        server.check()?;
        sleep(POLL);
    }
    eprintln!("xtask: stopping postgres");
    Ok(())
}

/// Starts the services, leaves them running and returns. With some already left running, names those.
pub(crate) fn detach() -> Result<(), String> {
    interrupt::watch()?;
    if let Some(running) = Detached::read(&state_path()).filter(|detached| postgres::runs_in(&detached.folder)) {
        println!("{VARIABLE}={}", running.url);
        eprintln!("xtask: postgres was running already in {}; `cargo xtask services stop` stops it", running.folder.display());
        return Ok(());
    }
    let server = start()?;
    let detached = Detached { folder: server.folder().to_path_buf(), url: server.url().to_owned() };
    detached.write(&state_path())?;
    server.leave_running()?;
    println!("{VARIABLE}={}", detached.url);
    eprintln!("xtask: postgres runs in {}; `cargo xtask services stop` stops it and removes its data", detached.folder.display());
    Ok(())
}

/// Stops what `detach` left running.
pub(crate) fn stop() -> Result<(), String> {
    let path = state_path();
    let Some(detached) = Detached::read(&path) else {
        return Err("no service was left running by `cargo xtask services --detach`".to_owned());
    };
    postgres::end(&detached.folder)?;
    fs::remove_file(&path).map_err(|error| format!("could not remove {}: {error}", path.display()))?;
    eprintln!("xtask: postgres in {} is stopped and removed", detached.folder.display());
    Ok(())
}

fn start() -> Result<Server, String> {
    let programs = Programs::find_or_install()?;
    let started = Instant::now();
    let server = Server::start(&programs)?;
    eprintln!("xtask: postgres was ready after {:.1} s", started.elapsed().as_secs_f64());
    Ok(server)
}

fn state_path() -> PathBuf {
    repository::root().join("target").join("guildhall-services")
}

impl Detached {
    fn read(path: &Path) -> Option<Detached> {
        let text = fs::read_to_string(path).ok()?;
        let (folder, url) = text.trim_end().split_once('\n')?;
        Some(Detached { folder: folder.into(), url: url.to_owned() })
    }

    fn write(&self, path: &Path) -> Result<(), String> {
        let parent = path.parent().expect("the state lies in target/");
        let text = format!("{}\n{}\n", self.folder.display(), self.url);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(path, text));
        written.map_err(|error| format!("could not write {}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detached_server_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target").join("state");
        assert!(Detached::read(&path).is_none());
        Detached { folder: "/tmp/x".into(), url: "postgres://u:p@127.0.0.1:1/postgres".into() }.write(&path).unwrap();
        let read = Detached::read(&path).unwrap();
        assert_eq!((read.folder.as_path(), read.url.as_str()), (Path::new("/tmp/x"), "postgres://u:p@127.0.0.1:1/postgres"));
    }
}
