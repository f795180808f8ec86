//! Rule: SQLite and Postgres have migrations of the same names, so that a schema has one number.

use super::{Breach, Tree};

pub(super) const SQLITE: &str = "crates/db/migrations/sqlite";
const POSTGRES: &str = "crates/db/migrations/postgres";

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let mut breaches = missing(tree, SQLITE, POSTGRES);
    breaches.extend(missing(tree, POSTGRES, SQLITE));
    breaches
}

fn missing(tree: &Tree, here: &str, there: &str) -> Vec<Breach> {
    let others: Vec<&str> = tree.in_folder(there).map(|(name, _)| name).collect();
    let alone = tree.in_folder(here).filter(|(name, _)| !others.contains(name));
    alone.map(|(name, file)| Breach::new(&file.path, 0, "the other engine has no such migration", format!("{there}/{name}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    #[test]
    fn a_migration_of_one_engine_alone_is_a_breach_on_either_side() {
        let files = ["sqlite/0001_a.sql", "postgres/0001_a.sql", "sqlite/0002_b.sql", "postgres/0002_c.sql"]
            .map(|name| format!("crates/db/migrations/{name}"));
        let files: Vec<(&str, &str)> = files.iter().map(|path| (path.as_str(), "")).collect();
        let rights: Vec<String> = check(&tree(&files)).into_iter().map(|breach| breach.right).collect();
        assert_eq!(rights, [format!("{POSTGRES}/0002_b.sql"), format!("{SQLITE}/0002_c.sql")]);
    }
}
