//! Visits on Postgres: a role per game that logs in as itself, reads the views and has no other right.
//! Refuses recipes where the program's own role may not make such roles, and says so.
//!
//! The role logs in by itself, because a session that only took it on (`set role`) could leave it from within a query, by `set_config`.

mod look;

use super::text::{Foreign, Hold};
use super::wrap::{Around, quoted};
use super::{CHECK_MAX, Fault, Order, Passwords, Returned, Trouble, View, Visit, allowed, plan};
use crate::engine::Target;
use crate::{Engine, Error, Value};
use futures::TryStreamExt as _;
use kernel::{Code, GameId, Refusal};
use parking_lot::Mutex;
use serde_json::Value as Json;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection};
use sqlx::{
    Arguments as _, AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Executor as _, Row as _, SqlSafeStr as _,
    Statement as _, TypeInfo as _,
};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// The schema of the views.
const SCHEMA: &str = "guildhall_recipe";
/// What roles' names begin with; five characters that tell the database follow, since roles belong to the whole server.
const ROLE: &str = "guildhall_recipe_";
/// What of a role's name comes before its game: with the database's mark and a hyphen that game ids may begin with none of.
const GAME_AT: usize = ROLE.len() + 6;
/// Held while roles and views are made, so that two processes do not make them at once.
const MAKING: i64 = 0x6775_696c_6468_616c;

/// Where visits are made.
pub(super) struct House {
    options: PgConnectOptions,
    views: &'static [View],
    passwords: Passwords,
    /// Games whose roles are known to be there.
    ready: Mutex<HashSet<GameId>>,
}

impl House {
    pub(super) fn of(url: &str, views: &'static [View], passwords: Passwords) -> Result<House, Error> {
        match Target::parse(url, u64::try_from(CHECK_MAX.as_millis()).unwrap_or_default())? {
            Target::Postgres(options) => Ok(House { options: *options, views, passwords, ready: Mutex::default() }),
            Target::Sqlite(_) => Err(Error::Broken("a visit on Postgres needs a server".to_owned())),
        }
    }

    /// A connection of the program's own role.
    async fn own(&self) -> Result<PgConnection, Error> {
        PgConnection::connect_with(&self.options).await.map_err(|e| Error::Gone(e.to_string()))
    }

    /// Makes the role of a game again before its next visit.
    pub(super) fn forget(&self, game: &GameId) {
        self.ready.lock().remove(game);
    }

    /// A connection as the game's role.
    pub(super) async fn open(&self, game: &GameId) -> Result<Guest, Error> {
        let known = self.ready.lock().contains(game);
        let mut own = self.own().await?;
        let role = role(&mut own, game).await?;
        if !known {
            self.make(&mut own, &role).await?;
            self.ready.lock().insert(game.clone());
        }
        let connected = match self.log_in(&role).await {
            // Its password is of another key, as after the key was changed.
            Err(error) if error.as_database_error().is_some_and(|e| e.code().is_some_and(|code| code.starts_with("28"))) => {
                self.make(&mut own, &role).await?;
                self.log_in(&role).await
            }
            other => other,
        };
        drop(own.close().await);
        connected.map(|connection| Guest { connection, stale: false }).map_err(|e| Error::Gone(format!("role {role}: {e}")))
    }

    async fn log_in(&self, role: &str) -> Result<PgConnection, sqlx::Error> {
        let options = self.options.clone().username(role).password(&(self.passwords)(role)).application_name("guildhall recipe").options([
            ("search_path", SCHEMA),
            ("default_transaction_read_only", "on"),
            ("work_mem", "8MB"),
            ("max_parallel_workers_per_gather", "0"),
            ("lock_timeout", "1s"),
            ("idle_in_transaction_session_timeout", "15s"),
        ]);
        PgConnection::connect_with(&options.disable_statement_logging()).await
    }

    /// Makes the views, where they are not the ones of this program, and the role with its rights.
    async fn make(&self, own: &mut PgConnection, role: &str) -> Result<(), Error> {
        self.make_views(own).await?;
        self.try_role(own, role).await.map_err(|e| self.may_not(e, role))
    }

