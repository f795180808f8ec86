//! The gateway's metrics, each with its handle held. Labels are services of the routing table, rooms of the policy, and words written here.
//! Refuses labels that come from requests: paths, addresses, users, hosts.

use crate::health::Standing;
use metrics::{Counter, Gauge, Histogram};

/// What is counted per service.
pub(crate) struct OfService {
    seconds: Histogram,
    by_class: [Counter; 5],
    pub(crate) in_flight: Gauge,
    pub(crate) retries: Counter,
    pub(crate) over_budget: Counter,
    pub(crate) ejections: Counter,
    standings: [(Standing, Gauge); 4],
}

impl OfService {
    pub(crate) fn new(service: &str) -> OfService {
        let service = service.to_owned();
        let class =
            |class: &'static str| metrics::counter!("guildhall_gateway_requests_total", "service" => service.clone(), "class" => class);
        let standing = |standing: Standing| {
            let gauge = metrics::gauge!("guildhall_gateway_instances", "service" => service.clone(), "standing" => standing.as_str());
            (standing, gauge)
        };
        let retry = |outcome: &'static str| metrics::counter!("guildhall_gateway_retries_total", "service" => service.clone(), "outcome" => outcome);
        OfService {
            seconds: metrics::histogram!("guildhall_gateway_request_seconds", "service" => service.clone()),
            by_class: [class("1xx"), class("2xx"), class("3xx"), class("4xx"), class("5xx")],
            in_flight: metrics::gauge!("guildhall_gateway_in_flight", "service" => service.clone()),
            retries: retry("sent"),
            over_budget: retry("over_budget"),
            ejections: metrics::counter!("guildhall_gateway_ejections_total", "service" => service.clone()),
            standings: [Standing::Up, Standing::Trial, Standing::Out, Standing::Down].map(standing),
        }
    }

    pub(crate) fn done(&self, status: u16, seconds: f64) {
        self.by_class[usize::from(status / 100).clamp(1, 5) - 1].increment(1);
        self.seconds.record(seconds);
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of instances is small")]
    pub(crate) fn standings(&self, of: impl Iterator<Item = Standing> + Clone) {
        for (standing, gauge) in &self.standings {
            gauge.set(of.clone().filter(|found| found == standing).count() as f64);
        }
    }
}

/// What is counted for the whole gateway.
pub(crate) struct OfGateway {
    pub(crate) by_address: Counter,
    pub(crate) by_user: Counter,
    pub(crate) by_key: Counter,
    pub(crate) by_connections: Counter,
    pub(crate) malformed: Counter,
    pub(crate) connections: Gauge,
}

impl OfGateway {
    pub(crate) fn new() -> OfGateway {
        let limited = |by: &'static str| metrics::counter!("guildhall_gateway_limited_total", "by" => by);
        OfGateway {
            by_address: limited("address"),
            by_user: limited("user"),
            by_key: limited("key"),
            by_connections: limited("connections"),
            malformed: metrics::counter!("guildhall_gateway_malformed_total"),
            connections: metrics::gauge!("guildhall_gateway_connections"),
        }
    }
}

/// What is counted per waiting room.
pub(crate) struct OfRoom {
    pub(crate) admitted: Counter,
    pub(crate) told_to_wait: Counter,
    pub(crate) waiting: Gauge,
}

impl OfRoom {
    pub(crate) fn new(room: &str) -> OfRoom {
        let turn = |turn: &'static str| metrics::counter!("guildhall_gateway_turns_total", "room" => room.to_owned(), "turn" => turn);
        OfRoom {
            admitted: turn("admitted"),
            told_to_wait: turn("waits"),
            waiting: metrics::gauge!("guildhall_gateway_waiting", "room" => room.to_owned()),
        }
    }
}
