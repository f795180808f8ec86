//! Reads a schema from Postgres's catalogues. Refuses tables that its search path does not show.

use super::{Column, Index, Schema, Table, number, whole};
use db::{Cells, Error, Inspector};

const TABLES: &str = "
    select c.relname, c.reltuples, pg_table_size(c.oid), c.oid, coalesce(s.n_live_tup, 0)
    from pg_class c
    left join pg_stat_user_tables s on s.relid = c.oid
    where c.relkind in ('r', 'p', 'm') and pg_table_is_visible(c.oid)
      and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      and c.relpersistence <> 't'
    order by c.relname";
const COLUMNS: &str = "
    select c.relname, a.attname, format_type(a.atttypid, null)
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'm') and pg_table_is_visible(c.oid)
      and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    order by c.relname, a.attnum";
const INDEXES: &str = "
    select t.relname, i.relname, x.indisunique, x.indisprimary or con.oid is not null, x.indisvalid,
           pg_get_expr(x.indpred, x.indrelid), pg_relation_size(i.oid), s.idx_scan,
           k.n > x.indnkeyatts, a.attname
    from pg_index x
    join pg_class i on i.oid = x.indexrelid
    join pg_class t on t.oid = x.indrelid
    cross join lateral generate_series(1, x.indnatts) as k(n)
    left join pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[k.n - 1] and a.attnum > 0
    left join pg_stat_user_indexes s on s.indexrelid = i.oid
    left join pg_constraint con on con.conindid = i.oid and con.contype in ('p', 'u', 'x')
    where pg_table_is_visible(t.oid)
      and t.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    order by t.relname, i.relname, k.n";

pub(super) async fn read(database: &mut Inspector) -> Result<Schema, Error> {
    let mut schema = Schema::default();
    for cells in database.query(TABLES).await? {
        let name = text(&cells, 0);
        let (rows, live) = (number(cells[1].as_ref()), number(cells[4].as_ref()));
        let bytes = whole(number(cells[2].as_ref()));
        // Never analysed tables have no number of rows: what the server counted since, or a guess by size, has to do.
        let guessed = if live > 0.0 { live } else { bytes as f64 / 64.0 };
        let table =
            Table { name: name.clone(), rows: if rows < 0.0 { guessed } else { rows }, bytes, analysed: rows >= 0.0, ..Table::default() };
        schema.tables.insert(name, table);
    }
    for cells in database.query(COLUMNS).await? {
        if let Some(table) = schema.tables.get_mut(&text(&cells, 0)) {
            table.columns.push(Column { name: text(&cells, 1), kind: text(&cells, 2), width: None });
        }
    }
    for cells in database.query(INDEXES).await? {
        let Some(table) = schema.tables.get_mut(&text(&cells, 0)) else { continue };
        let name = text(&cells, 1);
        if table.indexes.last().is_none_or(|index| index.name != name) {
            let is = |at: usize| cells[at].as_deref() == Some("t");
            table.indexes.push(Index {
                name,
                unique: is(2),
                owned: is(3),
                valid: is(4),
                predicate: cells[5].clone(),
                bytes: cells[6].as_ref().map(|_| whole(number(cells[6].as_ref()))),
                scans: cells[7].as_ref().map(|_| whole(number(cells[7].as_ref()))),
                ..Index::default()
            });
        }
        let index = table.indexes.last_mut().expect("pushed just now, or there before");
        let into = if cells[8].as_deref() == Some("t") { &mut index.included } else { &mut index.columns };
        into.push(cells[9].clone().unwrap_or_default());
    }
    Ok(schema)
}

fn text(cells: &Cells, at: usize) -> String {
    cells[at].clone().unwrap_or_default()
}
