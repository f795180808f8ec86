//! What else is wrong: needless indexes, repeats within requests, long transactions, waits, bloat, missing statistics.
//! Refuses to mend it: each finding says what would be right.

use crate::plan::thousands;
use crate::report::Finding;
use crate::schema::{Schema, duplicates};
use crate::sql::quoted;
use db::statistics::Repeated;
use db::{Cells, Engine, Error, Inspector};
use std::collections::HashSet;

/// A waiting lock is told after so many seconds.
const WAIT_S: u32 = 1;
/// An index smaller than this is not worth a word.
const INDEX_BYTES_MIN: u64 = 64 * 1024;
/// A table with fewer rows needs no statistics.
const ROWS_MIN: f64 = 1_000.0;

const LONG: &str = "
    select pid, coalesce(application_name, ''), state, extract(epoch from now() - xact_start)::bigint
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and xact_start < now() - make_interval(secs => LONG)
    order by xact_start";
const WAITS: &str = "
    select a.pid, array_to_string(pg_blocking_pids(a.pid), ', '), a.wait_event, extract(epoch from now() - a.query_start)::bigint
    from pg_stat_activity a
    where a.datname = current_database() and cardinality(pg_blocking_pids(a.pid)) > 0
      and a.query_start < now() - make_interval(secs => WAIT)";
const DEAD: &str = "
    select relname, n_live_tup, n_dead_tup, last_analyze is null and last_autoanalyze is null, n_mod_since_analyze
    from pg_stat_user_tables
    order by relname";

/// Looks for all of it. `used` are the indexes that plans of known statements use, where that is known.
///
/// # Errors
/// The database fails.
pub(crate) async fn find(
    database: &mut Inspector,
    schema: &Schema,
    used: Option<&HashSet<String>>,
    repeated: &[Repeated],
    long_s: u32,
) -> Result<Vec<Finding>, Error> {
    let mut found = of_schema(schema);
    found.extend(repeated.iter().map(of_repeats));
    match database.engine() {
        Engine::Postgres => {
            found.extend(unused_on_postgres(schema));
            found.extend(of_server(database, long_s).await?);
        }
        Engine::Sqlite => {
            if let Some(used) = used {
                found.extend(unused_by_plans(schema, used));
            }
            found.extend(of_file(database, schema).await?);
        }
    }
    Ok(found)
}

fn finding(kind: &str, about: impl Into<String>, says: String, right: String) -> Finding {
    Finding { kind: kind.to_owned(), about: about.into(), says, right }
}

fn of_schema(schema: &Schema) -> Vec<Finding> {
    let mut found = Vec::new();
    for table in schema.tables.values() {
        for (small, large) in duplicates(table) {
            let says = format!("({}) begins {} ({})", small.columns.join(", "), large.name, large.columns.join(", "));
            found.push(finding("duplicate-index", &small.name, says, format!("drop index {}", quoted(&small.name))));
        }
        for index in table.indexes.iter().filter(|index| !index.valid) {
            let says = format!("making it on {} was interrupted: it costs writes and serves nobody", table.name);
            found.push(finding("invalid-index", &index.name, says, format!("drop index concurrently {}", quoted(&index.name))));
        }
    }
    found
}

fn of_repeats(of: &Repeated) -> Finding {
    let says = format!("{} requests ran {} ten times or more, one of them {} times", thousands(of.requests as f64), of.statement, of.most);
    let right = "one statement with a row set reads all of it at once".to_owned();
    finding("repeated-statement", &of.route, says, right)
}

fn unused_on_postgres(schema: &Schema) -> Vec<Finding> {
    let of_table = |table: &crate::schema::Table| {
        let unused = table.indexes.iter().filter(|index| {
            index.scans == Some(0) && !index.unique && !index.owned && index.valid && index.bytes.unwrap_or(0) >= INDEX_BYTES_MIN
        });
        let told = |index: &crate::schema::Index| {
            let says = format!("no statement has used it since the server counts; {} on {}", size(index.bytes.unwrap_or(0)), table.name);
            finding(
                "unused-index",
                &index.name,
                says,
                format!("drop index concurrently {}, unless a rare job needs it", quoted(&index.name)),
            )
        };
        unused.map(told).collect::<Vec<_>>()
    };
    schema.tables.values().flat_map(of_table).collect()
}

