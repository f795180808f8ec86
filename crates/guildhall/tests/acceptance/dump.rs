//! Every row of every table as text, so that "nothing changed" can be said of the whole database.

use db::{Db, Engine, Statement};
use std::collections::BTreeMap;

static TABLES: Statement = Statement::new(
    "test.tables",
    "select m.name, c.name
     from sqlite_master m join pragma_table_info(m.name) c
     where m.type = 'table' and m.name not like 'sqlite%' and m.name not like '%sqlx%' and m.name not like 'kept_%'
     order by m.name, c.cid",
)
.on_postgres(
    "select cast(table_name as text), cast(column_name as text)
     from information_schema.columns
     where table_schema = 'public' and table_name not like '%sqlx%' and table_name not like 'kept_%'
     order by table_name, ordinal_position",
);

/// The tables with their columns.
pub(super) async fn tables(db: &Db) -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in db.fetch(&TABLES, &[], |row| Ok((row.text(0)?, row.text(1)?))).await.unwrap() {
        tables.entry(table).or_default().push(column);
    }
    assert!(tables.len() > 20, "the tables are found: {tables:?}");
    tables
}

/// Reads all tables of a database again and again.
pub(super) struct Dumper {
    /// A statement has to live for good, so each is made once.
    statements: Vec<(String, &'static Statement)>,
}

impl Dumper {
    pub(super) async fn of(db: &Db) -> Dumper {
        let statement = |(table, columns): (String, Vec<String>)| {
            let shown: Vec<String> = columns.iter().map(|column| shown(db.engine(), column)).collect();
            let text = format!("select {} from {table} order by 1", shown.join(" || ',' || "));
            (table, &*Box::leak(Box::new(Statement::new("test.dump", text.leak()))))
        };
        Dumper { statements: tables(db).await.into_iter().map(statement).collect() }
    }

    /// Each table's rows, sorted.
    pub(super) async fn dump(&self, db: &Db) -> BTreeMap<String, Vec<String>> {
        let mut dump = BTreeMap::new();
        let mut read = db.read().await.unwrap();
        for (table, statement) in &self.statements {
            dump.insert(table.clone(), read.fetch(statement, &[], |row| row.text(0)).await.unwrap());
        }
        dump
    }
}

/// What differs between two dumps, for a person to read.
pub(super) fn difference(before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for (table, rows) in before {
        found.extend(rows.iter().filter(|row| !after[table].contains(row)).map(|row| format!("{table}: - {row}")));
        found.extend(after[table].iter().filter(|row| !rows.contains(row)).map(|row| format!("{table}: + {row}")));
    }
    found
}

fn shown(engine: Engine, column: &str) -> String {
    match engine {
        Engine::Sqlite => format!("quote({column})"),
        Engine::Postgres => format!("coalesce(cast({column} as text), 'null')"),
    }
}
