//! The docs page in a real browser: every route is there, is found, and can be tried by somebody who signs in on the page.
//! Leaves what the routes answer to the other tests.

use super::browser::Browser;
use super::ground::PASSWORD;
use serde_json::json;
use testkit::both_engines;
use web::{Role, Roles};

const EMAIL: &str = "ada.lovelace@example.org";
/// Cards of routes that the search leaves visible.
const VISIBLE: &str = "[...document.querySelectorAll('.op')].filter(card => card.offsetParent)";

/// The card of a route.
fn card(route: &str) -> String {
    format!(".op[aria-label='{route}']")
}

/// Opens a route, sends what stands in its form, and waits for the answer's status.
async fn try_out(browser: &Browser, route: &str, body: Option<&str>, status: u16) {
    let card = card(route);
    browser.click(&format!("{card} .head")).await;
    if let Some(body) = body {
        browser.write(&format!("{card} textarea"), body).await;
    }
    browser.click(&format!("{card} .go")).await;
    browser.until(&format!("document.querySelector(\"{card} .answer .code\")?.textContent.startsWith('{status}') ?? false")).await;
}

both_engines! {
    async fn the_docs_page_shows_every_route_and_lets_one_be_tried(world: &World) {
        let Some(browser) = Browser::open("the docs page in a browser").await else { return };
        world.app.accounts.create_user(EMAIL, PASSWORD, "Ada", Roles::default().with(Role::Player)).await.expect("an account");
        let api = world.nobody().get("/openapi.json").await.expect(200);
        let operations: usize = api["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();

        browser.go(&format!("{}/docs", world.url)).await;
        browser.until("document.querySelectorAll('.op').length > 0").await;
        assert_eq!(browser.read("document.querySelectorAll('.op').length").await, json!(operations), "a card for each route");
        assert_eq!(browser.read("document.title").await, json!("Guildhall API"));

        browser.write("#search", "wishlist").await;
        let found = browser.read(&format!("{VISIBLE}.length")).await.as_u64().unwrap();
        assert!((3..20).contains(&found), "{found} routes are about wishlists");
        browser.write("#search", "no such route").await;
        assert_eq!(browser.read(&format!("{VISIBLE}.length")).await, json!(0));
        assert_eq!(browser.read("document.querySelector('#none').hidden").await, json!(false), "and the page says so");
        browser.write("#search", "accounts").await;

        try_out(&browser, "get /v1/accounts/me", None, 401).await;
        browser.write("#search", "session").await;
        try_out(&browser, "post /v1/sessions", Some(&json!({ "email": EMAIL, "password": PASSWORD }).to_string()), 201).await;
        browser.click(&format!("{} .answer > button", card("post /v1/sessions"))).await;
        browser.write("#search", "accounts/me").await;
        browser.click(&format!("{} .go", card("get /v1/accounts/me"))).await;
        browser.until(&format!("document.querySelector(\"{} .answer pre\")?.textContent.includes('{EMAIL}') ?? false", card("get /v1/accounts/me"))).await;

        browser.resize(390, 800).await;
        browser.until("document.documentElement.scrollWidth <= innerWidth").await;
        let complaints: Vec<_> = browser.complaints().await.into_iter().filter(|entry| !entry["message"].to_string().contains("401")).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        browser.close().await;
    }
}
