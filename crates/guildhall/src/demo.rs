//! `guildhall demo`: store, campaigns and team API at work in a temporary folder, told step by step with the figures of this very run.
//! Refuses to touch data of yours, and to tell a step that did not come out as it should: it ends with an error instead.

mod client;
pub mod crowd;
mod quest;
mod sale;
mod stage;
mod story;
mod team;
mod teller;

use crate::cli::{Settings, asked_to_stop};
use crate::{checks, server};
use clap::Args;
use stage::Stage;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use teller::{Teller, count, ms};
use tokio::sync::Notify;

/// The demo's flags.
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the story instead of leaving the server up
    #[arg(long)]
    pub exit: bool,
    /// A catalogue file to import instead of a generated one: the Kaggle set "steam-games-dataset", plain, .gz or .zst
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
    /// Address to listen on [default: server.listen, or a free port when that is taken]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Buyers of the limited sale
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub buyers: u32,
    /// Connections they share
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,
}

pub(crate) async fn run(settings: &Settings, demo: Demo) -> Result<ExitCode, String> {
    let teller = Teller::new();
    let begun = Instant::now();
    teller.title("guildhall demo: a publisher's backend at work");
    let stage = Stage::set(settings, &demo, &teller).await?;
    let stop = Arc::new(Notify::new());
    let (app, listener, told) = (stage.app.clone(), stage.listener, stop.clone());
    let serving = tokio::spawn(async move { server::serve(&app, listener, told.notified()).await });
    let scene = stage.scene;
    let told = tokio::select! {
        told = tell(&scene, &demo, &teller, begun) => told,
        () = asked_to_stop() => Ok(Ending::Interrupted),
    };
    if matches!(told, Ok(Ending::Whole)) && !demo.exit {
        invite(&scene, &teller);
        asked_to_stop().await;
        teller.line("");
    }
    stop.notify_one();
    let served = serving.await.map_err(|e| e.to_string());
    scene.app.stop().await;
    served?;
    told.map(|ending| match ending {
        Ending::Whole => ExitCode::SUCCESS,
        Ending::Broken => ExitCode::FAILURE,
        Ending::Interrupted => ExitCode::from(130),
    })
}

enum Ending {
    Whole,
    /// An invariant is broken; the breaches were told.
    Broken,
    Interrupted,
}

async fn tell(scene: &stage::Scene, demo: &Demo, teller: &Teller, begun: Instant) -> Result<Ending, String> {
    let (staff, player) = story::tell(scene, teller).await?;
    quest::tell(scene, teller, &staff, &player).await?;
    team::tell(scene, teller, &staff).await?;
    sale::tell(scene, teller, &staff, demo.buyers as usize, demo.connections as usize).await?;
    team::slow(scene, teller, &staff).await?;
    teller.chapter("Does everything add up?");
    let started = Instant::now();
    let breaches = checks::check(&scene.app.db).await.map_err(|e| e.to_string())?;
    for breach in &breaches {
        teller.bad("check", &format!("{}: {}: {}", breach.invariant, breach.row, breach.what));
    }
    if !breaches.is_empty() {
        return Ok(Ending::Broken);
    }
    let held = format!("{} invariants hold, over every wallet, order, payment, copy and library", count(checks::invariants().len() as u64));
    teller.fact("check", started.elapsed(), &held);
    teller.line("");
    teller.line(&format!("All of this took {}.", ms(begun.elapsed())));
    Ok(Ending::Whole)
}

/// Where everything is, and what to try.
fn invite(scene: &stage::Scene, teller: &Teller) {
    let url = &scene.url;
    let (email, password) = (story::PLAYER_EMAIL, story::PASSWORD);
    let staff = story::STAFF_EMAIL;
    teller.chapter("Your turn");
    teller.pair("console, for who runs the store", &format!("{url}/console/"));
    teller.pair("API, with every route to try", &format!("{url}/docs"));
    teller.pair("metrics", &format!("{url}/metrics"));
    teller.pair("mail", &scene.app.config.mail_dir().display().to_string());
    teller.pair("a player", &format!("{email}, password: {password}"));
    teller.pair("who runs the store", &format!("{staff}, the same password"));
    teller.line("");
    teller.line(&format!(
        "  curl '{url}/v1/products/search?q={}'\n\
         \x20 curl {url}/v1/sessions -H 'Content-Type: application/json' -d '{{\"email\":\"{email}\",\"password\":\"{password}\"}}'\n\
         \x20 TOKEN=…   # the access_token of that answer\n\
         \x20 curl {url}/v1/library -H \"Authorization: Bearer $TOKEN\"\n\
         \x20 curl '{url}/v1/wallet/entries?currency=POINTS' -H \"Authorization: Bearer $TOKEN\"",
        client::encoded("last lantren"),
    ));
    teller.line("");
    teller.line("The server stays up until Ctrl-C; its folder goes with it.");
}
