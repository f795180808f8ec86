//! Rule: every Rust file opens with a `//!` line that says what it owns.

use super::{Breach, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let silent = tree.files.iter().filter(|file| file.path.ends_with(".rs") && !speaks(&file.text));
    silent
        .map(|file| Breach::new(&file.path, 1, "the file does not open with `//!`", "a sentence on what it owns, then what it refuses"))
        .collect()
}

fn speaks(text: &str) -> bool {
    text.strip_prefix("//!").and_then(|rest| rest.lines().next()).is_some_and(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    #[test]
    fn only_a_first_line_with_words_counts() {
        let files = [
            ("crates/a/src/good.rs", "//! Owns things.\nuse x;\n"),
            ("crates/a/src/late.rs", "use x;\n//! Owns things.\n"),
            ("crates/a/src/mute.rs", "//!\nuse x;\n"),
            ("crates/a/src/empty.rs", ""),
            ("notes.md", "no Rust"),
        ];
        let paths: Vec<String> = check(&tree(&files)).into_iter().map(|breach| breach.path).collect();
        assert_eq!(paths, ["crates/a/src/late.rs", "crates/a/src/mute.rs", "crates/a/src/empty.rs"]);
    }
}
