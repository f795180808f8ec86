//! The statement around a foreign one: its columns, where its pages go on, their order and their size.
//! Refuses values in the text: whatever a caller sends is an argument.

use super::{Order, Returned};
use crate::{Engine, Value};
use std::fmt::Write as _;

/// What stands around the foreign text.
pub(super) struct Around<'a> {
    pub(super) engine: Engine,
    pub(super) columns: &'a [Returned],
    pub(super) order: &'a [Order],
    /// Values of the order's columns in the last row seen.
    pub(super) after: Option<&'a [Value<'static>]>,
    /// Arguments that the foreign text takes.
    pub(super) arguments: usize,
    /// Rows at most.
    pub(super) rows: u32,
    /// A longer row comes as null, in bytes; on Postgres.
    pub(super) row_bytes: usize,
}

impl Around<'_> {
    /// The whole statement. On SQLite a row has the columns; on Postgres it is one text, a JSON array of them.
    pub(super) fn render(&self, foreign: &str) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| self.column(column)).collect();
        let (columns, page) = (columns.join(", "), self.page());
        match self.engine {
            Engine::Sqlite => format!("select {columns} from (\n{foreign}\n) as q{page}"),
            Engine::Postgres => format!(
                "select case when octet_length(r.j) <= {} then r.j end from (select cast(json_build_array({columns}) as text) as j from (\n{foreign}\n) as q{page}) as r",
                self.row_bytes
            ),
        }
    }

    fn page(&self) -> String {
        let mut text = String::new();
        if let Some(after) = self.after {
            write!(text, " where {}", self.beyond(after)).expect("writing to a string cannot fail");
        }
        for (at, order) in self.order.iter().enumerate() {
            let (start, way) = (if at == 0 { " order by " } else { ", " }, if order.descending { " desc" } else { "" });
            write!(text, "{start}q.{}{way}", quoted(&order.column)).expect("writing to a string cannot fail");
        }
        write!(text, " limit {}", self.rows).expect("writing to a string cannot fail");
        text
    }

    /// The rows after the last one seen. One way throughout is a comparison of rows, which an index can follow.
    fn beyond(&self, after: &[Value<'static>]) -> String {
        let columns: Vec<String> = self.order.iter().map(|order| format!("q.{}", quoted(&order.column))).collect();
        let values: Vec<String> = after.iter().enumerate().map(|(at, value)| self.argument(at, value)).collect();
        let sign = |at: usize| if self.order[at].descending { "<" } else { ">" };
        if self.order.iter().all(|order| order.descending == self.order[0].descending) {
            return format!("({}) {} ({})", columns.join(", "), sign(0), values.join(", "));
        }
        let step = |at: usize| {
            let equal = (0..at).map(|before| format!("{} = {} and ", columns[before], values[before])).collect::<String>();
            format!("({equal}{} {} {})", columns[at], sign(at), values[at])
        };
        (0..columns.len()).map(step).collect::<Vec<_>>().join(" or ")
    }

    fn argument(&self, at: usize, value: &Value<'_>) -> String {
        let number = self.arguments + at + 1;
        match (self.engine, value) {
            (Engine::Sqlite, _) => format!("?{number}"),
            (Engine::Postgres, Value::Int(_)) => format!("cast(${number} as bigint)"),
            (Engine::Postgres, _) => format!("cast(${number} as text)"),
        }
    }

    /// Truth is 0 and 1 and bytes are hex digits on both engines.
    fn column(&self, column: &Returned) -> String {
        let name = quoted(&column.name);
        match (self.engine, column.kind.as_str()) {
            (Engine::Postgres, "BYTEA") => format!("encode(q.{name}, 'hex')"),
            (Engine::Postgres, "BOOL") => format!("cast(q.{name} as int)"),
            _ => format!("q.{name}"),
        }
    }
}

/// A name in double quotes, as both engines take it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around<'a>(engine: Engine, columns: &'a [Returned], order: &'a [Order], after: Option<&'a [Value<'static>]>) -> Around<'a> {
        Around { engine, columns, order, after, arguments: 1, rows: 11, row_bytes: 100 }
    }

    #[test]
    fn a_page_begins_after_the_last_row_seen() {
        let columns = [Returned { name: "score".into(), kind: "INT8".into() }, Returned { name: "a\"b".into(), kind: "BYTEA".into() }];
        let order = [Order { column: "score".into(), descending: true }, Order { column: "a\"b".into(), descending: false }];
        let after = [Value::Int(7), Value::Text("x".into())];
        assert_eq!(
            around(Engine::Sqlite, &columns, &order, Some(&after)).render("select 1"),
            "select q.\"score\", q.\"a\"\"b\" from (\nselect 1\n) as q where (q.\"score\" < ?2) or (q.\"score\" = ?2 and q.\"a\"\"b\" > ?3) \
             order by q.\"score\" desc, q.\"a\"\"b\" limit 11"
        );
        let postgres = around(Engine::Postgres, &columns, &order[..1], Some(&after[..1])).render("select 1");
        assert!(postgres.contains("json_build_array(q.\"score\", encode(q.\"a\"\"b\", 'hex'))"), "{postgres}");
        assert!(postgres.contains("where (q.\"score\") < (cast($2 as bigint)) order by q.\"score\" desc limit 11"), "{postgres}");
    }
}
