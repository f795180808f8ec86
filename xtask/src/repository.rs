//! Knows where the repository is and which files belong to it.
//! Reads only: what a command writes, it writes itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies inside the repository").to_path_buf()
}

/// A text file of the repository.
pub(crate) struct TextFile {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every text file that git tracks or would track, sorted by path. Without git, every file outside `target` and hidden folders.
pub(crate) fn text_files(root: &Path) -> Result<Vec<TextFile>, String> {
    let mut paths = match tracked(root) {
        Some(paths) => paths,
        None => {
            let mut found = Vec::new();
            walk(root, root, &mut found)?;
            found
        }
    };
    paths.sort();
    paths.dedup();
    // A file can be in git's index and already deleted from the folder; one that is not UTF-8 is not text.
    let read = |path: String| fs::read_to_string(root.join(&path)).ok().map(|text| TextFile { path, text });
    Ok(paths.into_iter().filter_map(read).collect())
}

/// The text of `path` in the last commit, if there is a commit and the file is in it.
pub(crate) fn committed(root: &Path, path: &str) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(["show", &format!("HEAD:{path}")]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    Some(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("could not list {}: {error}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        if name == "target" || (path.is_dir() && name.to_string_lossy().starts_with('.') && name != ".ci" && name != ".cargo") {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, found)?;
        } else if let Ok(relative) = path.strip_prefix(root) {
            found.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_git_the_walk_skips_target_and_hidden_folders() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/b.rs", "target/c.rs", ".hidden/d.rs", ".ci/run"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let mut found = Vec::new();
        walk(folder.path(), folder.path(), &mut found).unwrap();
        found.sort();
        assert_eq!(found, [".ci/run", "a/b.rs"]);
    }
}
