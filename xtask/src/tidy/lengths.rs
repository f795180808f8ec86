//! Rule: Rust files stay short. Over 400 lines a file stands in a list with its length, and the list may only shrink.

use super::{Breach, Tree};

/// The list: a path and its lines, per line.
pub(super) const LIST: &str = "xtask/long-files.txt";

const LINES_MAX: usize = 400;
const LINES_MAX_LISTED: usize = 600;
const HEADING: &str =
    "# Files over 400 lines, with their length. They may only get shorter: `cargo xtask tidy --fix` lowers the numbers.\n";

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let list = entries(tree.text(LIST).unwrap_or_default());
    let mut breaches = Vec::new();
    for (path, lines) in long_files(tree) {
        match list.iter().find(|entry| entry.path == path) {
            _ if lines > LINES_MAX_LISTED => breaches.push(too_long(path, lines, LINES_MAX_LISTED)),
            None => breaches.push(too_long(path, lines, LINES_MAX)),
            Some(entry) if lines > entry.lines => breaches.push(too_long(path, lines, entry.lines)),
            Some(entry) if lines < entry.lines => breaches.push(entry.stale(lines)),
            Some(_) => {}
        }
    }
    let short = list.iter().filter(|entry| !long_files(tree).any(|(path, _)| path == entry.path));
    breaches.extend(short.map(|entry| entry.stale(0)));
    breaches.extend(grown(&list, tree.committed_long_files.as_deref()));
    breaches
}

/// The list with its numbers lowered to what they are; numbers are never raised. Made anew only where there is none at all.
pub(super) fn generate(tree: &Tree) -> Option<(String, String)> {
    let is_new = tree.text(LIST).is_none() && tree.committed_long_files.is_none();
    let list = entries(tree.text(LIST).unwrap_or_default());
    let mut text = HEADING.to_owned();
    for (path, lines) in long_files(tree) {
        let known = list.iter().find(|entry| entry.path == path).map(|entry| entry.lines.min(lines));
        if let Some(lines) = known.or(is_new.then_some(lines)) {
            text.push_str(&format!("{path} {lines}\n"));
        }
    }
    (tree.text(LIST) != Some(text.as_str())).then(|| (LIST.to_owned(), text))
}

struct Entry<'a> {
    at: usize,
    path: &'a str,
    lines: usize,
}

impl Entry<'_> {
    fn stale(&self, lines: usize) -> Breach {
        let wrong = format!("{} is listed with {} lines", self.path, self.lines);
        let right = if lines == 0 {
            "no entry: it is not a long file any more".to_owned()
        } else {
            format!("{lines}, so that it cannot grow back")
        };
        Breach::new(LIST, self.at, wrong, format!("{right} (`cargo xtask tidy --fix`)"))
    }
}

fn too_long(path: &str, lines: usize, max: usize) -> Breach {
    Breach::new(path, lines, format!("{lines} lines"), format!("at most {max}: move a part with a name of its own into another file"))
}

/// Entries that the last commit did not have, or had with fewer lines.
fn grown(list: &[Entry<'_>], committed: Option<&str>) -> Vec<Breach> {
    let Some(committed) = committed.map(entries) else { return Vec::new() };
    let before = |path: &str| committed.iter().find(|entry| entry.path == path).map_or(0, |entry| entry.lines);
    let grown = list.iter().filter(|entry| entry.lines > before(entry.path));
    grown.map(|entry| Breach::new(LIST, entry.at, format!("{} was added or raised", entry.path), "a shorter file")).collect()
}

fn entries(list: &str) -> Vec<Entry<'_>> {
    let entry = |(index, line): (usize, &'_ str)| -> Option<(usize, usize, usize)> {
        let (path, lines) = line.trim_end().rsplit_once(' ')?;
        Some((index + 1, path.len(), lines.parse().ok()?))
    };
    let numbered = list.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    numbered
        .filter_map(|(index, line)| entry((index, line)).map(|(at, length, lines)| Entry { at, path: &line[..length], lines }))
        .collect()
}

fn long_files(tree: &Tree) -> impl Iterator<Item = (&str, usize)> {
    let rust = tree.files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.map(|file| (file.path.as_str(), file.text.lines().count())).filter(|(_, lines)| *lines > LINES_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    fn lines(count: usize) -> String {
        "x\n".repeat(count)
    }

    #[test]
    fn four_hundred_lines_are_fine_and_one_more_is_not() {
        let (fine, long) = (lines(400), lines(401));
        let breaches = check(&tree(&[("a.rs", &fine), ("b.rs", &long), ("c.md", &long)]));
        assert_eq!(breaches.len(), 1);
        assert_eq!(breaches[0].path, "b.rs");
    }

    #[test]
    fn a_listed_file_may_neither_grow_nor_shrink_unnoticed() {
        let (long, list) = (lines(450), "a.rs 440\nb.rs 450\nc.rs 460\ngone.rs 500\n");
        let breaches = check(&tree(&[(LIST, list), ("a.rs", &long), ("b.rs", &long), ("c.rs", &long)]));
        let places: Vec<(&str, usize)> = breaches.iter().map(|breach| (breach.path.as_str(), breach.line)).collect();
        assert_eq!(places, [("a.rs", 450), (LIST, 3), (LIST, 4)]);
    }

    #[test]
    fn no_list_allows_more_than_six_hundred_lines() {
        let long = lines(601);
        assert!(check(&tree(&[(LIST, "a.rs 601\n"), ("a.rs", &long)])).iter().any(|breach| breach.path == "a.rs"));
    }

    #[test]
    fn an_entry_the_last_commit_did_not_have_is_a_breach() {
        let long = lines(450);
        let mut tree = tree(&[(LIST, "a.rs 450\nb.rs 450\n"), ("a.rs", &long), ("b.rs", &long)]);
        tree.committed_long_files = Some("a.rs 450\n".to_owned());
        let breaches = check(&tree);
        assert_eq!(breaches.len(), 1);
        assert_eq!(breaches[0].wrong, "b.rs was added or raised");
    }

    #[test]
    fn fixing_lowers_and_removes_but_never_raises_or_adds() {
        let (longer, shorter, short) = (lines(450), lines(410), lines(100));
        let tree =
            tree(&[(LIST, "a.rs 440\nb.rs 440\nc.rs 440\n"), ("a.rs", &longer), ("b.rs", &shorter), ("c.rs", &short), ("d.rs", &longer)]);
        assert_eq!(generate(&tree).unwrap().1, format!("{HEADING}a.rs 440\nb.rs 410\n"));
    }

    #[test]
    fn the_first_list_is_made_by_fixing() {
        let long = lines(450);
        assert_eq!(generate(&tree(&[("a.rs", &long)])).unwrap().1, format!("{HEADING}a.rs 450\n"));
    }
}