    /// Makes the views, where they are not the ones of this program.
    async fn make_views(&self, own: &mut PgConnection) -> Result<(), Error> {
        self.try_views(own).await.map_err(|e| self.may_not(e, "the schema of their views"))
    }

    fn may_not(&self, error: sqlx::Error, what: &str) -> Error {
        match error.as_database_error() {
            Some(refused) if refused.code().as_deref() == Some("42501") => {
                let (own, told) = (self.options.get_username(), refused.message());
                let told = format!(
                    "recipes need a database role for each game, and the program's own role {own} may not make {what} ({told}): \
                     `alter role {own} createrole` and `grant create on database` would be right"
                );
                Refusal::new(Code::Unavailable, told).into()
            }
            _ => Error::of_postgres("visitor.make", error),
        }
    }

    async fn try_views(&self, own: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut tx = own.begin().await?;
        sqlx::query("select pg_advisory_xact_lock($1)").bind(MAKING).execute(&mut *tx).await?;
        let wanted = self.views_text();
        let there: Option<String> =
            sqlx::query_scalar("select obj_description(to_regnamespace($1)::oid, 'pg_namespace')").bind(SCHEMA).fetch_one(&mut *tx).await?;
        if there.as_deref() != Some(&wanted) {
            let made = format!(
                "drop schema if exists {SCHEMA} cascade; create schema {SCHEMA}; {wanted} comment on schema {SCHEMA} is '{}'",
                wanted.replace('\'', "''")
            );
            sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut *tx).await?;
        }
        tx.commit().await
    }

    async fn try_role(&self, own: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
        let mut tx = own.begin().await?;
        sqlx::query("select pg_advisory_xact_lock($1)").bind(MAKING).execute(&mut *tx).await?;
        let exists: bool =
            sqlx::query_scalar("select exists (select 1 from pg_roles where rolname = $1)").bind(role).fetch_one(&mut *tx).await?;
        let (verb, name, password) = (if exists { "alter" } else { "create" }, quoted(role), (self.passwords)(role).replace('\'', "''"));
        let made = format!(
            "{verb} role {name} login noinherit nocreatedb nocreaterole connection limit 50 password '{password}';
             grant usage on schema {SCHEMA} to {name}; grant select on all tables in schema {SCHEMA} to {name}"
        );
        sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut *tx).await?;
        // Only a superuser may bound what a role writes to temporary files; elsewhere the time limit does.
        let superuser: bool = sqlx::query_scalar("select rolsuper from pg_roles where rolname = current_user").fetch_one(&mut *tx).await?;
        if superuser {
            let bounded = format!("alter role {name} set temp_file_limit = '256MB'");
            sqlx::raw_sql(AssertSqlSafe(bounded)).execute(&mut *tx).await?;
        }
        tx.commit().await
    }

    /// The views' definitions. A view that is a barrier evaluates nothing of a query on rows of other games.
    fn views_text(&self) -> String {
        // A name of a role has the collation "C"; compared by that one, the tables' indexes would not serve.
        let game = format!("substr(cast(current_user as text), {}) collate \"default\"", GAME_AT + 1);
        let one = |view: &View| {
            format!(
                "create view {SCHEMA}.{} with (security_barrier = true) as {};\n",
                quoted(view.name),
                view.select.replace("{game}", &game)
            )
        };
        self.views.iter().map(one).collect()
    }

    /// Whether a table holds more rows than that, of all games.
    pub(super) async fn holds_more(&self, table: &str, rows: u64) -> Result<bool, Error> {
        if !self.views.iter().any(|view| view.tables.contains(&table)) {
            return Ok(false);
        }
        let most = i64::try_from(rows).unwrap_or(i64::MAX - 1);
        let text = format!("select count(*) from (select 1 from {} limit {}) as counted", quoted(table), most + 1);
        let mut own = self.own().await?;
        let counted: Result<i64, sqlx::Error> = sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&mut own).await;
        drop(own.close().await);
        counted.map(|counted| counted > most).map_err(|e| Error::of_postgres("visitor.count", e))
    }
}

/// The name of a game's role: the same for every process on this database, another one on each database of the server.
async fn role(own: &mut PgConnection, game: &GameId) -> Result<String, Error> {
    let mark: String = sqlx::query_scalar("select substr(md5(current_database()), 1, 5)")
        .fetch_one(own)
        .await
        .map_err(|e| Error::of_postgres("visitor.role", e))?;
    Ok(format!("{ROLE}{mark}_{game}"))
}

