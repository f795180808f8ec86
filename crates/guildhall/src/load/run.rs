//! Drives servers through the lines of a plan and gathers the figures.
//! Refuses to begin a run while events of the one before are still on their way.

use super::drain::database_process;
use super::driver::{self, Amount, Errors, Load, OnResponse, Outcome};
use super::ground::Ground;
use super::prepare::bar;
use super::prepared::{Prepared, Round};
use super::process::{Server, cpu_us, family_cpu_us, get, metric};
use super::report::Report;
use super::terms::{Line, Plan, Scenario};
use super::verify;
use db::Db;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Figures {
    /// One per line of the plan, the median of its runs.
    pub lines: Vec<Report>,
    /// What did not fit between answers and database, and the errors in a server's log.
    pub wrong: Vec<String>,
    /// Whether the database was looked at.
    pub is_verified: bool,
}

/// A plan under way.
pub struct Run<'a> {
    /// What is measured.
    pub plan: &'a Plan,
    /// Where.
    pub ground: &'a Ground,
    /// The database for reading, when it can be reached.
    pub db: Option<&'a Db>,
    /// A server that runs already.
    pub url: Option<SocketAddr>,
}

impl Run<'_> {
    /// Goes through all lines.
    pub async fn figures(&self, prepared: &mut Prepared) -> Result<Figures, String> {
        let mut figures = Figures { is_verified: self.db.is_some(), ..Figures::default() };
        for (number, line) in self.plan.lines().iter().enumerate() {
            let servers = self.start(line, number).await?;
            let targets = self.url.map_or_else(|| servers.iter().map(|server| server.address).collect(), |url| vec![url]);
            let ended = self.line(line, &servers, &targets, prepared, &mut figures.wrong).await;
            for server in servers {
                figures.wrong.extend(server.errors().into_iter().map(|told| format!("the server's log says: {told}")));
                server.stop().await?;
            }
            figures.lines.push(ended?);
        }
        Ok(figures)
    }

    async fn start(&self, line: &Line, number: usize) -> Result<Vec<Server>, String> {
        let mut servers = Vec::new();
        let processes = if self.url.is_some() { 0 } else { self.plan.processes };
        for process in 0..processes {
            let environment = self.ground.environment(line.batch_max);
            servers.push(Server::start(self.ground, environment, &format!("server-{number}-{process}")).await?);
        }
        Ok(servers)
    }

    async fn line(
        &self,
        line: &Line,
        servers: &[Server],
        targets: &[SocketAddr],
        prepared: &mut Prepared,
        wrong: &mut Vec<String>,
    ) -> Result<Report, String> {
        self.warm_up(line, targets, prepared).await?;
        let mut runs = Vec::new();
        for number in 1..=self.plan.drive.runs.max(1) {
            let round = take(prepared)?;
            let (mut report, run_wrong) = self.run(line, servers, targets, prepared, &round).await?;
            wrong.extend(
                run_wrong.into_iter().map(|told| format!("{}, {} connections, run {number}: {told}", line.label, line.connections)),
            );
            if let Some(most) = servers.iter().map(Server::rss_max_bytes).max() {
                report.extra.insert("server_rss_max_mb".to_owned(), tenths(most as f64 / 1e6));
            }
            runs.push(report);
        }
        Report::median(runs).ok_or_else(|| "no run was made".to_owned())
    }

    /// Has servers answer what is not measured.
    pub(super) async fn warm_up(&self, line: &Line, targets: &[SocketAddr], prepared: &mut Prepared) -> Result<(), String> {
        if self.plan.warm_up() > 0 {
            let round = take(prepared)?;
            let load = self.load(line, targets, prepared, &round);
            drive(load, targets.to_vec()).await?;
        }
        Ok(())
    }

    /// The next run on servers that are not ours to watch, with its figures, and what is wrong with it.
    pub(super) async fn next(&self, line: &Line, targets: &[SocketAddr], prepared: &mut Prepared) -> Result<(Report, Vec<String>), String> {
        let round = take(prepared)?;
        self.run(line, &[], targets, prepared, &round).await
    }

    /// One run with its figures, and what is wrong with it.
    async fn run(
        &self,
        line: &Line,
        servers: &[Server],
        targets: &[SocketAddr],
        prepared: &Prepared,
        round: &Round,
    ) -> Result<(Report, Vec<String>), String> {
        let mut wrong = Vec::new();
        if !self.is_drained().await? {
            wrong.push("events of before were still waiting".to_owned());
        }
        let before = match self.db {
            Some(db) => verify::count(db).await.map_err(|e| e.to_string())?,
            None => verify::Counts::default(),
        };
        let batches_before = self.batches(targets).await;
        let database = match self.db {
            Some(db) => database_process(db).await?,
            None => None,
        };
        let cpu = || (servers.iter().map(Server::cpu_us).sum::<u64>(), cpu_us("self"), database.and_then(family_cpu_us));
        let cpu_before = cpu();

        let sold_out = Arc::new(AtomicU64::new(0));
        let mut load = self.load(line, targets, prepared, round);
        load.on_response = (self.plan.scenario == Scenario::Sale).then(|| count_sold_out(&sold_out));
        let beside = (line.logins > 0).then(|| logins(targets[0], line.logins, prepared));
        let (outcome, beside) = tokio::join!(drive(load, targets.to_vec()), drive_beside(beside));
        let (outcome, beside) = (outcome?, beside?);

        let cpu_after = cpu();
        let mut report = Report::new(&line.label, line.connections, &outcome);
        let each = |us: u64| tenths(us as f64 / outcome.answered().max(1) as f64);
        if !servers.is_empty() {
            report.extra.insert("server_cpu_us_per_request".to_owned(), each(cpu_after.0 - cpu_before.0));
            report.extra.insert("generator_cpu_us_per_request".to_owned(), each(cpu_after.1 - cpu_before.1));
        }
        if let (Some(after), Some(before)) = (cpu_after.2, cpu_before.2) {
            report.extra.insert("database_cpu_us_per_request".to_owned(), each(after.saturating_sub(before)));
        }
        let (inputs, batches) = self.batches(targets).await;
        if batches > batches_before.1 {
            report.extra.insert("batch_mean".to_owned(), tenths((inputs - batches_before.0) / (batches - batches_before.1)));
        }
        if let Some(beside) = beside {
            let logins = Report::new("logins", line.logins, &beside);
            let told =
                json!({ "answered": logins.requests, "p50_ms": logins.p50_ms, "max_ms": logins.max_ms, "by_status": logins.by_status });
            report.extra.insert("logins".to_owned(), told);
        }
        if self.plan.scenario == Scenario::Sale {
            report.granted = Some(report.by_status.get(&201).copied().unwrap_or(0));
            report.sold_out = Some(sold_out.load(Ordering::Relaxed));
        }
        if let Some(db) = self.db {
            self.account_for(db, prepared, round, before, &mut report, &mut wrong).await.map_err(|e| e.to_string())?;
        }
        Ok((report, wrong))
    }

    async fn account_for(
        &self,
        db: &Db,
        prepared: &Prepared,
        round: &Round,
        before: verify::Counts,
        report: &mut Report,
        wrong: &mut Vec<String>,
    ) -> Result<(), db::Error> {
        let waiting = verify::outbox_rows(db).await?;
        report.extra.insert("outbox_waiting_at_end".to_owned(), waiting.into());
        match verify::drained(db).await? {
            Some(after) => drop(report.extra.insert("outbox_drained_after_s".to_owned(), tenths(after.as_secs_f64()))),
            None => wrong.push("the outbox was not drained".to_owned()),
        }
        wrong.extend(verify::run(db, prepared, round, before, report).await?);
        Ok(())
    }

    async fn is_drained(&self) -> Result<bool, String> {
        match self.db {
            Some(db) => Ok(verify::drained(db).await.map_err(|e| e.to_string())?.is_some()),
            None => Ok(true),
        }
    }

    fn load(&self, line: &Line, targets: &[SocketAddr], prepared: &Prepared, round: &Round) -> Load {
        let count = round.shots.len() as u64;
        let amount = match self.plan.drive.seconds {
            Some(seconds) => Amount::Within(count, Duration::from_secs(seconds)),
            None => Amount::Requests(count),
        };
        let requests = prepared.requests(round, &targets[0].to_string());
        let mut load = Load::new(targets[0], line.connections, amount, requests);
        load.threads = self.plan.drive.threads.max(1);
        load
    }

    /// Inputs and batches of the scenario's command so far.
    async fn batches(&self, targets: &[SocketAddr]) -> (f64, f64) {
        let command = match self.plan.scenario {
            Scenario::Pay => "\"payments.pay\"",
            Scenario::Enter => "\"payments.enter\"",
            Scenario::Buy | Scenario::Sale => "\"payments.",
            Scenario::Login => "\"accounts.start_session\"",
            Scenario::Browse => return (0.0, 0.0),
        };
        let mut sums = (0.0, 0.0);
        for target in targets {
            // A server that shows no metrics has no batch size to tell.
            let text = get(*target, "/metrics").await.map(|(_, text)| text).unwrap_or_default();
            sums.0 += metric(&text, "guildhall_batch_size_sum", command);
            sums.1 += metric(&text, "guildhall_batch_size_count", command);
        }
        sums
    }
}

