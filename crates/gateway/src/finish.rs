//! The end of a request: its metrics and its line in the access log, once, however it ended.
//! Refuses query strings, headers and bodies: what a log keeps must not hold a secret.

use crate::forward::Connection;
use hyper::header::HeaderValue;
use hyper::{Method, Uri};
use kernel::UserId;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known of a request for its line.
pub(crate) struct Finish {
    pub(crate) connection: Arc<Connection>,
    pub(crate) started: Instant,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) address: IpAddr,
    pub(crate) request_id: HeaderValue,
    pub(crate) traceparent: Option<HeaderValue>,
    /// The place of its route in the table.
    pub(crate) route: Option<usize>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) user: Option<UserId>,
    pub(crate) tries: u32,
    pub(crate) status: u16,
    /// Until the answer's head was there.
    pub(crate) answered: Duration,
    pub(crate) bytes: u64,
    pub(crate) broken: bool,
}

impl Finish {
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The answer did not reach its end.
    pub(crate) fn broke(&mut self) {
        self.broken = true;
    }

    fn line(&self, service: Option<&str>) {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        tracing::info!(
            target: "gateway::access",
            method = self.method.as_str(),
            path = self.uri.path(),
            status = self.status,
            bytes = self.bytes,
            micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            address = %self.address,
            user = self.user.map(tracing::field::display),
            service,
            instance = self.instance.as_deref(),
            tries = self.tries,
            broken = self.broken.then_some(true),
            request_id = text(&self.request_id),
            trace_id = crate::trace::id(self.traceparent.as_ref()),
            "request"
        );
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let gateway = &self.connection.gateway;
        let cluster = self.route.map(|index| gateway.route(index).1);
        if let Some(cluster) = cluster {
            cluster.measure.done(self.status, self.answered.as_secs_f64());
        }
        if gateway.policy.access_log {
            self.line(cluster.map(|cluster| cluster.service.as_str()));
        }
    }
}
