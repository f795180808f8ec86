//! Who is there, as a table for people and as JSON for programs.

use super::{HOST, KEEPER, METRICS, NAME, PID};
use registry::Status;
use registry::client::Snapshot;
use serde::Serialize;
use std::collections::BTreeMap;

/// One process as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// What it is called; its id where it says nothing.
    pub name: String,
    /// Its id in the registry, which a process that was started again does not keep.
    pub id: String,
    /// What it serves.
    pub services: Vec<String>,
    /// Where it is reached.
    pub address: String,
    /// What it says of itself.
    pub status: Status,
    /// The version of its program.
    pub version: String,
    /// Its share of the requests.
    pub weight: u32,
    /// Its machine, if it says.
    pub host: Option<String>,
    /// Its process id there.
    pub pid: Option<i32>,
    /// The process id of whoever starts it again.
    pub keeper: Option<i32>,
    /// Where a gateway's metrics are; other processes' are at their address.
    pub metrics: Option<String>,
}

impl Seen {
    /// Every process of a snapshot, by name.
    pub fn of(snapshot: &Snapshot) -> Vec<Seen> {
        let mut seen: BTreeMap<(String, String), Seen> = BTreeMap::new();
        for instance in snapshot.instances() {
            let said = |key: &str| instance.metadata.get(key).cloned();
            let number = |key: &str| said(key).and_then(|text| text.parse().ok());
            let name = said(NAME).unwrap_or_else(|| instance.id.to_string());
            let one = seen.entry((name.clone(), instance.id.to_string())).or_insert_with(|| Seen {
                name,
                id: instance.id.to_string(),
                services: Vec::new(),
                address: instance.address.to_string(),
                status: instance.status,
                version: instance.version.to_string(),
                weight: instance.weight,
                host: said(HOST),
                pid: number(PID),
                keeper: number(KEEPER),
                metrics: said(METRICS),
            });
            one.services.push(instance.service.to_string());
        }
        seen.into_values().collect()
    }
}

/// The table.
pub fn table(seen: &[Seen]) -> String {
    let head = ["process", "serves", "address", "status", "version", "pid"].map(str::to_owned);
    let row = |one: &Seen| {
        let pid = one.pid.map_or_else(String::new, |pid| pid.to_string());
        [one.name.clone(), one.services.join(" "), one.address.clone(), one.status.to_string(), one.version.clone(), pid]
    };
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(seen.iter().map(row)).collect();
    let widths: Vec<usize> = (0..6).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry::Instance;

    fn instance(service: &str, name: &str) -> Instance {
        let metadata = [(NAME, name), (PID, "17")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        Instance {
            service: service.into(),
            id: format!("{name}-0af3"),
            address: "127.0.0.1:4000".into(),
            secure: false,
            version: "0.1.0".into(),
            weight: 100,
            status: Status::Up,
            metadata: metadata.into(),
        }
    }

    #[test]
    fn a_process_stands_once_with_all_its_services() {
        let snapshot = Snapshot::of([instance("stock", "store-1"), instance("orders", "store-1"), instance("payments", "payments-1")]);
        let seen = Seen::of(&snapshot);
        assert_eq!(seen.len(), 2);
        assert_eq!((seen[1].name.as_str(), seen[1].services.as_slice()), ("store-1", &["orders".to_owned(), "stock".to_owned()][..]));
        let table = table(&seen);
        assert_eq!(table.lines().nth(2), Some("store-1     orders stock  127.0.0.1:4000  up      0.1.0    17"));
    }
}
