//! Rule: each code of the error table has a page in `docs/errors`, and each page there has a code.

use super::{Breach, Tree};

const TABLE: &str = "crates/kernel/src/code.rs";
const PAGES: &str = "docs/errors";
/// A page about the pages.
const INDEX: &str = "README";

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let Some(table) = tree.text(TABLE) else { return Vec::new() };
    let codes: Vec<(usize, &str)> = table.lines().enumerate().filter_map(|(index, line)| Some((index + 1, code(line)?))).collect();
    if codes.is_empty() {
        return vec![Breach::new(TABLE, 0, "no code was found", "lines like `NotFound => \"not-found\", 404, \"…\";`")];
    }
    let pages: Vec<&str> = tree.in_folder(PAGES).filter_map(|(name, _)| name.strip_suffix(".md")).collect();
    let unexplained = codes.iter().filter(|(_, code)| !pages.contains(code));
    let mut breaches: Vec<Breach> =
        unexplained.map(|(line, code)| Breach::new(TABLE, *line, format!("{code} has no page"), format!("{PAGES}/{code}.md"))).collect();
    let orphans = pages.iter().filter(|page| **page != INDEX && !codes.iter().any(|(_, code)| code == *page));
    let right = format!("a line in {TABLE}, or no page");
    breaches.extend(orphans.map(|page| Breach::new(&format!("{PAGES}/{page}.md"), 0, format!("{page} is not a code"), right.as_str())));
    breaches
}

/// The code in a line of the table: `Name => "code", 404, "Title";`.
fn code(line: &str) -> Option<&str> {
    let (name, rest) = line.trim().split_once(" => \"")?;
    let (code, rest) = rest.split_once('"')?;
    let is_row =
        name.chars().all(char::is_alphanumeric) && rest.trim_start_matches([',', ' ']).starts_with(|next: char| next.is_ascii_digit());
    is_row.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    const CODES: &str = "macro => ($name:ident => $code:literal)\n    NotFound => \"not-found\", 404, \"There is no \\\"it\\\"\";\n    Gone => \"gone\", 410, \"It went\";\n    Gone => \"a match arm\",\n";

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_breaches() {
        let files = [(TABLE, CODES), ("docs/errors/not-found.md", ""), ("docs/errors/lost.md", ""), ("docs/errors/README.md", "")];
        let breaches = check(&tree(&files));
        let right = format!("a line in {TABLE}, or no page");
        let expected = [
            Breach::new(TABLE, 3, "gone has no page", "docs/errors/gone.md"),
            Breach::new("docs/errors/lost.md", 0, "lost is not a code", right),
        ];
        assert_eq!(breaches, expected);
    }

    #[test]
    fn a_table_this_rule_cannot_read_is_a_breach() {
        assert_eq!(check(&tree(&[(TABLE, "pub enum Code {}")])).len(), 1);
    }
}