fn unused_by_plans(schema: &Schema, used: &HashSet<String>) -> Vec<Finding> {
    let of_table = |table: &crate::schema::Table| {
        let unused = table
            .indexes
            .iter()
            .filter(|index| !used.contains(&index.name) && !index.unique && !index.owned && index.bytes.unwrap_or(0) >= INDEX_BYTES_MIN);
        let told = |index: &crate::schema::Index| {
            let says = format!("no plan of a statement that ran lately uses it; {} on {}", size(index.bytes.unwrap_or(0)), table.name);
            finding("unused-index", &index.name, says, format!("drop index {}, unless a rare job needs it", quoted(&index.name)))
        };
        unused.map(told).collect::<Vec<_>>()
    };
    schema.tables.values().flat_map(of_table).collect()
}

async fn of_server(database: &mut Inspector, long_s: u32) -> Result<Vec<Finding>, Error> {
    let text = |cells: &Cells, at: usize| cells[at].clone().unwrap_or_default();
    let number = |cells: &Cells, at: usize| text(cells, at).parse::<f64>().unwrap_or(0.0);
    let mut found = Vec::new();
    for cells in database.query(&LONG.replace("LONG", &long_s.to_string())).await? {
        let (pid, who, state) = (text(&cells, 0), text(&cells, 1), text(&cells, 2));
        let says =
            format!("{who} has a transaction open for {} s, now {state}: rows that died since cannot be cleared away", text(&cells, 3));
        found.push(finding(
            "long-transaction",
            format!("process {pid}"),
            says,
            format!("end it where it began, or select pg_terminate_backend({pid})"),
        ));
    }
    for cells in database.query(&WAITS.replace("WAIT", &WAIT_S.to_string())).await? {
        let says = format!("has waited {} s for a lock that process {} holds", text(&cells, 3), text(&cells, 1));
        found.push(finding(
            "lock-wait",
            format!("process {}", text(&cells, 0)),
            says,
            "shorter transactions, locks taken in one order".to_owned(),
        ));
    }
    for cells in database.query(DEAD).await? {
        let (name, live, dead) = (text(&cells, 0), number(&cells, 1), number(&cells, 2));
        if dead > ROWS_MIN && dead > live * 0.2 {
            let says = format!("{} dead rows beside {} live ones", thousands(dead), thousands(live));
            found.push(finding("bloat", &name, says, format!("vacuum (analyze) {}", quoted(&name))));
        }
        let (never, changed) = (cells[3].as_deref() == Some("t"), number(&cells, 4));
        if live >= ROWS_MIN && (never || changed > live * 0.5) {
            let says =
                if never { "never analysed".to_owned() } else { format!("{} rows changed since it was analysed", thousands(changed)) };
            let says = format!("{says}; {} rows: plans are made for another table than there is", thousands(live));
            found.push(finding("missing-statistics", &name, says, format!("analyze {}", quoted(&name))));
        }
    }
    Ok(found)
}

async fn of_file(database: &mut Inspector, schema: &Schema) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    let pages = database.query("select p.page_count, f.freelist_count from pragma_page_count p, pragma_freelist_count f").await?;
    let number = |at: usize| pages[0][at].as_ref().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let (all, free) = (number(0), number(1));
    if free > ROWS_MIN && free > all * 0.2 {
        let says = format!("{} of {} pages are free", thousands(free), thousands(all));
        found.push(finding("bloat", "the file", says, "vacuum, while nobody writes".to_owned()));
    }
    for table in schema.tables.values().filter(|table| !table.analysed && table.rows >= ROWS_MIN && !table.indexes.is_empty()) {
        let says = format!("never analysed; {} rows: plans are made without knowing it", thousands(table.rows));
        found.push(finding("missing-statistics", &table.name, says, format!("analyze {}", quoted(&table.name))));
    }
    Ok(found)
}

/// Bytes, as people read them.
pub(crate) fn size(bytes: u64) -> String {
    match bytes as f64 {
        small if small < 1024.0 * 1024.0 => format!("{:.0} KB", small / 1024.0),
        middle if middle < 1024.0 * 1024.0 * 1024.0 => format!("{:.1} MB", middle / 1024.0 / 1024.0),
        large => format!("{:.1} GB", large / 1024.0 / 1024.0 / 1024.0),
    }
}
