//! What a gateway costs: the same requests straight to a service, through the gateway, and through nginx, in turn, in one run.
//! Refuses to name a speed: it prints ratios, and the figures they come from.
//!
//! `cargo bench -p gateway`, with nginx installed (`apt-get install nginx-light`). The service, the gateway and nginx each run in a process
//! of their own, so that the CPU time of each can be read.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

mod load;
mod processes;

use load::Outcome;
use processes::{Kind, Running};
use std::time::Duration;

/// Clients at once.
const CONNECTIONS: [usize; 2] = [64, 256];
/// How long one measurement takes, and how often each is taken, in turn.
const LASTS: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;

fn main() {
    if let Ok(role) = std::env::var(processes::ROLE) {
        return processes::play(&role);
    }
    let service = Running::start(Kind::Service, None);
    let gateway = Running::start(Kind::Gateway, Some(service.address));
    let nginx = Running::start(Kind::Nginx, Some(service.address));
    println!("two ways to one service; {LASTS:?} each, the middle one of {ROUNDS} rounds; the load generator shares the machine");
    for connections in CONNECTIONS {
        let mut outcomes: [Vec<Outcome>; 3] = Default::default();
        for _ in 0..ROUNDS {
            for (way, outcomes) in [&service, &gateway, &nginx].into_iter().zip(&mut outcomes) {
                outcomes.push(load::measure(way, connections, LASTS));
            }
        }
        let [direct, gateway, nginx] = outcomes.map(load::middle);
        println!("\n{connections} connections      requests/s    p50 ms    p99 ms   errors   requests per CPU second of the proxy");
        for (name, outcome) in [("direct", &direct), ("gateway", &gateway), ("nginx", &nginx)] {
            println!("{name:18} {outcome}");
        }
        println!(
            "gateway to nginx: requests/s {:.2}, p99 {:.2}, requests per CPU second {:.2}; added p50: gateway {:.2} ms, nginx {:.2} ms",
            gateway.per_s / nginx.per_s,
            gateway.p99_ms / nginx.p99_ms,
            gateway.per_cpu_s / nginx.per_cpu_s,
            gateway.p50_ms - direct.p50_ms,
            nginx.p50_ms - direct.p50_ms,
        );
    }
}
