//! The story of one player, over HTTP as anyone would: from sign-up to a refund, with what each call answered.
//! Refuses to go on when an answer is not the one the story needs.

use super::client::{Ask, Client, encoded};
use super::stage::Scene;
use super::teller::{Teller, count, points, short, usd};
use kernel::time::HOUR_US;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use web::{Role, Roles};

pub(super) const PLAYER_EMAIL: &str = "jane@example.com";
pub(super) const STAFF_EMAIL: &str = "staff@example.com";
pub(super) const PASSWORD: &str = "correct horse battery";

/// A mail is there within the outbox's round; a slow disk may take longer.
const MAIL_WAIT_MAX: Duration = Duration::from_secs(10);
const MAIL_LOOK_EVERY: Duration = Duration::from_millis(5);
const POINTS: i64 = 100_000;

/// A client whose every call is told.
pub(super) struct Told<'a> {
    pub(super) client: Client,
    pub(super) teller: &'a Teller,
}

impl Told<'_> {
    /// Sends a request and tells it in the words that its answer gives; any status but the expected one ends the story.
    pub(super) async fn step(&mut self, ask: Ask<'_>, expected: u16, words: impl FnOnce(&Value) -> String) -> Result<Value, String> {
        let answer = self.client.send(&ask).await?;
        if answer.status != expected {
            return Err(format!("{} {} answered {} instead of {expected}: {}", ask.method, ask.path, answer.status, answer.body));
        }
        self.teller.step(&ask, &answer, &words(&answer.body));
        Ok(answer.body)
    }
}

/// Who runs the store, signed in.
pub(super) struct Staff {
    pub(super) token: String,
}

/// The player of the story, signed in.
pub(super) struct Player {
    pub(super) token: String,
    /// The game she had and gave back.
    pub(super) wanted: Value,
}

/// Tells it; answers the logins of staff and player for what comes after.
pub(super) async fn tell(scene: &Scene, teller: &Teller) -> Result<(Staff, Player), String> {
    let mut told = Told { client: Client::new(scene.address), teller };
    teller.chapter("A player comes in");
    let (user, token) = arrive(&mut told, scene).await?;
    let staff = staff(&mut told, scene).await?;
    let charge = json!({ "amount_minor": POINTS, "currency": "POINTS", "reference": "provider-receipt-7781" });
    let path = format!("/v1/accounts/{user}/wallet/credits");
    told.step(Ask::post(path, charge).by(&staff.token), 200, |entry| {
        format!("a payment provider charges {}", points(&entry["amount_minor"]))
    })
    .await?;

    teller.chapter("She looks around");
    let (first, second) = look_around(&mut told, scene, &staff).await?;
    teller.chapter("She buys, plays, and thinks better of one");
    buy(&mut told, &token, [&first, &second]).await?;
    Ok((staff, Player { token, wanted: second }))
}

async fn arrive(told: &mut Told<'_>, scene: &Scene) -> Result<(String, String), String> {
    let new = json!({ "email": PLAYER_EMAIL, "password": PASSWORD, "name": "Jane" });
    let account =
        told.step(Ask::post("/v1/accounts", new), 201, |made| format!("account {} for {PLAYER_EMAIL}", short(text(&made["user"])))).await?;
    let started = Instant::now();
    let mail = mail(&scene.app.config.mail_dir()).await?;
    let code = mail.lines().find_map(|line| line.strip_prefix("    ")).ok_or("the mail holds no code")?.trim().to_owned();
    let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or("no subject").trim();
    told.teller.fact("mail", started.elapsed(), &format!("\"{subject}\" is in the mail folder, with a code"));
    told.step(Ask::post("/v1/email-confirmations", json!({ "token": code })), 204, |_| "her address is confirmed".to_owned()).await?;
    let login = json!({ "email": PLAYER_EMAIL, "password": PASSWORD });
    let signed = told.step(Ask::post("/v1/sessions", login), 201, |signed| format!("signed in for {} minutes", minutes(signed))).await?;
    Ok((text(&account["user"]).to_owned(), text(&signed["access_token"]).to_owned()))
}

/// The newest mail, once there is one.
async fn mail(folder: &Path) -> Result<String, String> {
    let started = Instant::now();
    while started.elapsed() < MAIL_WAIT_MAX {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(file) = files.filter(|path| path.extension().is_some_and(|ending| ending == "eml")).max() {
            return std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()));
        }
        tokio::time::sleep(MAIL_LOOK_EVERY).await;
    }
    Err(format!("no mail came to {} within {} s", folder.display(), MAIL_WAIT_MAX.as_secs()))
}

/// Made as `guildhall admin create-user` does, since nobody may give themselves a role over HTTP.
async fn staff(told: &mut Told<'_>, scene: &Scene) -> Result<Staff, String> {
    let roles = [Role::StoreManager, Role::Operator, Role::PointsProvider].into_iter().fold(Roles::default(), Roles::with);
    scene.app.accounts.create_user(STAFF_EMAIL, PASSWORD, "Staff", roles).await.map_err(|e| e.to_string())?;
    let login = json!({ "email": STAFF_EMAIL, "password": PASSWORD });
    let words = |signed: &Value| format!("and who runs the store: {}", names(&signed["roles"]));
    let signed = told.step(Ask::post("/v1/sessions", login), 201, words).await?;
    Ok(Staff { token: text(&signed["access_token"]).to_owned() })
}

