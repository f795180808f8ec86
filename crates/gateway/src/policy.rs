//! How the gateway treats what comes in and what it sends on: every limit, with its default.
//! Refuses values that would make a limit none, or a queue that nobody leaves.

use ipnet::IpNet;
use kernel::{Instant, ProductId};
use std::time::Duration;

/// A policy or a route that cannot be: names the value and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(pub String);

/// Everything that is configured but routes, certificates and keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Threads that serve connections; 0: one per core. 0.
    pub threads: usize,
    /// Connections of clients open at once; further ones wait to be accepted. 20,000.
    pub connections_max: usize,
    /// Connections one address (IPv6: one /64) may have open; further ones are closed at once. 2,000.
    pub connections_per_address_max: u32,
    /// Bytes of a request's line and headers; more is answered 431. 32 KiB.
    pub header_bytes_max: usize,
    /// Headers of a request; more is answered 431. 100.
    pub headers_max: usize,
    /// Bytes of a request's body where the route says nothing else; more is answered 413. 1 MiB.
    pub body_limit_bytes: u64,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Idle connections kept per instance and thread. 256.
    pub idle_per_instance_max: usize,
    /// Requests under way per instance; when every instance has as many, callers are answered 503. 8,192.
    pub in_flight_per_instance_max: usize,
    /// Active checks.
    pub probes: Probes,
    /// When an instance is taken out for what it answers.
    pub ejection: Ejection,
    /// When a request is sent again.
    pub retries: Retries,
    /// Requests per time.
    pub limits: Limits,
    /// Networks whose `X-Forwarded-For` and `Forwarded` are believed: proxies of ours in front of the gateway. None.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call (CORS), as `https://guild.example`; `*` for every one, without credentials. None.
    pub origins: Vec<String>,
    /// The waiting rooms of announced sales. None.
    pub rooms: Vec<RoomTerms>,
    /// Gateways that share the work where the registry knows none: each admits its part of a room's rate. 1.
    pub gateways: u32,
    /// Writes a line per request to the log, under the target `gateway::access`. True.
    pub access_log: bool,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a TLS handshake is done. 10 s.
    pub handshake: Duration,
    /// Until a client has sent its headers, and how long its connection may be idle before them. 30 s.
    pub headers: Duration,
    /// Between two pieces of a request's body. 10 s.
    pub body_idle: Duration,
    /// Bytes per second below which a request's body is given up, after `body_idle`. 1 KiB.
    pub body_bytes_per_s_min: u64,
    /// Until a client has taken what was sent to it. 30 s.
    pub client_write: Duration,
    /// Until an instance took the connection. 1 s.
    pub connect: Duration,
    /// Until an instance answers with its headers, where the route says nothing else. 35 s: a little more than
    /// `server.request_timeout_ms`, so that the instance's own answer wins.
    pub response: Duration,
    /// Between two pieces of an answer's body, events of a stream among them. 2 min.
    pub answer_idle: Duration,
    /// How long a WebSocket may carry nothing. 10 min.
    pub tunnel_idle: Duration,
    /// How long an idle connection to an instance is kept. 20 s: less than the instances' own limit.
    pub idle: Duration,
    /// How long requests under way get when the gateway stops. 10 s.
    pub grace: Duration,
}

/// Active checks: `GET /ready` of every instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probes {
    /// What is asked. `/ready`. Instances of foreign services say their own with the metadata `probe_path`; those that say none are not asked.
    pub path: String,
    /// Time between two checks of an instance. 1 s.
    pub interval: Duration,
    /// Until the answer is there. 1 s.
    pub timeout: Duration,
    /// Failures in a row that take it out. 2.
    pub fall: u32,
    /// Successes in a row that bring it back. 2.
    pub rise: u32,
}

/// When an instance is taken out for what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row: no connection, no answer in time, broken off, or a 5xx other than 501. 5.
    pub in_a_row: u32,
    /// Or this share of a window's requests, in percent. 50.
    pub failed_percent: u32,
    /// Requests the window needs for that. 20.
    pub requests_min: u32,
    /// The window. 10 s.
    pub window: Duration,
    /// Or slower than the others by this factor. 5.
    pub slower_factor: u32,
    /// And slower than this. 250 ms.
    pub slower_than: Duration,
    /// How long it stays out the first time; each further time doubles it. 5 s.
    pub first: Duration,
    /// The longest it stays out. 60 s.
    pub longest: Duration,
    /// Trials that have to succeed, one after the other, before it is back. 3.
    pub trials: u32,
    /// Share of a service's instances that may be out for this reason, in percent, rounded down. 50.
    pub share_max_percent: u32,
}

/// When a request is sent again: only where it is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Further tries of one request. 2.
    pub tries: u32,
    /// Further tries over all requests of a service, as a share of them in percent. 20.
    pub budget_percent: u32,
    /// Further tries per second that are always allowed. 10.
    pub budget_per_s_min: u32,
    /// Bodies up to this many bytes are read before they are sent, so that they can be sent again. 64 KiB.
    pub body_kept_bytes: u64,
}

/// Requests per second, and how many may come at once. A rate of 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Per second, in the long run.
    pub per_s: u32,
    /// At once.
    pub burst: u32,
}

/// Requests per time, each at this gateway: where several share the load evenly, the whole is as many times more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of one address (IPv6: one /64). 5,000/s, 10,000 at once: whole schools and internet cafés have one address.
    pub address: Rate,
    /// Of one signed-in user. 100/s, 400 at once.
    pub user: Rate,
    /// Of one API key. 5,000/s, 10,000 at once.
    pub key: Rate,
    /// Addresses, users and keys remembered, of each kind; when full, those that are within their limits are forgotten, and
    /// while too few are, newcomers share one limit. 200,000.
    pub remembered_max: usize,
}

