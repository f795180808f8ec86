//! Which indexes might help a statement: from what must be equal, from ranges, order, groups, joins and constants. Pure.
//! Refuses to judge them: the engine does.

use crate::reading::{Reading, Use, With};
use crate::sample::Samples;
use crate::schema::{Index, Schema, Table};
use crate::sql::quoted;
use db::Engine;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Tables with fewer rows are read whole as quickly.
pub(crate) const ROWS_MIN: f64 = 1_000.0;
/// Columns that an index is ordered by, at most.
const KEYS_MAX: usize = 5;
/// Columns that an index holds besides, at most.
const INCLUDED_MAX: usize = 5;
/// What an index only holds takes no more than so many bytes an entry: every write pays for them.
const INCLUDED_BYTES_MAX: u64 = 48;
/// A constant condition makes a partial index when it leaves no more than this share of the rows.
const PARTIAL_SHARE_MAX: f64 = 0.25;
/// Candidates of one use of a table.
const PER_USE_MAX: usize = 40;

/// An index that there might be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Candidate {
    /// The table.
    pub table: String,
    /// What it is ordered by, with true where it falls.
    pub keys: Vec<(String, bool)>,
    /// What it holds besides, so that the table need not be read.
    pub included: Vec<String>,
    /// The rows it holds, where it need not hold all, as SQL.
    pub predicate: Option<String>,
}

impl Candidate {
    /// A name that says what it is.
    pub fn name(&self) -> String {
        let mut name = self.table.clone();
        self.keys.iter().for_each(|(column, _)| name.push_str(&format!("_{column}")));
        let more = if self.predicate.is_some() { "_some" } else { "" };
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).take(46).collect();
        format!("{plain}{more}_{}", &self.id()[..4])
    }

    /// Eight digits that stay the same for the same index.
    pub fn id(&self) -> String {
        // FNV-1a: short, and the same in every process and version.
        let text = format!("{} {:?} {:?} {:?}", self.table, self.keys, self.included, self.predicate);
        let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        format!("{hash:08x}")
    }

    /// The statement that makes it.
    pub fn ddl(&self, engine: Engine, concurrently: bool) -> String {
        let mut keys: Vec<String> =
            self.keys.iter().map(|(column, falls)| format!("{}{}", quoted(column), if *falls { " desc" } else { "" })).collect();
        let included: Vec<String> = self.included.iter().map(|column| quoted(column)).collect();
        let mut end = String::new();
        if engine == Engine::Sqlite {
            keys.extend(included);
        } else if !included.is_empty() {
            end = format!(" include ({})", included.join(", "));
        }
        if let Some(predicate) = &self.predicate {
            end.push_str(&format!(" where {predicate}"));
        }
        let how = if concurrently && engine == Engine::Postgres { " concurrently" } else { "" };
        format!("create index{how} {} on {} ({}){end}", quoted(&self.name()), quoted(&self.table), keys.join(", "))
    }

    /// True when everything this one does, the other does as well.
    pub fn is_within(&self, other: &Candidate) -> bool {
        let holds = |column: &String| other.keys.iter().any(|(key, _)| key == column) || other.included.contains(column);
        self.table == other.table
            && self.predicate == other.predicate
            && other.keys.starts_with(&self.keys)
            && self.included.iter().all(holds)
    }

    /// Bytes of an entry, roughly: its columns, a pointer and a header.
    pub fn entry_bytes(&self, table: &Table) -> u64 {
        12 + self.keys.iter().map(|(column, _)| column).chain(&self.included).map(|column| table.width(column)).sum::<u64>()
    }

    fn is_there(&self, index: &Index) -> bool {
        let columns = index.columns.len() >= self.keys.len() && index.columns.iter().zip(&self.keys).all(|(have, (want, _))| have == want);
        let holds = self.included.iter().all(|column| index.columns.contains(column) || index.included.contains(column));
        columns && holds && index.predicate == self.predicate && index.valid && self.keys.iter().all(|(_, falls)| !falls)
    }
}

