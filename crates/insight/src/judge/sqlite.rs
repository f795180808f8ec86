//! Plans of SQLite on an empty copy of the schema that was told the real statistics, and what such a plan costs in rows visited.
//! Refuses to touch the real file: the copy lies in memory.

use super::{Asked, Verdict};
use crate::candidates::Candidate;
use crate::plan::sqlite::{Access, access};
use crate::reading::{Use, With};
use crate::sample::{Samples, given};
use crate::schema::{Schema, Table};
use crate::sql::{literal, quoted};
use db::{Engine, Error, Inspector};
use std::collections::BTreeMap;
use std::collections::HashSet;

/// Visiting a row through an index that lacks a column, beside visiting an entry of an index.
const LOOK_UP: f64 = 3.0;
/// Finding a place in a tree.
const SEEK: f64 = 4.0;
/// A comparison while sorting.
const COMPARE: f64 = 0.3;
/// Rows that a page of results has.
const PAGE: f64 = 20.0;
/// Sets of parameters whose costs are averaged.
const SETS: usize = 3;

/// The empty copy.
pub(crate) struct Copy {
    copy: Inspector,
    schema: Schema,
    samples: Samples,
    /// Tables beside which the engine made what it needs itself.
    made: Vec<String>,
}

impl Copy {
    pub(super) async fn make(database: &mut Inspector, schema: &Schema, samples: &Samples) -> Result<Copy, Error> {
        let mut copy = Inspector::in_memory()?;
        let texts = "select sql from sqlite_schema where sql is not null and name not like 'sqlite\\_%' escape '\\' \
                     and type in ('table', 'index', 'view') order by case type when 'table' then 0 when 'index' then 1 else 2 end";
        for cells in database.query(texts).await? {
            // A virtual table whose module is not at hand is left out: statements that need it are told to be not understood.
            let _left_out = copy.run(cells[0].as_deref().unwrap_or_default()).await;
        }
        copy.run("analyze").await?;
        let mut statistics = String::new();
        for table in ["sqlite_stat1", "sqlite_stat4"] {
            let there = database.query(&format!("select group_concat(quote(name), ', ') from pragma_table_info('{table}')")).await?;
            let Some(columns) = there.first().and_then(|cells| cells[0].clone()) else { continue };
            let names: Vec<String> = columns.split(", ").map(|name| name.trim_matches('\'').to_owned()).collect();
            let quotes: Vec<String> = names.iter().map(|name| format!("quote({name})")).collect();
            for cells in database.query(&format!("select {} from {table}", quotes.join(", "))).await? {
                let values: Vec<String> = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "null".to_owned())).collect();
                statistics.push_str(&format!("insert into {table} ({}) values ({});\n", names.join(", "), values.join(", ")));
            }
        }
        let mut copy = Copy { copy, schema: schema.clone(), samples: samples.clone(), made: Vec::new() };
        for table in schema.tables.values().filter(|table| !table.analysed) {
            statistics.push_str(&copy.guessed(table));
        }
        copy.copy.run(&statistics).await?;
        copy.copy.run("analyze sqlite_schema").await?;
        Ok(copy)
    }

    /// Statistics for a table that has none.
    fn guessed(&self, table: &Table) -> String {
        let mut told = String::new();
        for index in table.indexes.iter().filter(|index| !index.name.starts_with('(')) {
            let stat = self.stat(table, &index.columns, 1.0, index.unique);
            let (table, index) = (literal(&table.name), literal(&index.name));
            told.push_str(&format!("insert into sqlite_stat1 (tbl, idx, stat) values ({table}, {index}, '{stat}');\n"));
        }
        if told.is_empty() {
            told = format!("insert into sqlite_stat1 (tbl, idx, stat) values ({}, null, '{:.0}');\n", literal(&table.name), table.rows);
        }
        told
    }

    /// Entries of an index, then how many of them share the first column, the first two, and so on.
    fn stat(&self, table: &Table, columns: &[String], share: f64, unique: bool) -> String {
        let rows = (table.rows * share).max(1.0);
        let mut stat = format!("{rows:.0}");
        for upto in 1..=columns.len() {
            let distinct = self.samples.of(&table.name).map_or(table.rows, |sample| sample.distinct(&columns[..upto]));
            let each = if unique && upto == columns.len() { 1.0 } else { (table.rows / distinct.max(1.0) * share.sqrt()).clamp(1.0, rows) };
            stat.push_str(&format!(" {:.0}", each.ceil()));
        }
        stat
    }

    async fn imagine(&mut self, with: &[&Candidate]) -> Result<(), Error> {
        let mut text = String::new();
        for name in std::mem::take(&mut self.made) {
            text.push_str(&format!("drop index {};\n", quoted(&name)));
        }
        for candidate in with {
            let Some(table) = self.schema.table(&candidate.table) else { continue };
            let columns: Vec<String> = candidate.keys.iter().map(|(column, _)| column).chain(&candidate.included).cloned().collect();
            let stat = self.stat(table, &columns, share_of_predicate(&self.samples, candidate), false);
            let (name, of) = (candidate.name(), literal(&candidate.table));
            text.push_str(&format!("{};\n", candidate.ddl(Engine::Sqlite, false)));
            text.push_str(&format!("insert into sqlite_stat1 (tbl, idx, stat) values ({of}, {}, '{stat}');\n", literal(&name)));
            self.made.push(name);
        }
        text.push_str("analyze sqlite_schema;\n");
        self.copy.run(&text).await
    }

    pub(super) async fn cost(&mut self, asked: &Asked, with: &[&Candidate]) -> Result<Verdict, Error> {
        self.imagine(with).await?;
        let rows = self.copy.query(&format!("explain query plan {}", asked.text)).await?;
        let names: Vec<String> = with.iter().copied().map(Candidate::name).collect();
        let lines: Vec<Line> = rows.iter().filter_map(Line::read).collect();
        let used: HashSet<String> = lines.iter().filter_map(|line| line.access.as_ref()?.index.clone()).collect();
        let sets = asked.parameters.len().clamp(1, SETS);
        let nothing = Vec::new();
        let mut cost = 0.0;
        for set in 0..sets {
            let pricing = Pricing { copy: self, asked, literals: asked.parameters.get(set).unwrap_or(&nothing), with };
            cost += pricing.block(&lines, 0, 1.0).0 / sets as f64;
        }
        Ok(Verdict { cost, uses: (0..names.len()).filter(|at| used.contains(&names[*at])).collect() })
    }
}

