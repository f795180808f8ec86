//! The earlier system's experiments, repeated on its own tables: the import row by row and in batches, and payments with and
//! without the covering index on payment items, with the plans before and after. Printed in its layout.
//!
//! `cargo bench -p db --bench earlier_system -- [POSTGRES_URL]`; without a URL on SQLite only. Ratios within one run are what counts.

#![allow(clippy::print_stdout, clippy::cast_possible_wrap, reason = "a benchmark prints, and its numbers are small")]

use db::{Column, Command, Db, Engine, Error, Meta, Options, Rows, Statement, Tx, row};
use futures::stream::{self, StreamExt as _};
use kernel::{Instant, Outcome};
use std::time::Duration;

const GAMES: i64 = 4_000;
const GENRES: i64 = 30;
const PAYMENTS: i64 = 10_000;
const ITEMS_EACH: i64 = 2;
const PAID: i64 = 2_000;
const CONNECTIONS: usize = 64;

// Its tables: surrogate keys, and no index beside the primary keys.
const SQLITE_TABLES: &str = "
    create table e_category (id integer primary key, name text not null);
    create table e_product (id integer primary key, name text not null, price integer not null);
    create table e_product_category (id integer primary key, product_id integer not null, category_id integer not null);
    create table e_payment (id integer primary key, user_id integer not null, state text not null);
    create table e_payment_product (id integer primary key, payment_id integer not null, product_id integer not null, state text not null);
    create table e_point (user_id integer primary key, point integer not null);";
const POSTGRES_TABLES: &str = "
    create table e_category (id bigserial primary key, name text not null);
    create table e_product (id bigserial primary key, name text not null, price bigint not null);
    create table e_product_category (id bigserial primary key, product_id bigint not null, category_id bigint not null);
    create table e_payment (id bigserial primary key, user_id bigint not null, state text not null);
    create table e_payment_product (id bigserial primary key, payment_id bigint not null, product_id bigint not null, state text not null);
    create table e_point (user_id bigint primary key, point bigint not null);";
const COVERING_INDEX: &str = "create index e_covering on e_payment_product (payment_id, product_id, state)";

static INSERT_PRODUCTS: Statement =
    Statement::new("e.products", "insert into e_product (id, name, price) select id, name, price from rows").rows(&[
        ("id", Column::Int),
        ("name", Column::Text),
        ("price", Column::Int),
    ]);
static INSERT_CATEGORIES: Statement = Statement::new(
    "e.product_categories",
    "insert into e_product_category (product_id, category_id) select product_id, category_id from rows",
)
.rows(&[("product_id", Column::Int), ("category_id", Column::Int)]);

/// Stores products with their categories, as many as one transaction is given.
struct Import;

impl Command for Import {
    const NAME: &'static str = "e.import";
    type Input = Vec<i64>;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Vec<i64>], _now: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let games = || batch.iter().flat_map(|games| games.iter());
        tx.write(&INSERT_PRODUCTS, Rows::of(games(), |id| row![*id, format!("Game number {id}"), id % 6000])).await?;
        let categories = games().flat_map(|id| (0..3).map(move |n| (*id, (id * 7 + n) % GENRES)));
        tx.write(&INSERT_CATEGORIES, Rows::of(categories, |(product, category)| row![product, category])).await?;
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

static ITEMS: Statement = Statement::new(
    "e.items",
    "select product_id, state from e_payment_product where payment_id = $1 and state = 'ready' order by product_id",
);
static DEDUCT: Statement = Statement::new("e.deduct", "update e_point set point = point - 100 where user_id = $1 and point >= 100");
static MARK: Statement = Statement::new("e.mark", "update e_payment_product set state = 'paid' where payment_id = $1 and state = 'ready'");
static PAY: Statement = Statement::new("e.pay", "update e_payment set state = 'paid' where id = $1 and state = 'ready'");
static EXPLAIN: Statement = Statement::new(
    "e.explain",
    "explain query plan select product_id, state from e_payment_product where payment_id = 77 and state = 'ready' order by product_id",
)
.on_postgres("explain select product_id, state from e_payment_product where payment_id = 77 and state = 'ready' order by product_id");

/// Pays one payment in a transaction of its own, statement by statement.
struct Pay;

