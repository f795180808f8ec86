//! The steps of a run: a header before each, its time after it, and a summary of all at the end.

use std::time::{Duration, Instant};

use crate::interrupt;

/// What a run without a service says nothing about.
const WITHOUT: [(&str, &str); 3] = [
    ("postgres", "Without Postgres the tests ran on SQLite alone; nothing is known about the other half."),
    ("kafka", "Without Kafka the logs came from files and the embedded log alone; nothing is known about the real broker."),
    ("tools", "Without one of the tools (Prometheus, nginx, a browser, a mail server) its tests said so and were left out."),
];

/// How a step ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With a remark, or an empty one.
    Passed(String),
    Failed(String),
    /// Not done, and why.
    LeftOut(String),
}

impl Outcome {
    /// Passed, and nothing to add.
    pub(super) fn passed() -> Outcome {
        Outcome::Passed(String::new())
    }

    fn parts(&self) -> (&'static str, &str) {
        match self {
            Outcome::Passed(remark) => ("passed", remark),
            Outcome::Failed(problem) => ("FAILED", problem),
            Outcome::LeftOut(reason) => ("left out", reason),
        }
    }
}

struct Step {
    name: &'static str,
    took: Duration,
    outcome: Outcome,
}

/// The steps done so far.
pub(super) struct Steps {
    started: Instant,
    done: Vec<Step>,
}

impl Steps {
    pub(super) fn new() -> Steps {
        Steps { started: Instant::now(), done: Vec::new() }
    }

    /// Does one step, unless we were interrupted before it.
    pub(super) fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<Outcome, String>) {
        if interrupt::happened() {
            return self.leave_out(name, "interrupted");
        }
        println!("\n==> {name}");
        let started = Instant::now();
        let outcome = work().unwrap_or_else(Outcome::Failed);
        let took = started.elapsed();
        println!("<== {name}: {} in {:.1} s", outcome.parts().0, took.as_secs_f64());
        self.done.push(Step { name, took, outcome });
    }

    /// Notes a step that is not done.
    pub(super) fn leave_out(&mut self, name: &'static str, reason: &str) {
        println!("\n==> {name}: left out ({reason})");
        self.done.push(Step { name, took: Duration::ZERO, outcome: Outcome::LeftOut(reason.to_owned()) });
    }

    /// Prints the summary; fails when a step failed or we were interrupted.
    pub(super) fn close(self) -> Result<(), String> {
        println!("\n==> summary\n{}", self.summary());
        let failed: Vec<&str> = self.done.iter().filter(|step| matches!(step.outcome, Outcome::Failed(_))).map(|step| step.name).collect();
        if interrupt::happened() {
            return Err("interrupted".to_owned());
        }
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }

    fn summary(&self) -> String {
        let mut lines: Vec<String> = self.done.iter().map(Step::line).collect();
        for (service, told) in WITHOUT {
            if self.done.iter().any(|step| step.name == service && !matches!(step.outcome, Outcome::Passed(_))) {
                lines.push(format!("    {told}"));
            }
        }
        lines.push(format!("    {:.1} s in all", self.started.elapsed().as_secs_f64()));
        lines.join("\n")
    }
}

impl Step {
    fn line(&self) -> String {
        let (word, remark) = self.outcome.parts();
        format!("    {word:<8}  {:<8}  {:>6.1} s  {remark}", self.name, self.took.as_secs_f64()).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failing_step_fails_the_run_and_the_others_are_still_done() {
        let mut steps = Steps::new();
        steps.run("format", || Err("one file is not formatted".to_owned()));
        steps.run("tests", || Ok(Outcome::passed()));
        assert!(steps.summary().contains("passed    tests"));
        assert_eq!(steps.close().unwrap_err(), "failed: format");
    }

    #[test]
    fn what_was_left_out_is_told_at_the_end() {
        let mut steps = Steps::new();
        steps.leave_out("postgres", "only root may install it");
        steps.leave_out("kafka", "no java");
        let summary = steps.summary();
        assert!(summary.contains("only root may install it") && summary.contains("on SQLite alone"), "{summary}");
        assert!(summary.contains("no java") && summary.contains("the real broker"), "{summary}");
        steps.close().unwrap();
    }
}
