//! What a gateway costs: the same requests straight to a service, through the gateway, and through nginx, in turn, in one run.
//! Refuses to name a speed: it prints ratios, and the figures they come from.
//!
//! `cargo bench -p gateway`, with nginx installed (`apt-get install nginx-light`). The service, the gateway and nginx each run in a process
//! of their own, so that the CPU time of each can be read. With `-- PATH`, an older build of this benchmark, its gateway takes its turns too.

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
    let older = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let mut gateways = vec![("gateway".to_owned(), Running::start(Kind::Gateway, Some(service.address)))];
    gateways.extend(older.map(|path| (path.clone(), Running::start_older(&path, service.address))));
    let nginx = Running::start(Kind::Nginx, Some(service.address));
    println!("ways to one service; {LASTS:?} each, the middle one of {ROUNDS} rounds; the load generator shares the machine");
    for connections in CONNECTIONS {
        let ways: Vec<&Running> = [&service, &nginx].into_iter().chain(gateways.iter().map(|(_, gateway)| gateway)).collect();
        let mut outcomes: Vec<Vec<Outcome>> = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for (way, outcomes) in ways.iter().zip(&mut outcomes) {
                outcomes.push(load::measure(way, connections, LASTS));
            }
        }
        let mut middle = outcomes.into_iter().map(load::middle);
        let (direct, nginx) = (middle.next().expect("it was measured"), middle.next().expect("it was measured"));
        println!("\n{connections} connections      requests/s    p50 ms    p99 ms   errors   requests per CPU second of the proxy");
        println!("{:18} {direct}\n{:18} {nginx}", "direct", "nginx");
        for ((name, _), gateway) in gateways.iter().zip(middle) {
            println!("{name:18} {gateway}");
            println!(
                "to nginx: requests/s {:.2}, p99 {:.2}, requests per CPU second {:.2}; added p50: {:.2} ms, nginx {:.2} ms",
                gateway.per_s / nginx.per_s,
                gateway.p99_ms / nginx.p99_ms,
                gateway.per_cpu_s / nginx.per_cpu_s,
                gateway.p50_ms - direct.p50_ms,
                nginx.p50_ms - direct.p50_ms,
            );
        }
    }
}