/// An open connection as a game's role.
pub(super) struct Guest {
    connection: PgConnection,
    /// The views or the role's rights are not as this program left them, or the connection is gone.
    pub(super) stale: bool,
}

impl Guest {
    /// The columns of a statement, and tables that it reads from end to end.
    pub(super) async fn check(&mut self, foreign: &Foreign, order: &[Order]) -> Result<(Vec<Returned>, BTreeSet<String>), Trouble> {
        self.begin(CHECK_MAX).await?;
        let checked = self.describe_and_explain(foreign, order).await;
        self.plain("rollback").await?;
        checked
    }

    async fn describe_and_explain(&mut self, foreign: &Foreign, order: &[Order]) -> Result<(Vec<Returned>, BTreeSet<String>), Trouble> {
        let rendered = foreign.render(Engine::Postgres, Hold::Argument);
        let described = (&mut self.connection).prepare(AssertSqlSafe(rendered.text.clone()).into_sql_str()).await;
        let described =
            described.map_err(|e| self.trouble(e, |at| Some(foreign.fault_at(rendered.original(at), String::new())), &rendered.text))?;
        let columns: Vec<Returned> = described
            .columns()
            .iter()
            .map(|column| Returned { name: column.name().to_owned(), kind: column.type_info().name().to_owned() })
            .collect();
        drop(described);
        if let Some(odd) = columns.iter().find(|column| !allowed::ANSWERS.contains(&column.kind.as_str())) {
            let what = format!("column {:?} has the type {}: `cast({0} as text)` would be right", odd.name, odd.kind);
            return Err(Fault::of(what).into());
        }
        let around = Around {
            engine: Engine::Postgres,
            columns: &columns,
            order,
            after: None,
            arguments: foreign.parameters().len(),
            rows: 10,
            row_bytes: 1 << 20,
        };
        let full = self.explain(foreign, &around.render(&rendered.text)).await?;
        Ok((columns, full))
    }

    /// The plan that serves any arguments: one made for nulls would leave out what nulls never reach.
    async fn explain(&mut self, foreign: &Foreign, whole: &str) -> Result<BTreeSet<String>, Trouble> {
        let kinds: Vec<&str> = foreign.parameters().iter().map(|parameter| parameter.kind.postgres()).collect();
        let nulls = vec!["null"; kinds.len()].join(", ");
        let (kinds, nulls) =
            if kinds.is_empty() { (String::new(), String::new()) } else { (format!("({})", kinds.join(", ")), format!("({nulls})")) };
        // A small table is read whole because that is quicker; what matters is whether an index would serve once it is large.
        self.plain("set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off").await?;
        // As a statement of its own over the extended protocol, which takes no second one.
        let prepared = sqlx::query(AssertSqlSafe(format!("prepare guildhall_visit{kinds} as {whole}")))
            .persistent(false)
            .execute(&mut self.connection)
            .await;
        prepared.map_err(|e| self.trouble(e, |_| None, whole))?;
        let text = format!("explain (format json) execute guildhall_visit{nulls}");
        let explained = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch_one(&mut self.connection).await;
        let explained = explained.map_err(|e| self.trouble(e, |_| None, whole))?;
        self.plain("deallocate guildhall_visit").await?;
        let plan: Json = explained.try_get(0).map_err(|e| Error::Broken(format!("visitor.explain: {e}")))?;
        Ok(plan::full_on_postgres(&plan))
    }

    /// Runs a statement.
    pub(super) async fn run(&mut self, visit: &Visit<'_>) -> Result<Vec<Vec<Json>>, Trouble> {
        let rendered = visit.foreign.render(Engine::Postgres, Hold::Argument);
        let around = Around {
            engine: Engine::Postgres,
            columns: visit.columns,
            order: visit.order,
            after: visit.after,
            arguments: visit.values.len(),
            rows: visit.rows_max,
            row_bytes: visit.bytes_max,
        };
        let text = around.render(&rendered.text);
        self.begin(visit.time_max).await?;
        let mut arguments = PgArguments::default();
        for value in visit.values.iter().chain(visit.after.unwrap_or_default()) {
            add(&mut arguments, value);
        }
        let found = self.fetch(&text, arguments, visit.bytes_max).await;
        if found.is_ok() {
            self.plain("rollback").await?;
        }
        found
    }

