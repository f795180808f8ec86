//! Compares what a server answered with what its database holds afterwards.
//! Refuses to believe a figure whose run cannot be accounted for row by row.

use super::prepared::{Prepared, Round};
use super::report::Report;
use super::terms::{Scenario, Through};
use db::{Db, Error, Statement, row};
use std::time::{Duration, Instant};

/// Events of a run are sent within this time after it, or the outbox does not keep up.
const DRAIN_MAX: Duration = Duration::from_secs(180);

static COUNT: Statement = Statement::new(
    "load.count_payments",
    "select (select count(*) from payment), (select count(*) from payment where paid_at is not null), (select count(*) from session)",
);

static OUTBOX: Statement = Statement::new("load.count_outbox", "select count(*) from outbox");

static SALE: Statement = Statement::new(
    "load.sale",
    "select s.available, s.held, s.sold,
            (select count(*) from order_item i join orders o on o.id = i.order_id where i.product = s.product and o.state in ('ready', 'ordered')),
            (select count(*) from library l where l.product = s.product)
     from stock s
     where s.product = $1",
);

/// Rows there are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    entered: u64,
    paid: u64,
    sessions: u64,
}

/// Counts what runs add to.
pub async fn count(db: &Db) -> Result<Counts, Error> {
    let number = |row: &db::Row, column| Ok::<u64, Error>(u64::try_from(row.int(column)?).unwrap_or(0));
    let found =
        db.fetch(&COUNT, &[], |row| Ok(Counts { entered: number(row, 0)?, paid: number(row, 1)?, sessions: number(row, 2)? })).await?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// Rows that wait to be announced.
pub async fn outbox_rows(db: &Db) -> Result<i64, Error> {
    Ok(db.fetch(&OUTBOX, &[], |row| row.int(0)).await?.into_iter().next().unwrap_or(0))
}

/// Waits until everything that was announced is sent; how long that took, none when it did not come to an end.
pub async fn drained(db: &Db) -> Result<Option<Duration>, Error> {
    let started = Instant::now();
    while started.elapsed() < DRAIN_MAX {
        if outbox_rows(db).await? == 0 {
            return Ok(Some(started.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(None)
}

/// What does not fit between the answers of a run and the rows it left; empty when all of it does.
pub async fn run(db: &Db, prepared: &Prepared, round: &Round, before: Counts, report: &Report) -> Result<Vec<String>, Error> {
    let after = count(db).await?;
    let status = |status: u16| report.by_status.get(&status).copied().unwrap_or(0);
    let mut wrong = Vec::new();
    let mut same = |what: &str, told: u64, there: u64| {
        if told != there {
            wrong.push(format!("{what}: {told} were answered, {there} are in the database"));
        }
    };
    match prepared.scenario {
        Scenario::Pay => same("payments paid", status(200), after.paid - before.paid),
        Scenario::Buy => same("payments paid", status(201), after.paid - before.paid),
        Scenario::Enter => same("payments entered", status(201), after.entered - before.entered),
        Scenario::Login => same("sessions", status(201), after.sessions - before.sessions),
        Scenario::Sale | Scenario::Browse => {}
    }
    if prepared.scenario == Scenario::Sale {
        wrong.extend(sale(db, prepared, round, report).await?);
    }
    wrong.extend(answers(prepared, report));
    Ok(wrong)
}

/// Answers that no run should have.
fn answers(prepared: &Prepared, report: &Report) -> Vec<String> {
    let good: &[u16] = match prepared.scenario {
        Scenario::Pay | Scenario::Browse => &[200],
        Scenario::Enter | Scenario::Buy | Scenario::Login => &[201],
        Scenario::Sale => &[201, 409],
    };
    let bad = report.by_status.iter().filter(|(status, _)| !good.contains(status));
    bad.map(|(status, count)| format!("{count} answers had status {status}")).collect()
}

async fn sale(db: &Db, prepared: &Prepared, round: &Round, report: &Report) -> Result<Vec<String>, Error> {
    let (copies, through) = prepared.sale.unwrap_or((0, Through::Buy));
    let product = round.shots.first().map_or(0, |shot| shot.number);
    let found = db.fetch(&SALE, &row![product], |row| Ok([row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?, row.int(4)?])).await?;
    let [available, held, sold, open_orders, owned] = found.into_iter().next().unwrap_or_default();
    let buyers = i64::try_from(round.shots.len()).unwrap_or(i64::MAX);
    let granted = copies.min(buyers);
    // Who was granted a copy by `enter` has an open order and a hold; by `buy` it is paid and owned.
    let expected = match through {
        Through::Buy => [copies - granted, 0, granted, 0, granted],
        Through::Enter => [copies - granted, granted, 0, granted, 0],
    };
    let names = ["copies left", "copies held", "copies sold", "open orders", "copies owned"];
    let mut wrong = Vec::new();
    for ((name, is), should) in names.into_iter().zip([available, held, sold, open_orders, owned]).zip(expected) {
        if is != should {
            wrong.push(format!("{name}: {is} where {should} would be right"));
        }
    }
    let told = [("granted", report.granted, granted), ("told sold out", report.sold_out, buyers - granted)];
    for (name, is, should) in told {
        if is.and_then(|is| i64::try_from(is).ok()) != Some(should) {
            wrong.push(format!("{name}: {} where {should} would be right", is.unwrap_or(0)));
        }
    }
    Ok(wrong)
}