/// Finds two games; answers both as the catalogue shows them.
async fn look_around(told: &mut Told<'_>, scene: &Scene, staff: &Staff) -> Result<(Value, Value), String> {
    let path = "/v1/products?sort=popularity&direction=descending&price_min=500&price_max=3000&size=50";
    let popular = told
        .step(Ask::get(path), 200, |page| format!("{} games of 5 to 30 USD, the most popular first", count(number(&page["total"]))))
        .await?;
    let games = popular["items"].as_array().map_or(&[][..], Vec::as_slice);
    let mut named = games.iter().filter_map(|game| Some((game, mistyped(text(&game["name"]))?)));
    let (Some((first, typed)), Some((second, _))) = (named.next(), named.next()) else {
        return Err("the catalogue holds no two such games: one with more games would be right".to_owned());
    };
    let words = |page: &Value| {
        let place = page["items"].as_array().and_then(|items| items.iter().position(|item| item["id"] == first["id"]));
        let place = place.map_or("not among the first ten".to_owned(), |at| format!("place {} of {}", at + 1, number(&page["total"])));
        format!("\"{typed}\" finds {}: {place}", text(&first["name"]))
    };
    told.step(Ask::get(format!("/v1/products/search?q={}", encoded(&typed))), 200, words).await?;
    let now = scene.app.db.now();
    let sale = json!({ "percent": 75, "starts_at": now, "ends_at": now.plus_us(HOUR_US) });
    let words = |_: &Value| format!("75 % off {} for an hour", text(&second["name"]));
    told.step(Ask::put(format!("/v1/products/{}/sale", second["id"]), sale).by(&staff.token), 200, words).await?;
    let words = |shown: &Value| format!("{} instead of {}", usd(&shown["price_minor"]), usd(&shown["regular_price_minor"]));
    let second = told.step(Ask::get(format!("/v1/products/{}", second["id"])), 200, words).await?;
    Ok((first.clone(), second))
}

async fn buy(told: &mut Told<'_>, token: &str, games: [&Value; 2]) -> Result<(), String> {
    for game in games {
        let words = |_: &Value| format!("{}, {}", text(&game["name"]), usd(&game["price_minor"]));
        told.step(Ask::post("/v1/wishlist", json!({ "product": game["id"] })).by(token), 201, words).await?;
    }
    let order = told
        .step(Ask::post("/v1/orders", json!({})).by(token), 201, |order| {
            format!("the wishlist becomes order {}", short(text(&order["id"])))
        })
        .await?;
    let enter = Ask::post("/v1/payments", json!({ "order": order["id"] })).by(token);
    let words = |payment: &Value| {
        format!("{} at {} a dollar, fixed from now on", points(&payment["amount_minor"]), count(number(&payment["points_per_usd"])))
    };
    let payment = told.step(enter, 201, words).await?;
    let payment = format!("/v1/payments/{}", text(&payment["id"]));
    let pay = || Ask::post(format!("{payment}/pay"), json!({})).by(token).keyed("my-first-purchase");
    let receipt = told.step(pay(), 200, |receipt| format!("paid; {} are left", points(&receipt["balance_minor"]))).await?;
    let again = told.step(pay(), 200, |_| "the same key again: the same receipt, and nothing is paid twice".to_owned()).await?;
    if again != receipt {
        return Err(format!("a repeated key got another receipt: {again} instead of {receipt}"));
    }
    told.step(Ask::get("/v1/library").by(token), 200, |owned| format!("{} games are hers", owned["items"].as_array().map_or(0, Vec::len)))
        .await?;
    let played = format!("/v1/library/{}/plays", games[0]["id"]);
    told.step(Ask::post(played, json!({ "minutes": 42 })).by(token), 200, |owned| {
        format!("{} minutes of {}", owned["minutes"], text(&games[0]["name"]))
    })
    .await?;
    let words = |refund: &Value| format!("{} come back for the one she never played", points(&refund["amount_minor"]));
    let refund = told.step(Ask::post(format!("{payment}/refunds"), json!({})).by(token), 201, words).await?;
    for refused in refund["refused"].as_array().into_iter().flatten() {
        told.teller.more(&format!("not refunded: {}", text(&refused["reason"])));
    }
    let entries =
        told.step(Ask::get("/v1/wallet/entries?currency=POINTS").by(token), 200, |_| "every point, newest first".to_owned()).await?;
    for entry in entries["items"].as_array().into_iter().flatten() {
        told.teller.more(&format!(
            "{:<8} {:>16}   then {:>15}",
            text(&entry["reason"]),
            points(&entry["amount_minor"]),
            points(&entry["balance_after_minor"])
        ));
    }
    Ok(())
}

/// The name with two letters of its longest word swapped; none for a name without such a word.
fn mistyped(name: &str) -> Option<String> {
    let word = name
        .split(' ')
        .filter(|word| word.len() >= 6 && word.bytes().all(|byte| byte.is_ascii_alphabetic()))
        .max_by_key(|word| word.len())?;
    let mut letters: Vec<char> = word.chars().collect();
    let at = (2..letters.len() - 1).find(|at| letters[*at] != letters[at + 1])?;
    letters.swap(at, at + 1);
    Some(name.replacen(word, &letters.into_iter().collect::<String>(), 1))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn names(list: &Value) -> String {
    list.as_array().into_iter().flatten().map(|name| text(name).replace('_', " ")).collect::<Vec<_>>().join(", ")
}

fn minutes(signed: &Value) -> u64 {
    number(&signed["access_expires_in_s"]) / 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_has_two_letters_of_its_longest_word_swapped() {
        assert_eq!(mistyped("The Lantern Keeper 2").as_deref(), Some("The Latnern Keeper 2"));
        assert_eq!(mistyped("Go 2"), None);
        assert_eq!(mistyped("aaaaaaa"), None);
    }
}
