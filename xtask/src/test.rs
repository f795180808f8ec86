//! `cargo xtask test`: everything that must hold before a change is merged, on a machine that has only Rust.
//! Goes on after a failing step, so that one run shows all that is wrong; hides nothing it left out.

mod child;
mod disk;
mod results;
mod steps;
mod through;

use std::process::Command;

use crate::postgres::VARIABLE;
use crate::server::Server;
use crate::{interrupt, kafka, postgres, repository, tidy, tools};
use results::Results;
use steps::{Outcome, Steps};

/// Tests open ten thousand connections and hold both ends of each.
const OPEN_FILES: u64 = 65_536;
const OPEN_FILES_MIN: u64 = 22_000;

/// What the command line asked for.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Without clippy, Postgres and Kafka.
    quick: bool,
    /// Parts of test names; all tests when empty.
    filters: Vec<String>,
}

/// Where a server that tests need is.
enum Provided<S> {
    /// Started by us; dropped after the tests.
    Ours(S),
    /// Named by the variable that was set before we came.
    Given(String),
    None,
}

/// What tests run against.
struct Services {
    postgres: Provided<Server>,
    kafka: Provided<Server>,
    /// Programs that tests start by themselves, by their variables.
    tools: tools::Variables,
}

/// Runs all steps; fails when any of them did.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let plan = Plan::parse(arguments)?;
    interrupt::watch()?;
    let mut steps = Steps::new();
    steps.run("disk", || Ok(Outcome::Passed(disk::room(&repository::root())?)));
    steps.run("format", || Ok(component("rustfmt", "fmt").unwrap_or_else(|| cargo(&["fmt", "--all", "--check"]))));
    steps.run("tidy", || Ok(tidy::run(false).map_or_else(Outcome::Failed, |()| Outcome::passed())));
    if plan.quick {
        steps.leave_out("clippy", "--quick");
    } else {
        let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        steps.run("clippy", || Ok(component("clippy", "clippy").unwrap_or_else(|| cargo(&arguments))));
    }
    let (postgres, kafka) = (provide_postgres(&plan, &mut steps), provide_kafka(&plan, &mut steps));
    let services = Services { postgres, kafka, tools: provide_tools(&plan, &mut steps) };
    steps.run("tests", || Ok(run_tests(&plan, &services)?.outcome(&plan.filters)));
    match (&services.postgres, plan.filters.is_empty()) {
        (Provided::None, _) => steps.leave_out("through the gateway", "a fleet's processes share a Postgres, and there is none"),
        (_, false) => steps.leave_out("through the gateway", "only some tests were asked for"),
        _ => steps.run("through the gateway", || Ok(run_through_gateway(&services)?.outcome(&[]))),
    }
    drop(services);
    steps.close()
}

impl Plan {
    fn parse(arguments: &[&str]) -> Result<Plan, String> {
        let mut plan = Plan { quick: false, filters: Vec::new() };
        for argument in arguments {
            match *argument {
                "--quick" => plan.quick = true,
                option if option.starts_with('-') => {
                    return Err(format!("`{option}` is not an option of test: --quick or part of a test's name would be right"));
                }
                filter => plan.filters.push(filter.to_owned()),
            }
        }
        Ok(plan)
    }
}

fn provide_postgres(plan: &Plan, steps: &mut Steps) -> Provided<Server> {
    let answers = |url: &str| {
        let address = address(url).ok_or_else(|| format!("{VARIABLE} is not like postgres://USER:PASSWORD@HOST:PORT/postgres"))?;
        answers(address, VARIABLE)
    };
    let start = || postgres::Programs::find_or_install().map(|programs| postgres::start(&programs));
    provide("postgres", VARIABLE, plan, steps, answers, start)
}

fn provide_kafka(plan: &Plan, steps: &mut Steps) -> Provided<Server> {
    let start = || kafka::Runtime::find_or_install().map(|runtime| kafka::start(&runtime));
    provide("kafka", kafka::VARIABLE, plan, steps, |address| answers(address, kafka::VARIABLE), start)
}

fn provide_tools(plan: &Plan, steps: &mut Steps) -> tools::Variables {
    let mut provided = Vec::new();
    if plan.quick {
        steps.leave_out("tools", "--quick");
        return provided;
    }
    steps.run("tools", || {
        let (found, missing) = tools::provide()?;
        provided = found;
        Ok(if missing.is_empty() { Outcome::passed() } else { Outcome::LeftOut(missing.join("; ")) })
    });
    provided
}

/// The server a variable names, or one of ours. `start` fails on the outside where its programs are missing, and inside where they do not work.
fn provide<S>(
    name: &'static str,
    variable: &str,
    plan: &Plan,
    steps: &mut Steps,
    answers: impl Fn(&str) -> Result<(), String>,
    start: impl Fn() -> Result<Result<S, String>, String>,
) -> Provided<S> {
    let mut provided = Provided::None;
    if let Ok(address) = std::env::var(variable) {
        steps.run(name, || {
            answers(&address)?;
            provided = Provided::Given(address);
            Ok(Outcome::Passed(format!("the one {variable} names")))
        });
    } else if plan.quick {
        steps.leave_out(name, "--quick");
    } else {
        steps.run(name, || match start() {
            Ok(server) => {
                provided = Provided::Ours(server?);
                Ok(Outcome::passed())
            }
            Err(problem) if is_ci() => Err(problem),
            Err(problem) => Ok(Outcome::LeftOut(problem)),
        });
    }
    provided
}

