//! Finds the server's programs on this machine, and has them installed where that is allowed.
//! Refuses a folder with only a client in it.

use std::path::{Path, PathBuf};

use crate::packages;

/// Where distributions keep versions side by side; the newest wins.
const VERSIONED: [&str; 2] = ["/usr/lib/postgresql", "/opt/homebrew/opt"];

/// The folder with `postgres` and `initdb` in it.
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// The newest Postgres on this machine, if there is one.
    pub(crate) fn find() -> Option<Programs> {
        let versioned = VERSIONED.iter().flat_map(|folder| versions(Path::new(folder)));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let plain: Vec<PathBuf> = std::env::split_paths(&path).collect();
        versioned.chain(plain).find(|folder| is_complete(folder)).map(Programs)
    }

    /// Finds Postgres or installs it with apt-get. Says in the error what to do where it can do neither.
    pub(crate) fn find_or_install() -> Result<Programs, String> {
        let found = match Programs::find() {
            Some(found) => found,
            None => {
                packages::install("postgres", &["postgresql"])?;
                Programs::find().ok_or("postgresql was installed, but no postgres is under /usr/lib/postgresql/*/bin")?
            }
        };
        found.extend();
        Ok(found)
    }

    /// What indexes would help is told by an extension, whose tests say so where it is missing.
    fn extend(&self) {
        let Some(version) = debian_version(&self.0) else { return };
        if Path::new(&format!("/usr/share/postgresql/{version}/extension/hypopg.control")).is_file() {
            return;
        }
        if let Err(problem) = packages::install("hypopg", &[&format!("postgresql-{version}-hypopg")]) {
            eprintln!("xtask: {problem}");
        }
    }

    /// The path of one of the server's programs.
    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.0.join(program)
    }
}

/// `folder/*/bin`, the highest version first.
fn versions(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((version(&entry.file_name().to_string_lossy())?, entry.path().join("bin"))))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

/// The version of a server that Debian's packages put there: they alone keep to this folder.
fn debian_version(programs: &Path) -> Option<u32> {
    version(programs.strip_prefix(VERSIONED[0]).ok()?.iter().next()?.to_str()?)
}

/// `15` and `postgresql@15` name version 15.
fn version(name: &str) -> Option<u32> {
    name.strip_prefix("postgresql@").unwrap_or(name).parse().ok()
}

fn is_complete(folder: &Path) -> bool {
    ["postgres", "initdb"].iter().all(|program| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_comes_first_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["9", "15", "postgresql@17", "common"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let names: Vec<String> =
            versions(folder.path()).iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect();
        assert_eq!(names, ["postgresql@17/bin", "15/bin", "9/bin"]);
    }

    #[test]
    fn only_debians_servers_are_extended() {
        assert_eq!(debian_version(Path::new("/usr/lib/postgresql/15/bin")), Some(15));
        assert_eq!(debian_version(Path::new("/opt/homebrew/opt/postgresql@17/bin")), None);
    }

    #[test]
    fn a_folder_with_only_a_client_is_not_a_server() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("psql"), "").unwrap();
        assert!(!is_complete(folder.path()));
    }
}
