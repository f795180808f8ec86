//! Which statements run and what they cost: of this process, of all processes by the database's tables, of the server, or from a file.
//! Refuses to add up what is the same: where a source knows more about a statement, the others' figures of it are left out.

use crate::sql::{literal, named_statements};
use db::statistics::{Histogram, Repeated};
use db::{Engine, Error, Inspector};
use kernel::Instant;
use std::collections::{BTreeMap, HashSet};

/// Statements that are taken from the server's own statistics.
const OF_SERVER_MAX: usize = 100;
/// Microseconds of a minute.
pub(crate) const MINUTE_US: i64 = 60_000_000;

/// A statement of the workload.
#[derive(Debug, Clone, Default)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// Its text, with numbered parameters.
    pub text: String,
    /// How often it ran; zero when that is not known.
    pub calls: u64,
    /// Rows it returned or touched.
    pub rows: u64,
    /// Its time altogether, in microseconds.
    pub total_us: f64,
    /// How its times are spread, where that is known.
    pub histogram: Option<Histogram>,
    /// Its last slow calls: when, how long in microseconds, rows, shape of the parameters.
    pub slow: Vec<SlowCall>,
}

/// A slow call, without values.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct SlowCall {
    /// When it ended, RFC 3339.
    pub at: String,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// Rows it returned or touched.
    pub rows: u64,
    /// Types and sizes of its parameters.
    pub shape: String,
}

/// What ran this process's statements cost.
pub fn of_process(engine: Engine) -> Vec<Item> {
    let item = |one: db::statistics::Statistic| Item {
        name: one.name,
        text: one.text,
        calls: one.calls,
        rows: one.rows,
        total_us: one.total_us as f64,
        histogram: Some(one.histogram),
        slow: Vec::new(),
    };
    db::statistics(engine).into_iter().map(item).collect()
}

/// The statements of a file; what they cost is not known until they are measured.
pub fn of_file(file: &str) -> Vec<Item> {
    named_statements(file).into_iter().map(|(name, text)| Item { name, text, ..Item::default() }).collect()
}

/// What all processes wrote down in the last `minutes`; nothing where the tables are not ours.
///
/// # Errors
/// The database fails.
pub async fn of_tables(database: &mut Inspector, now: Instant, minutes: i64) -> Result<Vec<Item>, Error> {
    if !has_tables(database).await? {
        return Ok(Vec::new());
    }
    let since = now.0 / MINUTE_US - minutes;
    let question = format!(
        "select m.name, m.calls, m.result_rows, m.total_us, m.buckets, t.text from statement_minute m \
         join statement_text t on t.name = m.name where m.minute >= {since}"
    );
    let mut items: BTreeMap<String, Item> = BTreeMap::new();
    for cells in database.query(&question).await? {
        let text = |at: usize| cells[at].clone().unwrap_or_default();
        let number = |at: usize| text(at).parse::<u64>().unwrap_or(0);
        let item = items.entry(text(0)).or_insert_with(|| Item { name: text(0), text: text(5), ..Item::default() });
        item.calls += number(1);
        item.rows += number(2);
        item.total_us += number(3) as f64;
        item.histogram.get_or_insert_with(Histogram::default).add(&unpacked(&text(4)));
    }
    let since = now.0 - minutes * MINUTE_US;
    let slow = format!("select name, at, took_us, result_rows, shape from statement_slow where at >= {since} order by at desc limit 1000");
    for cells in database.query(&slow).await? {
        let text = |at: usize| cells[at].clone().unwrap_or_default();
        let Some(item) = items.get_mut(&text(0)).filter(|item| item.slow.len() < 3) else { continue };
        item.slow.push(SlowCall {
            at: Instant(text(1).parse().unwrap_or(0)).to_string(),
            took_ms: text(2).parse::<f64>().unwrap_or(0.0) / 1000.0,
            rows: text(3).parse().unwrap_or(0),
            shape: text(4),
        });
    }
    Ok(items.into_values().collect())
}

