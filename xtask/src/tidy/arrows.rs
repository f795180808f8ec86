//! Rules: a crate depends only on those the design lets it know, and only `db` names a database's driver.
//! The table here is the design's list of arrows; a new arrow is a decision and starts with a line in it.

use toml::{Table, Value};

use super::{Breach, Tree};

/// What each crate may name in `[dependencies]`.
const ALLOWED: [(&str, &[&str]); 23] = [
    ("kernel", &[]),
    ("trace", &[]),
    ("db", &["kernel", "trace"]),
    ("web", &["kernel", "db", "trace"]),
    ("accounts", &["kernel", "db", "web"]),
    ("wallet", &["kernel", "db", "web"]),
    ("catalogue", &["kernel", "db", "web"]),
    ("library", &["kernel", "db", "web", "catalogue"]),
    ("stock", &["kernel", "db", "web", "catalogue"]),
    ("orders", &["kernel", "db", "web", "catalogue", "library"]),
    ("payments", &["kernel", "db", "web", "catalogue", "library", "orders", "stock", "wallet"]),
    ("rules", &["kernel"]),
    ("broker", &["kernel"]),
    ("campaigns", &["kernel", "db", "web", "rules", "accounts", "wallet", "library", "catalogue"]),
    ("stream", &["kernel", "db", "web", "accounts", "rules", "campaigns", "teams", "broker"]),
    ("outbox", &["kernel", "db", "web", "accounts", "trace"]),
    ("teams", &["kernel", "db", "web", "accounts", "wallet", "rules", "campaigns"]),
    ("insight", &["kernel", "db", "web", "accounts"]),
    ("console", &[]),
    ("registry", &["kernel", "db", "web"]),
    ("gateway", &["kernel", "web", "registry", "trace"]),
    (
        "guildhall",
        &[
            "kernel",
            "trace",
            "db",
            "web",
            "outbox",
            "accounts",
            "wallet",
            "catalogue",
            "library",
            "stock",
            "orders",
            "payments",
            "rules",
            "broker",
            "campaigns",
            "stream",
            "teams",
            "insight",
            "console",
            "registry",
            "gateway",
        ],
    ),
    ("testkit", &["kernel", "db", "web", "guildhall"]),
];

/// Any crate's tests may use this one.
const TEST_CRATE: &str = "testkit";

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let crates = tree.crates();
    let mut breaches = Vec::new();
    for name in &crates {
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| known == name) else {
            let right = "a line with what it may depend on in xtask/src/tidy/arrows.rs";
            breaches.push(Breach::new(&manifest_path(name), 0, format!("crate {name} has no arrows"), right));
            continue;
        };
        for dependency in dependencies(tree, &manifest_path(name)) {
            let fine = allowed.contains(&dependency.package.as_str()) || (dependency.for_tests && dependency.package == TEST_CRATE);
            if crates.contains(&dependency.package.as_str()) && !fine {
                let right = if allowed.is_empty() { "no crate of ours".to_owned() } else { format!("only {}", allowed.join(", ")) };
                breaches.push(dependency.breach(format!("{name} must not know {}", dependency.package), right));
            }
        }
    }
    breaches
}

pub(super) fn check_drivers(tree: &Tree) -> Vec<Breach> {
    let manifests = tree.files.iter().filter(|file| file.path.ends_with("Cargo.toml") && file.path != "crates/db/Cargo.toml");
    let named = manifests.flat_map(|file| dependencies(tree, &file.path));
    let drivers = ["sqlx", "rusqlite", "libsqlite3-sys"];
    let found = named.filter(|dependency| drivers.contains(&dependency.package.as_str()) || dependency.package.starts_with("sqlx-"));
    found.map(|dependency| dependency.breach(format!("{} outside db", dependency.package), "the functions of crate db")).collect()
}

fn manifest_path(name: &str) -> String {
    format!("crates/{name}/Cargo.toml")
}

/// One line of a manifest.
struct Dependency {
    manifest: String,
    line: usize,
    /// The package's own name, even where the manifest renames it.
    package: String,
    for_tests: bool,
}

impl Dependency {
    fn breach(&self, wrong: String, right: impl Into<String>) -> Breach {
        Breach::new(&self.manifest, self.line, wrong, right)
    }
}

