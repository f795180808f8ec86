//! Walks through a statement: its tables, the columns it looks at, the order it wants. Pure.
//! Refuses to run anything, and to look into what a name of another schema means.

use super::scope::{Found, Scope, Source, bare, factors, last, parameter_within, resolve, row_set};
use super::{Meaning, Reading, Use, Verb};
use crate::schema::Schema;
use sqlparser::ast::{
    AssignmentTarget, Distinct, Expr, FromTable, GroupByExpr, LimitClause, OrderBy, OrderByKind, OrderBySort, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind, Visit, Visitor,
};
use std::ops::ControlFlow;

pub(super) fn walk(statement: &Statement, schema: &Schema) -> Reading {
    let mut walk = Walk { schema, reading: Reading::default(), scopes: Vec::new(), rows_named: Vec::new(), ctes: Vec::new() };
    // It never breaks off.
    let _whole = statement.visit(&mut walk);
    walk.reading.verb = match statement {
        Statement::Insert(_) => Verb::Insert,
        Statement::Update(_) => Verb::Update,
        Statement::Delete(_) => Verb::Delete,
        _ => walk.reading.verb,
    };
    walk.reading
}

/// True for a query that writes within, as joined writes do.
pub(super) fn writes(query: &Query) -> bool {
    let body = |query: &Query| matches!(query.body.as_ref(), SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_));
    body(query) || query.with.iter().flat_map(|with| &with.cte_tables).any(|cte| writes(&cte.query))
}

pub(super) fn tables_of_delete(from: &FromTable) -> &[TableWithJoins] {
    match from {
        FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables) => tables,
    }
}

pub(super) fn tables_of_update(from: &UpdateTableFromKind) -> &[TableWithJoins] {
    match from {
        UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables) => tables,
    }
}

pub(super) struct Walk<'a> {
    pub(super) schema: &'a Schema,
    pub(super) reading: Reading,
    scopes: Vec<Scope>,
    /// Names under which the row set is known.
    rows_named: Vec<String>,
    /// Names of other common table expressions.
    ctes: Vec<String>,
}

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            match row_set(&cte.query) {
                Some(rows) if self.reading.row_set.is_none() => {
                    self.reading.row_set = Some(rows);
                    self.rows_named.push(bare(&cte.alias.name));
                }
                _ => self.ctes.push(bare(&cte.alias.name)),
            }
        }
        let mut scope = Scope::default();
        let limited = self.limits(query);
        self.body(&query.body, &mut scope, limited, query.order_by.as_ref());
        self.scopes.push(scope);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        let mut scope = Scope::default();
        match statement {
            Statement::Update(update) => {
                let from = update.from.as_ref().map_or(&[][..], tables_of_update);
                self.add_sources(std::slice::from_ref(&update.table), &mut scope);
                self.mark_written(&scope, Verb::Update);
                self.add_sources(from, &mut scope);
                for assignment in &update.assignments {
                    if let AssignmentTarget::ColumnName(name) = &assignment.target {
                        self.reading.set.insert(last(name));
                    }
                }
                self.conditions(&scope, update.selection.as_ref(), from);
            }
            Statement::Delete(delete) => {
                let tables = tables_of_delete(&delete.from);
                self.add_sources(tables, &mut scope);
                self.mark_written(&scope, Verb::Delete);
                self.add_sources(delete.using.as_deref().unwrap_or_default(), &mut scope);
                self.conditions(&scope, delete.selection.as_ref(), tables);
            }
            Statement::Insert(insert) => {
                self.reading.verb = Verb::Insert;
                if let TableObject::TableName(name) = &insert.table {
                    self.reading.written = Some(last(name));
                }
            }
            _ => {}
        }
        self.scopes.push(scope);
        ControlFlow::Continue(())
    }

    fn post_visit_statement(&mut self, _: &Statement) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Some(Found::Column(at, column)) = self.resolve(expr, &[]) {
            self.reading.uses[at].columns.insert(column);
        }
        ControlFlow::Continue(())
    }
}

