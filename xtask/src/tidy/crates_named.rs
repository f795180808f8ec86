//! Rule: ARCHITECTURE.md names every crate, and README.md leads to it.

use super::{Breach, Tree};

const MAP: &str = "ARCHITECTURE.md";
const FRONT: &str = "README.md";

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let map = tree.text(MAP).unwrap_or_default();
    let unnamed = tree.crates().into_iter().filter(|name| !names(map, name));
    let mut breaches: Vec<Breach> = unnamed
        .map(|name| Breach::new(MAP, 0, format!("crate {name} is not named"), format!("what `{name}` owns, under `crates/{name}`")))
        .collect();
    if !tree.text(FRONT).unwrap_or_default().contains(MAP) {
        breaches.push(Breach::new(FRONT, 0, format!("{MAP} is not mentioned"), "a link to it"));
    }
    breaches
}

/// Crates have everyday names, so only a code span or a path counts.
fn names(text: &str, name: &str) -> bool {
    let path = format!("crates/{name}");
    let whole = |after: &str| !after.starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '-');
    let as_path = text.match_indices(&path).any(|(at, _)| whole(&text[at + path.len()..]));
    as_path
        || text.contains(&format!("`{name}`"))
        || text.contains(&format!("`{name}/`"))
        || text.lines().any(|line| starts_tree_line(line, name))
}

/// `    db/   the only crate that …`, a line of a drawn folder tree.
fn starts_tree_line(line: &str, name: &str) -> bool {
    line.starts_with(' ') && line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    #[test]
    fn a_crate_is_named_by_a_code_span_a_path_or_a_tree_line_but_not_by_a_word() {
        assert!(names("the `db` crate", "db") && names("see crates/db.", "db") && names("    db/    engines", "db"));
        assert!(!names("the web of crates/webhooks and a web/page", "web"));
    }

    #[test]
    fn an_unnamed_crate_and_a_missing_front_page_are_breaches() {
        let breaches = check(&tree(&[("crates/db/Cargo.toml", ""), ("crates/web/Cargo.toml", ""), (MAP, "`db`")]));
        let wrong: Vec<&str> = breaches.iter().map(|breach| breach.wrong.as_str()).collect();
        assert_eq!(wrong, ["crate web is not named", "ARCHITECTURE.md is not mentioned"]);
    }
}