/// What requests repeated, by all processes.
///
/// # Errors
/// The database fails.
pub async fn repeats_of_tables(database: &mut Inspector) -> Result<Vec<Repeated>, Error> {
    if !has_tables(database).await? {
        return Ok(Vec::new());
    }
    let question = "select route, name, sum(requests), max(most), sum(calls) from statement_repeat group by route, name";
    let rows = database.query(question).await?;
    let repeated = |cells: db::Cells| {
        let text = |at: usize| cells[at].clone().unwrap_or_default();
        Repeated {
            route: text(0),
            statement: text(1),
            requests: text(2).parse().unwrap_or(0),
            most: text(3).parse().unwrap_or(0),
            calls: text(4).parse().unwrap_or(0),
        }
    };
    Ok(rows.into_iter().map(repeated).collect())
}

async fn has_tables(database: &mut Inspector) -> Result<bool, Error> {
    let question = match database.engine() {
        Engine::Sqlite => "select 1 from sqlite_schema where name = 'statement_minute'",
        Engine::Postgres => "select 1 where to_regclass('statement_minute') is not null",
    };
    Ok(!database.query(question).await?.is_empty())
}

/// What the server itself counts (`pg_stat_statements`), beside the statements that are known; nothing where it does not.
///
/// # Errors
/// The database fails.
pub async fn of_server(database: &mut Inspector, known: &[Item]) -> Result<Vec<Item>, Error> {
    if database.engine() == Engine::Sqlite
        || database.query("select 1 from pg_extension where extname = 'pg_stat_statements'").await?.is_empty()
    {
        return Ok(Vec::new());
    }
    let kinds = literal("^\\s*(with|select|insert|update|delete)\\M");
    let question = format!(
        "select s.queryid, s.query, s.calls, s.rows, s.total_exec_time * 1000 from pg_stat_statements s \
         join pg_database d on d.oid = s.dbid and d.datname = current_database() \
         where s.query ~* {kinds} and s.query !~* 'pg_(catalog|class|stat|index|attribute|extension)|hypopg|pg_temp' \
         order by s.total_exec_time desc limit {OF_SERVER_MAX}"
    );
    // It may be made in the database without being loaded by the server, which then refuses to be asked.
    let Ok(rows) = database.query(&question).await else { return Ok(Vec::new()) };
    let names: HashSet<String> = known.iter().map(|item| plain(&item.text)).collect();
    let item = |cells: db::Cells| {
        let text = |at: usize| cells[at].clone().unwrap_or_default();
        Item {
            name: format!("query:{}", text(0)),
            text: text(1),
            calls: text(2).parse().unwrap_or(0),
            rows: text(3).parse().unwrap_or(0),
            total_us: text(4).parse().unwrap_or(0.0),
            ..Item::default()
        }
    };
    Ok(rows.into_iter().map(item).filter(|item| !names.contains(&plain(&item.text))).collect())
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Buckets as bytes: four for the bucket and four for its count, where there is one.
pub(crate) fn packed(histogram: &Histogram) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, count) in histogram.counts().iter().enumerate().filter(|(_, count)| **count > 0) {
        bytes.extend_from_slice(&u32::try_from(at).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(*count).unwrap_or(u32::MAX).to_be_bytes());
    }
    bytes
}

/// Reads buckets from hex digits.
fn unpacked(hex: &str) -> Histogram {
    let digits = hex.trim_start_matches("\\x");
    let number = |at: usize| digits.get(at..at + 8).and_then(|part| u32::from_str_radix(part, 16).ok()).unwrap_or(0);
    let mut counts = vec![0; db::statistics::BUCKETS];
    for pair in 0..digits.len() / 16 {
        if let Some(count) = counts.get_mut(number(pair * 16) as usize) {
            *count += u64::from(number(pair * 16 + 8));
        }
    }
    Histogram::of(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn buckets_are_read_back_as_they_were_written() {
        let mut histogram = Histogram::default();
        [3, 900, 900, 1_000_000].into_iter().for_each(|us| histogram.record(us));
        let hex = packed(&histogram).iter().fold("\\x".to_owned(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        assert_eq!(unpacked(&hex), histogram);
    }
}
