//! Rule: every test named in the test column of `docs/parity.md` stands in the repository, in the crate that the row names.

use super::{Breach, Tree};

const PAGE: &str = "docs/parity.md";
/// The last cell of a table's head when its last column names tests.
const COLUMN: &str = "test";

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut names_tests = false;
    for (index, line) in tree.text(PAGE).unwrap_or_default().lines().enumerate() {
        let Some(cell) = last_cell(line) else {
            names_tests = false;
            continue;
        };
        names_tests |= cell == COLUMN;
        if !names_tests {
            continue;
        }
        for (owner, test) in named(cell).into_iter().filter(|(owner, test)| !stands(tree, owner, test)) {
            breaches.push(Breach::new(
                PAGE,
                index + 1,
                format!("crate {owner} has no test {test}"),
                "the name of a test that stands there",
            ));
        }
    }
    breaches
}

/// The last cell of a table's row.
fn last_cell(line: &str) -> Option<&str> {
    let cells = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(cells.rsplit('|').next().unwrap_or(cells).trim())
}

/// The tests of a cell as (crate, test), written ``crate: `test` ``.
fn named(cell: &str) -> Vec<(&str, &str)> {
    let mut owner = "";
    let mut found = Vec::new();
    for (index, part) in cell.split('`').enumerate() {
        if index % 2 == 1 {
            found.push((owner, part));
        } else if let Some((before, _)) = part.rsplit_once(':') {
            owner = before.rsplit([',', ';', ' ']).next().unwrap_or(before);
        }
    }
    found
}

fn stands(tree: &Tree, owner: &str, test: &str) -> bool {
    let (folder, declared) = (format!("crates/{owner}/"), format!("fn {test}("));
    tree.files.iter().any(|file| file.path.starts_with(&folder) && file.path.ends_with(".rs") && file.text.contains(&declared))
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    const TEXT: &str = "| part | what | test |\n|---|---|---|\n| a | `guildhall import` | web: `a_fact` |\n| b | - | web: `lost`; db: `a_fact` |\n| c | - | – |\n\n\
                        | stage | here |\n|---|---|\n| d | `guildhall_statement_seconds` |\n";

    #[test]
    fn a_test_that_does_not_stand_in_its_crate_is_a_breach() {
        let files = [(PAGE, TEXT), ("crates/web/src/lib.rs", "#[test]\nfn a_fact() {}\nfn lost_too() {}"), ("crates/db/src/lib.rs", "")];
        let wrong: Vec<(usize, String)> = check(&tree(&files)).into_iter().map(|breach| (breach.line, breach.wrong)).collect();
        assert_eq!(wrong, [(4, "crate web has no test lost".to_owned()), (4, "crate db has no test a_fact".to_owned())]);
    }
}