fn take(prepared: &mut Prepared) -> Result<Round, String> {
    prepared.take().ok_or_else(|| {
        let name = prepared.scenario.name();
        format!(
            "all {} rounds that were prepared have been used: `guildhall load prepare {name}` with the same flags makes new ones",
            prepared.rounds.len()
        )
    })
}

fn count_sold_out(sold_out: &Arc<AtomicU64>) -> OnResponse {
    let sold_out = sold_out.clone();
    Arc::new(move |_, status, body| {
        if status == 409 && body.windows(10).any(|part| part == b"\"sold-out\"") {
            sold_out.fetch_add(1, Ordering::Relaxed);
        }
    })
}

fn logins(target: SocketAddr, count: usize, prepared: &Prepared) -> Load {
    Load::new(target, count, Amount::Requests(count as u64), prepared.logins(count, &target.to_string()))
}

async fn drive_beside(load: Option<Load>) -> Result<Option<Outcome>, String> {
    match load {
        None => Ok(None),
        Some(load) => {
            let target = load.target;
            drive(load, vec![target]).await.map(Some)
        }
    }
}

/// Runs the load on threads that may block, its connections split over the targets, with a progress bar.
async fn drive(load: Load, targets: Vec<SocketAddr>) -> Result<Outcome, String> {
    let total = if let Amount::Requests(total) | Amount::Within(total, _) = load.amount { total } else { 0 };
    let (bar, taken) = (bar(total, "requests"), load.taken.clone());
    let shown = bar.clone();
    let showing = tokio::spawn(async move {
        loop {
            shown.set_position(taken.load(Ordering::Relaxed));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let driven = tokio::task::spawn_blocking(move || drive_all(&load, &targets)).await;
    showing.abort();
    bar.finish_and_clear();
    driven.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

fn drive_all(load: &Load, targets: &[SocketAddr]) -> Result<Outcome, driver::Error> {
    if targets.len() == 1 {
        return driver::run(load);
    }
    let share = |place: usize| load.connections / targets.len() + usize::from(place < load.connections % targets.len());
    let parts = std::thread::scope(|scope| {
        let running: Vec<_> = targets
            .iter()
            .enumerate()
            // All count the requests in `taken`, so each request is sent once.
            .map(|(place, target)| Load { target: *target, connections: share(place), ..load.clone() })
            .map(|part| scope.spawn(move || driver::run(&part)))
            .collect();
        running.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
    });
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(together(parts, load.amount))
}

fn together(parts: Vec<Outcome>, amount: Amount) -> Outcome {
    let add = |mut all: Outcome, part: Outcome| {
        all.elapsed = all.elapsed.max(part.elapsed);
        all.latency_us.add(&part.latency_us).expect("all histograms have the same bounds");
        let mut by_status: BTreeMap<u16, u64> = all.by_status;
        part.by_status.into_iter().for_each(|(status, count)| *by_status.entry(status).or_default() += count);
        let (a, b) = (all.errors, part.errors);
        all.errors = Errors {
            connect: a.connect + b.connect,
            write: a.write + b.write,
            read: a.read + b.read,
            closed: a.closed + b.closed,
            timeout: a.timeout + b.timeout,
            malformed: a.malformed + b.malformed,
        };
        Outcome { by_status, reopened: all.reopened + part.reopened, ..all }
    };
    let mut all = parts.into_iter().reduce(add).expect("there is a target");
    let sent = all.answered() + all.errors.total() - all.errors.connect;
    all.unsent = if let Amount::Requests(total) = amount { total.saturating_sub(sent) } else { 0 };
    all
}

fn tenths(value: f64) -> Value {
    json!((value * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, routing::get};

    fn always(request: Vec<u8>) -> driver::Requests {
        let request = bytes::Bytes::from(request);
        Arc::new(move |_| request.clone())
    }

    async fn server(status: u16) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(move || async move { status }))).await });
        address
    }

    #[tokio::test]
    async fn two_targets_share_the_requests_and_each_is_sent_once() {
        let targets = vec![server(200).await, server(201).await];
        let load = Load::new(targets[0], 8, Amount::Requests(1_000), always(driver::request("GET", "/", "h", &[], b"")));
        let outcome = drive(load, targets).await.unwrap();
        assert_eq!((outcome.answered(), outcome.unsent, outcome.errors.total()), (1_000, 0, 0));
        assert!(outcome.by_status[&200] > 0 && outcome.by_status[&201] > 0, "{:?}", outcome.by_status);
    }
}
