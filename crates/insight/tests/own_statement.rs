//! A hot statement of ours whose index was dropped: the doctor names it, proposes the index again, makes it and tells the change.
//! The same over HTTP for operators. Refuses to know the index: it is found from the statement that the server ran.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has failed, and shows what it saw")]

use db::{Access, Engine, Inspector};
use insight::{Depth, Look};
use std::time::Duration;
use testkit::both_engines;
use web::Role;

const ROWS: &str = "
    drop index audit_subject;
    insert into audit (id, at, actor, act, subject, detail)
    with recursive c(n) as (select 1 union all select n + 1 from c where n < 60000)
    select ID, n, null, 'stock.registered', 'product/' || (n % 20000), '{}' from c;
    analyze;";
const STATEMENT: &str = "accounts.list_audit_of_subject";

both_engines! {
    async fn an_index_that_was_dropped_is_proposed_made_and_measured(world: &World) {
        let id = if world.engine() == Engine::Sqlite { "randomblob(16)" } else { "decode(md5(cast(n as text)), 'hex')" };
        world.db().plain(&ROWS.replace("ID", id)).await.unwrap();
        let operator = world.person(&[Role::Operator]).await;
        for n in 0..25 {
            let page = operator.get(&format!("/v1/audit?subject=product/{n}")).await.expect(200);
            assert_eq!(page["items"].as_array().unwrap().len(), 3, "{page}");
        }

        let told = operator.get("/v1/insight/statements").await.expect(200);
        let items = told["items"].as_array().unwrap();
        let ours = items.iter().find(|one| one["name"] == STATEMENT).expect("the statement that ran is listed");
        assert!(ours["calls"].as_u64().unwrap() >= 25 && ours["p99_ms"].as_f64().unwrap() > 0.0, "{ours}");
        assert!(ours["plan"].to_string().contains("the index lacks a column of the filter"), "what is costly is marked in words: {}", ours["plan"]);
        let advice = operator.get("/v1/insight/advice").await.expect(200);
        let advice = advice["items"].as_array().unwrap().iter().find(|one| one["serves"].to_string().contains(STATEMENT)).expect("an advice").clone();
        assert_eq!((advice["table"].as_str(), advice["columns"][0].as_str()), (Some("audit"), Some("subject")), "{advice}");

        let url = world.app.config.database_url();
        let mut reading = Inspector::open(url.reveal(), Access::Read, Some(Duration::from_secs(30))).await.unwrap();
        let mut writing = Inspector::open(url.reveal(), Access::Write, None).await.unwrap();
        let (items, repeated) = insight::workload_of(&mut reading, world.db().now(), 60).await.unwrap();
        let examined = insight::examine(&mut reading, items, &repeated, Depth::ALL).await.unwrap();
        println!("{}", examined.report.show(Look { width: 120, bold: false }));
        let applied = insight::apply(&mut reading, &mut writing, &examined, advice["id"].as_str().unwrap()).await.unwrap();
        println!("{}", applied.show(Look { width: 120, bold: false }));
        let change = applied.statements.iter().find(|one| one.name == STATEMENT).unwrap();
        assert!(change.uses_it && change.speed_up > 2.0, "{change:?}");
    }
}
