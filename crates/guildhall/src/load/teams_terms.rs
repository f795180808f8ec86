//! Flags of `guildhall load teams`.

use clap::Args;

/// Flags of `guildhall load teams`.
#[derive(Debug, Clone, Args)]
pub struct TeamTerms {
    /// Players, each with a profile and some of a currency
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub players: u64,
    /// Connections kept open
    #[arg(long, value_name = "C", default_value_t = 64)]
    pub connections: usize,
    /// How long each measurement lasts
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub seconds: u64,
    /// The same seed gives the same requests
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