/// A machine that decides about merges must not skip half of the tests in silence.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Fails when nobody listens there, before a thousand tests do so one by one.
fn answers(address: &str, variable: &str) -> Result<(), String> {
    let refused = |error| format!("nobody answers at {address}, which {variable} names: {error}; unset it or run `cargo xtask services`");
    std::net::TcpStream::connect(address).map(drop).map_err(refused)
}

fn address(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, address)| address)).filter(|address| address.contains(':'))
}

fn run_tests(plan: &Plan, services: &Services) -> Result<Results, String> {
    let open_files = raise_open_files();
    if open_files < OPEN_FILES_MIN {
        eprintln!("xtask: only {open_files} open files are allowed; tests with 10,000 connections need {OPEN_FILES_MIN}: `ulimit -n`");
    }
    let mut command = cargo_command();
    command.args(["test", "--workspace", "--no-fail-fast", "--"]);
    command.arg(format!("--test-threads={}", test_threads())).args(&plan.filters);
    let mut results = Results::default();
    let status = child::run(on(&mut command, services), |line| results.read(line))?;
    results.succeeded = status.success();
    Ok(results)
}

/// Some of the tests once more, with the application behind a gateway.
fn run_through_gateway(services: &Services) -> Result<Results, String> {
    let mut results = Results::default();
    let mut command = cargo_command();
    command.args(through::run(test_threads())).env(through::VARIABLE.0, through::VARIABLE.1);
    let status = child::run(on(&mut command, services), |line| results.read(line))?;
    results.succeeded = status.success();
    Ok(results)
}

/// The command with the servers and tools that tests run against.
fn on<'c>(command: &'c mut Command, services: &Services) -> &'c mut Command {
    match &services.postgres {
        Provided::Ours(server) => command.env(VARIABLE, server.address()),
        Provided::Given(url) => command.env(VARIABLE, url),
        Provided::None => command.env_remove(VARIABLE),
    };
    match &services.kafka {
        Provided::Ours(server) => command.env(kafka::VARIABLE, server.address()).env(kafka::JARS_VARIABLE, kafka::jars()),
        Provided::Given(address) => command.env(kafka::VARIABLE, address),
        Provided::None => command.env_remove(kafka::VARIABLE).env_remove(kafka::JARS_VARIABLE),
    };
    for tool in &tools::TOOLS {
        command.env_remove(tool.variable);
    }
    command.envs(services.tools.iter().map(|(variable, path)| (variable, path)))
}

/// Tests wait for the disk more than they compute; more of them than this would wait for the server's connections.
fn test_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores * 2).clamp(4, 12)
}

/// Raises the limit for ourselves and so for every child; returns what it is then.
fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let ceiling = now.maximum.unwrap_or(u64::MAX);
    let wanted = [(OPEN_FILES, OPEN_FILES.max(ceiling)), (OPEN_FILES.min(ceiling), ceiling)];
    for (current, maximum) in wanted {
        if now.current.is_none_or(|already| already >= current) {
            break;
        }
        let maximum = (maximum != u64::MAX).then_some(maximum);
        if setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum }).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn cargo(arguments: &[&str]) -> Outcome {
    let mut command = cargo_command();
    command.args(arguments);
    match child::run(&mut command, |_| ()) {
        Ok(status) if status.success() => Outcome::passed(),
        Ok(status) => Outcome::Failed(format!("`cargo {}` ended with {status}", arguments.join(" "))),
        Err(problem) => Outcome::Failed(problem),
    }
}

/// Says how to get a component of the toolchain, if it is missing.
fn component(name: &str, command: &str) -> Option<Outcome> {
    let output = cargo_command().args([command, "--version"]).output();
    let there = output.is_ok_and(|output| output.status.success());
    (!there).then(|| Outcome::Failed(format!("{name} is missing: `rustup component add {name}`")))
}

fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.current_dir(repository::root());
    if is_ci() {
        // Nothing is built there a second time, and what that would take is a third of all that is written.
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_options_may_come_in_any_order() {
        let plan = Plan::parse(&["refund", "--quick", "wallet"]).unwrap();
        assert_eq!(plan, Plan { quick: true, filters: vec!["refund".to_owned(), "wallet".to_owned()] });
        assert!(Plan::parse(&["--fast"]).unwrap_err().contains("`--fast`"));
    }

    #[test]
    fn the_address_of_a_server_is_what_follows_the_password() {
        assert_eq!(address("postgres://u:p@127.0.0.1:5433/postgres"), Some("127.0.0.1:5433"));
        assert_eq!(address("postgres://u:p@localhost/postgres"), None);
        assert_eq!(address("127.0.0.1:5433"), None);
    }

    #[test]
    fn a_server_that_is_gone_is_told_before_the_tests() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap().to_string();
        answers(&there, VARIABLE).unwrap();
        drop(listener);
        assert!(answers(&there, VARIABLE).unwrap_err().contains(VARIABLE));
    }
}
