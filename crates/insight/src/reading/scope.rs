//! Which names mean which tables at a place of a statement. Refuses names that no table of the place has.

use super::RowSet;
use crate::schema::Schema;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, SelectItem, SetExpr, TableFactor, TableWithJoins, Value,
};

/// What a name in a `from` stands for.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// The use of a table.
    Table(usize),
    /// The row set that the statement is given.
    RowSet,
    /// A subquery or a function.
    Other,
}

/// The names that a select sees.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) sources: Vec<(String, Source)>,
}

/// Where a column was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Column(usize, String),
    RowSet(usize),
}

/// Finds a column, looking from the innermost place outwards.
pub(super) fn resolve(
    expr: &Expr,
    scopes: &[Scope],
    tables: &dyn Fn(usize) -> String,
    schema: &Schema,
    rows: Option<&RowSet>,
) -> Option<Found> {
    let (qualifier, column) = match expr {
        Expr::Identifier(name) => (None, bare(name)),
        Expr::CompoundIdentifier(parts) => {
            let [.., qualifier, name] = parts.as_slice() else { return None };
            (Some(bare(qualifier)), bare(name))
        }
        Expr::Nested(inner) => return resolve(inner, scopes, tables, schema, rows),
        _ => return None,
    };
    for scope in scopes.iter().rev() {
        for (name, source) in &scope.sources {
            if qualifier.as_ref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            match source {
                Source::Table(at) => {
                    if let Some(found) = schema.table(&tables(*at)).and_then(|table| table.column(&column)) {
                        return Some(Found::Column(*at, found.name.clone()));
                    }
                }
                Source::RowSet => {
                    if let Some(at) = rows.and_then(|rows| rows.columns.iter().position(|(name, _)| *name == column)) {
                        return Some(Found::RowSet(at));
                    }
                }
                Source::Other => {}
            }
        }
    }
    None
}

pub(super) fn bare(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// The last part of a name, as `t` of `public.t`.
pub(super) fn last(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(bare).unwrap_or_default()
}

/// The tables of a `from`, joins included.
pub(super) fn factors(from: &[TableWithJoins]) -> Vec<&TableFactor> {
    let mut found = Vec::new();
    for table in from {
        for factor in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
            match factor {
                TableFactor::NestedJoin { table_with_joins, .. } => found.extend(factors(std::slice::from_ref(table_with_joins))),
                factor => found.push(factor),
            }
        }
    }
    found
}

/// Reads the row set out of the query that unpacks it; none when it is an ordinary one.
pub(super) fn row_set(query: &Query) -> Option<RowSet> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [from] = select.from.as_slice() else { return None };
    match &from.relation {
        TableFactor::UNNEST { alias, array_exprs, .. } => {
            let alias = alias.as_ref()?;
            let parameters: Vec<usize> = array_exprs.iter().map(parameter_within).collect::<Option<_>>()?;
            let names = alias.columns.iter().map(|column| bare(&column.name));
            let columns: Vec<(String, usize)> = names.zip(parameters).collect();
            Some(RowSet { hex: vec![false; columns.len()], columns })
        }
        TableFactor::Table { name, args: Some(args), .. } if is_json(&last(name)) => json_rows(&args.args, &select.projection),
        TableFactor::Function { name, args, .. } if is_json(&last(name)) => json_rows(args, &select.projection),
        _ => None,
    }
}

fn is_json(name: &str) -> bool {
    matches!(name, "json_each" | "jsonb_each")
}

fn json_rows(arguments: &[FunctionArg], projection: &[SelectItem]) -> Option<RowSet> {
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = arguments else { return None };
    let parameter = parameter_within(argument)?;
    let mut rows = RowSet::default();
    for item in projection {
        let SelectItem::ExprWithAlias { expr, alias } = item else { return None };
        rows.columns.push((bare(alias), parameter));
        rows.hex.push(expr.to_string().to_lowercase().starts_with("unhex("));
    }
    Some(rows)
}

/// The number of the parameter an expression is, casts and brackets left aside.
pub(super) fn parameter_within(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(text) => text.trim_start_matches(['$', '?', ':']).parse().ok(),
            _ => None,
        },
        Expr::Cast { expr, .. } | Expr::Nested(expr) => parameter_within(expr),
        _ => None,
    }
}
