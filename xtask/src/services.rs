//! `cargo xtask services`: runs what tests need beside them, in the foreground or left in the background.
//! Standard output carries only the variables to export; everything else goes to standard error.

mod detached;

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::server::Server;
use crate::{interrupt, kafka, postgres, test, tools};
use detached::{Detached, Left};

const POLL: Duration = Duration::from_millis(100);

/// Starts the services and stays until Ctrl-C.
pub(crate) fn run() -> Result<(), String> {
    interrupt::watch()?;
    let mut postgres = start_postgres()?;
    let mut kafka = start_kafka()?;
    tell_tools()?;
    tell(postgres.address(), kafka.as_ref().map(Server::address));
    eprintln!("xtask: postgres runs in {}", postgres.folder().display());
    if let Some(kafka) = &kafka {
        eprintln!("xtask: kafka runs in {}", kafka.folder().display());
    }
    eprintln!("xtask: Ctrl-C stops what runs and removes its data");
    while !interrupt::happened() {
        postgres.check()?;
        kafka.as_mut().map_or(Ok(()), Server::check)?;
        sleep(POLL);
    }
    eprintln!("xtask: stopping the services");
    Ok(())
}

/// Starts the services, leaves them running and returns. What was left running before stays as it is.
pub(crate) fn detach() -> Result<(), String> {
    interrupt::watch()?;
    let path = detached::path();
    let mut detached = Detached::read(&path).running();
    if detached.postgres.is_none() {
        let server = start_postgres()?;
        detached.postgres = Some(Left { folder: server.folder().to_path_buf(), address: server.address().to_owned() });
        detached.write(&path)?;
        server.leave_running()?;
    }
    if detached.kafka.is_none()
        && let Some(server) = start_kafka()?
    {
        detached.kafka = Some(Left { folder: server.folder().to_path_buf(), address: server.address().to_owned() });
        detached.write(&path)?;
        server.leave_running()?;
    }
    tell_tools()?;
    tell(detached.postgres.as_ref().map_or("", |left| &left.address), detached.kafka.as_ref().map(|left| left.address.as_str()));
    for (name, left) in detached.named() {
        eprintln!("xtask: {name} runs in {}", left.folder.display());
    }
    eprintln!("xtask: `cargo xtask services stop` stops what runs and removes its data");
    Ok(())
}

/// Stops what `detach` left running.
pub(crate) fn stop() -> Result<(), String> {
    let path = detached::path();
    let detached = Detached::read(&path);
    if detached.named().is_empty() {
        return Err("no service was left running by `cargo xtask services --detach`".to_owned());
    }
    if let Some(left) = &detached.kafka {
        kafka::end(&left.folder)?;
    }
    if let Some(left) = &detached.postgres {
        postgres::end(&left.folder)?;
    }
    std::fs::remove_file(&path).map_err(|error| format!("could not remove {}: {error}", path.display()))?;
    for (name, left) in detached.named() {
        eprintln!("xtask: {name} in {} is stopped and removed", left.folder.display());
    }
    Ok(())
}

fn tell(url: &str, kafka: Option<&str>) {
    println!("{}={url}", postgres::VARIABLE);
    if let Some(address) = kafka {
        println!("{}={address}", kafka::VARIABLE);
        println!("{}={}", kafka::JARS_VARIABLE, kafka::jars().display());
    }
}

/// Programs that tests start by themselves are only named.
fn tell_tools() -> Result<(), String> {
    let (provided, missing) = tools::provide()?;
    provided.iter().for_each(|(variable, path)| println!("{variable}={}", path.display()));
    missing.iter().for_each(|problem| eprintln!("xtask: {problem}"));
    Ok(())
}

fn start_postgres() -> Result<Server, String> {
    let programs = postgres::Programs::find_or_install()?;
    let started = Instant::now();
    let server = postgres::start(&programs)?;
    eprintln!("xtask: postgres was ready after {:.1} s", started.elapsed().as_secs_f64());
    Ok(server)
}

/// A machine without Java runs the other services all the same, unless it decides about merges.
fn start_kafka() -> Result<Option<Server>, String> {
    let runtime = match kafka::Runtime::find_or_install() {
        Ok(runtime) => runtime,
        Err(problem) if test::is_ci() => return Err(problem),
        Err(problem) => {
            eprintln!("xtask: kafka is left out: {problem}");
            return Ok(None);
        }
    };
    let started = Instant::now();
    let server = kafka::start(&runtime)?;
    eprintln!("xtask: kafka was ready after {:.1} s", started.elapsed().as_secs_f64());
    Ok(Some(server))
}
