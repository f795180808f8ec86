//! Rule: Cargo.lock holds no crate that deny.toml bans. Licences, sources and the rest of deny.toml are cargo-deny's to check, where it is installed.

use std::path::Path;
use std::process::{Command, Stdio};

use toml::{Table, Value};

use super::{Breach, Tree};

const CONFIGURATION: &str = "deny.toml";
const LOCK: &str = "Cargo.lock";

pub(super) fn check(tree: &Tree) -> Vec<Breach> {
    let (Some(configuration), Some(lock)) = (tree.text(CONFIGURATION), tree.text(LOCK)) else { return Vec::new() };
    let configuration: Table = match configuration.parse() {
        Ok(table) => table,
        Err(error) => return vec![Breach::new(CONFIGURATION, 0, format!("it is not TOML: {}", error.message()), "TOML")],
    };
    let banned = configuration.get("bans").and_then(|bans| bans.get("deny")).and_then(Value::as_array);
    let rows = banned.into_iter().flatten().filter_map(|row| Some((row.get("crate")?.as_str()?, row)));
    rows.filter_map(|(name, row)| {
        let line = lock.lines().position(|line| line == format!("name = \"{name}\""))?;
        let reason = row.get("reason").and_then(Value::as_str).unwrap_or("a dependency without it");
        Some(Breach::new(LOCK, line + 1, format!("{name} is banned"), reason))
    })
    .collect()
}

/// Runs cargo-deny without the network; says so where it is not installed, which is no breach. False when it refuses something.
pub(super) fn run_cargo_deny(root: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|folder| folder.join("cargo-deny").is_file()) {
        println!("tidy: cargo-deny is not installed, so licences and sources were not checked: `cargo install --locked cargo-deny`");
        return true;
    }
    let mut command = Command::new("cargo-deny");
    command.current_dir(root).args(["--offline", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]).stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    #[test]
    fn a_banned_crate_in_the_lock_is_a_breach_with_the_reason() {
        let configuration = "[bans]\ndeny = [{ crate = \"openssl\", reason = \"rustls\" }, { crate = \"aws-lc-rs\" }]\n";
        let lock = "[[package]]\nname = \"openssl-probe\"\n\n[[package]]\nname = \"openssl\"\n";
        let breaches = check(&tree(&[(CONFIGURATION, configuration), (LOCK, lock)]));
        assert_eq!(breaches, [Breach::new(LOCK, 5, "openssl is banned", "rustls")]);
    }
}
