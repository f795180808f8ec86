//! The campaign of the story: logs of a game become progress, an achievement, a claim, points, and a purchase.
//! Refuses to hurry: the logs go the way every game's logs go.

use super::client::{Ask, Client};
use super::stage::Scene;
use super::story::{Player, Staff, Told};
use super::teller::{Teller, count, ms, points};
use crate::load::games::{OWN, race};
use kernel::Instant as Moment;
use kernel::time::{HOUR_US, SECOND_US};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What the game calls her.
const NAME: &str = "jane-on-wheels";
const RACES: u64 = 5;
const REWARD: i64 = 50_000;
/// Progress is there within milliseconds; a slow disk may take longer.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Tells it.
pub(super) async fn tell(scene: &Scene, teller: &Teller, staff: &Staff, player: &Player) -> Result<(), String> {
    teller.chapter("She plays, and the game's logs are worth something");
    let mut told = Told { client: Client::new(scene.address), teller };
    open(&mut told, scene, staff).await?;
    link(&mut told, staff, player).await?;
    let campaign = format!("/v1/games/{OWN}/campaigns/five-races/players/{NAME}");
    play(&mut told, scene, staff).await?;
    reached(&mut told, &campaign, player).await?;
    let claim = || Ask::post(format!("{campaign}/goals/races/claims"), json!({})).by(&player.token);
    let first = told.step(claim(), 200, |claims| format!("claimed: {}", reward(claims))).await?;
    let again = told.step(claim(), 200, |_| "claimed again: the first answer, and nothing is granted twice".to_owned()).await?;
    if again["claims"] != first["claims"] {
        return Err(format!("a second claim got another answer: {again} instead of {first}"));
    }
    let buy = Ask::post("/v1/payments/buy", json!({ "products": [player.wanted["id"]] })).by(&player.token);
    let words = |receipt: &Value| {
        format!(
            "the points buy {} after all; {} are left",
            player.wanted["name"].as_str().unwrap_or("it"),
            points(&receipt["balance_minor"])
        )
    };
    told.step(buy, 201, words).await?;
    Ok(())
}

/// A game, how its logs are read, and a campaign on them.
async fn open(told: &mut Told<'_>, scene: &Scene, staff: &Staff) -> Result<(), String> {
    let game = json!({ "id": OWN, "name": "KartRush", "zone": "Asia/Seoul" });
    told.step(Ask::post("/v1/games", game).by(&staff.token), 201, |game| format!("a game, {}", game["name"])).await?;
    let mapping = rules::preset(OWN).ok_or("the mapping of the game is not shipped")?;
    let mapping: Value = serde_json::from_str(mapping).map_err(|e| e.to_string())?;
    let put = Ask::put(format!("/v1/games/{OWN}/mapping"), json!({ "mapping": mapping })).by(&staff.token);
    told.step(put, 200, |_| "how its records become events: login, play, mission, item".to_owned()).await?;
    let day = 24 * HOUR_US;
    let now = scene.app.db.now();
    let now = Moment(now.0 - now.0.rem_euclid(SECOND_US));
    let campaign = json!({
        "id": "five-races", "game": OWN, "title": "Five races", "zone": "Asia/Seoul",
        "period": { "starts": now.plus_us(-day), "ends": now.plus_us(7 * day) },
        "goals": [{ "id": "races", "title": "Finish five races", "rewards": [{ "points": REWARD }],
                    "condition": { "measure": "count", "on": ["play"], "target": RACES } }],
        "budget": { "points_total": 10_000_000 },
    });
    let register = Ask::post(format!("/v1/games/{OWN}/campaigns"), json!({ "campaign": campaign })).by(&staff.token);
    told.step(register, 201, |_| format!("a campaign: {RACES} races bring {}", points(&json!(REWARD)))).await?;
    Ok(())
}

async fn link(told: &mut Told<'_>, staff: &Staff, player: &Player) -> Result<(), String> {
    let ask = Ask::post(format!("/v1/games/{OWN}/players/{NAME}/link-codes"), json!({})).by(&staff.token);
    let code = told.step(ask, 201, |code| format!("the game shows her a code: {}", code["code"].as_str().unwrap_or_default())).await?;
    let redeem = Ask::post("/v1/links", json!({ "code": code["code"] })).by(&player.token);
    told.step(redeem, 201, |_| format!("she redeems it: {NAME} is hers")).await?;
    Ok(())
}

/// The game logs her races, a record each, as its servers would.
async fn play(told: &mut Told<'_>, scene: &Scene, staff: &Staff) -> Result<(), String> {
    let started = Instant::now();
    let partitions = loop {
        let about = told.client.send(&Ask::get(format!("/v1/games/{OWN}/partitions")).by(&staff.token)).await?;
        match about.body.as_array().map_or(0, Vec::len) {
            0 if started.elapsed() < SEEN_WITHIN => tokio::time::sleep(LOOK_EVERY).await,
            0 => return Err("the game has a mapping, and no log was made for it".to_owned()),
            count => break count,
        }
    };
    let words = format!("the game has a log of {partitions} partitions, in this process; Kafka's own clients may write to it as well");
    told.teller.fact("log", started.elapsed(), &words);
    for number in 1..=RACES {
        let record = race(NAME, number, scene.app.db.now());
        let words = |_: &Value| format!("race {number}: the record is durable in the log");
        told.step(Ask::post(format!("/v1/games/{OWN}/logs"), record).by(&staff.token), 200, words).await?;
    }
    Ok(())
}

/// Waits until her progress shows what she has done.
async fn reached(told: &mut Told<'_>, campaign: &str, player: &Player) -> Result<(), String> {
    let started = Instant::now();
    let ask = || Ask::get(campaign).by(&player.token);
    while started.elapsed() < SEEN_WITHIN {
        let shown = told.client.send(&ask()).await?;
        if shown.body["achievements"][0]["standing"] == "claimable" {
            let goal = &shown.body["goals"][0];
            let words =
                format!("{} of {} races: reached, {} after the last record", goal["current"], goal["target"], ms(started.elapsed()));
            told.teller.step(&ask(), &shown, &words);
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(format!("{} races were logged, and the goal was not reached within {} s", count(RACES), SEEN_WITHIN.as_secs()))
}

fn reward(claims: &Value) -> String {
    points(&claims["claims"][0]["rewards"][0]["amount"])
}
