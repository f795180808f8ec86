//! `guildhall services`: the table of services, for whoever decides what runs where.

use crate::services::{Need, TABLE};
use std::process::ExitCode;

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) fn list() -> ExitCode {
    println!("{:<10} {:<68} needs", "service", "gives");
    for part in TABLE {
        let needs: Vec<&str> = part.needs.iter().map(|need| word(*need)).collect();
        println!("{:<10} {:<68} {}", part.name, part.gives, needs.join(", "));
    }
    println!("\nall: every one of them but the gateway, in one process");
    ExitCode::SUCCESS
}

fn word(need: Need) -> &'static str {
    match need {
        Need::Database => "database and keys",
        Need::Catalogue => "catalogue in memory",
        Need::Campaigns => "campaigns in memory",
        Need::Logs => "Kafka or the embedded log",
        Need::Sinks => "mail and other sinks",
        Need::Registry => "registry",
    }
}
