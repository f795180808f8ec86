//! Statements as they come, with parameters, arrays, pages by key, locks and row sets, are planned and advised on, on both engines;
//! and what else is wrong with a database is found. Refuses to be content with statements without parameters.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has failed, and shows what it saw")]

#[path = "ground/database.rs"]
mod ground;

use db::statistics::Repeated;
use db::{Column, Engine, Statement};
use ground::Ground;
use insight::{Depth, Item};

const TABLES: &str = "
    create table s_big (id BIGKEY, owner bigint not null, kind text not null, at bigint not null, note text);
    insert into s_big (id, owner, kind, at, note)
    with recursive c(n) as (select 1 union all select n + 1 from c where n < 120000)
    select n, n * 7919 % 20000, case when n % 300 = 0 then 'rare' else 'usual' end, n * 31 % 400000, null from c;
    create index s_kind on s_big (kind);
    create index s_kind_at on s_big (kind, at);";

static BY_ROWS: Statement =
    Statement::new("s.by_rows", "select b.id, b.note from rows r join s_big b on b.owner = r.owner {for update of b}")
        .rows(&[("owner", Column::Int), ("amount", Column::Int)]);
static CHANGE_BY_ROWS: Statement =
    Statement::new("s.change_by_rows", "update s_big set note = r.note from rows r where s_big.owner = r.owner and s_big.at < $2")
        .rows(&[("owner", Column::Int), ("note", Column::Text)]);

fn items(engine: Engine) -> Vec<Item> {
    let item =
        |name: &str, text: &str| Item { name: name.into(), text: text.into(), calls: 10, rows: 10, total_us: 50_000.0, ..Item::default() };
    let mut items = vec![
        item("s.by_owner", "select id from s_big where owner = $1"),
        item("s.page", "select id, at from s_big where owner = $1 and (at, id) > ($2, $3) order by at, id limit $4"),
        item("s.in", "select id from s_big b where b.owner in ($1, $2, $3) and b.note is null"),
        item(
            "s.exists",
            "select count(*) from s_big a where a.kind = 'rare' and exists (select 1 from s_big b where b.owner = a.owner and b.at > $1)",
        ),
        item("s.delete", "delete from s_big where owner = $1 and at between $2 and $3"),
        item("s.union", "select id from s_big where owner = $1 union all select id from s_big where kind = $2 limit 5"),
        item("s.insert", "insert into s_big (id, owner, kind, at) values ($1, $2, $3, $4)"),
        item("s.cte", "with mine as (select id, at from s_big where owner = $1) select max(at) from mine where id > $2"),
    ];
    if engine == Engine::Postgres {
        items.push(item("s.any", "select id from s_big where owner = any($1)"));
    }
    items.push(item(BY_ROWS.name(), BY_ROWS.text(engine)));
    items.push(item(CHANGE_BY_ROWS.name(), CHANGE_BY_ROWS.text(engine)));
    items
}

async fn every_statement_is_planned_and_what_is_wrong_is_found(ground: Ground) {
    let key = if ground.is_sqlite() { "integer primary key" } else { "bigint primary key" };
    ground.db.plain(&TABLES.replace("BIGKEY", key)).await.unwrap();
    if !ground.is_sqlite() {
        // SQLite is asked without statistics of its own, as a file that nobody analysed.
        ground.db.analyse().await.unwrap();
    }
    let repeated = Repeated { route: "GET /v1/x".into(), statement: "s.by_owner".into(), requests: 3, most: 40, calls: 99 };
    let mut database = ground.reading().await;
    let engine = database.engine();
    let examined = insight::examine(&mut database, items(engine), &[repeated], Depth::ALL).await.unwrap();
    let report = examined.report;
    assert_eq!(report.notes, Vec::<String>::new());
    for told in &report.statements {
        assert_eq!(told.trouble, None, "{}: {}", told.name, told.text);
        // SQLite has nothing to plan about an insert of values.
        let planned = !told.plan.as_ref().unwrap().tree.is_empty();
        assert!(planned || (told.name == "s.insert" && engine == Engine::Sqlite), "{} has a plan", told.name);
    }
    let advised = report.advice.iter().find(|one| one.columns[0] == "owner").expect("an index that begins with the owner");
    for name in ["s.by_owner", "s.page", "s.by_rows", "s.delete"] {
        let by_owner = report.advice.iter().filter(|one| one.columns[0] == "owner");
        assert!(by_owner.flat_map(|one| &one.serves).any(|served| served.name == name), "{name} is served: {:#?}", report.advice);
    }
    assert!(advised.write_price.by.contains(&"s.insert".to_owned()), "{advised:?}");
    let kinds: Vec<(&str, &str)> = report.findings.iter().map(|one| (one.kind.as_str(), one.about.as_str())).collect();
    assert!(kinds.contains(&("duplicate-index", "s_kind")), "{kinds:?}");
    assert!(kinds.contains(&("repeated-statement", "GET /v1/x")), "{kinds:?}");
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_is_planned_and_what_is_wrong_is_found_on_sqlite() {
    every_statement_is_planned_and_what_is_wrong_is_found(Ground::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_is_planned_and_what_is_wrong_is_found_on_postgres() {
    if let Some(ground) = Ground::postgres("statements").await {
        every_statement_is_planned_and_what_is_wrong_is_found(ground).await;
    }
}
