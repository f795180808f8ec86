//! The console in a real browser: an operator signs in, watches a product's copies, registers some, stops a campaign, blocks an account,
//! and every section draws itself. Leaves what the API allows to the other tests: the console has no rights of its own.

use super::browser::Browser;
use super::ground::PASSWORD;
use serde_json::json;
use testkit::{World, both_engines};
use web::{Role, Roles};

const STAFF: &str = "staff@example.org";
const PLAYER: &str = "jane@example.org";

async fn shows(browser: &Browser, css: &str, text: &str) {
    browser.until(&format!("[...document.querySelectorAll(\"{css}\")].some(found => found.textContent.includes({}))", json!(text))).await;
}

/// Opens a section by its address.
async fn open(browser: &Browser, at: &str, title: &str) {
    browser.read(&format!("location.hash = {}", json!(at))).await;
    shows(browser, "h1", title).await;
}

async fn sign_in(browser: &Browser, world: &World, password: &str) {
    browser.go(&format!("{}/console/", world.url)).await;
    browser.until("document.querySelector('form.enter') !== null").await;
    browser.write("[name=email]", STAFF).await;
    browser.write("[name=password]", password).await;
    browser.click("form.enter button").await;
}

fn campaign() -> serde_json::Value {
    json!({
        "id": "five-races", "game": "kartrush", "title": "Five races", "zone": "Asia/Seoul",
        "period": { "starts": "2026-01-01T00:00:00Z", "ends": "2036-01-01T00:00:00Z" },
        "goals": [{ "id": "races", "title": "Finish five races", "condition": { "measure": "count", "on": ["play"], "target": 5 },
                    "rewards": [{ "item": "golden-kart" }] }]
    })
}

both_engines! {
    async fn an_operator_runs_a_sale_a_campaign_and_an_account_from_the_console(world: &World) {
        let Some(browser) = Browser::open("the console in a browser").await else { return };
        let roles = [Role::Player, Role::Operator, Role::StoreManager].into_iter().fold(Roles::default(), Roles::with);
        world.app.accounts.create_user(STAFF, PASSWORD, "Staff", roles).await.expect("an account");
        let jane = world.app.accounts.create_user(PLAYER, PASSWORD, "<b>Jane</b>", Roles::default().with(Role::Player)).await.expect("an account");
        let product = world.limited_product("The Last Lantern", 1_999, 10).await;
        let operator = world.game("kartrush").await;
        world.campaign(&operator, &campaign()).await;

        sign_in(&browser, world, "not the password").await;
        shows(&browser, ".problem", "wrong-credentials").await;
        sign_in(&browser, world, PASSWORD).await;
        shows(&browser, "h1", "Overview").await;
        shows(&browser, ".card", "The Last Lantern").await;
        shows(&browser, ".card", "Five races").await;

        open(&browser, "#/sales", "Sales").await;
        browser.write("#find", "lantren").await;
        shows(&browser, ".list a", "The Last Lantern").await;
        open(&browser, &format!("#/sales/{product}"), "Sales").await;
        shows(&browser, ".copies", "10").await;
        browser.write("form.register [name=quantity]", "15").await;
        browser.click("form.register button").await;
        browser.until("document.querySelector('.copies svg')?.getAttribute('aria-label') === '0 sold, 0 held, 25 left of 25'").await;
        let player = world.player().await;
        world.charge(&player, 100_000).await;
        player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
        browser.until("document.querySelector('.copies svg')?.getAttribute('aria-label') === '1 sold, 0 held, 24 left of 25'").await;
        browser.write("form.sale [name=percent]", "101").await;
        assert_eq!(browser.read("document.querySelector('form.sale').checkValidity()").await, json!(false), "the page knows what a percent is");
        browser.write("form.sale [name=percent]", "25").await;
        browser.click("form.sale button").await;
        shows(&browser, ".card", "25 % off").await;

        open(&browser, "#/campaigns/kartrush/five-races", "Campaigns").await;
        shows(&browser, ".goals td", "golden-kart").await;
        browser.click("button.stop").await;
        browser.click("dialog .sure").await;
        shows(&browser, ".badge", "stopped").await;
        assert_eq!(operator.get("/v1/games/kartrush/campaigns/five-races").await.expect(200)["state"], "stopped");

        open(&browser, "#/accounts", "Accounts").await;
        browser.write("form.find [name=wanted]", PLAYER).await;
        browser.click("form.find button").await;
        // A name is text, whatever it looks like.
        shows(&browser, "h2", "<b>Jane</b>").await;
        browser.click("form.gate button").await;
        shows(&browser, ".badge", "blocked").await;
        assert_eq!(operator.get(&format!("/v1/accounts/{jane}")).await.expect(200)["state"], "blocked");

        open(&browser, "#/database", "Database").await;
        shows(&browser, ".card", "What takes the time").await;
        open(&browser, "#/audit", "Audit").await;
        shows(&browser, ".acts td", "account.blocked").await;

        browser.resize(390, 800).await;
        browser.until("document.documentElement.scrollWidth <= innerWidth").await;
        let complaints: Vec<_> = browser.complaints().await.into_iter().filter(|entry| {
            let told = entry["message"].to_string();
            !told.contains("401") && !told.contains("404") && !told.contains("403")
        }).collect();
        assert!(complaints.is_empty(), "{complaints:?}");

        browser.click(".sign-out").await;
        browser.until("document.querySelector('form.enter') !== null").await;
        assert_eq!(browser.read("sessionStorage.length").await, json!(0), "nothing of the session is kept");
        browser.close().await;
    }
}
