//! Imports a Steam games file into a database and says what it took: `import FILE sqlite:PATH|postgres://…`.

use std::ops::ControlFlow;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it measures, and says what it measured")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(url)) = (arguments.next(), arguments.next()) else {
        return Err("FILE and a database URL are needed".into());
    };
    let options = db::Options::new(url);
    db::migrate(&options).await?;
    let db = db::Db::open(options).await?;
    let summary = catalogue::import::run(&db, file, |_| ControlFlow::Continue(())).await?;
    println!("{summary:#?}");
    let started = std::time::Instant::now();
    db.close().await;
    println!("closing took {:?}", started.elapsed());
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown");
    println!("{peak}");
    Ok(())
}
