//! The game's own servers in the story: a key of theirs, a profile, a currency, a banner; and what made the database work.
//! Refuses to use the operator's token for what a game's servers do.

use super::client::{Ask, Client};
use super::stage::Scene;
use super::story::{Staff, Told};
use super::teller::{Teller, count};
use crate::load::games::OWN;
use kernel::time::{HOUR_US, SECOND_US};
use serde_json::{Value, json};

/// What the game calls her.
const NAME: &str = "jane-on-wheels";
/// Statements that are told of.
const HEAVIEST: usize = 3;

/// Tells what a game's servers ask all day.
pub(super) async fn tell(scene: &Scene, teller: &Teller, staff: &Staff) -> Result<(), String> {
    teller.chapter("The game's own servers ask");
    let mut told = Told { client: Client::new(scene.address), teller };
    let scopes = ["players:read", "players:write", "currencies:read", "currencies:write", "banners:read", "banners:write"];
    let ask = Ask::post(format!("/v1/games/{OWN}/keys"), json!({ "name": "game servers", "scopes": scopes })).by(&staff.token);
    let made = told.step(ask, 201, |_| format!("a key for this game and {} scopes, shown this once", scopes.len())).await?;
    let key = made["secret"].as_str().ok_or("a new key comes without its secret")?;
    profile(&mut told, key).await?;
    currency(&mut told, key).await?;
    banner(&mut told, scene, key).await?;
    let elsewhere = Ask::get("/v1/games/another/players").by(key);
    told.step(elsewhere, 404, |_| "another game's players: to this key there is no such game".to_owned()).await?;
    Ok(())
}

async fn profile(told: &mut Told<'_>, key: &str) -> Result<(), String> {
    let profile = json!({ "players": [{ "player": NAME, "nickname": "Jane", "level": 12, "server": "seoul-3" }] });
    told.step(Ask::put(format!("/v1/games/{OWN}/players"), profile).by(key), 200, |_| "what the game knows of her".to_owned()).await?;
    let found =
        |page: &Value| format!("found by how her name begins: {}, level {}", page["items"][0]["nickname"], page["items"][0]["level"]);
    told.step(Ask::get(format!("/v1/games/{OWN}/players?nickname=ja")).by(key), 200, found).await?;
    Ok(())
}

async fn currency(told: &mut Told<'_>, key: &str) -> Result<(), String> {
    let define = Ask::put(format!("/v1/games/{OWN}/currencies/LUCCI"), json!({ "name": "Lucci" })).by(key);
    told.step(define, 200, |_| "a currency of the game's own".to_owned()).await?;
    let path = format!("/v1/games/{OWN}/players/{NAME}/currencies/LUCCI/credits");
    let amount = json!({ "amount_minor": 500, "reason": "attendance", "reference": "day-7" });
    let credit = || Ask::post(&path, amount.clone()).by(key).keyed("attendance-day-7");
    let now = |entry: &Value| format!("{} lucci for a week of attendance", entry["balance_after_minor"]);
    let first = told.step(credit(), 200, now).await?;
    let again = told.step(credit(), 200, |_| "sent twice: the first answer, and nothing moves".to_owned()).await?;
    if first != again {
        return Err(format!("a repeated credit got another answer: {again} instead of {first}"));
    }
    Ok(())
}

async fn banner(told: &mut Told<'_>, scene: &Scene, key: &str) -> Result<(), String> {
    let now = scene.app.db.now();
    let content = |text: &str| json!({ "image": "https://cdn.example/season.png", "link": "kartrush://shop", "text": text });
    let banner = json!({
        "placement": "lobby", "priority": 1, "starts_at": now.plus_us(-SECOND_US), "ends_at": now.plus_us(24 * HOUR_US), "fallback": "en",
        "contents": { "en": content("A new season"), "ko": content("새 시즌") }, "audience": { "level_min": 10 },
    });
    let words = |_: &Value| "a banner for players of level 10 and above, in English and Korean".to_owned();
    let made = told.step(Ask::post(format!("/v1/games/{OWN}/banners"), banner).by(key), 201, words).await?;
    let publish = format!("/v1/games/{OWN}/banners/{}/publish", made["banner"].as_str().unwrap_or_default());
    told.step(Ask::post(publish, json!({})).by(key), 200, |_| "published".to_owned()).await?;
    let shown = Ask::get(format!("/v1/games/{OWN}/placements/lobby/banners?locale=ko-KR&level=12")).by(key);
    let seen = told.step(shown, 200, |shown| format!("she reads {}", shown["banners"][0]["text"])).await?;
    if seen["banners"].as_array().map_or(0, Vec::len) != 1 {
        return Err(format!("one banner should be shown in the lobby, and it is {seen}"));
    }
    Ok(())
}

/// Tells what the statements of this story cost.
pub(super) async fn slow(scene: &Scene, teller: &Teller, staff: &Staff) -> Result<(), String> {
    teller.chapter("Why is it slow?");
    let mut told = Told { client: Client::new(scene.address), teller };
    let words = |answer: &Value| format!("{} statements ran; those that took the time:", items(answer).len());
    let answer = told.step(Ask::get("/v1/insight/statements").by(&staff.token), 200, words).await?;
    for one in items(&answer).iter().take(HEAVIEST) {
        let calls = count(one["calls"].as_u64().unwrap_or_default());
        let (name, share) = (one["name"].as_str().unwrap_or_default(), one["share"].as_f64().unwrap_or_default());
        teller.more(&format!("{share:>4.1} %  {name}, {calls} calls of {:.2} ms", one["mean_ms"].as_f64().unwrap_or_default()));
    }
    let words = |answer: &Value| match items(answer) {
        [] => "no index that is not there would help".to_owned(),
        [best, ..] => format!("an index that would help: {}", best["ddl"].as_str().unwrap_or_default()),
    };
    told.step(Ask::get("/v1/insight/advice").by(&staff.token), 200, words).await?;
    Ok(())
}

fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().map_or(&[], Vec::as_slice)
}
