//! Load on a running server: what is measured and how it is told. The scenarios prepare their own data.

pub mod driver;
pub mod report;

use crate::cli::Settings;
use clap::Subcommand;
use std::process::ExitCode;

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Load {
    /// Payments
    Pay,
}

pub(crate) async fn run(_settings: &Settings, _load: Load) -> Result<ExitCode, String> {
    Err("load".to_owned())
}
