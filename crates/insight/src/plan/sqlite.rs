//! Reads plans of SQLite: lines that say which table is scanned or searched by which index.
//! Refuses lines it does not know: they are shown as they are.

use super::{Step, thousands};
use crate::reading::Reading;
use crate::schema::Schema;
use db::Cells;

/// A table below this many rows is read whole without a word.
const SMALL: f64 = 1_000.0;

/// What a line says about a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Access {
    /// The name by which the statement calls the table.
    pub(crate) name: String,
    /// True when rows are searched rather than all read.
    pub(crate) search: bool,
    /// The index, where one is used; `(row number)` for the table's own order.
    pub(crate) index: Option<String>,
    /// True when the index holds all that is wanted.
    pub(crate) covering: bool,
    /// True when the index is made for this one call.
    pub(crate) automatic: bool,
    /// Columns that are searched by equality.
    pub(crate) equal: Vec<String>,
    /// The column that is searched by a range, and which bounds there are.
    pub(crate) range: Option<(String, bool, bool)>,
}

/// Reads a line, as `SEARCH t USING COVERING INDEX i (a=? AND b>?)`.
pub(crate) fn access(line: &str) -> Option<Access> {
    let (search, rest) = match line.split_once(' ')? {
        ("SEARCH", rest) => (true, rest),
        ("SCAN", rest) => (false, rest),
        _ => return None,
    };
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut found = Access { name: name.to_owned(), search, ..Access::default() };
    let rest = rest.trim_end_matches(" LEFT-JOIN");
    let (how, terms) = match rest.split_once('(') {
        Some((how, terms)) => (how.trim(), terms.trim_end_matches(')')),
        None => (rest.trim(), ""),
    };
    found.covering = how.contains("COVERING INDEX");
    found.automatic = how.contains("AUTOMATIC");
    if how.contains("PRIMARY KEY") && how.contains("INTEGER") {
        found.index = Some("(row number)".to_owned());
    } else if how.contains("PRIMARY KEY") {
        found.index = Some("(primary key)".to_owned());
        found.covering = true;
    } else if how.contains("INDEX") {
        found.index = how.split_whitespace().last().filter(|name| *name != "INDEX").map(str::to_owned);
    }
    for term in terms.split(" AND ") {
        if let Some(column) = term.strip_suffix("=?") {
            found.equal.push(if column == "rowid" { String::new() } else { column.to_owned() });
        } else if let Some((column, upper)) =
            term.split_once('>').map(|(c, _)| (c, false)).or_else(|| term.split_once('<').map(|(c, _)| (c, true)))
        {
            let range = found.range.get_or_insert((column.to_owned(), false, false));
            if upper { range.2 = true } else { range.1 = true }
        }
    }
    Some(found)
}

pub(super) fn steps(rows: &[Cells], reading: &Reading, schema: &Schema) -> Vec<Step> {
    children(rows, "0", reading, schema)
}

fn children(rows: &[Cells], parent: &str, reading: &Reading, schema: &Schema) -> Vec<Step> {
    let of = |cells: &&Cells| cells.get(1).and_then(Option::as_deref) == Some(parent);
    rows.iter()
        .filter(of)
        .map(|cells| {
            let line = cells.get(3).cloned().flatten().unwrap_or_default();
            let access = access(&line);
            // A plan names tables as the statement calls them.
            let called = |name: &String| {
                reading.uses.iter().find(|used| used.alias == *name).map_or_else(|| name.clone(), |used| used.table.clone())
            };
            let table = access.as_ref().map(|access| called(&access.name));
            let size = table.as_ref().and_then(|table| schema.table(table)).map(|table| table.rows);
            Step {
                costly: costly(&line, access.as_ref(), size, access.as_ref().is_some_and(|access| drops(access, reading))),
                index: access.as_ref().and_then(|access| access.index.clone()),
                rows: access.as_ref().filter(|access| !access.search).and(size),
                steps: cells.first().and_then(Option::as_deref).map(|id| children(rows, id, reading, schema)).unwrap_or_default(),
                what: line,
                table,
                share: None,
            }
        })
        .collect()
}

/// True when rows are found by a range alone although the statement wants them equal to something as well.
fn drops(access: &Access, reading: &Reading) -> bool {
    let used = reading.uses.iter().find(|used| used.alias == access.name);
    access.search && access.equal.is_empty() && used.is_some_and(|used| !used.equal.is_empty())
}

fn costly(line: &str, access: Option<&Access>, size: Option<f64>, drops: bool) -> Option<String> {
    if line.starts_with("USE TEMP B-TREE") {
        let what = line.trim_start_matches("USE TEMP B-TREE FOR ").to_lowercase();
        return Some(format!("sorts what was found for {what}: an index in this order would give it sorted"));
    }
    if line.starts_with("CORRELATED") {
        return Some("runs once for each row around it".to_owned());
    }
    let access = access?;
    if access.automatic {
        return Some(format!("makes an index of {} for this one call and drops it again", access.name));
    }
    let size = size?;
    if drops && size >= SMALL {
        let size = thousands(size);
        return Some(format!("goes through a range of {size} rows and drops most of them again: the index lacks a column of the filter"));
    }
    if access.search || size < SMALL {
        return None;
    }
    Some(match &access.index {
        None => format!("reads all {} rows of {}", thousands(size), access.name),
        Some(index) => format!("reads all {} entries of {index}", thousands(size)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_plan_are_understood() {
        let found = access("SEARCH i USING COVERING INDEX e_covering (payment_id=? AND product_id>? AND product_id<?)").unwrap();
        assert_eq!((found.name.as_str(), found.index.as_deref(), found.covering, found.search), ("i", Some("e_covering"), true, true));
        assert_eq!((found.equal, found.range), (vec!["payment_id".to_owned()], Some(("product_id".to_owned(), true, true))));
        assert_eq!(access("SCAN t").unwrap(), Access { name: "t".into(), ..Access::default() });
        let by_key = access("SEARCH t USING INTEGER PRIMARY KEY (rowid=?)").unwrap();
        assert_eq!((by_key.index.as_deref(), by_key.equal), (Some("(row number)"), vec![String::new()]));
        let automatic = access("SEARCH b USING AUTOMATIC COVERING INDEX (a=?)").unwrap();
        assert!(automatic.automatic && automatic.index.is_none());
        assert_eq!(access("USE TEMP B-TREE FOR ORDER BY"), None);
    }
}
