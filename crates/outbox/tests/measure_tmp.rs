#![allow(clippy::unwrap_used)]
#[path = "outbox/bed.rs"]
#[allow(dead_code)]
mod bed;
use bed::*;
use outbox::*;
async fn run(b: &Bed, index: bool, sqlite: bool, hot: bool) {
    let sink = Recorder::new("r");
    let o = Outbox::start(&b.db, vec![sink.on(&["t"])]).await.unwrap();
    if index { b.db.plain("create index outbox_aggregate on outbox (aggregate, version)").await.unwrap(); }
    let agg = if hot { "'hot'" } else { "'thing/' || x" };
    let pay = "'{\"a\":\"'||substr('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',1,100)||'\"}'";
    let sql = if sqlite { format!("with recursive n(x) as (select 1 union all select x+1 from n where x<200000) insert into outbox select unhex(printf('%032x',x)),'t',{agg},x,{pay},x,x,0 from n") }
      else { format!("insert into outbox select decode(lpad(to_hex(x),32,'0'),'hex'),'t',{agg},x,{pay},x,x,0 from generate_series(1,200000) x") };
    b.db.plain(&sql).await.unwrap();
    if !sqlite { b.db.plain("analyze").await.unwrap(); }
    let t = std::time::Instant::now();
    let n = o.drain_once().await.unwrap();
    println!("sqlite={sqlite} index={index} hot={hot}: {n} rows in {:?}: {:.0}/s, {:?} per claim of 500", t.elapsed(), n as f64/t.elapsed().as_secs_f64(), t.elapsed()/ (n as u32/500));
}
#[tokio::test]
async fn m() {
  for hot in [false,true] { for index in [false, true] {
    let b = Bed::sqlite().await; run(&b, index, true, hot).await; b.remove().await;
    if let Some(b) = Bed::postgres("m").await { run(&b, index, false, hot).await; b.remove().await; }
  } }
}
