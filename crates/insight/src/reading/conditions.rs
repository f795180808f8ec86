//! What conditions ask of columns: equality, ranges, constants, and what their parameters mean. Pure.
//! Refuses conditions under `or`: no one index serves them.

use super::scope::{Found, Scope, Source, last, parameter_within};
use super::walk::Walk;
use super::{Bound, Equal, Meaning, With};
use sqlparser::ast::{BinaryOperator, Expr, JoinConstraint, JoinOperator, TableWithJoins, Value, Visit, Visitor};
use std::ops::ControlFlow;

impl Walk<'_> {
    pub(super) fn conditions(&mut self, scope: &Scope, selection: Option<&Expr>, from: &[TableWithJoins]) {
        let scopes = [scope.clone()];
        if let Some(selection) = selection {
            self.condition(selection, &scopes);
        }
        for join in from.iter().flat_map(|table| &table.joins) {
            let constraint = match &join.join_operator {
                JoinOperator::Join(c)
                | JoinOperator::Inner(c)
                | JoinOperator::Left(c)
                | JoinOperator::LeftOuter(c)
                | JoinOperator::Right(c)
                | JoinOperator::RightOuter(c)
                | JoinOperator::CrossJoin(c) => c,
                _ => continue,
            };
            match constraint {
                JoinConstraint::On(condition) => self.condition(condition, &scopes),
                JoinConstraint::Using(columns) => columns.iter().for_each(|column| self.joined_by(&last(column), scope)),
                _ => {}
            }
        }
    }

    fn joined_by(&mut self, column: &str, scope: &Scope) {
        let tables: Vec<usize> =
            scope.sources.iter().filter_map(|(_, source)| if let Source::Table(at) = source { Some(*at) } else { None }).collect();
        let having: Vec<usize> = tables
            .into_iter()
            .filter(|at| self.schema.table(&self.reading.uses[*at].table).is_some_and(|t| t.column(column).is_some()))
            .collect();
        for at in &having {
            for other in having.iter().filter(|other| *other != at) {
                let with = With::Column(*other, column.to_owned());
                self.reading.uses[*at].columns.insert(column.to_owned());
                self.reading.uses[*at].equal.push(Equal { column: column.to_owned(), with });
            }
        }
    }

    fn condition(&mut self, expr: &Expr, scopes: &[Scope]) {
        match expr {
            Expr::Nested(inner) => self.condition(inner, scopes),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.condition(left, scopes);
                self.condition(right, scopes);
            }
            Expr::BinaryOp { left, op, right } => self.comparison(left, op, right, scopes),
            Expr::Between { expr, negated: false, low, high } => {
                self.bound(expr, false, low, scopes);
                self.bound(expr, true, high, scopes);
            }
            Expr::InList { expr: column, list, negated: false } => {
                let Some(Found::Column(at, name)) = self.resolve(column, scopes) else { return };
                let constant = list.iter().all(|item| matches!(self.side(item, scopes, at, &name, None), Some(With::Constant(_))));
                if constant {
                    self.constant(at, &name, expr);
                }
                self.reading.uses[at].equal.push(Equal { column: name, with: With::Known });
            }
            Expr::InSubquery { expr: column, negated: false, .. } => {
                if let Some(Found::Column(at, column)) = self.resolve(column, scopes) {
                    self.reading.uses[at].equal.push(Equal { column, with: With::Known });
                }
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                if let Some(Found::Column(at, column)) = self.resolve(left, scopes) {
                    if let Some(number) = parameter_within(right) {
                        self.reading.meanings.entry(number).or_insert(Meaning::Array { of: at, column: column.clone() });
                    }
                    self.reading.uses[at].equal.push(Equal { column, with: With::Known });
                }
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                let Some(Found::Column(at, column)) = self.resolve(inner, scopes) else { return };
                self.constant(at, &column, expr);
                if matches!(expr, Expr::IsNull(_)) {
                    self.reading.uses[at].equal.push(Equal { column, with: With::Constant("null".into()) });
                }
            }
            _ => {}
        }
    }

    fn comparison(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, scopes: &[Scope]) {
        match op {
            BinaryOperator::Eq => {
                self.equals(left, right, scopes);
                self.equals(right, left, scopes);
            }
            BinaryOperator::NotEq => {
                if let Some(Found::Column(at, column)) = self.resolve(left, scopes)
                    && let Some(With::Constant(value)) = self.side(right, scopes, at, &column, None)
                {
                    let text = format!("{} <> {value}", crate::sql::quoted(&column));
                    self.reading.uses[at].constant.push((column, text));
                }
            }
            BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq => {
                let upper = matches!(op, BinaryOperator::Lt | BinaryOperator::LtEq);
                // Pages by key compare rows of values: the first of them is what an index can begin at.
                if let (Expr::Tuple(lefts), Expr::Tuple(rights)) = (left, right) {
                    for (i, (left, right)) in lefts.iter().zip(rights).enumerate() {
                        match self.resolve(left, scopes) {
                            Some(Found::Column(at, column)) if i > 0 => drop(self.side(right, scopes, at, &column, Some(upper))),
                            _ => self.bound(left, upper, right, scopes),
                        }
                    }
                    return;
                }
                self.bound(left, upper, right, scopes);
                self.bound(right, !upper, left, scopes);
            }
            _ => {}
        }
    }

    fn equals(&mut self, column: &Expr, other: &Expr, scopes: &[Scope]) {
        let Some(Found::Column(at, column)) = self.resolve(column, scopes) else { return };
        let Some(with) = self.side(other, scopes, at, &column, None) else { return };
        if matches!(with, With::Column(same, _) if same == at) {
            return;
        }
        if let With::Constant(value) = &with {
            let text = format!("{} = {value}", crate::sql::quoted(&column));
            self.reading.uses[at].constant.push((column.clone(), text));
        }
        let equal = Equal { column, with };
        if !self.reading.uses[at].equal.contains(&equal) {
            self.reading.uses[at].equal.push(equal);
        }
    }

    fn bound(&mut self, column: &Expr, upper: bool, other: &Expr, scopes: &[Scope]) {
        let Some(Found::Column(at, column)) = self.resolve(column, scopes) else { return };
        let Some(with) = self.side(other, scopes, at, &column, Some(upper)) else { return };
        if matches!(with, With::Column(same, _) if same == at) {
            return;
        }
        if let With::Constant(value) = &with {
            let sign = if upper { "<=" } else { ">=" };
            let text = format!("{} {sign} {value}", crate::sql::quoted(&column));
            self.reading.uses[at].constant.push((column.clone(), text));
        }
        self.reading.uses[at].bounds.push(Bound { column, upper, with });
    }

    /// What the other side of a comparison is; notes what its parameters mean.
    fn side(&mut self, other: &Expr, scopes: &[Scope], of: usize, column: &str, bound: Option<bool>) -> Option<With> {
        let meaning = Meaning::Column { of, column: column.to_owned(), bound };
        if let Some(number) = parameter_within(other) {
            self.reading.meanings.entry(number).or_insert(meaning);
            return Some(With::Parameter(number));
        }
        match self.resolve(other, scopes) {
            Some(Found::Column(at, column)) => return Some(With::Column(at, column)),
            Some(Found::RowSet(at)) => {
                self.reading.row_meanings.entry(at).or_insert(meaning);
                return Some(With::RowSet(at));
            }
            None => {}
        }
        match other {
            Expr::Value(value) if !matches!(value.value, Value::Placeholder(_)) => Some(With::Constant(other.to_string())),
            Expr::Cast { expr, .. } if matches!(expr.as_ref(), Expr::Value(_)) => Some(With::Constant(other.to_string())),
            Expr::UnaryOp { expr, .. } if matches!(expr.as_ref(), Expr::Value(_)) => Some(With::Constant(other.to_string())),
            Expr::Nested(inner) => self.side(inner, scopes, of, column, bound),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => None,
            _ => {
                let mut inner = Parameters::default();
                let _whole = other.visit(&mut inner);
                for number in inner.0 {
                    let meaning = Meaning::Column { of, column: column.to_owned(), bound };
                    self.reading.meanings.entry(number).or_insert(meaning);
                }
                Some(With::Known)
            }
        }
    }

    fn constant(&mut self, at: usize, column: &str, expr: &Expr) {
        // Within an index a column stands without its table's name.
        let text = match expr {
            Expr::IsNull(_) => format!("{} is null", crate::sql::quoted(column)),
            Expr::IsNotNull(_) => format!("{} is not null", crate::sql::quoted(column)),
            Expr::InList { list, .. } => {
                let list: Vec<String> = list.iter().map(ToString::to_string).collect();
                format!("{} in ({})", crate::sql::quoted(column), list.join(", "))
            }
            _ => return,
        };
        self.reading.uses[at].constant.push((column.to_owned(), text));
    }
}

/// The numbers of the parameters within an expression.
#[derive(Default)]
struct Parameters(Vec<usize>);

impl Visitor for Parameters {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Value(_) = expr {
            self.0.extend(parameter_within(expr));
        }
        ControlFlow::Continue(())
    }
}
