//! The developer's commands: `cargo xtask test`, `cargo xtask services`, `cargo xtask tidy`.
//! Depends on no other crate of the workspace, so that it builds in seconds and still works while they do not.
#![allow(clippy::print_stdout, reason = "a command line tool talks on its standard output")]
#![allow(clippy::disallowed_methods, reason = "no async code here, and the wall clock only times steps")]

mod guard;
mod interrupt;
mod kafka;
mod packages;
mod postgres;
mod repository;
mod server;
mod services;
mod test;
mod throwaway;
mod tidy;
mod tools;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test [--quick] [FILTER…]   format, tidy, clippy and every test; starts and stops its own Postgres and Kafka, and
                                       finds or installs the programs that tests start (Prometheus, nginx, a browser, a mail server)
                                       --quick leaves out clippy and all of these; FILTER narrows the tests by name
cargo xtask services [--detach]        starts the Postgres and the Kafka that tests need, and prints the variables to export
cargo xtask services stop              stops those that were left running with --detach
cargo xtask tidy [--fix]               checks the repository's own rules; --fix writes what is generated
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["services"] => services::run(),
        ["services", "--detach"] => services::detach(),
        ["services", "stop"] => services::stop(),
        ["tidy"] => tidy::run(false),
        ["tidy", "--fix"] => tidy::run(true),
        ["test", rest @ ..] => test::run(rest),
        [postgres::GUARD, folder] => guard::run(Path::new(folder), postgres::end),
        [kafka::GUARD, folder] => guard::run(Path::new(folder), kafka::end),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("`{}` is not a command\n\n{USAGE}", words.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            if interrupt::happened() { ExitCode::from(interrupt::EXIT_CODE) } else { ExitCode::FAILURE }
        }
    }
}