impl Command for Pay {
    const NAME: &'static str = "e.pay";
    type Input = i64;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a i64], _now: Instant) -> Result<Vec<Outcome<()>>, Error> {
        for payment in batch {
            let items = tx.fetch(&ITEMS, &row![**payment], |row| row.int(0)).await?;
            if items.len() as i64 != ITEMS_EACH {
                return Err(Error::Broken(format!("payment {payment} has {} items", items.len())));
            }
            tx.execute(&DEDUCT, &row![**payment]).await?;
            tx.execute(&MARK, &row![**payment]).await?;
            tx.execute(&PAY, &row![**payment]).await?;
        }
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir_in(std::env::current_dir().expect("a current folder")).expect("a temporary folder");
    let mut urls = vec![format!("sqlite:{}", folder.path().join("bench.db").display())];
    urls.extend(std::env::args().skip(1).filter(|argument| argument.starts_with("postgres")));
    for url in urls {
        let options = Options { batch_max: 1, lanes: 8, ..Options::new(url) };
        db::migrate(&options).await.expect("migrations run");
        let db = Db::open(options).await.expect("the database opens");
        let sqlite = db.engine() == Engine::Sqlite;
        for drop in ["e_category", "e_product", "e_product_category", "e_payment", "e_payment_product", "e_point"] {
            db.plain(&format!("drop table if exists {drop}")).await.expect("old tables go");
        }
        db.plain(if sqlite { SQLITE_TABLES } else { POSTGRES_TABLES }).await.expect("its tables are made");
        println!("\n== {} ==", if sqlite { "SQLite" } else { "Postgres" });
        imports(&db).await;
        payments(&db, "as is").await;
        db.plain(COVERING_INDEX).await.expect("the index is made");
        db.analyse().await.expect("statistics are gathered");
        payments(&db, "covering index (payment, product, state)").await;
        db.close().await;
    }
}

async fn imports(db: &Db) {
    println!("\nImport of {GAMES} games with {} category rows, one durable transaction per batch", GAMES * 3);
    println!("{:<14}{:>10}{:>14}", "rows a batch", "seconds", "games/s");
    let queue = db.queue(Import);
    let mut first = 1;
    for size in [1, 10, 100, 1000] {
        let started = std::time::Instant::now();
        let ids: Vec<i64> = (first..first + GAMES).collect();
        for games in ids.chunks(size) {
            queue.send(Meta::ours("e.import"), games.to_vec()).await.expect("a batch is stored");
        }
        let seconds = started.elapsed().as_secs_f64();
        println!("{size:<14}{seconds:>10.2}{:>14.0}", GAMES as f64 / seconds);
        first += GAMES;
    }
}

async fn payments(db: &Db, what: &str) {
    let filled = "insert into e_payment (id, user_id, state) select n, n, 'ready' from numbers;
         insert into e_point (user_id, point) select n, 1000000 from numbers;
         insert into e_payment_product (payment_id, product_id, state) select n.n, i.n, 'ready' from numbers n cross join numbers i where i.n <= ITEMS";
    let numbers = "drop table if exists numbers; create table numbers (n bigint primary key);
         insert into numbers with recursive c(n) as (select 1 union all select n + 1 from c where n < PAYMENTS) select n from c;
         delete from e_payment; delete from e_point; delete from e_payment_product;";
    let text = format!("{numbers}{filled}").replace("PAYMENTS", &PAYMENTS.to_string()).replace("ITEMS", &ITEMS_EACH.to_string());
    db.plain(&text).await.expect("payments are prepared");
    db.analyse().await.expect("statistics are gathered");

    let plan =
        db.fetch(&EXPLAIN, &[], |row| if matches!(row, db::Row::Sqlite(_)) { row.text(3) } else { row.text(0) }).await.expect("a plan");
    println!("\nPayments, {what}: {PAID} of {PAYMENTS} payments, a transaction each, statement by statement");
    plan.iter().for_each(|line| println!("  plan: {line}"));
    let queue = db.queue(Pay);
    let started = std::time::Instant::now();
    let pay = |payment: i64| {
        let queue = queue.clone();
        async move {
            let sent = std::time::Instant::now();
            (queue.send(Meta::ours("e.pay"), payment).await.is_ok(), sent.elapsed())
        }
    };
    let answers: Vec<(bool, Duration)> = stream::iter(1..=PAID).map(pay).buffer_unordered(CONNECTIONS).collect().await;
    let seconds = started.elapsed().as_secs_f64();
    let errors = answers.iter().filter(|(ok, _)| !ok).count();
    let sum: f64 = answers.iter().map(|(_, took)| took.as_secs_f64()).sum();
    let max = answers.iter().map(|(_, took)| took.as_secs_f64()).fold(0.0, f64::max);
    println!("{:>12}{:>12}{:>12}{:>10}", "avg ms", "max ms", "TPS", "errors");
    println!("{:>12.1}{:>12.1}{:>12.1}{errors:>10}", sum / answers.len() as f64 * 1000.0, max * 1000.0, PAID as f64 / seconds);
}