/// The share of a table's rows that a partial index holds.
pub(super) fn share_of_predicate(samples: &Samples, candidate: &Candidate) -> f64 {
    let (Some(predicate), Some(sample)) = (&candidate.predicate, samples.of(&candidate.table)) else { return 1.0 };
    let column = predicate.split_whitespace().next().unwrap_or_default().trim_matches('"');
    let share = |value: &str| sample.share_of_literal(column, value).unwrap_or(1.0);
    match predicate.split_once(" = ") {
        Some((_, value)) if value.starts_with('\'') => share(value),
        Some((_, value)) => share(value).max(share(&literal(value))),
        None if predicate.ends_with(" is null") => share("null"),
        None if predicate.ends_with(" is not null") => 1.0 - share("null"),
        None => 0.5,
    }
}

/// A line of a plan.
struct Line {
    id: i64,
    parent: i64,
    text: String,
    access: Option<Access>,
}

impl Line {
    fn read(cells: &db::Cells) -> Option<Line> {
        let number = |at: usize| cells.get(at)?.as_ref()?.parse().ok();
        let text = cells.get(3)?.clone()?;
        Some(Line { id: number(0)?, parent: number(1)?, access: access(&text), text })
    }
}

/// What a plan costs with one set of parameters: rows visited, places sought, comparisons made.
struct Pricing<'a> {
    copy: &'a Copy,
    asked: &'a Asked,
    literals: &'a [String],
    with: &'a [&'a Candidate],
}

