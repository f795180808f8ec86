//! Rule: `docs/schema.md` shows the tables that the SQLite migrations make, as a diagram and in words.
//! The page is written by `cargo xtask tidy --fix` and by nobody else.

use super::migrations::SQLITE;
use super::sql::{self, Column, SqlTable};
use super::{Breach, Tree};

const PAGE: &str = "docs/schema.md";
const HEADING: &str = "# Schema

Generated from the SQLite migrations by `cargo xtask tidy --fix`; the Postgres ones make the same tables with `bigint` for `integer` and `bytea` for `blob`.
Instants are microseconds since 1970 in UTC, money is in minor units.
";

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let Some((path, right)) = generate(tree) else { return Vec::new() };
    let now = tree.text(&path).unwrap_or_default();
    let line = now.lines().zip(right.lines()).position(|(now, right)| now != right).map_or(0, |index| index + 1);
    vec![Breach::new(&path, line, "it is not what the migrations make", "run `cargo xtask tidy --fix`")]
}

/// The page, where it differs from the one there is. Nothing without migrations.
pub(super) fn generate(tree: &Tree) -> Option<(String, String)> {
    let mut migrations: Vec<(&str, &str)> = tree.in_folder(SQLITE).map(|(name, file)| (name, file.text.as_str())).collect();
    migrations.sort_unstable();
    let mut tables = Vec::new();
    migrations.iter().for_each(|(_, migration)| sql::apply(&mut tables, migration));
    let text = page(&tables);
    (!tables.is_empty() && tree.text(PAGE) != Some(text.as_str())).then(|| (PAGE.to_owned(), text))
}

fn page(tables: &[SqlTable]) -> String {
    let mut text = format!("{HEADING}\n```mermaid\nerDiagram\n");
    tables.iter().for_each(|table| text.push_str(&entity(table)));
    text.push_str("```\n");
    for table in tables.iter().filter(|table| !table.description.is_empty()) {
        text.push_str(&format!("\n## {}\n\n{}\n", table.name, table.description));
    }
    text
}

fn entity(table: &SqlTable) -> String {
    let mut text = format!("    {} {{\n", table.name);
    table.columns.iter().for_each(|column| text.push_str(&attribute(column)));
    text.push_str("    }\n");
    for column in &table.columns {
        if let Some(target) = &column.references {
            text.push_str(&format!("    {} }}o--|| {target} : {}\n", table.name, column.name));
        }
    }
    text
}

fn attribute(column: &Column) -> String {
    let keys: Vec<&str> =
        [(column.is_key, "PK"), (column.references.is_some(), "FK")].into_iter().filter_map(|(is, key)| is.then_some(key)).collect();
    let null = if column.may_be_null { "may be null" } else { "" };
    let remarks: Vec<&str> = [null, &column.comment].into_iter().filter(|remark| !remark.is_empty()).collect();
    let remark = if remarks.is_empty() { String::new() } else { format!("\"{}\"", remarks.join("; ").replace('"', "'")) };
    let line = [column.kind.as_str(), &column.name, &keys.join(","), &remark]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    format!("        {line}\n")
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    const MIGRATION: (&str, &str) = (
        "crates/db/migrations/sqlite/0001_a.sql",
        "-- What a player has.\ncreate table wallet (\n    id blob not null primary key,\n    account blob references account (id), -- the \"owner\"\n    balance_minor integer not null\n) strict;\n",
    );

    #[test]
    fn the_diagram_shows_types_keys_nulls_and_remarks() {
        let (path, page) = generate(&tree(&[MIGRATION])).unwrap();
        let entity = "    wallet {\n        blob id PK\n        blob account FK \"may be null; the 'owner'\"\n        integer balance_minor\n    }\n    wallet }o--|| account : account\n";
        assert_eq!(path, PAGE);
        assert!(page.contains(entity) && page.ends_with("\n## wallet\n\nWhat a player has.\n"), "{page}");
    }

    #[test]
    fn a_page_that_is_behind_the_migrations_is_a_breach_at_its_first_difference() {
        let right = generate(&tree(&[MIGRATION])).unwrap().1;
        assert_eq!(check(&tree(&[MIGRATION, (PAGE, &right)])), []);
        let behind = right.replace("integer balance_minor", "integer balance");
        assert_eq!(check(&tree(&[MIGRATION, (PAGE, &behind)]))[0].line, 11);
    }

    #[test]
    fn migrations_apply_in_the_order_of_their_numbers() {
        let second = ("crates/db/migrations/sqlite/0002_b.sql", "alter table wallet add column frozen integer not null default 0;");
        assert!(generate(&tree(&[second, MIGRATION])).unwrap().1.contains("integer frozen\n"));
    }
}
