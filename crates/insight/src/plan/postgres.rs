//! Reads plans of Postgres. Refuses fields it does not know: they say nothing.

use super::{Step, thousands};
use crate::schema::Schema;
use serde_json::Value;

/// A table below this many rows is read whole without a word.
const SMALL: f64 = 1_000.0;

/// The estimated cost of a plan in the engine's own units.
pub(crate) fn total_cost(json: &str) -> Option<f64> {
    let plans: Value = serde_json::from_str(json).ok()?;
    plans.get(0)?.get("Plan")?.get("Total Cost")?.as_f64()
}

pub(super) fn steps(json: &str, schema: &Schema) -> Vec<Step> {
    let plans: Value = serde_json::from_str(json).unwrap_or_default();
    let Some(plan) = plans.get(0).and_then(|plan| plan.get("Plan")) else { return Vec::new() };
    let total = number(plan, "Total Cost").max(0.01);
    vec![step(plan, total, 1.0, schema)]
}

fn step(plan: &Value, total: f64, times: f64, schema: &Schema) -> Step {
    let kind = text(plan, "Node Type").unwrap_or("?");
    let (table, index) = (text(plan, "Relation Name"), text(plan, "Index Name"));
    let children: &[Value] = plan.get("Plans").and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let outer = children.first().map_or(1.0, |first| number(first, "Plan Rows").max(1.0));
    let loops = |at: usize| if kind == "Nested Loop" && at == 1 { outer } else { 1.0 };
    let within: f64 = children.iter().enumerate().map(|(at, child)| number(child, "Total Cost") * loops(at)).sum();
    let own = ((number(plan, "Total Cost") - within).max(0.0) * times / total * 100.0).min(100.0);
    let mut what = kind.to_owned();
    if let Some(index) = index {
        what.push_str(&format!(" using {index}"));
    }
    if let Some(table) = table {
        what.push_str(&format!(" on {table}"));
    }
    for (name, field) in [("by", "Index Cond"), ("where", "Filter"), ("by", "Sort Key"), ("by", "Hash Cond")] {
        if let Some(detail) = detail(plan, field) {
            what.push_str(&format!(" {name} {detail}"));
        }
    }
    let rows = number(plan, "Plan Rows");
    Step {
        what,
        table: table.map(str::to_owned),
        index: index.map(str::to_owned),
        rows: Some(rows),
        share: Some(own),
        costly: (own >= 10.0 || times > 50.0).then(|| costly(plan, kind, table, rows, times, schema)).flatten(),
        steps: children.iter().enumerate().map(|(at, child)| step(child, total, times * loops(at), schema)).collect(),
    }
}

fn costly(plan: &Value, kind: &str, table: Option<&str>, rows: f64, times: f64, schema: &Schema) -> Option<String> {
    let size = table.and_then(|table| schema.table(table)).map_or(0.0, |table| table.rows);
    match kind {
        "Seq Scan" if size >= SMALL => {
            let often = if times > 1.5 { format!(", about {} times", thousands(times)) } else { String::new() };
            let kept = if plan.get("Filter").is_some() { format!(" to keep about {}", thousands(rows)) } else { String::new() };
            Some(format!("reads all {} rows of {}{kept}{often}", thousands(size), table.unwrap_or("the table")))
        }
        "Sort" | "Incremental Sort" if rows >= SMALL => {
            Some(format!("sorts {} rows: an index in this order would give them sorted", thousands(rows)))
        }
        "Index Scan" | "Bitmap Heap Scan"
            if plan.get("Filter").is_some() && number(plan, "Total Cost") * times > 100.0 && rows * times < size / 10.0 =>
        {
            Some("finds rows by the index and drops some of them again: the index lacks a column of the filter".to_owned())
        }
        "Bitmap Heap Scan" | "Index Scan" if rows * times >= SMALL => Some(format!(
            "fetches {} rows from the table one by one: an index that holds the columns would spare that",
            thousands(rows * times)
        )),
        "Hash" | "Materialize" if rows >= 100_000.0 => Some(format!("keeps {} rows in memory", thousands(rows))),
        _ => None,
    }
}

fn number(plan: &Value, field: &str) -> f64 {
    plan.get(field).and_then(Value::as_f64).unwrap_or(0.0)
}

fn text<'p>(plan: &'p Value, field: &str) -> Option<&'p str> {
    plan.get(field).and_then(Value::as_str)
}

/// A condition; keys of a sort are a list. Values of parameters are not shown.
fn detail(plan: &Value, field: &str) -> Option<String> {
    match plan.get(field)? {
        Value::String(text) => Some(without_values(text)),
        Value::Array(keys) => Some(keys.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        _ => None,
    }
}

/// A condition with `…` for each literal: a plan is made with typical values, and those are somebody's.
fn without_values(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut inside = false;
    for letter in text.chars() {
        if letter == '\'' {
            inside = !inside;
            if inside {
                shown.push('…');
            }
        } else if !inside {
            shown.push(letter);
        }
    }
    shown
}

/// The lines of a plan in text, without values.
pub(crate) fn shown(lines: Vec<String>) -> Vec<String> {
    lines.iter().map(|line| without_values(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Table;

    #[test]
    fn a_whole_table_read_for_two_rows_is_named() {
        let mut schema = Schema::default();
        schema.tables.insert("item".into(), Table { name: "item".into(), rows: 1e6, ..Table::default() });
        let json = r#"[{"Plan": {"Node Type": "Sort", "Plan Rows": 2, "Total Cost": 20000, "Sort Key": ["product_id"], "Plans": [
            {"Node Type": "Seq Scan", "Relation Name": "item", "Plan Rows": 2, "Total Cost": 19999, "Filter": "((state = 'ready'::text) AND (payment_id = 7))"}]}}]"#;
        let steps = steps(json, &schema);
        let scan = &steps[0].steps[0];
        assert_eq!(scan.costly.as_deref(), Some("reads all 1,000,000 rows of item to keep about 2"));
        assert!(scan.what.contains("state = …::text"), "{}", scan.what);
        assert_eq!(steps[0].costly, None);
        assert_eq!(total_cost(json), Some(20000.0));
    }
}