impl Pricing<'_> {
    /// The cost of a block that runs so many times, and the rows that come out of one run.
    fn block(&self, lines: &[Line], parent: i64, times: f64) -> (f64, f64) {
        let of = || lines.iter().filter(|line| line.parent == parent);
        let sorts = of().any(|line| line.text.starts_with("USE TEMP B-TREE"));
        let mut cost = 0.0;
        let mut rows = 1.0;
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        // What was read before, by its place among the statement's tables: only that narrows what a join leaves.
        let mut read: HashSet<usize> = HashSet::new();
        for line in of() {
            let (within, inner) = self.block(lines, line.id, 1.0);
            match &line.access {
                Some(access) => {
                    let nth = seen.entry(access.name.clone()).or_insert(0);
                    *nth += 1;
                    let used = self.used(&access.name, *nth - 1);
                    let (each, out) = self.visit(access, used, &read);
                    read.extend(used.map(|(place, _)| place));
                    cost += rows * each + within;
                    rows = (rows * out).max(0.01);
                }
                None if line.text.starts_with("CORRELATED") => cost += rows.max(1.0) * within,
                None if line.text.starts_with("USE TEMP") => {}
                None => {
                    cost += within;
                    if line.text.starts_with("CO-ROUTINE") || line.text.starts_with("MATERIALIZE") {
                        rows *= inner.max(1.0).sqrt();
                    }
                }
            }
        }
        let limited = parent == 0 && self.asked.reading.uses.iter().any(|used| used.limited);
        if sorts {
            cost += rows * rows.max(2.0).log2() * COMPARE;
        } else if limited && rows > PAGE {
            // Rows come in the wanted order: reading stops with the page.
            cost *= PAGE / rows;
        }
        (cost * times, rows)
    }

    /// What it costs to visit a table once, and how many rows remain.
    fn visit(&self, access: &Access, used: Option<(usize, &Table)>, read: &HashSet<usize>) -> (f64, f64) {
        let Some((place, table)) = used else {
            // The row set, a subquery or a function.
            return (16.0, 16.0);
        };
        let used = &self.asked.reading.uses[place];
        let rows = table.rows.max(1.0);
        let out = (rows * self.remain(used, read)).max(0.001);
        let whole = if access.covering { 0.5 } else { 1.0 };
        if !access.search {
            let partial = self.candidate(access).map_or(1.0, |candidate| share_of_predicate(&self.copy.samples, candidate));
            // Reading in the order of an index that lacks columns looks every row up.
            let each = if access.index.is_some() && !access.covering { LOOK_UP } else { whole };
            return (rows * partial * each, out);
        }
        if access.automatic {
            return (rows * 2.0 * rows.log2() * COMPARE, out);
        }
        // What a partial index's condition says already leaves no fewer rows of it.
        let said = self.candidate(access).and_then(|candidate| candidate.predicate.as_deref()).unwrap_or_default();
        let said = said.split_whitespace().next().unwrap_or_default().trim_matches('"');
        let equal = access.equal.iter().filter(|column| !column.is_empty() && *column != said);
        let wanted: Vec<(String, Option<String>)> = equal.map(|column| (column.clone(), self.value(used, column))).collect();
        let by_key = access.equal.iter().any(String::is_empty);
        let sample = self.copy.samples.of(&table.name);
        let mut share = sample.map_or(0.1, |sample| sample.share_equal(&wanted));
        if by_key {
            share = 1.0 / rows;
        }
        if let Some((column, lower, upper)) = &access.range {
            share *= self.between(used, column, *lower, *upper);
        }
        if let Some(candidate) = self.candidate(access).filter(|candidate| candidate.predicate.is_some()) {
            share *= share_of_predicate(&self.copy.samples, candidate);
        }
        let visited = (rows * share).max(1.0);
        let each = if access.covering || access.index.as_deref() == Some("(row number)") { whole } else { LOOK_UP };
        (SEEK + visited * each, out.min(visited))
    }

    /// The place of a table among the statement's.
    fn used(&self, name: &str, nth: usize) -> Option<(usize, &Table)> {
        // A plan names tables as the statement calls them.
        let called = |(_, used): &(usize, &Use)| used.alias == name;
        let uses = || self.asked.reading.uses.iter().enumerate();
        let (place, used) = uses().filter(called).nth(nth).or_else(|| uses().find(called))?;
        Some((place, self.copy.schema.table(&used.table)?))
    }

    fn candidate(&self, access: &Access) -> Option<&Candidate> {
        self.with.iter().find(|candidate| Some(candidate.name()) == access.index).copied()
    }

    fn value(&self, used: &Use, column: &str) -> Option<String> {
        used.equal.iter().filter(|equal| equal.column == column).find_map(|equal| given(&equal.with, self.literals, Engine::Sqlite))
    }

    fn between(&self, used: &Use, column: &str, lower: bool, upper: bool) -> f64 {
        let bound = |is_upper: bool| {
            let of = used.bounds.iter().find(|bound| bound.column == column && bound.upper == is_upper)?;
            given(&of.with, self.literals, Engine::Sqlite)
        };
        let (from, to) = (bound(false).filter(|_| lower), bound(true).filter(|_| upper));
        self.copy.samples.of(&used.table).map_or(0.3, |sample| sample.share_between(column, from.as_deref(), to.as_deref()))
    }

    /// The share of a table's rows that its own conditions leave, and those that join it to what was read before, as if one knew nothing of the other.
    fn remain(&self, used: &Use, read: &HashSet<usize>) -> f64 {
        let Some(sample) = self.copy.samples.of(&used.table) else { return 1.0 };
        let of = |is_wanted: &dyn Fn(&With) -> bool| -> f64 {
            let wanted = used.equal.iter().filter(|equal| is_wanted(&equal.with));
            let wanted = wanted.map(|equal| (equal.column.clone(), given(&equal.with, self.literals, Engine::Sqlite)));
            sample.share_equal(&wanted.collect::<Vec<_>>())
        };
        let own = of(&|with| !matches!(with, With::Known | With::Column(..)));
        let mut share = own * of(&|with| matches!(with, With::Column(other, _) if read.contains(other)));
        let columns: HashSet<&String> = used.bounds.iter().map(|bound| &bound.column).collect();
        for column in columns {
            share *= self.between(used, column, true, true);
        }
        share
    }
}
