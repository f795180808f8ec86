//! Writes of one transaction that need not wait for one another, sent to Postgres as one statement: a round trip instead of eight.
//! Refuses to join a write with one whose table it touches: in one statement neither would see what the other did.

use crate::statement::renumber;
use crate::statistics::{self, Meter, meter};
use crate::{Engine, Error, Rows, Statement};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Writes that wait to be sent.
#[derive(Default)]
pub(crate) struct Together {
    writes: Vec<(&'static Statement, Rows)>,
    written: Vec<&'static str>,
}

impl Together {
    /// True when the write may wait with the others: it takes a row set, answers nothing, and touches no table they write.
    pub(crate) fn may_join(&self, statement: &'static Statement) -> bool {
        let tables = statement.tables();
        tables.may_wait && tables.all.iter().all(|table| !self.written.contains(table))
    }

    pub(crate) fn push(&mut self, statement: &'static Statement, rows: Rows) {
        self.written.push(statement.tables().written);
        self.writes.push((statement, rows));
    }

    pub(crate) fn take(&mut self) -> Vec<(&'static Statement, Rows)> {
        self.written.clear();
        std::mem::take(&mut self.writes)
    }
}

/// The tables a statement names.
#[derive(Debug)]
pub(crate) struct Tables {
    written: &'static str,
    all: Vec<&'static str>,
    may_wait: bool,
}

impl Tables {
    /// Every word behind a word that a table's name follows; what is no table among them does no harm.
    pub(crate) fn of(text: &'static str) -> Tables {
        let mut written = "";
        let mut all = Vec::new();
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            if !matches!(word.trim_start_matches('('), "from" | "join" | "into" | "update" | "using") {
                continue;
            }
            let Some(name) = words.peek().map(|name| name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_')) else { break };
            if matches!(name, "rows" | "set" | "of" | "") {
                continue;
            }
            if written.is_empty() && matches!(word, "into" | "update")
                || matches!(word, "from") && text.starts_with("delete") && written.is_empty()
            {
                written = name;
            }
            all.push(name);
        }
        let may_wait = !written.is_empty() && !text.contains("returning");
        Tables { written, all, may_wait }
    }
}

/// Several writes as one statement; its answer is a row with how many rows each of them touched.
pub(crate) struct Joined {
    pub(crate) text: &'static str,
    pub(crate) meter: Arc<Meter>,
}

static JOINED: LazyLock<Mutex<HashMap<Vec<&'static str>, &'static Joined>>> = LazyLock::new(Mutex::default);

/// The statement for these writes, made once for each list of them: there are as many as commands write in different ways.
pub(crate) fn joined(writes: &[(&'static Statement, Rows)]) -> &'static Joined {
    let names: Vec<&'static str> = writes.iter().map(|(statement, _)| statement.name).collect();
    JOINED.lock().entry(names).or_insert_with_key(|names| {
        let mut taken = 0;
        let parts: Vec<String> = writes
            .iter()
            .enumerate()
            .map(|(i, (statement, _))| {
                let text = renumber(statement.text(Engine::Postgres), taken + 1);
                taken += statement.columns.len();
                format!("w{i} as ({text} returning 1)")
            })
            .collect();
        let counts: Vec<String> = (0..writes.len()).map(|i| format!("(select count(*) from w{i})")).collect();
        let text = format!("with {} select {}", parts.join(", "), counts.join(", "));
        let text: &'static str = text.leak();
        Box::leak(Box::new(Joined { text, meter: meter(&names.join(" + "), text) }))
    })
}

/// Their part of a trace, from here until it is dropped.
pub(crate) fn span(writes: &[(&'static Statement, Rows)]) -> tracing::Span {
    let span = tracing::debug_span!(target: trace::TARGET, "statement", otel.name = tracing::field::Empty, otel.kind = "client");
    if !span.is_disabled() {
        let names: Vec<&str> = writes.iter().map(|(statement, _)| statement.name).collect();
        span.record("otel.name", names.join(" + "));
    }
    span
}

/// Types and sizes of what joined writes were given.
pub(crate) fn shape_of(writes: &[(&'static Statement, u64)]) -> String {
    let shapes: Vec<String> = writes.iter().map(|(statement, many)| statistics::shape_of(statement.columns, Some(*many), &[])).collect();
    shapes.join(" + ")
}

/// Compares what each write touched with what it was given.
pub(crate) fn judge(writes: &[(&'static Statement, u64)], touched: &[u64]) -> Result<(), Error> {
    for ((statement, expected), touched) in writes.iter().zip(touched) {
        if expected != touched {
            return Err(Error::Again(format!("{} touched {touched} rows where {expected} were meant", statement.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, row};

    static PAY: Statement = Statement::new("t.pay", "update payment set state = r.state from rows r where payment.id = r.id")
        .rows(&[("id", Column::Int), ("state", Column::Text)]);
    static OWN: Statement = Statement::new(
        "t.own",
        "insert into library_row (id)\n     select r.id from rows r join payment p on p.id = r.id where true on conflict (id) do update set id = excluded.id",
    )
    .rows(&[("id", Column::Int)]);
    static DROP: Statement = Statement::new("t.drop", "delete from hold using rows r where hold.id = r.id").rows(&[("id", Column::Int)]);

    #[test]
    fn tables_are_read_from_the_text() {
        assert_eq!((PAY.tables().written, PAY.tables().all.as_slice()), ("payment", &["payment"][..]));
        assert_eq!((OWN.tables().written, OWN.tables().all.as_slice()), ("library_row", &["library_row", "payment"][..]));
        assert_eq!((DROP.tables().written, DROP.tables().all.as_slice()), ("hold", &["hold"][..]));
    }

    #[test]
    fn a_write_that_reads_what_another_wrote_does_not_join_it() {
        let mut together = Together::default();
        together.push(&PAY, Rows::of([1], |id| row![id, "paid"]));
        assert!(!together.may_join(&PAY) && !together.may_join(&OWN) && together.may_join(&DROP));
    }

    #[test]
    fn parameters_of_joined_writes_follow_one_another() {
        let writes = [(&PAY, Rows::of([1], |id| row![id, "paid"])), (&DROP, Rows::of([1], |id| row![id]))];
        assert_eq!(
            joined(&writes).text,
            "with w0 as (with rows as (select * from unnest(cast($1 as bigint[]), cast($2 as text[])) as row_set(id, state)) \
             update payment set state = r.state from rows r where payment.id = r.id returning 1), \
             w1 as (with rows as (select * from unnest(cast($3 as bigint[])) as row_set(id)) \
             delete from hold using rows r where hold.id = r.id returning 1) \
             select (select count(*) from w0), (select count(*) from w1)"
        );
    }
}
