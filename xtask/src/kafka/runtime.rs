//! What a Kafka needs to run: Java, and the broker's jars, gathered once by Maven into `target/kafka/lib`.
//! Refuses jars of another pom than the repository's: they are then gathered anew.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{packages, repository};

/// What the broker's classes were compiled for.
const JAVA_MIN: u32 = 17;

/// Java and the jars.
pub(crate) struct Runtime {
    java: PathBuf,
    jars: PathBuf,
}

impl Runtime {
    /// Finds or installs Java and Maven, and gathers the jars unless they are there. Says in the error what to do where it can't.
    pub(crate) fn find_or_install() -> Result<Runtime, String> {
        let java = match find_java() {
            Some(java) => java,
            None => {
                packages::install(&format!("java {JAVA_MIN} or newer"), &["default-jre-headless"])?;
                find_java().ok_or_else(|| format!("default-jre-headless was installed, but it is no java {JAVA_MIN}"))?
            }
        };
        let kafka = repository::root().join("target").join("kafka");
        let pom = repository::root().join("xtask").join("kafka").join("pom.xml");
        if !is_gathered(&kafka, &pom) {
            gather(&kafka, &pom)?;
        }
        // One of the clients that the embedded log is tried with; its test is left out without it, and fails where nothing may be.
        if on_path("kcat").is_none()
            && let Err(problem) = packages::install("kcat", &["kcat"])
        {
            eprintln!("xtask: {problem}");
        }
        Ok(Runtime { java, jars: jars() })
    }

    /// A java command with the jars on its class path.
    pub(super) fn java(&self) -> Command {
        let mut command = Command::new(&self.java);
        command.arg("-cp").arg(self.jars.join("*"));
        command
    }
}

/// The folder of the jars, whether or not they were gathered.
pub(crate) fn jars() -> PathBuf {
    repository::root().join("target").join("kafka").join("lib")
}

/// The pom the jars were gathered for lies beside them.
fn is_gathered(kafka: &Path, pom: &Path) -> bool {
    let text = |path: &Path| fs::read(path).ok();
    kafka.join("lib").is_dir() && text(&kafka.join("pom.xml")).is_some_and(|gathered| Some(gathered) == text(pom))
}

fn gather(kafka: &Path, pom: &Path) -> Result<(), String> {
    let maven = match on_path("mvn") {
        Some(maven) => maven,
        None => {
            packages::install("maven", &["maven"])?;
            on_path("mvn").ok_or("maven was installed, but there is no mvn on the path")?
        }
    };
    eprintln!("xtask: gathering kafka's jars with maven");
    // Two runs may gather at once; each has a folder of its own, and the last one to end stays.
    let fresh = kafka.join(format!("lib-{}", std::process::id()));
    let mut command = Command::new(maven);
    command.args(["-q", "-B", "-f"]).arg(pom).args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    command.arg(format!("-DoutputDirectory={}", fresh.display())).stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().map_err(|error| format!("could not run mvn: {error}"))?;
    if !status.success() {
        fs::remove_dir_all(&fresh).ok();
        return Err(format!("maven could not gather kafka's jars: {status}"));
    }
    place(kafka, &fresh, pom).map_err(|error| format!("could not place kafka's jars in {}: {error}", kafka.display()))
}

fn place(kafka: &Path, fresh: &Path, pom: &Path) -> std::io::Result<()> {
    let lib = kafka.join("lib");
    if lib.exists() {
        fs::remove_dir_all(&lib)?;
    }
    fs::rename(fresh, &lib)?;
    fs::copy(pom, kafka.join("pom.xml")).map(drop)
}

/// The first java that is new enough: the one of `JAVA_HOME`, then the path's.
fn find_java() -> Option<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin").join("java"));
    [home, on_path("java")].into_iter().flatten().find(|java| version(java).is_some_and(|version| version >= JAVA_MIN))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The major version; none where there is no java, or only the stand-in that some systems have in its place.
fn version(java: impl AsRef<OsStr>) -> Option<u32> {
    let output = Command::new(java).arg("-version").stdin(Stdio::null()).output().ok()?;
    major(&String::from_utf8_lossy(&output.stderr))
}

/// `openjdk version "17.0.15" 2025-04-15` and `java version "1.8.0_392"`, which is 8 by its number after the 1.
fn major(told: &str) -> Option<u32> {
    let mut numbers = told.split('"').nth(1)?.split(['.', '-', '_', '+']);
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_old_and_new_javas() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(major("java version \"1.8.0_392\""), Some(8));
        assert_eq!(major("openjdk version \"21-ea\" 2023-09-19"), Some(21));
        assert_eq!(major("The operation couldn't be completed. Unable to locate a Java Runtime."), None);
    }

    #[test]
    fn jars_of_another_pom_are_gathered_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (kafka, pom) = (folder.path().join("kafka"), folder.path().join("pom.xml"));
        fs::create_dir_all(kafka.join("fresh")).unwrap();
        fs::write(&pom, "one").unwrap();
        assert!(!is_gathered(&kafka, &pom));
        place(&kafka, &kafka.join("fresh"), &pom).unwrap();
        assert!(is_gathered(&kafka, &pom));
        fs::write(&pom, "two").unwrap();
        assert!(!is_gathered(&kafka, &pom));
    }
}
