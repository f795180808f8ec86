//! Rule: no text file holds a word that belongs elsewhere: paths of one machine, or notes of work not done.

use super::{Breach, Tree};

/// Spelt in halves, because this file is looked at too.
const BANNED: [(&str, &str); 4] = [
    (concat!("TO", "DO"), "the work done, or an issue"),
    (concat!("FIX", "ME"), "the work done, or an issue"),
    (concat!("/wo", "rk/"), "a path relative to the repository"),
    (concat!("/ro", "ot/"), "a path relative to the repository"),
];

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in &tree.files {
        // One look at the whole text is enough for nearly every file.
        for (word, right) in BANNED.iter().filter(|(word, _)| file.text.contains(word)) {
            let lines = file.text.lines().enumerate().filter(|(_, line)| holds(line, word));
            breaches.extend(lines.map(|(index, _)| Breach::new(&file.path, index + 1, format!("`{word}`"), *right)));
        }
    }
    breaches
}

/// Whether the line holds the word by itself, not as a part of a longer one.
fn holds(line: &str, word: &str) -> bool {
    let joins = |next: char| next.is_alphanumeric() || next == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        // In `frame/work/x` and `$home/work/x` the path starts earlier and says nothing about a machine.
        let starts = if word.starts_with('/') {
            !before.is_some_and(|char| joins(char) || ".-}*".contains(char))
        } else {
            !before.is_some_and(joins)
        };
        starts && (word.ends_with('/') || !after.is_some_and(joins))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    #[test]
    fn a_banned_word_is_found_with_its_line() {
        let [(note, _), _, (path, _), _] = BANNED;
        let text = format!("fine\n// {note}: later\nsee {path}x\n");
        let lines: Vec<usize> = check(&tree(&[("a.md", &text)])).iter().map(|breach| breach.line).collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn a_part_of_a_longer_word_is_fine() {
        let [(note, _), _, (path, _), _] = BANNED;
        let text = format!("{note}S my{note} frame{path}x ./{}x\n", &path[1..]);
        assert_eq!(check(&tree(&[("a.md", &text)])), []);
    }
}
