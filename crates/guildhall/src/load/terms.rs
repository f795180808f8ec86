//! What can be asked of a load run, as flags, and the lines of figures that come of it.
//! Refuses combinations that would measure something else than they say.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// What is done again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Pay payments that were entered
    #[default]
    Pay,
    /// Enter payments of orders
    Enter,
    /// Order, enter and pay in one call
    Buy,
    /// A crowd buys few copies
    Sale,
    /// Read pages of the catalogue
    Browse,
    /// Sign in
    Login,
}

impl Scenario {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Pay => "pay",
            Scenario::Enter => "enter",
            Scenario::Buy => "buy",
            Scenario::Sale => "sale",
            Scenario::Browse => "browse",
            Scenario::Login => "login",
        }
    }

    /// Requests of a run where none are asked for; per second when a time is.
    fn requests(self, seconds: Option<u64>) -> u64 {
        let (run, per_s) = match self {
            Scenario::Browse => (100_000, 40_000),
            Scenario::Login => (300, 200),
            _ => (10_000, 14_000),
        };
        seconds.map_or(run, |seconds| seconds * per_s)
    }
}

/// The call a sale goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Through {
    /// Order, enter and pay in one call
    Buy,
    /// Enter orders that were made before; a copy is held for whoever was first
    Enter,
}

/// Flags of every scenario.
#[derive(Debug, Clone, Args)]
pub struct Drive {
    /// Requests of a run [default: 10000; sale: the buyers; browse: 100000; login: 300]
    #[arg(long, value_name = "N")]
    pub requests: Option<u64>,
    /// Connections kept open; several between commas are measured one after the other
    #[arg(long, value_name = "C", value_delimiter = ',', default_value = "64")]
    pub connections: Vec<usize>,
    /// Runs of which the median is told, each on things prepared for it alone
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub runs: usize,
    /// End a run after this time; with it more requests are prepared
    #[arg(long, value_name = "S")]
    pub seconds: Option<u64>,
    /// Commands a transaction takes at most, as db.batch_max
    #[arg(long, value_name = "N", conflicts_with = "url")]
    pub batch_max: Option<usize>,
    /// Measure batches of one against gathered batches, and tell the ratio
    #[arg(long, conflicts_with_all = ["url", "batch_max"])]
    pub compare: bool,
    /// Drive a server that runs already, with what `guildhall load prepare` made for it
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Threads of the load generator
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Flags of a limited sale.
#[derive(Debug, Clone, Args)]
pub struct SaleTerms {
    /// Copies there are
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub stock: u32,
    /// Buyers who want one each
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub buyers: u64,
    /// The call they make
    #[arg(long, value_enum, default_value_t = Through::Buy)]
    pub through: Through,
}

/// What is measured, with every default filled in.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is done.
    pub scenario: Scenario,
    /// The flags.
    pub drive: Drive,
    /// The sale's flags.
    pub sale: Option<SaleTerms>,
    /// Logins at once beside the payments.
    pub logins: usize,
    /// Server processes.
    pub processes: usize,
}

/// One line of figures.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is called.
    pub label: String,
    /// Connections.
    pub connections: usize,
    /// `db.batch_max` of its server, when it is not the default.
    pub batch_max: Option<usize>,
    /// Logins beside it.
    pub logins: usize,
}

impl Plan {
    /// A plan without extras.
    pub fn new(scenario: Scenario, drive: Drive) -> Plan {
        Plan { scenario, drive, sale: None, logins: 0, processes: 1 }
    }

    /// Requests of one run.
    pub fn requests(&self) -> u64 {
        let buyers = self.sale.as_ref().map(|sale| sale.buyers);
        buyers.or(self.drive.requests).unwrap_or_else(|| self.scenario.requests(self.drive.seconds)).max(1)
    }

    /// Requests that a fresh server answers before it is measured; none where the beginning is what counts.
    pub fn warm_up(&self) -> u64 {
        match self.scenario {
            Scenario::Sale => 0,
            Scenario::Login => 2,
            _ => (self.requests() / 10).clamp(1, 1_000),
        }
    }

    /// Rounds that have to be prepared, in the order they are taken: for each line its warm-up, then its runs.
    pub fn rounds(&self) -> Vec<u64> {
        let warm_up = Some(self.warm_up()).filter(|count| *count > 0);
        let line = || warm_up.into_iter().chain(std::iter::repeat_n(self.requests(), self.drive.runs.max(1)));
        self.lines().iter().flat_map(|_| line()).collect()
    }

    /// The lines of figures.
    pub fn lines(&self) -> Vec<Line> {
        let name = self.scenario.name();
        let line = |connections, label: String, batch_max, logins| Line { label, connections, batch_max, logins };
        let of = |connections: &usize| {
            let plain = line(*connections, name.to_owned(), self.drive.batch_max, 0);
            if self.drive.compare {
                vec![line(*connections, format!("{name}, batches of one"), Some(1), 0), plain]
            } else if self.logins > 0 {
                vec![plain, line(*connections, format!("{name} beside {} logins", self.logins), self.drive.batch_max, self.logins)]
            } else {
                vec![plain]
            }
        };
        self.drive.connections.iter().flat_map(of).collect()
    }

    /// Refuses what cannot be measured.
    pub fn check(&self, is_sqlite: bool) -> Result<(), String> {
        if let Some(none) = self.drive.connections.iter().find(|count| **count == 0) {
            return Err(format!("--connections {none}: 1 or more would be right"));
        }
        if self.processes > 1 && (is_sqlite || self.drive.url.is_some()) {
            return Err(format!("--processes {} needs a Postgres that they share: give it with --db, and no --url", self.processes));
        }
        if self.scenario == Scenario::Login && self.drive.connections.iter().any(|count| *count > 256) {
            return Err("more than 256 logins wait at no server: --connections 256 or fewer would be right".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        drive: Drive,
    }

    fn plan(scenario: Scenario, flags: &str) -> Plan {
        Plan::new(scenario, Flags::parse_from(std::iter::once("load").chain(flags.split_whitespace())).drive)
    }

    #[test]
    fn every_line_has_its_warm_up_and_its_runs() {
        let plan = plan(Scenario::Pay, "--connections 64,256 --runs 2 --requests 300 --compare");
        let lines = plan.lines();
        let told: Vec<(usize, Option<usize>)> = lines.iter().map(|line| (line.connections, line.batch_max)).collect();
        assert_eq!(told, [(64, Some(1)), (64, None), (256, Some(1)), (256, None)]);
        assert_eq!(plan.rounds(), [30, 300, 300].repeat(4));
    }

    #[test]
    fn a_sale_has_its_buyers_and_no_warm_up() {
        let mut plan = plan(Scenario::Sale, "--connections 1000 --requests 5");
        plan.sale = Some(SaleTerms { stock: 10, buyers: 700, through: Through::Buy });
        assert_eq!(plan.rounds(), [700]);
    }

    #[test]
    fn two_processes_do_not_share_a_file() {
        let mut plan = plan(Scenario::Sale, "");
        plan.processes = 2;
        assert!(plan.check(true).unwrap_err().contains("Postgres"));
        assert!(plan.check(false).is_ok());
    }
}