/// Candidates for everything a statement asks.
pub(crate) fn of(reading: &Reading, schema: &Schema, samples: &Samples) -> Vec<Candidate> {
    let mut found = Vec::new();
    for used in &reading.uses {
        let Some(table) = schema.table(&used.table).filter(|table| table.rows >= ROWS_MIN) else { continue };
        let mut seen = BTreeSet::new();
        let of_use = Making { used, table, samples }.all();
        let fresh = of_use.into_iter().filter(|candidate| {
            let fits = !candidate.keys.is_empty() && candidate.keys.len() <= KEYS_MAX && candidate.included.len() <= INCLUDED_MAX;
            fits && !table.indexes.iter().any(|index| candidate.is_there(index)) && seen.insert(candidate.clone())
        });
        found.extend(fresh.take(PER_USE_MAX));
    }
    found.dedup();
    found
}

struct Making<'a> {
    used: &'a Use,
    table: &'a Table,
    samples: &'a Samples,
}

impl Making<'_> {
    fn all(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        for base in self.bases() {
            self.around(&base, None, &mut found);
        }
        for (column, predicate) in self.partial() {
            let without: Vec<String> = self.filters().into_iter().filter(|one| *one != column).collect();
            self.around(&without, Some(&predicate), &mut found);
            self.around(&[], Some(&predicate), &mut found);
            self.push(vec![(column, false)], Some(&predicate), &mut found);
        }
        found
    }

    /// Columns that are compared with something known before any table is read, the most telling first.
    fn filters(&self) -> Vec<String> {
        self.by_distinct(self.used.equal.iter().filter(|equal| !matches!(equal.with, With::Column(..))).map(|equal| equal.column.clone()))
    }

    fn joins(&self) -> Vec<String> {
        self.by_distinct(self.used.equal.iter().filter(|equal| matches!(equal.with, With::Column(..))).map(|equal| equal.column.clone()))
    }

    fn by_distinct(&self, columns: impl Iterator<Item = String>) -> Vec<String> {
        let sample = self.samples.of(&self.table.name);
        let mut columns: Vec<String> = columns.collect::<BTreeSet<_>>().into_iter().collect();
        let distinct = |column: &String| sample.map_or(0.0, |sample| sample.distinct(std::slice::from_ref(column)));
        columns.sort_by(|a, b| distinct(b).total_cmp(&distinct(a)));
        columns
    }

    /// Sets of columns for equality: with and without what joins bring.
    fn bases(&self) -> Vec<Vec<String>> {
        let (filters, joins) = (self.filters(), self.joins());
        let with = |more: &[String]| {
            let mut base = filters.clone();
            base.extend(more.iter().filter(|column| !filters.contains(column)).cloned());
            base
        };
        let mut bases = vec![filters.clone()];
        for join in &joins {
            bases.push(with(std::slice::from_ref(join)));
            let mut first = vec![join.clone()];
            first.extend(filters.iter().filter(|column| *column != join).cloned());
            bases.push(first);
            bases.push(vec![join.clone()]);
        }
        if joins.len() > 1 {
            bases.push(with(&joins));
        }
        // One column alone may tell nearly as much as all of them, in a smaller index that serves more statements.
        bases.extend(filters.iter().filter(|_| filters.len() > 1).map(|column| vec![column.clone()]));
        bases.push(Vec::new());
        bases
    }

    /// What may follow the columns of equality: nothing, a range, an order, groups; each alone and holding all that is wanted.
    fn around(&self, base: &[String], predicate: Option<&str>, found: &mut Vec<Candidate>) {
        let rising = |columns: &[String]| columns.iter().map(|column| (column.clone(), false)).collect::<Vec<_>>();
        let keys = rising(base);
        let then = |more: &[(String, bool)]| {
            let mut all = keys.clone();
            all.extend(more.iter().filter(|(column, _)| !base.contains(column)).cloned());
            all
        };
        self.push(keys.clone(), predicate, found);
        let ranges: BTreeSet<&String> = self.used.bounds.iter().map(|bound| &bound.column).collect();
        for range in ranges {
            self.push(then(&[(range.clone(), false)]), predicate, found);
        }
        if !self.used.order.is_empty() {
            // An index is read from either end; only an order that rises and falls needs an index that does.
            let mixed = self.used.order.iter().any(|(_, falls)| *falls != self.used.order[0].1);
            let order: Vec<(String, bool)> = self.used.order.iter().map(|(column, falls)| (column.clone(), mixed && *falls)).collect();
            self.push(then(&order), predicate, found);
        }
        if !self.used.group.is_empty() {
            self.push(then(&rising(&self.used.group)), predicate, found);
        }
    }

    fn push(&self, keys: Vec<(String, bool)>, predicate: Option<&str>, found: &mut Vec<Candidate>) {
        let whole = keys.len() <= KEYS_MAX && !keys.is_empty();
        if !whole {
            return;
        }
        let plain = Candidate { table: self.table.name.clone(), keys, included: Vec::new(), predicate: predicate.map(str::to_owned) };
        let told = predicate.unwrap_or_default();
        let lacks = |column: &&String| {
            let by_predicate = told.split_whitespace().next() == Some(quoted(column).as_str()) && told.contains(" = ");
            !plain.keys.iter().any(|(key, _)| key == *column) && !by_predicate
        };
        let rest: Vec<String> = self.used.columns.iter().filter(lacks).cloned().collect();
        let bytes: u64 = rest.iter().map(|column| self.table.width(column)).sum();
        if !rest.is_empty() && rest.len() <= INCLUDED_MAX && bytes <= INCLUDED_BYTES_MAX && !self.used.written {
            found.push(Candidate { included: rest, ..plain.clone() });
        }
        found.push(plain);
    }

    /// Constant conditions that leave few rows.
    fn partial(&self) -> Vec<(String, String)> {
        let Some(sample) = self.samples.of(&self.table.name) else { return Vec::new() };
        let few = |(column, text): &&(String, String)| {
            let value = text.rsplit(" = ").next().filter(|_| text.contains(" = "));
            let share = match value {
                Some(value) => {
                    // Values of Postgres were read as texts.
                    let as_text = if value.starts_with('\'') { value.to_owned() } else { format!("'{value}'") };
                    let plain = sample.share_of_literal(column, value);
                    let text = sample.share_of_literal(column, &as_text);
                    plain.into_iter().chain(text).fold(0.0, f64::max)
                }
                None if text.ends_with(" is null") => sample.share_of_literal(column, "null").unwrap_or(1.0),
                None if text.ends_with(" is not null") => 1.0 - sample.share_of_literal(column, "null").unwrap_or(0.0),
                None => 1.0,
            };
            share <= PARTIAL_SHARE_MAX
        };
        self.used.constant.iter().filter(few).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading;
    use crate::schema::Column;

    fn schema() -> Schema {
        let column = |name: &str| Column { name: name.into(), kind: "bigint".into(), width: None };
        let columns = ["id", "payment_id", "product_id", "state"].map(column).to_vec();
        let table = Table { name: "item".into(), columns, rows: 1e6, ..Table::default() };
        Schema { tables: [("item".to_owned(), table)].into() }
    }

    #[test]
    fn equality_comes_before_order_and_the_rest_is_held() {
        let text = "select product_id, state from item where payment_id = $1 and state = 'ready' order by product_id";
        let read = reading::read(text, &schema()).unwrap();
        let found: Vec<String> = of(&read, &schema(), &Samples::default()).iter().map(|c| c.ddl(Engine::Sqlite, false)).collect();
        let has = |columns: &str| found.iter().any(|ddl| ddl.contains(columns));
        assert!(has("(payment_id, state, product_id)") && has("(payment_id)") && has("(payment_id, state)"), "{found:#?}");
    }

    #[test]
    fn what_is_there_is_not_proposed() {
        let mut schema = schema();
        let there = Index { columns: vec!["payment_id".into(), "id".into()], valid: true, ..Index::default() };
        schema.tables.get_mut("item").unwrap().indexes.push(there);
        let read = reading::read("select payment_id from item where payment_id = $1", &schema).unwrap();
        assert_eq!(of(&read, &schema, &Samples::default()), []);
    }

    #[test]
    fn names_and_ids_stay_the_same() {
        let keys = vec![("payment_id".to_owned(), false)];
        let one = Candidate { table: "item".into(), keys, included: vec!["state".into()], predicate: None };
        assert_eq!(one.id(), one.clone().id());
        assert_eq!(
            one.ddl(Engine::Postgres, true),
            format!("create index concurrently {} on item (payment_id) include (state)", one.name())
        );
    }
}
