//! What a foreign statement names, asked of Postgres itself: it is given as a view in a transaction that is taken back, and its tree is read.
//! Refuses data-modifying statements (a view may hold none), relations that are no views of ours, and functions that are not listed.

use super::super::text::{Foreign, Hold, Rendered};
use super::super::tree::{self, Named};
use super::super::{Fault, Trouble, allowed, not_a_view};
use super::{House, SCHEMA, trouble};
use crate::{Engine, Error};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use std::collections::BTreeSet;

/// The view in which the statement is looked at.
const VIEW: &str = "guildhall_recipe_look";

impl House {
    /// Looks at what a statement names.
    pub(in super::super) async fn look(&self, foreign: &Foreign) -> Result<(), Trouble> {
        let mut own = self.own().await?;
        self.make_views(&mut own).await?;
        let faults = faults(&mut own, self, foreign).await;
        drop(own.close().await);
        match faults? {
            faults if faults.is_empty() => Ok(()),
            faults => Err(Trouble::Faults(faults)),
        }
    }
}

async fn faults(own: &mut PgConnection, house: &House, foreign: &Foreign) -> Result<Vec<Fault>, Trouble> {
    let broken = |e| Trouble::from(Error::of_postgres("visitor.look", e));
    let mut tx = own.begin().await.map_err(broken)?;
    let path = format!("set local search_path = {SCHEMA}; set local check_function_bodies = off");
    sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut *tx).await.map_err(broken)?;
    let rendered = foreign.render(Engine::Postgres, Hold::Null);
    let start = format!("create temp view {VIEW} as\n");
    let text = format!("{start}{}", rendered.text);
    // Over the extended protocol, which takes one statement only.
    let made = sqlx::query(AssertSqlSafe(text.clone())).persistent(false).execute(&mut *tx).await;
    made.map_err(|e| no_view(trouble(e, |at| place(foreign, &rendered, at, start.len()), &text).0, house))?;
    let (tree, own_id): (String, i64) =
        sqlx::query_as("select cast(ev_action as text), cast(ev_class as bigint) from pg_rewrite where ev_class = cast($1 as regclass)")
            .bind(format!("pg_temp.{VIEW}"))
            .fetch_one(&mut *tx)
            .await
            .map_err(broken)?;
    let mut named = tree::read(&tree);
    named.relations.remove(&own_id);
    let mut faults = judge(&named);
    faults.extend(relations(&mut tx, house, foreign, &named.relations).await.map_err(broken)?);
    faults.extend(functions(&mut tx, foreign, &named.functions).await.map_err(broken)?);
    faults.extend(types(&mut tx, &named.types).await.map_err(broken)?);
    tx.rollback().await.map_err(broken)?;
    Ok(faults)
}

fn place(foreign: &Foreign, rendered: &Rendered, at: usize, start: usize) -> Option<Fault> {
    Some(foreign.fault_at(rendered.original(at.checked_sub(start)?), String::new()))
}

/// A name that is none on the views' path is told like a table that is there.
fn no_view(trouble: Trouble, house: &House) -> Trouble {
    let Trouble::Faults(faults) = trouble else { return trouble };
    let told = |fault: Fault| match fault.what.strip_prefix("relation \"").and_then(|rest| rest.strip_suffix("\" does not exist")) {
        Some(name) => Fault { what: not_a_view(name, house.views), ..fault },
        None => fault,
    };
    Trouble::Faults(faults.into_iter().map(told).collect())
}

fn judge(named: &Named) -> Vec<Fault> {
    let mut faults = Vec::new();
    if named.recursive {
        faults.push(Fault::of("`with recursive` is not for recipes: it can go on for ever".to_owned()));
    }
    if !named.foreign_operators.is_empty() {
        faults.push(Fault::of("an operator of an extension is not for recipes: those of Postgres itself are".to_owned()));
    }
    faults.extend(named.strange.iter().map(|node| {
        Fault::of(match node.as_str() {
            "RANGETBLFUNCTION" => "a function stands in `from`: a view would be right".to_owned(),
            "ROWMARKCLAUSE" => "`for update` locks rows: a recipe only reads".to_owned(),
            "SQLVALUEFUNCTION" => "words as current_user and current_timestamp are not for recipes: :game and :now are there".to_owned(),
            other => format!("the statement holds a {} of Postgres, which is not for recipes", other.to_lowercase()),
        })
    }));
    faults
}

fn ids(numbers: &BTreeSet<i64>) -> Vec<i64> {
    numbers.iter().copied().collect()
}

async fn relations(tx: &mut PgConnection, house: &House, foreign: &Foreign, named: &BTreeSet<i64>) -> Result<Vec<Fault>, sqlx::Error> {
    let found: Vec<(String, String)> = sqlx::query_as(
        "select n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where cast(c.oid as bigint) = any($1) order by 1, 2",
    )
    .bind(ids(named))
    .fetch_all(tx)
    .await?;
    let outside = found.into_iter().filter(|(schema, _)| schema != SCHEMA);
    let fault = |(_, name): (String, String)| foreign.fault_at_word(&name, not_a_view(&name, house.views));
    Ok(outside.map(fault).collect())
}

async fn functions(tx: &mut PgConnection, foreign: &Foreign, named: &BTreeSet<i64>) -> Result<Vec<Fault>, sqlx::Error> {
    let found: Vec<(String, String, bool)> = sqlx::query_as(
        "select n.nspname::text, p.proname::text, exists (select 1 from pg_cast k where k.castfunc = p.oid)
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace where cast(p.oid as bigint) = any($1) order by 2, 1",
    )
    .bind(ids(named))
    .fetch_all(tx)
    .await?;
    let closed = found.into_iter().filter(|(schema, name, casts)| schema != "pg_catalog" || !(*casts || allowed::on_postgres(name)));
    let fault = |(_, name, _): (String, String, bool)| {
        let what = format!("the function {name} is not for recipes: the page on recipes lists those that are");
        foreign.fault_at_word(&name, what)
    };
    Ok(closed.map(fault).collect())
}

async fn types(tx: &mut PgConnection, named: &BTreeSet<i64>) -> Result<Vec<Fault>, sqlx::Error> {
    let found: Vec<(String,)> = sqlx::query_as("select typname::text from pg_type where cast(oid as bigint) = any($1) order by 1")
        .bind(ids(named))
        .fetch_all(tx)
        .await?;
    let closed = found.into_iter().filter(|(name,)| !allowed::type_on_postgres(name));
    Ok(closed
        .map(|(name,)| Fault::of(format!("the type {name} is not for recipes: text, bigint, numeric or timestamptz would be right")))
        .collect())
}
