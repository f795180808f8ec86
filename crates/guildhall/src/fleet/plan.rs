//! Decides which processes a fleet on one machine has and what each serves. Pure.
//! Refuses to leave a service of the table out, except the stream where there is no Kafka to read.

use crate::config::{Fleet, Layout};
use crate::services::{Need, Part, TABLE};
use std::net::{Ipv4Addr, SocketAddr};

/// Services that share a process in the grouped layout; a service that stands in no group has processes of its own.
/// Together are those that are small and used one after another; alone are those that are scaled, or that cost something of their
/// own: passwords (accounts), the sale (payments), the log (stream), receivers that are slow (outbox).
const GROUPS: &[(&str, &[&str])] =
    &[("store", &["catalogue", "wallet", "stock", "orders", "library"]), ("games", &["campaigns", "teams", "insight", "console"])];

/// When a process is started: those before it are there by then. They are stopped the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Where all others are found.
    Registry,
    /// What does the work.
    Service,
    /// What lets requests in.
    Gateway,
}

impl Tier {
    /// In the order of starting.
    pub const ALL: [Tier; 3] = [Tier::Registry, Tier::Service, Tier::Gateway];
}

/// One process of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its name, as `payments-1`.
    pub name: String,
    /// The services it serves.
    pub services: Vec<&'static str>,
    /// Where it listens; port 0 is any.
    pub listen: SocketAddr,
    /// When it is started.
    pub tier: Tier,
}

/// All processes, in the order in which they are started.
pub fn plan(fleet: &Fleet, has_logs: bool) -> Vec<Planned> {
    let mut planned = Vec::new();
    listening(&mut planned, "registry", fleet.registries.iter(), Tier::Registry);
    for (name, services) in groups(fleet.layout, has_logs) {
        for number in 1..=fleet.size {
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            planned.push(Planned { name: format!("{name}-{number}"), services: services.clone(), listen, tier: Tier::Service });
        }
    }
    listening(&mut planned, "gateway", fleet.gateways.iter(), Tier::Gateway);
    planned
}

fn listening(planned: &mut Vec<Planned>, service: &'static str, addresses: impl Iterator<Item = SocketAddr>, tier: Tier) {
    for (at, listen) in addresses.enumerate() {
        planned.push(Planned { name: format!("{service}-{}", at + 1), services: vec![service], listen, tier });
    }
}

/// The services that are neither the gateway nor the registry, as they share processes.
fn groups(layout: Layout, has_logs: bool) -> Vec<(&'static str, Vec<&'static str>)> {
    let is_worker = |part: &&Part| !["gateway", "registry"].contains(&part.name) && (has_logs || !part.needs.contains(&Need::Logs));
    let mut groups: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    for part in TABLE.iter().filter(is_worker) {
        let shared = GROUPS.iter().find(|(_, names)| layout == Layout::Grouped && names.contains(&part.name));
        let group = shared.map_or(part.name, |(group, _)| group);
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, services)) => services.push(part.name),
            None => groups.push((group, vec![part.name])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn planned(layout: Layout, has_logs: bool) -> Vec<Planned> {
        plan(&Fleet { layout, ..Config::default().fleet }, has_logs)
    }

    #[test]
    fn every_service_of_the_table_runs_twice_in_both_layouts() {
        for layout in [Layout::Grouped, Layout::Each] {
            let planned = planned(layout, true);
            for part in TABLE {
                let times = planned.iter().filter(|process| process.services.contains(&part.name)).count();
                assert_eq!(times, 2, "{} in {layout:?}", part.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_tiers_are_in_the_order_of_starting() {
        for layout in [Layout::Grouped, Layout::Each] {
            let planned = planned(layout, true);
            let names: std::collections::BTreeSet<_> = planned.iter().map(|process| &process.name).collect();
            assert_eq!(names.len(), planned.len());
            assert!(planned.is_sorted_by_key(|process| process.tier));
        }
    }

    #[test]
    fn a_group_names_only_services_of_the_table_or_ones_that_are_not_built_in() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let alone = planned(Layout::Each, true);
        assert!(planned(Layout::Grouped, true).len() < alone.len());
        assert!(grouped.iter().filter(|name| Part::named(name).is_some()).count() > GROUPS.len());
    }

    #[test]
    fn without_a_kafka_only_the_stream_is_left_out() {
        let (with, without) = (planned(Layout::Each, true), planned(Layout::Each, false));
        let missing: Vec<&str> = with.iter().filter(|one| !without.contains(one)).flat_map(|one| one.services.clone()).collect();
        assert_eq!(missing, ["stream", "stream"]);
    }
}