    async fn fetch(&mut self, text: &str, arguments: PgArguments, bytes_max: usize) -> Result<Vec<Vec<Json>>, Trouble> {
        let (mut found, mut bytes, mut failure) = (Vec::new(), 0, None);
        {
            let mut rows = sqlx::query_with(AssertSqlSafe(text.to_owned()), arguments).persistent(false).fetch(&mut self.connection);
            loop {
                let row = match rows.try_next().await {
                    Ok(Some(row)) => row,
                    Ok(None) => break,
                    Err(e) => {
                        failure = Some(e);
                        break;
                    }
                };
                let Some(cells) = row.try_get::<Option<String>, _>(0).map_err(|e| Error::Broken(format!("visitor.run: {e}")))? else {
                    return Err(Trouble::TooLarge);
                };
                bytes += cells.len();
                if bytes > bytes_max {
                    return Err(Trouble::TooLarge);
                }
                found.push(serde_json::from_str(&cells).map_err(|e| Error::Broken(format!("visitor.run: {e}")))?);
            }
        }
        match failure {
            None => Ok(found),
            Some(e) => Err(self.trouble(e, |_| None, text)),
        }
    }

    async fn begin(&mut self, time_max: Duration) -> Result<(), Error> {
        self.plain(&format!("begin transaction read only; set local statement_timeout = {}", time_max.as_millis().max(1))).await
    }

    async fn plain(&mut self, text: &str) -> Result<(), Error> {
        let ran = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut self.connection).await;
        ran.map(drop).map_err(|e| {
            self.stale = true;
            Error::of_postgres("visitor.plain", e)
        })
    }

    /// What an error of the server means to whoever wrote the statement.
    fn trouble(&mut self, error: sqlx::Error, place: impl Fn(usize) -> Option<Fault>, text: &str) -> Trouble {
        let trouble = trouble(error, place, text);
        self.stale |= matches!(trouble, (_, true));
        trouble.0
    }
}

fn add(arguments: &mut PgArguments, value: &Value<'static>) {
    match value {
        Value::Null => arguments.add(None::<String>),
        Value::Int(number) => arguments.add(*number),
        Value::Text(text) => arguments.add(text.clone().into_owned()),
        Value::Bytes(bytes) => arguments.add(bytes.clone().into_owned()),
    }
    .expect("numbers, text and bytes always encode");
}

/// Sorts an error; true when views or rights may have changed since the connection was opened, or it is gone.
fn trouble(error: sqlx::Error, place: impl Fn(usize) -> Option<Fault>, text: &str) -> (Trouble, bool) {
    let Some(refused) = error.as_database_error() else { return (Error::of_postgres("visitor.run", error).into(), true) };
    let code = refused.code().unwrap_or_default().into_owned();
    match code.as_str() {
        "57014" => return (Trouble::TooLong, false),
        // too many bytes in a temporary file, out of memory, a value of more than a gigabyte
        "53400" | "53200" | "54000" => return (Trouble::TooLarge, false),
        other if other.starts_with("08") || other.starts_with("57") || other.starts_with("53") || other.starts_with("58") => {
            return (Error::of_postgres("visitor.run", error).into(), true);
        }
        _ => {}
    }
    let refused = refused.downcast_ref::<sqlx::postgres::PgDatabaseError>();
    let mut what = refused.message().to_owned();
    if let Some(hint) = refused.hint() {
        what = format!("{what} ({})", hint.trim_end_matches('.').to_lowercase());
    }
    let at = match refused.position() {
        Some(sqlx::postgres::PgErrorPosition::Original(character)) => {
            text.char_indices().nth(character.saturating_sub(1)).map(|(at, _)| at)
        }
        _ => None,
    };
    let fault = match at.and_then(place) {
        Some(placed) => Fault { what, ..placed },
        None => Fault::of(what),
    };
    (fault.into(), matches!(code.as_str(), "42501" | "42P01" | "3F000"))
}
