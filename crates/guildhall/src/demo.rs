//! `guildhall demo`: tells the story of the store step by step, with real figures.
use crate::cli::Settings;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// The demo's flags.
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the story instead of leaving the server up
    #[arg(long)]
    pub exit: bool,
    /// A catalogue file to import instead of a generated one
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
}

pub(crate) async fn run(_settings: &Settings, _demo: Demo) -> Result<ExitCode, String> {
    Err("demo".to_owned())
}
