//! Programs that tests start by themselves: found or installed, and named to the tests by a variable each.
//! Refuses to run them, but for asking Python what it has.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{packages, repository, test};

/// A program and how to come by it.
pub(crate) struct Tool {
    /// What people call it.
    pub(crate) name: &'static str,
    /// The variable that names it to tests.
    pub(crate) variable: &'static str,
    find: fn() -> Option<PathBuf>,
    install: fn() -> Result<(), String>,
}

/// All of them. `promtool` lies beside `prometheus`.
pub(crate) static TOOLS: [Tool; 4] = [
    Tool {
        name: "prometheus",
        variable: "GUILDHALL_TEST_PROMETHEUS",
        find: || on_path("prometheus").filter(|path| path.with_file_name("promtool").is_file()),
        install: || packages::install("prometheus", &["prometheus"]),
    },
    Tool {
        name: "nginx",
        variable: "GUILDHALL_TEST_NGINX",
        find: || on_path("nginx").or_else(|| Some(PathBuf::from("/usr/sbin/nginx")).filter(|path| path.is_file())),
        install: || packages::install("nginx", &["nginx-light"]),
    },
    Tool {
        name: "chromedriver",
        variable: "GUILDHALL_TEST_BROWSER",
        find: || on_path("chromedriver").filter(|_| on_path("chromium").is_some() || on_path("google-chrome").is_some()),
        install: || packages::install("chromedriver", &["chromium", "chromium-driver"]),
    },
    Tool { name: "aiosmtpd", variable: "GUILDHALL_TEST_SMTP", find: find_smtp, install: install_smtp },
];

impl Tool {
    /// Finds it or installs it. Says in the error what to do where it can do neither.
    pub(crate) fn find_or_install(&self) -> Result<PathBuf, String> {
        if let Some(found) = (self.find)() {
            return Ok(found);
        }
        (self.install)()?;
        (self.find)().ok_or_else(|| format!("{} was installed, but it is not where it was looked for", self.name))
    }
}

/// Variables, and what they are set to.
pub(crate) type Variables = Vec<(&'static str, PathBuf)>;

/// The variables, and what is said of programs that are missing: their tests are left out, except where nothing may be.
pub(crate) fn provide() -> Result<(Variables, Vec<String>), String> {
    let (mut provided, mut missing) = (Vec::new(), Vec::new());
    for tool in &TOOLS {
        match tool.find_or_install() {
            Ok(path) => provided.push((tool.variable, path)),
            Err(problem) if test::is_ci() => return Err(problem),
            Err(problem) => missing.push(format!("{} is left out: {problem}", tool.name)),
        }
    }
    Ok((provided, missing))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A Python that has the mail server.
fn find_smtp() -> Option<PathBuf> {
    let candidates = [on_path("python3"), Some(PathBuf::from("/usr/bin/python3")), Some(python_folder().join("bin/python3"))];
    candidates.into_iter().flatten().find(|python| has_smtp(python))
}

fn has_smtp(python: &Path) -> bool {
    let asked =
        Command::new(python).args(["-c", "import aiosmtpd"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Into a folder of ours, which needs no rights; by the distribution where its Python cannot make such a folder.
fn install_smtp() -> Result<(), String> {
    let python = on_path("python3").ok_or("there is no python3, which the mail server of the tests is written in")?;
    eprintln!("xtask: installing aiosmtpd into {}", python_folder().display());
    let run = |program: &Path, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let folder = python_folder();
    let made = run(&python, &["-m", "venv", &folder.to_string_lossy()]);
    if made && run(&folder.join("bin/python3"), &["-m", "pip", "install", "--quiet", "aiosmtpd"]) {
        return Ok(());
    }
    packages::install("aiosmtpd", &["python3-aiosmtpd"])
}

fn python_folder() -> PathBuf {
    repository::root().join("target").join("python")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_program_has_a_variable_of_its_own() {
        let variables: BTreeSet<&str> = TOOLS.iter().map(|tool| tool.variable).collect();
        assert_eq!(variables.len(), TOOLS.len());
        assert!(variables.iter().all(|variable| variable.starts_with("GUILDHALL_TEST_")));
    }

    #[test]
    fn a_python_without_the_mail_server_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_smtp(&folder.path().join("python3")));
    }
}