/// What a waiting room guards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The method, as `POST`.
    pub method: String,
    /// The path by segments, where `{x}` stands for any one: `/v1/payments/buy`.
    pub path: String,
    /// Only requests whose JSON body names one of these in `products` or `product`; empty: every request.
    pub products: Vec<ProductId>,
}

/// A waiting room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomTerms {
    /// Its name, in tickets and answers.
    pub name: String,
    /// What it guards.
    pub guards: Vec<Guard>,
    /// From when on people are taken in; before, requests pass.
    pub from: Instant,
    /// When the sale opens: whoever came before has a place by lot, whoever comes later stands behind.
    pub opens: Instant,
    /// Until when it guards; after, requests pass.
    pub until: Instant,
    /// People admitted per second, by all gateways together.
    pub admit_per_s: u32,
    /// How long someone may act after being admitted.
    pub admitted: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            threads: 0,
            connections_max: 20_000,
            connections_per_address_max: 2_000,
            header_bytes_max: 32 << 10,
            headers_max: 100,
            body_limit_bytes: 1 << 20,
            timeouts: Timeouts::default(),
            idle_per_instance_max: 256,
            in_flight_per_instance_max: 8_192,
            probes: Probes::default(),
            ejection: Ejection::default(),
            retries: Retries { tries: 2, budget_percent: 20, budget_per_s_min: 10, body_kept_bytes: 64 << 10 },
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
            origins: Vec::new(),
            rooms: Vec::new(),
            gateways: 1,
            access_log: true,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(30),
            body_idle: Duration::from_secs(10),
            body_bytes_per_s_min: 1 << 10,
            client_write: Duration::from_secs(30),
            connect: Duration::from_secs(1),
            response: Duration::from_secs(35),
            answer_idle: Duration::from_secs(120),
            tunnel_idle: Duration::from_secs(600),
            idle: Duration::from_secs(20),
            grace: Duration::from_secs(10),
        }
    }
}

impl Default for Probes {
    fn default() -> Self {
        Probes { path: "/ready".to_owned(), interval: Duration::from_secs(1), timeout: Duration::from_secs(1), fall: 2, rise: 2 }
    }
}

impl Default for Ejection {
    fn default() -> Self {
        Ejection {
            in_a_row: 5,
            failed_percent: 50,
            requests_min: 20,
            window: Duration::from_secs(10),
            slower_factor: 5,
            slower_than: Duration::from_millis(250),
            first: Duration::from_secs(5),
            longest: Duration::from_secs(60),
            trials: 3,
            share_max_percent: 50,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            address: Rate { per_s: 5_000, burst: 10_000 },
            user: Rate { per_s: 100, burst: 400 },
            key: Rate { per_s: 5_000, burst: 10_000 },
            remembered_max: 200_000,
        }
    }
}

impl Limits {
    /// No limits, for load from one machine.
    pub fn none() -> Limits {
        let none = Rate { per_s: 0, burst: 0 };
        Limits { address: none, user: none, key: none, ..Limits::default() }
    }
}

impl Policy {
    pub(crate) fn threads(&self) -> usize {
        if self.threads > 0 { self.threads } else { std::thread::available_parallelism().map_or(1, usize::from) }
    }

    /// Looks for values that cannot be.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), Mistake> {
        let wrong = |told: String| Err(Mistake(told));
        if self.connections_max == 0 || self.connections_per_address_max == 0 || self.in_flight_per_instance_max == 0 {
            return wrong("a limit of 0 connections or requests serves nobody: 1 or more would be right".to_owned());
        }
        if self.header_bytes_max < 8 << 10 {
            return wrong(format!("header_bytes_max {}: 8192 or more would be right, which browsers need", self.header_bytes_max));
        }
        if self.ejection.share_max_percent > 99 {
            return wrong(format!("ejection share {} %: 0 to 99 would be right, someone has to stay", self.ejection.share_max_percent));
        }
        if self.probes.interval.is_zero() || self.probes.fall == 0 || self.probes.rise == 0 || self.ejection.trials == 0 {
            return wrong("probes and trials need an interval and counts above 0".to_owned());
        }
        if self.gateways == 0 || self.limits.remembered_max == 0 {
            return wrong("gateways and remembered_max have to be 1 or more".to_owned());
        }
        self.rooms.iter().try_for_each(RoomTerms::check)
    }
}

impl RoomTerms {
    fn check(&self) -> Result<(), Mistake> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=40).contains(&self.name.len()) || !self.name.bytes().all(fits) {
            return Err(Mistake(format!("{:?} is not a room's name: 1 to 40 of a-z, 0-9 and - would be right", self.name)));
        }
        if !(self.from <= self.opens && self.opens < self.until) {
            return Err(Mistake(format!(
                "room {}: from {}, opens {}, until {} have to be in this order",
                self.name, self.from, self.opens, self.until
            )));
        }
        if !(1..=1_000_000).contains(&self.admit_per_s) {
            return Err(Mistake(format!("room {}: admit_per_s {}: 1 to 1000000 would be right", self.name, self.admit_per_s)));
        }
        if self.admitted < Duration::from_secs(1) || self.guards.is_empty() {
            return Err(Mistake(format!("room {} has to guard something and to admit for a second or more", self.name)));
        }
        Ok(())
    }
}
