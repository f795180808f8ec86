//! Flags of `guildhall load logs` and `guildhall load events`.
//! Refuses combinations that would measure something else than they say.

use clap::Args;
use std::path::PathBuf;

/// Flags of `guildhall load logs`.
#[derive(Debug, Clone, Args)]
pub struct LogTerms {
    /// Records of all four games together
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub records: u64,
    /// Players of all four games together
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub players: u64,
    /// The same seed gives the same records
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Fill a log of its own with the records, then measure how fast a server turns them into progress
    #[arg(long, conflicts_with_all = ["rate", "files", "url"])]
    pub drain: bool,
    /// Send so many records a second to a server of its own, and measure from sending one to seeing its achievement in the database
    #[arg(long, value_name = "N", conflicts_with_all = ["files", "url"])]
    pub rate: Option<u64>,
    /// How long, with --rate
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub seconds: u64,
    /// Write the records to a file for each game
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub files: Option<PathBuf>,
    /// Send the records to a running server over HTTP, as whoever --token is
    #[arg(long, value_name = "URL", requires = "token")]
    pub url: Option<String>,
    /// An access token of an operator, or an API key with the scope logs:write
    #[arg(long, value_name = "TOKEN", env = "GUILDHALL_LOAD_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Partitions of the topics that a drain makes
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub partitions: u32,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

impl LogTerms {
    /// Every flag at its default.
    pub fn plain() -> LogTerms {
        LogTerms {
            records: 1_000_000,
            players: 50_000,
            seed: 1,
            drain: false,
            rate: None,
            seconds: 30,
            files: None,
            url: None,
            token: None,
            partitions: 2,
            json: false,
        }
    }
}

/// Flags of `guildhall load events`.
#[derive(Debug, Clone, Args)]
pub struct EventTerms {
    /// Records a second before and after the surge; ten times as many during it
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub rate: u64,
    /// How long the surge lasts
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub seconds: u64,
    /// Requests a second during the surge [default: half of the peak, which is measured first]
    #[arg(long, value_name = "N")]
    pub requests_per_s: Option<u64>,
    /// Connections kept open: for both kinds together while the peak is measured, for each of them during the surge
    #[arg(long, value_name = "C", default_value_t = 64)]
    pub connections: usize,
    /// Players with a reward to claim
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub players: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
