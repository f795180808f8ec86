//! Reads a schema from a SQLite file. Refuses to count the rows of a table that has statistics.

use super::{Column, Index, Schema, Table, number, whole};
use db::{Error, Inspector};
use std::collections::HashMap;

/// What finding a row by its own number is called among the indexes.
const ROW_NUMBER: &str = "(row number)";
/// Sizes are read page by page: above this many pages they are estimated instead.
const PAGES_MAX: f64 = 400_000.0;

const TABLES: &str = "
    select l.name, l.wr
    from pragma_table_list l
    where l.schema = 'main' and l.type = 'table' and l.name not like 'sqlite\\_%' escape '\\'
    order by l.name";
const COLUMNS: &str = "
    select l.name, c.name, c.type, c.pk
    from pragma_table_list l
    join pragma_table_info(l.name) c
    where l.schema = 'main' and l.type = 'table'
    order by l.name, c.cid";
const INDEXES: &str = "
    select l.name, i.name, i.\"unique\", i.origin, x.name, s.sql
    from pragma_table_list l
    join pragma_index_list(l.name) i
    join pragma_index_xinfo(i.name) x
    left join sqlite_schema s on s.type = 'index' and s.name = i.name
    where l.schema = 'main' and l.type = 'table' and x.key = 1
    order by l.name, i.name, x.seqno";

pub(super) async fn read(database: &mut Inspector) -> Result<Schema, Error> {
    let mut schema = Schema::default();
    for cells in database.query(TABLES).await? {
        let name = cells[0].clone().unwrap_or_default();
        let table = Table { name: name.clone(), has_rowid: cells[1].as_deref() == Some("0"), ..Table::default() };
        schema.tables.insert(name, table);
    }
    for cells in database.query(COLUMNS).await? {
        if let Some(table) = cells[0].as_ref().and_then(|name| schema.tables.get_mut(name)) {
            let column = Column {
                name: cells[1].clone().unwrap_or_default(),
                kind: cells[2].clone().unwrap_or_default().to_lowercase(),
                width: None,
            };
            // A key of one whole number is the row's own number: rows are found by it without an index.
            if table.has_rowid && column.kind == "integer" && cells[3].as_deref() == Some("1") {
                let columns = vec![column.name.clone()];
                table.indexes.push(Index { name: ROW_NUMBER.into(), columns, unique: true, owned: true, valid: true, ..Index::default() });
            }
            table.columns.push(column);
        }
    }
    let sizes = sizes(database).await?;
    for cells in database.query(INDEXES).await? {
        let Some(table) = cells[0].as_ref().and_then(|name| schema.tables.get_mut(name)) else { continue };
        let name = cells[1].clone().unwrap_or_default();
        if table.indexes.last().is_none_or(|index| index.name != name) {
            table.indexes.push(Index {
                bytes: sizes.get(&name).copied(),
                name,
                unique: cells[2].as_deref() == Some("1"),
                owned: cells[3].as_deref() != Some("c"),
                predicate: cells[5].as_deref().and_then(predicate_of),
                valid: true,
                ..Index::default()
            });
        }
        let index = table.indexes.last_mut().expect("pushed just now, or there before");
        index.columns.push(cells[4].clone().unwrap_or_default());
    }
    count(database, &mut schema, &sizes).await?;
    Ok(schema)
}

async fn count(database: &mut Inspector, schema: &mut Schema, sizes: &HashMap<String, u64>) -> Result<(), Error> {
    let known = !database.query("select 1 from sqlite_schema where name = 'sqlite_stat1'").await?.is_empty();
    let mut counted = HashMap::new();
    if known {
        for cells in database.query("select tbl, max(cast(stat as integer)) from sqlite_stat1 group by tbl").await? {
            counted.insert(cells[0].clone().unwrap_or_default(), number(cells[1].as_ref()));
        }
    }
    for table in schema.tables.values_mut() {
        table.bytes = sizes.get(&table.name).copied().unwrap_or_default();
        table.analysed = counted.contains_key(&table.name);
        table.rows = match counted.get(&table.name) {
            Some(rows) => *rows,
            None => {
                let rows = database.query(&format!("select count(*) from {}", crate::sql::quoted(&table.name))).await?;
                number(rows[0][0].as_ref())
            }
        };
    }
    Ok(())
}

/// Bytes of each table and index.
async fn sizes(database: &mut Inspector) -> Result<HashMap<String, u64>, Error> {
    let pages = database.query("pragma page_count").await?;
    if number(pages[0][0].as_ref()) > PAGES_MAX {
        return Ok(HashMap::new());
    }
    let rows = database.query("select name, pgsize from dbstat where aggregate = true").await?;
    Ok(rows.into_iter().map(|cells| (cells[0].clone().unwrap_or_default(), whole(number(cells[1].as_ref())))).collect())
}

/// What stands behind `where` in the text that made the index.
fn predicate_of(sql: &str) -> Option<String> {
    let at = sql.to_lowercase().rfind(" where ")?;
    Some(sql[at + " where ".len()..].trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::predicate_of;

    #[test]
    fn the_predicate_of_a_partial_index_is_read_from_its_text() {
        assert_eq!(predicate_of("create index i on t (a) WHERE b = 'x y'").as_deref(), Some("b = 'x y'"));
        assert_eq!(predicate_of("create index i on t (a)"), None);
    }
}
