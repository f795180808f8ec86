//! A real browser of a test's own, driven by the W3C's WebDriver protocol through chromedriver.
//! Refuses to be left running: it ends with the test.

use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Names chromedriver, which finds the browser by itself.
const VARIABLE: &str = "GUILDHALL_TEST_BROWSER";
/// The key of an element's id, by the standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// A page has so long to show what is waited for; a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open window.
pub(super) struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
}

impl Browser {
    /// Opens a window; nothing where there is no browser.
    pub(super) async fn open(test: &str) -> Option<Browser> {
        let program = testkit::program(VARIABLE, test)?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let mut command = Command::new(program);
        command.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = command.spawn().expect("chromedriver starts");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client without TLS");
        let mut browser = Browser { driver, session: format!("http://127.0.0.1:{port}"), client };
        // Root has no sandbox, and a container little shared memory.
        let arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1280,1000"];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" } } } });
        let started = Instant::now();
        let session = loop {
            match browser.ask("session", &wanted).await {
                Ok(made) => break made["sessionId"].as_str().expect("a session has an id").to_owned(),
                Err(error) => assert!(started.elapsed() < PATIENCE, "no browser opens: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        browser.session = format!("{}/session/{session}", browser.session);
        Some(browser)
    }

    async fn ask(&self, what: &str, body: &Value) -> Result<Value, String> {
        let asked = self.client.post(format!("{}/{what}", self.session)).json(body).send().await.map_err(|e| e.to_string())?;
        let good = asked.status().is_success();
        let mut answer: Value = asked.json().await.map_err(|e| e.to_string())?;
        let value = answer["value"].take();
        if good { Ok(value) } else { Err(value.to_string()) }
    }

    pub(super) async fn go(&self, url: &str) {
        self.ask("url", &json!({ "url": url })).await.expect("the page opens");
    }

    /// The size of the window, in pixels.
    pub(super) async fn resize(&self, width: u32, height: u32) {
        self.ask("window/rect", &json!({ "width": width, "height": height })).await.expect("a window can be resized");
    }

    /// What an expression of the page's own language is.
    pub(super) async fn read(&self, expression: &str) -> Value {
        self.ask("execute/sync", &json!({ "script": format!("return {expression}"), "args": [] })).await.expect("it can be read")
    }

    /// Waits until an expression is true.
    pub(super) async fn until(&self, expression: &str) {
        let started = Instant::now();
        while self.read(expression).await != json!(true) {
            let page = self.read("document.body.innerText.slice(0, 2000)").await;
            assert!(started.elapsed() < PATIENCE, "never true: {expression}\n{page}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn element(&self, css: &str) -> String {
        let found = self.ask("element", &json!({ "using": "css selector", "value": css })).await;
        let found = found.unwrap_or_else(|error| panic!("nothing is {css}: {error}"));
        format!("element/{}", found[ELEMENT].as_str().expect("an element has an id"))
    }

    /// Clicks as a person does: what is hidden or covered cannot be clicked.
    pub(super) async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.ask(&format!("{element}/click"), &json!({})).await.unwrap_or_else(|error| panic!("{css} cannot be clicked: {error}"));
    }

    /// Types into a field in place of what stands there.
    pub(super) async fn write(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.ask(&format!("{element}/clear"), &json!({})).await.expect("a field can be cleared");
        self.ask(&format!("{element}/value"), &json!({ "text": text }))
            .await
            .unwrap_or_else(|error| panic!("{css} takes no text: {error}"));
    }

    /// What went wrong on the page so far: failed scripts, and what the page's policy refused.
    pub(super) async fn complaints(&self) -> Vec<Value> {
        let log = self.ask("se/log", &json!({ "type": "browser" })).await.expect("the browser keeps a log");
        log.as_array().cloned().unwrap_or_default().into_iter().filter(|entry| entry["level"] == "SEVERE").collect()
    }

    /// Closes the window.
    pub(super) async fn close(self) {
        // The driver is killed in any case.
        drop(self.client.delete(&self.session).send().await);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
