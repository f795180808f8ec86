//! One process of a fleet on this machine: started with its part of the plan, ended in order or for good.
//! Refuses to hand secrets over by arguments, which everybody on the machine can read: they go by the environment.

use super::plan::Planned;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};

/// What every process of a fleet is given.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// The program.
    pub(super) program: PathBuf,
    /// The configuration file, if there is one.
    pub(super) config: Option<PathBuf>,
    /// Settings and keys, as variables.
    pub(super) variables: Vec<(String, String)>,
    /// Where their logs are written.
    pub(super) logs: PathBuf,
    /// How long one may take to end in order.
    pub(super) end_max: Duration,
}

impl Surroundings {
    /// Where the log of a process is.
    pub(super) fn log_of(&self, planned: &Planned) -> PathBuf {
        self.logs.join(format!("{}.log", planned.name))
    }

    /// Starts a process. It ends by itself when this one does: it watches its standard input, whose other end is held beside it.
    pub(super) fn start(&self, planned: &Planned) -> Result<(Child, ChildStdin), String> {
        let path = self.log_of(planned);
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let errors = log.try_clone().map_err(|e| format!("{}: {e}", path.display()))?;
        let mut command = Command::new(&self.program);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.args(["serve", "--with-parent", "--services", &planned.services.join(","), "--listen", &planned.listen.to_string()]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("GUILDHALL_REGISTRY_NAME", &planned.name);
        command.stdin(Stdio::piped()).stdout(log).stderr(errors);
        // A Ctrl-C at the terminal is for the one who started the fleet: it ends the others in their order.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", self.program.display()))?;
        // Waiting for a child closes its input, unless it was taken out.
        let held = child.stdin.take().expect("it was piped");
        Ok((child, held))
    }

    /// Asks a process to end in order, and ends it for good when it does not.
    pub(super) async fn end(&self, child: &mut Child) -> Option<ExitStatus> {
        if let Some(pid) = pid(child) {
            // It may have ended by itself just now.
            let _ = kill_process(pid, Signal::TERM);
        }
        if let Ok(ended) = tokio::time::timeout(self.end_max, child.wait()).await {
            return ended.ok();
        }
        drop(child.kill().await);
        None
    }
}

fn pid(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
}
