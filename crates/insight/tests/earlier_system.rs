//! The earlier system's payments, as it kept them: surrogate keys and no index beside them. The doctor names what is slow about
//! them, proposes the index, makes it when asked, and tells what that changed. `GUILDHALL_FULL=1` makes it 1,000,000 rows.
//! Refuses to know the right index beforehand: it is proposed from the statements alone.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has failed, and shows what it saw")]

#[path = "ground/database.rs"]
mod ground;

use db::{Command, Db, Error, Meta, Statement, Tx, row};
use ground::Ground;
use insight::{Depth, Examination, Insight, Look};
use kernel::{Instant, Outcome};

// Its tables: surrogate keys, and no index beside the primary keys.
const TABLES: &str = "
    create table e_product (id BIGKEY, name text not null, price bigint not null);
    create table e_payment (id BIGKEY, user_id bigint not null, state text not null);
    create table e_payment_product (id BIGKEY, payment_id bigint not null, product_id bigint not null, state text not null);
    create table e_point (user_id BIGKEY, point bigint not null);
    create table numbers (n BIGKEY);";
const ROWS: &str = "
    insert into numbers with recursive c(n) as (select 1 union all select n + 1 from c where n < PAYMENTS) select n from c;
    insert into e_product (id, name, price) select n, 'game', n % 6000 from numbers where n <= 2000;
    insert into e_payment (id, user_id, state) select n, n % (PAYMENTS / 5), case when n % 20 = 0 then 'ready' else 'paid' end from numbers;
    insert into e_point (user_id, point) select n, 1000000 from numbers where n <= PAYMENTS / 5;
    insert into e_payment_product (payment_id, product_id, state)
        select n.n, (n.n * 7 + i.n * 13) % 2000 + 1, case when n.n % 20 = 0 then 'ready' else 'paid' end
        from numbers n cross join numbers i where i.n <= 2;
    drop table numbers;";

static ITEMS: Statement = Statement::new(
    "e.items",
    "select product_id, state from e_payment_product where payment_id = $1 and state = 'ready' order by product_id",
);
static OF_PAYMENT: Statement = Statement::new("e.of_payment", "select product_id, state from e_payment_product where payment_id = $1");
static MARK: Statement = Statement::new("e.mark", "update e_payment_product set state = 'paid' where payment_id = $1 and state = 'ready'");
static PAY: Statement = Statement::new("e.pay", "update e_payment set state = 'paid' where id = $1 and state = 'ready'");
static DEDUCT: Statement = Statement::new("e.deduct", "update e_point set point = point - 100 where user_id = $1 and point >= 100");
static PRODUCT: Statement = Statement::new("e.product", "select name, price from e_product where id = $1");
static READY: Statement = Statement::new("e.ready", "select count(*) from e_payment_product where state = 'ready'");

/// Pays one payment as it did, statement by statement.
struct Pay;

impl Command for Pay {
    const NAME: &'static str = "e.pay";
    type Input = i64;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a i64], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        for payment in batch {
            for product in tx.fetch(&ITEMS, &row![**payment], |row| row.int(0)).await? {
                tx.fetch(&PRODUCT, &row![product], |row| row.text(0)).await?;
            }
            tx.execute(&DEDUCT, &row![**payment % 1000]).await?;
            tx.execute(&MARK, &row![**payment]).await?;
            tx.execute(&PAY, &row![**payment]).await?;
        }
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

async fn the_covering_index_is_found_made_and_measured(ground: Ground) {
    let db = &ground.db;
    let payments = if std::env::var_os("GUILDHALL_FULL").is_some() { 500_000 } else { 50_000 };
    let key = if ground.is_sqlite() { "integer primary key" } else { "bigserial primary key" };
    db.plain(&TABLES.replace("BIGKEY", key)).await.unwrap();
    db.plain(&ROWS.replace("PAYMENTS", &payments.to_string())).await.unwrap();
    db.analyse().await.unwrap();
    if !ground.is_sqlite() {
        // As the server does by itself some time after such an import.
        db.plain("vacuum analyze").await.unwrap();
    }
    let queue = db.queue(Pay);
    for payment in (1..=30).map(|n| n * 20) {
        db.fetch(&OF_PAYMENT, &row![payment], |row| row.int(0)).await.unwrap();
        queue.send(Meta::ours("e.pay"), payment).await.unwrap();
    }
    let insight = Insight::new(db, &ground.url);
    insight.keep().await.unwrap();

    let examined = examine(&ground).await;
    println!("{}", examined.report.show(Look { width: 120, bold: false }));
    let mut first: Vec<&str> = examined.report.statements.iter().map(|one| one.name.as_str()).take(3).collect();
    first.sort_unstable();
    assert_eq!(first, ["e.items", "e.mark", "e.of_payment"], "the statements that read the whole table come first");
    let items = examined.report.statements.iter().find(|one| one.name == "e.items").unwrap();
    let costly = items.plan.as_ref().unwrap().costly().join("; ");
    assert!(costly.contains("reads all") && costly.contains("rows of e_payment_product"), "{costly}");
    let advice =
        examined.report.advice.iter().find(|one| one.serves.iter().any(|served| served.name == "e.items")).expect("an advice for it");
    assert_eq!((advice.table.as_str(), advice.columns[0].as_str()), ("e_payment_product", "payment_id"), "{advice:?}");
    assert!(["product_id", "state"].iter().all(|column| advice.columns.iter().any(|has| has == column)), "it covers: {advice:?}");
    assert!(advice.bytes > 0 && advice.write_price.by.contains(&"e.mark".to_owned()), "{advice:?}");

    let ready = count_ready(db).await;
    let (mut reading, mut writing) = (ground.reading().await, ground.writing().await);
    let applied = insight::apply(&mut reading, &mut writing, &examined, &advice.id).await.unwrap();
    println!("{}", applied.show(Look { width: 120, bold: false }));
    assert_eq!(count_ready(db).await, ready, "measuring changed nothing");
    let items = applied.statements.iter().find(|one| one.name == "e.items").unwrap();
    assert!(items.uses_it && items.speed_up > 2.0, "{items:?}");
    let again = examine(&ground).await;
    let more: Vec<_> = again.report.advice.iter().filter(|one| one.serves.iter().any(|served| served.name == "e.items")).collect();
    assert!(more.is_empty(), "what was made is not proposed again: {more:?}");
    ground.end().await;
}

async fn examine(ground: &Ground) -> Examination {
    let mut database = ground.reading().await;
    let (items, repeated) = insight::workload_of(&mut database, ground.db.now(), 60).await.unwrap();
    let items = items.into_iter().filter(|item| item.name.starts_with("e.")).filter(|item| item.name != "e.ready").collect();
    insight::examine(&mut database, items, &repeated, Depth::ALL).await.unwrap()
}

async fn count_ready(db: &Db) -> i64 {
    db.fetch(&READY, &[], |row| row.int(0)).await.unwrap()[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_covering_index_is_found_made_and_measured_on_sqlite() {
    the_covering_index_is_found_made_and_measured(Ground::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_covering_index_is_found_made_and_measured_on_postgres() {
    if let Some(ground) = Ground::postgres("covering").await {
        the_covering_index_is_found_made_and_measured(ground).await;
    }
}
