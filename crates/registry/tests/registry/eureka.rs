//! Eureka's protocol as it is on the wire, in JSON and in XML.

use crate::ground::{Ground, PASSWORD, Process, assert_sound, both_engines};
use flate2::Compression;
use flate2::write::{GzDecoder, GzEncoder};
use registry::Registration;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::io::Write as _;

fn document(id: &str, status: &str) -> Value {
    json!({ "instance": {
        "instanceId": id, "hostName": "shop.example", "app": "SHOP", "ipAddr": "10.0.0.9", "status": status, "overriddenStatus": "UNKNOWN",
        "port": { "$": 8081, "@enabled": "true" }, "securePort": { "$": 443, "@enabled": "false" }, "countryId": 1,
        "dataCenterInfo": { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn" },
        "leaseInfo": { "renewalIntervalInSecs": 5, "durationInSecs": 20, "registrationTimestamp": 0, "lastRenewalTimestamp": 0 },
        "metadata": { "management.port": "8081", "zone": "a" }, "vipAddress": "shop,shop-v2", "secureVipAddress": "shop",
        "isCoordinatingDiscoveryServer": "false", "lastUpdatedTimestamp": "1700000000000", "lastDirtyTimestamp": "1700000000000"
    }})
}

const XML: &str = r#"<?xml version="1.0"?><instance><instanceId>x:1</instanceId><hostName>h&amp;x</hostName><app>SHOP</app><ipAddr>10.0.0.8</ipAddr>
<status>UP</status><overriddenstatus>UNKNOWN</overriddenstatus><port enabled="false">80</port><securePort enabled="true">8443</securePort>
<countryId>1</countryId><dataCenterInfo class="com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"><name>MyOwn</name></dataCenterInfo>
<leaseInfo><renewalIntervalInSecs>5</renewalIntervalInSecs><durationInSecs>20</durationInSecs></leaseInfo>
<metadata><weight>7</weight><version>2.1</version></metadata><vipAddress>shop</vipAddress><lastDirtyTimestamp>5</lastDirtyTimestamp></instance>"#;

async fn call(process: &Process, method: Method, path: &str, body: Option<(&str, Vec<u8>)>, accept: &str) -> Response {
    let mut request = Client::new().request(method, format!("{}/eureka{path}", process.url())).basic_auth("eureka", Some(PASSWORD));
    request = request.header(ACCEPT, accept);
    if let Some((kind, body)) = body {
        request = request.header(CONTENT_TYPE, kind).body(body);
    }
    request.send().await.unwrap()
}

async fn json_of(process: &Process, path: &str) -> Value {
    let response = call(process, Method::GET, path, None, "application/json").await;
    assert_eq!(response.status(), 200, "{path}");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn status(process: &Process, method: Method, path: &str) -> u16 {
    call(process, method, path, None, "application/json").await.status().as_u16()
}

async fn register(process: &Process, document: &Value) -> u16 {
    let body = Some(("application/json", document.to_string().into_bytes()));
    call(process, Method::POST, "/apps/SHOP", body, "application/json").await.status().as_u16()
}

both_engines! {
    async fn a_client_registers_renews_and_cancels(ground: &Ground) {
        let process = Process::start(ground, 0, Some(PASSWORD)).await;
        assert_eq!(status(&process, Method::PUT, "/apps/SHOP/a:1").await, 404, "so that it registers");
        assert_eq!(register(&process, &document("a:1", "UP")).await, 204);
        let path = "/apps/SHOP/a:1?status=UP&lastDirtyTimestamp=1700000000000";
        assert_eq!(status(&process, Method::PUT, path).await, 200);
        assert_eq!(status(&process, Method::PUT, "/apps/SHOP/a:1?lastDirtyTimestamp=1700000000001").await, 404, "it has more to say");

        let apps = json_of(&process, "/apps/").await;
        assert_eq!((&apps["applications"]["apps__hashcode"], &apps["applications"]["versions__delta"]), (&json!("UP_1_"), &json!("1")));
        let told = &apps["applications"]["application"][0]["instance"][0];
        assert_eq!((&told["instanceId"], &told["port"], &told["status"]), (&json!("a:1"), &json!({ "$": 8081, "@enabled": "true" }), &json!("UP")));
        assert_eq!((&told["metadata"]["zone"], &told["leaseInfo"]["durationInSecs"]), (&json!("a"), &json!(20)));
        for path in ["/apps/shop", "/apps/SHOP/a:1", "/instances/a:1", "/vips/shop-v2", "/svips/shop", "/apps"] {
            assert!(json_of(&process, path).await.to_string().contains("a:1"), "{path}");
        }
        let native = process.registry.snapshot().await.unwrap().changed;
        assert_eq!((native[0].service.as_str(), native[0].address.as_str(), native[0].takes_requests()), ("shop", "10.0.0.9:8081", true));

        assert_eq!(status(&process, Method::DELETE, "/apps/SHOP/a:1").await, 200);
        assert_eq!(status(&process, Method::DELETE, "/apps/SHOP/a:1").await, 404);
        for path in ["/apps/SHOP", "/apps/SHOP/a:1", "/instances/a:1", "/vips/shop"] {
            assert_eq!(status(&process, Method::GET, path).await, 404, "{path}");
        }
        assert_sound(&process.db).await;
    }

    async fn a_delta_tells_what_changed_and_the_hash_of_everyone(ground: &Ground) {
        let process = Process::start(ground, 0, Some(PASSWORD)).await;
        for id in ["a", "b", "c"] {
            register(&process, &document(id, "UP")).await;
        }
        register(&process, &document("d", "DOWN")).await;
        status(&process, Method::PUT, "/apps/SHOP/b/status?value=OUT_OF_SERVICE").await;
        status(&process, Method::DELETE, "/apps/SHOP/c").await;
        let delta = json_of(&process, "/apps/delta").await;
        assert_eq!(delta["applications"]["apps__hashcode"], "DOWN_1_OUT_OF_SERVICE_1_UP_1_");
        let mut actions: Vec<(&str, &str)> = delta["applications"]["application"][0]["instance"].as_array().unwrap().iter()
            .map(|told| (told["instanceId"].as_str().unwrap(), told["actionType"].as_str().unwrap())).collect();
        actions.sort_unstable();
        assert_eq!(actions, [("a", "ADDED"), ("b", "MODIFIED"), ("c", "DELETED"), ("d", "ADDED")]);
    }

    async fn an_operators_status_stands_over_the_instances_own_until_it_is_taken_away(ground: &Ground) {
        let process = Process::start(ground, 0, Some(PASSWORD)).await;
        register(&process, &document("a", "UP")).await;
        assert_eq!(status(&process, Method::PUT, "/apps/SHOP/a/status?value=OUT_OF_SERVICE").await, 200);
        register(&process, &document("a", "UP")).await;
        let told = json_of(&process, "/instances/a").await;
        assert_eq!((&told["instance"]["status"], &told["instance"]["overriddenstatus"]), (&json!("OUT_OF_SERVICE"), &json!("OUT_OF_SERVICE")));
        assert!(!process.registry.snapshot().await.unwrap().changed[0].takes_requests());
        assert_eq!(status(&process, Method::DELETE, "/apps/SHOP/a/status?value=UP").await, 200);
        assert_eq!(json_of(&process, "/instances/a").await["instance"]["status"], "UP");
        assert_eq!(status(&process, Method::PUT, "/apps/SHOP/a/status?value=SLEEPY").await, 400);
        assert_eq!(status(&process, Method::PUT, "/apps/SHOP/nobody/status?value=UP").await, 404);
        assert_eq!(status(&process, Method::PUT, "/apps/SHOP/a/metadata?colour=blue").await, 200);
        assert_eq!(json_of(&process, "/instances/a").await["instance"]["metadata"]["colour"], "blue");
    }

    async fn xml_and_packed_bodies_say_the_same(ground: &Ground) {
        let process = Process::start(ground, 0, Some(PASSWORD)).await;
        let sent = call(&process, Method::POST, "/apps/SHOP", Some(("application/xml", XML.into())), "application/xml").await;
        assert_eq!(sent.status(), 204);
        let native = process.registry.snapshot().await.unwrap().changed;
        assert_eq!((native[0].address.as_str(), native[0].secure, native[0].weight, native[0].version.as_str()), ("10.0.0.8:8443", true, 7, "2.1"));
        let told = call(&process, Method::GET, "/apps/SHOP/x:1", None, "application/xml").await.text().await.unwrap();
        for part in ["<hostName>h&amp;x</hostName>", "<securePort enabled=\"true\">8443</securePort>", "<weight>7</weight>", "<status>UP</status>",
            "<dataCenterInfo class=\"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo\"><name>MyOwn</name></dataCenterInfo>"] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert_eq!(json_of(&process, "/instances/x:1").await["instance"]["countryId"], 1, "a number in JSON, whatever it came as");

        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(document("packed", "UP").to_string().as_bytes()).unwrap();
        let request = Client::new().post(format!("{}/eureka/apps/SHOP", process.url())).basic_auth("eureka", Some(PASSWORD));
        let request = request.header(CONTENT_TYPE, "application/json").header(CONTENT_ENCODING, "gzip").body(packer.finish().unwrap());
        assert_eq!(request.send().await.unwrap().status(), 204);
        let request = Client::new().get(format!("{}/eureka/apps", process.url())).basic_auth("eureka", Some(PASSWORD));
        let packed = request.header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "gzip").send().await.unwrap();
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        let mut unpacker = GzDecoder::new(Vec::new());
        unpacker.write_all(&packed.bytes().await.unwrap()).unwrap();
        let told: Value = serde_json::from_slice(&unpacker.finish().unwrap()).unwrap();
        assert_eq!(told["applications"]["application"][0]["instance"].as_array().unwrap().len(), 2);
    }

    async fn our_own_processes_are_seen_and_cannot_be_touched(ground: &Ground) {
        let process = Process::start(ground, 0, Some(PASSWORD)).await;
        process.registry.register("pay-1", &Registration::new(["payments"], "10.0.0.1:80")).await.unwrap();
        let told = json_of(&process, "/apps/PAYMENTS").await;
        assert_eq!((&told["application"]["instance"][0]["ipAddr"], &told["application"]["instance"][0]["vipAddress"]), (&json!("10.0.0.1"), &json!("payments")));
        for (method, path) in [(Method::DELETE, "/apps/PAYMENTS/pay-1"), (Method::PUT, "/apps/PAYMENTS/pay-1/status?value=DOWN"), (Method::PUT, "/apps/PAYMENTS/pay-1")] {
            assert_eq!(status(&process, method, path).await, 404, "{path}");
        }
        let mut disguised = document("evil", "UP");
        disguised["instance"]["app"] = json!("PAYMENTS");
        let body = Some(("application/json", disguised.to_string().into_bytes()));
        assert_eq!(call(&process, Method::POST, "/apps/PAYMENTS", body, "application/json").await.status(), 403, "its requests carry money");
    }

    async fn strangers_and_nonsense_are_refused(ground: &Ground) {
        let process = Process::start(ground, 0, Some(PASSWORD)).await;
        let stranger = Client::new().get(format!("{}/eureka/apps", process.url())).send().await.unwrap();
        assert_eq!((stranger.status().as_u16(), stranger.headers()["www-authenticate"].to_str().unwrap()), (401, "Basic realm=\"eureka\""));
        for (kind, body) in [("application/json", "{"), ("application/json", "{\"instance\":7}"), ("application/xml", "<instance>"), ("application/xml", "<other/>")] {
            assert_eq!(call(&process, Method::POST, "/apps/SHOP", Some((kind, body.into())), "*/*").await.status(), 400, "{body}");
        }
        assert_eq!(status(&process, Method::PUT, "/apps/SHOP/a%00b").await, 404, "no database holds that");
        let mut other = document("a", "UP");
        other["instance"]["app"] = json!("OTHER");
        assert_eq!(register(&process, &other).await, 400, "the path names SHOP");
        let mut closed = document("a", "UP");
        closed["instance"]["port"]["@enabled"] = json!("false");
        assert_eq!(register(&process, &closed).await, 400, "it has no port");
        let bomb = {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            packer.write_all(&vec![b' '; 8 << 20]).unwrap();
            packer.finish().unwrap()
        };
        let request = Client::new().post(format!("{}/eureka/apps/SHOP", process.url())).basic_auth("eureka", Some(PASSWORD));
        let request = request.header(CONTENT_TYPE, "application/json").header(CONTENT_ENCODING, "gzip").body(bomb);
        assert_eq!(request.send().await.unwrap().status(), 413);
    }
}
