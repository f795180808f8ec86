//! Plans of Postgres with indexes that hypopg lets it imagine.
//! Refuses to install anything: where the extension is not made, its functions are borrowed for the session.

use super::{Asked, Verdict};
use crate::candidates::Candidate;
use crate::plan::{Plan, shown, total_cost};
use crate::schema::Schema;
use crate::sql::{literal, parameters};
use db::{Engine, Error, Inspector};

/// Sets of parameters whose costs are averaged.
const SETS: usize = 3;

const HOW: &str = "index advice on Postgres needs hypopg, which is not there: install the package postgresql-VERSION-hypopg on the server, \
                   then `create extension hypopg` in this database";

/// Functions of the session, where the extension's library is installed and the extension is not made.
const BORROWED: &str = "
    create or replace function pg_temp.hypopg_create_index(in sql_order text, out indexrelid oid, out indexname text)
        returns setof record language c volatile as '$libdir/hypopg', 'hypopg_create_index';
    create or replace function pg_temp.hypopg_reset() returns void language c volatile as '$libdir/hypopg', 'hypopg_reset';
    create or replace function pg_temp.hypopg_relation_size(indexid oid) returns bigint language c volatile
        as '$libdir/hypopg', 'hypopg_relation_size'";

/// Where hypopg's functions are.
pub(crate) struct Hypothetical {
    schema: String,
}

impl Hypothetical {
    pub(super) async fn find(database: &mut Inspector) -> Result<Hypothetical, String> {
        let told = |e: Error| e.to_string();
        let made = "select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'hypopg'";
        if let Some(cells) = database.query(made).await.map_err(told)?.first() {
            return Ok(Hypothetical { schema: crate::sql::quoted(cells[0].as_deref().unwrap_or("public")) });
        }
        let library = database.query("select 1 from pg_available_extensions where name = 'hypopg'").await.map_err(told)?;
        if library.is_empty() {
            return Err(HOW.to_owned());
        }
        // What a session makes for itself goes with it; the setting holds from the next transaction on.
        database.run("set default_transaction_read_only = off").await.map_err(told)?;
        let borrowed = database.run(BORROWED).await;
        database.run("set default_transaction_read_only = on").await.map_err(told)?;
        match borrowed {
            Ok(()) => Ok(Hypothetical { schema: "pg_temp".to_owned() }),
            Err(error) => {
                Err(format!("hypopg is installed but not made in this database ({error}): `create extension hypopg` would be right"))
            }
        }
    }

    pub(super) async fn cost(&self, database: &mut Inspector, asked: &Asked, with: &[&Candidate]) -> Result<Verdict, Error> {
        let schema = &self.schema;
        let mut imagine = format!("select {schema}.hypopg_reset()");
        for candidate in with {
            let ddl = literal(&candidate.ddl(Engine::Postgres, false));
            imagine.push_str(&format!("; select indexname from {schema}.hypopg_create_index({ddl})"));
        }
        let verdict = match database.query(&imagine).await {
            Ok(named) => {
                let names: Vec<String> = named.into_iter().skip(1).filter_map(|mut cells| cells.swap_remove(0)).collect();
                judged(database, asked, &names).await
            }
            Err(error) => Err(error),
        };
        self.forget(database).await?;
        verdict
    }

    pub(super) async fn size(&self, database: &mut Inspector, candidate: &Candidate) -> Option<u64> {
        let schema = &self.schema;
        let ddl = literal(&candidate.ddl(Engine::Postgres, false));
        let question = format!("select {schema}.hypopg_relation_size(indexrelid) from {schema}.hypopg_create_index({ddl})");
        let rows = database.query(&question).await;
        self.forget(database).await.ok()?;
        rows.ok()?.last()?.first()?.as_ref()?.parse().ok()
    }

    /// An imagined index that stayed would be in every plan of this connection from now on.
    async fn forget(&self, database: &mut Inspector) -> Result<(), Error> {
        database.run(&format!("select {}.hypopg_reset()", self.schema)).await
    }
}

async fn judged(database: &mut Inspector, asked: &Asked, names: &[String]) -> Result<Verdict, Error> {
    let mut verdict = Verdict::default();
    let mut asks = prepare(asked);
    let sets = asked.parameters.len().min(SETS);
    for literals in &asked.parameters[..sets] {
        asks.push_str("; explain (format json) ");
        asks.push_str(&execute("asked", &asked.text, literals));
    }
    for cells in database.query(&asks).await? {
        let json = cells.into_iter().next().flatten().unwrap_or_default();
        verdict.cost += total_cost(&json).unwrap_or(0.0) / sets as f64;
        for (at, name) in names.iter().enumerate() {
            if json.contains(&format!("\"{name}\"")) && !verdict.uses.contains(&at) {
                verdict.uses.push(at);
            }
        }
    }
    Ok(verdict)
}

pub(super) async fn plan(database: &mut Inspector, asked: &Asked, schema: &Schema) -> Result<Plan, Error> {
    let nothing = Vec::new();
    let literals = asked.parameters.first().unwrap_or(&nothing);
    let run = execute("asked", &asked.text, literals);
    let json = database.query(&format!("{}; explain (format json) {run}", prepare(asked))).await?;
    let json = json.into_iter().next().and_then(|cells| cells.into_iter().next().flatten()).unwrap_or_default();
    let lines = database.query(&format!("explain {run}")).await?;
    let lines = lines.into_iter().filter_map(|cells| cells.into_iter().next().flatten()).collect();
    Ok(Plan::of_postgres(&json, shown(lines), schema))
}

/// Typical values are planned for where there are any; without them the plan is the one for any value.
fn prepare(asked: &Asked) -> String {
    let known = asked.parameters.first().is_some_and(|literals| literals.iter().any(|literal| literal != "null"));
    let mode = if known { "force_custom_plan" } else { "force_generic_plan" };
    format!("deallocate all; set plan_cache_mode = {mode}; prepare asked as {}", asked.text)
}

/// Runs what was prepared under a name.
pub(super) fn execute(name: &str, text: &str, literals: &[String]) -> String {
    let count = parameters(text);
    if count == 0 {
        return format!("execute {name}");
    }
    let given: Vec<&str> = (0..count).map(|at| literals.get(at).map_or("null", String::as_str)).collect();
    format!("execute {name}({})", given.join(", "))
}
