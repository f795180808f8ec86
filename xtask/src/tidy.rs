//! `cargo xtask tidy`: the repository's own rules, each a function from the tree of files to its breaches.
//! A rule looks at text alone; it compiles nothing and asks no network.

mod arrows;
mod bans;
mod crates_named;
mod error_pages;
mod headers;
mod lengths;
mod migrations;
mod parity_tests;
mod schema;
mod sql;
mod words;

use std::path::Path;
use std::time::Instant;

use crate::repository::{self, TextFile};

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Breach {
    path: String,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    wrong: String,
    right: String,
}

/// The files the rules look at.
#[derive(Default)]
struct Tree {
    files: Vec<TextFile>,
    /// The list of long files in the last commit.
    committed_long_files: Option<String>,
}

type Rule = fn(&Tree) -> Vec<Breach>;

const RULES: [(&str, Rule); 11] = [
    ("every Rust file says what it owns", headers::check),
    ("arrows between crates point one way", arrows::check),
    ("only db names a driver", arrows::check_drivers),
    ("every error code has its page", error_pages::check),
    ("no long file grows longer", lengths::check),
    ("both engines have the same migrations", migrations::check),
    ("docs/schema.md is what the migrations make", schema::check),
    ("every test that docs/parity.md names stands", parity_tests::check),
    ("no banned words", words::check),
    ("every crate is on the map", crates_named::check),
    ("no banned dependency", bans::check),
];

/// Checks all rules and prints every breach; with `fix`, first writes what is generated.
pub(crate) fn run(fix: bool) -> Result<(), String> {
    let started = Instant::now();
    let root = repository::root();
    let mut tree = Tree::read(&root)?;
    if fix {
        for (path, text) in [schema::generate(&tree), lengths::generate(&tree)].into_iter().flatten() {
            write(&root, &path, &text)?;
        }
        tree = Tree::read(&root)?;
    }
    let mut count = 0;
    for (name, rule) in RULES {
        let mut breaches = rule(&tree);
        breaches.sort();
        count += breaches.len();
        if !breaches.is_empty() {
            println!("{name}:");
        }
        breaches.iter().for_each(|breach| println!("  {breach}"));
    }
    let took = started.elapsed().as_secs_f64();
    let denied = bans::run_cargo_deny(&root);
    match (count, denied) {
        (0, true) => {
            println!("tidy: {} files keep {} rules ({took:.2} s)", tree.files.len(), RULES.len());
            Ok(())
        }
        (0, false) => Err("cargo-deny refuses a dependency".to_owned()),
        _ => Err(format!("{count} breaches of the repository's rules")),
    }
}

fn write(root: &Path, path: &str, text: &str) -> Result<(), String> {
    let full = root.join(path);
    let parent = full.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(&full, text))
        .map_err(|error| format!("could not write {path}: {error}"))?;
    println!("tidy: wrote {path}");
    Ok(())
}

impl Tree {
    fn read(root: &Path) -> Result<Tree, String> {
        Ok(Tree { files: repository::text_files(root)?, committed_long_files: repository::committed(root, lengths::LIST) })
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Files directly in `folder`, as (name, file).
    fn in_folder<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a TextFile)> {
        let files = self.files.iter().filter_map(move |file| Some((file.path.strip_prefix(folder)?.strip_prefix('/')?, file)));
        files.filter(|(name, _)| !name.contains('/'))
    }

    /// Names of the crates, which are the folders of `crates/` with a manifest.
    fn crates(&self) -> Vec<&str> {
        let folders = self.files.iter().filter_map(|file| file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml"));
        folders.filter(|name| !name.contains('/')).collect()
    }
}

impl Breach {
    fn new(path: &str, line: usize, wrong: impl Into<String>, right: impl Into<String>) -> Breach {
        Breach { path: path.to_owned(), line, wrong: wrong.into(), right: right.into() }
    }
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}; right: {}", self.path, self.wrong, self.right),
            line => write!(f, "{}:{line}: {}; right: {}", self.path, self.wrong, self.right),
        }
    }
}

/// A tree for a rule's tests.
#[cfg(test)]
fn tree(files: &[(&str, &str)]) -> Tree {
    let files = files.iter().map(|(path, text)| TextFile { path: (*path).to_owned(), text: (*text).to_owned() }).collect();
    Tree { files, committed_long_files: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_a_folder_with_a_manifest() {
        let tree = tree(&[
            ("crates/db/Cargo.toml", ""),
            ("crates/db/src/lib.rs", ""),
            ("crates/db/fuzz/Cargo.toml", ""),
            ("xtask/Cargo.toml", ""),
        ]);
        assert_eq!(tree.crates(), ["db"]);
    }

    #[test]
    fn a_breach_names_file_and_line_and_what_would_be_right() {
        let breach = Breach::new("a.rs", 7, "it is wrong", "it is right");
        assert_eq!(breach.to_string(), "a.rs:7: it is wrong; right: it is right");
    }
}