impl Walk<'_> {
    pub(super) fn resolve(&self, expr: &Expr, inner: &[Scope]) -> Option<Found> {
        let mut scopes = self.scopes.clone();
        scopes.extend_from_slice(inner);
        let tables = |at: usize| self.reading.uses[at].table.clone();
        resolve(expr, &scopes, &tables, self.schema, self.reading.row_set.as_ref())
    }

    fn body(&mut self, body: &SetExpr, scope: &mut Scope, limited: bool, order: Option<&OrderBy>) {
        match body {
            SetExpr::Select(select) => {
                let mut own = Scope::default();
                self.add_sources(&select.from, &mut own);
                self.conditions(&own, select.selection.as_ref(), &select.from);
                self.wanted(&own, select, limited, order);
                scope.sources.extend(own.sources);
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, scope, false, None);
                self.body(right, scope, false, None);
            }
            _ => {}
        }
    }

    fn add_sources(&mut self, from: &[TableWithJoins], scope: &mut Scope) {
        for factor in factors(from) {
            let (name, source) = match factor {
                TableFactor::Table { name, alias, args: None, .. } => {
                    let table = last(name);
                    let known = alias.as_ref().map_or_else(|| table.clone(), |alias| bare(&alias.name));
                    let source = self.source(&table, &known);
                    (known, source)
                }
                TableFactor::Derived { alias: Some(alias), .. }
                | TableFactor::Function { alias: Some(alias), .. }
                | TableFactor::UNNEST { alias: Some(alias), .. } => (bare(&alias.name), Source::Other),
                _ => continue,
            };
            scope.sources.push((name, source));
        }
    }

    fn source(&mut self, table: &str, alias: &str) -> Source {
        if self.rows_named.iter().any(|name| name == table) {
            return Source::RowSet;
        }
        if self.ctes.iter().any(|name| name == table) || self.schema.table(table).is_none() {
            return Source::Other;
        }
        self.reading.uses.push(Use { table: table.to_owned(), alias: alias.to_owned(), ..Use::default() });
        Source::Table(self.reading.uses.len() - 1)
    }

    fn mark_written(&mut self, scope: &Scope, verb: Verb) {
        self.reading.verb = verb;
        if let Some((_, Source::Table(at))) = scope.sources.first() {
            self.reading.uses[*at].written = true;
            self.reading.written = Some(self.reading.uses[*at].table.clone());
        }
    }

    /// What is wanted of the rows: their order, groups, columns by `*`.
    fn wanted(&mut self, scope: &Scope, select: &Select, limited: bool, order: Option<&OrderBy>) {
        let scopes = [scope.clone()];
        for item in &select.projection {
            self.stars(item, scope);
        }
        let grouped = match &select.group_by {
            GroupByExpr::Expressions(by, _) => by.clone(),
            GroupByExpr::All(_) => Vec::new(),
        };
        let distinct = matches!(select.distinct, Some(Distinct::Distinct));
        let plain = |item: &SelectItem| if let SelectItem::UnnamedExpr(expr) = item { Some(expr.clone()) } else { None };
        let by = if distinct { select.projection.iter().filter_map(plain).collect() } else { grouped.clone() };
        if let Some((at, columns)) = self.of_one_table(by.iter().map(|expr| (expr, false)), &scopes) {
            self.reading.uses[at].group = columns.into_iter().map(|(column, _)| column).collect();
        }
        let Some(OrderBy { kind: OrderByKind::Expressions(by), .. }) = order else {
            self.limit_first(scope, limited && grouped.is_empty());
            return;
        };
        let falls = |sort: &Option<OrderBySort>| matches!(sort, Some(OrderBySort::Desc));
        let named = by.iter().map(|one| (self.unaliased(&one.expr, select), falls(&one.options.sort))).collect::<Vec<_>>();
        if grouped.is_empty()
            && let Some((at, columns)) = self.of_one_table(named.iter().map(|(expr, falls)| (expr, *falls)), &scopes)
        {
            self.reading.uses[at].order = columns;
            self.reading.uses[at].limited = limited;
        }
    }

    fn limit_first(&mut self, scope: &Scope, limited: bool) {
        if let [(_, Source::Table(at))] = scope.sources.as_slice() {
            self.reading.uses[*at].limited = limited;
        }
    }

    /// An order may name what the select calls something.
    fn unaliased(&self, expr: &Expr, select: &Select) -> Expr {
        let Expr::Identifier(name) = expr else { return expr.clone() };
        let aliased = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if bare(alias) == bare(name) => Some(expr.clone()),
            _ => None,
        });
        aliased.unwrap_or_else(|| expr.clone())
    }

    fn of_one_table<'e>(&self, by: impl Iterator<Item = (&'e Expr, bool)>, scopes: &[Scope]) -> Option<(usize, Vec<(String, bool)>)> {
        let mut of = None;
        let mut columns = Vec::new();
        for (expr, falls) in by {
            let Some(Found::Column(at, column)) = self.resolve(expr, scopes) else { return None };
            if *of.get_or_insert(at) != at {
                return None;
            }
            columns.push((column, falls));
        }
        Some((of?, columns))
    }

    fn stars(&mut self, item: &SelectItem, scope: &Scope) {
        let only = match item {
            SelectItem::Wildcard(_) => None,
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => Some(last(name)),
            _ => return,
        };
        for (name, source) in &scope.sources {
            let Source::Table(at) = source else { continue };
            if only.as_ref().is_none_or(|only| only == name)
                && let Some(table) = self.schema.table(&self.reading.uses[*at].table)
            {
                self.reading.uses[*at].columns.extend(table.columns.iter().map(|column| column.name.clone()));
            }
        }
    }

    fn limits(&mut self, query: &Query) -> bool {
        let mut note = |expr: Option<&Expr>, meaning: Meaning| {
            if let Some(number) = expr.and_then(parameter_within) {
                self.reading.meanings.entry(number).or_insert(meaning);
            }
        };
        match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                note(limit.as_ref(), Meaning::Limit);
                note(offset.as_ref().map(|offset| &offset.value), Meaning::Offset);
                limit.is_some()
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                note(Some(limit), Meaning::Limit);
                note(Some(offset), Meaning::Offset);
                true
            }
            None => query.fetch.is_some(),
        }
    }
}