/// All dependencies of a manifest: plain, for tests, for build scripts, and those of single targets.
/// A manifest that cannot be read has none here; cargo itself tells that better.
fn dependencies(tree: &Tree, manifest: &str) -> Vec<Dependency> {
    let text = tree.text(manifest).unwrap_or_default();
    let table: Table = text.parse().unwrap_or_default();
    let shared: Table = tree.text("Cargo.toml").unwrap_or_default().parse().unwrap_or_default();
    let shared = shared.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let targets = table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut found = Vec::new();
    for part in std::iter::once(&table).chain(targets) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in part.get(section).and_then(Value::as_table).into_iter().flatten() {
                found.push(Dependency {
                    manifest: manifest.to_owned(),
                    line: line_of(text, name),
                    package: renamed(value).or_else(|| renamed(shared?.get(name)?)).unwrap_or(name).to_owned(),
                    for_tests: section == "dev-dependencies",
                });
            }
        }
    }
    found
}

fn renamed(value: &Value) -> Option<&str> {
    value.get("package")?.as_str()
}

/// The first line that starts with the name, or heads a section of its own for it; 0 when there is none.
fn line_of(text: &str, name: &str) -> usize {
    let is_it = |line: &str| {
        let names_it = line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
        names_it || (line.starts_with('[') && line.contains("dependencies.") && line.trim_end_matches(']').ends_with(&format!(".{name}")))
    };
    text.lines().position(|line| is_it(line.trim())).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    #[test]
    fn an_arrow_that_points_back_is_a_breach_with_its_line() {
        let files = [
            ("crates/db/Cargo.toml", "[dependencies]\nkernel.workspace = true\nweb.workspace = true\n"),
            ("crates/web/Cargo.toml", ""),
            ("crates/kernel/Cargo.toml", ""),
        ];
        let right = Breach::new("crates/db/Cargo.toml", 3, "db must not know web", "only kernel, trace");
        assert_eq!(check(&tree(&files)), [right]);
    }

    #[test]
    fn tests_may_use_testkit_and_nothing_else_beyond_their_arrows() {
        let wallet = "[dev-dependencies]\ntestkit.workspace = true\norders.workspace = true\n";
        let files = [("crates/wallet/Cargo.toml", wallet), ("crates/testkit/Cargo.toml", ""), ("crates/orders/Cargo.toml", "")];
        let lines: Vec<usize> = check(&tree(&files)).iter().map(|breach| breach.line).collect();
        assert_eq!(lines, [3]);
    }

    #[test]
    fn testkit_in_ordinary_dependencies_is_a_breach() {
        let files = [("crates/wallet/Cargo.toml", "[dependencies]\ntestkit.workspace = true\n"), ("crates/testkit/Cargo.toml", "")];
        assert_eq!(check(&tree(&files)).len(), 1);
    }

    #[test]
    fn a_crate_the_table_does_not_know_is_a_breach() {
        assert_eq!(check(&tree(&[("crates/tavern/Cargo.toml", "")]))[0].wrong, "crate tavern has no arrows");
    }

    #[test]
    fn a_driver_is_found_under_every_name_and_section() {
        let files = [
            ("Cargo.toml", "[workspace.dependencies]\nsqlx = \"1\"\nsql = { package = \"sqlx\", version = \"1\" }\n"),
            ("crates/db/Cargo.toml", "[dependencies]\nsqlx.workspace = true\n"),
            ("crates/a/Cargo.toml", "[dev-dependencies]\nsqlx-core = \"1\"\n"),
            ("crates/b/Cargo.toml", "[dependencies]\nsql.workspace = true\n"),
            ("crates/c/Cargo.toml", "[target.'cfg(unix)'.dependencies.sqlx]\nversion = \"1\"\n"),
            ("crates/d/Cargo.toml", "[dependencies]\nrusqlite = \"1\"\n"),
        ];
        let found: Vec<(String, usize)> = check_drivers(&tree(&files)).into_iter().map(|breach| (breach.path, breach.line)).collect();
        assert_eq!(
            found,
            [
                ("crates/a/Cargo.toml".to_owned(), 2),
                ("crates/b/Cargo.toml".to_owned(), 2),
                ("crates/c/Cargo.toml".to_owned(), 1),
                ("crates/d/Cargo.toml".to_owned(), 2)
            ]
        );
    }
}
